//! GROUP_READ, GROUP_RECEIPT, GROUP_COUNT and GROUP_COUNTED: who in a group has what.

use crate::error::DecodeError;
use crate::id::{GroupId, Millis, Position, UserId};
use crate::limits::GROUP_PAGE_MAX;
use crate::state::State;
use crate::wire::{Element, List, Reader, Writer};

/// Wire: group u64 · sequence varint. Repeating it changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupRead {
    /// Which group.
    pub group: GroupId,
    /// Read up to and including this one.
    pub sequence: u64,
}

impl GroupRead {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            group: reader.group()?,
            sequence: reader.varint()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.group(self.group);
        writer.varint(self.sequence);
    }
}

/// How far a member is. Wire: member u64 (0 for all) · up_to varint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupProgress {
    /// Who; `None` for every member but the author.
    pub member: Option<UserId>,
    /// The newest sequence this speaks of.
    pub up_to: u64,
}

impl Element<'_> for GroupProgress {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            member: Some(reader.u64()?).filter(|user| *user != 0).map(UserId),
            up_to: reader.varint()?,
        })
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.u64(self.member.map_or(0, |user| user.0));
        writer.varint(self.up_to);
    }
}

/// Wire: position varint · group u64 · state u8 · at u64 · members list.
///
/// A watermark of each named member: all messages of this account in the group up to the sequence
/// are in this state at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupReceipt<'a> {
    /// The item's place in the inbox.
    pub position: Position,
    /// Which group.
    pub group: GroupId,
    /// DELIVERED or READ.
    pub state: State,
    /// When it happened, for the last of the members.
    pub at: Millis,
    /// Who, by ascending member, and up to where.
    pub members: List<'a, GroupProgress>,
}

impl<'a> GroupReceipt<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Self::decode_body(reader.position()?, reader)
    }

    /// Reads the fields behind the position.
    ///
    /// # Errors
    /// What is wrong with a field.
    pub fn decode_body(position: Position, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            position,
            group: reader.group()?,
            state: State(reader.u8()?),
            at: reader.millis()?,
            members: reader.list(GROUP_PAGE_MAX)?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.position(self.position);
        self.encode_body(writer);
    }

    /// Writes the fields behind the position.
    pub fn encode_body(&self, writer: &mut Writer<'_>) {
        writer.group(self.group);
        writer.u8(self.state.0);
        writer.millis(self.at);
        writer.list(&self.members);
    }
}

/// Wire: request varint · group u64 · sequence varint · detail u8. Only the author's account gets
/// an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupCount {
    /// Comes back in the answer.
    pub request: u64,
    /// Which group,
    pub group: GroupId,
    /// and which of its messages.
    pub sequence: u64,
    /// Whether the members are to be named.
    pub detail: bool,
}

impl GroupCount {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            request: reader.varint()?,
            group: reader.group()?,
            sequence: reader.varint()?,
            detail: reader.flag()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.varint(self.request);
        writer.group(self.group);
        writer.varint(self.sequence);
        writer.flag(self.detail);
    }
}

/// Where a message stands at one member. Wire: user u64 · state u8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupDetail {
    /// The member.
    pub user: UserId,
    /// The furthest state any of its devices has brought the message to.
    pub state: State,
}

impl Element<'_> for GroupDetail {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            user: reader.user()?,
            state: State(reader.u8()?),
        })
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.user(self.user);
        writer.u8(self.state.0);
    }
}

/// Wire: request varint · group u64 · sequence varint · members varint · delivered varint ·
/// read varint · details list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupCounted<'a> {
    /// The GROUP_COUNT's number.
    pub request: u64,
    /// Which group,
    pub group: GroupId,
    /// and which of its messages.
    pub sequence: u64,
    /// How many members it is for.
    pub members: u64,
    /// How many of them have it, read or not.
    pub delivered: u64,
    /// How many of them have read it.
    pub read: u64,
    /// Who, by ascending user; empty when it was not asked for or there are too many.
    pub details: List<'a, GroupDetail>,
}

impl<'a> GroupCounted<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            request: reader.varint()?,
            group: reader.group()?,
            sequence: reader.varint()?,
            members: reader.varint()?,
            delivered: reader.varint()?,
            read: reader.varint()?,
            details: reader.list(GROUP_PAGE_MAX)?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.varint(self.request);
        writer.group(self.group);
        writer.varint(self.sequence);
        writer.varint(self.members);
        writer.varint(self.delivered);
        writer.varint(self.read);
        writer.list(&self.details);
    }
}
