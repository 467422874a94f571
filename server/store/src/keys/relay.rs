//! Outbox rows: what a shard owes to other shards, and what a shard has applied of others.
//!
//! ```text
//! outbox key    = prefix · sequence u64                                        (big-endian)
//! outbox value  = items varint · items × (target u16 · item)                (little-endian)
//! applied key   = prefix · source u16
//! applied value = sequence u64
//! clock key     = prefix · value: the timestamp up to which the shard may have given out
//! ```
//! One row holds what a turn owes to all targets. The newest row is never removed: its sequence
//! is where a restarted shard counts on.

use bytes::BytesMut;
use martlet_protocol::wire::{Reader, Writer};
use martlet_protocol::{
    Address, DecodeError, GroupId, MessageId, Millis, State, Timestamp, UserId,
};

use super::group_log::LogRow;
use super::{KeyTag, key_prefix};
use crate::ShardId;

/// The key of one turn's outbox row.
pub fn outbox_key(shard: ShardId, sequence: u64) -> [u8; 11] {
    let mut key = [0; 11];
    key[..3].copy_from_slice(&key_prefix(shard, KeyTag::Outbox));
    key[3..].copy_from_slice(&sequence.to_be_bytes());
    key
}

/// The sequence of a stored outbox key.
pub fn sequence_of(key: &[u8]) -> Option<u64> {
    let bytes: &[u8; 8] = key.get(3..)?.try_into().ok()?;
    Some(u64::from_be_bytes(*bytes))
}

/// The key of the newest sequence that `shard` has applied from `source`.
pub fn applied_key(shard: ShardId, source: ShardId) -> [u8; 5] {
    let [p0, p1, p2] = key_prefix(shard, KeyTag::Applied);
    let [high, low] = source.0.to_be_bytes();
    [p0, p1, p2, high, low]
}

/// The source of a stored applied key.
pub fn source_of(key: &[u8]) -> Option<ShardId> {
    let bytes: &[u8; 2] = key.get(3..)?.try_into().ok()?;
    Some(ShardId(u16::from_be_bytes(*bytes)))
}

/// The key of the shard's clock.
pub fn clock_key(shard: ShardId) -> [u8; 3] {
    key_prefix(shard, KeyTag::Clock)
}

/// Who is told: it lives on the shard that the item is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// An account.
    User(UserId),
    /// A group, at its home.
    Group(GroupId),
}

/// What one shard tells another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayItem {
    /// A watermark for the devices of `to`.
    Receipt {
        /// The account that is told.
        to: UserId,
        /// Who received or read, on which device. Of SEEN the author, and the reader's device.
        peer: Address,
        /// DELIVERED or READ; SEEN for the reader's own devices.
        state: State,
        /// The newest message this speaks of.
        up_to: Timestamp,
        /// When it happened.
        at: Millis,
    },
    /// The state of one message for the devices of `to`.
    Fact {
        /// The account that is told.
        to: UserId,
        /// The recipient of the message and the device it happened at.
        peer: Address,
        /// What happened.
        state: State,
        /// Which message.
        message_id: MessageId,
        /// That message's place in the conversation.
        timestamp: Timestamp,
        /// When it happened.
        at: Millis,
    },
    /// An entry of a group's log, for all members on the target. What is stored is the reference:
    /// the entry is in the log of the group's home.
    Entry {
        /// The group.
        group: GroupId,
        /// The entry's place.
        sequence: u64,
        /// The entry, as soon as it is read. `None` only in a row as it is stored.
        entry: Option<Box<LogRow>>,
    },
    /// How far a member has come, for the group's home.
    Progress {
        /// The group.
        group: GroupId,
        /// The member.
        member: UserId,
        /// DELIVERED or READ.
        state: State,
        /// The newest sequence this speaks of.
        up_to: u64,
        /// When it happened.
        at: Millis,
    },
    /// A member has another device list, for the group's home.
    ListVersion {
        /// The group.
        group: GroupId,
        /// The member.
        member: UserId,
        /// The version of its newest list.
        version: u64,
    },
    /// How far a member has come, for the devices of an author.
    GroupReceipt {
        /// The author.
        to: UserId,
        /// The group.
        group: GroupId,
        /// The member; `None` for all of them.
        member: Option<UserId>,
        /// DELIVERED or READ.
        state: State,
        /// The newest sequence this speaks of.
        up_to: u64,
        /// When it happened.
        at: Millis,
    },
}

impl RelayItem {
    /// Who is told; `None` for an entry, which is for a shard.
    pub const fn destination(&self) -> Option<Destination> {
        match self {
            Self::Receipt { to, .. } | Self::Fact { to, .. } | Self::GroupReceipt { to, .. } => {
                Some(Destination::User(*to))
            }
            Self::Progress { group, .. } | Self::ListVersion { group, .. } => {
                Some(Destination::Group(*group))
            }
            Self::Entry { .. } => None,
        }
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        match *self {
            Self::Receipt {
                to,
                peer,
                state,
                up_to,
                at,
            } => {
                encode_who(writer, RECEIPT, to, (peer, state));
                writer.timestamp(up_to);
                writer.millis(at);
            }
            Self::Fact {
                to,
                peer,
                state,
                message_id,
                timestamp,
                at,
            } => {
                encode_who(writer, FACT, to, (peer, state));
                writer.message_id(message_id);
                writer.timestamp(timestamp);
                writer.millis(at);
            }
            Self::Entry {
                group, sequence, ..
            } => {
                writer.u8(ENTRY);
                writer.group(group);
                writer.varint(sequence);
            }
            Self::Progress {
                group,
                member,
                state,
                up_to,
                at,
            } => {
                writer.u8(PROGRESS);
                writer.group(group);
                writer.user(member);
                encode_watermark(writer, state, up_to, at);
            }
            Self::ListVersion {
                group,
                member,
                version,
            } => {
                writer.u8(LIST_VERSION);
                writer.group(group);
                writer.user(member);
                writer.varint(version);
            }
            Self::GroupReceipt {
                to,
                group,
                member,
                state,
                up_to,
                at,
            } => {
                writer.u8(GROUP_RECEIPT);
                writer.user(to);
                writer.group(group);
                writer.u64(member.map_or(0, |member| member.0));
                encode_watermark(writer, state, up_to, at);
            }
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.u8()? {
            RECEIPT => Ok(Self::Receipt {
                to: reader.user()?,
                peer: reader.address()?,
                state: State(reader.u8()?),
                up_to: reader.timestamp()?,
                at: reader.millis()?,
            }),
            FACT => Ok(Self::Fact {
                to: reader.user()?,
                peer: reader.address()?,
                state: State(reader.u8()?),
                message_id: reader.message_id()?,
                timestamp: reader.timestamp()?,
                at: reader.millis()?,
            }),
            ENTRY => Ok(Self::Entry {
                group: reader.group()?,
                sequence: reader.varint()?,
                entry: None,
            }),
            PROGRESS => Ok(Self::Progress {
                group: reader.group()?,
                member: reader.user()?,
                state: State(reader.u8()?),
                up_to: reader.varint()?,
                at: reader.millis()?,
            }),
            LIST_VERSION => Ok(Self::ListVersion {
                group: reader.group()?,
                member: reader.user()?,
                version: reader.varint()?,
            }),
            GROUP_RECEIPT => Ok(Self::GroupReceipt {
                to: reader.user()?,
                group: reader.group()?,
                member: Some(UserId(reader.u64()?)).filter(|member| member.0 != 0),
                state: State(reader.u8()?),
                up_to: reader.varint()?,
                at: reader.millis()?,
            }),
            _ => Err(DecodeError::FieldValueForbidden),
        }
    }
}

/// What items about a direct message begin with.
fn encode_who(writer: &mut Writer<'_>, tag: u8, to: UserId, (peer, state): (Address, State)) {
    writer.u8(tag);
    writer.user(to);
    writer.address(peer);
    writer.u8(state.0);
}

/// What items about a member's progress in a group end with.
fn encode_watermark(writer: &mut Writer<'_>, state: State, up_to: u64, at: Millis) {
    writer.u8(state.0);
    writer.varint(up_to);
    writer.millis(at);
}

/// Appends the value of an outbox row.
pub fn encode_outbox(items: &[(ShardId, RelayItem)], out: &mut BytesMut) {
    let mut writer = Writer::new(out);
    writer.varint(items.len() as u64);
    for (target, item) in items {
        writer.u16(target.0);
        item.encode(&mut writer);
    }
}

/// Reads the value of an outbox row.
///
/// # Errors
/// What is wrong with the row.
pub fn decode_outbox(value: &[u8]) -> Result<Vec<(ShardId, RelayItem)>, DecodeError> {
    let mut reader = Reader::new(value);
    let count = reader.varint()?;
    let mut items = Vec::new();
    for _ in 0..count {
        items.push((ShardId(reader.u16()?), RelayItem::decode(&mut reader)?));
    }
    reader.finish()?;
    Ok(items)
}

const RECEIPT: u8 = 1;
const FACT: u8 = 2;
const ENTRY: u8 = 3;
const PROGRESS: u8 = 4;
const LIST_VERSION: u8 = 5;
const GROUP_RECEIPT: u8 = 6;

#[cfg(test)]
mod tests {
    use martlet_protocol::DeviceId;

    use super::*;

    #[test]
    fn an_outbox_row_reads_back() {
        let peer = Address {
            user: UserId(2),
            device: DeviceId(1),
        };
        let receipt = RelayItem::Receipt {
            to: UserId(1),
            peer,
            state: State::DELIVERED,
            up_to: Timestamp(5),
            at: Millis(6),
        };
        let fact = RelayItem::Fact {
            to: UserId(1),
            peer,
            state: State::HELD,
            message_id: MessageId([1; 16]),
            timestamp: Timestamp(5),
            at: Millis(6),
        };
        let group = GroupId(7);
        let entry = RelayItem::Entry {
            group,
            sequence: 80,
            entry: None,
        };
        let progress = RelayItem::Progress {
            group,
            member: UserId(2),
            state: State::READ,
            up_to: 80,
            at: Millis(6),
        };
        let list_version = RelayItem::ListVersion {
            group,
            member: UserId(2),
            version: 3,
        };
        let group_receipt = RelayItem::GroupReceipt {
            to: UserId(1),
            group,
            member: Some(UserId(2)),
            state: State::DELIVERED,
            up_to: 80,
            at: Millis(6),
        };
        let items = vec![
            (ShardId(4), receipt),
            (ShardId(5), fact),
            (ShardId(6), entry),
            (ShardId(7), progress),
            (ShardId(8), list_version),
            (ShardId(9), group_receipt),
        ];
        let mut value = BytesMut::new();
        encode_outbox(&items, &mut value);
        assert_eq!(decode_outbox(&value), Ok(items));
        assert!(decode_outbox(&value[..value.len() - 1]).is_err());
        assert_eq!(sequence_of(&outbox_key(ShardId(1), 77)), Some(77));
        assert_eq!(
            source_of(&applied_key(ShardId(1), ShardId(9))),
            Some(ShardId(9))
        );
    }
}
