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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::group_ratchet::{InboundKey, OutboundKey};
    use proptest::prelude::*;

    const RETRY: GroupRetry = GroupRetry {
        id: MessageId([3; 16]),
        group: GroupId(4),
        sequence: 70_000,
    };

    fn info(name: &str, picture: usize) -> GroupInfo {
        GroupInfo {
            name: name.to_owned(),
            picture: vec![5; picture],
        }
    }

    #[test]
    fn an_info_has_a_name_that_can_be_shown() {
        let group = info("Küche", 2);
        let content = group.encode();
        let expected = [&[6 << 2][..], "Küche".as_bytes(), &[2 << 2, 5, 5]].concat();
        assert_eq!((content.kind, &content.data), (0x11, &expected));
        assert_eq!(GroupInfo::decode(&content.data), Ok(group.clone()));
        assert_eq!(group.hash(), info_hash(&expected));

        let longest = info(&"x".repeat(GROUP_NAME_BYTES_MAX), GROUP_PICTURE_BYTES_MAX);
        let bytes = longest.encode().data;
        assert!(bytes.len() <= GROUP_INFO_BYTES_MAX);
        assert_eq!(GroupInfo::decode(&bytes), Ok(longest));

        for name in ["", "a\nb", "\u{7f}", "\u{85}"] {
            let error = GroupInfo::decode(&info(name, 0).encode().data);
            assert_eq!(error, Err(DecodeError::FieldValueForbidden), "{name:?}");
        }
        let name = info(&"x".repeat(GROUP_NAME_BYTES_MAX + 1), 0);
        for long in [name, info("x", GROUP_PICTURE_BYTES_MAX + 1)] {
            let error = GroupInfo::decode(&long.encode().data);
            assert_eq!(error, Err(DecodeError::FieldTooLong));
        }
    }

    #[test]
    fn a_key_travels_with_the_info() {
        let own = OutboundKey::new();
        let share = Zeroizing::new(own.share().as_slice().try_into().unwrap());
        let sent = SenderKey {
            group: GroupId(4),
            share,
            info: info("Kitchen", 0).encode().data,
        };
        let content = sent.encode();
        assert_eq!(content.kind, kind::SENDER_KEY);
        assert_eq!(content.data[..8], [4, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(content.data[8..8 + SHARE_BYTES], own.share()[..]);
        let came = SenderKey::decode(&content.data).unwrap();
        let key = InboundKey::from_share(came.share.as_slice()).unwrap();
        assert_eq!((key.id(), came.info), (own.id(), sent.info));
        for cut in 0..content.data.len() {
            assert!(SenderKey::decode(&content.data[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn a_question_and_its_answer_read_back() {
        let content = RETRY.encode();
        assert_eq!(content.kind, kind::GROUP_RETRY);
        assert_eq!(GroupRetry::decode(&content.data), Ok(RETRY));
        let nowhere = GroupRetry {
            sequence: 0,
            ..RETRY
        };
        let forbidden = Err(DecodeError::FieldValueForbidden);
        assert_eq!(GroupRetry::decode(&nowhere.encode().data), forbidden);

        let resent = GroupResent {
            asked: RETRY,
            timestamp: Timestamp(500),
            content: Content::text("again"),
        };
        let content = resent.encode();
        assert_eq!(content.kind, kind::GROUP_RESENT);
        assert_eq!(content.data[16 + 8 + 4..][..8], 500u64.to_le_bytes());
        assert_eq!(GroupResent::decode(&content.data), Ok(resent));
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic_and_have_one_spelling(
            mut data in proptest::collection::vec(any::<u8>(), 0..400),
            has_head in any::<bool>(),
        ) {
            if has_head {
                data.splice(..0, RETRY.encode().data);
            }
            if let Ok(read) = GroupInfo::decode(&data) {
                prop_assert_eq!(&read.encode().data, &data);
            }
            if let Ok(read) = SenderKey::decode(&data) {
                prop_assert_eq!(&read.encode().data, &data);
            }
            if let Ok(read) = GroupRetry::decode(&data) {
                prop_assert_eq!(&read.encode().data, &data);
            }
            if let Ok(read) = GroupResent::decode(&data) {
                prop_assert_eq!(&read.encode().data, &data);
            }
        }
    }
}
