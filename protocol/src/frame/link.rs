//! LINK_OPEN, LINK_OPENED, LINK_JOIN, LINK_OFFER, LINKED, LINK_CLOSE and LINK_CLOSED: a new device
//! joins an account.
//!
//! ```text
//!  existing device                server                 new device
//!    │ LINK_OPEN{ticket} ───────────►│                        │
//!    │◄──────────────── LINK_OPENED  │                        │
//!    │ ── ─ the link code, from screen to screen ─ ── ─ ── ─ ►│
//!    │                               │◄── LINK_JOIN{ticket, offer}
//!    │◄────────── LINK_OFFER{offer}  │                        │
//!    │ PUBLISH{list, answer} ───────►│                        │
//!    │◄────────────────── PUBLISHED  │ LINKED{answer} ───────►│
//!    │                                                        │
//!    │ or: LINK_CLOSE{ticket} ──────►│                        │
//!    │◄──────────────── LINK_CLOSED  │ NACK(LINK_UNKNOWN) ───►│
//! ```

use crate::error::DecodeError;
use crate::id::{Address, DeviceId};
use crate::limits::LINK_BYTES_MAX;
use crate::wire::{Reader, Writer};

/// Bytes of a ticket: a secret that the two devices share and the server compares.
pub const TICKET_BYTES: usize = 32;

/// Wire: request varint · device u16 · ticket 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkOpen {
    /// Comes back in the answer.
    pub request: u64,
    /// The id that the new device will have.
    pub device: DeviceId,
    /// What the new device will show.
    pub ticket: [u8; TICKET_BYTES],
}

impl LinkOpen {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            request: reader.varint()?,
            device: reader.device()?,
            ticket: reader.array()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.varint(self.request);
        writer.device(self.device);
        writer.raw(&self.ticket);
    }
}

/// Wire: request varint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkOpened {
    /// The LINK_OPEN's number.
    pub request: u64,
}

impl LinkOpened {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            request: reader.varint()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.varint(self.request);
    }
}

/// Wire: user u64 · device u16 · ticket 32 · offer bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkJoin<'a> {
    /// The account to join, and the id the device will have there.
    pub address: Address,
    /// Proves that the account's own device asked for this.
    pub ticket: [u8; TICKET_BYTES],
    /// The new device's keys, sealed for the one that waits.
    pub offer: &'a [u8],
}

impl<'a> LinkJoin<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            address: reader.address()?,
            ticket: reader.array()?,
            offer: reader.bytes(LINK_BYTES_MAX)?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.address(self.address);
        writer.raw(&self.ticket);
        writer.bytes(self.offer);
    }
}

/// Wire: device u16 · offer bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkOffer<'a> {
    /// The id that the new device will have.
    pub device: DeviceId,
    /// LINK_JOIN's bytes, unchanged; empty when the new device has lost its connection.
    pub offer: &'a [u8],
}

impl<'a> LinkOffer<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            device: reader.device()?,
            offer: reader.bytes(LINK_BYTES_MAX)?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.device(self.device);
        writer.bytes(self.offer);
    }
}

/// Wire: answer bytes. The new device is in the account's list, on synced storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linked<'a> {
    /// PUBLISH's bytes, unchanged.
    pub answer: &'a [u8],
}

impl<'a> Linked<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            answer: reader.bytes(LINK_BYTES_MAX)?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.bytes(self.answer);
    }
}

/// Wire: request varint · ticket 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkClose {
    /// Comes back in the answer.
    pub request: u64,
    /// The LINK_OPEN's: a late LINK_CLOSE cannot end a newer link.
    pub ticket: [u8; TICKET_BYTES],
}

impl LinkClose {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            request: reader.varint()?,
            ticket: reader.array()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.varint(self.request);
        writer.raw(&self.ticket);
    }
}

/// Wire: request varint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkClosed {
    /// The LINK_CLOSE's number.
    pub request: u64,
}

impl LinkClosed {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            request: reader.varint()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.varint(self.request);
    }
}
