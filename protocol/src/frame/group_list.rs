//! GROUPS and GROUP_LIST: which groups an account is in.

use crate::error::DecodeError;
use crate::id::GroupId;
use crate::limits::GROUP_PAGE_MAX;
use crate::wire::{Element, List, Reader, Writer};

/// Wire: request varint · after u64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Groups {
    /// Comes back in the answer.
    pub request: u64,
    /// Only groups with a greater id; 0 for the first ones.
    pub after: u64,
}

impl Groups {
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

/// A group in a list. Wire: group u64 · version varint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// Which group.
    pub group: GroupId,
    /// The version of its newest record.
    pub version: u64,
}

impl Element<'_> for ListedGroup {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            group: reader.group()?,
            version: reader.varint()?,
        })
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.group(self.group);
        writer.varint(self.version);
    }
}

/// Wire: request varint · more u8 · groups list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupList<'a> {
    /// The GROUPS' number.
    pub request: u64,
    /// Whether there are groups behind the last one.
    pub more: bool,
    /// By ascending id.
    pub groups: List<'a, ListedGroup>,
}

impl<'a> GroupList<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            request: reader.varint()?,
            more: reader.flag()?,
            groups: reader.list(GROUP_PAGE_MAX)?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.varint(self.request);
        writer.flag(self.more);
        writer.list(&self.groups);
    }
}
