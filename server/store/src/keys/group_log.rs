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

use super::inbox::{InboxRow, Reference};
use super::{KeyTag, group};
use crate::{Row, ShardId, View};

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

/// Appends, to each reference among the rows of an inbox, the entry that it stands for, as a page
/// of the inbox is read. A reference whose entry has fallen off by age stays as it is.
pub fn resolve(shard: ShardId, view: &(impl View + ?Sized), rows: &mut [Row]) {
    for (_, value) in rows {
        // A row that is not whole is found by whoever reads it.
        let reference = InboxRow::decode(value)
            .ok()
            .and_then(|row| row.as_reference());
        let Some(Reference {
            group, sequence, ..
        }) = reference
        else {
            continue;
        };
        if let Some(entry) = view.get(&key(shard, group, sequence)) {
            *value = [&value[..], &entry[..]].concat().into();
        }
    }
}

#[cfg(test)]
mod tests {
    use martlet_protocol::{Address, DeviceId, Position, UserId};

    use super::*;
    use crate::keys::inbox;
    use crate::{Batch, Memory};

    const SHARD: ShardId = ShardId(3);
    const GROUP: GroupId = GroupId(9);

    fn put(batch: &mut Batch, key: &[u8], encode: impl FnOnce(&mut BytesMut)) {
        let mut value = BytesMut::new();
        encode(&mut value);
        batch.put(key, &value);
    }

    #[test]
    fn a_reference_is_replaced_by_its_entry_and_stays_when_that_is_gone() {
        let address = Address {
            user: UserId(1),
            device: DeviceId(1),
        };
        let entry = LogRow {
            body_crc: 77,
            expires_at: Millis(5),
            way: GroupMode::INBOX,
            body: Bytes::from_static(b"entry"),
        };
        let mut batch = Batch::new();
        put(&mut batch, &key(SHARD, GROUP, 4), |out| entry.encode(out));
        for (position, sequence) in [(1, 4), (2, 5)] {
            let reference = Reference {
                group: GROUP,
                sequence,
                at: Millis(8),
            };
            let row = InboxRow::reference(reference, entry.body.len() as u64, 100);
            let key = inbox::key(SHARD, address, Position(position));
            put(&mut batch, &key, |out| row.encode(out));
        }
        let mut memory = Memory::new();
        memory.apply(&batch);
        let from = inbox::key(SHARD, address, Position(0));
        let to = inbox::key(SHARD, address, Position(u64::MAX));
        let mut rows = memory.scan(&from, &to, 10, 1_000);
        resolve(SHARD, &memory, &mut rows);
        let read = |index: usize| InboxRow::decode(&rows[index].1).expect("it is whole");
        assert_eq!(read(0).entry(), Some(entry));
        assert_eq!(read(0).total_bytes, 105);
        let gone = read(1);
        assert_eq!(gone.entry(), None);
        assert_eq!(gone.as_reference().map(|it| it.sequence), Some(5));
        assert_eq!(place_of(&key(SHARD, GROUP, 4)), Some((GROUP, 4)));
    }
}
