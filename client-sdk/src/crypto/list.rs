//! Signed device lists: making them and verifying them.

use bytes::BytesMut;
use martlet_protocol::auth::{KEY_BYTES, SIGNATURE_BYTES};
use martlet_protocol::device_list::{DeviceList, HASH_BYTES, PREVIOUS_NONE};
use martlet_protocol::limits::DEVICES_MAX;
use martlet_protocol::wire::List;
use martlet_protocol::{Address, DecodeError, DeviceId, Millis, UserId};

use super::identity::{AccountKey, is_proven};
use super::primitives::{is_signed, sha256};
pub use super::succession::{Step, check_successor};

/// Which list of an account: its version and its hash. Two heads of one version with two hashes
/// are a fork, and no honest account makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Head {
    /// Counted from 1; 0 before the first list.
    pub version: u64,
    /// Of the list; zeros before the first.
    pub hash: [u8; HASH_BYTES],
}

/// One device of a verified list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedDevice {
    /// Its id.
    pub device: DeviceId,
    /// Its Ed25519 key, which AUTH uses and which signs its prekeys.
    pub signing_key: [u8; KEY_BYTES],
    /// Its Curve25519 key, with which sessions begin.
    pub identity_key: [u8; KEY_BYTES],
    /// Its own word for it ([`prove`](super::identity::prove)).
    pub proof: [u8; SIGNATURE_BYTES],
    /// Its name, sealed for the account's own devices.
    pub name: Vec<u8>,
}

/// A list is not what it has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// It cannot be read.
    #[error("the device list cannot be read: {0}")]
    Malformed(DecodeError),
    /// It is another account's.
    #[error("the device list is another account's")]
    OtherAccount,
    /// Its account key did not sign it.
    #[error("the device list is not signed by its account key")]
    SignatureWrong,
    /// A device did not agree to be listed so.
    #[error("device {} in the device list has no valid proof", .0.0)]
    ProofWrong(DeviceId),
    /// It is older than the list that is known.
    #[error("the device list is older than one that was seen before")]
    RolledBack,
    /// It has the version of the known list, and is another one.
    #[error("there are two device lists of one version")]
    Forked,
    /// A version between it and the known list is missing.
    #[error("a device list in between is missing")]
    VersionSkipped,
    /// It does not grow out of the known list.
    #[error("the device list does not follow the one before it")]
    PreviousWrong,
    /// A device kept its id and changed its keys.
    #[error("device {} in the device list has changed its keys", .0.0)]
    KeysChanged(DeviceId),
    /// New devices do not have the ids that are due.
    #[error("device ids in the device list are not the next ones")]
    DeviceIdsWrong,
    /// There is no room for another device, or none would be left.
    #[error("an account has 1 to 5 devices")]
    CountWrong,
}

/// A list whose signature and proofs hold. Only this module makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedList {
    user: UserId,
    account_key: [u8; KEY_BYTES],
    issued_at: Millis,
    previous: [u8; HASH_BYTES],
    next_device: DeviceId,
    devices: Vec<ListedDevice>,
    bytes: Vec<u8>,
    head: Head,
}

/// What the signer of a list decides.
struct Draft<'a> {
    user: UserId,
    version: u64,
    previous: [u8; HASH_BYTES],
    issued_at: Millis,
    next_device: DeviceId,
    devices: &'a [ListedDevice],
}

impl SignedList {
    /// Signs the first list of an account.
    ///
    /// # Errors
    /// [`ListError`] when `devices` are not 1 to 5 ascending ones with proofs for this account
    /// key, below `next_device`.
    pub fn first(
        account: &AccountKey,
        user: UserId,
        next_device: DeviceId,
        devices: &[ListedDevice],
        issued_at: Millis,
    ) -> Result<Self, ListError> {
        let draft = Draft {
            user,
            version: 1,
            previous: PREVIOUS_NONE,
            issued_at,
            next_device,
            devices,
        };
        draft.sign(account)
    }

    /// Signs the next list, with one more device, whose id has to be
    /// [`next_device`](Self::next_device).
    ///
    /// # Errors
    /// [`ListError::DeviceIdsWrong`], [`ListError::CountWrong`], [`ListError::ProofWrong`], or
    /// [`ListError::SignatureWrong`] when `account` is not this list's key.
    pub fn with_device(
        &self,
        account: &AccountKey,
        device: ListedDevice,
        issued_at: Millis,
    ) -> Result<Self, ListError> {
        if device.device != self.next_device {
            return Err(ListError::DeviceIdsWrong);
        }
        let mut devices = self.devices.clone();
        devices.push(device);
        let next = self.next_device.0.checked_add(1).map(DeviceId);
        let next = next.ok_or(ListError::DeviceIdsWrong)?;
        self.next(account, next, &devices, issued_at)
    }

    /// Signs the next list, without a device.
    ///
    /// # Errors
    /// [`ListError::DeviceIdsWrong`] when the device is not listed, [`ListError::CountWrong`] when
    /// none would be left, or [`ListError::SignatureWrong`] when `account` is not this list's key.
    pub fn without_device(
        &self,
        account: &AccountKey,
        device: DeviceId,
        issued_at: Millis,
    ) -> Result<Self, ListError> {
        let mut devices = self.devices.clone();
        devices.retain(|listed| listed.device != device);
        if devices.len() == self.devices.len() {
            return Err(ListError::DeviceIdsWrong);
        }
        self.next(account, self.next_device, &devices, issued_at)
    }

    /// Signs the next list, with another name of a device, sealed.
    ///
    /// # Errors
    /// [`ListError::DeviceIdsWrong`] when the device is not listed, [`ListError::Malformed`] when
    /// the name is too long, or [`ListError::SignatureWrong`] when `account` is not this list's
    /// key.
    pub fn renamed(
        &self,
        account: &AccountKey,
        device: DeviceId,
        name: Vec<u8>,
        issued_at: Millis,
    ) -> Result<Self, ListError> {
        let mut devices = self.devices.clone();
        let mut listed = devices.iter_mut().filter(|listed| listed.device == device);
        listed.next().ok_or(ListError::DeviceIdsWrong)?.name = name;
        self.next(account, self.next_device, &devices, issued_at)
    }

    /// Signs the next list of an account that was reset: a new account key, and the one device
    /// that has it. `device` may have any id from [`next_device`](Self::next_device) on.
    ///
    /// # Errors
    /// [`ListError::DeviceIdsWrong`] or [`ListError::ProofWrong`].
    pub fn reset(
        &self,
        account: &AccountKey,
        device: ListedDevice,
        issued_at: Millis,
    ) -> Result<Self, ListError> {
        if device.device < self.next_device {
            return Err(ListError::DeviceIdsWrong);
        }
        let next = device.device.0.checked_add(1).map(DeviceId);
        let next = next.ok_or(ListError::DeviceIdsWrong)?;
        self.signed_with(account, next, &[device], issued_at)
    }

    fn next(
        &self,
        account: &AccountKey,
        next_device: DeviceId,
        devices: &[ListedDevice],
        issued_at: Millis,
    ) -> Result<Self, ListError> {
        if account.public() != self.account_key {
            return Err(ListError::SignatureWrong);
        }
        self.signed_with(account, next_device, devices, issued_at)
    }

    pub(super) fn signed_with(
        &self,
        account: &AccountKey,
        next_device: DeviceId,
        devices: &[ListedDevice],
        issued_at: Millis,
    ) -> Result<Self, ListError> {
        let draft = Draft {
            user: self.user,
            version: self.head.version + 1,
            previous: self.head.hash,
            issued_at,
            next_device,
            devices,
        };
        draft.sign(account)
    }

    /// Reads a list of `user` and verifies its signature and every device's proof: about 60 µs for
    /// each of them. Whether it follows the list that is known, [`check_successor`] says.
    ///
    /// # Errors
    /// [`ListError::Malformed`], [`ListError::OtherAccount`], [`ListError::SignatureWrong`],
    /// [`ListError::PreviousWrong`] for a first list that names one before it,
    /// [`ListError::ProofWrong`].
    pub fn verify(bytes: &[u8], user: UserId) -> Result<Self, ListError> {
        let list = DeviceList::decode(bytes).map_err(ListError::Malformed)?;
        if list.user != user {
            return Err(ListError::OtherAccount);
        }
        if !is_signed(&list.account_key, &list.signed_bytes(), &list.signature) {
            return Err(ListError::SignatureWrong);
        }
        if list.version == 1 && list.previous != PREVIOUS_NONE {
            return Err(ListError::PreviousWrong);
        }
        let devices: Vec<ListedDevice> = list.devices.iter().map(owned).collect();
        for listed in &devices {
            listed.verify(user, &list.account_key)?;
        }
        Ok(Self {
            user,
            account_key: list.account_key,
            issued_at: list.issued_at,
            previous: list.previous,
            next_device: list.next_device,
            devices,
            bytes: bytes.to_vec(),
            head: Head {
                version: list.version,
                hash: sha256(&[&list.hashed_bytes()]),
            },
        })
    }

    /// Whose devices.
    #[must_use]
    pub const fn user(&self) -> UserId {
        self.user
    }

    /// The account's key, which people compare.
    #[must_use]
    pub const fn account_key(&self) -> &[u8; KEY_BYTES] {
        &self.account_key
    }

    /// Version and hash.
    #[must_use]
    pub const fn head(&self) -> Head {
        self.head
    }

    /// Counted from 1.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.head.version
    }

    /// The hash of the list before it; zeros in the first.
    #[must_use]
    pub const fn previous(&self) -> &[u8; HASH_BYTES] {
        &self.previous
    }

    /// When it was signed, by the signer's clock.
    #[must_use]
    pub const fn issued_at(&self) -> Millis {
        self.issued_at
    }

    /// The id that the next new device will have.
    #[must_use]
    pub const fn next_device(&self) -> DeviceId {
        self.next_device
    }

    /// 1 to 5 devices, by ascending id.
    #[must_use]
    pub fn devices(&self) -> &[ListedDevice] {
        &self.devices
    }

    /// The device with this id.
    #[must_use]
    pub fn device(&self, device: DeviceId) -> Option<&ListedDevice> {
        self.devices.iter().find(|listed| listed.device == device)
    }

    /// The list as it goes over the wire and into the log of lists.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl ListedDevice {
    fn verify(&self, user: UserId, account_key: &[u8; KEY_BYTES]) -> Result<(), ListError> {
        let address = Address {
            user,
            device: self.device,
        };
        let proven = is_proven(
            &self.proof,
            &self.signing_key,
            address,
            account_key,
            &self.identity_key,
        );
        let wrong = ListError::ProofWrong(self.device);
        if proven { Ok(()) } else { Err(wrong) }
    }
}

impl Draft<'_> {
    /// Signs, and reads the result back as anybody else would: what cannot be verified is not let
    /// out.
    fn sign(self, account: &AccountKey) -> Result<SignedList, ListError> {
        if self.devices.is_empty() || self.devices.len() > DEVICES_MAX {
            return Err(ListError::CountWrong);
        }
        let devices: Vec<_> = self.devices.iter().map(borrowed).collect();
        let mut list = DeviceList {
            user: self.user,
            account_key: account.public(),
            version: self.version,
            previous: self.previous,
            issued_at: self.issued_at,
            next_device: self.next_device,
            devices: List::Slice(&devices),
            signature: [0; SIGNATURE_BYTES],
        };
        list.signature = account.sign(&list.signed_bytes());
        let mut bytes = BytesMut::new();
        list.encode(&mut bytes);
        SignedList::verify(&bytes, self.user)
    }
}

fn owned(listed: martlet_protocol::ListedDevice<'_>) -> ListedDevice {
    ListedDevice {
        device: listed.device,
        signing_key: listed.signing_key,
        identity_key: listed.identity_key,
        proof: listed.proof,
        name: listed.name.to_vec(),
    }
}

fn borrowed(listed: &ListedDevice) -> martlet_protocol::ListedDevice<'_> {
    martlet_protocol::ListedDevice {
        device: listed.device,
        signing_key: listed.signing_key,
        identity_key: listed.identity_key,
        proof: listed.proof,
        name: &listed.name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::fixtures::{NOW, USER, account, device, first};

    #[test]
    fn what_was_signed_reads_back_and_grows() {
        let key = account(1);
        let list = first(&key);
        assert_eq!(list.head().version, 1);
        assert_eq!(list.previous(), &PREVIOUS_NONE);
        assert_eq!(SignedList::verify(list.bytes(), USER), Ok(list.clone()));

        let two = list.with_device(&key, device(&key, 2, 12), NOW).unwrap();
        assert_eq!(two.version(), 2);
        assert_eq!(two.previous(), &list.head().hash);
        assert_eq!(two.next_device(), DeviceId(3));
        assert_eq!(two.device(DeviceId(2)), Some(&device(&key, 2, 12)));

        let one = two.without_device(&key, DeviceId(1), NOW).unwrap();
        assert_eq!(one.version(), 3);
        assert_eq!(one.devices(), [device(&key, 2, 12)]);
        assert_eq!(one.next_device(), DeviceId(3), "ids are never given again");
    }

    #[test]
    fn the_hash_is_that_of_the_format() {
        let list = first(&account(1));
        let unsigned = &list.bytes()[..list.bytes().len() - SIGNATURE_BYTES];
        assert_eq!(list.head().hash, sha256(&[b"martlet list v1\0", unsigned]));
        let signature = list.bytes().last_chunk().unwrap();
        let signed = [b"martlet devices v1\0", unsigned].concat();
        assert!(is_signed(list.account_key(), &signed, signature));
    }

    #[test]
    fn no_changed_bit_gets_past() {
        let list = first(&account(1));
        for at in 0..list.bytes().len() {
            let mut changed = list.bytes().to_vec();
            changed[at] ^= 1;
            assert!(SignedList::verify(&changed, USER).is_err(), "byte {at}");
            assert!(SignedList::verify(&list.bytes()[..at], USER).is_err());
        }
        let longer = [list.bytes(), &[0]].concat();
        let expected = ListError::Malformed(DecodeError::FieldTooLong);
        assert_eq!(SignedList::verify(&longer, USER), Err(expected));
        let other = SignedList::verify(list.bytes(), UserId(8));
        assert_eq!(other, Err(ListError::OtherAccount));
    }

    #[test]
    fn nothing_is_signed_that_could_not_be_verified() {
        let (key, other) = (account(1), account(2));
        let list = first(&key);
        let with = |device| list.with_device(&key, device, NOW);
        let (due, foreign) = (device(&key, 2, 12), device(&other, 2, 12));
        assert_eq!(with(device(&key, 3, 12)), Err(ListError::DeviceIdsWrong));
        assert_eq!(with(foreign), Err(ListError::ProofWrong(DeviceId(2))));
        assert_eq!(
            list.with_device(&other, due, NOW),
            Err(ListError::SignatureWrong)
        );
        assert_eq!(
            list.without_device(&key, DeviceId(2), NOW),
            Err(ListError::DeviceIdsWrong)
        );
        assert_eq!(
            list.without_device(&key, DeviceId(1), NOW),
            Err(ListError::CountWrong)
        );

        let mut full = list;
        for id in 2..=5 {
            let next = device(&key, id, 20);
            full = full.with_device(&key, next, NOW).unwrap();
        }
        let sixth = device(&key, 6, 26);
        assert_eq!(
            full.with_device(&key, sixth, NOW),
            Err(ListError::CountWrong)
        );
    }

    #[test]
    fn a_first_list_names_none_before_it() {
        let key = account(1);
        let draft = Draft {
            user: USER,
            version: 1,
            previous: [9; HASH_BYTES],
            issued_at: NOW,
            next_device: DeviceId(2),
            devices: &[device(&key, 1, 11)],
        };
        assert_eq!(draft.sign(&key), Err(ListError::PreviousWrong));
    }
}
