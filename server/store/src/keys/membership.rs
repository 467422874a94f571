//! Membership rows at the shard of the members: which of its accounts are in which group.
//!
//! ```text
//! local group key   = prefix · group u64                                        (big-endian)
//! local group value = version varint · stream_first varint · stream_last varint
//! local member key  = prefix · group u64 · user u64
//! local member value = joined varint · until varint · missed_from varint · missed_to varint
//! user group key    = prefix · user u64 · group u64 · value empty
//! cursor key        = prefix · user u64 · device u16 · group u64
//! cursor value      = sequence varint
//! ```

use bytes::BytesMut;
use martlet_protocol::wire::{Reader, Writer};
use martlet_protocol::{Address, DecodeError, GroupId, UserId};

use super::group::numbered_key;
use super::{KeyTag, key_prefix};
use crate::ShardId;

/// The key of what a shard with members knows of a group.
pub fn local_key(shard: ShardId, group: GroupId) -> [u8; 11] {
    let mut key = [0; 11];
    key[..3].copy_from_slice(&key_prefix(shard, KeyTag::LocalGroup));
    key[3..].copy_from_slice(&group.0.to_be_bytes());
    key
}

/// What a shard with members knows of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LocalGroupRow {
    /// The version of the newest record that came here.
    pub version: u64,
    /// The first and the newest entry of the group's own stream; 0 while there is none.
    pub stream_first: u64,
    /// See `stream_first`.
    pub stream_last: u64,
}

impl LocalGroupRow {
    /// Appends the stored value.
    pub fn encode(&self, out: &mut BytesMut) {
        let mut writer = Writer::new(out);
        writer.varint(self.version);
        writer.varint(self.stream_first);
        writer.varint(self.stream_last);
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// What is wrong with the row.
    pub fn decode(value: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(value);
        let row = Self {
            version: reader.varint()?,
            stream_first: reader.varint()?,
            stream_last: reader.varint()?,
        };
        reader.finish()?;
        Ok(row)
    }
}

/// The key of a member at its own shard.
pub fn member_key(shard: ShardId, group: GroupId, user: UserId) -> [u8; 19] {
    numbered_key(shard, KeyTag::LocalMember, group, user.0)
}

/// A member at its own shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalMemberRow {
    /// The place of the record by which it joined: it gets this entry and those behind it.
    pub joined: u64,
    /// The place of the record by which it was removed, the last entry for it; 0 for a member of
    /// now. Only who has to read the group's own stream is remembered so.
    pub until: u64,
    /// The entries of an earlier membership that some of its devices had not read when it joined
    /// again; 0 for none.
    pub missed_from: u64,
    /// See `missed_from`.
    pub missed_to: u64,
}

impl LocalMemberRow {
    /// Appends the stored value.
    pub fn encode(&self, out: &mut BytesMut) {
        let mut writer = Writer::new(out);
        writer.varint(self.joined);
        writer.varint(self.until);
        writer.varint(self.missed_from);
        writer.varint(self.missed_to);
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// What is wrong with the row.
    pub fn decode(value: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(value);
        let row = Self {
            joined: reader.varint()?,
            until: reader.varint()?,
            missed_from: reader.varint()?,
            missed_to: reader.varint()?,
        };
        reader.finish()?;
        Ok(row)
    }
}

/// The key of how far a device has acknowledged a group's own stream.
pub fn cursor_key(shard: ShardId, address: Address, group: GroupId) -> [u8; 21] {
    let mut key = [0; 21];
    key[..3].copy_from_slice(&key_prefix(shard, KeyTag::GroupCursor));
    key[3..11].copy_from_slice(&address.user.0.to_be_bytes());
    key[11..13].copy_from_slice(&address.device.0.to_be_bytes());
    key[13..].copy_from_slice(&group.0.to_be_bytes());
    key
}

/// Appends the value of such a row.
pub fn encode_cursor(sequence: u64, out: &mut BytesMut) {
    Writer::new(out).varint(sequence);
}

/// The sequence of such a row.
///
/// # Errors
/// What is wrong with the row.
pub fn cursor_of(value: &[u8]) -> Result<u64, DecodeError> {
    let mut reader = Reader::new(value);
    let sequence = reader.varint()?;
    reader.finish()?;
    Ok(sequence)
}

/// The key that lists a group among those of an account.
pub fn user_group_key(shard: ShardId, user: UserId, group: GroupId) -> [u8; 19] {
    let mut key = [0; 19];
    key[..3].copy_from_slice(&key_prefix(shard, KeyTag::UserGroup));
    key[3..11].copy_from_slice(&user.0.to_be_bytes());
    key[11..].copy_from_slice(&group.0.to_be_bytes());
    key
}

/// The group of a stored key of [`user_group_key`].
pub fn group_of(key: &[u8]) -> Option<GroupId> {
    let bytes: &[u8; 8] = key.get(11..)?.try_into().ok()?;
    Some(GroupId(u64::from_be_bytes(*bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memberships_read_back() {
        let member = LocalMemberRow {
            joined: 70,
            until: 80,
            missed_from: 30,
            missed_to: 60,
        };
        let mut value = BytesMut::new();
        member.encode(&mut value);
        assert_eq!(LocalMemberRow::decode(&value), Ok(member));
        let mut value = BytesMut::new();
        encode_cursor(99, &mut value);
        assert_eq!(cursor_of(&value), Ok(99));
        let group = LocalGroupRow {
            version: 90,
            stream_first: 3,
            stream_last: 500,
        };
        let mut value = BytesMut::new();
        group.encode(&mut value);
        assert_eq!(LocalGroupRow::decode(&value), Ok(group));
        let key = user_group_key(ShardId(1), UserId(2), GroupId(3));
        assert_eq!(group_of(&key), Some(GroupId(3)));
        assert_eq!(group_of(&key[..12]), None);
    }
}
