//! The only file that reads a clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use martlet_protocol::id::Millis;

/// Wall-clock time, which the shards get as an argument.
///
/// # Panics
/// When the system's clock stands before 1970: no message could be given a valid time.
pub fn wall() -> Millis {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("the system's clock stands after 1970");
    Millis(u64::try_from(since.as_millis()).expect("the year 584 million is far"))
}

/// Coarse monotonic time for deadlines: it never steps with the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct Monotonic {
    start: Instant,
}

impl Monotonic {
    /// A clock that starts at zero now.
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// Whole seconds since the start, rounded down.
    pub fn seconds(self) -> Seconds {
        Seconds(u32::try_from(self.start.elapsed().as_secs()).unwrap_or(u32::MAX))
    }

    /// Microseconds since the start.
    pub fn micros(self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// Seconds on a [`Monotonic`] clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seconds(pub u32);

impl Seconds {
    /// This many seconds later.
    pub fn plus(self, seconds: u32) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// Seconds from `earlier` until now, 0 when it lies ahead.
    pub fn since(self, earlier: Self) -> u32 {
        self.0.saturating_sub(earlier.0)
    }
}
