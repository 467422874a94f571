//! The rows that one turn writes, in order, in one contiguous buffer.

use crate::keys;

/// The writes of one turn: they become durable together or not at all.
///
/// Later operations win over earlier ones on the same key. The buffer itself is what the chain
/// of commits hashes, so the lengths are in it:
///
/// ```text
/// operation = kind u8 (1 put, 2 delete, 3 delete range)
///           · length of a u32 LE · length of b u32 LE · a · b
///             put: a = key, b = value · delete: a = key · delete range: a = from, b = to
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    payload: Vec<u8>,
    ops: usize,
}

/// One operation of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op<'a> {
    /// Writes a row, over an older one if there is one.
    Put {
        /// The row's key.
        key: &'a [u8],
        /// The row's new value.
        value: &'a [u8],
    },
    /// Removes a row, if there is one.
    Delete {
        /// The row's key.
        key: &'a [u8],
    },
    /// Removes every row of a half-open range.
    DeleteRange {
        /// The first key of the range.
        from: &'a [u8],
        /// The first key behind the range.
        to: &'a [u8],
    },
}

impl Batch {
    /// A batch without operations.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes a row.
    pub fn put(&mut self, key: &[u8], value: &[u8]) {
        self.push(PUT, key, value);
    }

    /// Removes a row.
    pub fn delete(&mut self, key: &[u8]) {
        self.push(DELETE, key, &[]);
    }

    /// Removes the rows of `from..to`, a range within one tag of one shard.
    ///
    /// # Panics
    /// When the range runs backwards or over more than one tag.
    pub fn delete_range(&mut self, from: &[u8], to: &[u8]) {
        keys::assert_range(from, to);
        self.push(DELETE_RANGE, from, to);
    }

    /// Adds the operations of `other` behind the ones that are there.
    pub fn append(&mut self, other: &Self) {
        self.payload.extend_from_slice(&other.payload);
        self.ops += other.ops;
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.ops == 0
    }

    /// How many operations there are.
    pub fn len(&self) -> usize {
        self.ops
    }

    /// Bytes of all operations with their lengths: what queues are bounded by.
    pub fn byte_len(&self) -> usize {
        self.payload.len()
    }

    /// Forgets the operations and keeps the buffer.
    pub fn clear(&mut self) {
        self.payload.clear();
        self.ops = 0;
    }

    /// The operations in the order in which they were added.
    pub fn ops(&self) -> Ops<'_> {
        Ops::of(&self.payload)
    }

    /// The bytes that the chain of commits hashes.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    fn push(&mut self, kind: u8, a: &[u8], b: &[u8]) {
        let a_bytes = u32::try_from(a.len()).expect("a key is shorter than 4 GiB");
        let b_bytes = u32::try_from(b.len()).expect("a value is shorter than 4 GiB");
        self.payload.push(kind);
        self.payload.extend_from_slice(&a_bytes.to_le_bytes());
        self.payload.extend_from_slice(&b_bytes.to_le_bytes());
        self.payload.extend_from_slice(a);
        self.payload.extend_from_slice(b);
        self.ops += 1;
    }
}

/// The operations of a batch, in order.
#[derive(Clone, Debug)]
pub struct Ops<'a> {
    rest: &'a [u8],
}

impl<'a> Ops<'a> {
    /// The operations of a payload that [`Batch::payload`] gave.
    pub fn of(payload: &'a [u8]) -> Self {
        Self { rest: payload }
    }
}

impl<'a> Iterator for Ops<'a> {
    type Item = Op<'a>;

    fn next(&mut self) -> Option<Op<'a>> {
        let kind = *self.rest.first()?;
        let (head, rest) = self.rest.split_at(HEAD_BYTES);
        let (a, rest) = rest.split_at(length_at(head, 1));
        let (b, rest) = rest.split_at(length_at(head, 5));
        self.rest = rest;
        Some(match kind {
            PUT => Op::Put { key: a, value: b },
            DELETE => Op::Delete { key: a },
            // `push` is the only writer and knows three kinds.
            _ => Op::DeleteRange { from: a, to: b },
        })
    }
}

fn length_at(head: &[u8], at: usize) -> usize {
    let bytes = head[at..]
        .first_chunk()
        .expect("the head holds two lengths");
    u32::from_le_bytes(*bytes) as usize
}

const PUT: u8 = 1;
const DELETE: u8 = 2;
const DELETE_RANGE: u8 = 3;
const HEAD_BYTES: usize = 9;

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = &[0, 1, 16, 9];

    #[test]
    fn operations_come_back_in_order() {
        let mut batch = Batch::new();
        batch.put(KEY, b"value");
        batch.delete(KEY);
        batch.delete_range(KEY, &[0, 1, 17]);
        batch.put(KEY, b"");
        let ops: Vec<_> = batch.ops().collect();
        assert_eq!(
            ops,
            [
                Op::Put {
                    key: KEY,
                    value: b"value"
                },
                Op::Delete { key: KEY },
                Op::DeleteRange {
                    from: KEY,
                    to: &[0, 1, 17]
                },
                Op::Put {
                    key: KEY,
                    value: b""
                },
            ]
        );
        assert_eq!(batch.len(), 4);
    }

    #[test]
    fn an_appended_batch_is_the_same_as_one_filled_in_order() {
        let mut first = Batch::new();
        first.put(KEY, b"1");
        let mut second = Batch::new();
        second.delete(KEY);
        let mut both = Batch::new();
        both.put(KEY, b"1");
        both.delete(KEY);
        first.append(&second);
        assert_eq!(first, both);
        assert_eq!(first.byte_len(), first.payload().len());
        first.clear();
        assert!(first.is_empty());
        assert_eq!(first.ops().next(), None);
    }

    #[test]
    fn the_payload_tells_where_a_key_ends() {
        let mut short = Batch::new();
        short.put(b"ab", b"c");
        let mut long = Batch::new();
        long.put(b"a", b"bc");
        assert_ne!(short.payload(), long.payload());
    }

    #[test]
    #[should_panic(expected = "ends before it starts")]
    fn a_backward_range_is_a_programming_error() {
        Batch::new().delete_range(&[0, 1, 17], KEY);
    }
}
