//! Random choices that a printed seed repeats.

use std::time::{SystemTime, UNIX_EPOCH};

/// SplitMix64: small, and good enough to decide when to kill a server.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// A number in `0..limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// True in `percent` of 100 cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Ten bytes, as a message id needs them.
    pub fn ten_bytes(&mut self) -> [u8; 10] {
        let (high, low) = (self.next().to_le_bytes(), self.next().to_le_bytes());
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&high);
        bytes[8..].copy_from_slice(&low[..2]);
        bytes
    }
}

/// The seed of this run: `MARTLET_TEST_SEED`, or a new one. It is printed, and shown on failure.
pub fn seed() -> u64 {
    let given = std::env::var("MARTLET_TEST_SEED").ok();
    let seed = given.map_or_else(
        || {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            now.expect("the clock is past 1970").subsec_nanos().into()
        },
        |text| text.parse().expect("MARTLET_TEST_SEED is a number"),
    );
    println!("MARTLET_TEST_SEED={seed}");
    seed
}
