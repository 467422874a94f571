//! The open loop's plan: when each message is meant to leave, and for which pair.

use std::time::Duration;

use crate::clock::Nanos;

/// A seeded Poisson process over a number of pairs.
///
/// Arrivals do not depend on what the server does: a message that leaves late is still measured
/// from the time planned here, so a stall shows in the percentiles instead of thinning them.
#[derive(Debug)]
pub struct Poisson {
    random: Random,
    gap_ns_mean: f64,
    next_ns: f64,
    pairs: usize,
}

/// One planned message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When it is meant to leave.
    pub intended: Nanos,
    /// Whose it is, `0..pairs`.
    pub pair: usize,
}

impl Poisson {
    /// Arrivals at `per_second` on average, from time zero, spread evenly over `pairs`.
    pub fn new(seed: u64, per_second: f64, pairs: usize) -> Self {
        assert!(
            per_second > 0.0 && pairs > 0,
            "a schedule needs a rate and a pair"
        );
        let mut schedule = Self {
            random: Random::new(seed),
            gap_ns_mean: 1e9 / per_second,
            next_ns: 0.0,
            pairs,
        };
        schedule.advance();
        schedule
    }

    /// The next arrival if its time has come.
    pub fn due(&mut self, now: Nanos) -> Option<Arrival> {
        let intended = self.next_at();
        if intended > now {
            return None;
        }
        let pair = self.random.below(self.pairs);
        self.advance();
        Some(Arrival { intended, pair })
    }

    /// When [`Poisson::due`] will next have something.
    pub fn next_at(&self) -> Nanos {
        // Below 2^53 ns (104 days) the conversion is exact to a nanosecond.
        Nanos::from_start(Duration::from_nanos(self.next_ns as u64))
    }

    fn advance(&mut self) {
        // The inverse of the exponential distribution; 1 - u is never 0, so the log is finite.
        self.next_ns += -(1.0 - self.random.fraction()).ln() * self.gap_ns_mean;
    }
}

/// SplitMix64: small, seeded, and the same on every machine.
#[derive(Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The sequence that belongs to `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// A number in `0..limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        // The high half of a product is even enough for limits far below 2^64.
        let product = u128::from(self.next_u64()) * limit as u128;
        (product >> 64) as usize
    }

    fn fraction(&mut self) -> f64 {
        // 53 bits are all that a double holds.
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(seed: u64, count: usize) -> Vec<Arrival> {
        let mut schedule = Poisson::new(seed, 10_000.0, 8);
        let forever = Nanos(u64::MAX);
        (0..count).map(|_| schedule.due(forever).unwrap()).collect()
    }

    #[test]
    fn a_seed_gives_the_same_plan_every_time_and_another_seed_another_one() {
        assert_eq!(arrivals(1, 1000), arrivals(1, 1000));
        assert_ne!(arrivals(1, 1000), arrivals(2, 1000));
    }

    #[test]
    fn arrivals_come_at_the_asked_rate_with_exponential_gaps() {
        let plan = arrivals(7, 200_000);
        let gaps: Vec<f64> = plan
            .windows(2)
            .map(|two| (two[1].intended - two[0].intended).as_secs_f64())
            .collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        assert!((mean * 10_000.0 - 1.0).abs() < 0.01, "mean gap {mean}");
        // Of an exponential distribution e^-1 lies above the mean, and deviation equals mean.
        let above = gaps.iter().filter(|&&gap| gap > mean).count() as f64 / gaps.len() as f64;
        assert!(
            (above - (-1.0_f64).exp()).abs() < 0.01,
            "above the mean {above}"
        );
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>();
        let deviation = (variance / gaps.len() as f64).sqrt();
        assert!(
            (deviation / mean - 1.0).abs() < 0.02,
            "deviation {deviation}"
        );
    }

    #[test]
    fn every_pair_gets_its_share() {
        let mut counts = [0_u32; 8];
        for arrival in arrivals(3, 80_000) {
            counts[arrival.pair] += 1;
        }
        assert!(
            counts.iter().all(|count| (9_500..10_500).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn nothing_is_due_before_its_time_and_a_late_caller_gets_all_of_it() {
        let mut schedule = Poisson::new(9, 1000.0, 1);
        let first = schedule.next_at();
        assert_eq!(schedule.due(Nanos(first.0 - 1)), None);
        assert_eq!(
            schedule.due(first).map(|arrival| arrival.intended),
            Some(first)
        );
        let late = Nanos::from_start(Duration::from_secs(10));
        let caught_up = std::iter::from_fn(|| schedule.due(late)).count();
        assert!(
            (9_500..10_500).contains(&caught_up),
            "{caught_up} due in 10 s"
        );
    }
}
