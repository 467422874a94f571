//! A wire that remembers: it passes bytes between clients and a server, and keeps a copy of them.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;

/// Listens in place of the server. Each connection is passed on until one of its ends is closed.
#[derive(Debug)]
pub struct Recorder {
    listen: SocketAddr,
    seen: Arc<Mutex<Vec<u8>>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Records what goes to and from `server`, an address and a port.
    pub fn start(server: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let listen = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let is_over = Arc::new(AtomicBool::new(false));
        let (copy, over, server) = (Arc::clone(&seen), Arc::clone(&is_over), server.to_owned());
        let thread = thread::spawn(move || {
            for client in listener.incoming() {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                pass_on(client.unwrap(), &server, &copy);
            }
        });
        Self {
            listen,
            seen,
            is_over,
            thread: Some(thread),
        }
    }

    /// Where it listens: `HOST:PORT`.
    pub fn address(&self) -> String {
        self.listen.to_string()
    }

    /// The port of that.
    pub fn port(&self) -> u16 {
        self.listen.port()
    }

    /// Everything that has passed so far, in both directions. What one end has sent in one go
    /// stands together.
    pub fn seen(&self) -> Vec<u8> {
        self.seen.lock().clone()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // Wakes the thread, which looks.
        let _refused = TcpStream::connect(self.listen);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

fn pass_on(client: TcpStream, server: &str, seen: &Arc<Mutex<Vec<u8>>>) {
    // Without a server the client sees its connection closed.
    let Ok(server) = TcpStream::connect(server) else {
        return;
    };
    for (from, to) in [(&client, &server), (&server, &client)] {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        let seen = Arc::clone(seen);
        thread::spawn(move || {
            let mut passed = Vec::new();
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                passed.extend_from_slice(&buffer[..count]);
                seen.lock().extend_from_slice(&buffer[..count]);
                if to.write_all(&buffer[..count]).is_err() {
                    break;
                }
            }
            // Once more as one piece: two directions that alternate may have cut a word in two.
            seen.lock().extend_from_slice(&passed);
            let _gone = to.shutdown(Shutdown::Write);
        });
    }
}
