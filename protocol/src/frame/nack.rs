//! NACK: one request or one event is refused; the connection goes on.

use crate::error::DecodeError;
use crate::id::{MessageId, Position};
use crate::kind::Kind;
use crate::nack::{Class, NackCode};
use crate::wire::{Reader, Writer};

/// Which request or event is meant: 16 bytes whose meaning follows from the refused frame's type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reference(pub [u8; 16]);

impl Reference {
    /// For SEND, READ, STATUS and GROUP_SEND: the message id.
    #[must_use]
    pub const fn message(id: MessageId) -> Self {
        Self(id.0)
    }

    /// For EVENT (a position), GROUP_READ (a group) and every frame with a request number: the
    /// number, then zeros.
    #[must_use]
    pub const fn number(number: u64) -> Self {
        let [a, b, c, d, e, f, g, h] = number.to_le_bytes();
        Self([a, b, c, d, e, f, g, h, 0, 0, 0, 0, 0, 0, 0, 0])
    }

    /// The message id meant.
    #[must_use]
    pub const fn as_message(self) -> MessageId {
        MessageId(self.0)
    }

    /// The number meant.
    #[must_use]
    pub const fn as_number(self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// The position meant.
    #[must_use]
    pub const fn as_position(self) -> Position {
        Position(self.as_number())
    }
}

/// Wire: of u8 · code u16 · class u8 · retry_after_ms varint · reference 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nack {
    /// The type of the refused frame.
    pub of: Kind,
    /// Why.
    pub code: NackCode,
    /// What may be done about it. It travels beside the code so that a client knows what to do
    /// about codes that are newer than itself.
    pub class: Class,
    /// For [`Class::RETRY_AFTER`]: not before this many milliseconds.
    pub retry_after_ms: u64,
    /// Which request or event.
    pub reference: Reference,
}

impl Nack {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            of: Kind(reader.u8()?),
            code: NackCode(reader.u16()?),
            class: Class(reader.u8()?),
            retry_after_ms: reader.varint()?,
            reference: Reference(reader.array()?),
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.u8(self.of.0);
        writer.u16(self.code.0);
        writer.u8(self.class.0);
        writer.varint(self.retry_after_ms);
        writer.raw(&self.reference.0);
    }
}
