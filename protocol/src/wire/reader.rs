//! Reads the fields of one payload, front to back, without an index.

use super::list::{Checked, Element, List};
use super::varint;
use crate::error::DecodeError;
use crate::id::{Address, DeviceId, MessageId, Millis, Position, Timestamp, UserId};

/// The unread part of a payload. Every method takes one field off its front.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads `payload` from its start.
    #[must_use]
    pub const fn new(payload: &'a [u8]) -> Self {
        Self { rest: payload }
    }

    /// A fixed number of bytes.
    ///
    /// # Errors
    /// [`DecodeError::PayloadTruncated`], as for every method below.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (array, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(DecodeError::PayloadTruncated)?;
        self.rest = rest;
        Ok(*array)
    }

    /// One byte.
    ///
    /// # Errors
    /// As [`array`](Self::array).
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// One byte that is 0 or 1.
    ///
    /// # Errors
    /// [`DecodeError::FieldValueForbidden`], or as [`array`](Self::array).
    pub fn flag(&mut self) -> Result<bool, DecodeError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::FieldValueForbidden),
        }
    }

    /// A little-endian 16-bit integer.
    ///
    /// # Errors
    /// As [`array`](Self::array).
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_le_bytes)
    }

    /// A little-endian 32-bit integer.
    ///
    /// # Errors
    /// As [`array`](Self::array).
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_le_bytes)
    }

    /// A little-endian 64-bit integer.
    ///
    /// # Errors
    /// As [`array`](Self::array).
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_le_bytes)
    }

    /// A varint in its shortest form.
    ///
    /// # Errors
    /// [`DecodeError::VarintNotMinimal`], or as [`array`](Self::array).
    pub fn varint(&mut self) -> Result<u64, DecodeError> {
        let (value, rest) = varint::take(self.rest)?;
        self.rest = rest;
        Ok(value)
    }

    /// A length and that many bytes. The length is checked before anything else looks at it.
    ///
    /// # Errors
    /// [`DecodeError::FieldTooLong`], or as [`varint`](Self::varint).
    pub fn bytes(&mut self, bytes_max: usize) -> Result<&'a [u8], DecodeError> {
        let len = usize::try_from(self.varint()?).map_err(|_| DecodeError::FieldTooLong)?;
        if len > bytes_max {
            return Err(DecodeError::FieldTooLong);
        }
        let (bytes, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(DecodeError::PayloadTruncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// A length and that many bytes of UTF-8.
    ///
    /// # Errors
    /// [`DecodeError::TextNotUtf8`], or as [`bytes`](Self::bytes).
    pub fn text(&mut self, bytes_max: usize) -> Result<&'a str, DecodeError> {
        core::str::from_utf8(self.bytes(bytes_max)?).map_err(|_| DecodeError::TextNotUtf8)
    }

    /// A count and that many elements, each of which is read once to check it.
    ///
    /// # Errors
    /// [`DecodeError::FieldTooLong`] above `count_max`, or what is wrong with an element.
    pub fn list<T: Element<'a>>(&mut self, count_max: usize) -> Result<List<'a, T>, DecodeError> {
        let count = usize::try_from(self.varint()?).map_err(|_| DecodeError::FieldTooLong)?;
        if count > count_max {
            return Err(DecodeError::FieldTooLong);
        }
        let start = self.rest;
        for _ in 0..count {
            T::read(self)?;
        }
        let used = start.len().saturating_sub(self.rest.len());
        let (bytes, _) = start.split_at_checked(used).unwrap_or((start, &[]));
        Ok(List::Wire(Checked::new(count, bytes)))
    }

    /// An account, which is never 0.
    ///
    /// # Errors
    /// [`DecodeError::FieldValueForbidden`], or as [`array`](Self::array).
    pub fn user(&mut self) -> Result<UserId, DecodeError> {
        match self.u64()? {
            0 => Err(DecodeError::FieldValueForbidden),
            user => Ok(UserId(user)),
        }
    }

    /// A device, which is never 0.
    ///
    /// # Errors
    /// [`DecodeError::FieldValueForbidden`], or as [`array`](Self::array).
    pub fn device(&mut self) -> Result<DeviceId, DecodeError> {
        match self.u16()? {
            0 => Err(DecodeError::FieldValueForbidden),
            device => Ok(DeviceId(device)),
        }
    }

    /// An account and one of its devices.
    ///
    /// # Errors
    /// As [`user`](Self::user).
    pub fn address(&mut self) -> Result<Address, DecodeError> {
        Ok(Address {
            user: self.user()?,
            device: self.device()?,
        })
    }

    /// A message id: any 16 bytes. Whether they are a UUID version 7 is the server's to judge,
    /// which answers with a refusal and not with the end of the connection.
    ///
    /// # Errors
    /// As [`array`](Self::array).
    pub fn message_id(&mut self) -> Result<MessageId, DecodeError> {
        self.array().map(MessageId)
    }

    /// A position in a stream.
    ///
    /// # Errors
    /// As [`varint`](Self::varint).
    pub fn position(&mut self) -> Result<Position, DecodeError> {
        self.varint().map(Position)
    }

    /// A timestamp in microseconds.
    ///
    /// # Errors
    /// As [`array`](Self::array).
    pub fn timestamp(&mut self) -> Result<Timestamp, DecodeError> {
        self.u64().map(Timestamp)
    }

    /// A time in milliseconds.
    ///
    /// # Errors
    /// As [`array`](Self::array).
    pub fn millis(&mut self) -> Result<Millis, DecodeError> {
        self.u64().map(Millis)
    }

    /// All bytes that are left.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Ends a record that must be exact, for example one read back from storage.
    ///
    /// # Errors
    /// [`DecodeError::FieldTooLong`] when bytes are left.
    pub const fn finish(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::FieldTooLong)
        }
    }

    /// Ends a frame: later versions append fields, so what is left is ignored on purpose.
    pub const fn ignore_rest(self) {}
}
