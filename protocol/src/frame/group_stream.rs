//! GROUP_EVENT, GROUP_GAP and GROUP_ACK: the log of a group, in the inbox or as its own stream.

use super::stream::GapReason;
use crate::error::DecodeError;
use crate::id::{Address, DeviceId, GroupId, MessageId, Position, Timestamp, UserId};
use crate::limits::ENVELOPE_BYTES_MAX;
use crate::wire::{Reader, Writer};

/// What an entry of a group's log is. A client acknowledges and skips kinds that it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupEventKind(pub u8);

impl GroupEventKind {
    /// A message; the body is its envelope.
    pub const MESSAGE: Self = Self(1);
    /// A change of the group; the body is the record.
    pub const RECORD: Self = Self(2);
    /// The group's entries come in another way from here on; the body is one byte, a
    /// [`GroupMode`](super::GroupMode). It has no author.
    pub const MODE: Self = Self(3);
}

/// Wire: position varint · group u64 · sequence varint · kind u8 · author u64 · device u16 ·
/// message_id 16 · timestamp u64 · body bytes.
///
/// All behind the position is the same for every push of the entry to any device, so its CRC is
/// known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupEvent<'a> {
    /// The item's place in the inbox; 0 in the group's own stream, where `sequence` is its place.
    pub position: Position,
    /// Which group.
    pub group: GroupId,
    /// The entry's place in the group's log, counted from 1.
    pub sequence: u64,
    /// What the entry is.
    pub kind: GroupEventKind,
    /// The device that sent it; the server's own entries have none, 0 and 0 on the wire.
    pub author: Option<Address>,
    /// The author's id of a message; other entries have none, 16 zero bytes on the wire.
    pub message_id: Option<MessageId>,
    /// When the server took it.
    pub timestamp: Timestamp,
    /// The author's bytes, unchanged.
    pub body: &'a [u8],
}

const NO_MESSAGE: MessageId = MessageId([0; 16]);

impl<'a> GroupEvent<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Self::decode_body(reader.position()?, reader)
    }

    /// Reads the fields behind the position: what a row of the log holds.
    ///
    /// # Errors
    /// [`DecodeError::FieldValueForbidden`] for an author of whom only the account or only the
    /// device is 0; or what is wrong with a field.
    pub fn decode_body(position: Position, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            position,
            group: reader.group()?,
            sequence: reader.varint()?,
            kind: GroupEventKind(reader.u8()?),
            author: read_author(reader)?,
            message_id: Some(reader.message_id()?).filter(|id| *id != NO_MESSAGE),
            timestamp: reader.timestamp()?,
            body: reader.bytes(ENVELOPE_BYTES_MAX)?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.position(self.position);
        self.encode_body(writer);
    }

    /// Writes the fields behind the position.
    pub fn encode_body(&self, writer: &mut Writer<'_>) {
        writer.group(self.group);
        writer.varint(self.sequence);
        writer.u8(self.kind.0);
        writer.u64(self.author.map_or(0, |author| author.user.0));
        writer.u16(self.author.map_or(0, |author| author.device.0));
        writer.message_id(self.message_id.unwrap_or(NO_MESSAGE));
        writer.timestamp(self.timestamp);
        writer.bytes(self.body);
    }
}

fn read_author(reader: &mut Reader<'_>) -> Result<Option<Address>, DecodeError> {
    match (reader.u64()?, reader.u16()?) {
        (0, 0) => Ok(None),
        (0, _) | (_, 0) => Err(DecodeError::FieldValueForbidden),
        (user, device) => Ok(Some(Address {
            user: UserId(user),
            device: DeviceId(device),
        })),
    }
}

/// Wire: group u64 · from varint · to varint · reason u8. Only in a group's own stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupGap {
    /// Which group.
    pub group: GroupId,
    /// The first sequence without an entry.
    pub from: u64,
    /// The last one, not before `from`.
    pub to: u64,
    /// Why.
    pub reason: GapReason,
}

impl GroupGap {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let gap = Self {
            group: reader.group()?,
            from: reader.varint()?,
            to: reader.varint()?,
            reason: GapReason(reader.u8()?),
        };
        if gap.from > gap.to {
            Err(DecodeError::FieldValueForbidden)
        } else {
            Ok(gap)
        }
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.group(self.group);
        writer.varint(self.from);
        writer.varint(self.to);
        writer.u8(self.reason.0);
    }
}

/// Wire: group u64 · sequence varint. Cumulative: the device has stored the group's own stream up
/// to here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupAck {
    /// Which group.
    pub group: GroupId,
    /// The last sequence stored.
    pub sequence: u64,
}

impl GroupAck {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            group: reader.group()?,
            sequence: reader.varint()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.group(self.group);
        writer.varint(self.sequence);
    }
}
