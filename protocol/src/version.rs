//! How two peers agree on a version and on features.

/// "MRTL": the first field of the first frame, so that a stray client of another protocol is
/// recognised at once.
pub const MAGIC: u32 = u32::from_le_bytes(*b"MRTL");

/// The oldest version this crate speaks.
pub const VERSION_MIN: u8 = 1;
/// The newest version this crate speaks.
pub const VERSION_MAX: u8 = 1;

/// A set of optional behaviours, one bit each. No bit is assigned in version 1: peers send 0 and
/// ignore what they do not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features(pub u64);

impl Features {
    /// The features of this crate.
    pub const SUPPORTED: Self = Self(0);

    /// What both sides have.
    #[must_use]
    pub const fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

/// The newest version that both sides speak, or `None`.
#[must_use]
pub fn negotiate(peer_min: u8, peer_max: u8) -> Option<u8> {
    let newest = peer_max.min(VERSION_MAX);
    let oldest = peer_min.max(VERSION_MIN);
    (peer_min <= peer_max && oldest <= newest).then_some(newest)
}

#[cfg(test)]
mod tests {
    use super::*;

    // [M-6.1] [M-6.2] [M-6.3]
    #[test]
    fn the_newest_common_version_wins_and_none_is_refused() {
        assert_eq!(negotiate(1, 1), Some(1));
        assert_eq!(negotiate(1, 9), Some(1));
        assert_eq!(negotiate(2, 9), None);
        assert_eq!(negotiate(0, 0), None);
        assert_eq!(negotiate(9, 1), None);
    }

    // [M-6.4] [M-6.5]
    #[test]
    fn a_feature_that_one_side_does_not_know_is_not_used() {
        assert_eq!(Features(0b1100).common(Features(0b0110)), Features(0b0100));
        assert_eq!(Features(u64::MAX).common(Features::SUPPORTED), Features(0));
    }
}
