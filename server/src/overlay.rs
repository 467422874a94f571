//! Rows that are queued for the committer: what a reactor's shards see over the store.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use bytes::Bytes;
use martlet_store::{Batch, Op, Row, View};

use crate::pipeline::Ticket;

/// Newest first: a row that is queued wins over the store, a queued deletion hides it.
///
/// Keys start with their shard, so a reactor's overlay holds all that is queued for its shards,
/// and nobody else's. Rows leave it when the batch that wrote them last is durable.
#[derive(Debug, Default)]
pub struct Overlay {
    rows: BTreeMap<Bytes, Queued>,
    ranges: VecDeque<QueuedRange>,
    /// Which keys each batch in flight wrote, oldest first.
    written: VecDeque<(Ticket, Vec<Bytes>)>,
    spare: Vec<Vec<Bytes>>,
}

#[derive(Debug)]
struct Queued {
    ticket: Ticket,
    /// `None` is a deletion.
    value: Option<Bytes>,
}

#[derive(Debug)]
struct QueuedRange {
    ticket: Ticket,
    from: Bytes,
    to: Bytes,
}

impl Overlay {
    /// Takes in what a turn wrote, before it goes to the committer under `ticket`.
    pub fn absorb(&mut self, ticket: Ticket, batch: &Batch) {
        if batch.is_empty() {
            return;
        }
        if self.written.back().is_none_or(|(last, _)| *last != ticket) {
            let keys = self.spare.pop().unwrap_or_default();
            self.written.push_back((ticket, keys));
        }
        // One copy for all rows of the turn: each row is a slice of it.
        let copy = Copied::of(batch.payload());
        for op in batch.ops() {
            match op {
                Op::Put { key, value } => {
                    self.write(ticket, copy.part(key), Some(copy.part(value)));
                }
                Op::Delete { key } => self.write(ticket, copy.part(key), None),
                Op::DeleteRange { from, to } => {
                    self.delete_range(ticket, copy.part(from), copy.part(to));
                }
            }
        }
    }

    /// Forgets what the store has by now.
    pub fn durable(&mut self, ticket: Ticket) {
        while let Some((_, mut keys)) = self.written.pop_front_if(|(at, _)| *at <= ticket) {
            for key in keys.drain(..) {
                // A later batch may have written the row again: then it stays.
                if self.rows.get(&key).is_some_and(|row| row.ticket <= ticket) {
                    self.rows.remove(&key);
                }
            }
            if self.spare.len() < SPARE_MAX {
                self.spare.push(keys);
            }
        }
        while self
            .ranges
            .pop_front_if(|range| range.ticket <= ticket)
            .is_some()
        {}
    }

    /// The store as the shards see it.
    pub fn over<'a>(&'a self, store: &'a dyn View) -> Overlaid<'a> {
        Overlaid {
            overlay: self,
            store,
        }
    }

    fn write(&mut self, ticket: Ticket, key: Bytes, value: Option<Bytes>) {
        if let Some(row) = self.rows.get_mut(&key) {
            // One entry per key and batch is enough to find the row again.
            if row.ticket == ticket {
                row.value = value;
                return;
            }
        }
        if let Some((_, keys)) = self.written.back_mut() {
            keys.push(key.clone());
        }
        self.rows.insert(key, Queued { ticket, value });
    }

    fn delete_range(&mut self, ticket: Ticket, from: Bytes, to: Bytes) {
        // Queued rows inside become deletions; rows of the store are hidden by the range.
        let inside = (Bound::Included(&from), Bound::Excluded(&to));
        let inside: Vec<Bytes> = self
            .rows
            .range::<Bytes, _>(inside)
            .map(|(key, _)| key.clone())
            .collect();
        for key in inside {
            self.write(ticket, key, None);
        }
        self.ranges.push_back(QueuedRange { ticket, from, to });
    }

    fn hides(&self, key: &[u8]) -> bool {
        self.ranges
            .iter()
            .any(|range| *range.from <= *key && *key < *range.to)
    }
}

/// A copy of a batch's payload that rows are cut out of.
struct Copied {
    /// Where the original starts in memory.
    start: usize,
    copy: Bytes,
}

impl Copied {
    fn of(payload: &[u8]) -> Self {
        Self {
            start: payload.as_ptr().addr(),
            copy: Bytes::copy_from_slice(payload),
        }
    }

    /// The same bytes as `original`, a part of the original payload.
    fn part(&self, original: &[u8]) -> Bytes {
        let from = original.as_ptr().addr() - self.start;
        self.copy.slice(from..from + original.len())
    }
}

/// A store under an [`Overlay`].
pub struct Overlaid<'a> {
    overlay: &'a Overlay,
    store: &'a dyn View,
}

impl Overlaid<'_> {
    /// The store's first row of `from..to` that nothing queued replaces or hides.
    fn stored_first(&self, from: &[u8], to: &[u8]) -> Option<Row> {
        let mut from = from.to_vec();
        loop {
            let (key, value) = self.store.first(&from, to)?;
            let hidden = self
                .overlay
                .ranges
                .iter()
                .filter(|range| range.from <= key && key < range.to)
                .map(|range| &range.to)
                .max();
            if let Some(end) = hidden {
                // Behind a deleted range at once: walking it row by row is what ranges avoid.
                from = end.to_vec();
                if from.as_slice() >= to {
                    return None;
                }
            } else if self.overlay.rows.contains_key(&key) {
                from.clear();
                from.extend_from_slice(&key);
                from.push(0);
            } else {
                return Some((key, value));
            }
        }
    }

    fn stored_last(&self, from: &[u8], to: &[u8]) -> Option<Row> {
        let mut to = to.to_vec();
        loop {
            let (key, value) = self.store.last(from, &to)?;
            let hidden = self
                .overlay
                .ranges
                .iter()
                .filter(|range| range.from <= key && key < range.to)
                .map(|range| &range.from)
                .min();
            if let Some(start) = hidden {
                to = start.to_vec();
                if to.as_slice() <= from {
                    return None;
                }
            } else if self.overlay.rows.contains_key(&key) {
                to = key.to_vec();
            } else {
                return Some((key, value));
            }
        }
    }

    fn queued<'b>(&'b self, from: &[u8], to: &[u8]) -> impl DoubleEndedIterator<Item = Row> + 'b {
        let range = (Bound::Included(from), Bound::Excluded(to));
        self.overlay
            .rows
            .range::<[u8], _>(range)
            .filter_map(|(key, row)| Some((key.clone(), row.value.clone()?)))
    }
}

impl View for Overlaid<'_> {
    fn get(&self, key: &[u8]) -> Option<Bytes> {
        match self.overlay.rows.get(key) {
            Some(row) => row.value.clone(),
            None if self.overlay.hides(key) => None,
            None => self.store.get(key),
        }
    }

    fn first(&self, from: &[u8], to: &[u8]) -> Option<Row> {
        let queued = self.queued(from, to).next();
        match (queued, self.stored_first(from, to)) {
            (Some(queued), Some(stored)) => Some(if queued.0 < stored.0 { queued } else { stored }),
            (queued, stored) => queued.or(stored),
        }
    }

    fn last(&self, from: &[u8], to: &[u8]) -> Option<Row> {
        let queued = self.queued(from, to).next_back();
        match (queued, self.stored_last(from, to)) {
            (Some(queued), Some(stored)) => Some(if queued.0 > stored.0 { queued } else { stored }),
            (queued, stored) => queued.or(stored),
        }
    }

    fn scan(&self, from: &[u8], to: &[u8], rows_max: usize, bytes_max: usize) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut bytes = 0;
        let mut from = from.to_vec();
        while rows.len() < rows_max && (rows.is_empty() || bytes < bytes_max) {
            let Some((key, value)) = self.first(&from, to) else {
                break;
            };
            bytes += key.len() + value.len();
            from.clear();
            from.extend_from_slice(&key);
            from.push(0);
            rows.push((key, value));
        }
        rows
    }
}

/// Batches that are in flight at once in practice.
const SPARE_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use martlet_store::keys::{KeyTag, key_prefix, key_prefix_end};
    use martlet_store::{Memory, ShardId};

    use super::*;

    fn key(number: u8) -> Vec<u8> {
        let mut key = key_prefix(ShardId(3), KeyTag::Inbox).to_vec();
        key.push(number);
        key
    }

    fn all() -> (Vec<u8>, Vec<u8>) {
        (
            key_prefix(ShardId(3), KeyTag::Inbox).to_vec(),
            key_prefix_end(ShardId(3), KeyTag::Inbox).to_vec(),
        )
    }

    fn batch(fill: impl FnOnce(&mut Batch)) -> Batch {
        let mut batch = Batch::new();
        fill(&mut batch);
        batch
    }

    /// The overlay over an old store answers as the new store does, before and after the commit.
    fn check(stored: &[Batch], queued: &[Batch]) {
        let mut store = Memory::new();
        stored.iter().for_each(|batch| store.apply(batch));
        let mut expected = store.clone();
        let mut overlay = Overlay::default();
        for (index, batch) in queued.iter().enumerate() {
            overlay.absorb(Ticket(index as u64 + 1), batch);
            expected.apply(batch);
        }
        compare(&overlay.over(&store), &expected);
        for (index, batch) in queued.iter().enumerate() {
            store.apply(batch);
            overlay.durable(Ticket(index as u64 + 1));
            compare(&overlay.over(&store), &expected);
        }
        assert!(overlay.rows.is_empty() && overlay.ranges.is_empty());
    }

    fn compare(seen: &dyn View, expected: &Memory) {
        let (from, to) = all();
        for number in 0..10 {
            assert_eq!(seen.get(&key(number)), expected.get(&key(number)));
            for other in number..10 {
                let (from, to) = (key(number), key(other));
                assert_eq!(seen.first(&from, &to), expected.first(&from, &to));
                assert_eq!(seen.last(&from, &to), expected.last(&from, &to));
            }
        }
        for rows_max in [1, 3, 100] {
            assert_eq!(
                seen.scan(&from, &to, rows_max, 1 << 20),
                expected.scan(&from, &to, rows_max, 1 << 20)
            );
        }
        assert_eq!(seen.scan(&from, &to, 9, 8), expected.scan(&from, &to, 9, 8));
    }

    #[test]
    fn queued_rows_are_seen_before_they_are_durable() {
        check(
            &[batch(|b| b.put(&key(5), b"old"))],
            &[batch(|b| {
                b.put(&key(1), b"new");
                b.put(&key(5), b"newer");
            })],
        );
    }

    #[test]
    fn queued_deletions_hide_stored_rows() {
        check(
            &[batch(|b| (1..8).for_each(|n| b.put(&key(n), b"row")))],
            &[
                batch(|b| b.delete(&key(1))),
                batch(|b| b.delete(&key(7))),
                batch(|b| b.delete_range(&key(3), &key(5))),
            ],
        );
    }

    #[test]
    fn a_row_written_after_its_range_was_deleted_is_seen() {
        check(
            &[batch(|b| (1..8).for_each(|n| b.put(&key(n), b"row")))],
            &[
                batch(|b| b.put(&key(8), b"queued")),
                batch(|b| b.delete_range(&key(1), &key(9))),
                batch(|b| b.put(&key(4), b"again")),
            ],
        );
    }

    #[test]
    fn a_row_written_twice_stays_until_its_last_batch_is_durable() {
        check(
            &[],
            &[
                batch(|b| b.put(&key(2), b"first")),
                batch(|b| b.put(&key(2), b"second")),
                batch(|b| b.delete(&key(2))),
                batch(|b| b.put(&key(2), b"third")),
            ],
        );
    }
}
