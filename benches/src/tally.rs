//! What a run counted: latency histograms, and messages that never came through.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// The counts of one worker; workers' tallies add up.
#[derive(Debug)]
pub struct Tally {
    /// From the intended time to SENT.
    pub sent: Latency,
    /// From the intended time to EVENT at the recipient.
    pub event: Latency,
    /// From the intended time to the receipt at the sender.
    pub receipt: Latency,
    /// From the intended time to the moment the frame was handed over: the generator's own share.
    pub lateness: Latency,
    /// The most messages that waited for a place in their pair's window at one time.
    pub waiting_max: u64,
    /// Messages on their way, or waiting to leave, when the run gave up on them.
    pub unfinished: u64,
}

/// A histogram of durations.
#[derive(Debug)]
pub struct Latency {
    histogram: Histogram<u64>,
}

/// The points of a distribution that reports show, in microseconds.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Percentiles {
    pub count: u64,
    pub mean_us: f64,
    pub p50_us: f64,
    pub p90_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub max_us: f64,
}

impl Tally {
    /// Nothing counted.
    pub fn new() -> Self {
        Self {
            sent: Latency::new(),
            event: Latency::new(),
            receipt: Latency::new(),
            lateness: Latency::new(),
            waiting_max: 0,
            unfinished: 0,
        }
    }

    /// Adds what another worker counted.
    pub fn merge(&mut self, other: &Self) {
        self.sent.merge(&other.sent);
        self.event.merge(&other.event);
        self.receipt.merge(&other.receipt);
        self.lateness.merge(&other.lateness);
        self.waiting_max += other.waiting_max;
        self.unfinished += other.unfinished;
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self::new()
    }
}

impl Latency {
    /// An empty histogram.
    pub fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, LATENCY_NS_MAX, SIGNIFICANT_DIGITS)
            .expect("the bounds are constants that the histogram accepts");
        Self { histogram }
    }

    /// Counts one duration; above the longest it is counted as the longest.
    pub fn record(&mut self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.histogram.saturating_record(nanos);
    }

    /// The points to report.
    pub fn percentiles(&self) -> Percentiles {
        let micros = |quantile| self.histogram.value_at_quantile(quantile) as f64 / 1e3;
        Percentiles {
            count: self.histogram.len(),
            mean_us: self.histogram.mean() / 1e3,
            p50_us: micros(0.5),
            p90_us: micros(0.9),
            p99_us: micros(0.99),
            p999_us: micros(0.999),
            max_us: self.histogram.max() as f64 / 1e3,
        }
    }

    fn merge(&mut self, other: &Self) {
        self.histogram
            .add(&other.histogram)
            .expect("all histograms have the same bounds");
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self::new()
    }
}

/// Ten minutes: longer than any run waits for a message.
const LATENCY_NS_MAX: u64 = 600_000_000_000;

const SIGNIFICANT_DIGITS: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn close(value: f64, expected: f64) -> bool {
        (value / expected - 1.0).abs() < 0.002
    }

    #[test]
    fn percentiles_are_those_of_the_durations_in_microseconds() {
        let mut latency = Latency::new();
        (1..=1000).for_each(|micros| latency.record(Duration::from_micros(micros)));
        let points = latency.percentiles();
        assert_eq!(points.count, 1000);
        for (value, expected) in [
            (points.mean_us, 500.5),
            (points.p50_us, 500.0),
            (points.p90_us, 900.0),
            (points.p99_us, 990.0),
            (points.p999_us, 999.0),
            (points.max_us, 1000.0),
        ] {
            assert!(close(value, expected), "{value} is not {expected}");
        }
    }

    #[test]
    fn workers_add_up_as_if_one_had_counted_everything() {
        let (mut one, mut two) = (Tally::new(), Tally::new());
        for micros in 1..=100 {
            one.sent.record(Duration::from_micros(micros));
            two.sent.record(Duration::from_micros(100 + micros));
        }
        one.unfinished = 1;
        two.unfinished = 2;
        one.merge(&two);
        let points = one.sent.percentiles();
        assert_eq!((points.count, one.unfinished), (200, 3));
        assert!(close(points.p50_us, 100.0) && close(points.max_us, 200.0));
    }

    #[test]
    fn an_absurd_latency_is_counted_and_not_lost() {
        let mut latency = Latency::new();
        latency.record(Duration::from_secs(86_400));
        let points = latency.percentiles();
        assert_eq!(points.count, 1);
        assert!(close(points.max_us, 600e6), "{}", points.max_us);
    }
}
