//! PUBLISH and PUBLISHED: the account's next device list.

use super::devices::SignedList;
use crate::error::DecodeError;
use crate::limits::LINK_BYTES_MAX;
use crate::wire::{Element, Reader, Writer};

/// Wire: request varint · list bytes · answer bytes.
///
/// Publishing the same list again changes nothing: a client that lost the answer asks again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// Comes back in the answer.
    pub request: u64,
    /// The list.
    pub list: SignedList<'a>,
    /// For the new device that waits to be in this list; else empty.
    pub answer: &'a [u8],
}

impl<'a> Publish<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            request: reader.varint()?,
            list: SignedList::read(reader)?,
            answer: reader.bytes(LINK_BYTES_MAX)?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.varint(self.request);
        self.list.write(writer);
        writer.bytes(self.answer);
    }
}

/// Wire: request varint · version varint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The PUBLISH's number.
    pub request: u64,
    /// The version of the list, which is now on synced storage.
    pub version: u64,
}

impl Published {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            request: reader.varint()?,
            version: reader.varint()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.varint(self.request);
        writer.varint(self.version);
    }
}
