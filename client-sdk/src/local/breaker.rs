//! Deaths inside a call, for tests and simulations: the database fails once, at a chosen point.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rusqlite::Connection;

/// Makes SQLite fail once, in the middle of a call of the engine. What that call had done so far is
/// what a process has done that dies there.
#[doc(hidden)]
#[derive(Clone, Debug, Default)]
pub struct Breaker(Arc<Fuses>);

/// What is left before the failure; 0 while no fuse burns. SQLite calls back on the thread that
/// called it, so nothing here orders anything.
#[derive(Debug, Default)]
struct Fuses {
    steps: AtomicU64,
    commits: AtomicU64,
    /// Of commits that are done when it blows.
    done: AtomicU64,
    has_blown: AtomicBool,
}

impl Breaker {
    /// A breaker of this connection, in the place of any other one.
    pub(super) fn install(connection: &mut Connection) -> rusqlite::Result<Self> {
        let breaker = Self::default();
        let fuses = Arc::clone(&breaker.0);
        connection.progress_handler(1, Some(move || fuses.burn(&fuses.steps)))?;
        let fuses = Arc::clone(&breaker.0);
        connection.commit_hook(Some(move || fuses.at_commit()))?;
        Ok(breaker)
    }

    /// The database fails at the `steps`-th instruction of SQLite's machine from now on, or at the
    /// next one after it where SQLite looks up: within a statement or between two. 1 is the first.
    pub fn fail_at_step(&self, steps: u64) {
        self.0.steps.store(steps, Ordering::Relaxed);
    }

    /// The database fails instead of making the `commits`-th change from now on durable. 1 is the
    /// first.
    pub fn fail_at_commit(&self, commits: u64) {
        self.0.commits.store(commits, Ordering::Relaxed);
    }

    /// The `commits`-th change from now on becomes durable, and the database fails before anybody
    /// hears of it. 1 is the first.
    pub fn fail_behind_commit(&self, commits: u64) {
        self.0.done.store(commits, Ordering::Relaxed);
    }

    /// Whether the database has failed since the last [`reset`](Self::reset).
    #[must_use]
    pub fn has_blown(&self) -> bool {
        self.0.has_blown.load(Ordering::Relaxed)
    }

    /// Nothing fails any more, until it is asked for again.
    pub fn reset(&self) {
        for fuse in [&self.0.steps, &self.0.commits, &self.0.done] {
            fuse.store(0, Ordering::Relaxed);
        }
        self.0.has_blown.store(false, Ordering::Relaxed);
    }
}

impl Fuses {
    /// One more step: whether SQLite is to fail now.
    fn burn(&self, fuse: &AtomicU64) -> bool {
        let blows = shorten(fuse);
        self.has_blown.fetch_or(blows, Ordering::Relaxed);
        blows
    }

    /// A commit is about to be made: whether SQLite is to undo all instead.
    fn at_commit(&self) -> bool {
        if shorten(&self.done) {
            // SQLite looks up once more when the commit is done.
            self.steps.store(1, Ordering::Relaxed);
        }
        self.burn(&self.commits)
    }
}

/// Whether a fuse has burnt down now.
fn shorten(fuse: &AtomicU64) -> bool {
    let left = fuse.load(Ordering::Relaxed);
    fuse.store(left.saturating_sub(1), Ordering::Relaxed);
    left == 1
}
