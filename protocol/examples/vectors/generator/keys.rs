//! The primitives of SPEC.md §19 to §28 with keys that everybody knows: for vectors only.

use aws_lc_rs::agreement::{PrivateKey, X25519};
use aws_lc_rs::cipher::{AES_256, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::digest::{SHA256, SHA512, digest};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::Ed25519KeyPair;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

/// The private key that is 32 times `byte`.
pub(crate) const fn private(byte: u8) -> [u8; 32] {
    [byte; 32]
}

/// The Ed25519 public key of a private one.
pub(crate) fn signing_public(private: &[u8; 32]) -> [u8; 32] {
    use aws_lc_rs::signature::KeyPair;
    array(pair(private).public_key().as_ref())
}

/// The Ed25519 signature, which has no randomness.
pub(crate) fn sign(private: &[u8; 32], message: &[u8]) -> [u8; 64] {
    array(pair(private).sign(message).as_ref())
}

fn pair(private: &[u8; 32]) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(private).expect("any 32 bytes are a seed")
}

/// The Curve25519 public key of a private one.
pub(crate) fn exchange_public(private: &[u8; 32]) -> [u8; 32] {
    let key = PrivateKey::from_private_key(&X25519, private).expect("any 32 bytes are a key");
    array(key.compute_public_key().expect("a public key").as_ref())
}

pub(crate) fn sha256(message: &[u8]) -> [u8; 32] {
    array(digest(&SHA256, message).as_ref())
}

pub(crate) fn sha512(message: &[u8]) -> [u8; 64] {
    array(digest(&SHA512, message).as_ref())
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-SHA256 with empty salt.
pub(crate) fn hkdf<const N: usize>(secret: &[u8], info: &str) -> [u8; N] {
    let key = Salt::new(HKDF_SHA256, &[]).extract(secret);
    let mut out = [0; N];
    key.expand(&[info.as_bytes()], Length(N))
        .and_then(|okm| okm.fill(&mut out))
        .expect("a few blocks");
    out
}

pub(crate) fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    array(hmac::sign(&key, message).as_ref())
}

/// AES-256-CBC with PKCS#7 padding.
pub(crate) fn seal_cbc(key: &[u8], iv: &[u8; 16], msg: &[u8]) -> Vec<u8> {
    let key = UnboundCipherKey::new(&AES_256, key).expect("32 bytes are a key");
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(key).expect("a mode of AES");
    let mut text = msg.to_vec();
    let context = EncryptionContext::Iv128(iv.into());
    key.less_safe_encrypt(&mut text, context)
        .expect("a vector is short");
    text
}

/// XChaCha20-Poly1305: ciphertext and tag.
pub(crate) fn seal(key: &[u8; 32], nonce: &[u8; 24], aad: &[u8], msg: &[u8]) -> Vec<u8> {
    let cipher = XChaCha20Poly1305::new(&(*key).into());
    cipher
        .encrypt(&XNonce::from(*nonce), Payload { msg, aad })
        .expect("a vector is short")
}

/// The same behind its nonce.
pub(crate) fn seal_with_nonce(key: &[u8; 32], nonce: &[u8; 24], aad: &[u8], msg: &[u8]) -> Vec<u8> {
    [&nonce[..], &seal(key, nonce, aad, msg)].concat()
}

/// Base32 of RFC 4648 without padding.
pub(crate) fn base32(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits = |at: usize| (0..8).rev().map(move |bit| (at, bit));
    let bits: Vec<u8> = (0..bytes.len())
        .flat_map(bits)
        .map(|(at, bit)| bytes[at] >> bit & 1)
        .collect();
    bits.chunks(5)
        .map(|chunk| {
            let value = chunk.iter().fold(0, |value, bit| value << 1 | bit);
            char::from(DIGITS[usize::from(value << (5 - chunk.len()))])
        })
        .collect()
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("the primitive's length")
}
