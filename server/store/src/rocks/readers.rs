//! The reader threads: backlogs are read here, so that no reactor waits for the disk.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};

use super::Engine;
use super::fatal::AbortOnPanic;
use crate::keys;
use crate::{Row, resolve};

/// A page to read: rows of `from..to`, within one tag of one shard, limited as in a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// The first key.
    pub from: Vec<u8>,
    /// The first key behind the last.
    pub to: Vec<u8>,
    /// How many rows at most.
    pub rows_max: usize,
    /// After how many bytes of keys and values to stop.
    pub bytes_max: usize,
}

/// Takes the rows; runs on a reader thread.
type Answer = Box<dyn FnOnce(Vec<Row>) + Send>;

/// A few threads that answer page requests in the order in which they came.
pub struct Readers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    requests_max: usize,
}

struct Shared {
    queue: Mutex<Queue>,
    filled: Condvar,
}

#[derive(Default)]
struct Queue {
    requests: VecDeque<(PageRequest, Answer)>,
    is_closing: bool,
}

impl Readers {
    /// Starts `threads` threads over a queue of at most `requests_max` waiting requests.
    pub fn spawn(
        engine: &Arc<Engine>,
        threads: usize,
        requests_max: usize,
    ) -> Result<Self, io::Error> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            filled: Condvar::new(),
        });
        let threads = (0..threads)
            .map(|number| {
                let engine = Arc::clone(engine);
                let shared = Arc::clone(&shared);
                std::thread::Builder::new()
                    .name(format!("reader-{number}"))
                    .spawn(move || answer_until_closed(&engine, &shared))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            shared,
            threads,
            requests_max,
        })
    }

    /// Queues a request. `false` when the queue is full: nothing happens, ask again later.
    ///
    /// Only committed rows are seen. An unreadable row ends the process, as for `View`. A request
    /// that still waits when the pool is dropped is never answered.
    #[must_use]
    pub fn load(
        &self,
        request: PageRequest,
        answer: impl FnOnce(Vec<Row>) + Send + 'static,
    ) -> bool {
        let mut queue = self.shared.queue.lock();
        if queue.requests.len() >= self.requests_max {
            return false;
        }
        queue.requests.push_back((request, Box::new(answer)));
        drop(queue);
        self.shared.filled.notify_one();
        true
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.shared.queue.lock().is_closing = true;
        self.shared.filled.notify_all();
        for thread in self.threads.drain(..) {
            // It can't have panicked: that would have ended the process.
            let _ = thread.join();
        }
    }
}

fn answer_until_closed(engine: &Engine, shared: &Shared) {
    let _guard = AbortOnPanic;
    loop {
        let mut queue = shared.queue.lock();
        let (request, answer) = loop {
            if queue.is_closing {
                return;
            }
            match queue.requests.pop_front() {
                Some(request) => break request,
                None => shared.filled.wait(&mut queue),
            }
        };
        drop(queue);
        let limits = (request.rows_max, request.bytes_max);
        let mut rows = engine.scan_once(&request.from, &request.to, limits);
        if let Some(shard) = keys::shard_of(&request.from) {
            resolve(shard, engine, &mut rows, request.bytes_max);
        }
        answer(rows);
    }
}
