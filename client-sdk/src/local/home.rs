//! The directory of one device, and the lock that keeps a second process out of it.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use super::{Db, Secret};
use crate::config::StoreKeySource;
use crate::crypto::store_key::{STORE_KEY_BYTES, StoreKey};
use crate::error::OpenError;

const DATABASE: &str = "martlet.db";
const LOCK: &str = "lock";
const KEY_FILE: &str = "store.key";

/// A directory that this process has to itself. Two engines on one database would both use the
/// same stream position and message ids. The operating system drops the lock with the process.
#[derive(Debug)]
pub struct Home {
    dir: PathBuf,
    _lock: File,
}

impl Home {
    /// Creates the directory, readable by its owner only, and takes its lock.
    ///
    /// # Errors
    /// [`OpenError::Locked`] names the process that has it.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        create_dir(dir).map_err(|error| unusable(dir, error))?;
        let path = dir.join(LOCK);
        let mut lock = open_private(&path).map_err(|error| unusable(&path, error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::Locked {
                    pid: read_pid(&mut lock),
                });
            }
            Err(TryLockError::Error(reason)) => return Err(unusable(&path, reason)),
        }
        write_pid(&mut lock).map_err(|error| unusable(&path, error))?;
        // SQLite creates its side files with the mode of the database.
        let database = dir.join(DATABASE);
        open_private(&database).map_err(|error| unusable(&database, error))?;
        Ok(Self {
            dir: dir.to_owned(),
            _lock: lock,
        })
    }

    /// Opens the database of this home, or makes it.
    ///
    /// # Errors
    /// [`OpenError::WrongKey`], [`OpenError::KeyFileMissing`], [`OpenError::KeyFileInvalid`], or
    /// what is wrong with the database.
    pub fn database(&self, source: &StoreKeySource) -> Result<Db, OpenError> {
        let file = self.dir.join(DATABASE);
        let db = match source {
            StoreKeySource::KeyFile => Db::open(&file, Secret::Key(&self.key()?)),
            StoreKeySource::Key(key) => Db::open(&file, Secret::Key(key)),
            StoreKeySource::Passphrase(passphrase) => {
                Db::open(&file, Secret::Passphrase(passphrase))
            }
        };
        Ok(db?)
    }

    /// The key in the key file, which is made with a new home.
    fn key(&self) -> Result<StoreKey, OpenError> {
        let path = self.dir.join(KEY_FILE);
        let database = self.dir.join(DATABASE);
        let written = database.metadata().map(|found| found.len() > 0);
        if !written.map_err(|error| unusable(&database, error))? {
            return make_key(&path).map_err(|error| unusable(&path, error));
        }
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(OpenError::KeyFileMissing { path });
            }
            Err(error) => return Err(unusable(&path, error)),
        };
        let key = read_key(&text);
        key.ok_or(OpenError::KeyFileInvalid { path })
    }
}

/// Writes a new key. It is on the disk before anything is sealed with it.
fn make_key(path: &Path) -> io::Result<StoreKey> {
    let key = StoreKey::random();
    let mut file = open_private(path)?;
    file.set_len(0)?;
    file.write_all(HEXLOWER.encode(key.as_bytes()).as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    Ok(key)
}

fn read_key(text: &str) -> Option<StoreKey> {
    let bytes = HEXLOWER
        .decode(text.trim().as_bytes())
        .ok()
        .map(Zeroizing::new)?;
    let bytes: [u8; STORE_KEY_BYTES] = bytes.as_slice().try_into().ok()?;
    Some(StoreKey::from_bytes(bytes))
}

fn unusable(path: &Path, reason: io::Error) -> OpenError {
    OpenError::HomeUnusable {
        path: path.to_owned(),
        reason,
    }
}

fn create_dir(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(dir).map_err(|error| match error.kind() {
        // It exists, but as something else.
        io::ErrorKind::AlreadyExists => io::ErrorKind::NotADirectory.into(),
        _ => error,
    })
}

fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

/// Who has the lock; 0 when its holder has not written its id yet.
fn read_pid(lock: &mut File) -> u32 {
    let mut text = String::new();
    let read = lock.read_to_string(&mut text);
    read.ok()
        .and_then(|_| text.trim().parse().ok())
        .unwrap_or(0)
}

fn write_pid(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_opener_is_told_which_process_has_the_home() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        let error = Home::open(dir.path()).unwrap_err();
        assert!(
            matches!(error, OpenError::Locked { pid } if pid == std::process::id()),
            "{error}"
        );
        drop(home);
        assert!(Home::open(dir.path()).is_ok());
    }

    #[test]
    fn a_complaint_names_the_file_and_the_reason_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "not a home").unwrap();
        let error = Home::open(&file).unwrap_err();
        let wanted = format!("open the home {}: not a directory", file.display());
        assert_eq!(error.to_string(), wanted);
        assert!(std::error::Error::source(&error).is_none());

        let home = Home::open(dir.path()).unwrap();
        std::fs::write(dir.path().join(DATABASE), "not a database, but as long").unwrap();
        let error = home
            .database(&StoreKeySource::Key(StoreKey::random()))
            .unwrap_err();
        assert!(error.to_string().contains("backup"), "{error}");
        assert!(std::error::Error::source(&error).is_none());
    }

    #[test]
    fn the_key_file_opens_the_home_that_it_was_made_with() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        let source = StoreKeySource::KeyFile;
        drop(home.database(&source).unwrap());
        assert!(home.database(&source).is_ok());

        let key_file = dir.path().join(KEY_FILE);
        let kept = std::fs::read(&key_file).unwrap();
        std::fs::remove_file(&key_file).unwrap();
        let error = home.database(&source).unwrap_err();
        assert!(matches!(error, OpenError::KeyFileMissing { .. }), "{error}");
        assert!(error.to_string().contains("put it back"), "{error}");
        std::fs::write(&key_file, "not a key").unwrap();
        let error = home.database(&source).unwrap_err();
        assert!(matches!(error, OpenError::KeyFileInvalid { .. }), "{error}");
        make_key(&key_file).unwrap();
        let error = home.database(&source).unwrap_err();
        assert!(matches!(error, OpenError::WrongKey), "{error}");
        assert!(
            error.to_string().contains("with which it was made"),
            "{error}"
        );
        std::fs::write(&key_file, kept).unwrap();
        assert!(home.database(&source).is_ok());
    }

    #[test]
    fn a_holder_that_has_not_written_its_number_yet_is_another_process() {
        let dir = tempfile::tempdir().unwrap();
        let mut home = Home::open(dir.path()).unwrap();
        home._lock.set_len(0).unwrap();
        let error = Home::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("in use by another process"), "{error}");
        write_pid(&mut home._lock).unwrap();
        let error = Home::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("in use by process"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_the_home() {
        use std::fs;
        use std::os::unix::fs::PermissionsExt;

        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("home");
        let home = Home::open(&dir).unwrap();
        let _db = home.database(&StoreKeySource::KeyFile).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&dir), 0o700);
        for file in fs::read_dir(&dir).unwrap() {
            let path = file.unwrap().path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
    }
}
