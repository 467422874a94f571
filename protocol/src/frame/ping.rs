//! PING and PONG: is the peer still there, and has it handled all that was sent before?

use crate::error::DecodeError;
use crate::wire::{Reader, Writer};

/// Wire: token u64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ping {
    /// Comes back in the PONG.
    pub token: u64,
}

/// Wire: token u64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pong {
    /// The PING's token.
    pub token: u64,
}

impl Ping {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            token: reader.u64()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.u64(self.token);
    }
}

impl Pong {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            token: reader.u64()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.u64(self.token);
    }
}
