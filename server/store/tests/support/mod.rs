//! Data directories as a killed process leaves them, and damage to copies of them.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use martlet_store::keys::{KeyTag, key_prefix};
use martlet_store::rocks::{Engine, Options, StoreError, verify};
use martlet_store::{Batch, ShardId, View};
use tempfile::TempDir;

pub(crate) const SHARDS: u16 = 4;
/// More commits than the ring has slots, so that it has gone round.
pub(crate) const COMMITS: u64 = 300;

/// A data directory with `COMMITS` acknowledged commits, copied while it was open.
pub(crate) struct Killed {
    directory: TempDir,
    /// MARK as it was after each commit.
    marks: BTreeMap<u64, Vec<u8>>,
}

/// A copy to damage.
pub(crate) struct Copy {
    directory: TempDir,
    seed: u64,
}

impl Killed {
    pub(crate) fn new() -> Self {
        Self::with_seed(1)
    }

    pub(crate) fn with_seed(seed: u64) -> Self {
        Self::make(&Options::new(SHARDS, seed), COMMITS + 1)
    }

    /// With half of the rows in table files: a start moves there what it replays from the log.
    pub(crate) fn with_tables() -> Self {
        Self::make(&Options::new(SHARDS, 1), COMMITS / 2)
    }

    fn make(options: &Options, restart_at: u64) -> Self {
        let live = tempfile::tempdir().unwrap();
        let mut engine = Engine::open(live.path(), options).unwrap();
        let mut marks = BTreeMap::new();
        for number in 1..=COMMITS {
            if number == restart_at {
                drop(engine);
                engine = Engine::open(live.path(), options).unwrap();
            }
            assert_eq!(engine.commit(&batch(number)).unwrap().0, number);
            marks.insert(number, fs::read(live.path().join("MARK")).unwrap());
        }
        // So few rows leave RocksDB nothing to do in the background that a copy could tear.
        let directory = tempfile::tempdir().unwrap();
        copy_tree(live.path(), directory.path());
        Self { directory, marks }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn mark(&self) -> PathBuf {
        self.path().join("MARK")
    }

    pub(crate) fn mark_after(&self, number: u64) -> &[u8] {
        &self.marks[&number]
    }

    pub(crate) fn log_bytes(&self) -> Vec<u8> {
        fs::read(log_of(self.path())).unwrap()
    }

    /// RocksDB's list of table files.
    pub(crate) fn manifest(&self) -> PathBuf {
        let current = fs::read_to_string(self.path().join("rows/CURRENT")).unwrap();
        self.path().join("rows").join(current.trim_end())
    }

    pub(crate) fn copy(&self) -> Copy {
        let directory = tempfile::tempdir().unwrap();
        copy_tree(self.path(), directory.path());
        Copy { directory, seed: 1 }
    }

    /// Every file, relative to the directory.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        contents_of(self.path()).into_keys().collect()
    }

    pub(crate) fn all_rows(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut rows = Vec::new();
        verify::verify(self.path(), &mut |key, value| {
            rows.push((key.to_vec(), value.to_vec()))
        })
        .unwrap();
        rows
    }
}

impl Copy {
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn rows(&self) -> PathBuf {
        self.path().join("rows")
    }

    pub(crate) fn mark(&self) -> PathBuf {
        self.path().join("MARK")
    }

    pub(crate) fn log(&self) -> PathBuf {
        log_of(self.path())
    }

    pub(crate) fn open(&self) -> Result<Engine, StoreError> {
        Engine::open(self.path(), &Options::new(SHARDS, self.seed))
    }

    /// All files but RocksDB's own diary, which even a look writes to.
    pub(crate) fn contents(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut contents = contents_of(self.path());
        contents.retain(|file, _| !file.starts_with("rows/LOG"));
        contents
    }
}

pub(crate) fn open(directory: &Path) -> Result<Engine, StoreError> {
    Engine::open(directory, &Options::new(SHARDS, 1))
}

/// What commit `number` writes: a row of its own, and one that every commit rewrites.
pub(crate) fn batch(number: u64) -> Batch {
    let mut batch = Batch::new();
    batch.put(&key_of(number), &value_of(number));
    let mut shared = key_prefix(ShardId(0), KeyTag::Cursor).to_vec();
    shared.push(0);
    batch.put(&shared, &number.to_le_bytes());
    batch
}

pub(crate) fn key_of(number: u64) -> Vec<u8> {
    let mut key = key_prefix(ShardId(number as u16 % SHARDS), KeyTag::Inbox).to_vec();
    key.extend_from_slice(&number.to_be_bytes());
    key
}

pub(crate) fn value_of(number: u64) -> Bytes {
    Bytes::from(format!("value of commit {number} ").repeat(20))
}

pub(crate) fn get(engine: &Engine, number: u64) -> Option<Bytes> {
    engine.get(&key_of(number))
}

/// Asserts that exactly the commits up to `newest` are there.
pub(crate) fn assert_rows(engine: &Engine, newest: u64) {
    for number in 1..=newest {
        assert_eq!(
            get(engine, number),
            Some(value_of(number)),
            "commit {number}"
        );
    }
    for number in newest + 1..=COMMITS {
        assert_eq!(get(engine, number), None, "commit {number}");
    }
}

/// Where each record of a log ends, in bytes from its start.
///
/// A log is blocks of 32 KiB of fragments: crc u32, length u16, type u8 (1 a whole record, 2 its
/// first, 3 a middle, 4 its last fragment), data. What does not fit a header is padding.
pub(crate) fn record_ends(log: &[u8]) -> Vec<usize> {
    const BLOCK: usize = 32 << 10;
    const HEADER: usize = 7;
    let mut ends = Vec::new();
    let mut at = 0;
    while at + HEADER <= log.len() {
        let left = BLOCK - at % BLOCK;
        if left < HEADER {
            at += left;
            continue;
        }
        let length = usize::from(u16::from_le_bytes([log[at + 4], log[at + 5]]));
        let kind = log[at + 6];
        at += HEADER + length;
        match kind {
            1 | 4 => ends.push(at),
            2 | 3 => {}
            0 => break,
            other => panic!("a record of type {other} before {at}"),
        }
    }
    ends
}

pub(crate) fn flip_bit(bytes: &[u8], bit: u64) -> Vec<u8> {
    let mut flipped = bytes.to_vec();
    flipped[(bit / 8) as usize] ^= 1 << (bit % 8);
    flipped
}

/// A small generator with a fixed start, so that a failure repeats.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }
}

fn log_of(directory: &Path) -> PathBuf {
    let logs = fs::read_dir(directory.join("rows"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    logs.filter(|path| path.extension().is_some_and(|end| end == "log"))
        .max()
        .unwrap()
}

fn contents_of(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut contents = BTreeMap::new();
    for inner in ["", "rows"] {
        for entry in fs::read_dir(directory.join(inner)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = path.strip_prefix(directory).unwrap().to_owned();
                contents.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    contents
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir(to.join("rows")).unwrap();
    for (name, bytes) in contents_of(from) {
        fs::write(to.join(name), bytes).unwrap();
    }
}
