//! REGISTER and REGISTERED: a new account with its first device.

use crate::auth::{KEY_BYTES, SIGNATURE_BYTES};
use crate::error::DecodeError;
use crate::id::Address;
use crate::limits::{HANDLE_BYTES_MAX, TOKEN_BYTES_MAX};
use crate::wire::{Reader, Writer};

/// Wire: handle text · key 32 · signature 64 · token bytes.
///
/// Repeating it with the same handle and key gives the same account: a client that lost the
/// answer asks again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Register<'a> {
    /// The name the account shall have.
    pub handle: &'a str,
    /// The first device's Ed25519 public key.
    pub key: [u8; KEY_BYTES],
    /// Over [`register_message`](crate::auth::register_message).
    pub signature: [u8; SIGNATURE_BYTES],
    /// The operator's token, or empty.
    pub token: &'a [u8],
}

impl<'a> Register<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            handle: reader.text(HANDLE_BYTES_MAX)?,
            key: reader.array()?,
            signature: reader.array()?,
            token: reader.bytes(TOKEN_BYTES_MAX)?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.text(self.handle);
        writer.raw(&self.key);
        writer.raw(&self.signature);
        writer.bytes(self.token);
    }
}

/// Wire: user u64 · device u16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The new account and its first device.
    pub address: Address,
}

impl Registered {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            address: reader.address()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.address(self.address);
    }
}
