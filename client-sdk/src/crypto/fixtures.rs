//! Accounts and devices for the tests of lists and records.

use martlet_protocol::{Address, DeviceId, Millis, UserId};

use super::identity::{AccountKey, prove};
use super::list::{ListedDevice, SignedList};
use crate::keys::{DeviceKey, KeySeed};

pub(super) const USER: UserId = UserId(7);
pub(super) const NOW: Millis = Millis(1_000);

pub(super) fn account(seed: u8) -> AccountKey {
    AccountKey::from_seed(&[seed; 32])
}

pub(super) fn device_key(seed: u8) -> DeviceKey {
    DeviceKey::new(&KeySeed([seed; 32]))
}

/// A device of [`USER`] whose keys are made from `seed`.
pub(super) fn device(account: &AccountKey, id: u16, seed: u8) -> ListedDevice {
    device_of(USER, account, id, seed)
}

fn device_of(user: UserId, account: &AccountKey, id: u16, seed: u8) -> ListedDevice {
    let signer = device_key(seed);
    let identity_key = [seed; 32];
    let address = Address {
        user,
        device: DeviceId(id),
    };
    ListedDevice {
        device: address.device,
        signing_key: signer.public(),
        identity_key,
        proof: prove(&signer, address, &account.public(), &identity_key),
        name: b"sealed".to_vec(),
    }
}

pub(super) fn first(account: &AccountKey) -> SignedList {
    first_of(USER, account)
}

pub(super) fn first_of(user: UserId, account: &AccountKey) -> SignedList {
    let devices = [device_of(user, account, 1, 11)];
    SignedList::first(account, user, DeviceId(2), &devices, NOW).unwrap()
}
