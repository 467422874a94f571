//! Why a data directory can't be opened, read or written.

use std::io;
use std::path::PathBuf;

use super::CommitNumber;

/// What is wrong with the data directory, and what its operator can do.
///
/// No variant is the fault of a client. A commit that failed with anything but [`Self::Full`] has
/// an unknown outcome: it may be found after a restart, so it is never reported as refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Acknowledged commits are missing at the end of the log.
    #[error(
        "the store ends at commit {newest}, but commit {mark} was acknowledged: commits {first} to \
         {mark} are missing. Nothing was changed. Put the missing files back into {}, or restore \
         the data directory from a backup", directory.display(), first = newest.next()
    )]
    BehindMark {
        /// The newest commit that the high-water mark knows.
        mark: CommitNumber,
        /// The newest commit found in the store.
        newest: CommitNumber,
        /// Where RocksDB's files are.
        directory: PathBuf,
    },
    /// Two neighbouring commits don't fit together.
    #[error(
        "the chain of commits is broken at commit {commit}: its history is not the one that was \
         written. Restore the data directory from a backup"
    )]
    BrokenChain {
        /// The first commit that does not fit.
        commit: CommitNumber,
    },
    /// A commit is missing between others.
    #[error(
        "commit {commit} is missing although commit {newest} is there. Restore the data directory \
         from a backup"
    )]
    CommitMissing {
        /// The missing commit.
        commit: CommitNumber,
        /// The newest commit found.
        newest: CommitNumber,
    },
    /// A row of the ring of commits has an unknown form.
    #[error("slot {slot} of the ring of commits is not readable as a commit")]
    CommitUnreadable {
        /// The slot in the ring.
        slot: u8,
    },
    /// The FORMAT file is not what this program writes.
    #[error("{} is damaged. Restore it from a backup", path.display())]
    FormatDamaged {
        /// The file.
        path: PathBuf,
    },
    /// There are rows, but no FORMAT file that says how to read them.
    #[error("{} is missing although there is data beside it. Restore it from a backup",
        path.display())]
    FormatMissing {
        /// The file.
        path: PathBuf,
    },
    /// The directory was written by another version of this program.
    #[error("the data directory has format version {found}, this program reads version {known}")]
    FormatUnknown {
        /// The version that the directory states.
        found: u32,
        /// The only version that this program knows.
        known: u32,
    },
    /// There is no space left; a commit can be repeated as it is.
    #[error("no space left for the data directory")]
    Full,
    /// A file operation failed.
    #[error("{action} {}", path.display())]
    Io {
        /// Verb of what failed.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A row has a key that no version of this program writes.
    #[error("a row has an unknown key: {key:02x?}")]
    KeyUnknown {
        /// The key.
        key: Vec<u8>,
    },
    /// Another process has the directory open.
    #[error("{} is in use by another process", directory.display())]
    Locked {
        /// The data directory.
        directory: PathBuf,
    },
    /// A log of RocksDB holds a record that is never written.
    #[error(
        "{} is damaged at byte {offset}. Restore the data directory from a backup", path.display()
    )]
    LogDamaged {
        /// The file.
        path: PathBuf,
        /// Where the record starts, in bytes.
        offset: u64,
    },
    /// RocksDB's list of table files is not what was synced.
    #[error(
        "{} is damaged or an older one: rows would be missing. Nothing was changed. Restore the \
         data directory from a backup", path.display()
    )]
    ManifestDamaged {
        /// The file that was expected.
        path: PathBuf,
    },
    /// Both copies of the high-water mark are damaged.
    #[error(
        "{} is damaged in both copies, so nothing proves that the store is complete. Restore the \
         data directory from a backup", path.display()
    )]
    MarkDamaged {
        /// The file.
        path: PathBuf,
    },
    /// The mark is of another directory, or names a commit that has another hash in the store.
    #[error(
        "commit {commit} of the mark is not one of this store: the files of the data directory \
         are of different histories. Restore the data directory from one backup"
    )]
    MarkForeign {
        /// The commit that the mark names.
        commit: CommitNumber,
    },
    /// The high-water mark is missing.
    #[error(
        "{} is missing, so nothing proves that the store is complete. Restore the data directory \
         from a backup", path.display()
    )]
    MarkMissing {
        /// The file.
        path: PathBuf,
    },
    /// RocksDB does not run with an option that durability depends on.
    #[error("RocksDB runs with {name} = {found:?} where {wanted:?} was asked for")]
    OptionNotKept {
        /// The option's name in RocksDB's OPTIONS file.
        name: &'static str,
        /// The value that was set.
        wanted: &'static str,
        /// The value in use.
        found: Option<String>,
    },
    /// Nothing in the directory was written by this program.
    #[error("{} is not a data directory: there is no FORMAT in it. Check the path",
        directory.display())]
    NotADataDirectory {
        /// The directory.
        directory: PathBuf,
    },
    /// An earlier commit has an unknown outcome, so nothing may follow it.
    #[error("an earlier commit has an unknown outcome; restart to find out")]
    OutcomeUnknown,
    /// RocksDB failed.
    #[error("{action}")]
    Rocks {
        /// Verb and object of what failed.
        action: &'static str,
        /// RocksDB's answer.
        #[source]
        source: rocksdb::Error,
    },
    /// The directory was created for another number of shards.
    #[error("the data directory has {found} shards, the configuration asks for {asked}")]
    ShardsDiffer {
        /// The number in the directory; it never changes.
        found: u16,
        /// The number that was asked for.
        asked: u16,
    },
}

impl StoreError {
    pub(super) fn io(action: &'static str, path: &std::path::Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Io {
                action,
                path: path.to_owned(),
                source,
            },
        }
    }

    pub(super) fn rocks(action: &'static str, source: rocksdb::Error) -> Self {
        // The binding gives no subcode; these are RocksDB's texts for kNoSpace and kSpaceLimit.
        let text = source.as_ref();
        if text.contains("No space left on device") || text.contains("Space limit reached") {
            Self::Full
        } else {
            Self::Rocks { action, source }
        }
    }
}
