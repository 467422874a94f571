//! The keys that sign: the account's, and how a device of it is proven.

use core::fmt;

use martlet_protocol::Address;
use martlet_protocol::auth::{KEY_BYTES, SIGNATURE_BYTES, proof_message};
use martlet_protocol::limits::DEVICE_NAME_BYTES_MAX;
use zeroize::{Zeroize, Zeroizing};

use super::primitives::{SEALED_BYTES, cipher, is_signed, open, random, seal};
use crate::keys::{DeviceKey, KeySeed};

/// Longest name of a device in bytes of UTF-8.
pub const NAME_BYTES_MAX: usize = 40;

/// Bytes of every sealed name: names are padded, so that their length says nothing.
const SEALED_NAME_BYTES: usize = NAME_BYTES_MAX + SEALED_BYTES;
const _: () = assert!(SEALED_NAME_BYTES <= DEVICE_NAME_BYTES_MAX);

/// Whether a person may call a device so: 1 to [`NAME_BYTES_MAX`] bytes of text on one line, with
/// no blanks around it.
#[must_use]
pub fn is_device_name(name: &str) -> bool {
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len());
    fits && name.trim() == name && !name.chars().any(char::is_control)
}

const NAME_AAD: &[u8] = b"martlet device name v1\0";

/// The account's Ed25519 key. It is made on the account's first device, never leaves it, and signs
/// every device list.
pub struct AccountKey {
    seed: Zeroizing<[u8; KEY_BYTES]>,
    key: DeviceKey,
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountKey(secret)")
    }
}

impl AccountKey {
    /// A new random key.
    #[must_use]
    pub fn random() -> Self {
        Self::from_seed(&random())
    }

    /// The key of this seed: always the same one.
    #[must_use]
    pub fn from_seed(seed: &[u8; KEY_BYTES]) -> Self {
        let mut copy = KeySeed(*seed);
        let key = DeviceKey::new(&copy);
        copy.0.zeroize();
        Self {
            seed: Zeroizing::new(*seed),
            key,
        }
    }

    /// The secret itself, to be sealed and stored.
    #[must_use]
    pub fn seed(&self) -> &[u8; KEY_BYTES] {
        &self.seed
    }

    /// The public key, which contacts compare and servers keep.
    #[must_use]
    pub fn public(&self) -> [u8; KEY_BYTES] {
        self.key.public()
    }

    pub(super) fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        self.key.sign(message)
    }
}

/// A device's word that it is this device of this account with this identity key.
#[must_use]
pub fn prove(
    signer: &DeviceKey,
    address: Address,
    account_key: &[u8; KEY_BYTES],
    identity_key: &[u8; KEY_BYTES],
) -> [u8; SIGNATURE_BYTES] {
    signer.sign(&proof_message(address, account_key, identity_key))
}

/// Whether `proof` is the word of the device with this signing key.
#[must_use]
pub fn is_proven(
    proof: &[u8; SIGNATURE_BYTES],
    signing_key: &[u8; KEY_BYTES],
    address: Address,
    account_key: &[u8; KEY_BYTES],
    identity_key: &[u8; KEY_BYTES],
) -> bool {
    let message = proof_message(address, account_key, identity_key);
    is_signed(signing_key, &message, proof)
}

/// The key for the names of an account's devices: every device of the account has it, nobody else.
#[derive(Clone)]
pub struct NamesKey(Zeroizing<[u8; KEY_BYTES]>);

impl fmt::Debug for NamesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NamesKey(secret)")
    }
}

impl NamesKey {
    /// A new random key.
    #[must_use]
    pub fn random() -> Self {
        Self(Zeroizing::new(random()))
    }

    /// The key that was stored, or that came with a link.
    #[must_use]
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The secret itself, to be sealed and stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// The name as it stands in a list: 80 bytes, whatever its length. A name longer than
    /// [`NAME_BYTES_MAX`] is cut at the last character that fits.
    #[must_use]
    pub fn seal(&self, address: Address, name: &str) -> Vec<u8> {
        let end = name.floor_char_boundary(NAME_BYTES_MAX);
        let name = name.get(..end).unwrap_or_default();
        let mut padded = name.as_bytes().to_vec();
        padded.resize(NAME_BYTES_MAX, 0);
        seal(&cipher(&self.0), &name_aad(address), &padded)
    }

    /// The name of that device, or nothing when it was sealed with another key.
    #[must_use]
    pub fn open(&self, address: Address, sealed: &[u8]) -> Option<String> {
        let padded = open(&cipher(&self.0), &name_aad(address), sealed)?;
        let text = core::str::from_utf8(&padded).ok()?;
        Some(text.trim_end_matches('\0').to_owned())
    }
}

fn name_aad(address: Address) -> Vec<u8> {
    let user = address.user.0.to_le_bytes();
    let device = address.device.0.to_le_bytes();
    [NAME_AAD, &user, &device].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use martlet_protocol::{DeviceId, UserId};

    const PHONE: Address = Address {
        user: UserId(7),
        device: DeviceId(1),
    };
    const TABLET: Address = Address {
        user: UserId(7),
        device: DeviceId(2),
    };

    #[test]
    fn a_device_name_is_a_line_that_fits() {
        for good in ["phone", "Ännes Telefon", &"x".repeat(NAME_BYTES_MAX)] {
            assert!(is_device_name(good), "{good}");
        }
        for bad in ["", " phone", "a\nb", "a\0b", &"ä".repeat(21)] {
            assert!(!is_device_name(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_seed_gives_one_account_key() {
        let key = AccountKey::random();
        let same = AccountKey::from_seed(key.seed());
        assert_eq!(key.public(), same.public());
        assert_eq!(key.sign(b"list"), same.sign(b"list"));
        assert_ne!(key.public(), AccountKey::random().public());
        assert_eq!(format!("{key:?}"), "AccountKey(secret)");
    }

    #[test]
    fn a_proof_holds_for_nothing_but_what_it_names() {
        let signer = DeviceKey::new(&KeySeed([3; 32]));
        let (account, identity) = ([4; 32], [5; 32]);
        let proof = prove(&signer, PHONE, &account, &identity);
        let key = signer.public();
        assert!(is_proven(&proof, &key, PHONE, &account, &identity));
        assert!(!is_proven(&proof, &key, TABLET, &account, &identity));
        assert!(!is_proven(&proof, &key, PHONE, &identity, &identity));
        assert!(!is_proven(&proof, &key, PHONE, &account, &account));
        let other = DeviceKey::new(&KeySeed([6; 32])).public();
        assert!(!is_proven(&proof, &other, PHONE, &account, &identity));
    }

    #[test]
    fn names_are_for_own_devices_and_their_length_is_nobodys_business() {
        let key = NamesKey::random();
        let long = "ä".repeat(30);
        for (name, expected) in [
            ("phone", "phone"),
            ("", ""),
            (long.as_str(), &long[..NAME_BYTES_MAX]),
        ] {
            let sealed = key.seal(PHONE, name);
            assert_eq!(sealed.len(), SEALED_NAME_BYTES);
            assert_eq!(key.open(PHONE, &sealed).as_deref(), Some(expected));
            assert_eq!(key.open(TABLET, &sealed), None);
            assert_eq!(NamesKey::random().open(PHONE, &sealed), None);
        }
        let again = NamesKey::from_bytes(*key.as_bytes());
        assert!(again.open(PHONE, &key.seal(PHONE, "phone")).is_some());
    }
}
