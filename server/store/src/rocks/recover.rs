//! Opening a data directory: nothing is changed before it is proven to be complete.

use rocksdb::DB;

use super::chain::{Link, Ring};
use super::format::{Format, Paths};
use super::mark::{self, Witness};
use super::options::{self, Options};
use super::{StoreError, log, manifest};
use crate::ShardId;
use crate::keys::{KeyTag, key_prefix, key_prefix_end};

/// Creates what a new directory consists of besides rows, or reads and checks it.
///
/// FORMAT is written last: while it is missing and nothing was ever committed, the directory is
/// an unfinished creation and is created again.
pub(super) fn prepare(paths: &Paths, options: &Options) -> Result<Format, StoreError> {
    if let Some(format) = Format::read(paths)? {
        return if format.shards == options.shards {
            Ok(format)
        } else {
            Err(StoreError::ShardsDiffer {
                found: format.shards,
                asked: options.shards,
            })
        };
    }
    if paths.has_rows() {
        return Err(StoreError::FormatMissing {
            path: paths.format(),
        });
    }
    let format = Format {
        shards: options.shards,
        seed: options.seed,
    };
    mark::create(&paths.mark(), Link::genesis(format.shards, format.seed))?;
    format.create(paths)?;
    Ok(format)
}

/// Reads the mark, which must be this directory's.
pub(super) fn read_mark(paths: &Paths, genesis: Link) -> Result<Witness, StoreError> {
    let witness = mark::read(&paths.mark())?;
    if witness.genesis == genesis.hash {
        Ok(witness)
    } else {
        Err(StoreError::MarkForeign {
            commit: witness.link.number,
        })
    }
}

/// Proves with a read-only look that no announced commit is missing, and lends the look.
///
/// Read-only, because an ordinary opening already replays the log, writes table files and deletes
/// the log: a directory that is refused must stay as it was found. The price is a second replay.
pub(super) fn open_complete(
    paths: &Paths,
    options: &Options,
    genesis: Link,
    witness: Witness,
) -> Result<(DB, Ring), StoreError> {
    let mark = witness.link;
    if !paths.has_rows() && mark != genesis {
        let (newest, directory) = (genesis.number, paths.rows());
        return Err(StoreError::BehindMark {
            mark: mark.number,
            newest,
            directory,
        });
    }
    manifest::check(&paths.rows(), witness.manifest)?;
    log::check_all(&paths.rows())?;
    let families = options::families(options)?;
    let database = options::database(false);
    let db = DB::open_cf_descriptors_read_only(&database, paths.rows(), families, false)
        .map_err(|source| StoreError::rocks("open the rows to check them", source))?;
    let ring = read_ring(&db, genesis)?;
    compare(&ring, mark, paths)?;
    Ok((db, ring))
}

/// Reads and checks the ring of commits.
pub(super) fn read_ring(db: &DB, genesis: Link) -> Result<Ring, StoreError> {
    let read = |source| StoreError::rocks("read the ring of commits", source);
    let mut bounds = rocksdb::ReadOptions::default();
    bounds.set_iterate_upper_bound(key_prefix_end(ShardId::STORE, KeyTag::Commit));
    let mut iterator = db.raw_iterator_opt(bounds);
    iterator.seek(key_prefix(ShardId::STORE, KeyTag::Commit));
    let mut rows = Vec::new();
    while let Some((key, value)) = iterator.item() {
        rows.push((key.to_vec(), value.to_vec()));
        iterator.next();
    }
    iterator.status().map_err(read)?;
    Ring::check(
        genesis,
        rows.iter().map(|(key, value)| (&key[..], &value[..])),
    )
}

/// Compares what is there with what was announced: `mark ≤ newest`, on the same chain.
pub(super) fn compare(ring: &Ring, mark: Link, paths: &Paths) -> Result<(), StoreError> {
    let newest = ring.newest().number;
    if newest < mark.number {
        let directory = paths.rows();
        return Err(StoreError::BehindMark {
            mark: mark.number,
            newest,
            directory,
        });
    }
    if ring.contains(mark) {
        Ok(())
    } else {
        Err(StoreError::MarkForeign {
            commit: mark.number,
        })
    }
}
