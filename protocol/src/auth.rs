//! The exact bytes a device signs to register and to authenticate.

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
