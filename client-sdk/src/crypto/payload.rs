//! The payload inside a part: who wrote it to whom, what the writer knew, and its place in a chain.

use bytes::BytesMut;
use martlet_protocol::device_list::HASH_BYTES;
use martlet_protocol::limits::PART_BYTES_MAX;
use martlet_protocol::wire::{Reader, Writer};
use martlet_protocol::{Address, DecodeError, MessageId, UserId};
use zeroize::Zeroizing;

use super::list::Head;
use super::primitives::sha256;

/// Kinds of contents. From 0x80 on they are for clients and never shown.
pub mod kind {
    /// UTF-8.
    pub const TEXT: u8 = 0x01;
    /// Text that answers another message.
    pub const REPLY: u8 = 0x02;
    /// A sign that somebody puts to a message.
    pub const REACTION: u8 = 0x03;
    /// Another text for a message.
    pub const EDIT: u8 = 0x04;
    /// Takes a message away from everyone.
    pub const DELETE: u8 = 0x05;
    /// Sets the life of the messages that follow.
    pub const TIMER: u8 = 0x06;
    /// How to reach somebody.
    pub const CONTACT: u8 = 0x07;
    /// A place.
    pub const LOCATION: u8 = 0x08;
    /// Contents of another kind that disappear.
    pub const LIMITED: u8 = 0x10;
    /// What a group calls itself.
    pub const GROUP_INFO: u8 = 0x11;
    /// Asks for a message again that could not be decrypted.
    pub const RETRY: u8 = 0x81;
    /// A message that was asked for again.
    pub const RESENT: u8 = 0x82;
    /// Contacts, for a new device of the same account.
    pub const CONTACTS: u8 = 0x83;
    /// History, for a new device of the same account.
    pub const HISTORY: u8 = 0x84;
    /// Nothing: it makes a session.
    pub const HELLO: u8 = 0x85;
    /// A sender key of a group.
    pub const SENDER_KEY: u8 = 0x86;
    /// Asks for a message to a group again that could not be decrypted.
    pub const GROUP_RETRY: u8 = 0x87;
    /// A message to a group that was asked for again.
    pub const GROUP_RESENT: u8 = 0x88;

    /// Whether it is for clients only.
    #[must_use]
    pub const fn is_control(kind: u8) -> bool {
        kind >= 0x80
    }

    /// Whether it changes another message, and is not shown as one.
    #[must_use]
    pub const fn is_modification(kind: u8) -> bool {
        matches!(kind, REACTION | EDIT | DELETE)
    }

    /// Whether messages of this kind may disappear.
    #[must_use]
    pub const fn may_be_limited(kind: u8) -> bool {
        !is_control(kind) && !is_modification(kind) && !matches!(kind, TIMER | LIMITED | GROUP_INFO)
    }
}

/// Most bytes of contents inside a payload; what is longer is sealed once, as a
/// [`body`](super::body), and only its key goes to each device.
pub const INLINE_BYTES_MAX: usize = 1024;

const VERSION: u8 = 1;
const BODY_INLINE: u8 = 1;
const BODY_SEALED: u8 = 2;

/// Everything in a payload beside the contents, each varint at its longest.
const HEAD_BYTES_MAX: usize = 2 + 16 + 2 * (8 + 2) + 8 + 2 * (8 + 32) + 8 + 32 + 1;
/// What Olm adds to a plaintext at most: three keys and the framing of a message that begins a
/// session, and of the message in it: version, ratchet key, index, padding, MAC.
const OLM_BYTES_MAX: usize = (1 + 3 * 34 + 4) + (1 + 34 + 11 + 4 + 16 + 8);
const _: () = assert!(2 + HEAD_BYTES_MAX + INLINE_BYTES_MAX + OLM_BYTES_MAX <= PART_BYTES_MAX);

/// Where the contents of a message are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents<'a> {
    /// Here.
    Inline(&'a [u8]),
    /// In the message's envelope.
    Sealed {
        /// Opens the envelope.
        key: [u8; 32],
        /// SHA-256 of the envelope.
        hash: [u8; HASH_BYTES],
    },
}

/// What a device says to one other device. A session has no associated data, so everything that
/// has to be certain about a message stands here, and is compared after decrypting.
///
/// Layout: version u8 = 1 · kind u8 · message_id 16 · sender u64 u16 · recipient u64 u16 ·
/// conversation u64 · own_version varint · own_head 32 · peer_version varint · peer_head 32 ·
/// counter varint · previous 32 · body_kind u8 · body. Body 1: contents (rest, at most 1,024).
/// Body 2: key 32 · hash 32.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload<'a> {
    /// How the contents are to be read ([`kind`]).
    pub kind: u8,
    /// The id of the message on the wire.
    pub message_id: MessageId,
    /// The device that wrote it.
    pub sender: Address,
    /// The device for which it was encrypted.
    pub recipient: Address,
    /// The account that the message is to: for a copy to an own device, the other side.
    pub conversation: UserId,
    /// The newest list of the sender's account, as the sender knows it.
    pub own: Head,
    /// The newest list of the conversation's account, as the sender knows it.
    pub peer: Head,
    /// Counts the payloads of the chain, from 1.
    pub counter: u64,
    /// SHA-256 of the payload before it in the chain; zeros in the first.
    pub previous: [u8; HASH_BYTES],
    /// The contents, or how to open them.
    pub contents: Contents<'a>,
}

impl<'a> Payload<'a> {
    /// The bytes to encrypt.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let room = HEAD_BYTES_MAX + INLINE_BYTES_MAX;
        let mut out = BytesMut::with_capacity(room);
        let mut writer = Writer::new(&mut out);
        writer.u8(VERSION);
        writer.u8(self.kind);
        writer.message_id(self.message_id);
        writer.address(self.sender);
        writer.address(self.recipient);
        writer.user(self.conversation);
        write_head(&mut writer, &self.own);
        write_head(&mut writer, &self.peer);
        writer.varint(self.counter);
        writer.raw(&self.previous);
        match &self.contents {
            Contents::Inline(contents) => {
                writer.u8(BODY_INLINE);
                writer.raw(contents);
            }
            Contents::Sealed { key, hash } => {
                writer.u8(BODY_SEALED);
                writer.raw(key);
                writer.raw(hash);
            }
        }
        Zeroizing::new(Vec::from(out))
    }

    /// Reads what was decrypted; nothing may follow it, and each payload has one spelling.
    ///
    /// # Errors
    /// [`DecodeError::FieldValueForbidden`] for another version, counter 0, a body of unknown kind
    /// or contents that are too long for a payload; or what is wrong with a field.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return Err(DecodeError::FieldValueForbidden);
        }
        let payload = Self {
            kind: reader.u8()?,
            message_id: reader.message_id()?,
            sender: reader.address()?,
            recipient: reader.address()?,
            conversation: reader.user()?,
            own: read_head(&mut reader)?,
            peer: read_head(&mut reader)?,
            counter: reader.varint()?,
            previous: reader.array()?,
            contents: contents(reader)?,
        };
        if payload.counter == 0 {
            return Err(DecodeError::FieldValueForbidden);
        }
        Ok(payload)
    }
}

pub(super) fn write_head(writer: &mut Writer<'_>, head: &Head) {
    writer.varint(head.version);
    writer.raw(&head.hash);
}

pub(super) fn read_head(reader: &mut Reader<'_>) -> Result<Head, DecodeError> {
    Ok(Head {
        version: reader.varint()?,
        hash: reader.array()?,
    })
}

fn contents<'a>(mut reader: Reader<'a>) -> Result<Contents<'a>, DecodeError> {
    match reader.u8()? {
        BODY_INLINE if reader.rest().len() <= INLINE_BYTES_MAX => {
            Ok(Contents::Inline(reader.rest()))
        }
        BODY_SEALED => {
            let key = reader.array()?;
            let hash = reader.array()?;
            reader.finish()?;
            Ok(Contents::Sealed { key, hash })
        }
        _ => Err(DecodeError::FieldValueForbidden),
    }
}

/// The hash by which the next payload of a chain names this one.
pub(super) fn hash_of(payload: &[u8]) -> [u8; HASH_BYTES] {
    sha256(&[payload])
}

#[cfg(test)]
mod tests {
    use super::*;
    use martlet_protocol::DeviceId;
    use proptest::prelude::*;

    pub(super) fn payload(contents: Contents<'_>) -> Payload<'_> {
        Payload {
            kind: kind::TEXT,
            message_id: MessageId([3; 16]),
            sender: Address {
                user: UserId(1),
                device: DeviceId(2),
            },
            recipient: Address {
                user: UserId(3),
                device: DeviceId(4),
            },
            conversation: UserId(3),
            own: Head {
                version: 5,
                hash: [6; 32],
            },
            peer: Head {
                version: 70_000,
                hash: [8; 32],
            },
            counter: 9,
            previous: [10; 32],
            contents,
        }
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        let bytes = payload(Contents::Inline(b"hi")).encode();
        let expected = [
            &[1, 1][..],
            &[3; 16],
            &[1, 0, 0, 0, 0, 0, 0, 0, 2, 0],
            &[3, 0, 0, 0, 0, 0, 0, 0, 4, 0],
            &[3, 0, 0, 0, 0, 0, 0, 0],
            &[5 << 2],
            &[6; 32],
            &(70_000u32 << 2 | 2).to_le_bytes(),
            &[8; 32],
            &[9 << 2],
            &[10; 32],
            &[1],
            b"hi",
        ];
        assert_eq!(bytes.as_slice(), expected.concat());
    }

    #[test]
    fn both_kinds_of_contents_read_back() {
        for contents in [
            Contents::Inline(b""),
            Contents::Inline(&[7; INLINE_BYTES_MAX]),
            Contents::Sealed {
                key: [1; 32],
                hash: [2; 32],
            },
        ] {
            let payload = payload(contents);
            let bytes = payload.encode();
            assert_eq!(Payload::decode(&bytes), Ok(payload));
        }
    }

    #[test]
    fn what_is_not_exactly_a_payload_is_refused() {
        let forbidden = Err(DecodeError::FieldValueForbidden);
        let sealed = Contents::Sealed {
            key: [1; 32],
            hash: [2; 32],
        };
        let bytes = payload(sealed).encode();
        for cut in 0..bytes.len() {
            assert!(Payload::decode(&bytes[..cut]).is_err(), "{cut}");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(Payload::decode(&longer), Err(DecodeError::FieldTooLong));
        let mut newer = bytes.to_vec();
        newer[0] = 2;
        assert_eq!(Payload::decode(&newer), forbidden);
        let mut body_kind = bytes.to_vec();
        body_kind[bytes.len() - 65] = 3;
        assert_eq!(Payload::decode(&body_kind), forbidden);

        let long = [7; INLINE_BYTES_MAX + 1];
        let long = payload(Contents::Inline(&long)).encode();
        assert_eq!(Payload::decode(&long), forbidden);
        let uncounted = Payload {
            counter: 0,
            ..payload(Contents::Inline(b""))
        };
        assert_eq!(Payload::decode(&uncounted.encode()), forbidden);
    }

    #[test]
    fn control_messages_have_the_upper_half() {
        assert!(!kind::is_control(kind::TEXT));
        assert!(!kind::is_control(kind::GROUP_INFO));
        for kind in [
            kind::RETRY,
            kind::RESENT,
            kind::CONTACTS,
            kind::HISTORY,
            kind::HELLO,
            kind::SENDER_KEY,
            kind::GROUP_RETRY,
            kind::GROUP_RESENT,
        ] {
            assert!(kind::is_control(kind));
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic_and_have_one_spelling(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..400),
            valid_head in any::<bool>(),
        ) {
            if valid_head {
                let head = payload(Contents::Inline(b"")).encode();
                bytes.splice(..0, head[..head.len() - 1].iter().copied());
            }
            if let Ok(payload) = Payload::decode(&bytes) {
                prop_assert_eq!(payload.encode().to_vec(), bytes);
            }
        }
    }
}
