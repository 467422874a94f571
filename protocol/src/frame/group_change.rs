//! GROUP_CHANGE and GROUP_CHANGED: a signed change of a group, of which the first makes it.

use crate::error::DecodeError;
use crate::id::GroupId;
use crate::limits::GROUP_RECORD_BYTES_MAX;
use crate::wire::{Element, Reader, Writer};

/// A record of a group in the bytes that were signed. Frames carry it unread: a record that does
/// not decode is refused, and does not end a connection.
/// [`GroupRecord::decode`](crate::group_record::GroupRecord::decode) reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedRecord<'a>(pub &'a [u8]);

impl<'a> Element<'a> for SignedRecord<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader.bytes(GROUP_RECORD_BYTES_MAX).map(Self)
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.bytes(self.0);
    }
}

/// Wire: request varint · record bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupChange<'a> {
    /// Comes back in the answer.
    pub request: u64,
    /// The group's next record.
    pub record: SignedRecord<'a>,
}

impl<'a> GroupChange<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            request: reader.varint()?,
            record: SignedRecord::read(reader)?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.varint(self.request);
        self.record.write(writer);
    }
}

/// Wire: request varint · group u64 · version varint · sequence varint.
///
/// The record is on synced storage. The newest record again gets this same answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupChanged {
    /// The GROUP_CHANGE's number.
    pub request: u64,
    /// Which group.
    pub group: GroupId,
    /// The record's version, now the group's.
    pub version: u64,
    /// The record's place in the group's log.
    pub sequence: u64,
}

impl GroupChanged {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            request: reader.varint()?,
            group: reader.group()?,
            version: reader.varint()?,
            sequence: reader.varint()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.varint(self.request);
        writer.group(self.group);
        writer.varint(self.version);
        writer.varint(self.sequence);
    }
}
