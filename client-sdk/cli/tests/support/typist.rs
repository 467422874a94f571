//! Somebody who types numbered lines into a chat, faster than anybody answers.

use std::io::Write;
use std::process::ChildStdin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use super::process::Running;
use super::random::Random;

/// Types on a thread of its own, until told to stop or until nobody reads any more.
#[derive(Debug)]
pub struct Typist {
    typed: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<ChildStdin>,
}

impl Typist {
    /// Begins with the line `from`, in bursts of up to ten lines with pauses up to 20 ms.
    pub fn start(chat: &mut Running, from: u64, mut random: Random) -> Self {
        let typed = Arc::new(AtomicU64::new(from - 1));
        let stop = Arc::new(AtomicBool::new(false));
        let mut input = chat.take_input();
        let (count, told) = (Arc::clone(&typed), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                for _ in 0..=random.below(10) {
                    let number = count.load(Ordering::Relaxed) + 1;
                    if writeln!(input, "{number}").is_err() {
                        return input;
                    }
                    count.store(number, Ordering::Relaxed);
                }
                thread::sleep(random.pause(20));
            }
            input
        });
        Self {
            typed,
            stop,
            thread,
        }
    }

    /// The number of the newest line.
    pub fn typed(&self) -> u64 {
        self.typed.load(Ordering::Relaxed)
    }

    /// Ends the typing and the input, and returns the number of the last line.
    pub fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.thread.join().expect("the typist does not fail"));
        self.typed.load(Ordering::Relaxed)
    }
}
