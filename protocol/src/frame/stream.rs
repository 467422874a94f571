//! The other items of a stream, its marks, and its acknowledgement.

use crate::error::DecodeError;
use crate::id::{Address, MessageId, Millis, Position, Timestamp};
use crate::state::State;
use crate::wire::{Reader, Writer};

/// Wire: position varint · state u8 · peer u64 · device u16 · up_to u64 · at u64.
///
/// A watermark: all messages sent to `peer` up to this timestamp are in this state, except those
/// that a FACT has named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The item's place in the stream.
    pub position: Position,
    /// DELIVERED or READ.
    pub state: State,
    /// Who received or read, and on which device.
    pub peer: Address,
    /// The newest message this speaks of.
    pub up_to: Timestamp,
    /// When it happened.
    pub at: Millis,
}

impl Receipt {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::decode_body(reader.position()?, reader)
    }

    /// Reads the fields behind the position.
    ///
    /// # Errors
    /// What is wrong with a field.
    pub fn decode_body(position: Position, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            position,
            state: State(reader.u8()?),
            peer: reader.address()?,
            up_to: reader.timestamp()?,
            at: reader.millis()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.position(self.position);
        self.encode_body(writer);
    }

    /// Writes the fields behind the position.
    pub fn encode_body(&self, writer: &mut Writer<'_>) {
        writer.u8(self.state.0);
        writer.address(self.peer);
        writer.timestamp(self.up_to);
        writer.millis(self.at);
    }
}

/// Wire: position varint · state u8 · peer u64 · device u16 · message_id 16 · timestamp u64 ·
/// at u64.
///
/// The state of one message at one device of the recipient, or its account's for DELIVERED and
/// READ. From its first FACT on a message stands outside the watermarks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The item's place in the stream.
    pub position: Position,
    /// What happened.
    pub state: State,
    /// The recipient and the device it happened at.
    pub peer: Address,
    /// Which message.
    pub message_id: MessageId,
    /// That message's place in the conversation.
    pub timestamp: Timestamp,
    /// When it happened.
    pub at: Millis,
}

impl Fact {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::decode_body(reader.position()?, reader)
    }

    /// Reads the fields behind the position.
    ///
    /// # Errors
    /// What is wrong with a field.
    pub fn decode_body(position: Position, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            position,
            state: State(reader.u8()?),
            peer: reader.address()?,
            message_id: reader.message_id()?,
            timestamp: reader.timestamp()?,
            at: reader.millis()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.position(self.position);
        self.encode_body(writer);
    }

    /// Writes the fields behind the position.
    pub fn encode_body(&self, writer: &mut Writer<'_>) {
        writer.u8(self.state.0);
        writer.address(self.peer);
        writer.message_id(self.message_id);
        writer.timestamp(self.timestamp);
        writer.millis(self.at);
    }
}

/// Why positions of a stream have no item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GapReason(pub u8);

impl GapReason {
    /// The messages' time to live or the retention ended.
    pub const EXPIRED: Self = Self(1);
    /// The inbox was full.
    pub const OVERFLOW: Self = Self(2);
    /// The device refused the message five times.
    pub const HELD: Self = Self(3);
    /// The stream was recreated or restored; what the device had seen of the old one is unknown.
    pub const RESTORED: Self = Self(4);
}

/// Wire: from varint · to varint · reason u8. The device acknowledges `to` like an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The first position without an item.
    pub from: Position,
    /// The last one, not before `from`.
    pub to: Position,
    /// Why.
    pub reason: GapReason,
}

impl Gap {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let gap = Self {
            from: reader.position()?,
            to: reader.position()?,
            reason: GapReason(reader.u8()?),
        };
        if gap.from > gap.to {
            Err(DecodeError::FieldValueForbidden)
        } else {
            Ok(gap)
        }
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.position(self.from);
        writer.position(self.to);
        writer.u8(self.reason.0);
    }
}

/// Wire: position varint · trimmed u8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaughtUp {
    /// The last position of the backlog.
    pub position: Position,
    /// Whether a GAP stood in this backlog.
    pub trimmed: bool,
}

impl CaughtUp {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            position: reader.position()?,
            trimmed: reader.flag()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.position(self.position);
        writer.flag(self.trimmed);
    }
}

/// Wire: position varint. Cumulative: the device has stored everything up to here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The last position stored.
    pub position: Position,
}

impl Ack {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            position: reader.position()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.position(self.position);
    }
}
