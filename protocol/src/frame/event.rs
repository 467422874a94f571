//! EVENT: a message in a device's stream.

use crate::error::DecodeError;
use crate::id::{Address, MessageId, Position, Timestamp};
use crate::limits::{ENVELOPE_BYTES_MAX, PART_BYTES_MAX};
use crate::wire::{Reader, Writer};

/// Which side of the conversation wrote the message. A client acknowledges and skips kinds that
/// it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventKind(pub u8);

impl EventKind {
    /// Written by `peer.device` of the account `peer.user`.
    pub const INCOMING: Self = Self(1);
    /// Written by this account's own device `peer.device`, for the account `peer.user`.
    pub const OWN_COPY: Self = Self(2);
}

/// Wire: position varint · kind u8 · peer u64 · device u16 · message_id 16 · timestamp u64 ·
/// envelope bytes · part bytes.
///
/// All behind the position is the same for every push of the message, so its CRC is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// The item's place in the stream.
    pub position: Position,
    /// Which side wrote it.
    pub kind: EventKind,
    /// The other account of the conversation, and the device that wrote the message.
    pub peer: Address,
    /// The sender's id.
    pub message_id: MessageId,
    /// The message's place in the conversation.
    pub timestamp: Timestamp,
    /// The sender's bytes for all devices, unchanged.
    pub envelope: &'a [u8],
    /// The sender's bytes for this device, unchanged; empty when the message had none for it.
    pub part: &'a [u8],
}

impl<'a> Event<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Self::decode_body(reader.position()?, reader)
    }

    /// Reads the fields behind the position: what an inbox row holds.
    ///
    /// # Errors
    /// What is wrong with a field.
    pub fn decode_body(position: Position, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            position,
            kind: EventKind(reader.u8()?),
            peer: reader.address()?,
            message_id: reader.message_id()?,
            timestamp: reader.timestamp()?,
            envelope: reader.bytes(ENVELOPE_BYTES_MAX)?,
            part: reader.bytes(PART_BYTES_MAX)?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.position(self.position);
        self.encode_body(writer);
    }

    /// Writes the fields behind the position.
    pub fn encode_body(&self, writer: &mut Writer<'_>) {
        writer.u8(self.kind.0);
        writer.address(self.peer);
        writer.message_id(self.message_id);
        writer.timestamp(self.timestamp);
        writer.bytes(self.envelope);
        writer.bytes(self.part);
    }
}
