//! The key of the local database, and the boxes in which secrets lie on the disk.

use core::fmt;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use chacha20poly1305::XChaCha20Poly1305;
use zeroize::Zeroizing;

use super::primitives::{cipher, open, random, seal};

/// Bytes of the key.
pub const STORE_KEY_BYTES: usize = 32;
/// Bytes of a passphrase's salt.
pub const SALT_BYTES: usize = 16;

/// How a passphrase becomes a key, as the database keeps it beside the salt: a later version that
/// works harder still knows what an older home needs.
pub const PASSPHRASE_SCHEME: &str = "argon2id v=19 m=65536 t=3 p=1";

/// Memory for one passphrase in KiB: 64 MiB, so that whoever guesses needs as much for each guess.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 1;

const CHECK_AAD: &[u8] = b"martlet store check v1\0";

/// The key that opens a home. It is wiped when it is dropped.
#[derive(Clone)]
pub struct StoreKey(Zeroizing<[u8; STORE_KEY_BYTES]>);

/// The key is not the one with which this was sealed, or what was sealed has been changed or
/// moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key is wrong, or the data was changed")]
pub struct WrongKey;

/// Stored state of keys, sessions or chains cannot be read. It was sealed, so this is no damage:
/// another version wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stored keys have a format that this version does not know")]
pub struct StateInvalid;

/// The passphrase cannot become a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PassphraseError {
    /// Nothing was given: everybody would guess it.
    #[error("the passphrase is empty")]
    Empty,
    /// It is longer than 2^32 bytes.
    #[error("the passphrase is too long")]
    TooLong,
}

impl StoreKey {
    /// A new random key, for an application that has a safe place for it.
    #[must_use]
    pub fn random() -> Self {
        Self(Zeroizing::new(random()))
    }

    /// The key that an application kept.
    #[must_use]
    pub fn from_bytes(bytes: [u8; STORE_KEY_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The key of a passphrase and this home's salt, by Argon2id with 64 MiB and three passes: a
    /// fraction of a second, each time the home is opened.
    ///
    /// # Errors
    /// [`PassphraseError`].
    pub fn from_passphrase(
        passphrase: &str,
        salt: &[u8; SALT_BYTES],
    ) -> Result<Self, PassphraseError> {
        if passphrase.is_empty() {
            return Err(PassphraseError::Empty);
        }
        let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(STORE_KEY_BYTES))
            .expect("the parameters are within Argon2's bounds");
        let mut key = Zeroizing::new([0; STORE_KEY_BYTES]);
        let mut memory = Zeroizing::new(vec![Block::new(); params.block_count()]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(
                passphrase.as_bytes(),
                salt,
                key.as_mut_slice(),
                memory.as_mut_slice(),
            )
            .map_err(|_| PassphraseError::TooLong)?;
        Ok(Self(key))
    }

    /// The bytes, for the application's safe place.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; STORE_KEY_BYTES] {
        &self.0
    }
}

/// A salt for a new home.
#[must_use]
pub fn new_salt() -> [u8; SALT_BYTES] {
    random()
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreKey(secret)")
    }
}

/// Seals what lies on the disk: XChaCha20-Poly1305 with a random nonce for each box.
///
/// A sealed box is 40 bytes longer than its contents: nonce 24 · ciphertext · tag 16. Its
/// associated data names its place (table and row), so that nobody with the file alone can move a
/// box to another row. Nothing here keeps an old box from being put back into its own row.
pub struct Vault(XChaCha20Poly1305);

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(secret)")
    }
}

impl Vault {
    /// Seals and opens with this key.
    #[must_use]
    pub fn new(key: &StoreKey) -> Self {
        Self(cipher(&key.0))
    }

    /// Seals `plain` for the place that `aad` names.
    #[must_use]
    pub fn seal(&self, aad: &[u8], plain: &[u8]) -> Vec<u8> {
        seal(&self.0, aad, plain)
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// [`WrongKey`].
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, WrongKey> {
        open(&self.0, aad, sealed).ok_or(WrongKey)
    }

    /// A value that a database keeps to know its key again: 40 bytes that say nothing.
    #[must_use]
    pub fn new_check(&self) -> Vec<u8> {
        self.seal(CHECK_AAD, &[])
    }

    /// Whether `check` was made with this key.
    ///
    /// # Errors
    /// [`WrongKey`].
    pub fn check(&self, check: &[u8]) -> Result<(), WrongKey> {
        self.open(CHECK_AAD, check).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_key_opens_a_home() {
        let key = StoreKey::random();
        let check = Vault::new(&key).new_check();
        assert_eq!(check.len(), 40);
        assert_eq!(
            Vault::new(&StoreKey::from_bytes(*key.as_bytes())).check(&check),
            Ok(())
        );
        assert_eq!(Vault::new(&StoreKey::random()).check(&check), Err(WrongKey));
        assert_eq!(Vault::new(&key).check(&[]), Err(WrongKey));
    }

    #[test]
    fn a_box_does_not_open_in_another_row() {
        let vault = Vault::new(&StoreKey::random());
        let sealed = vault.seal(b"session\0bob 1", b"ratchet");
        assert_eq!(
            vault.open(b"session\0bob 1", &sealed).unwrap().as_slice(),
            b"ratchet"
        );
        assert_eq!(vault.open(b"session\0bob 2", &sealed), Err(WrongKey));
    }

    #[test]
    fn a_passphrase_gives_one_key_for_each_salt() {
        let key = |passphrase, salt: u8| {
            let key = StoreKey::from_passphrase(passphrase, &[salt; SALT_BYTES]).unwrap();
            *key.as_bytes()
        };
        let first = key("correct horse", 1);
        assert_eq!(first, key("correct horse", 1));
        assert_ne!(first, key("correct horse", 2));
        assert_ne!(first, key("correct horses", 1));
        assert_eq!(
            StoreKey::from_passphrase("", &[1; SALT_BYTES]).unwrap_err(),
            PassphraseError::Empty
        );
    }

    #[test]
    fn the_scheme_says_what_is_done() {
        let expected = format!("argon2id v=19 m={MEMORY_KIB} t={PASSES} p={LANES}");
        assert_eq!(PASSPHRASE_SCHEME, expected);
    }

    #[test]
    fn no_secret_is_printed() {
        let key = StoreKey::from_bytes([0xab; 32]);
        assert_eq!(format!("{key:?}"), "StoreKey(secret)");
        assert_eq!(format!("{:?}", Vault::new(&key)), "Vault(secret)");
    }
}
