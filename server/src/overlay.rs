//! Rows that are queued for the committer: what a reactor's shards see over the store.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use bytes::Bytes;
use martlet_store::keys::KeyTag;
use martlet_store::{Batch, Op, Ops, Row, View};

use crate::pipeline::Ticket;

/// Newest first: a row that is queued wins over the store, a queued deletion hides it.
///
/// Keys start with their shard, so a reactor's overlay holds all that is queued for its shards,
/// and nobody else's. Rows leave it when the batch that wrote them last is durable.
///
/// Most rows of a batch are never read before they are durable: inbox rows, cursors, outbox rows.
/// Indexing each of them would cost as much as deciding about it. So only rows that are read for
/// each message are indexed when they are queued; the others when somebody reads one of their kind.
#[derive(Debug, Default)]
pub struct Overlay {
    index: RefCell<Index>,
}

#[derive(Debug, Default)]
struct Index {
    rows: BTreeMap<Bytes, Queued>,
    ranges: VecDeque<QueuedRange>,
    /// Which keys each batch in flight has in `rows`, oldest first.
    written: VecDeque<Written>,
    spare: Vec<Vec<Bytes>>,
}

#[derive(Debug)]
struct Written {
    ticket: Ticket,
    keys: Vec<Bytes>,
    /// The batch, while its rows of the other kinds are not indexed.
    unread: Option<Bytes>,
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

/// Whether rows with this key are read for each message: looked for again by the retry of a
/// message, by a READ and by its repetition, and by own copies.
fn is_read_at_once(key: &[u8]) -> bool {
    matches!(
        KeyTag::of(key),
        Some(KeyTag::Message | KeyTag::ReadMark | KeyTag::Copied)
    )
}

impl Overlay {
    /// Takes in what a turn wrote, before it goes to the committer under `ticket`.
    pub fn absorb(&mut self, ticket: Ticket, batch: &Batch) {
        if batch.is_empty() {
            return;
        }
        let index = self.index.get_mut();
        // One copy for all rows of the turn: each row is a slice of it.
        let payload = Bytes::copy_from_slice(batch.payload());
        let keys = index.spare.pop().unwrap_or_default();
        index.written.push_back(Written {
            ticket,
            keys,
            unread: Some(payload.clone()),
        });
        let last = index.written.len() - 1;
        index.take_in(last, &payload, is_read_at_once);
    }

    /// Forgets what the store has by now.
    pub fn durable(&mut self, ticket: Ticket) {
        self.index.get_mut().durable(ticket);
    }

    /// The store as the shards see it.
    pub fn over<'a>(&'a self, store: &'a dyn View) -> Overlaid<'a> {
        Overlaid {
            overlay: self,
            store,
        }
    }

    /// The index, ready for a read of keys like `key`.
    fn index_for(&self, key: &[u8]) -> std::cell::Ref<'_, Index> {
        if !is_read_at_once(key) {
            self.index.borrow_mut().take_in_unread();
        }
        self.index.borrow()
    }
}

impl Index {
    /// Indexes what was left out when the batches were queued, oldest first.
    fn take_in_unread(&mut self) {
        for place in 0..self.written.len() {
            if let Some(payload) = self.written[place].unread.take() {
                self.take_in(place, &payload, |key| !is_read_at_once(key));
            }
        }
    }

    /// Indexes those rows of a batch that `wanted` chooses by their keys. A kind is always taken
    /// in whole and in the order of the batches, so later ones win.
    fn take_in(&mut self, place: usize, payload: &Bytes, wanted: impl Fn(&[u8]) -> bool) {
        for op in Ops::of(payload) {
            match op {
                Op::Put { key, value } if wanted(key) => {
                    self.write(
                        place,
                        payload.slice_ref(key),
                        Some(payload.slice_ref(value)),
                    );
                }
                Op::Delete { key } if wanted(key) => {
                    self.write(place, payload.slice_ref(key), None);
                }
                Op::DeleteRange { from, to } if wanted(from) => {
                    self.delete_range(place, payload.slice_ref(from), payload.slice_ref(to));
                }
                _ => {}
            }
        }
    }

    fn durable(&mut self, ticket: Ticket) {
        while let Some(mut batch) = self.written.pop_front_if(|batch| batch.ticket <= ticket) {
            for key in batch.keys.drain(..) {
                // A later batch may have written the row again: then it stays.
                if self.rows.get(&key).is_some_and(|row| row.ticket <= ticket) {
                    self.rows.remove(&key);
                }
            }
            if self.spare.len() < SPARE_MAX {
                self.spare.push(batch.keys);
            }
        }
        self.ranges.retain(|range| range.ticket > ticket);
    }

    fn write(&mut self, place: usize, key: Bytes, value: Option<Bytes>) {
        let batch = &mut self.written[place];
        let ticket = batch.ticket;
        if let Some(row) = self.rows.get_mut(&key) {
            // One entry per key and batch is enough to find the row again.
            if row.ticket == ticket {
                row.value = value;
                return;
            }
        }
        batch.keys.push(key.clone());
        self.rows.insert(key, Queued { ticket, value });
    }

    fn delete_range(&mut self, place: usize, from: Bytes, to: Bytes) {
        // Queued rows inside become deletions; rows of the store are hidden by the range.
        let inside = (Bound::Included(&from[..]), Bound::Excluded(&to[..]));
        let inside: Vec<Bytes> = self
            .rows
            .range::<[u8], _>(inside)
            .map(|(key, _)| key.clone())
            .collect();
        for key in inside {
            self.write(place, key, None);
        }
        let ticket = self.written[place].ticket;
        self.ranges.push_back(QueuedRange { ticket, from, to });
    }

    fn queued(&self, from: &[u8], to: &[u8]) -> impl DoubleEndedIterator<Item = Row> + use<'_> {
        let range = (Bound::Included(from), Bound::Excluded(to));
        self.rows
            .range::<[u8], _>(range)
            .filter_map(|(key, row)| Some((key.clone(), row.value.clone()?)))
    }

    fn hides(&self, key: &[u8]) -> bool {
        self.ranges
            .iter()
            .any(|range| *range.from <= *key && *key < *range.to)
    }
}

/// A store under an [`Overlay`].
pub struct Overlaid<'a> {
    overlay: &'a Overlay,
    store: &'a dyn View,
}

impl Overlaid<'_> {
    /// The store's first row of `from..to` that nothing queued replaces or hides.
    fn stored_first(&self, index: &Index, from: &[u8], to: &[u8]) -> Option<Row> {
        let mut from = from.to_vec();
        loop {
            let (key, value) = self.store.first(&from, to)?;
            let hidden = index
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
            } else if index.rows.contains_key(&key) {
                from.clear();
                from.extend_from_slice(&key);
                from.push(0);
            } else {
                return Some((key, value));
            }
        }
    }

    fn stored_last(&self, index: &Index, from: &[u8], to: &[u8]) -> Option<Row> {
        let mut to = to.to_vec();
        loop {
            let (key, value) = self.store.last(from, &to)?;
            let hidden = index
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
            } else if index.rows.contains_key(&key) {
                to = key.to_vec();
            } else {
                return Some((key, value));
            }
        }
    }
}

impl View for Overlaid<'_> {
    fn get(&self, key: &[u8]) -> Option<Bytes> {
        let index = self.overlay.index_for(key);
        match index.rows.get(key) {
            Some(row) => row.value.clone(),
            None if index.hides(key) => None,
            None => self.store.get(key),
        }
    }

    fn first(&self, from: &[u8], to: &[u8]) -> Option<Row> {
        let index = self.overlay.index_for(from);
        let queued = index.queued(from, to).next();
        match (queued, self.stored_first(&index, from, to)) {
            (Some(queued), Some(stored)) => Some(if queued.0 < stored.0 { queued } else { stored }),
            (queued, stored) => queued.or(stored),
        }
    }

    fn last(&self, from: &[u8], to: &[u8]) -> Option<Row> {
        let index = self.overlay.index_for(from);
        let queued = index.queued(from, to).next_back();
        match (queued, self.stored_last(&index, from, to)) {
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
    use martlet_store::keys::{key_prefix, key_prefix_end};
    use martlet_store::{Memory, ShardId};

    use super::*;

    /// Keys of one kind.
    #[derive(Clone, Copy)]
    struct Keys(KeyTag);

    impl Keys {
        fn at(self, number: u8) -> Vec<u8> {
            let mut key = key_prefix(ShardId(3), self.0).to_vec();
            key.push(number);
            key
        }

        fn batch(self, fill: impl FnOnce(&mut Batch)) -> Batch {
            let mut batch = Batch::new();
            fill(&mut batch);
            batch
        }

        fn compare(self, seen: &dyn View, expected: &Memory) {
            let from = key_prefix(ShardId(3), self.0);
            let to = key_prefix_end(ShardId(3), self.0);
            for number in 0..10 {
                assert_eq!(seen.get(&self.at(number)), expected.get(&self.at(number)));
                for other in number..10 {
                    let (from, to) = (self.at(number), self.at(other));
                    assert_eq!(seen.first(&from, &to), expected.first(&from, &to));
                    assert_eq!(seen.last(&from, &to), expected.last(&from, &to));
                }
            }
            for (rows_max, bytes_max) in [(1, 1 << 20), (3, 1 << 20), (100, 1 << 20), (9, 8)] {
                assert_eq!(
                    seen.scan(&from, &to, rows_max, bytes_max),
                    expected.scan(&from, &to, rows_max, bytes_max)
                );
            }
        }
    }

    /// The overlay over an old store answers as the new store does, before and after the commit:
    /// for kinds that are indexed at once and for those that are not, read after each batch or
    /// only when all are queued.
    fn check(script: impl Fn(Keys) -> (Vec<Batch>, Vec<Batch>)) {
        for (tag, reads_early) in [
            (KeyTag::Inbox, false),
            (KeyTag::Inbox, true),
            (KeyTag::Message, false),
            (KeyTag::Message, true),
        ] {
            let keys = Keys(tag);
            let (stored, queued) = script(keys);
            let mut store = Memory::new();
            stored.iter().for_each(|batch| store.apply(batch));
            let mut expected = store.clone();
            let mut overlay = Overlay::default();
            for (batch, ticket) in queued.iter().zip(1..) {
                overlay.absorb(Ticket(ticket), batch);
                expected.apply(batch);
                if reads_early {
                    keys.compare(&overlay.over(&store), &expected);
                }
            }
            keys.compare(&overlay.over(&store), &expected);
            for (batch, ticket) in queued.iter().zip(1..) {
                store.apply(batch);
                overlay.durable(Ticket(ticket));
                keys.compare(&overlay.over(&store), &expected);
            }
            let index = overlay.index.borrow();
            assert!(index.rows.is_empty() && index.ranges.is_empty() && index.written.is_empty());
        }
    }

    #[test]
    fn queued_rows_are_seen_before_they_are_durable() {
        check(|keys| {
            let stored = keys.batch(|b| b.put(&keys.at(5), b"old"));
            let queued = keys.batch(|b| {
                b.put(&keys.at(1), b"new");
                b.put(&keys.at(5), b"newer");
            });
            (vec![stored], vec![queued])
        });
    }

    #[test]
    fn queued_deletions_hide_stored_rows() {
        check(|keys| {
            let stored = keys.batch(|b| (1..8).for_each(|n| b.put(&keys.at(n), b"row")));
            let queued = vec![
                keys.batch(|b| b.delete(&keys.at(1))),
                keys.batch(|b| b.delete(&keys.at(7))),
                keys.batch(|b| b.delete_range(&keys.at(3), &keys.at(5))),
            ];
            (vec![stored], queued)
        });
    }

    #[test]
    fn a_row_written_after_its_range_was_deleted_is_seen() {
        check(|keys| {
            let stored = keys.batch(|b| (1..8).for_each(|n| b.put(&keys.at(n), b"row")));
            let queued = vec![
                keys.batch(|b| b.put(&keys.at(8), b"queued")),
                keys.batch(|b| b.delete_range(&keys.at(1), &keys.at(9))),
                keys.batch(|b| b.put(&keys.at(4), b"again")),
            ];
            (vec![stored], queued)
        });
    }

    #[test]
    fn a_row_written_twice_stays_until_its_last_batch_is_durable() {
        check(|keys| {
            let queued = vec![
                keys.batch(|b| b.put(&keys.at(2), b"first")),
                keys.batch(|b| b.put(&keys.at(2), b"second")),
                keys.batch(|b| b.delete(&keys.at(2))),
                keys.batch(|b| b.put(&keys.at(2), b"third")),
            ];
            (vec![], queued)
        });
    }
}
