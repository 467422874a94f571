//! RELATE, RELATED, RELATIONS and RELATION_LIST: what other accounts are to one's own.

use crate::error::DecodeError;
use crate::id::UserId;
use crate::limits::RELATION_LIST_MAX;
use crate::wire::{Element, List, Reader, Writer};

/// What another account is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relation(pub u8);

impl Relation {
    /// Nothing: a stranger.
    pub const NONE: Self = Self(0);
    /// Somebody that the owner talks to.
    pub const CONTACT: Self = Self(1);
    /// Somebody from whom nothing comes, and who is not told so.
    pub const BLOCKED: Self = Self(2);

    /// Whether this is one of the relations version 1 knows.
    #[must_use]
    pub const fn is_known(self) -> bool {
        self.0 <= Self::BLOCKED.0
    }
}

/// Wire: request varint · user u64 · relation u8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relate {
    /// Comes back in the answer.
    pub request: u64,
    /// Which account.
    pub user: UserId,
    /// What it is from now on.
    pub relation: Relation,
}

impl Relate {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            request: reader.varint()?,
            user: reader.user()?,
            relation: Relation(reader.u8()?),
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.varint(self.request);
        writer.user(self.user);
        writer.u8(self.relation.0);
    }
}

/// Wire: request varint. The relation is on synced storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Related {
    /// The RELATE's number.
    pub request: u64,
}

impl Related {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            request: reader.varint()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.varint(self.request);
    }
}

/// Wire: request varint · after u64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relations {
    /// Comes back in the answer.
    pub request: u64,
    /// Only accounts behind this one; 0 for the first ones.
    pub after: u64,
}

impl Relations {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            request: reader.varint()?,
            after: reader.u64()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.varint(self.request);
        writer.u64(self.after);
    }
}

/// Wire: user u64 · relation u8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelationEntry {
    /// Which account.
    pub user: UserId,
    /// What it is.
    pub relation: Relation,
}

impl Element<'_> for RelationEntry {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            user: reader.user()?,
            relation: Relation(reader.u8()?),
        })
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.user(self.user);
        writer.u8(self.relation.0);
    }
}

/// Wire: request varint · more u8 · relations list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelationList<'a> {
    /// The RELATIONS' number, or 0 when another device of the account has changed one.
    pub request: u64,
    /// Whether there are others behind the last one.
    pub more: bool,
    /// By ascending account.
    pub relations: List<'a, RelationEntry>,
}

impl<'a> RelationList<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            request: reader.varint()?,
            more: reader.flag()?,
            relations: reader.list(RELATION_LIST_MAX)?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.varint(self.request);
        writer.flag(self.more);
        writer.list(&self.relations);
    }
}
