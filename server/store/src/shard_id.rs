//! The number of a shard, the first field of every key.

use std::fmt;

/// One of the fixed number of logical partitions, counted from 0.
///
/// The number of shards is chosen when the data directory is created and never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u16);

impl ShardId {
    /// The owner of the store's own rows (the ring of commits). Never a shard of users.
    pub const STORE: Self = Self(u16::MAX);

    /// The bare number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::STORE {
            f.write_str("store")
        } else {
            write!(f, "{}", self.0)
        }
    }
}
