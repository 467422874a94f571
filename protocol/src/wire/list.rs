//! Lists: a count and that many elements, none of them copied to the heap.

use core::fmt;
use core::slice;

use super::{Reader, Writer};
use crate::error::DecodeError;
use crate::id::{DeviceId, UserId};

/// What a list is made of.
pub trait Element<'a>: Copy {
    /// Takes one element off the front.
    ///
    /// # Errors
    /// What is wrong with a field.
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError>;

    /// Appends one element.
    fn write(&self, writer: &mut Writer<'_>);
}

impl Element<'_> for DeviceId {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.device()
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.device(*self);
    }
}

impl Element<'_> for UserId {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.user()
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.user(*self);
    }
}

/// Elements that a sender has in a slice, or that a receiver has in a payload. Two lists are equal
/// when their elements are, wherever those are.
#[derive(Clone, Copy)]
pub enum List<'a, T> {
    /// As a sender gives it.
    Slice(&'a [T]),
    /// As [`Reader::list`] has read it.
    Wire(Checked<'a>),
}

/// Bytes of which each element was read once: reading them again cannot fail.
#[derive(Clone, Copy)]
pub struct Checked<'a> {
    count: usize,
    bytes: &'a [u8],
}

impl<'a> Checked<'a> {
    pub(super) const fn new(count: usize, bytes: &'a [u8]) -> Self {
        Self { count, bytes }
    }
}

impl<T> List<'_, T> {
    /// No element.
    pub const EMPTY: Self = Self::Slice(&[]);

    /// How many elements there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self {
            Self::Slice(elements) => elements.len(),
            Self::Wire(checked) => checked.count,
        }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'a, T: Element<'a>> List<'a, T> {
    /// The elements in their order.
    #[must_use]
    pub fn iter(&self) -> Iter<'a, T> {
        match *self {
            Self::Slice(elements) => Iter(Source::Slice(elements.iter())),
            Self::Wire(Checked { count, bytes }) => Iter(Source::Wire(count, Reader::new(bytes))),
        }
    }
}

impl<'a, T: Element<'a>> IntoIterator for List<'a, T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<'a, T: Element<'a>> IntoIterator for &List<'a, T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<'a, T: Element<'a> + PartialEq> PartialEq for List<'a, T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'a, T: Element<'a> + Eq> Eq for List<'a, T> {}

impl<'a, T: Element<'a> + fmt::Debug> fmt::Debug for List<'a, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The elements of a [`List`].
#[derive(Clone)]
pub struct Iter<'a, T>(Source<'a, T>);

#[derive(Clone)]
enum Source<'a, T> {
    Slice(slice::Iter<'a, T>),
    /// How many are left, and where.
    Wire(usize, Reader<'a>),
}

impl<'a, T: Element<'a>> Iterator for Iter<'a, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        match &mut self.0 {
            Source::Slice(elements) => elements.next().copied(),
            Source::Wire(left, reader) => {
                *left = left.checked_sub(1)?;
                T::read(reader).ok()
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match &self.0 {
            Source::Slice(elements) => elements.len(),
            Source::Wire(left, _) => *left,
        };
        (left, Some(left))
    }
}

impl<'a, T: Element<'a>> ExactSizeIterator for Iter<'a, T> {}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;

    #[test]
    fn a_list_reads_back_as_the_slice_it_was_made_of() {
        let devices = [DeviceId(1), DeviceId(700)];
        let mut out = BytesMut::new();
        Writer::new(&mut out).list(&List::Slice(&devices));
        assert_eq!(out[..], [2 << 2, 1, 0, 0xbc, 2]);
        let mut reader = Reader::new(&out);
        let list: List<'_, DeviceId> = reader.list(2).unwrap();
        assert_eq!((list, list.len()), (List::Slice(&devices), 2));
        assert_ne!(list, List::Slice(&devices[..1]));
        assert_eq!(format!("{list:?}"), "[1, 700]");
        assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn a_count_above_the_limit_is_refused_before_an_element_is_read() {
        let over: Result<List<'_, DeviceId>, _> = Reader::new(&[3 << 2]).list(2);
        assert_eq!(over, Err(DecodeError::FieldTooLong));
        let cut: Result<List<'_, DeviceId>, _> = Reader::new(&[2 << 2, 1, 0, 2]).list(2);
        assert_eq!(cut, Err(DecodeError::PayloadTruncated));
    }
}
