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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::CONTENT_BYTES_MAX;
    use crate::crypto::group_ratchet::OutboundKey;
    use crate::crypto::payload::kind;
    use martlet_protocol::limits::{ENVELOPE_BYTES_MAX, VARINT_MAX};
    use martlet_protocol::{DeviceId, UserId};
    use proptest::prelude::*;

    fn payload(contents: &[u8]) -> GroupPayload<'_> {
        GroupPayload {
            kind: kind::TEXT,
            message_id: MessageId([3; 16]),
            sender: Address {
                user: UserId(1),
                device: DeviceId(2),
            },
            group: GroupId(4),
            head: Head {
                version: 70_000,
                hash: [6; 32],
            },
            counter: 9,
            previous: [10; 32],
            contents,
        }
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        let expected = [
            &[1, 1][..],
            &[3; 16],
            &[1, 0, 0, 0, 0, 0, 0, 0, 2, 0],
            &[4, 0, 0, 0, 0, 0, 0, 0],
            &(70_000u32 << 2 | 2).to_le_bytes(),
            &[6; 32],
            &[9 << 2],
            &[10; 32],
            b"hi",
        ];
        let bytes = payload(b"hi").encode();
        assert_eq!(bytes.as_slice(), expected.concat());
        assert_eq!(GroupPayload::decode(&bytes), Ok(payload(b"hi")));
    }

    #[test]
    fn what_is_not_exactly_a_payload_is_refused() {
        let bytes = payload(b"").encode();
        for cut in 0..bytes.len() {
            let error = GroupPayload::decode(&bytes[..cut]);
            assert_eq!(error, Err(DecodeError::PayloadTruncated), "{cut}");
        }
        let mut newer = bytes.to_vec();
        newer[0] = 2;
        let uncounted = GroupPayload {
            counter: 0,
            ..payload(b"")
        };
        let groupless = GroupPayload {
            head: Head::default(),
            ..payload(b"")
        };
        let forbidden = Err(DecodeError::FieldValueForbidden);
        for bytes in [
            newer,
            uncounted.encode().to_vec(),
            groupless.encode().to_vec(),
        ] {
            assert_eq!(GroupPayload::decode(&bytes), forbidden);
        }
    }

    #[test]
    fn the_longest_contents_fit_an_envelope() {
        let contents = vec![b'a'; CONTENT_BYTES_MAX];
        let longest = GroupPayload {
            head: Head {
                version: VARINT_MAX,
                hash: [6; 32],
            },
            counter: VARINT_MAX,
            ..payload(&contents)
        };
        let bytes = longest.encode();
        assert_eq!(bytes.len(), HEAD_BYTES_MAX + CONTENT_BYTES_MAX);
        let sealed = OutboundKey::new().encrypt(&bytes).unwrap();
        assert!(sealed.envelope.len() <= ENVELOPE_BYTES_MAX);
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic_and_have_one_spelling(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..400),
            valid_head in any::<bool>(),
        ) {
            if valid_head {
                let head = payload(b"").encode();
                bytes.splice(..0, head.iter().copied());
            }
            if let Ok(payload) = GroupPayload::decode(&bytes) {
                prop_assert_eq!(payload.encode().to_vec(), bytes);
            } else {
                prop_assert!(!valid_head);
            }
        }
    }
}
