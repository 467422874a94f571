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
use martlet_protocol::{Address, DecodeError, MessageId, Millis, State, Timestamp, UserId};

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

/// What one shard tells another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

impl RelayItem {
    /// The account that is told.
    pub const fn to(&self) -> UserId {
        match self {
            Self::Receipt { to, .. } | Self::Fact { to, .. } => *to,
        }
    }

    /// Who received or read, and on which device.
    pub const fn peer(&self) -> Address {
        match self {
            Self::Receipt { peer, .. } | Self::Fact { peer, .. } => *peer,
        }
    }

    /// What happened.
    pub const fn state(&self) -> State {
        match self {
            Self::Receipt { state, .. } | Self::Fact { state, .. } => *state,
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
                writer.u8(RECEIPT);
                writer.user(to);
                writer.address(peer);
                writer.u8(state.0);
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
                writer.u8(FACT);
                writer.user(to);
                writer.address(peer);
                writer.u8(state.0);
                writer.message_id(message_id);
                writer.timestamp(timestamp);
                writer.millis(at);
            }
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let tag = reader.u8()?;
        let (to, peer, state) = (reader.user()?, reader.address()?, State(reader.u8()?));
        match tag {
            RECEIPT => Ok(Self::Receipt {
                to,
                peer,
                state,
                up_to: reader.timestamp()?,
                at: reader.millis()?,
            }),
            FACT => Ok(Self::Fact {
                to,
                peer,
                state,
                message_id: reader.message_id()?,
                timestamp: reader.timestamp()?,
                at: reader.millis()?,
            }),
            _ => Err(DecodeError::FieldValueForbidden),
        }
    }
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
        let items = vec![(ShardId(4), receipt), (ShardId(5), fact)];
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
