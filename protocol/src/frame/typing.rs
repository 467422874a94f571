//! TYPING and TYPED: a person writes right now. Never stored.

use crate::error::DecodeError;
use crate::id::{Address, UserId};
use crate::wire::{Reader, Writer};

/// What a person does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypingKind(pub u8);

impl TypingKind {
    /// Nothing any more.
    pub const STOPPED: Self = Self(0);
    /// Writes a text.
    pub const TYPING: Self = Self(1);
    /// Records a voice message.
    pub const RECORDING: Self = Self(2);

    /// Whether this is one of the kinds version 1 knows.
    #[must_use]
    pub const fn is_known(self) -> bool {
        self.0 <= Self::RECORDING.0
    }
}

/// Wire: to u64 · kind u8. It has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Typing {
    /// Who is written to.
    pub to: UserId,
    /// What the person does.
    pub kind: TypingKind,
}

impl Typing {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            to: reader.user()?,
            kind: TypingKind(reader.u8()?),
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.user(self.to);
        writer.u8(self.kind.0);
    }
}

/// Wire: peer u64 · device u16 · kind u8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Typed {
    /// Who, and on which device.
    pub peer: Address,
    /// What the person does.
    pub kind: TypingKind,
}

impl Typed {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            peer: reader.address()?,
            kind: TypingKind(reader.u8()?),
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.address(self.peer);
        writer.u8(self.kind.0);
    }
}
