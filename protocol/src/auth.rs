//! The exact bytes a device signs: to register, to authenticate, to join a list, for a prekey.

use crate::id::Address;

/// Bytes of the server's nonce, of an Ed25519 public key and of a channel binding.
pub const KEY_BYTES: usize = 32;
/// Bytes of an Ed25519 signature.
pub const SIGNATURE_BYTES: usize = 64;
/// The TLS exporter label of the channel binding (RFC 9266), used with an empty context.
pub const BINDING_LABEL: &[u8] = b"EXPORTER-Channel-Binding";
/// The channel binding of a connection without TLS.
pub const BINDING_NONE: [u8; KEY_BYTES] = [0; KEY_BYTES];

const AUTH_CONTEXT: &[u8] = b"martlet auth v1\0";
const REGISTER_CONTEXT: &[u8] = b"martlet register v1\0";
const DEVICE_CONTEXT: &[u8] = b"martlet device v1\0";
const PREKEY_CONTEXT: &[u8] = b"martlet prekey v1\0";

/// How often a prekey is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrekeyKind(pub u8);

impl PrekeyKind {
    /// Once.
    pub const ONE_TIME: Self = Self(1);
    /// Whenever no one-time key is left.
    pub const LAST_RESORT: Self = Self(2);
}

/// What AUTH's signature covers: it is bound to this nonce and this TLS session, so that neither
/// a recording nor a server in the middle can use it elsewhere.
#[must_use]
pub fn auth_message(
    nonce: &[u8; KEY_BYTES],
    binding: &[u8; KEY_BYTES],
    address: Address,
) -> Vec<u8> {
    let user = address.user.0.to_le_bytes();
    let device = address.device.0.to_le_bytes();
    [AUTH_CONTEXT, nonce, binding, &user, &device].concat()
}

/// What REGISTER's signature covers: it proves that the key's owner asks for this handle.
#[must_use]
pub fn register_message(
    nonce: &[u8; KEY_BYTES],
    binding: &[u8; KEY_BYTES],
    handle: &str,
) -> Vec<u8> {
    [REGISTER_CONTEXT, nonce, binding, handle.as_bytes()].concat()
}

/// What a listed device's proof covers: it proves that the signing key's owner wants to be this
/// device of this account with this identity key, so that nobody can list a key of another's.
#[must_use]
pub fn proof_message(
    address: Address,
    account_key: &[u8; KEY_BYTES],
    identity_key: &[u8; KEY_BYTES],
) -> Vec<u8> {
    let user = address.user.0.to_le_bytes();
    let device = address.device.0.to_le_bytes();
    [DEVICE_CONTEXT, &user, &device, account_key, identity_key].concat()
}

/// What a prekey's signature covers: it is of this kind and of this device with this identity key,
/// so that a server can neither make one up nor hand out another device's.
#[must_use]
pub fn prekey_message(
    kind: PrekeyKind,
    address: Address,
    identity_key: &[u8; KEY_BYTES],
    id: u64,
    key: &[u8; KEY_BYTES],
) -> Vec<u8> {
    let user = address.user.0.to_le_bytes();
    let device = address.device.0.to_le_bytes();
    let id = id.to_le_bytes();
    let kind = [kind.0];
    [
        PREKEY_CONTEXT,
        &kind,
        &user,
        &device,
        identity_key,
        &id,
        key,
    ]
    .concat()
}
