//! The offline check of a data directory: every row is read, nothing is written.

use std::path::Path;

use rocksdb::{DB, ReadOptions};

use super::chain::Link;
use super::format::{self, Format, Paths};
use super::options::{Options, family_name};
use super::{CommitNumber, StoreError, recover};
use crate::ShardId;
use crate::keys::{self, Family, KeyTag};

/// What a clean check has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The version of the directory's format.
    pub format_version: u32,
    /// The number of shards.
    pub shards: u16,
    /// The newest commit in the store.
    pub newest: CommitNumber,
    /// The newest commit that was announced.
    pub mark: CommitNumber,
    /// How many rows were read, the store's own included.
    pub rows: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
}

/// How a data directory was created: what the meaning of its rows depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Creation {
    /// The number of shards.
    pub shards: u16,
    /// The seed of the hash that maps handles to shards.
    pub seed: u64,
}

/// Reads how a data directory was created, without opening it.
pub fn creation(directory: &Path) -> Result<Creation, StoreError> {
    let Format { shards, seed } = Format::existing(&Paths::new(directory))?;
    Ok(Creation { shards, seed })
}

/// Checks FORMAT, the ring of commits, the chain, the mark, and reads every row with its checksum.
///
/// `check` is called with key and value of each row in key order, family by family, so that the
/// caller can check what the rows mean. The directory is locked meanwhile.
pub fn verify(directory: &Path, check: &mut dyn FnMut(&[u8], &[u8])) -> Result<Report, StoreError> {
    let paths = Paths::new(directory);
    let _lock = paths.lock()?;
    let format = Format::existing(&paths)?;
    let options = Options::new(format.shards, format.seed);
    let genesis = Link::genesis(format.shards, format.seed);
    let witness = recover::read_mark(&paths, genesis)?;
    let mut report = Report {
        format_version: format::VERSION,
        shards: format.shards,
        newest: genesis.number,
        mark: witness.link.number,
        rows: 0,
        bytes: 0,
    };
    if witness.link == genesis && !paths.has_rows() {
        return Ok(report);
    }
    let (db, ring) = recover::open_complete(&paths, &options, genesis, witness)?;
    report.newest = ring.newest().number;
    for family in [Family::State, Family::Queue] {
        read_family(&db, family, &mut report, check)?;
    }
    Ok(report)
}

fn read_family(
    db: &DB,
    family: Family,
    report: &mut Report,
    check: &mut dyn FnMut(&[u8], &[u8]),
) -> Result<(), StoreError> {
    let mut options = ReadOptions::default();
    options.fill_cache(false);
    options.set_verify_checksums(true);
    let handle = db
        .cf_handle(family_name(family))
        .expect("both families were opened");
    let mut iterator = db.raw_iterator_cf_opt(handle, options);
    iterator.seek_to_first();
    while let Some((key, value)) = iterator.item() {
        if !is_known(key, family, report.shards) {
            return Err(StoreError::KeyUnknown { key: key.to_vec() });
        }
        report.rows += 1;
        report.bytes += (key.len() + value.len()) as u64;
        check(key, value);
        iterator.next();
    }
    iterator
        .status()
        .map_err(|source| StoreError::rocks("read a row", source))
}

/// Whether this program writes such a key into this family.
fn is_known(key: &[u8], family: Family, shards: u16) -> bool {
    let (Some(shard), Some(tag)) = (keys::shard_of(key), KeyTag::of(key)) else {
        return false;
    };
    let is_owner = match tag {
        KeyTag::Commit => shard == ShardId::STORE,
        _ => shard.0 < shards,
    };
    is_owner && tag.family() == family
}
