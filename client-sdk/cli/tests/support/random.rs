//! Random choices that a printed seed repeats.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// SplitMix64: small, and good enough to decide when to kill a process.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Seeded by `MARTLET_TEST_SEED`, or else anew; prints the seed, which a failing test shows.
    pub fn seeded() -> Self {
        let seed = std::env::var("MARTLET_TEST_SEED").map_or_else(
            |_| {
                let now = SystemTime::now().duration_since(UNIX_EPOCH);
                u64::from(now.unwrap().subsec_nanos())
            },
            |text| text.parse().expect("MARTLET_TEST_SEED is a number"),
        );
        println!("MARTLET_TEST_SEED={seed}");
        Self(seed)
    }

    /// A number in `0..limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (bits ^ (bits >> 31)) % limit
    }

    /// Choices of their own, for a thread.
    pub fn fork(&mut self) -> Self {
        Self(self.below(u64::MAX))
    }

    /// A time shorter than this many milliseconds.
    pub fn pause(&mut self, limit_ms: u64) -> Duration {
        Duration::from_micros(self.below(limit_ms * 1000))
    }
}
