//! The memory twin: the store of tests and of the simulator.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

use crate::view::ScanBudget;
use crate::{Batch, Op, Row, View, keys};

/// All rows in one ordered map. A clone is a snapshot: what was durable at that moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    rows: BTreeMap<Bytes, Bytes>,
}

impl Memory {
    /// A store without rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// Executes the operations of a batch in their order.
    pub fn apply(&mut self, batch: &Batch) {
        for op in batch.ops() {
            match op {
                Op::Put { key, value } => {
                    keys::family_of(key);
                    self.rows
                        .insert(Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
                }
                Op::Delete { key } => {
                    self.rows.remove(key);
                }
                Op::DeleteRange { from, to } => {
                    let dead: Vec<_> = self.range(from, to).map(|(key, _)| key.clone()).collect();
                    for key in dead {
                        self.rows.remove(&key);
                    }
                }
            }
        }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All rows in key order.
    pub fn iter(&self) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        self.rows.iter()
    }

    fn range(
        &self,
        from: &[u8],
        to: &[u8],
    ) -> impl DoubleEndedIterator<Item = (&Bytes, &Bytes)> + use<'_> {
        keys::assert_range(from, to);
        self.rows
            .range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)))
    }
}

impl View for Memory {
    fn get(&self, key: &[u8]) -> Option<Bytes> {
        self.rows.get(key).cloned()
    }

    fn first(&self, from: &[u8], to: &[u8]) -> Option<Row> {
        self.range(from, to).next().map(owned)
    }

    fn last(&self, from: &[u8], to: &[u8]) -> Option<Row> {
        self.range(from, to).next_back().map(owned)
    }

    fn scan(&self, from: &[u8], to: &[u8], rows_max: usize, bytes_max: usize) -> Vec<Row> {
        let mut budget = ScanBudget::new(rows_max, bytes_max);
        let mut page = Vec::new();
        for row in self.range(from, to) {
            if budget.is_spent() {
                break;
            }
            budget.charge(row.0, row.1);
            page.push(owned(row));
        }
        page
    }
}

fn owned((key, value): (&Bytes, &Bytes)) -> Row {
    (key.clone(), value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ShardId;
    use crate::keys::{KeyTag, key_prefix, key_prefix_end};

    fn key(number: u8) -> Vec<u8> {
        let mut key = key_prefix(ShardId(1), KeyTag::Inbox).to_vec();
        key.push(number);
        key
    }

    fn filled(numbers: impl Iterator<Item = u8>) -> Memory {
        let mut batch = Batch::new();
        for number in numbers {
            batch.put(&key(number), &[number; 10]);
        }
        let mut memory = Memory::new();
        memory.apply(&batch);
        memory
    }

    #[test]
    fn a_range_starts_at_from_and_ends_before_to() {
        let memory = filled(1..=9);
        assert_eq!(memory.first(&key(3), &key(7)).map(|row| row.1[0]), Some(3));
        assert_eq!(memory.last(&key(3), &key(7)).map(|row| row.1[0]), Some(6));
        assert_eq!(memory.first(&key(10), &key(20)), None);
        assert_eq!(memory.scan(&key(3), &key(3), 10, 1000), []);
    }

    #[test]
    fn a_scan_stops_at_its_limits_but_always_moves() {
        let memory = filled(1..=9);
        let end = key_prefix_end(ShardId(1), KeyTag::Inbox);
        assert_eq!(memory.scan(&key(1), &end, 4, usize::MAX).len(), 4);
        // A row is 4 + 10 bytes: the second one reaches the limit and is the last.
        assert_eq!(memory.scan(&key(1), &end, 100, 20).len(), 2);
        assert_eq!(memory.scan(&key(1), &end, 100, 0).len(), 1);
        assert_eq!(memory.scan(&key(1), &end, 0, 100).len(), 0);
    }

    #[test]
    fn later_operations_of_a_batch_win() {
        let mut memory = filled(1..=9);
        let mut batch = Batch::new();
        batch.delete_range(&key(2), &key(5));
        batch.put(&key(3), b"again");
        batch.delete(&key(9));
        memory.apply(&batch);
        let left: Vec<u8> = memory.iter().map(|(key, _)| key[3]).collect();
        assert_eq!(left, [1, 3, 5, 6, 7, 8]);
        assert_eq!(memory.get(&key(3)).as_deref(), Some(&b"again"[..]));
    }

    #[test]
    fn a_clone_is_what_was_durable() {
        let mut memory = filled(1..=3);
        let durable = memory.clone();
        let mut batch = Batch::new();
        batch.delete(&key(1));
        memory.apply(&batch);
        assert_eq!(durable.len(), 3);
        assert_eq!(memory.len(), 2);
    }
}
