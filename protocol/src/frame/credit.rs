//! CREDIT: how much more the sender of this frame is ready to receive.

use crate::error::DecodeError;
use crate::wire::{Reader, Writer};

/// Wire: messages varint · bytes varint. As a frame it is added to what was granted before.
///
/// Counted are SENDs towards the server and stream items towards the client, each with the bytes
/// of its whole frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Credit {
    /// Messages.
    pub messages: u64,
    /// Bytes of their frames, headers included.
    pub bytes: u64,
}

impl Credit {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            messages: reader.varint()?,
            bytes: reader.varint()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.varint(self.messages);
        writer.varint(self.bytes);
    }
}
