//! The one thread that writes: it merges what has queued into one synced commit, then announces.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::fatal::{AbortOnPanic, end_process};
use super::{Engine, StoreError};
use crate::Batch;

/// A commit takes what has queued up to this many bytes: it bounds how long a small batch waits
/// for a large one. RocksDB would cut its own groups of writers at the same size.
const COMMIT_BYTES_MAX: usize = 1 << 20;

/// How long a held commit waits for space before it is tried again. RocksDB itself looks for
/// space every 5 s, so more attempts would only fail faster.
const FULL_RETRY: Duration = Duration::from_millis(250);

/// How often free space is looked up while there is traffic: at 1 GB/s of writes the reserve of
/// 1 GiB outlasts it.
const SPACE_CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// What is known to a reactor after a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Durable {
    /// Which reactor this is for.
    pub reactor: usize,
    /// Its newest ticket that is durable, and with it all earlier ones. 0 before the first.
    pub ticket: u64,
    /// Whether new messages must be refused because the disk is full or nearly so.
    pub is_full: bool,
}

/// Tells a reactor; runs on the committer thread, so it must not wait.
pub type Wake = Box<dyn Fn(Durable) + Send>;

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommitterStats {
    /// Synced writes.
    pub commits: u64,
    /// Row operations in them.
    pub ops: u64,
    /// Bytes of batches in them.
    pub bytes: u64,
    /// Time spent in them, in microseconds.
    pub busy_us: u64,
}

/// The committer thread and its queue.
///
/// The queue is not bounded here: a reactor looks at [`Self::queued_bytes`] and stops reading
/// from its sockets, which is where a bound can be felt.
pub struct Committer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    queue: Mutex<Queue>,
    filled: Condvar,
    queued_bytes: AtomicUsize,
    is_full: AtomicBool,
    commits: AtomicU64,
    ops: AtomicU64,
    bytes: AtomicU64,
    busy_us: AtomicU64,
}

#[derive(Default)]
struct Queue {
    chunks: VecDeque<Chunk>,
    /// An emptied chunk, kept for its buffers.
    spare: Option<Chunk>,
    is_closing: bool,
}

/// What one commit will hold: merged batches, and who waits for them.
#[derive(Default)]
struct Chunk {
    batch: Batch,
    /// Reactor and its newest ticket in this chunk.
    tickets: Vec<(usize, u64)>,
}

impl Committer {
    /// Starts the thread for `reactors` reactors, numbered from 0.
    pub fn spawn(engine: Arc<Engine>, reactors: usize, wake: Wake) -> Result<Self, io::Error> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            filled: Condvar::new(),
            queued_bytes: AtomicUsize::new(0),
            is_full: AtomicBool::new(false),
            commits: AtomicU64::new(0),
            ops: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            busy_us: AtomicU64::new(0),
        });
        let worker = Worker {
            engine,
            shared: Arc::clone(&shared),
            wake,
            durable: vec![0; reactors],
            space_checked: None,
        };
        let thread = std::thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || worker.run())?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Queues one turn's rows. The wake-up for `ticket` comes when they, and all that was
    /// submitted by anybody before them, are durable. Tickets of a reactor only rise.
    ///
    /// An empty batch is fine: its ticket waits for what was submitted before it.
    pub fn submit(&self, reactor: usize, ticket: u64, batch: &Batch) {
        let mut queue = self.shared.queue.lock();
        let fits = |chunk: &&mut Chunk| {
            chunk.batch.is_empty() || chunk.batch.byte_len() + batch.byte_len() <= COMMIT_BYTES_MAX
        };
        if queue
            .chunks
            .back_mut()
            .as_ref()
            .is_none_or(|chunk| !fits(chunk))
        {
            let chunk = queue.spare.take().unwrap_or_default();
            queue.chunks.push_back(chunk);
        }
        let chunk = queue.chunks.back_mut().expect("a chunk was just pushed");
        chunk.batch.append(batch);
        match chunk.tickets.iter_mut().find(|(of, _)| *of == reactor) {
            Some((_, newest)) => *newest = ticket,
            None => chunk.tickets.push((reactor, ticket)),
        }
        self.shared
            .queued_bytes
            .fetch_add(batch.byte_len(), Ordering::Relaxed);
        drop(queue);
        self.shared.filled.notify_one();
    }

    /// Bytes of batches that are not durable yet, the commit in flight included.
    pub fn queued_bytes(&self) -> usize {
        self.shared.queued_bytes.load(Ordering::Relaxed)
    }

    /// Whether new messages must be refused because the disk is full or nearly so.
    pub fn is_full(&self) -> bool {
        self.shared.is_full.load(Ordering::Relaxed)
    }

    /// Totals since the start.
    pub fn stats(&self) -> CommitterStats {
        CommitterStats {
            commits: self.shared.commits.load(Ordering::Relaxed),
            ops: self.shared.ops.load(Ordering::Relaxed),
            bytes: self.shared.bytes.load(Ordering::Relaxed),
            busy_us: self.shared.busy_us.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Committer {
    /// Commits and announces what has queued, unless the disk is full: then it is dropped, which
    /// is harmless because nobody was told of it.
    fn drop(&mut self) {
        self.shared.queue.lock().is_closing = true;
        self.shared.filled.notify_one();
        if let Some(thread) = self.thread.take() {
            // It can't have panicked: that would have ended the process.
            let _ = thread.join();
        }
    }
}

/// The thread's own state.
struct Worker {
    engine: Arc<Engine>,
    shared: Arc<Shared>,
    wake: Wake,
    /// Newest durable ticket of each reactor.
    durable: Vec<u64>,
    /// When free space was last looked up.
    space_checked: Option<Instant>,
}

impl Worker {
    fn run(mut self) {
        let _guard = AbortOnPanic;
        loop {
            match self.next_chunk() {
                Next::Chunk(mut chunk) => {
                    self.check_space();
                    if !chunk.batch.is_empty() && !self.commit_until_durable(&chunk.batch) {
                        return;
                    }
                    self.announce(&chunk);
                    self.recycle(&mut chunk);
                }
                Next::SpaceCheck => self.check_space(),
                Next::Closed => return,
            }
        }
    }

    fn next_chunk(&self) -> Next {
        let mut queue = self.shared.queue.lock();
        loop {
            if let Some(chunk) = queue.chunks.pop_front() {
                return Next::Chunk(chunk);
            }
            if queue.is_closing {
                return Next::Closed;
            }
            // While the disk is full and senders are refused, no traffic would end the state.
            if self.shared.is_full.load(Ordering::Relaxed) {
                if self
                    .shared
                    .filled
                    .wait_for(&mut queue, SPACE_CHECK_INTERVAL)
                    .timed_out()
                {
                    return Next::SpaceCheck;
                }
            } else {
                self.shared.filled.wait(&mut queue);
            }
        }
    }

    /// Commits, and while the disk is full holds the commit. `false` when it had to be given up
    /// because the committer closes.
    fn commit_until_durable(&self, batch: &Batch) -> bool {
        loop {
            let started = Instant::now();
            match self.engine.commit(batch) {
                Ok(_) => {
                    let busy_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
                    self.shared.commits.fetch_add(1, Ordering::Relaxed);
                    self.shared
                        .ops
                        .fetch_add(batch.len() as u64, Ordering::Relaxed);
                    self.shared
                        .bytes
                        .fetch_add(batch.byte_len() as u64, Ordering::Relaxed);
                    self.shared.busy_us.fetch_add(busy_us, Ordering::Relaxed);
                    return true;
                }
                Err(StoreError::Full) => {
                    self.set_full(true);
                    if !self.wait_for_space() {
                        return false;
                    }
                }
                Err(error) => end_process(self.engine.on_fatal(), &error),
            }
        }
    }

    /// Rests before the next attempt; `false` when the committer closes.
    fn wait_for_space(&self) -> bool {
        let again = Instant::now() + FULL_RETRY;
        let mut queue = self.shared.queue.lock();
        while !queue.is_closing {
            if self.shared.filled.wait_until(&mut queue, again).timed_out() {
                return true;
            }
        }
        false
    }

    fn check_space(&mut self) {
        let now = Instant::now();
        if self
            .space_checked
            .is_some_and(|last| now - last < SPACE_CHECK_INTERVAL)
        {
            return;
        }
        self.space_checked = Some(now);
        match self.engine.is_short_of_space() {
            Ok(is_full) => self.set_full(is_full),
            // Without the answer there is still the error of a write that finds no space.
            Err(error) => tracing::warn!(event = "space_unknown", %error, "free space is unknown"),
        }
    }

    fn set_full(&self, is_full: bool) {
        if self.shared.is_full.swap(is_full, Ordering::Relaxed) == is_full {
            return;
        }
        if is_full {
            tracing::error!(
                event = "disk_full",
                "the disk is full: new messages are refused"
            );
        } else {
            tracing::info!(event = "disk_has_space", "there is space again");
        }
        for (reactor, ticket) in self.durable.iter().enumerate() {
            (self.wake)(Durable {
                reactor,
                ticket: *ticket,
                is_full,
            });
        }
    }

    fn announce(&mut self, chunk: &Chunk) {
        let is_full = self.shared.is_full.load(Ordering::Relaxed);
        self.shared
            .queued_bytes
            .fetch_sub(chunk.batch.byte_len(), Ordering::Relaxed);
        for &(reactor, ticket) in &chunk.tickets {
            let durable = &mut self.durable[reactor];
            assert!(
                ticket > *durable,
                "the tickets of reactor {reactor} went backwards"
            );
            *durable = ticket;
            (self.wake)(Durable {
                reactor,
                ticket,
                is_full,
            });
        }
    }

    fn recycle(&self, chunk: &mut Chunk) {
        if chunk.batch.byte_len() > COMMIT_BYTES_MAX {
            // One oversized batch must not keep its memory for ever.
            return;
        }
        chunk.batch.clear();
        chunk.tickets.clear();
        let mut queue = self.shared.queue.lock();
        queue.spare = Some(std::mem::take(chunk));
    }
}

/// Why the thread goes on.
enum Next {
    Chunk(Chunk),
    SpaceCheck,
    Closed,
}
