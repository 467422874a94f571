//! The high-water mark: a witness beside RocksDB of the newest commit that may be announced.
//!
//! ```text
//! MARK = two copies, at 0 and at 4096, of
//!        "MRTLMARK" · number u64 LE · hash u128 LE · crc32 u32 LE of the bytes before
//! ```
//!
//! Each mark goes to both copies, so that damage to one weakens nothing. It is written after the
//! commit's sync and before the commit is announced, so a killed process loses none of it. It is
//! synced at most every 50 ms: after a power cut it may name an older commit, which is still one
//! that was synced, so it never raises a false alarm.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::chain::Link;
use super::fatal::{AbortOnPanic, OnFatal, end_process};
use super::{CommitNumber, StoreError};

/// How long a mark may stay unsynced: a power cut hides the loss of at most this much.
const SYNC_INTERVAL: Duration = Duration::from_millis(50);

/// The distance of the copies: on no file system or disk is one unit of writing larger.
const COPY_BYTES: u64 = 4096;
const MAGIC: &[u8; 8] = b"MRTLMARK";
const MARK_BYTES: usize = 8 + 8 + 16 + 4;

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

#[derive(Debug, Default)]
struct State {
    is_dirty: bool,
    is_closing: bool,
}

/// Creates the file of a new directory.
pub(super) fn create(path: &Path, link: Link) -> Result<(), StoreError> {
    let write = || {
        let file = File::create(path)?;
        file.set_len(2 * COPY_BYTES)?;
        write_copies(&file, link)?;
        file.sync_all()
    };
    write().map_err(|source| StoreError::io("create", path, source))
}

/// Reads the newest commit that was announced.
pub(super) fn read(path: &Path) -> Result<Link, StoreError> {
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
    let newest = copies.into_iter().flatten().max_by_key(|link| link.number);
    newest.ok_or_else(|| StoreError::MarkDamaged {
        path: path.to_owned(),
    })
}

impl Mark {
    /// Opens the existing file, writes the newest commit of the store to it and syncs it.
    pub(super) fn open(path: &Path, link: Link, on_fatal: OnFatal) -> Result<Self, StoreError> {
        let start = || {
            let file = File::options().write(true).open(path)?;
            write_copies(&file, link)?;
            file.sync_all()?;
            let shared = Arc::new(Shared {
                file,
                path: path.to_owned(),
                state: Mutex::default(),
                changed: Condvar::new(),
            });
            let theirs = Arc::clone(&shared);
            let thread = std::thread::Builder::new()
                .name("mark".to_owned())
                .spawn(move || sync_until_closed(&theirs, &on_fatal))?;
            Ok(Self {
                shared,
                thread: Some(thread),
            })
        };
        start().map_err(|source| StoreError::io("open", path, source))
    }

    /// Raises the mark. A commit may be announced only after this.
    pub(super) fn raise(&self, link: Link) -> Result<(), StoreError> {
        write_copies(&self.shared.file, link)
            .map_err(|source| StoreError::io("write", &self.shared.path, source))?;
        let mut state = self.shared.state.lock();
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
fn sync_until_closed(shared: &Shared, on_fatal: &OnFatal) {
    let _guard = AbortOnPanic;
    let mut state = shared.state.lock();
    loop {
        while !state.is_dirty && !state.is_closing {
            shared.changed.wait(&mut state);
        }
        if state.is_dirty {
            state.is_dirty = false;
            drop(state);
            if let Err(source) = shared.file.sync_data() {
                end_process(on_fatal, &StoreError::io("sync", &shared.path, source));
            }
            state = shared.state.lock();
        }
        if state.is_closing && !state.is_dirty {
            return;
        }
        let rested = std::time::Instant::now() + SYNC_INTERVAL;
        while !state.is_closing && !shared.changed.wait_until(&mut state, rested).timed_out() {}
    }
}

fn write_copies(file: &File, link: Link) -> io::Result<()> {
    let bytes = encode(link);
    file.write_all_at(&bytes, 0)?;
    file.write_all_at(&bytes, COPY_BYTES)
}

fn encode(link: Link) -> [u8; MARK_BYTES] {
    let mut bytes = [0; MARK_BYTES];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..16].copy_from_slice(&link.number.0.to_le_bytes());
    bytes[16..32].copy_from_slice(&link.hash.to_le_bytes());
    let crc = crc32fast::hash(&bytes[..32]);
    bytes[32..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<Link> {
    let (body, rest) = bytes.split_at_checked(32)?;
    let crc = u32::from_le_bytes(*rest.first_chunk()?);
    let (magic, body) = body.split_first_chunk()?;
    let (number, body) = body.split_first_chunk()?;
    let hash = u128::from_le_bytes(*body.first_chunk()?);
    let is_whole = magic == MAGIC && crc == crc32fast::hash(&bytes[..32]);
    is_whole.then(|| Link {
        number: CommitNumber(u64::from_le_bytes(*number)),
        hash,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: Link = Link {
        number: CommitNumber(41),
        hash: 0xFEDC_BA98,
    };

    fn no_hook() -> OnFatal {
        Arc::new(|_| {})
    }

    #[test]
    fn a_raised_mark_is_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("MARK");
        create(&path, LINK).unwrap();
        assert_eq!(read(&path).unwrap(), LINK);
        let mark = Mark::open(&path, LINK, no_hook()).unwrap();
        let raised = Link {
            number: CommitNumber(42),
            hash: 7,
        };
        mark.raise(raised).unwrap();
        // Found without a sync or an orderly end, as after a kill.
        assert_eq!(read(&path).unwrap(), raised);
        drop(mark);
        assert_eq!(read(&path).unwrap(), raised);
    }

    #[test]
    fn one_damaged_copy_weakens_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("MARK");
        for at in [0, COPY_BYTES] {
            for bit in 0..MARK_BYTES as u64 * 8 {
                create(&path, LINK).unwrap();
                flip(&path, at * 8 + bit);
                assert_eq!(read(&path).unwrap(), LINK, "copy at {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn two_damaged_copies_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("MARK");
        create(&path, LINK).unwrap();
        flip(&path, 70);
        flip(&path, COPY_BYTES * 8 + 300 - 20);
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
