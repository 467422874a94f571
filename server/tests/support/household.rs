//! An account's keys and device list as its first device keeps them: real signatures, and nothing
//! encrypted, because a server does not look at that.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use bytes::BytesMut;
use martlet_protocol::auth::{PrekeyKind, prekey_message, proof_message};
use martlet_protocol::device_list::PREVIOUS_NONE;
use martlet_protocol::frame::Prekey;
use martlet_protocol::wire::List;
use martlet_protocol::{Address, DeviceId, DeviceList, ListedDevice, Millis, UserId};

/// The account key, and what the next list will say.
#[derive(Debug)]
pub struct Household {
    pub user: UserId,
    pub account_key: Ed25519KeyPair,
    /// Version and hash of the newest list; 0 and zeros before the first one.
    pub head: (u64, [u8; 32]),
    pub next_device: DeviceId,
    pub devices: Vec<Listed>,
}

/// A device in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    pub device: DeviceId,
    pub signing_key: [u8; 32],
    pub identity_key: [u8; 32],
    pub proof: [u8; 64],
}

impl Household {
    /// An account whose first device has this key. Nothing is published yet.
    pub fn new(address: Address, key: &Ed25519KeyPair) -> Self {
        let mut household = Self {
            user: address.user,
            account_key: Ed25519KeyPair::generate().expect("make a key"),
            head: (0, PREVIOUS_NONE),
            next_device: address.device,
            devices: Vec::new(),
        };
        household.admit(key);
        household
    }

    /// Takes a device with this key into the next list.
    pub fn admit(&mut self, key: &Ed25519KeyPair) -> Address {
        let address = Address {
            user: self.user,
            device: self.next_device,
        };
        let account_key = public(&self.account_key);
        self.devices.push(Listed::new(address, key, &account_key));
        self.next_device = DeviceId(address.device.0 + 1);
        address
    }

    /// Leaves a device out of the next list.
    pub fn dismiss(&mut self, device: DeviceId) {
        self.devices.retain(|listed| listed.device != device);
    }

    /// The next list, which is the newest one from now on.
    pub fn sign(&mut self) -> Vec<u8> {
        let list = self.sign_with(|_| {});
        let decoded = DeviceList::decode(&list).expect("it decodes");
        self.head = (decoded.version, hash_of(&decoded));
        list
    }

    /// As [`sign`](Self::sign), with a change that is signed too and that nothing remembers.
    pub fn sign_with(&self, change: impl FnOnce(&mut DeviceList<'_>)) -> Vec<u8> {
        let devices: Vec<_> = self.devices.iter().map(Listed::entry).collect();
        let mut list = DeviceList {
            user: self.user,
            account_key: public(&self.account_key),
            version: self.head.0 + 1,
            previous: self.head.1,
            issued_at: Millis(1_700_000_000_000),
            next_device: self.next_device,
            devices: List::Slice(&devices),
            signature: [0; 64],
        };
        change(&mut list);
        list.signature = sign(&self.account_key, &list.signed_bytes());
        let mut bytes = BytesMut::new();
        list.encode(&mut bytes);
        bytes.to_vec()
    }

    /// The prekeys with these ids of a device with this key.
    pub fn prekeys(
        &self,
        key: &Ed25519KeyPair,
        kind: PrekeyKind,
        ids: impl IntoIterator<Item = u64>,
    ) -> Vec<Prekey> {
        let signing_key = public(key);
        let mut devices = self.devices.iter();
        let listed = devices.find(|listed| listed.signing_key == signing_key);
        let listed = listed.expect("the device is listed");
        ids.into_iter()
            .map(|id| listed.prekey(self.user, key, kind, id))
            .collect()
    }
}

impl Listed {
    /// A device that agrees to be this one of this account.
    pub fn new(address: Address, key: &Ed25519KeyPair, account_key: &[u8; 32]) -> Self {
        let identity_key = hash(&[b"identity", &public(key)]);
        let message = proof_message(address, account_key, &identity_key);
        Self {
            device: address.device,
            signing_key: public(key),
            identity_key,
            proof: sign(key, &message),
        }
    }

    /// As a list has it.
    pub fn entry(&self) -> ListedDevice<'static> {
        ListedDevice {
            device: self.device,
            signing_key: self.signing_key,
            identity_key: self.identity_key,
            proof: self.proof,
            name: b"sealed",
        }
    }

    fn prekey(&self, user: UserId, key: &Ed25519KeyPair, kind: PrekeyKind, id: u64) -> Prekey {
        let device = self.device;
        let address = Address { user, device };
        let public_half = hash(&[&self.signing_key, &[kind.0], &id.to_le_bytes()]);
        let message = prekey_message(kind, address, &self.identity_key, id, &public_half);
        Prekey {
            id,
            key: public_half,
            signature: sign(key, &message),
        }
    }
}

/// The public half.
pub fn public(key: &Ed25519KeyPair) -> [u8; 32] {
    key.public_key().as_ref().try_into().expect("32 bytes")
}

/// A signature.
pub fn sign(key: &Ed25519KeyPair, message: &[u8]) -> [u8; 64] {
    key.sign(message).as_ref().try_into().expect("64 bytes")
}

fn hash_of(list: &DeviceList<'_>) -> [u8; 32] {
    hash(&[&list.hashed_bytes()])
}

fn hash(pieces: &[&[u8]]) -> [u8; 32] {
    let digest = digest(&SHA256, &pieces.concat());
    digest.as_ref().try_into().expect("32 bytes")
}
