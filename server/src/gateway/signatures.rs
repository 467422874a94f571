//! Signatures of devices and accounts: what only the holder of a key can have said.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use martlet_protocol::ListedDevice;
use martlet_protocol::auth::{
    KEY_BYTES, PrekeyKind, SIGNATURE_BYTES, prekey_message, proof_message,
};
use martlet_protocol::device_list::{DeviceList, HASH_BYTES};
use martlet_protocol::frame::Prekey;
use martlet_protocol::id::Address;
use martlet_shard::DeviceIdentity;

/// Whether the holder of `key` has signed `message`.
pub fn is_signed(key: &[u8; KEY_BYTES], message: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
    let key = UnparsedPublicKey::new(&ED25519, key);
    key.verify(message, signature).is_ok()
}

/// How many signatures [`is_genuine`] checks at most.
pub fn count_of(list: &DeviceList<'_>) -> usize {
    1 + list.devices.len()
}

/// Whether the account key that the list names has signed it, and each of its devices has agreed
/// to be in it. Whose key that is, and what may follow what, is for the shard to know.
pub fn is_genuine(list: &DeviceList<'_>) -> bool {
    let agrees = |listed: ListedDevice<'_>| {
        let address = Address {
            user: list.user,
            device: listed.device,
        };
        let message = proof_message(address, &list.account_key, &listed.identity_key);
        is_signed(&listed.signing_key, &message, &listed.proof)
    };
    is_signed(&list.account_key, &list.signed_bytes(), &list.signature)
        && list.devices.iter().all(agrees)
}

/// The hash that the next list must name.
pub fn hash_of(list: &DeviceList<'_>) -> [u8; HASH_BYTES] {
    let mut hash = [0; HASH_BYTES];
    hash.copy_from_slice(digest(&SHA256, &list.hashed_bytes()).as_ref());
    hash
}

/// Whether the device has signed this prekey for itself.
pub fn is_prekey_of(
    address: Address,
    identity: &DeviceIdentity,
    kind: PrekeyKind,
    prekey: &Prekey,
) -> bool {
    let DeviceIdentity {
        signing_key,
        identity_key,
    } = identity;
    let message = prekey_message(kind, address, identity_key, prekey.id, &prekey.key);
    is_signed(signing_key, &message, &prekey.signature)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
    use martlet_protocol::device_list::PREVIOUS_NONE;
    use martlet_protocol::wire::List;
    use martlet_protocol::{DeviceId, Millis, UserId};

    use super::*;

    const USER: UserId = UserId(7);

    fn public(key: &Ed25519KeyPair) -> [u8; KEY_BYTES] {
        key.public_key().as_ref().try_into().unwrap()
    }

    fn sign(key: &Ed25519KeyPair, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        key.sign(message).as_ref().try_into().unwrap()
    }

    fn keys() -> [Ed25519KeyPair; 3] {
        std::array::from_fn(|_| Ed25519KeyPair::generate().unwrap())
    }

    fn address(device: u16) -> Address {
        Address {
            user: USER,
            device: DeviceId(device),
        }
    }

    fn listed(
        device: u16,
        account: &Ed25519KeyPair,
        key: &Ed25519KeyPair,
    ) -> ListedDevice<'static> {
        let identity_key = [device as u8; KEY_BYTES];
        let proof = proof_message(address(device), &public(account), &identity_key);
        ListedDevice {
            device: DeviceId(device),
            signing_key: public(key),
            identity_key,
            proof: sign(key, &proof),
            name: b"",
        }
    }

    fn signed<'a>(account: &Ed25519KeyPair, devices: &'a [ListedDevice<'a>]) -> DeviceList<'a> {
        let mut list = DeviceList {
            user: USER,
            account_key: public(account),
            version: 1,
            previous: PREVIOUS_NONE,
            issued_at: Millis(1),
            next_device: DeviceId(3),
            devices: List::Slice(devices),
            signature: [0; SIGNATURE_BYTES],
        };
        list.signature = sign(account, &list.signed_bytes());
        list
    }

    #[test]
    fn a_list_needs_the_accounts_signature_and_every_devices_proof() {
        let [account, first, second] = keys();
        let devices = [listed(1, &account, &first), listed(2, &account, &second)];
        let list = signed(&account, &devices);
        assert!(is_genuine(&list));
        assert_eq!(count_of(&list), 3);

        let mut later = list.clone();
        later.version = 2;
        assert!(!is_genuine(&later), "the signature is of another list");
        let mut foreign = list.clone();
        foreign.account_key = public(&first);
        assert!(
            !is_genuine(&foreign),
            "the key is another than the signer's"
        );

        // The account signs for a device that has never agreed: to be listed, to be this device,
        // to be of this account, to have this identity key.
        let other = ListedDevice {
            signing_key: public(&first),
            ..devices[1]
        };
        let moved = ListedDevice {
            device: DeviceId(2),
            ..devices[0]
        };
        let lured = listed(2, &first, &second);
        let swapped = ListedDevice {
            identity_key: [9; KEY_BYTES],
            ..devices[1]
        };
        for unwilling in [other, moved, lured, swapped] {
            assert!(!is_genuine(&signed(&account, &[devices[0], unwilling])));
        }
    }

    #[test]
    fn the_hash_is_of_what_was_signed_and_not_of_the_signature() {
        let [account, first, _] = keys();
        let devices = [listed(1, &account, &first)];
        let list = signed(&account, &devices);
        let mut resigned = list.clone();
        resigned.signature = [1; SIGNATURE_BYTES];
        assert_eq!(hash_of(&list), hash_of(&resigned));
        let mut later = list.clone();
        later.issued_at = Millis(2);
        assert_ne!(hash_of(&list), hash_of(&later));
    }

    #[test]
    fn a_prekey_is_of_one_device_one_kind_and_one_number() {
        let [key, other, _] = keys();
        let identity = DeviceIdentity {
            signing_key: public(&key),
            identity_key: [5; KEY_BYTES],
        };
        let kind = PrekeyKind::ONE_TIME;
        let message = prekey_message(kind, address(1), &identity.identity_key, 4, &[6; KEY_BYTES]);
        let prekey = Prekey {
            id: 4,
            key: [6; KEY_BYTES],
            signature: sign(&key, &message),
        };
        assert!(is_prekey_of(address(1), &identity, kind, &prekey));
        let refused = [
            (address(2), identity, kind, prekey),
            (address(1), identity, PrekeyKind::LAST_RESORT, prekey),
            (address(1), identity, kind, Prekey { id: 5, ..prekey }),
            (
                address(1),
                identity,
                kind,
                Prekey {
                    key: [7; 32],
                    ..prekey
                },
            ),
            (
                address(1),
                DeviceIdentity {
                    signing_key: public(&other),
                    ..identity
                },
                kind,
                prekey,
            ),
            (
                address(1),
                DeviceIdentity {
                    identity_key: [6; KEY_BYTES],
                    ..identity
                },
                kind,
                prekey,
            ),
        ];
        for (of, identity, kind, prekey) in refused {
            assert!(!is_prekey_of(of, &identity, kind, &prekey));
        }
    }
}
