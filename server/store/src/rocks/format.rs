//! The data directory: its files, its lock, and FORMAT, which says how to read the rest.
//!
//! ```text
//! DIR/FORMAT   version, shards, seed; text with a checksum; written once
//! DIR/LOCK     locked while a process uses the directory
//! DIR/MARK     the high-water mark of commits
//! DIR/rows/    RocksDB
//! ```

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::StoreError;

/// The version that this program reads and writes. Version 2 brought device lists and prekeys.
pub(super) const VERSION: u32 = 2;

/// What FORMAT says; it never changes after the directory was created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    /// How many shards there are.
    pub(super) shards: u16,
    /// The seed of the hash that maps handles to shards.
    pub(super) seed: u64,
}

/// The paths of one data directory.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    directory: PathBuf,
}

impl Paths {
    pub(super) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
        }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn format(&self) -> PathBuf {
        self.directory.join("FORMAT")
    }

    pub(super) fn mark(&self) -> PathBuf {
        self.directory.join("MARK")
    }

    pub(super) fn rows(&self) -> PathBuf {
        self.directory.join("rows")
    }

    /// Whether RocksDB has ever finished creating its files here.
    pub(super) fn has_rows(&self) -> bool {
        self.rows().join("CURRENT").exists()
    }

    /// Creates the directory if it is missing, and makes its name durable.
    pub(super) fn create(&self) -> Result<(), StoreError> {
        create_durably(&self.directory)
            .map_err(|source| StoreError::io("create", &self.directory, source))
    }

    /// Creates the directory of RocksDB's files if it is missing, and makes its name durable:
    /// RocksDB itself syncs what is in it, but not that it exists.
    pub(super) fn create_rows(&self) -> Result<(), StoreError> {
        let rows = self.rows();
        create_durably(&rows).map_err(|source| StoreError::io("create", &rows, source))
    }

    /// Takes the directory for this process until the file is dropped.
    pub(super) fn lock(&self) -> Result<File, StoreError> {
        let path = self.directory.join("LOCK");
        let file = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|source| StoreError::io("create", &path, source))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked {
                directory: self.directory.clone(),
            }),
            Err(TryLockError::Error(source)) => Err(StoreError::io("lock", &path, source)),
        }
    }

    /// Makes the names of new files in the directory durable.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        File::open(&self.directory)
            .and_then(|directory| directory.sync_all())
            .map_err(|source| StoreError::io("sync", &self.directory, source))
    }
}

/// Creates a directory and the ones above it, and syncs the one that lists it.
fn create_durably(directory: &Path) -> io::Result<()> {
    let parent = match directory.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        // The root of the file system.
        None => return Ok(()),
    };
    if !directory.is_dir() {
        if !parent.is_dir() {
            create_durably(parent)?;
        }
        fs::create_dir(directory)?;
    }
    // Also when it was there: an earlier start may have ended before this.
    File::open(parent)?.sync_all()
}

impl Format {
    /// Reads FORMAT of a directory that was used before.
    pub(super) fn existing(paths: &Paths) -> Result<Self, StoreError> {
        match Self::read(paths)? {
            Some(format) => Ok(format),
            None if paths.mark().exists() || paths.has_rows() => Err(StoreError::FormatMissing {
                path: paths.format(),
            }),
            None => Err(StoreError::NotADataDirectory {
                directory: paths.directory.clone(),
            }),
        }
    }

    /// Reads FORMAT; `None` when there is none.
    pub(super) fn read(paths: &Paths) -> Result<Option<Self>, StoreError> {
        let path = paths.format();
        match fs::read(&path) {
            Ok(text) => Self::parse(&text, &path).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StoreError::io("read", &path, source)),
        }
    }

    /// Writes FORMAT so that it is there whole or not at all.
    pub(super) fn create(self, paths: &Paths) -> Result<(), StoreError> {
        let path = paths.format();
        let draft = path.with_extension("new");
        let write = || {
            let mut file = File::create(&draft)?;
            file.write_all(self.text().as_bytes())?;
            file.sync_all()?;
            fs::rename(&draft, &path)
        };
        write().map_err(|source| StoreError::io("write", &path, source))?;
        paths.sync()
    }

    fn text(self) -> String {
        let body = format!(
            "martlet {VERSION}\nshards {}\nseed {:016x}\n",
            self.shards, self.seed
        );
        let crc = crc32fast::hash(body.as_bytes());
        format!("{body}crc {crc:08x}\n")
    }

    fn parse(text: &[u8], path: &Path) -> Result<Self, StoreError> {
        let damaged = || StoreError::FormatDamaged {
            path: path.to_owned(),
        };
        let text = str::from_utf8(text).map_err(|_| damaged())?;
        let mut lines = text.lines();
        let mut field = |name: &str| {
            let line = lines.next().ok_or_else(damaged)?;
            line.strip_prefix(name)
                .and_then(|line| line.strip_prefix(' '))
                .ok_or_else(damaged)
        };
        // The version comes first and alone, because only it says what follows.
        let found = field("martlet")?.parse().map_err(|_| damaged())?;
        if found != VERSION {
            return Err(StoreError::FormatUnknown {
                found,
                known: VERSION,
            });
        }
        let shards = field("shards")?.parse().map_err(|_| damaged())?;
        let seed = u64::from_str_radix(field("seed")?, 16).map_err(|_| damaged())?;
        let format = Self { shards, seed };
        // Whatever else differs from what we would write is damage, the checksum included.
        if text == format.text() {
            Ok(format)
        } else {
            Err(damaged())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &[u8]) -> Result<Format, StoreError> {
        Format::parse(text, Path::new("FORMAT"))
    }

    #[test]
    fn the_file_keeps_shards_and_seed() {
        let format = Format {
            shards: 64,
            seed: 0xABC,
        };
        assert_eq!(
            format.text(),
            "martlet 2\nshards 64\nseed 0000000000000abc\ncrc 16c7fcfd\n"
        );
        assert_eq!(parse(format.text().as_bytes()).unwrap(), format);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let text = Format {
            shards: 64,
            seed: 0x0123_4567_89AB_CDEF,
        }
        .text()
        .into_bytes();
        for bit in 0..text.len() * 8 {
            let mut flipped = text.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(parse(&flipped).is_err(), "bit {bit}");
        }
        for end in 0..text.len() {
            assert!(parse(&text[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn another_version_is_named_and_not_guessed() {
        let error = parse(b"martlet 3\nsomething new\n").unwrap_err();
        assert!(matches!(
            error,
            StoreError::FormatUnknown { found: 3, known: 2 }
        ));
        let error = parse(b"martlet 1\nshards 64\n").unwrap_err();
        assert!(matches!(
            error,
            StoreError::FormatUnknown { found: 1, known: 2 }
        ));
    }
}
