//! The device's key pair: made from a seed, so that the caller owns the randomness.

use core::fmt;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use martlet_protocol::auth::{KEY_BYTES, SIGNATURE_BYTES};

/// 32 bytes of entropy from which a key pair is made. It is the secret itself: whoever draws it
/// wipes it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeySeed(pub [u8; 32]);

impl fmt::Debug for KeySeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySeed(secret)")
    }
}

/// An Ed25519 key pair.
pub struct DeviceKey(Ed25519KeyPair);

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceKey(secret)")
    }
}

impl DeviceKey {
    /// The key pair of this seed: always the same one.
    #[must_use]
    pub fn new(seed: &KeySeed) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed.0);
        Self(pair.expect("every 32 bytes are an Ed25519 seed"))
    }

    /// The public key that the server learns at registration.
    #[must_use]
    pub fn public(&self) -> [u8; KEY_BYTES] {
        let bytes = self.0.public_key().as_ref();
        bytes
            .try_into()
            .expect("an Ed25519 public key has 32 bytes")
    }

    /// Signs `message`.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        let signature = self.0.sign(message);
        signature
            .as_ref()
            .try_into()
            .expect("an Ed25519 signature has 64 bytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

    #[test]
    fn the_same_seed_gives_the_same_key_and_its_signatures_verify() {
        let key = DeviceKey::new(&KeySeed([7; 32]));
        assert_eq!(key.public(), DeviceKey::new(&KeySeed([7; 32])).public());
        assert_ne!(key.public(), DeviceKey::new(&KeySeed([8; 32])).public());

        let verifier = UnparsedPublicKey::new(&ED25519, key.public());
        assert!(verifier.verify(b"hello", &key.sign(b"hello")).is_ok());
        assert!(verifier.verify(b"other", &key.sign(b"hello")).is_err());
    }
}
