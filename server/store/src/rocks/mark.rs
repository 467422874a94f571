//! The high-water mark: a witness beside RocksDB of the newest commit that may be announced.
//!
//! ```text
//! MARK = two copies, at 0 and at 4096, of
//!        "MRTLMARK" · genesis u128 · commit number u64 · chain hash u128
//!        · manifest number u64 · manifest bytes u64 · manifest hash u128
//!        · crc32 u32 of the bytes before; all little-endian
//! ```
//!
//! Each mark goes to both copies, so that damage to one weakens nothing. It is written after the
//! commit's sync and before the commit is announced, so a killed process loses none of it. It is
//! synced at most every 50 ms: after a power cut it may name an older commit, which is still one
//! that was synced, so it never raises a false alarm. What it says of RocksDB's manifest is as
//! old as the last sync, which is enough: a manifest grows only when a memtable is written out.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::chain::Link;
use super::fatal::{AbortOnPanic, OnFatal, end_process};
use super::manifest::{Seen, Watch};
use super::{CommitNumber, StoreError};

/// How long a mark may stay unsynced: a power cut hides the loss of at most this much.
const SYNC_INTERVAL: Duration = Duration::from_millis(50);

/// The distance of the copies: on no file system or disk is one unit of writing larger.
const COPY_BYTES: u64 = 4096;
const MAGIC: &[u8; 8] = b"MRTLMARK";
const BODY_BYTES: usize = 8 + 16 + 8 + 16 + 8 + 8 + 16;
const MARK_BYTES: usize = BODY_BYTES + 4;

/// What the mark bears witness of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Witness {
    /// The hash before the first commit: which directory this is.
    pub(super) genesis: u128,
    /// The newest commit that was announced.
    pub(super) link: Link,
    /// What was synced of the manifest.
    pub(super) manifest: Seen,
}

/// The open MARK file and the thread that syncs it.
#[derive(Debug)]
pub(super) struct Mark {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    file: File,
    path: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    witness: Witness,
    is_dirty: bool,
    is_closing: bool,
}

/// Creates the file of a new directory.
pub(super) fn create(path: &Path, genesis: Link) -> Result<(), StoreError> {
    let witness = Witness {
        genesis: genesis.hash,
        link: genesis,
        manifest: Seen::default(),
    };
    let write = || {
        let file = File::create(path)?;
        file.set_len(2 * COPY_BYTES)?;
        write_copies(&file, &witness)?;
        file.sync_all()
    };
    write().map_err(|source| StoreError::io("create", path, source))
}

/// Reads what the mark bears witness of.
pub(super) fn read(path: &Path) -> Result<Witness, StoreError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(StoreError::MarkMissing {
                path: path.to_owned(),
            });
        }
        Err(source) => return Err(StoreError::io("read", path, source)),
    };
    let copies = [0, COPY_BYTES as usize].map(|at| bytes.get(at..).and_then(decode));
    if copies.contains(&None) && copies != [None, None] {
        tracing::warn!(
            event = "mark_copy_damaged",
            "one copy of the high-water mark is damaged"
        );
    }
    let newest = copies
        .into_iter()
        .flatten()
        .max_by_key(|copy| copy.link.number);
    newest.ok_or_else(|| StoreError::MarkDamaged {
        path: path.to_owned(),
    })
}

impl Mark {
    /// Opens the existing file and lets it bear witness of an opened store that ends at `link`.
    pub(super) fn open(
        path: &Path,
        genesis: Link,
        link: Link,
        mut watch: Watch,
        on_fatal: OnFatal,
    ) -> Result<Self, StoreError> {
        let start = || {
            let file = File::options().write(true).open(path)?;
            let genesis = genesis.hash;
            let witness = Witness {
                genesis,
                link,
                manifest: watch.look()?,
            };
            write_copies(&file, &witness)?;
            file.sync_all()?;
            let shared = Arc::new(Shared {
                file,
                path: path.to_owned(),
                state: Mutex::new(State {
                    witness,
                    is_dirty: false,
                    is_closing: false,
                }),
                changed: Condvar::new(),
            });
            let theirs = Arc::clone(&shared);
            let thread = std::thread::Builder::new()
                .name("mark".to_owned())
                .spawn(move || sync_until_closed(&theirs, watch, &on_fatal))?;
            Ok(Self {
                shared,
                thread: Some(thread),
            })
        };
        start().map_err(|source| StoreError::io("open", path, source))
    }

    /// Raises the mark. A commit may be announced only after this.
    pub(super) fn raise(&self, link: Link) -> Result<(), StoreError> {
        let mut state = self.shared.state.lock();
        let witness = Witness {
            link,
            ..state.witness
        };
        write_copies(&self.shared.file, &witness)
            .map_err(|source| StoreError::io("write", &self.shared.path, source))?;
        state.witness = witness;
        if !state.is_dirty {
            state.is_dirty = true;
            self.shared.changed.notify_one();
        }
        Ok(())
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.shared.state.lock().is_closing = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // It can't have panicked: that would have ended the process.
            let _ = thread.join();
        }
    }
}

/// The mark thread: syncs what is dirty, then rests, so that syncs are an interval apart.
fn sync_until_closed(shared: &Shared, mut watch: Watch, on_fatal: &OnFatal) {
    let _guard = AbortOnPanic;
    let mut state = shared.state.lock();
    loop {
        while !state.is_dirty && !state.is_closing {
            shared.changed.wait(&mut state);
        }
        if state.is_dirty {
            state.is_dirty = false;
            drop(state);
            if let Err(source) = shared.sync(&mut watch) {
                end_process(on_fatal, &StoreError::io("sync", &shared.path, source));
            }
            state = shared.state.lock();
        }
        if state.is_closing && !state.is_dirty {
            return;
        }
        let rested = Instant::now() + SYNC_INTERVAL;
        while !state.is_closing && !shared.changed.wait_until(&mut state, rested).timed_out() {}
    }
}

impl Shared {
    /// Takes the manifest into the mark if it has changed, and syncs the mark.
    fn sync(&self, watch: &mut Watch) -> io::Result<()> {
        // Everything goes on working in files that nobody can find again; SENT would be a lie.
        if self.file.metadata()?.nlink() == 0 {
            return Err(io::Error::other("the file was removed under the server"));
        }
        let manifest = watch.look()?;
        let mut state = self.state.lock();
        if manifest != state.witness.manifest {
            let witness = Witness {
                manifest,
                ..state.witness
            };
            write_copies(&self.file, &witness)?;
            state.witness = witness;
        }
        drop(state);
        self.file.sync_data()
    }
}

fn write_copies(file: &File, witness: &Witness) -> io::Result<()> {
    let bytes = encode(witness);
    file.write_all_at(&bytes, 0)?;
    file.write_all_at(&bytes, COPY_BYTES)
}

fn encode(witness: &Witness) -> [u8; MARK_BYTES] {
    let Witness {
        genesis,
        link,
        manifest,
    } = witness;
    let mut bytes = [0; MARK_BYTES];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..24].copy_from_slice(&genesis.to_le_bytes());
    bytes[24..32].copy_from_slice(&link.number.0.to_le_bytes());
    bytes[32..48].copy_from_slice(&link.hash.to_le_bytes());
    bytes[48..56].copy_from_slice(&manifest.number.to_le_bytes());
    bytes[56..64].copy_from_slice(&manifest.bytes.to_le_bytes());
    bytes[64..80].copy_from_slice(&manifest.hash.to_le_bytes());
    let crc = crc32fast::hash(&bytes[..BODY_BYTES]);
    bytes[BODY_BYTES..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<Witness> {
    let (body, rest) = bytes.split_at_checked(BODY_BYTES)?;
    let crc = u32::from_le_bytes(*rest.first_chunk()?);
    if crc != crc32fast::hash(body) {
        return None;
    }
    let body = body.strip_prefix(MAGIC)?;
    let (genesis, body) = body.split_first_chunk()?;
    let (number, body) = body.split_first_chunk()?;
    let (hash, body) = body.split_first_chunk()?;
    let number = CommitNumber(u64::from_le_bytes(*number));
    let link = Link {
        number,
        hash: u128::from_le_bytes(*hash),
    };
    let (number, body) = body.split_first_chunk()?;
    let (bytes, body) = body.split_first_chunk()?;
    let manifest = Seen {
        number: u64::from_le_bytes(*number),
        bytes: u64::from_le_bytes(*bytes),
        hash: u128::from_le_bytes(*body.first_chunk()?),
    };
    let genesis = u128::from_le_bytes(*genesis);
    Some(Witness {
        genesis,
        link,
        manifest,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: Link = Link {
        number: CommitNumber(41),
        hash: 0xFEDC_BA98,
    };

    #[test]
    fn a_raised_mark_is_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("MARK");
        create(&path, LINK).unwrap();
        assert_eq!(read(&path).unwrap().link, LINK);
        std::fs::write(dir.path().join("CURRENT"), "MANIFEST-000004\n").unwrap();
        std::fs::write(dir.path().join("MANIFEST-000004"), "list").unwrap();
        let watch = Watch::new(dir.path().to_owned());
        let mark = Mark::open(&path, LINK, LINK, watch, Arc::new(|_| {})).unwrap();
        let manifest = Seen {
            number: 4,
            bytes: 4,
            hash: crate::hash128(&[b"list"]),
        };
        assert_eq!(
            read(&path).unwrap(),
            Witness {
                genesis: LINK.hash,
                link: LINK,
                manifest
            }
        );
        let link = Link {
            number: CommitNumber(42),
            hash: 7,
        };
        mark.raise(link).unwrap();
        // Found without a sync or an orderly end, as after a kill.
        assert_eq!(
            read(&path).unwrap(),
            Witness {
                genesis: LINK.hash,
                link,
                manifest
            }
        );
        drop(mark);
        assert_eq!(
            read(&path).unwrap(),
            Witness {
                genesis: LINK.hash,
                link,
                manifest
            }
        );
    }

    #[test]
    fn one_damaged_copy_weakens_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("MARK");
        for at in [0, COPY_BYTES] {
            for bit in 0..MARK_BYTES as u64 * 8 {
                create(&path, LINK).unwrap();
                flip(&path, at * 8 + bit);
                assert_eq!(read(&path).unwrap().link, LINK, "copy at {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn two_damaged_copies_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("MARK");
        create(&path, LINK).unwrap();
        flip(&path, 70);
        flip(&path, COPY_BYTES * 8 + 280);
        assert!(matches!(read(&path), Err(StoreError::MarkDamaged { .. })));
        std::fs::write(&path, b"").unwrap();
        assert!(matches!(read(&path), Err(StoreError::MarkDamaged { .. })));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(read(&path), Err(StoreError::MarkMissing { .. })));
    }

    fn flip(path: &Path, bit: u64) {
        let mut bytes = std::fs::read(path).unwrap();
        bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
        std::fs::write(path, bytes).unwrap();
    }
}
