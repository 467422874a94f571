//! Message rows: where a message went. They are the idempotency record, and what STATUS reads.
//!
//! ```text
//! message key   = prefix · message_id 16 · sender u64 · device u16              (big-endian)
//! message value = timestamp u64 · hash u128 · to u64 · told u8 · placements varint ·
//!                 placements × (device u16 · position u64 · fact u8)         (little-endian)
//! told          = 0 by watermarks · 1 by name · 2 by name, and READ was told
//! copied key    = prefix · message_id 16 · sender u64 · device u16 · value empty
//! expiry key    = prefix · due u64 · message_id 16 · sender u64 · device u16
//! expiry value  = to u64
//! partial key   = prefix · to u64 · timestamp u64
//! partial value = message_id 16 · sender u64 · device u16
//! ```
//! The id is first and starts with its time, so rows arrive nearly in key order and fall off by
//! one range from the front.

use bytes::BytesMut;
use martlet_protocol::limits::DEVICES_MAX;
use martlet_protocol::wire::{Reader, Writer};
use martlet_protocol::{
    Address, DecodeError, DeviceId, MessageId, Millis, Position, State, Timestamp, UserId,
};

use super::{KeyTag, key_prefix};
use crate::ShardId;

/// Bytes of a message's key.
pub const KEY_BYTES: usize = 3 + ID_BYTES;
const ID_BYTES: usize = 16 + 8 + 2;

/// The key of a message: its id within the sending device.
pub fn key(shard: ShardId, id: MessageId, sender: Address) -> [u8; KEY_BYTES] {
    tagged_key(shard, KeyTag::Message, id, sender)
}

/// The key of the note that a message's own copies are placed.
pub fn copied_key(shard: ShardId, id: MessageId, sender: Address) -> [u8; KEY_BYTES] {
    tagged_key(shard, KeyTag::Copied, id, sender)
}

pub(super) fn tagged_key(
    shard: ShardId,
    tag: KeyTag,
    id: MessageId,
    sender: Address,
) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    key[..3].copy_from_slice(&key_prefix(shard, tag));
    key[3..].copy_from_slice(&id_bytes(id, sender));
    key
}

fn id_bytes(id: MessageId, sender: Address) -> [u8; ID_BYTES] {
    let mut bytes = [0; ID_BYTES];
    bytes[..16].copy_from_slice(&id.0);
    bytes[16..24].copy_from_slice(&sender.user.0.to_be_bytes());
    bytes[24..].copy_from_slice(&sender.device.0.to_be_bytes());
    bytes
}

/// Which message a stored key of a message or of its copies means.
pub fn origin_of(key: &[u8]) -> Option<Origin> {
    origin_from(key.get(3..)?)
}

fn origin_from(bytes: &[u8]) -> Option<Origin> {
    let (id, rest) = bytes.split_first_chunk::<16>()?;
    let (user, rest) = rest.split_first_chunk::<8>()?;
    let device: &[u8; 2] = rest.try_into().ok()?;
    Some(Origin {
        message_id: MessageId(*id),
        sender: Address {
            user: UserId(u64::from_be_bytes(*user)),
            device: DeviceId(u16::from_be_bytes(*device)),
        },
    })
}

/// The first key of `tag` (messages or copies) whose id was made at `time` or later.
pub fn key_at(shard: ShardId, tag: KeyTag, time: Millis) -> [u8; 9] {
    let mut key = [0; 9];
    key[..3].copy_from_slice(&key_prefix(shard, tag));
    key[3..].copy_from_slice(&time.0.to_be_bytes()[2..]);
    key
}

/// The key of the end of a message's short life.
pub fn expiry_key(shard: ShardId, due: Millis, id: MessageId, sender: Address) -> [u8; 37] {
    let mut key = [0; 37];
    key[..11].copy_from_slice(&expiry_key_at(shard, due));
    key[11..].copy_from_slice(&id_bytes(id, sender));
    key
}

/// The first expiry key that is due at `due` or later.
pub fn expiry_key_at(shard: ShardId, due: Millis) -> [u8; 11] {
    let mut key = [0; 11];
    key[..3].copy_from_slice(&key_prefix(shard, KeyTag::Expiry));
    key[3..].copy_from_slice(&due.0.to_be_bytes());
    key
}

/// When a stored expiry key is due, and which message it means.
pub fn expiry_of(key: &[u8]) -> Option<(Millis, Origin)> {
    let (due, rest) = key.get(3..)?.split_first_chunk::<8>()?;
    Some((Millis(u64::from_be_bytes(*due)), origin_from(rest)?))
}

/// The key of a message that stands outside the watermarks of `to`.
pub fn partial_key(shard: ShardId, to: UserId, timestamp: Timestamp) -> [u8; 19] {
    let mut key = [0; 19];
    key[..3].copy_from_slice(&key_prefix(shard, KeyTag::Partial));
    key[3..11].copy_from_slice(&to.0.to_be_bytes());
    key[11..].copy_from_slice(&timestamp.0.to_be_bytes());
    key
}

/// The timestamp of a stored partial key.
pub fn partial_of(key: &[u8]) -> Option<Timestamp> {
    let bytes: &[u8; 8] = key.get(11..)?.try_into().ok()?;
    Some(Timestamp(u64::from_be_bytes(*bytes)))
}

/// A message and who sent it: the value of a partial row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The message.
    pub message_id: MessageId,
    /// The device that sent it.
    pub sender: Address,
}

impl Origin {
    /// Appends the stored value.
    pub fn encode(&self, out: &mut BytesMut) {
        let mut writer = Writer::new(out);
        writer.message_id(self.message_id);
        writer.address(self.sender);
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// What is wrong with the row.
    pub fn decode(value: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(value);
        let origin = Self {
            message_id: reader.message_id()?,
            sender: reader.address()?,
        };
        reader.finish()?;
        Ok(origin)
    }
}

/// A stored message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRow {
    /// Its place in the conversation.
    pub timestamp: Timestamp,
    /// Of recipient, time to live, scope, parts and envelope: what a retry must repeat.
    pub hash: u128,
    /// The recipient.
    pub to: UserId,
    /// How its sender learns what becomes of it.
    pub told: Told,
    /// Where it went, device by device.
    pub placements: Vec<Placement>,
}

/// How the sender of a message learns what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The watermarks of its recipient speak of it.
    ByWatermark,
    /// They do not: it is not at every device, or not there any more.
    ByName,
    /// They do not, and the sender was told that it was read.
    ReadByName,
}

impl Told {
    const ALL: [Self; 3] = [Self::ByWatermark, Self::ByName, Self::ReadByName];

    /// Takes the message out of the watermarks. `is_read` says whether they have told already that
    /// it was read.
    pub const fn by_name(self, is_read: bool) -> Self {
        match self {
            Self::ByWatermark if is_read => Self::ReadByName,
            Self::ByWatermark => Self::ByName,
            Self::ByName | Self::ReadByName => self,
        }
    }
}

/// Where a message went at one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The device.
    pub device: DeviceId,
    /// Its place in the device's stream; [`NOWHERE`] when the recipient has blocked the sender.
    pub position: Position,
    /// The terminal fact that ended it there, if one did.
    pub fact: Option<State>,
}

/// The position of a message in the stream of a device that will never have it.
pub const NOWHERE: Position = Position(u64::MAX);

impl MessageRow {
    /// How many devices it was placed for: those whose inbox took it.
    pub fn devices(&self) -> u64 {
        let placed = self
            .placements
            .iter()
            .filter(|placement| placement.fact != Some(State::OVERFLOW));
        placed.count() as u64
    }

    /// Appends the stored value.
    pub fn encode(&self, out: &mut BytesMut) {
        let mut writer = Writer::new(out);
        writer.timestamp(self.timestamp);
        writer.raw(&self.hash.to_le_bytes());
        writer.user(self.to);
        writer.u8(self.told as u8);
        writer.varint(self.placements.len() as u64);
        for placement in &self.placements {
            writer.device(placement.device);
            writer.u64(placement.position.0);
            writer.u8(placement.fact.map_or(0, |state| state.0));
        }
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// What is wrong with the row.
    pub fn decode(value: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(value);
        let timestamp = reader.timestamp()?;
        let hash = u128::from_le_bytes(reader.array()?);
        let to = reader.user()?;
        let told = Told::ALL.get(usize::from(reader.u8()?));
        let told = *told.ok_or(DecodeError::FieldValueForbidden)?;
        let count = reader.varint()?;
        if count > DEVICES_MAX as u64 {
            return Err(DecodeError::FieldTooLong);
        }
        let placements = (0..count)
            .map(|_| {
                let (device, position) = (reader.device()?, Position(reader.u64()?));
                let fact = match State(reader.u8()?) {
                    State(0) => None,
                    state if state.is_terminal() => Some(state),
                    _ => return Err(DecodeError::FieldValueForbidden),
                };
                Ok(Placement {
                    device,
                    position,
                    fact,
                })
            })
            .collect::<Result<_, _>>()?;
        reader.finish()?;
        Ok(Self {
            timestamp,
            hash,
            to,
            told,
            placements,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENDER: Address = Address {
        user: UserId(3),
        device: DeviceId(2),
    };

    #[test]
    fn a_message_reads_back_and_counts_the_inboxes_that_took_it() {
        let placed = Placement {
            device: DeviceId(1),
            position: Position(4),
            fact: None,
        };
        let full = Placement {
            device: DeviceId(2),
            fact: Some(State::OVERFLOW),
            ..placed
        };
        let row = MessageRow {
            timestamp: Timestamp(9),
            hash: 1 << 100,
            to: UserId(7),
            told: Told::ByWatermark,
            placements: vec![placed, full],
        };
        for told in Told::ALL {
            let row = MessageRow {
                told,
                ..row.clone()
            };
            let mut value = BytesMut::new();
            row.encode(&mut value);
            assert_eq!(MessageRow::decode(&value), Ok(row));
        }
        assert_eq!(row.devices(), 1);
    }

    #[test]
    fn keys_sort_by_the_time_of_their_id() {
        let (early, late) = (
            MessageId::new(Millis(1_000), [0xff; 10]),
            MessageId::new(Millis(1_001), [0; 10]),
        );
        let shard = ShardId(1);
        assert!(key(shard, early, SENDER) < key(shard, late, SENDER));
        let border = key_at(shard, KeyTag::Message, Millis(1_001));
        assert!(key(shard, early, SENDER)[..] < border[..]);
        assert!(key(shard, late, SENDER)[..] >= border[..]);
        let due = expiry_key(shard, Millis(5), early, SENDER);
        let origin = Origin {
            message_id: early,
            sender: SENDER,
        };
        assert_eq!(expiry_of(&due), Some((Millis(5), origin)));
        assert_eq!(origin_of(&key(shard, early, SENDER)), Some(origin));
    }
}
