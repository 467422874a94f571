//! Token buckets in eight bytes: one per session and kind of traffic, or one per device.

use std::collections::HashMap;
use std::hash::Hash;

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

    /// The same rate with another number of events that may come at once.
    #[must_use]
    pub fn at_once(self, count: u32) -> Self {
        Self {
            burst_us: self.interval_us * u64::from(count),
            ..self
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
        self.take_many(rate, 1, now_us)
    }

    /// Takes `count` events, or none.
    ///
    /// # Errors
    /// When there are not so many: microseconds until there will be.
    pub fn take_many(&mut self, rate: Rate, count: u32, now_us: u64) -> Result<(), u64> {
        let mut next = *self;
        next.charge(rate, count, now_us);
        let over_us = next.full_at_us.saturating_sub(now_us + rate.burst_us);
        if over_us > 0 && rate.interval_us > 0 {
            return Err(over_us);
        }
        *self = next;
        Ok(())
    }

    fn charge(&mut self, rate: Rate, count: u32, now_us: u64) {
        let cost_us = rate.interval_us * u64::from(count);
        self.full_at_us = self.full_at_us.max(now_us) + cost_us;
    }
}

/// Buckets that outlive a connection: whoever connects anew has what the last connection left.
#[derive(Debug)]
pub struct Buckets<K> {
    rate: Rate,
    /// Those that are not full, and some that have become so.
    used: HashMap<K, Bucket>,
}

impl<K: Copy + Eq + Hash> Buckets<K> {
    /// Buckets of this rate, all full.
    pub fn new(rate: Rate) -> Self {
        Self {
            rate,
            used: HashMap::new(),
        }
    }

    /// Takes `count` events from the bucket of `key`, or none.
    ///
    /// # Errors
    /// As [`Bucket::take_many`].
    pub fn take(&mut self, key: K, count: u32, now_us: u64) -> Result<(), u64> {
        if self.rate.interval_us == 0 {
            return Ok(());
        }
        let bucket = self.used.entry(key).or_default();
        bucket.take_many(self.rate, count, now_us)
    }

    /// Takes `count` events, also those that are not there: whoever comes next waits for them.
    pub fn charge(&mut self, key: K, count: u32, now_us: u64) {
        if self.rate.interval_us > 0 && count > 0 {
            let bucket = self.used.entry(key).or_default();
            bucket.charge(self.rate, count, now_us);
        }
    }

    /// Forgets buckets that are full again, or they would become as many as there are keys.
    pub fn forget_full(&mut self, now_us: u64) {
        self.used.retain(|_, bucket| bucket.full_at_us > now_us);
        self.used.shrink_to_fit();
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
    fn what_is_taken_together_is_taken_or_left_together() {
        let rate = Rate::per_second(10).at_once(100);
        let mut bucket = Bucket::default();
        assert_eq!(bucket.take_many(rate, 70, 1_000_000), Ok(()));
        assert_eq!(bucket.take_many(rate, 70, 1_000_000), Err(4_000_000));
        assert_eq!(bucket.take_many(rate, 30, 1_000_000), Ok(()));
        assert_eq!(bucket.take_many(rate, 0, 1_000_000), Ok(()));
        assert_eq!(bucket.take(rate, 1_000_000), Err(100_000));
    }

    #[test]
    fn a_bucket_of_a_key_is_remembered_until_it_is_full_again() {
        let mut buckets = Buckets::new(Rate::per_second(10).at_once(20));
        assert_eq!(buckets.take("alice", 20, 1_000_000), Ok(()));
        assert_eq!(buckets.take("alice", 20, 1_000_000), Err(2_000_000));
        assert_eq!(buckets.take("bob", 20, 1_000_000), Ok(()));
        buckets.forget_full(2_999_999);
        assert_eq!(buckets.used.len(), 2);
        buckets.forget_full(3_000_000);
        assert!(buckets.used.is_empty());
        assert_eq!(buckets.take("alice", 20, 3_000_000), Ok(()));
    }

    #[test]
    fn what_is_charged_is_waited_for() {
        let mut buckets = Buckets::new(Rate::per_second(10));
        buckets.charge("alice", 50, 1_000_000);
        assert_eq!(buckets.take("alice", 1, 1_000_000), Err(3_100_000));
        assert_eq!(buckets.take("alice", 1, 4_100_000), Ok(()));
        let mut unlimited = Buckets::new(Rate::per_second(0));
        unlimited.charge("alice", 50, 1_000_000);
        assert_eq!(unlimited.take("alice", 1, 1_000_000), Ok(()));
        assert!(unlimited.used.is_empty());
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
