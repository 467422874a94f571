//! What the workers and the thread that watches the clock tell each other.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Nanos;

/// The plan of a run, as times that are set once: warm-up until `measure_from`, measurement until
/// `stop_at`, then no new messages until `give_up_at`; and how many messages are complete.
#[derive(Debug)]
pub struct Progress {
    measure_from: AtomicU64,
    stop_at: AtomicU64,
    give_up_at: AtomicU64,
    completed: AtomicU64,
}

impl Progress {
    /// A run that warms up until told otherwise.
    pub fn new() -> Self {
        let never = || AtomicU64::new(u64::MAX);
        Self {
            measure_from: never(),
            stop_at: never(),
            give_up_at: never(),
            completed: AtomicU64::new(0),
        }
    }

    /// Ends the warm-up at `start`, which must lie ahead: so all workers know it in time, and a
    /// message is measured at all of its steps or at none.
    pub fn measure(&self, start: Nanos) {
        self.measure_from.store(start.0, Ordering::Release);
    }

    /// Ends the measurement at `now`; workers give up on what is on its way at `give_up_at`.
    pub fn stop(&self, now: Nanos, give_up_at: Nanos) {
        self.give_up_at.store(give_up_at.0, Ordering::Release);
        self.stop_at.store(now.0, Ordering::Release);
    }

    /// Whether a message meant to leave at `intended` belongs to the measurement.
    pub fn measures(&self, intended: Nanos) -> bool {
        intended.0 >= self.measure_from.load(Ordering::Acquire)
    }

    /// When new messages ended.
    pub fn stop_at(&self) -> Nanos {
        Nanos(self.stop_at.load(Ordering::Acquire))
    }

    /// When to give up.
    pub fn give_up_at(&self) -> Nanos {
        Nanos(self.give_up_at.load(Ordering::Acquire))
    }

    /// Counts complete messages.
    pub fn complete(&self, count: usize) {
        self.completed.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// How many messages are complete, warm-up included.
    pub fn completed(&self) -> u64 {
        self.completed.load(Ordering::Relaxed)
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warm_up_is_not_measured() {
        let progress = Progress::new();
        assert!(!progress.measures(Nanos(5)));
        progress.measure(Nanos(10));
        assert!(!progress.measures(Nanos(9)) && progress.measures(Nanos(10)));
    }
}
