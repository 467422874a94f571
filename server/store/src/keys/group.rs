//! Group rows at the group's home: its state, its members, its records, and what was sent to it.
//!
//! ```text
//! group key     = prefix · group u64                                           (big-endian)
//! group value   = version varint · roster varint · floor varint · mode u8 · rights 3 × u8 ·
//!                 info_hash 32 · record_hash 32                             (little-endian)
//! record key    = prefix · group u64 · version u64
//! record value  = sequence varint · the signed bytes
//! member key    = prefix · group u64 · user u64
//! member value  = role u8 · list_version varint · changed varint · joined varint ·
//!                 delivered varint · read varint
//! message key   = prefix · message_id 16 · sender u64 · device u16
//! message value = group u64 · sequence varint · timestamp u64 · members varint · hash u128
//! ```
//! A member that was removed keeps its row, with role 0: whoever asks what has changed since an
//! older roster is told of it.

use bytes::BytesMut;
use martlet_protocol::device_list::HASH_BYTES;
use martlet_protocol::frame::GroupMode;
use martlet_protocol::group_record::{GroupRights, Role};
use martlet_protocol::wire::{Reader, Writer};
use martlet_protocol::{Address, DecodeError, GroupId, MessageId, Timestamp, UserId};

use super::{KeyTag, key_prefix, message};
use crate::ShardId;

/// The key of a group.
pub fn key(shard: ShardId, group: GroupId) -> [u8; 11] {
    let mut key = [0; 11];
    key[..3].copy_from_slice(&key_prefix(shard, KeyTag::Group));
    key[3..].copy_from_slice(&group.0.to_be_bytes());
    key
}

/// The group of a stored key that ends with it.
pub fn group_of(key: &[u8]) -> Option<GroupId> {
    let bytes: &[u8; 8] = key.get(3..)?.try_into().ok()?;
    Some(GroupId(u64::from_be_bytes(*bytes)))
}

/// The key of the record that made a version.
pub fn record_key(shard: ShardId, group: GroupId, version: u64) -> [u8; 19] {
    numbered_key(shard, KeyTag::GroupRecord, group, version)
}

/// The key of a member, of now or of before.
pub fn member_key(shard: ShardId, group: GroupId, user: UserId) -> [u8; 19] {
    numbered_key(shard, KeyTag::GroupMember, group, user.0)
}

/// The member of a stored key.
pub fn member_of(key: &[u8]) -> Option<UserId> {
    let bytes: &[u8; 8] = key.get(11..)?.try_into().ok()?;
    Some(UserId(u64::from_be_bytes(*bytes)))
}

/// The key of a message to a group: its id within the sending device.
pub fn message_key(shard: ShardId, id: MessageId, sender: Address) -> [u8; message::KEY_BYTES] {
    message::tagged_key(shard, KeyTag::GroupMessage, id, sender)
}

pub(super) fn numbered_key(shard: ShardId, tag: KeyTag, group: GroupId, number: u64) -> [u8; 19] {
    let mut key = [0; 19];
    key[..3].copy_from_slice(&key_prefix(shard, tag));
    key[3..11].copy_from_slice(&group.0.to_be_bytes());
    key[11..].copy_from_slice(&number.to_be_bytes());
    key
}

/// A group beside its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupRow {
    /// The version of the newest record.
    pub version: u64,
    /// How often the members, or their devices, have changed.
    pub roster: u64,
    /// The next entry of the log stands behind this place, whatever the newest one is: a directory
    /// that was put back has forgotten places that it had given out.
    pub floor: u64,
    /// How its messages reach the members.
    pub mode: GroupMode,
    /// Who may do what.
    pub rights: GroupRights,
    /// The hash of what the members call it.
    pub info_hash: [u8; HASH_BYTES],
    /// The hash of the newest record.
    pub record_hash: [u8; HASH_BYTES],
}

impl GroupRow {
    /// Appends the stored value.
    pub fn encode(&self, out: &mut BytesMut) {
        let mut writer = Writer::new(out);
        writer.varint(self.version);
        writer.varint(self.roster);
        writer.varint(self.floor);
        writer.u8(self.mode.0);
        self.rights.write(&mut writer);
        writer.raw(&self.info_hash);
        writer.raw(&self.record_hash);
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// What is wrong with the row.
    pub fn decode(value: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(value);
        let row = Self {
            version: reader.varint()?,
            roster: reader.varint()?,
            floor: reader.varint()?,
            mode: GroupMode(reader.u8()?),
            rights: GroupRights::read(&mut reader)?,
            info_hash: reader.array()?,
            record_hash: reader.array()?,
        };
        reader.finish()?;
        Ok(row)
    }
}

/// Where a record stands in the log, and the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordRow<'a> {
    /// Its place in the group's log.
    pub sequence: u64,
    /// The signed bytes.
    pub record: &'a [u8],
}

impl<'a> RecordRow<'a> {
    /// Appends the stored value.
    pub fn encode(&self, out: &mut BytesMut) {
        let mut writer = Writer::new(out);
        writer.varint(self.sequence);
        writer.raw(self.record);
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// What is wrong with the row.
    pub fn decode(value: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(value);
        Ok(Self {
            sequence: reader.varint()?,
            record: reader.rest(),
        })
    }
}

/// A member, and how far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberRow {
    /// What it may do; [`Role::NONE`] when it was removed.
    pub role: Role,
    /// The version of its device list, as its shard has told.
    pub list_version: u64,
    /// The roster at which it changed last.
    pub changed: u64,
    /// The place of the record by which it joined: what stands before it was not for it.
    pub joined: u64,
    /// Some device of it has everything up to here.
    pub delivered: u64,
    /// Its person has read everything up to here, as a device has said: see
    /// [`has_read`](Self::has_read).
    pub read: u64,
}

impl MemberRow {
    /// How far the person has read: nothing is read before it is delivered.
    pub fn has_read(&self) -> u64 {
        self.read.min(self.delivered)
    }

    /// Appends the stored value.
    pub fn encode(&self, out: &mut BytesMut) {
        let mut writer = Writer::new(out);
        writer.u8(self.role.0);
        for number in [
            self.list_version,
            self.changed,
            self.joined,
            self.delivered,
            self.read,
        ] {
            writer.varint(number);
        }
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// What is wrong with the row.
    pub fn decode(value: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(value);
        let row = Self {
            role: Role(reader.u8()?),
            list_version: reader.varint()?,
            changed: reader.varint()?,
            joined: reader.varint()?,
            delivered: reader.varint()?,
            read: reader.varint()?,
        };
        reader.finish()?;
        Ok(row)
    }
}

/// What a message to a group was answered: the idempotency record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupMessageRow {
    /// The group.
    pub group: GroupId,
    /// Its place there.
    pub sequence: u64,
    /// When it was placed.
    pub timestamp: Timestamp,
    /// How many accounts beside the sender's it was for.
    pub members: u64,
    /// Of the payload.
    pub hash: u128,
}

impl GroupMessageRow {
    /// Appends the stored value.
    pub fn encode(&self, out: &mut BytesMut) {
        let mut writer = Writer::new(out);
        writer.group(self.group);
        writer.varint(self.sequence);
        writer.timestamp(self.timestamp);
        writer.varint(self.members);
        writer.raw(&self.hash.to_le_bytes());
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// What is wrong with the row.
    pub fn decode(value: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(value);
        let row = Self {
            group: reader.group()?,
            sequence: reader.varint()?,
            timestamp: reader.timestamp()?,
            members: reader.varint()?,
            hash: u128::from_le_bytes(reader.array()?),
        };
        reader.finish()?;
        Ok(row)
    }
}

#[cfg(test)]
mod tests {
    use martlet_protocol::DeviceId;
    use martlet_protocol::group_record::Right;

    use super::*;

    const SHARD: ShardId = ShardId(3);
    const GROUP: GroupId = GroupId(9);

    fn encoded(encode: impl FnOnce(&mut BytesMut)) -> BytesMut {
        let mut value = BytesMut::new();
        encode(&mut value);
        value
    }

    #[test]
    fn rows_of_a_group_read_back() {
        let group = GroupRow {
            version: 70,
            roster: 71,
            floor: 72,
            mode: GroupMode::STREAM,
            rights: GroupRights {
                add: Right::MEMBERS,
                send: Right::ADMINS,
                change: Right::ADMINS,
            },
            info_hash: [1; 32],
            record_hash: [2; 32],
        };
        let value = encoded(|out| group.encode(out));
        assert_eq!(GroupRow::decode(&value), Ok(group));
        assert!(GroupRow::decode(&value[1..]).is_err());

        let record = RecordRow {
            sequence: 500,
            record: b"signed",
        };
        let value = encoded(|out| record.encode(out));
        assert_eq!(RecordRow::decode(&value), Ok(record));

        let member = MemberRow {
            role: Role::ADMIN,
            list_version: 3,
            changed: 70,
            joined: 10,
            delivered: 900,
            read: 20,
        };
        let value = encoded(|out| member.encode(out));
        assert_eq!(MemberRow::decode(&value), Ok(member));

        let message = GroupMessageRow {
            group: GROUP,
            sequence: 12,
            timestamp: Timestamp(13),
            members: 255,
            hash: u128::MAX - 1,
        };
        let value = encoded(|out| message.encode(out));
        assert_eq!(GroupMessageRow::decode(&value), Ok(message));
        assert!(GroupMessageRow::decode(&value[..value.len() - 1]).is_err());
    }

    #[test]
    fn keys_of_one_group_lie_together() {
        let user = UserId(5);
        let key = member_key(SHARD, GROUP, user);
        assert_eq!(member_of(&key), Some(user));
        assert_eq!(member_of(&key[..18]), None);
        assert!(record_key(SHARD, GROUP, 1) < record_key(SHARD, GROUP, 256));
        let sender = Address {
            user,
            device: DeviceId(1),
        };
        let key = message_key(SHARD, MessageId([7; 16]), sender);
        assert_eq!(KeyTag::of(&key), Some(KeyTag::GroupMessage));
    }
}
