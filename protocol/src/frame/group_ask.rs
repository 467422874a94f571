//! GROUP_ASK and GROUP_STATE: what a group is, as its records say, and who is in it now.

use super::group_change::SignedRecord;
use crate::error::DecodeError;
use crate::group_record::Role;
use crate::id::{GroupId, UserId};
use crate::limits::{GROUP_MEMBERS_MAX, GROUP_RECORDS_MAX};
use crate::wire::{Element, List, Reader, Writer};

/// Wire: request varint · group u64 · have varint · have_roster varint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupAsk {
    /// Comes back in the answer.
    pub request: u64,
    /// Which group.
    pub group: GroupId,
    /// The newest version the client has; 0 asks for the newest record alone.
    pub have: u64,
    /// The newest roster the client has; 0 asks for all members.
    pub have_roster: u64,
}

impl GroupAsk {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            request: reader.varint()?,
            group: reader.group()?,
            have: reader.varint()?,
            have_roster: reader.varint()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.varint(self.request);
        writer.group(self.group);
        writer.varint(self.have);
        writer.varint(self.have_roster);
    }
}

/// How the entries of a group reach its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupMode(pub u8);

impl GroupMode {
    /// Each entry is an item of every member device's inbox.
    pub const INBOX: Self = Self(1);
    /// The group's log is a stream of its own, which every device reads with its own cursor.
    pub const STREAM: Self = Self(2);
}

/// A member as the server knows it. Wire: user u64 · role u8 · list_version varint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// The account.
    pub user: UserId,
    /// What it may do; [`Role::NONE`] when it was removed.
    pub role: Role,
    /// The version of its device list.
    pub list_version: u64,
}

impl Element<'_> for GroupMember {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            user: reader.user()?,
            role: Role(reader.u8()?),
            list_version: reader.varint()?,
        })
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.user(self.user);
        writer.u8(self.role.0);
        writer.varint(self.list_version);
    }
}

/// Wire: request varint · group u64 · version varint · roster varint · sequence varint · mode u8 ·
/// records list · members list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupState<'a> {
    /// The GROUP_ASK's number.
    pub request: u64,
    /// Which group.
    pub group: GroupId,
    /// The version of the newest record.
    pub version: u64,
    /// How often the members, or their devices, have changed.
    pub roster: u64,
    /// The newest sequence of the group's log.
    pub sequence: u64,
    /// How its entries reach the members.
    pub mode: GroupMode,
    /// Records of consecutive versions, oldest first.
    pub records: List<'a, SignedRecord<'a>>,
    /// Who has changed since the roster that was asked for, by ascending user.
    pub members: List<'a, GroupMember>,
}

impl<'a> GroupState<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            request: reader.varint()?,
            group: reader.group()?,
            version: reader.varint()?,
            roster: reader.varint()?,
            sequence: reader.varint()?,
            mode: GroupMode(reader.u8()?),
            records: reader.list(GROUP_RECORDS_MAX)?,
            members: reader.list(GROUP_MEMBERS_MAX)?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.varint(self.request);
        writer.group(self.group);
        writer.varint(self.version);
        writer.varint(self.roster);
        writer.varint(self.sequence);
        writer.u8(self.mode.0);
        writer.list(&self.records);
        writer.list(&self.members);
    }
}
