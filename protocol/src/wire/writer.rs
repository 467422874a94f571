//! Writes fields behind each other into a buffer that the caller owns.

use bytes::{BufMut, BytesMut};

use super::list::{Element, List};
use super::varint;
use crate::id::{Address, DeviceId, MessageId, Millis, Position, Timestamp, UserId};

/// Appends fields to a caller's buffer.
#[derive(Debug)]
pub struct Writer<'b> {
    out: &'b mut BytesMut,
}

impl<'b> Writer<'b> {
    /// Appends to `out`.
    pub const fn new(out: &'b mut BytesMut) -> Self {
        Self { out }
    }

    /// Bytes as they are, without a length.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.put_slice(bytes);
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) {
        self.out.put_u8(value);
    }

    /// One byte: 1 when it is so, else 0.
    pub fn flag(&mut self, flag: bool) {
        self.u8(u8::from(flag));
    }

    /// A little-endian 16-bit integer.
    pub fn u16(&mut self, value: u16) {
        self.out.put_u16_le(value);
    }

    /// A little-endian 32-bit integer.
    pub fn u32(&mut self, value: u32) {
        self.out.put_u32_le(value);
    }

    /// A little-endian 64-bit integer.
    pub fn u64(&mut self, value: u64) {
        self.out.put_u64_le(value);
    }

    /// A varint in its shortest form.
    ///
    /// # Panics
    /// If `value` does not fit 62 bits.
    pub fn varint(&mut self, value: u64) {
        let (bytes, len) = varint::encode(value);
        let (used, _) = bytes.split_at_checked(len).unwrap_or((&bytes, &[]));
        self.out.put_slice(used);
    }

    /// A length and the bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.out.put_slice(bytes);
    }

    /// A length and the UTF-8 bytes.
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// A count and the elements.
    pub fn list<'a, T: Element<'a>>(&mut self, list: &List<'a, T>) {
        self.varint(list.len() as u64);
        for element in list {
            element.write(self);
        }
    }

    /// An account.
    pub fn user(&mut self, user: UserId) {
        self.u64(user.0);
    }

    /// A device.
    pub fn device(&mut self, device: DeviceId) {
        self.u16(device.0);
    }

    /// An account and one of its devices.
    pub fn address(&mut self, address: Address) {
        self.user(address.user);
        self.device(address.device);
    }

    /// A message id.
    pub fn message_id(&mut self, id: MessageId) {
        self.raw(&id.0);
    }

    /// A position in a stream.
    pub fn position(&mut self, position: Position) {
        self.varint(position.0);
    }

    /// A timestamp in microseconds.
    pub fn timestamp(&mut self, timestamp: Timestamp) {
        self.u64(timestamp.0);
    }

    /// A time in milliseconds.
    pub fn millis(&mut self, millis: Millis) {
        self.u64(millis.0);
    }
}
