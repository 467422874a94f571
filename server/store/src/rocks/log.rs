//! A look over RocksDB's logs before RocksDB reads them, for the one damage that it hangs on.
//!
//! RocksDB 11.8.1 never gets past a record whose type says "from a recycled file" in a file that
//! is none: its reader reports nothing and does not move on. A single flipped bit does that. We
//! never recycle, so such a type is proof of damage. All other damage is left to RocksDB, to the
//! chain and to the mark.
//!
//! ```text
//! log   = blocks of 32 KiB; a record never crosses a block's end
//! record = crc u32 · length u16 LE · type u8 · data; fewer than 7 bytes at a block's end: padding
//! ```

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::StoreError;

const BLOCK_BYTES: usize = 32 << 10;
const HEADER_BYTES: usize = 7;

/// Refuses when a log or a manifest holds a record that only a recycled file may hold.
pub(super) fn check_all(rows: &Path) -> Result<(), StoreError> {
    for path in log_files(rows).map_err(|source| StoreError::io("list", rows, source))? {
        let found = File::open(&path)
            .and_then(find_recycled)
            .map_err(|source| StoreError::io("read", &path, source))?;
        if let Some(offset) = found {
            return Err(StoreError::LogDamaged { path, offset });
        }
    }
    Ok(())
}

fn log_files(rows: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(rows)? {
        let path = entry?.path();
        let is_manifest = path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.starts_with("MANIFEST-"));
        if is_manifest || path.extension().is_some_and(|end| end == "log") {
            files.push(path);
        }
    }
    Ok(files)
}

/// The offset of the first record with a type that only a recycled file may hold.
fn find_recycled(mut log: impl Read) -> io::Result<Option<u64>> {
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    let mut block_start = 0;
    loop {
        block.clear();
        log.by_ref()
            .take(BLOCK_BYTES as u64)
            .read_to_end(&mut block)?;
        if block.is_empty() {
            return Ok(None);
        }
        if let Some(offset) = find_in_block(&block) {
            return Ok(Some(block_start + offset as u64));
        }
        block_start += block.len() as u64;
    }
}

fn find_in_block(block: &[u8]) -> Option<usize> {
    let mut rest = block;
    while let Some((header, after)) = rest.split_first_chunk::<HEADER_BYTES>() {
        if is_recycled(header[6]) {
            return Some(block.len() - rest.len());
        }
        let length = usize::from(u16::from_le_bytes([header[4], header[5]]));
        // A length beyond the block is damage that RocksDB reports, going on at the next block.
        rest = after.get(length..)?;
    }
    None
}

/// The types that RocksDB gives to records of recycled files (`db/log_format.h`).
fn is_recycled(record_type: u8) -> bool {
    matches!(record_type, 5..=8 | 11 | 131)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(record_type: u8, length: usize) -> Vec<u8> {
        let [low, high] = u16::try_from(length).unwrap().to_le_bytes();
        let mut record = vec![1, 2, 3, 4, low, high, record_type];
        record.resize(HEADER_BYTES + length, 5);
        record
    }

    /// A full block: one large record, a small one, and padding too short for a header.
    fn block(second_type: u8) -> Vec<u8> {
        let mut block = record(1, BLOCK_BYTES - 2 * HEADER_BYTES - 10 - 3);
        block.extend(record(second_type, 10));
        block.resize(BLOCK_BYTES, 0);
        block
    }

    #[test]
    fn an_ordinary_log_passes() {
        let mut log = block(4);
        log.extend(block(1));
        log.extend(record(1, 100));
        for end in [
            0,
            1,
            6,
            7,
            BLOCK_BYTES,
            BLOCK_BYTES + 3,
            log.len() - 1,
            log.len(),
        ] {
            assert_eq!(find_recycled(&log[..end]).unwrap(), None, "cut at {end}");
        }
    }

    #[test]
    fn a_record_that_only_a_recycled_file_may_hold_is_found() {
        for record_type in [5, 6, 7, 8, 11, 131] {
            let mut log = block(1);
            log.extend(block(record_type));
            let offset = (2 * BLOCK_BYTES - 3 - 10 - HEADER_BYTES) as u64;
            assert_eq!(
                find_recycled(&log[..]).unwrap(),
                Some(offset),
                "type {record_type}"
            );
        }
    }
}
