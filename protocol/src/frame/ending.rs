//! GOAWAY and CLOSE: how a connection ends.

use crate::close::CloseCode;
use crate::error::DecodeError;
use crate::limits::TEXT_BYTES_MAX;
use crate::wire::{Reader, Writer};

/// Wire: code u16 · delay_ms_min varint · delay_ms_max varint · address text.
///
/// The server goes on answering what was sent before; the client finishes and connects again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goaway<'a> {
    /// Why.
    pub code: CloseCode,
    /// The client waits a random time of at least this many milliseconds,
    pub delay_ms_min: u64,
    /// and at most this many, so that not all connect at once.
    pub delay_ms_max: u64,
    /// Where to connect, or empty for the same address.
    pub address: &'a str,
}

impl<'a> Goaway<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            code: CloseCode(reader.u16()?),
            delay_ms_min: reader.varint()?,
            delay_ms_max: reader.varint()?,
            address: reader.text(TEXT_BYTES_MAX)?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.u16(self.code.0);
        writer.varint(self.delay_ms_min);
        writer.varint(self.delay_ms_max);
        writer.text(self.address);
    }
}

/// Wire: code u16 · detail text. The last frame of its sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close<'a> {
    /// Why.
    pub code: CloseCode,
    /// For the person who debugs; never needed to decide anything.
    pub detail: &'a str,
}

impl<'a> Close<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            code: CloseCode(reader.u16()?),
            detail: reader.text(TEXT_BYTES_MAX)?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.u16(self.code.0);
        writer.text(self.detail);
    }
}
