//! GROUP_SEND and GROUP_SENT: a message on its way into a group's log.

use crate::error::DecodeError;
use crate::id::{GroupId, MessageId, Timestamp};
use crate::limits::ENVELOPE_BYTES_MAX;
use crate::wire::{Reader, Writer};

/// Wire: message_id 16 · group u64 · version varint · roster varint · ttl_ms varint · envelope
/// bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupSend<'a> {
    /// With the sending device the idempotency key: a retry carries the same one.
    pub message_id: MessageId,
    /// Which group.
    pub group: GroupId,
    /// The version of the group that the message was made for.
    pub version: u64,
    /// The roster that the message was made for.
    pub roster: u64,
    /// Time to live in milliseconds, or 0 for the server's retention.
    pub ttl_ms: u64,
    /// What every device gets, byte for byte.
    pub envelope: &'a [u8],
}

impl<'a> GroupSend<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            message_id: reader.message_id()?,
            group: reader.group()?,
            version: reader.varint()?,
            roster: reader.varint()?,
            ttl_ms: reader.varint()?,
            envelope: reader.bytes(ENVELOPE_BYTES_MAX)?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.message_id(self.message_id);
        writer.group(self.group);
        writer.varint(self.version);
        writer.varint(self.roster);
        writer.varint(self.ttl_ms);
        writer.bytes(self.envelope);
    }
}

/// Wire: message_id 16 · group u64 · sequence varint · timestamp u64 · members varint.
///
/// The message is on synced storage. Every retry gets this same answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupSent {
    /// Which message.
    pub message_id: MessageId,
    /// Which group.
    pub group: GroupId,
    /// Its place in the group's log, and so in the conversation.
    pub sequence: u64,
    /// When the server took it.
    pub timestamp: Timestamp,
    /// How many accounts it is for; the sender's own does not count.
    pub members: u64,
}

impl GroupSent {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            message_id: reader.message_id()?,
            group: reader.group()?,
            sequence: reader.varint()?,
            timestamp: reader.timestamp()?,
            members: reader.varint()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.message_id(self.message_id);
        writer.group(self.group);
        writer.varint(self.sequence);
        writer.timestamp(self.timestamp);
        writer.varint(self.members);
    }
}
