//! SEND and SENT: a message on its way into the recipient's inbox.

use crate::error::DecodeError;
use crate::id::{DeviceId, MessageId, Timestamp, UserId};
use crate::limits::{DEVICES_MAX, ENVELOPE_BYTES_MAX, PART_BYTES_MAX};
use crate::wire::{Element, List, Reader, Writer};

/// Whom a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendScope(pub u8);

impl SendScope {
    /// Every device of the recipient and every other device of the sender's account.
    pub const ALL: Self = Self(1);
    /// The devices that `to_parts` names, and no copies.
    pub const NAMED: Self = Self(2);
}

/// What one device gets of a message beside the envelope. Wire: device u16 · part bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// Which device of its account.
    pub device: DeviceId,
    /// What only this device gets, byte for byte.
    pub part: &'a [u8],
}

/// The parts for the devices of one account.
pub type Parts<'a> = List<'a, Part<'a>>;

impl<'a> Element<'a> for Part<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            device: reader.device()?,
            part: reader.bytes(PART_BYTES_MAX)?,
        })
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.device(self.device);
        writer.bytes(self.part);
    }
}

/// Wire: message_id 16 · to u64 · after u64 · ttl_ms varint · scope u8 · to_version varint ·
/// own_version varint · to_parts list · own_parts list · envelope bytes.
///
/// The lists come before the envelope, so that a server knows who gets a message before it looks
/// at the largest field.
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
    /// Which devices get it.
    pub scope: SendScope,
    /// The version of the recipient's device list that `to_parts` was made for.
    pub to_version: u64,
    /// The version of the sender's own device list that `own_parts` was made for.
    pub own_version: u64,
    /// For the recipient's devices, by ascending device.
    pub to_parts: Parts<'a>,
    /// For the other devices of the sender's account, by ascending device.
    pub own_parts: Parts<'a>,
    /// What every device gets, byte for byte.
    pub envelope: &'a [u8],
}

impl<'a> Send<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            message_id: reader.message_id()?,
            to: reader.user()?,
            after: reader.timestamp()?,
            ttl_ms: reader.varint()?,
            scope: SendScope(reader.u8()?),
            to_version: reader.varint()?,
            own_version: reader.varint()?,
            to_parts: reader.list(DEVICES_MAX)?,
            own_parts: reader.list(DEVICES_MAX)?,
            envelope: reader.bytes(ENVELOPE_BYTES_MAX)?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.message_id(self.message_id);
        writer.user(self.to);
        writer.timestamp(self.after);
        writer.varint(self.ttl_ms);
        writer.u8(self.scope.0);
        writer.varint(self.to_version);
        writer.varint(self.own_version);
        writer.list(&self.to_parts);
        writer.list(&self.own_parts);
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
    /// How many devices it waits for; own copies do not count.
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
