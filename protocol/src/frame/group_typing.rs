//! GROUP_TYPING and GROUP_TYPED: a person writes in a group right now. Never stored.

use crate::error::DecodeError;
use crate::frame::TypingKind;
use crate::id::{Address, GroupId};
use crate::wire::{Reader, Writer};

/// Wire: group u64 · kind u8. It has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupTyping {
    /// Where.
    pub group: GroupId,
    /// What the person does.
    pub kind: TypingKind,
}

impl GroupTyping {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            group: reader.group()?,
            kind: TypingKind(reader.u8()?),
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.group(self.group);
        writer.u8(self.kind.0);
    }
}

/// Wire: group u64 · peer u64 · device u16 · kind u8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupTyped {
    /// Where.
    pub group: GroupId,
    /// Who, and on which device.
    pub peer: Address,
    /// What the person does.
    pub kind: TypingKind,
}

impl GroupTyped {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            group: reader.group()?,
            peer: reader.address()?,
            kind: TypingKind(reader.u8()?),
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.group(self.group);
        writer.address(self.peer);
        writer.u8(self.kind.0);
    }
}
