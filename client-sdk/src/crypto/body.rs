//! Long contents: sealed once for all devices, while each device gets only the key.

use martlet_protocol::MessageId;
use martlet_protocol::auth::KEY_BYTES;
use martlet_protocol::device_list::HASH_BYTES;
use martlet_protocol::limits::ENVELOPE_BYTES_MAX;
use zeroize::Zeroizing;

use super::primitives::{NONCE_BYTES, TAG_BYTES, cipher, open_with, random, seal_behind, sha256};

/// Most bytes of contents.
pub const CONTENTS_BYTES_MAX: usize = ENVELOPE_BYTES_MAX - TAG_BYTES;

const BODY_AAD: &[u8] = b"martlet body v1\0";

/// Each key is random and seals one body, so the nonce may be constant.
const NONCE: [u8; NONCE_BYTES] = [0; NONCE_BYTES];

/// Contents sealed for the way.
pub struct SealedBody {
    /// Goes into each payload.
    pub key: Zeroizing<[u8; KEY_BYTES]>,
    /// SHA-256 of the envelope; goes into each payload.
    pub hash: [u8; HASH_BYTES],
    /// Goes to the server: ciphertext · tag 16.
    pub envelope: Vec<u8>,
}

/// An envelope is not the one that the sender sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the envelope is not the one that was sealed")]
pub struct BodyInvalid;

/// Seals the contents of a message with a new key.
#[must_use]
pub fn seal(message_id: MessageId, contents: &[u8]) -> SealedBody {
    let key = Zeroizing::new(random());
    let mut envelope = Vec::with_capacity(contents.len() + TAG_BYTES);
    seal_behind(
        &cipher(&key),
        &NONCE,
        &aad(message_id),
        contents,
        &mut envelope,
    );
    SealedBody {
        key,
        hash: sha256(&[&envelope]),
        envelope,
    }
}

/// The contents of a message.
///
/// # Errors
/// [`BodyInvalid`] when hash, key or message id do not belong to this envelope.
pub fn open(
    message_id: MessageId,
    key: &[u8; KEY_BYTES],
    hash: &[u8; HASH_BYTES],
    envelope: &[u8],
) -> Result<Zeroizing<Vec<u8>>, BodyInvalid> {
    if sha256(&[envelope]) != *hash {
        return Err(BodyInvalid);
    }
    open_with(&cipher(key), &NONCE, &aad(message_id), envelope).ok_or(BodyInvalid)
}

fn aad(message_id: MessageId) -> Vec<u8> {
    [BODY_AAD, message_id.0.as_slice()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: MessageId = MessageId([7; 16]);

    #[test]
    fn long_contents_come_out_as_they_went_in_and_nothing_else_does() {
        let contents = vec![b'a'; CONTENTS_BYTES_MAX];
        let sealed = seal(ID, &contents);
        assert_eq!(sealed.envelope.len(), ENVELOPE_BYTES_MAX);
        let open_with = |id, key, hash, envelope: &[u8]| open(id, key, hash, envelope);
        let opened = open_with(ID, &sealed.key, &sealed.hash, &sealed.envelope).unwrap();
        assert_eq!(opened.as_slice(), contents);

        let other = seal(ID, &contents);
        let another_id = MessageId([8; 16]);
        for (id, key, hash, envelope) in [
            (another_id, &sealed.key, &sealed.hash, &sealed.envelope),
            (ID, &other.key, &sealed.hash, &sealed.envelope),
            (ID, &sealed.key, &other.hash, &sealed.envelope),
            (ID, &sealed.key, &sealed.hash, &other.envelope),
            (ID, &sealed.key, &other.hash, &other.envelope),
        ] {
            assert_eq!(open_with(id, key, hash, envelope), Err(BodyInvalid));
        }
        assert_eq!(
            open_with(ID, &sealed.key, &sha256(&[]), &[]),
            Err(BodyInvalid)
        );
    }

    #[test]
    fn no_two_bodies_share_a_key() {
        let (first, second) = (seal(ID, b"same"), seal(ID, b"same"));
        assert_ne!(first.key, second.key);
        assert_ne!(first.envelope, second.envelope);
    }
}
