//! A token bucket in eight bytes, one per session and kind of traffic.

/// How fast a session may do one kind of thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Microseconds that one event costs; 0 is no limit.
    interval_us: u64,
    /// Microseconds of events that may come at once.
    burst_us: u64,
}

impl Rate {
    /// `per_second` events a second, twice as many at once; 0 is no limit.
    pub fn per_second(per_second: u32) -> Self {
        let interval_us = match per_second {
            0 => 0,
            some => (1_000_000 / u64::from(some)).max(1),
        };
        Self {
            interval_us,
            burst_us: interval_us * 2 * u64::from(per_second),
        }
    }
}

/// What a session has used of a [`Rate`]: the time at which the bucket would be full again
/// (the generic cell rate algorithm). It needs no refill, so an idle session costs nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    full_at_us: u64,
}

impl Bucket {
    /// Takes one event at `now_us` (monotonic).
    ///
    /// # Errors
    /// When the bucket is empty: microseconds until there is room for one.
    pub fn take(&mut self, rate: Rate, now_us: u64) -> Result<(), u64> {
        let next = self.full_at_us.max(now_us) + rate.interval_us;
        let over_us = next.saturating_sub(now_us + rate.burst_us);
        if over_us > 0 && rate.interval_us > 0 {
            return Err(over_us);
        }
        self.full_at_us = next;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let rate = Rate::per_second(10);
        let mut bucket = Bucket::default();
        let passed = (0..100)
            .filter(|_| bucket.take(rate, 1_000_000).is_ok())
            .count();
        assert_eq!(passed, 20);
        assert_eq!(bucket.take(rate, 1_000_000), Err(100_000));
        assert_eq!(bucket.take(rate, 1_100_000), Ok(()));
        assert_eq!(bucket.take(rate, 1_100_000), Err(100_000));
    }

    #[test]
    fn over_a_long_time_no_more_than_the_rate_passes() {
        let rate = Rate::per_second(50);
        let mut bucket = Bucket::default();
        let passed = (0..10_000u64)
            .filter(|ms| bucket.take(rate, ms * 1_000).is_ok())
            .count();
        assert!(
            (550..=600).contains(&passed),
            "{passed} of 10 s at 50/s + burst"
        );
    }

    #[test]
    fn zero_is_no_limit() {
        let mut bucket = Bucket::default();
        assert!((0..1_000_000).all(|_| bucket.take(Rate::per_second(0), 0).is_ok()));
    }

    #[test]
    fn silence_earns_no_more_than_one_burst() {
        let rate = Rate::per_second(10);
        let mut bucket = Bucket::default();
        let late = 3_600_000_000;
        let passed = (0..100).filter(|_| bucket.take(rate, late).is_ok()).count();
        assert_eq!(passed, 20);
    }
}
