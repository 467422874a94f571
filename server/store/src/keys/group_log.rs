//! Group log rows: the entries of a group, at its home and at every shard that has a member.
//!
//! ```text
//! key   = prefix · group u64 · sequence u64                                     (big-endian)
//! value = body_crc u32 · expires_at u64 · way u8 · body                      (little-endian)
//! way   = 1 by the inboxes · 2 by the group's own stream
//! body  = the payload of GROUP_EVENT behind the position
//! ```
//! Inboxes of members hold references to these rows: the payload is once in a shard, whatever the
//! number of members. The home's row is also the intent of the fan-out: what is owed to another
//! shard names it.

use bytes::{BufMut, Bytes, BytesMut};
use martlet_protocol::frame::GroupMode;
use martlet_protocol::wire::Reader;
use martlet_protocol::{DecodeError, GroupId, Millis};

use super::{KeyTag, group};
use crate::ShardId;

const HEAD_BYTES: usize = 4 + 8 + 1;

/// The key of an entry.
pub fn key(shard: ShardId, group: GroupId, sequence: u64) -> [u8; 19] {
    group::numbered_key(shard, KeyTag::GroupLog, group, sequence)
}

/// The group and the sequence of a stored key.
pub fn place_of(key: &[u8]) -> Option<(GroupId, u64)> {
    let (group, rest) = key.get(3..)?.split_first_chunk::<8>()?;
    let sequence: &[u8; 8] = rest.try_into().ok()?;
    let group = GroupId(u64::from_be_bytes(*group));
    Some((group, u64::from_be_bytes(*sequence)))
}

/// A stored entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRow {
    /// CRC of the body, so that no push computes it again.
    pub body_crc: u32,
    /// When it ends by its own time to live; 0 for the retention.
    pub expires_at: Millis,
    /// How it reaches the members.
    pub way: GroupMode,
    /// What GROUP_EVENT has behind the position.
    pub body: Bytes,
}

impl LogRow {
    /// Appends the stored value.
    pub fn encode(&self, out: &mut BytesMut) {
        out.reserve(HEAD_BYTES + self.body.len());
        out.put_u32_le(self.body_crc);
        out.put_u64_le(self.expires_at.0);
        out.put_u8(self.way.0);
        out.put_slice(&self.body);
    }

    /// Reads a stored value. The body shares its memory.
    ///
    /// # Errors
    /// [`DecodeError::PayloadTruncated`] when the head is not whole.
    pub fn decode(value: &Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(value);
        Ok(Self {
            body_crc: reader.u32()?,
            expires_at: Millis(reader.u64()?),
            way: GroupMode(reader.u8()?),
            body: value.slice(HEAD_BYTES..),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_its_place() {
        let key = key(ShardId(3), GroupId(9), 4);
        assert_eq!(place_of(&key), Some((GroupId(9), 4)));
        assert_eq!(place_of(&key[..18]), None);
    }
}
