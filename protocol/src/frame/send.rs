//! SEND and SENT: a message on its way into the recipient's inbox.

use crate::error::DecodeError;
use crate::id::{MessageId, Timestamp, UserId};
use crate::limits::ENVELOPE_BYTES_MAX;
use crate::wire::{Reader, Writer};

/// Wire: message_id 16 · to u64 · after u64 · ttl_ms varint · envelope bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Send<'a> {
    /// With the sending device the idempotency key: a retry carries the same one.
    pub message_id: MessageId,
    /// The recipient.
    pub to: UserId,
    /// The newest timestamp the sender has seen in this conversation, or 0: the message's own
    /// will be later.
    pub after: Timestamp,
    /// Time to live in milliseconds, or 0 for the server's retention.
    pub ttl_ms: u64,
    /// What the recipient gets, byte for byte.
    pub envelope: &'a [u8],
}

impl<'a> Send<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            message_id: reader.message_id()?,
            to: reader.user()?,
            after: reader.timestamp()?,
            ttl_ms: reader.varint()?,
            envelope: reader.bytes(ENVELOPE_BYTES_MAX)?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.message_id(self.message_id);
        writer.user(self.to);
        writer.timestamp(self.after);
        writer.varint(self.ttl_ms);
        writer.bytes(self.envelope);
    }
}

/// Wire: message_id 16 · timestamp u64 · devices varint.
///
/// The message is on synced storage. Every retry gets this same answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Which message.
    pub message_id: MessageId,
    /// Its place in the conversation.
    pub timestamp: Timestamp,
    /// How many devices of the recipient it waits for.
    pub devices: u64,
}

impl Sent {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            message_id: reader.message_id()?,
            timestamp: reader.timestamp()?,
            devices: reader.varint()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.message_id(self.message_id);
        writer.timestamp(self.timestamp);
        writer.varint(self.devices);
    }
}
