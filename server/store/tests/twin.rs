//! The memory twin and RocksDB give the same answers to the same script.

#![cfg(feature = "rocksdb")]
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::collections::BTreeMap;

use martlet_store::keys::{KeyTag, key_prefix, key_prefix_end};
use martlet_store::rocks::{Engine, Options, verify};
use martlet_store::{Batch, Memory, ShardId, View};
use proptest::prelude::*;

const SHARDS: u16 = 3;
const TAGS: [KeyTag; 4] = [
    KeyTag::Inbox,
    KeyTag::Outbox,
    KeyTag::Cursor,
    KeyTag::Message,
];

/// A key out of a small space, so that scripts hit rows that are there.
#[derive(Clone, Copy, Debug)]
struct Key {
    shard: u16,
    tag: KeyTag,
    row: u8,
}

impl Key {
    fn bytes(self) -> Vec<u8> {
        let mut bytes = key_prefix(ShardId(self.shard), self.tag).to_vec();
        bytes.extend_from_slice(&[0, self.row]);
        bytes
    }

    /// The end of a range that starts here and spans `rows` rows, or the rest of the tag.
    fn end(self, rows: u8) -> Vec<u8> {
        match self.row.checked_add(rows) {
            Some(row) => Self { row, ..self }.bytes(),
            None => key_prefix_end(ShardId(self.shard), self.tag).to_vec(),
        }
    }
}

#[derive(Clone, Debug)]
enum Write {
    Put(Key, Vec<u8>),
    Delete(Key),
    DeleteRange(Key, u8),
}

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<Write>),
    Get(Key),
    Range(Key, u8),
    Scan(Key, u8, usize, usize),
    Reopen,
}

fn key() -> impl Strategy<Value = Key> {
    (0..SHARDS, 0..TAGS.len(), 0..40u8).prop_map(|(shard, tag, row)| Key {
        shard,
        tag: TAGS[tag],
        row: row * 6,
    })
}

fn write() -> impl Strategy<Value = Write> {
    let value = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..40),
        // Large enough that a script overflows the memtable and reads come from table files.
        1 => any::<u8>().prop_map(|byte| vec![byte; 6000]),
    ];
    prop_oneof![
        6 => (key(), value).prop_map(|(key, value)| Write::Put(key, value)),
        2 => key().prop_map(Write::Delete),
        1 => (key(), 0..90u8).prop_map(|(key, rows)| Write::DeleteRange(key, rows)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => prop::collection::vec(write(), 0..12).prop_map(Step::Commit),
        10 => key().prop_map(Step::Get),
        10 => (key(), any::<u8>()).prop_map(|(key, rows)| Step::Range(key, rows)),
        10 => (key(), any::<u8>(), 0..20usize, 0..9000usize)
            .prop_map(|(from, rows, rows_max, bytes)| Step::Scan(from, rows, rows_max, bytes)),
        1 => Just(Step::Reopen),
    ]
}

fn options() -> Options {
    Options {
        write_buffer_bytes: 64 << 10,
        ..Options::new(SHARDS, 7)
    }
}

fn batch_of(writes: &[Write]) -> Batch {
    let mut batch = Batch::new();
    for write in writes {
        match write {
            Write::Put(key, value) => batch.put(&key.bytes(), value),
            Write::Delete(key) => batch.delete(&key.bytes()),
            Write::DeleteRange(from, rows) => batch.delete_range(&from.bytes(), &from.end(*rows)),
        }
    }
    batch
}

/// Runs the script on both stores and compares every answer, and at the end every row.
fn check(steps: &[Step]) {
    let directory = tempfile::tempdir().unwrap();
    let mut memory = Memory::new();
    let mut commits = 0;
    let mut engine = Some(Engine::open(directory.path(), &options()).unwrap());
    for step in steps {
        let rocks = engine.as_ref().unwrap();
        match step {
            Step::Commit(writes) => {
                let batch = batch_of(writes);
                memory.apply(&batch);
                commits += 1;
                assert_eq!(rocks.commit(&batch).unwrap().0, commits);
            }
            Step::Get(key) => assert_eq!(rocks.get(&key.bytes()), memory.get(&key.bytes())),
            Step::Range(from, rows) => {
                let (from, to) = (from.bytes(), from.end(*rows));
                assert_eq!(rocks.first(&from, &to), memory.first(&from, &to));
                assert_eq!(rocks.last(&from, &to), memory.last(&from, &to));
            }
            Step::Scan(from, rows, rows_max, bytes_max) => {
                let (from, to) = (from.bytes(), from.end(*rows));
                assert_eq!(
                    rocks.scan(&from, &to, *rows_max, *bytes_max),
                    memory.scan(&from, &to, *rows_max, *bytes_max)
                );
            }
            Step::Reopen => {
                drop(engine.take());
                let reopened = Engine::open(directory.path(), &options()).unwrap();
                assert_eq!(reopened.newest().0, commits);
                engine = Some(reopened);
            }
        }
    }
    drop(engine);
    let mut rows = BTreeMap::new();
    let report = verify::verify(directory.path(), &mut |key, value| {
        if KeyTag::of(key) != Some(KeyTag::Commit) {
            rows.insert(key.to_vec(), value.to_vec());
        }
    })
    .unwrap();
    assert_eq!(report.newest.0, commits);
    let expected: BTreeMap<_, _> = memory
        .iter()
        .map(|(key, value)| (key.to_vec(), value.to_vec()))
        .collect();
    assert_eq!(rows, expected);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn memory_and_rocksdb_answer_alike(steps in prop::collection::vec(step(), 50..150)) {
        check(&steps);
    }
}
