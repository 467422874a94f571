//! AUTH and READY: who the device is, and where its stream goes on.

use super::credit::Credit;
use crate::auth::SIGNATURE_BYTES;
use crate::error::DecodeError;
use crate::id::{Address, Millis, Position};
use crate::wire::{Reader, Writer};

/// Wire: user u64 · device u16 · signature 64 · epoch u64 · cursor varint · credit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auth {
    /// Who claims to connect.
    pub address: Address,
    /// Over [`auth_message`](crate::auth::auth_message).
    pub signature: [u8; SIGNATURE_BYTES],
    /// The stream's epoch as the device knows it, 0 when it knows none.
    pub epoch: u64,
    /// The last position the device has stored.
    pub cursor: Position,
    /// How much the device is ready to receive.
    pub credit: Credit,
}

impl Auth {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            address: reader.address()?,
            signature: reader.array()?,
            epoch: reader.u64()?,
            cursor: reader.position()?,
            credit: Credit::decode(reader)?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.address(self.address);
        writer.raw(&self.signature);
        writer.u64(self.epoch);
        writer.position(self.cursor);
        self.credit.encode(writer);
    }
}

/// Wire: epoch u64 · cursor varint · tail varint · credit · idle_ms varint · server_time u64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The stream's epoch. When it differs from the one in AUTH the stream was recreated or
    /// restored, and starts at `cursor`.
    pub epoch: u64,
    /// The position behind which the server pushes.
    pub cursor: Position,
    /// The newest position; the backlog is what lies between.
    pub tail: Position,
    /// How much the server is ready to receive.
    pub credit: Credit,
    /// After this long without a frame from the client the server closes the connection.
    pub idle_ms: u64,
    /// The server's clock.
    pub server_time: Millis,
}

impl Ready {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            epoch: reader.u64()?,
            cursor: reader.position()?,
            tail: reader.position()?,
            credit: Credit::decode(reader)?,
            idle_ms: reader.varint()?,
            server_time: reader.millis()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.u64(self.epoch);
        writer.position(self.cursor);
        writer.position(self.tail);
        self.credit.encode(writer);
        writer.varint(self.idle_ms);
        writer.millis(self.server_time);
    }
}
