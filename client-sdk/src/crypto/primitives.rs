//! The primitives that the other files share: randomness, hashes, signatures, sealed boxes.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use martlet_protocol::auth::{KEY_BYTES, SIGNATURE_BYTES};
use zeroize::Zeroizing;

/// Bytes of a SHA-256 hash.
pub(super) const HASH_BYTES: usize = 32;
/// Bytes of a random nonce, large enough that two never meet.
pub(super) const NONCE_BYTES: usize = 24;
/// Bytes of the tag behind each ciphertext.
pub(super) const TAG_BYTES: usize = 16;
/// How much longer a sealed box is than what is in it.
pub(super) const SEALED_BYTES: usize = NONCE_BYTES + TAG_BYTES;

/// Random bytes from the operating system.
///
/// # Panics
/// When there are none. A process that runs without randomness must not encrypt, and vodozemac
/// panics then as well.
pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives randomness");
    bytes
}

/// SHA-256 of all parts behind each other.
pub(super) fn sha256(parts: &[&[u8]]) -> [u8; HASH_BYTES] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let hash = context.finish();
    hash.as_ref()
        .try_into()
        .expect("a SHA-256 hash has 32 bytes")
}

/// Whether `signature` is by the owner of `key` over `message`.
pub(super) fn is_signed(
    key: &[u8; KEY_BYTES],
    message: &[u8],
    signature: &[u8; SIGNATURE_BYTES],
) -> bool {
    let key = UnparsedPublicKey::new(&ED25519, key);
    key.verify(message, signature).is_ok()
}

/// A box that only the holder of the key can make and open: nonce 24 · ciphertext · tag 16.
pub(super) fn seal(cipher: &XChaCha20Poly1305, aad: &[u8], plain: &[u8]) -> Vec<u8> {
    let nonce: [u8; NONCE_BYTES] = random();
    let mut sealed = Vec::with_capacity(SEALED_BYTES + plain.len());
    sealed.extend_from_slice(&nonce);
    seal_behind(cipher, &nonce, aad, plain, &mut sealed);
    sealed
}

/// What is in a box, or nothing when key, associated data or a bit of it is wrong.
pub(super) fn open(
    cipher: &XChaCha20Poly1305,
    aad: &[u8],
    sealed: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE_BYTES>()?;
    open_with(cipher, nonce, aad, rest)
}

/// Appends ciphertext and tag. The caller answers for the nonce: never twice with one key.
pub(super) fn seal_behind(
    cipher: &XChaCha20Poly1305,
    nonce: &[u8; NONCE_BYTES],
    aad: &[u8],
    plain: &[u8],
    out: &mut Vec<u8>,
) {
    let start = out.len();
    out.extend_from_slice(plain);
    let text = out.get_mut(start..).unwrap_or_default();
    let tag = cipher
        .encrypt_inout_detached(&XNonce::from(*nonce), aad, text.into())
        .expect("what fits into memory is below the cipher's limit of 256 GiB");
    out.extend_from_slice(&tag);
}

/// Opens ciphertext and tag.
pub(super) fn open_with(
    cipher: &XChaCha20Poly1305,
    nonce: &[u8; NONCE_BYTES],
    aad: &[u8],
    sealed: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let (text, tag) = sealed.split_last_chunk::<TAG_BYTES>()?;
    let mut plain = Zeroizing::new(text.to_vec());
    cipher
        .decrypt_inout_detached(
            &XNonce::from(*nonce),
            aad,
            plain.as_mut_slice().into(),
            &Tag::from(*tag),
        )
        .ok()?;
    Some(plain)
}

/// The cipher with this key.
pub(super) fn cipher(key: &[u8; KEY_BYTES]) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_opens_only_unchanged_with_its_key_and_its_associated_data() {
        let sealed = seal(&cipher(&[1; 32]), b"here", b"text");
        assert_eq!(sealed.len(), SEALED_BYTES + 4);
        let plain = open(&cipher(&[1; 32]), b"here", &sealed).unwrap();
        assert_eq!(plain.as_slice(), b"text");

        assert!(open(&cipher(&[2; 32]), b"here", &sealed).is_none());
        assert!(open(&cipher(&[1; 32]), b"there", &sealed).is_none());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(open(&cipher(&[1; 32]), b"here", &changed).is_none());
            assert!(open(&cipher(&[1; 32]), b"here", &sealed[..at]).is_none());
        }
    }

    #[test]
    fn two_boxes_of_one_text_differ() {
        let key = cipher(&[1; 32]);
        assert_ne!(seal(&key, b"", b"text"), seal(&key, b"", b"text"));
    }

    /// The known answer of draft-irtf-cfrg-xchacha-03, appendix A.3.1.
    #[test]
    fn the_cipher_is_the_one_of_the_draft() {
        let key: [u8; 32] = core::array::from_fn(|i| 0x80 + u8::try_from(i).unwrap());
        let nonce: [u8; 24] = core::array::from_fn(|i| 0x40 + u8::try_from(i).unwrap());
        let aad = [
            0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7,
        ];
        let plain = b"Ladies and Gentlemen of the class of '99: If I could offer you only one \
                      tip for the future, sunscreen would be it.";
        let mut out = Vec::new();
        seal_behind(&cipher(&key), &nonce, &aad, plain, &mut out);
        assert_eq!(out[..8], [0xbd, 0x6d, 0x17, 0x9d, 0x3e, 0x83, 0xd4, 0x3b]);
        let tag = [
            0xc0, 0x87, 0x59, 0x24, 0xc1, 0xc7, 0x98, 0x79, 0x47, 0xde, 0xaf, 0xd8, 0x78, 0x0a,
            0xcf, 0x49,
        ];
        assert_eq!(out[plain.len()..], tag);
    }
}
