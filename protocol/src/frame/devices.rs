//! DEVICES and DEVICE_LISTS: which devices an account has, as its own key signed it.

use crate::error::DecodeError;
use crate::id::UserId;
use crate::limits::{DEVICE_LIST_BYTES_MAX, DEVICE_LISTS_MAX};
use crate::wire::{Element, List, Reader, Writer};

/// Wire: request varint · user u64 · have varint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Devices {
    /// Comes back in the answer.
    pub request: u64,
    /// Whose lists.
    pub user: UserId,
    /// The newest version the client has; 0 asks for the newest list alone.
    pub have: u64,
}

impl Devices {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            request: reader.varint()?,
            user: reader.user()?,
            have: reader.varint()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.varint(self.request);
        writer.user(self.user);
        writer.varint(self.have);
    }
}

/// A device list in the bytes that were signed. Frames carry it unread: a list that does not
/// decode is refused, and does not end a connection.
/// [`DeviceList::decode`](crate::device_list::DeviceList::decode) reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedList<'a>(pub &'a [u8]);

impl<'a> Element<'a> for SignedList<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader.bytes(DEVICE_LIST_BYTES_MAX).map(Self)
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.bytes(self.0);
    }
}

/// Wire: request varint · user u64 · newest varint · lists list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceLists<'a> {
    /// The DEVICES' number, or 0 when nobody asked and a refusal follows.
    pub request: u64,
    /// Whose lists.
    pub user: UserId,
    /// The newest version there is, 0 while nothing was published.
    pub newest: u64,
    /// Lists of consecutive versions, oldest first.
    pub lists: List<'a, SignedList<'a>>,
}

impl<'a> DeviceLists<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            request: reader.varint()?,
            user: reader.user()?,
            newest: reader.varint()?,
            lists: reader.list(DEVICE_LISTS_MAX)?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.varint(self.request);
        writer.user(self.user);
        writer.varint(self.newest);
        writer.list(&self.lists);
    }
}
