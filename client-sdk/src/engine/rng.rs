//! Jitter from the caller's seed: the same seed gives the same delays.

/// SplitMix64. Good enough to spread clients over time, and never used for anything secret.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rng(u64);

impl Rng {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number in `0..=max`.
    pub(super) const fn up_to(&mut self, max: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        if max == u64::MAX { z } else { z % (max + 1) }
    }

    /// Bytes that two devices hardly ever draw alike: for the ids of control messages.
    pub(super) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        core::array::from_fn(|_| self.up_to(u64::from(u8::MAX)).to_le_bytes()[0])
    }

    /// `delay_ms` and up to a fourth more, so that clients that were refused together do not come
    /// back together [M-13.4].
    pub(super) const fn stretch(&mut self, delay_ms: u64) -> u64 {
        delay_ms.saturating_add(self.up_to(delay_ms / 4))
    }
}
