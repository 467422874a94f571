//! What members of a group tell each other beside messages: what it is called, with which keys
//! they write, and what has to be said again.

use bytes::BytesMut;
use martlet_protocol::wire::{Reader, Writer};
use martlet_protocol::{DecodeError, GroupId, MessageId, Timestamp};
use zeroize::Zeroizing;

use super::Content;
use crate::crypto::group_log::info_hash;
use crate::crypto::group_ratchet::SHARE_BYTES;
use crate::crypto::payload::kind;

/// Longest name of a group, in bytes of UTF-8.
pub const GROUP_NAME_BYTES_MAX: usize = 100;
/// Longest reference to a group's picture, in bytes.
pub const GROUP_PICTURE_BYTES_MAX: usize = 1024;
/// Longest info beside a sender key, in bytes: later versions may say more of a group.
pub const GROUP_INFO_BYTES_MAX: usize = 4096;

/// What GROUP_RESENT says beside the data, its varint at its longest.
pub(super) const GROUP_RESENT_HEAD_BYTES_MAX: usize = 16 + 8 + 8 + 8 + 1;

/// What a group is called and looks like. Layout: name str<=100 · picture bytes<=1024.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupInfo {
    /// 1 to 100 bytes, without control characters.
    pub name: String,
    /// Where the picture is, for the application; empty without one.
    pub picture: Vec<u8>,
}

impl GroupInfo {
    /// The contents that say it.
    #[must_use]
    pub fn encode(&self) -> Content {
        let mut data = BytesMut::new();
        let mut writer = Writer::new(&mut data);
        writer.text(&self.name);
        writer.bytes(&self.picture);
        content(kind::GROUP_INFO, data)
    }

    /// Reads the contents of a GROUP_INFO; nothing may follow them.
    ///
    /// # Errors
    /// [`DecodeError::FieldValueForbidden`] for an empty name and one with control characters, or
    /// what is wrong with a field.
    pub fn decode(data: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(data);
        let info = Self {
            name: reader.text(GROUP_NAME_BYTES_MAX)?.to_owned(),
            picture: reader.bytes(GROUP_PICTURE_BYTES_MAX)?.to_vec(),
        };
        reader.finish()?;
        if info.name.is_empty() || info.name.chars().any(char::is_control) {
            return Err(DecodeError::FieldValueForbidden);
        }
        Ok(info)
    }

    /// The hash by which the group's record names it.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        info_hash(&self.encode().data)
    }
}

/// A sender key for one device. Layout: group u64 · share 229 · info bytes<=4096.
pub struct SenderKey {
    /// The group in which the sender writes with it.
    pub group: GroupId,
    /// The key ([`InboundKey::from_share`](crate::crypto::group_ratchet::InboundKey::from_share)).
    pub share: Zeroizing<[u8; SHARE_BYTES]>,
    /// The contents of the group's newest GROUP_INFO, for one who was not there when it was sent;
    /// empty when the sender has none.
    pub info: Vec<u8>,
}

impl SenderKey {
    /// The contents that say it.
    #[must_use]
    pub fn encode(&self) -> Content {
        let mut data = BytesMut::with_capacity(8 + SHARE_BYTES + 8 + self.info.len());
        let mut writer = Writer::new(&mut data);
        writer.group(self.group);
        writer.raw(self.share.as_slice());
        writer.bytes(&self.info);
        content(kind::SENDER_KEY, data)
    }

    /// Reads the contents of a SENDER_KEY; nothing may follow them.
    ///
    /// # Errors
    /// What is wrong with a field.
    pub fn decode(data: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(data);
        let key = Self {
            group: reader.group()?,
            share: Zeroizing::new(reader.array()?),
            info: reader.bytes(GROUP_INFO_BYTES_MAX)?.to_vec(),
        };
        reader.finish()?;
        Ok(key)
    }
}

/// Asks the author of a message to a group for it, and for the key.
///
/// Layout: message_id 16 · group u64 · sequence varint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupRetry {
    /// Which one.
    pub id: MessageId,
    /// Where it was written.
    pub group: GroupId,
    /// Its place in the log of the group, from 1.
    pub sequence: u64,
}

impl GroupRetry {
    /// The contents that say it.
    #[must_use]
    pub fn encode(&self) -> Content {
        let mut data = BytesMut::new();
        self.write(&mut Writer::new(&mut data));
        content(kind::GROUP_RETRY, data)
    }

    /// Reads the contents of a GROUP_RETRY; nothing may follow them.
    ///
    /// # Errors
    /// [`DecodeError::FieldValueForbidden`] for sequence 0, or what is wrong with a field.
    pub fn decode(data: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(data);
        let retry = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(retry)
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.message_id(self.id);
        writer.group(self.group);
        writer.varint(self.sequence);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let retry = Self {
            id: reader.message_id()?,
            group: reader.group()?,
            sequence: reader.varint()?,
        };
        if retry.sequence == 0 {
            return Err(DecodeError::FieldValueForbidden);
        }
        Ok(retry)
    }
}

/// A message to a group once more, for the device that has asked.
///
/// Layout: that of what was asked for · timestamp u64 · kind u8 · contents (rest).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupResent {
    /// What was asked for.
    pub asked: GroupRetry,
    /// When the server placed it, as its author knows.
    pub timestamp: Timestamp,
    /// What it says now.
    pub content: Content,
}

impl GroupResent {
    /// The contents that say it.
    #[must_use]
    pub fn encode(&self) -> Content {
        let room = GROUP_RESENT_HEAD_BYTES_MAX + self.content.data.len();
        let mut data = BytesMut::with_capacity(room);
        let mut writer = Writer::new(&mut data);
        self.asked.write(&mut writer);
        writer.timestamp(self.timestamp);
        writer.u8(self.content.kind);
        writer.raw(&self.content.data);
        content(kind::GROUP_RESENT, data)
    }

    /// Reads the contents of a GROUP_RESENT.
    ///
    /// # Errors
    /// [`DecodeError::FieldValueForbidden`] for sequence 0, or what is wrong with a field.
    pub fn decode(data: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(data);
        Ok(Self {
            asked: GroupRetry::read(&mut reader)?,
            timestamp: reader.timestamp()?,
            content: Content {
                kind: reader.u8()?,
                data: reader.rest().to_vec(),
            },
        })
    }
}

fn content(kind: u8, data: BytesMut) -> Content {
    Content {
        kind,
        data: data.into(),
    }
}
