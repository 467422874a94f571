//! READ: the person has read a conversation up to a message.

use crate::error::DecodeError;
use crate::id::{Address, MessageId};
use crate::wire::{Reader, Writer};

/// Wire: author u64 + u16 · message_id 16. Repeating it changes nothing.
///
/// It names a message and not a time, so that the server can check that this message was
/// delivered to this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// Who wrote the message.
    pub author: Address,
    /// Read up to and including this one.
    pub message_id: MessageId,
}

impl Read {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            author: reader.address()?,
            message_id: reader.message_id()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.address(self.author);
        writer.message_id(self.message_id);
    }
}
