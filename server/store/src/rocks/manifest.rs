//! What is known of RocksDB's MANIFEST, the list of its table files, so that its loss is noticed.
//!
//! RocksDB takes a manifest whose last records are cut off, or whose length fields are damaged so
//! that they look cut off, for one that a crash has torn: it opens without the table files that
//! those records name, and acknowledged rows are gone in silence. But a manifest is only appended
//! to. So the mark keeps the hash of what was synced of it, and a start compares.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use twox_hash::xxhash3_128::Hasher;

use super::StoreError;

/// What was synced of a manifest. The default is before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// The number in its name; a later manifest has a higher one.
    pub(super) number: u64,
    /// Bytes from its start.
    pub(super) bytes: u64,
    /// Their XXH3-128.
    pub(super) hash: u128,
}

/// Follows the manifest of an open RocksDB.
pub(super) struct Watch {
    rows: PathBuf,
    /// The manifest with the number of `seen`, and the hash of what was read of it.
    open: Option<(File, Hasher)>,
    seen: Seen,
}

impl Watch {
    pub(super) fn new(rows: PathBuf) -> Self {
        Self {
            rows,
            open: None,
            seen: Seen::default(),
        }
    }

    /// Syncs what was appended since the last look and returns what is synced now.
    ///
    /// RocksDB syncs its manifest itself, but a look may come between its write and its sync.
    pub(super) fn look(&mut self) -> io::Result<Seen> {
        match self.follow() {
            // RocksDB has just replaced the manifest, or the process has no descriptor to spare:
            // the next look finds the new one.
            Err(error) if error.kind() == ErrorKind::NotFound || is_out_of_files(&error) => {
                Ok(self.seen)
            }
            followed => followed.map(|()| self.seen),
        }
    }

    fn follow(&mut self) -> io::Result<()> {
        let number = current_number(&self.rows)?;
        if self.open.is_none() || number != self.seen.number {
            self.open = Some((File::open(path(&self.rows, number))?, Hasher::new()));
            self.seen = Seen {
                number,
                ..Seen::default()
            };
        }
        let Some((file, hasher)) = &mut self.open else {
            return Ok(());
        };
        let bytes = file.metadata()?.len();
        if bytes > self.seen.bytes {
            hash_up_to(file, hasher, self.seen.bytes, bytes)?;
            file.sync_data()?;
            self.seen = Seen {
                number,
                bytes,
                hash: hasher.finish_128(),
            };
        }
        Ok(())
    }
}

fn is_out_of_files(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE))
}

/// Checks that what was synced of the manifest is still there.
pub(super) fn check(rows: &Path, seen: Seen) -> Result<(), StoreError> {
    let file_path = path(rows, seen.number);
    let damaged = || StoreError::ManifestDamaged {
        path: file_path.clone(),
    };
    let is_kept = || -> io::Result<bool> {
        let number = current_number(rows)?;
        if number > seen.number {
            // A start got as far as a new manifest, which repeats the old one and is synced
            // before it is used, but not as far as a mark.
            return Ok(true);
        }
        if number < seen.number {
            return Ok(false);
        }
        let file = File::open(&file_path)?;
        if file.metadata()?.len() < seen.bytes {
            return Ok(false);
        }
        let mut hasher = Hasher::new();
        hash_up_to(&file, &mut hasher, 0, seen.bytes)?;
        Ok(hasher.finish_128() == seen.hash)
    };
    match is_kept() {
        Ok(true) => Ok(()),
        Ok(false) => Err(damaged()),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(damaged()),
        Err(source) => Err(StoreError::io("read", &file_path, source)),
    }
}

/// The number of the manifest in use; `NotFound` also when CURRENT names none.
fn current_number(rows: &Path) -> io::Result<u64> {
    let current = fs::read(rows.join("CURRENT"))?;
    let number = str::from_utf8(&current).ok().and_then(|name| {
        name.strip_prefix("MANIFEST-")?
            .strip_suffix('\n')?
            .parse()
            .ok()
    });
    number.ok_or_else(|| ErrorKind::NotFound.into())
}

fn path(rows: &Path, number: u64) -> PathBuf {
    rows.join(format!("MANIFEST-{number:06}"))
}

fn hash_up_to(file: &File, hasher: &mut Hasher, from: u64, to: u64) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    let mut at = from;
    while at < to {
        let bytes = buffer
            .len()
            .min(usize::try_from(to - at).unwrap_or(usize::MAX));
        file.read_exact_at(&mut buffer[..bytes], at)?;
        hasher.write(&buffer[..bytes]);
        at += bytes as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(rows: &Path, number: u64, bytes: &[u8]) {
        fs::write(path(rows, number), bytes).unwrap();
        fs::write(rows.join("CURRENT"), format!("MANIFEST-{number:06}\n")).unwrap();
    }

    #[test]
    fn what_was_seen_must_stay_and_may_grow() {
        let rows = tempfile::tempdir().unwrap();
        let mut watch = Watch::new(rows.path().to_owned());
        assert_eq!(watch.look().unwrap(), Seen::default());
        write(rows.path(), 5, b"first");
        let first = watch.look().unwrap();
        write(rows.path(), 5, b"first and second");
        check(rows.path(), first).unwrap();
        let second = watch.look().unwrap();
        check(rows.path(), second).unwrap();
        for damage in [&b"first and secon"[..], b"first and secomd", b"", b"first"] {
            write(rows.path(), 5, damage);
            let error = check(rows.path(), second).unwrap_err();
            assert!(
                matches!(error, StoreError::ManifestDamaged { .. }),
                "{error}"
            );
        }
    }

    #[test]
    fn a_later_manifest_replaces_an_earlier_one_but_not_the_other_way() {
        let rows = tempfile::tempdir().unwrap();
        let mut watch = Watch::new(rows.path().to_owned());
        write(rows.path(), 5, b"old");
        let old = watch.look().unwrap();
        write(rows.path(), 9, b"new");
        let new = watch.look().unwrap();
        assert_eq!((new.number, new.bytes), (9, 3));
        check(rows.path(), old).unwrap();
        check(rows.path(), new).unwrap();
        write(rows.path(), 5, b"old");
        assert!(matches!(
            check(rows.path(), new),
            Err(StoreError::ManifestDamaged { .. })
        ));
        fs::remove_file(rows.path().join("CURRENT")).unwrap();
        assert!(matches!(
            check(rows.path(), new),
            Err(StoreError::ManifestDamaged { .. })
        ));
    }

    #[test]
    fn a_look_without_a_descriptor_to_spare_is_no_failure_of_the_disk() {
        assert!(is_out_of_files(&Errno::MFILE.into()));
        assert!(is_out_of_files(&Errno::NFILE.into()));
        assert!(!is_out_of_files(&Errno::IO.into()));
    }
}
