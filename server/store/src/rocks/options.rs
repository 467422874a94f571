//! RocksDB's options, each with its reason, and the proof that RocksDB runs with them.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType, DBRecoveryMode,
};

use super::{OnFatal, StoreError};
use crate::keys::Family;

/// What the caller decides about a data directory.
#[derive(Clone)]
pub struct Options {
    /// The number of shards; the directory is created with it and refuses another one later.
    pub shards: u16,
    /// The seed of the hash that maps handles to shards: random, used only at creation.
    pub seed: u64,
    /// Memory for blocks of table files, in bytes.
    pub block_cache_bytes: usize,
    /// Size of one memtable in bytes. Each of the two families fills up to four of them.
    pub write_buffer_bytes: usize,
    /// Told why the process is about to end.
    pub on_fatal: OnFatal,
}

impl Options {
    /// The sizes that suit one machine with a few GiB of memory.
    pub fn new(shards: u16, seed: u64) -> Self {
        Self {
            shards,
            seed,
            block_cache_bytes: 64 << 20,
            write_buffer_bytes: 64 << 20,
            on_fatal: Arc::new(|_| {}),
        }
    }
}

/// The name of a column family. RocksDB insists on one called `default`; the state takes it.
pub(super) fn family_name(family: Family) -> &'static str {
    match family {
        Family::State => "default",
        Family::Queue => "queue",
    }
}

/// The options of the database as a whole.
pub(super) fn database(create: bool) -> rocksdb::Options {
    let mut options = rocksdb::Options::default();
    options.create_if_missing(create);
    options.create_missing_column_families(create);

    // Durability: not to be traded for speed. `FIXED` proves that each of them is in force.
    // Any damage before the last record refuses to open. The default, PointInTime, opens with
    // whatever came before the damage and drops synced writes in silence.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    // With manual flushes an I/O error loses buffered rows and a full disk becomes fatal.
    options.set_manual_wal_flush(false);
    // Recycled log files only work with PointInTime.
    options.set_recycle_log_file_num(0);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_paranoid_checks(true);
    options.set_wal_compression_type(DBCompressionType::None);
    options.set_use_fsync(false);
    // Every commit syncs the log itself.
    options.set_wal_bytes_per_sync(0);
    // Replay at start reads at most this much.
    options.set_max_total_wal_size(256 << 20);

    // One thread writes: what helps many writers only costs.
    options.set_allow_concurrent_memtable_write(false);
    options.set_enable_write_thread_adaptive_yield(false);
    options.set_enable_pipelined_write(false);
    options.set_unordered_write(false);

    // Background work may not take the cores of the reactors, nor land in one sync of the log.
    options.set_max_background_jobs(2);
    options.set_bytes_per_sync(1 << 20);
    // All files stay open: a limit would make reads open files while range deletions exist.
    options.set_max_open_files(-1);
    options.set_stats_dump_period_sec(0);
    options.set_max_log_file_size(16 << 20);
    options.set_keep_log_file_num(4);
    options
}

/// Both column families with their options.
pub(super) fn families(options: &Options) -> Result<Vec<ColumnFamilyDescriptor>, StoreError> {
    let cache = Cache::new_lru_cache(options.block_cache_bytes);
    [Family::State, Family::Queue]
        .into_iter()
        .map(|family| {
            let settings = column_family(family, options, &cache)?;
            Ok(ColumnFamilyDescriptor::new(family_name(family), settings))
        })
        .collect()
}

fn column_family(
    family: Family,
    options: &Options,
    cache: &Cache,
) -> Result<rocksdb::Options, StoreError> {
    let mut settings = rocksdb::Options::default()
        .get_options_from_string(unwrapped(family))
        .map_err(|source| StoreError::rocks("set the options of a column family", source))?;
    // Rows that live for seconds are deleted in the memtable that they were written to, if it is
    // large enough; and two memtables are merged before anything is written out.
    settings.set_write_buffer_size(options.write_buffer_bytes);
    settings.set_max_write_buffer_number(4);
    settings.set_min_write_buffer_number_to_merge(2);
    // Envelopes are ciphertext: compressing them costs and gains nothing.
    settings.set_compression_type(DBCompressionType::None);

    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    if family == Family::State {
        // A new message id is looked up and not found: filters answer that without a search.
        settings.set_memtable_prefix_bloom_ratio(0.05);
        settings.set_memtable_whole_key_filtering(true);
        table.set_bloom_filter(10.0, false);
    }
    settings.set_block_based_table_factory(&table);
    Ok(settings)
}

/// Options that the binding has no setter for.
fn unwrapped(family: Family) -> &'static str {
    match family {
        // Catches memory damage between a batch and the table file.
        Family::State => "memtable_protection_bytes_per_key=8",
        // Reads slow down with the number of range deletions in a memtable.
        Family::Queue => "memtable_protection_bytes_per_key=8;memtable_max_range_deletions=4096",
    }
}

/// What must stand in RocksDB's own OPTIONS file: section, name, value.
const FIXED: &[(&str, &str, &str)] = &[
    ("DBOptions", "allow_concurrent_memtable_write", "false"),
    ("DBOptions", "atomic_flush", "false"),
    ("DBOptions", "enable_pipelined_write", "false"),
    ("DBOptions", "manual_wal_flush", "false"),
    ("DBOptions", "paranoid_checks", "true"),
    ("DBOptions", "recycle_log_file_num", "0"),
    ("DBOptions", "track_and_verify_wals_in_manifest", "true"),
    ("DBOptions", "two_write_queues", "false"),
    ("DBOptions", "unordered_write", "false"),
    ("DBOptions", "use_fsync", "false"),
    ("DBOptions", "wal_bytes_per_sync", "0"),
    ("DBOptions", "wal_compression", "kNoCompression"),
    (
        "DBOptions",
        "wal_recovery_mode",
        "kTolerateCorruptedTailRecords",
    ),
    (
        "CFOptions \"default\"",
        "memtable_protection_bytes_per_key",
        "8",
    ),
    (
        "CFOptions \"queue\"",
        "memtable_protection_bytes_per_key",
        "8",
    ),
    (
        "CFOptions \"queue\"",
        "memtable_max_range_deletions",
        "4096",
    ),
];

/// Checks in the OPTIONS file that RocksDB wrote at opening that it kept what durability needs.
///
/// It changes some settings without a word when they contradict each other.
pub(super) fn check_kept(rows: &Path) -> Result<(), StoreError> {
    let path = newest_options_file(rows)?;
    let text = fs::read_to_string(&path).map_err(|source| StoreError::io("read", &path, source))?;
    for (section, name, wanted) in FIXED {
        let found = value_of(&text, section, name);
        if found != Some(wanted) {
            let found = found.map(str::to_owned);
            return Err(StoreError::OptionNotKept {
                name,
                wanted,
                found,
            });
        }
    }
    Ok(())
}

fn newest_options_file(rows: &Path) -> Result<std::path::PathBuf, StoreError> {
    let list = || {
        let mut newest = None;
        for entry in fs::read_dir(rows)? {
            let path = entry?.path();
            let number = path
                .file_name()
                .and_then(|name| name.to_str()?.strip_prefix("OPTIONS-")?.parse::<u64>().ok());
            if let Some(number) = number {
                newest = newest.max(Some((number, path)));
            }
        }
        newest
            .map(|(_, path)| path)
            .ok_or_else(|| std::io::ErrorKind::NotFound.into())
    };
    list().map_err(|source| StoreError::io("find the OPTIONS file in", rows, source))
}

fn value_of<'a>(text: &'a str, section: &str, name: &str) -> Option<&'a str> {
    text.lines()
        .map(str::trim)
        .skip_while(|line| {
            line.strip_prefix('[')
                .and_then(|line| line.strip_suffix(']'))
                != Some(section)
        })
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# This is a RocksDB option file.
[DBOptions]
  manual_wal_flush=false
  wal_bytes_per_sync=0

[CFOptions \"default\"]
  memtable_protection_bytes_per_key=8
[CFOptions \"queue\"]
  memtable_protection_bytes_per_key=4
";

    #[test]
    fn a_value_is_read_from_its_own_section() {
        let name = "memtable_protection_bytes_per_key";
        assert_eq!(value_of(TEXT, "CFOptions \"default\"", name), Some("8"));
        assert_eq!(value_of(TEXT, "CFOptions \"queue\"", name), Some("4"));
        assert_eq!(value_of(TEXT, "DBOptions", name), None);
        assert_eq!(value_of(TEXT, "DBOptions", "wal_bytes"), None);
        assert_eq!(value_of(TEXT, "DBOptions", "wal_bytes_per_sync"), Some("0"));
    }

    #[test]
    fn an_option_that_was_not_kept_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("OPTIONS-000007"), TEXT).unwrap();
        let error = check_kept(dir.path()).unwrap_err();
        assert!(matches!(
            error,
            StoreError::OptionNotKept {
                name: "allow_concurrent_memtable_write",
                found: None,
                ..
            }
        ));
    }
}
