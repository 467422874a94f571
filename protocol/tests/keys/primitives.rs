//! The primitives that SPEC.md names, for tests alone.

use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey as ExchangeKey, X25519, agree};
use aws_lc_rs::cipher::{AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::digest::{SHA256, SHA512, digest};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

pub(crate) fn signing_public(private: &[u8; 32]) -> [u8; 32] {
    let pair = Ed25519KeyPair::from_seed_unchecked(private).unwrap();
    pair.public_key().as_ref().try_into().unwrap()
}

pub(crate) fn sign(private: &[u8; 32], message: &[u8]) -> [u8; 64] {
    let pair = Ed25519KeyPair::from_seed_unchecked(private).unwrap();
    pair.sign(message).as_ref().try_into().unwrap()
}

pub(crate) fn verifies(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let key = UnparsedPublicKey::new(&ED25519, key);
    key.verify(message, signature).is_ok()
}

pub(crate) fn exchange_public(private: &[u8; 32]) -> [u8; 32] {
    let key = PrivateKey::from_private_key(&X25519, private).unwrap();
    key.compute_public_key()
        .unwrap()
        .as_ref()
        .try_into()
        .unwrap()
}

pub(crate) fn exchange(private: &[u8; 32], public: &[u8; 32]) -> [u8; 32] {
    let private = PrivateKey::from_private_key(&X25519, private).unwrap();
    let public = ExchangeKey::new(&X25519, public);
    agree(&private, public, "no secret", |shared| {
        Ok(shared.try_into().unwrap())
    })
    .unwrap()
}

pub(crate) fn sha256(message: &[u8]) -> [u8; 32] {
    digest(&SHA256, message).as_ref().try_into().unwrap()
}

pub(crate) fn sha512(message: &[u8]) -> [u8; 64] {
    digest(&SHA512, message).as_ref().try_into().unwrap()
}

pub(crate) fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, message).as_ref().try_into().unwrap()
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

pub(crate) fn hkdf<const N: usize>(salt: &[u8], secret: &[u8], info: &str) -> [u8; N] {
    let key = Salt::new(HKDF_SHA256, salt).extract(secret);
    let mut out = [0; N];
    let info = [info.as_bytes()];
    key.expand(&info, Length(N))
        .unwrap()
        .fill(&mut out)
        .unwrap();
    out
}

/// XChaCha20-Poly1305 with the tag at the end.
pub(crate) fn open(key: &[u8; 32], nonce: &[u8; 24], aad: &[u8], msg: &[u8]) -> Option<Vec<u8>> {
    let cipher = XChaCha20Poly1305::new(&(*key).into());
    cipher
        .decrypt(&XNonce::from(*nonce), Payload { msg, aad })
        .ok()
}

/// AES-256-CBC with PKCS#7 padding.
pub(crate) fn open_cbc(key: &[u8], iv: &[u8; 16], ciphertext: &[u8]) -> Vec<u8> {
    let key = UnboundCipherKey::new(&AES_256, key).unwrap();
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).unwrap();
    let mut text = ciphertext.to_vec();
    let context = DecryptionContext::Iv128(iv.into());
    key.decrypt(&mut text, context).unwrap().to_vec()
}
