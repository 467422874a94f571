//! The limit program's log: a pre-written, recycled file behind one syncing thread.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};
use parking_lot::{Condvar, Mutex};

use crate::sys::Waker;

/// A log with natural group commit: the thread takes whatever has queued, writes it, syncs it
/// once and announces how far the log is durable. There is no timer; while one sync runs the next
/// group gathers by itself.
///
/// The file is written in full and synced before use and then overwritten from the front, so a
/// sync moves data only and never the file's length or its extents: the cheapest sync there is.
/// It cannot be recovered from: it measures what durability costs at least and promises none.
/// Invariant: `durable ≤ submitted`.
#[derive(Debug)]
pub struct SyncedLog {
    shared: Arc<Shared>,
    submitted: u64,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    filled: Condvar,
    /// The last durable ticket, or [`FAILED`].
    durable: AtomicU64,
    syncs: AtomicU64,
    failure: Mutex<Option<io::Error>>,
}

#[derive(Debug, Default)]
struct Queue {
    records: Vec<u8>,
    /// The ticket of the last batch in `records`.
    ticket: u64,
    closed: bool,
}

impl SyncedLog {
    /// Creates the file at `path`, writes all `log_bytes` of it, and starts the thread. `waker`
    /// is raised after each sync.
    pub fn create(path: &Path, log_bytes: usize, waker: Arc<Waker>) -> Result<Self> {
        let file = prewritten(path, log_bytes)?;
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            filled: Condvar::new(),
            durable: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
            failure: Mutex::new(None),
        });
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("sync".to_owned())
            .spawn(move || sync_loop(&file, log_bytes, &theirs, &waker))
            .context("start the sync thread")?;
        Ok(Self {
            shared,
            submitted: 0,
            thread: Some(thread),
        })
    }

    /// Queues `records`, which is left empty. They are durable once [`SyncedLog::durable`] has
    /// reached the ticket returned.
    pub fn submit(&mut self, records: &mut Vec<u8>) -> u64 {
        self.submitted += 1;
        let mut queue = self.shared.queue.lock();
        // Swapping instead of copying when the thread has taken everything: the usual case.
        if queue.records.is_empty() {
            std::mem::swap(&mut queue.records, records);
        } else {
            queue.records.extend_from_slice(records);
            records.clear();
        }
        queue.ticket = self.submitted;
        drop(queue);
        self.shared.filled.notify_one();
        self.submitted
    }

    /// The last ticket that is durable.
    ///
    /// # Errors
    /// The write or the sync that failed. After it nobody knows what is on the disk: as in the
    /// server, the process must end.
    pub fn durable(&self) -> io::Result<u64> {
        let durable = self.shared.durable.load(Ordering::Acquire);
        if durable == FAILED {
            let failure = self.shared.failure.lock().take();
            return Err(failure.unwrap_or_else(|| io::ErrorKind::BrokenPipe.into()));
        }
        assert!(durable <= self.submitted, "the sync is ahead of the log");
        Ok(durable)
    }

    /// How many times the log was synced.
    pub fn syncs(&self) -> u64 {
        self.shared.syncs.load(Ordering::Relaxed)
    }
}

impl Drop for SyncedLog {
    fn drop(&mut self) {
        self.shared.queue.lock().closed = true;
        self.shared.filled.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic was printed where it happened; there is nobody here to tell.
            let _ = thread.join();
        }
    }
}

/// A file of `bytes` zeros, on disk as a whole.
pub fn prewritten(path: &Path, bytes: usize) -> Result<File> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .open(path)
        .with_context(|| format!("create {}", path.display()))?;
    let zeros = vec![0; PREWRITE_BYTES];
    let mut offset = 0;
    while offset < bytes {
        let length = zeros.len().min(bytes - offset);
        file.write_all_at(&zeros[..length], offset as u64)
            .with_context(|| format!("write {}", path.display()))?;
        offset += length;
    }
    file.sync_all()
        .with_context(|| format!("sync {}", path.display()))?;
    Ok(file)
}

fn sync_loop(file: &File, log_bytes: usize, shared: &Shared, waker: &Waker) {
    let mut offset = 0;
    let mut records = Vec::new();
    loop {
        let ticket = {
            let mut queue = shared.queue.lock();
            while queue.records.is_empty() && !queue.closed {
                shared.filled.wait(&mut queue);
            }
            if queue.records.is_empty() {
                return;
            }
            std::mem::swap(&mut queue.records, &mut records);
            queue.ticket
        };
        if offset + records.len() > log_bytes {
            offset = 0;
        }
        let written = file.write_all_at(&records, offset as u64);
        if let Err(error) = written.and_then(|()| file.sync_data()) {
            *shared.failure.lock() = Some(error);
            shared.durable.store(FAILED, Ordering::Release);
            waker.raise();
            return;
        }
        offset += records.len();
        records.clear();
        shared.syncs.fetch_add(1, Ordering::Relaxed);
        shared.durable.store(ticket, Ordering::Release);
        waker.raise();
    }
}

const PREWRITE_BYTES: usize = 1 << 20;

/// Stands in place of the durable ticket once the log cannot be written any more.
const FAILED: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Epoll;
    use std::os::fd::AsFd;

    #[test]
    fn a_ticket_is_durable_only_after_its_records_are_in_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let (waker, epoll) = (Arc::new(Waker::new().unwrap()), Epoll::new().unwrap());
        epoll.add(waker.as_fd(), 0).unwrap();
        let mut log = SyncedLog::create(&path, 4096, Arc::clone(&waker)).unwrap();
        let mut ready = Vec::new();
        for round in 1..=3_u8 {
            let mut records = vec![round; 1000];
            let ticket = log.submit(&mut records);
            assert!(records.is_empty());
            while log.durable().unwrap() < ticket {
                epoll.wait(&mut ready, None).unwrap();
                waker.lower();
            }
            let content = std::fs::read(&path).unwrap();
            let place = usize::from(round - 1) * 1000..usize::from(round) * 1000;
            assert!(content[place].iter().all(|byte| *byte == round));
        }
        assert_eq!(log.syncs(), 3);
    }

    #[test]
    fn a_full_log_starts_again_at_the_front_and_does_not_grow() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut log = SyncedLog::create(&path, 1500, Arc::new(Waker::new().unwrap())).unwrap();
        for round in 1..=2_u8 {
            let ticket = log.submit(&mut vec![round; 1000]);
            while log.durable().unwrap() < ticket {
                thread::yield_now();
            }
        }
        let content = std::fs::read(&path).unwrap();
        assert_eq!(content.len(), 1500);
        assert_eq!((content[0], content[999], content[1000]), (2, 2, 0));
    }
}
