//! The payload inside a group's envelope: who wrote it in which group, and what the writer knew.

use bytes::BytesMut;
use martlet_protocol::device_list::HASH_BYTES;
use martlet_protocol::wire::{Reader, Writer};
use martlet_protocol::{Address, DecodeError, GroupId, MessageId};
use zeroize::Zeroizing;

use super::group_ratchet::SEALING_BYTES_MAX;
use super::list::Head;
use super::payload::{read_head, write_head};

const VERSION: u8 = 1;

/// Everything in a payload beside the contents, each varint at its longest.
const HEAD_BYTES_MAX: usize = 2 + 16 + (8 + 2) + 8 + (8 + 32) + 8 + 32;

/// Most that encryption adds to the contents of a message to a group.
pub const OVERHEAD_BYTES_MAX: usize = HEAD_BYTES_MAX + SEALING_BYTES_MAX;

/// What a device says to a group. As in a [`Payload`](super::payload::Payload), everything that
/// has to be certain about a message stands here, and is compared after decrypting.
///
/// Layout: version u8 = 1 · kind u8 · message_id 16 · sender u64 u16 · group u64 ·
/// record_version varint · record_hash 32 · counter varint · previous 32 · contents (rest).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupPayload<'a> {
    /// How the contents are to be read ([`kind`](super::payload::kind)).
    pub kind: u8,
    /// The id of the message on the wire.
    pub message_id: MessageId,
    /// The device that wrote it.
    pub sender: Address,
    /// The group to which it was written.
    pub group: GroupId,
    /// The newest record of the group, as the sender knows it.
    pub head: Head,
    /// Counts the payloads of the sender in the group, from 1.
    pub counter: u64,
    /// SHA-256 of the payload before it in this chain; zeros in the first.
    pub previous: [u8; HASH_BYTES],
    /// The contents.
    pub contents: &'a [u8],
}

impl<'a> GroupPayload<'a> {
    /// The bytes to encrypt.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut out = BytesMut::with_capacity(HEAD_BYTES_MAX + self.contents.len());
        let mut writer = Writer::new(&mut out);
        writer.u8(VERSION);
        writer.u8(self.kind);
        writer.message_id(self.message_id);
        writer.address(self.sender);
        writer.group(self.group);
        write_head(&mut writer, &self.head);
        writer.varint(self.counter);
        writer.raw(&self.previous);
        writer.raw(self.contents);
        Zeroizing::new(Vec::from(out))
    }

    /// Reads what was decrypted; each payload has one spelling.
    ///
    /// # Errors
    /// [`DecodeError::FieldValueForbidden`] for another version, record version 0 and counter 0;
    /// or what is wrong with a field.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return Err(DecodeError::FieldValueForbidden);
        }
        let payload = Self {
            kind: reader.u8()?,
            message_id: reader.message_id()?,
            sender: reader.address()?,
            group: reader.group()?,
            head: read_head(&mut reader)?,
            counter: reader.varint()?,
            previous: reader.array()?,
            contents: reader.rest(),
        };
        if payload.counter == 0 || payload.head.version == 0 {
            return Err(DecodeError::FieldValueForbidden);
        }
        Ok(payload)
    }
}
