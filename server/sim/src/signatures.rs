//! What the real gateway checks before a shard hears of it: who has signed what.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use martlet_protocol::auth::{
    KEY_BYTES, PrekeyKind, SIGNATURE_BYTES, prekey_message, proof_message,
};
use martlet_protocol::device_list::HASH_BYTES;
use martlet_protocol::frame::Prekey;
use martlet_protocol::{Address, DeviceList};
use martlet_shard::DeviceIdentity;

/// Whether the holder of `key` has signed `message`.
pub(crate) fn is_signed(
    key: &[u8; KEY_BYTES],
    message: &[u8],
    signature: &[u8; SIGNATURE_BYTES],
) -> bool {
    let key = UnparsedPublicKey::new(&ED25519, key);
    key.verify(message, signature).is_ok()
}

/// Whether the list is signed by the account key that it names, and proven by each device in it.
pub(crate) fn is_genuine(list: &DeviceList<'_>) -> bool {
    let is_proven = |listed: martlet_protocol::ListedDevice<'_>| {
        let address = Address {
            user: list.user,
            device: listed.device,
        };
        let message = proof_message(address, &list.account_key, &listed.identity_key);
        is_signed(&listed.signing_key, &message, &listed.proof)
    };
    is_signed(&list.account_key, &list.signed_bytes(), &list.signature)
        && list.devices.iter().all(is_proven)
}

/// What the next list must name.
pub(crate) fn hash_of(list: &DeviceList<'_>) -> [u8; HASH_BYTES] {
    let hash = digest(&SHA256, &list.hashed_bytes());
    hash.as_ref()
        .try_into()
        .expect("a SHA-256 hash has 32 bytes")
}

/// Whether the device has signed this prekey.
pub(crate) fn is_prekey_of(
    address: Address,
    identity: &DeviceIdentity,
    kind: PrekeyKind,
    prekey: &Prekey,
) -> bool {
    let message = prekey_message(
        kind,
        address,
        &identity.identity_key,
        prekey.id,
        &prekey.key,
    );
    is_signed(&identity.signing_key, &message, &prekey.signature)
}
