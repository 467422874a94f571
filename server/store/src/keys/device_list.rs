//! Device list rows: every version that an account has published, byte for byte.
//!
//! ```text
//! key   = prefix · user u64 · version u64                                       (big-endian)
//! value = the list as it was signed
//! ```
//! A list is never changed and never removed: whoever has seen an old one can follow the chain
//! from there.

use martlet_protocol::UserId;

use super::{KeyTag, key_prefix};
use crate::ShardId;

/// Bytes of a key.
pub const KEY_BYTES: usize = 3 + 8 + 8;

/// The key of one version.
pub fn key(shard: ShardId, user: UserId, version: u64) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    key[..3].copy_from_slice(&key_prefix(shard, KeyTag::DeviceList));
    key[3..11].copy_from_slice(&user.0.to_be_bytes());
    key[11..].copy_from_slice(&version.to_be_bytes());
    key
}

/// The account and the version of a stored key.
pub fn version_of(key: &[u8]) -> Option<(UserId, u64)> {
    let (user, rest) = key.get(3..)?.split_first_chunk::<8>()?;
    let version: &[u8; 8] = rest.try_into().ok()?;
    Some((
        UserId(u64::from_be_bytes(*user)),
        u64::from_be_bytes(*version),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_and_sorts_by_version() {
        let shard = ShardId(3);
        let (old, new) = (key(shard, UserId(5), 255), key(shard, UserId(5), 256));
        assert!(old < new);
        assert_eq!(version_of(&new), Some((UserId(5), 256)));
        assert_eq!(version_of(&new[..18]), None);
    }
}
