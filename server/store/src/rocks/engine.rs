//! One open data directory: reads of what is committed, and one commit at a time.

use std::fmt;
use std::fs::File;
use std::path::Path;

use bytes::Bytes;
use parking_lot::Mutex;
use rocksdb::{ColumnFamily, DB, DBRawIterator, ReadOptions, WriteBatch, WriteOptions};

use super::chain::Link;
use super::fatal::end_process;
use super::format::{Format, Paths};
use super::manifest::Watch;
use super::mark::Mark;
use super::options::{self, Options};
use super::{CommitNumber, OnFatal, StoreError, recover, space};
use crate::keys::{self, Family, commit};
use crate::view::ScanBudget;
use crate::{Batch, Op, Row, View};

/// An open data directory.
///
/// - [`View`]: reads from any thread; they see committed rows only.
/// - [`Engine::commit`]: one thread, the committer.
/// - getters.
pub struct Engine {
    // Declared in the order of their end: RocksDB, the mark, the lock of the directory.
    db: DB,
    mark: Mark,
    tip: Mutex<Tip>,
    point_read: ReadOptions,
    paths: Paths,
    format: Format,
    on_fatal: OnFatal,
    _lock: File,
}

/// The end of the chain, and whether a commit may follow.
#[derive(Debug)]
struct Tip {
    newest: Link,
    attempt: Attempt,
}

/// What became of the attempt to write the commit after `newest`.
#[derive(Debug, PartialEq, Eq)]
enum Attempt {
    /// There was none.
    None,
    /// The disk was full. Only the same commit may be tried again: a part of it may be in the
    /// log, and after a crash it would be replayed before whatever was written in its place.
    Full(Link),
    /// Its outcome is unknown.
    Unknown,
}

impl Engine {
    /// Opens or creates a data directory, and refuses one that is not complete.
    pub fn open(directory: &Path, options: &Options) -> Result<Self, StoreError> {
        let paths = Paths::new(directory);
        paths.create()?;
        let lock = paths.lock()?;
        let format = recover::prepare(&paths, options)?;
        let genesis = Link::genesis(format.shards, format.seed);
        let witness = recover::read_mark(&paths, genesis)?;
        // Before the first commit there is nothing to lose, and a creation may be unfinished.
        let is_new = witness.link == genesis;
        if is_new {
            paths.create_rows()?;
        } else {
            drop(recover::open_complete(&paths, options, genesis, witness)?);
        }
        let families = options::families(options)?;
        let db = DB::open_cf_descriptors(&options::database(is_new), paths.rows(), families)
            .map_err(|source| StoreError::rocks("open the rows", source))?;
        options::check_kept(&paths.rows())?;
        let ring = recover::read_ring(&db, genesis)?;
        recover::compare(&ring, witness.link, &paths)?;
        let newest = ring.newest();
        // Replay has moved everything it found into synced table files, so it may be announced.
        let watch = Watch::new(paths.rows());
        let mark = Mark::open(
            &paths.mark(),
            genesis,
            newest,
            watch,
            options.on_fatal.clone(),
        )?;
        Ok(Self {
            db,
            mark,
            tip: Mutex::new(Tip {
                newest,
                attempt: Attempt::None,
            }),
            point_read: ReadOptions::default(),
            paths,
            format,
            on_fatal: options.on_fatal.clone(),
            _lock: lock,
        })
    }

    /// Writes the batch durably and raises the mark. When this returns, it may be announced.
    ///
    /// After [`StoreError::Full`] only the same batch may be committed next; it is safe to repeat
    /// because its operations have the same result when they are replayed twice in a row. After
    /// any other error the outcome is unknown, and all later commits are refused.
    pub fn commit(&self, batch: &Batch) -> Result<CommitNumber, StoreError> {
        let mut tip = self.tip.lock();
        let link = tip.newest.next(batch.payload());
        match tip.attempt {
            Attempt::Full(held) => assert_eq!(held, link, "another commit after a full disk"),
            Attempt::None => {}
            Attempt::Unknown => return Err(StoreError::OutcomeUnknown),
        }
        match self
            .write(batch, link, tip.newest)
            .and_then(|()| self.mark.raise(link))
        {
            Ok(()) => {
                *tip = Tip {
                    newest: link,
                    attempt: Attempt::None,
                };
                Ok(link.number)
            }
            Err(StoreError::Full) => {
                tip.attempt = Attempt::Full(link);
                Err(StoreError::Full)
            }
            Err(error) => {
                tip.attempt = Attempt::Unknown;
                Err(error)
            }
        }
    }

    /// The newest commit.
    pub fn newest(&self) -> CommitNumber {
        self.tip.lock().newest.number
    }

    /// The number of shards that the directory was created with.
    pub fn shards(&self) -> u16 {
        self.format.shards
    }

    /// The seed of the hash that maps handles to shards.
    pub fn seed(&self) -> u64 {
        self.format.seed
    }

    /// Whether the file system is so full that new messages must be refused.
    pub fn is_short_of_space(&self) -> Result<bool, StoreError> {
        space::is_short(self.paths.directory())
    }

    /// A number out of RocksDB's statistics, such as `rocksdb.background-errors`, summed over
    /// both column families; `None` when RocksDB does not know it.
    pub fn property(&self, name: &str) -> Option<u64> {
        let read = |family| {
            self.db
                .property_int_value_cf(self.family(family), name)
                .ok()
                .flatten()
        };
        Some(read(Family::State)? + read(Family::Queue)?)
    }

    /// Like [`View::scan`], without displacing what the block cache holds: for backlogs, which
    /// are read once.
    pub(super) fn scan_once(&self, from: &[u8], to: &[u8], limits: (usize, usize)) -> Vec<Row> {
        let mut options = bounds(from, to);
        options.fill_cache(false);
        self.collect(from, options, ScanBudget::new(limits.0, limits.1))
    }

    pub(super) fn on_fatal(&self) -> &OnFatal {
        &self.on_fatal
    }

    fn write(&self, batch: &Batch, link: Link, previous: Link) -> Result<(), StoreError> {
        let queue = self.family(Family::Queue);
        let mut rows = WriteBatch::with_capacity_bytes(batch.byte_len() + ROW_OVERHEAD_BYTES);
        for op in batch.ops() {
            // The state is RocksDB's default family, which costs a byte and a lookup less.
            match op {
                Op::Put { key, value } => match keys::family_of(key) {
                    Family::State => rows.put(key, value),
                    Family::Queue => rows.put_cf(queue, key, value),
                },
                Op::Delete { key } => match keys::family_of(key) {
                    Family::State => rows.delete(key),
                    Family::Queue => rows.delete_cf(queue, key),
                },
                Op::DeleteRange { from, to } => match keys::family_of(from) {
                    Family::State => rows.delete_range(from, to),
                    Family::Queue => rows.delete_range_cf(queue, from, to),
                },
            }
        }
        rows.put(commit::key(link.number.0), link.row(previous).encode());
        let mut synced = WriteOptions::default();
        synced.set_sync(true);
        self.db
            .write_opt(rows, &synced)
            .map_err(|source| StoreError::rocks("write a commit", source))
    }

    fn family(&self, family: Family) -> &ColumnFamily {
        let name = options::family_name(family);
        self.db.cf_handle(name).expect("both families were opened")
    }

    fn iterator(&self, from: &[u8], options: ReadOptions) -> DBRawIterator<'_> {
        self.db
            .raw_iterator_cf_opt(self.family(keys::family_of(from)), options)
    }

    fn collect(&self, from: &[u8], options: ReadOptions, mut budget: ScanBudget) -> Vec<Row> {
        let mut iterator = self.iterator(from, options);
        let mut page = Vec::new();
        iterator.seek(from);
        while !budget.is_spent()
            && let Some((key, value)) = iterator.item()
        {
            budget.charge(key, value);
            page.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
            iterator.next();
        }
        self.end_unless_read(iterator.status());
        page
    }

    /// The row under the iterator; the end of the range only if no error stopped it there.
    fn row_at(&self, iterator: &DBRawIterator<'_>) -> Option<Row> {
        let row = iterator
            .item()
            .map(|(key, value)| (Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
        self.end_unless_read(iterator.status());
        row
    }

    fn end_unless_read<T>(&self, result: Result<T, rocksdb::Error>) -> T {
        result.unwrap_or_else(|source| {
            end_process(&self.on_fatal, &StoreError::rocks("read a row", source))
        })
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let newest = self.newest();
        f.debug_struct("Engine")
            .field("paths", &self.paths)
            .field("newest", &newest)
            .finish()
    }
}

impl View for Engine {
    fn get(&self, key: &[u8]) -> Option<Bytes> {
        let found = match keys::family_of(key) {
            Family::State => self.db.get_pinned_opt(key, &self.point_read),
            Family::Queue => {
                self.db
                    .get_pinned_cf_opt(self.family(Family::Queue), key, &self.point_read)
            }
        };
        self.end_unless_read(found)
            .map(|value| Bytes::copy_from_slice(&value))
    }

    fn first(&self, from: &[u8], to: &[u8]) -> Option<Row> {
        let mut iterator = self.iterator(from, bounds(from, to));
        iterator.seek(from);
        self.row_at(&iterator)
    }

    fn last(&self, from: &[u8], to: &[u8]) -> Option<Row> {
        let mut iterator = self.iterator(from, bounds(from, to));
        iterator.seek_to_last();
        self.row_at(&iterator)
    }

    fn scan(&self, from: &[u8], to: &[u8], rows_max: usize, bytes_max: usize) -> Vec<Row> {
        self.collect(from, bounds(from, to), ScanBudget::new(rows_max, bytes_max))
    }
}

/// Iterators always know both ends, or they would walk over what lies deleted beyond.
fn bounds(from: &[u8], to: &[u8]) -> ReadOptions {
    keys::assert_range(from, to);
    let mut options = ReadOptions::default();
    options.set_iterate_lower_bound(from);
    options.set_iterate_upper_bound(to);
    options
}

/// What RocksDB's batch needs beside the operations: its header and the ring's row.
const ROW_OVERHEAD_BYTES: usize = 128;
