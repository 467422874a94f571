//! CHALLENGE: the server's answer to HELLO.

use crate::auth::KEY_BYTES;
use crate::error::DecodeError;
use crate::id::Millis;
use crate::version::Features;
use crate::wire::{Reader, Writer};

/// How a server takes registrations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registration(pub u8);

impl Registration {
    /// Anybody may register: for development.
    pub const OPEN: Self = Self(1);
    /// A token of the operator vouches for the handle.
    pub const TOKEN: Self = Self(2);
    /// Nobody may register.
    pub const CLOSED: Self = Self(3);
}

/// Wire: version u8 · features u64 · nonce 32 · server_time u64 · registration u8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The version both sides use from here on.
    pub version: u8,
    /// The features both sides use from here on.
    pub features: Features,
    /// What the device signs; drawn anew for every connection.
    pub nonce: [u8; KEY_BYTES],
    /// The server's clock, so that a client can notice its own being wrong.
    pub server_time: Millis,
    /// Whether and how new accounts are made.
    pub registration: Registration,
}

impl Challenge {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            version: reader.u8()?,
            features: Features(reader.u64()?),
            nonce: reader.array()?,
            server_time: reader.millis()?,
            registration: Registration(reader.u8()?),
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.u8(self.version);
        writer.u64(self.features.0);
        writer.raw(&self.nonce);
        writer.millis(self.server_time);
        writer.u8(self.registration.0);
    }
}
