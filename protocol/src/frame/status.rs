//! STATUS and STATE: where does my message stand?

use crate::error::DecodeError;
use crate::id::{MessageId, Timestamp, UserId};
use crate::state::State;
use crate::wire::{Reader, Writer};

/// Wire: request varint · to u64 · message_id 16. Only the sending account gets an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Comes back in the answer.
    pub request: u64,
    /// The recipient of the message.
    pub to: UserId,
    /// Which message; it was sent by the asking device.
    pub message_id: MessageId,
}

impl Status {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            request: reader.varint()?,
            to: reader.user()?,
            message_id: reader.message_id()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.varint(self.request);
        writer.user(self.to);
        writer.message_id(self.message_id);
    }
}

/// Wire: request varint · message_id 16 · state u8 · timestamp u64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateReply {
    /// The STATUS's number.
    pub request: u64,
    /// Which message.
    pub message_id: MessageId,
    /// The furthest state any device of the recipient has brought it to.
    pub state: State,
    /// The message's place in the conversation.
    pub timestamp: Timestamp,
}

impl StateReply {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            request: reader.varint()?,
            message_id: reader.message_id()?,
            state: State(reader.u8()?),
            timestamp: reader.timestamp()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.varint(self.request);
        writer.message_id(self.message_id);
        writer.u8(self.state.0);
        writer.timestamp(self.timestamp);
    }
}
