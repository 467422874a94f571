//! The reading side of a store.

use bytes::Bytes;

/// A row: its key and its value.
pub type Row = (Bytes, Bytes);

/// Reads of the rows, the same for the memory twin and for RocksDB.
///
/// Reads never fail: what cannot be read (an I/O error, a wrong checksum) ends the process with
/// exit code 74, because to answer "no such row" would be a lie.
///
/// Ranges are half open, `from..to`, and stay within one key tag of one shard.
pub trait View {
    /// The value of `key`, if there is such a row.
    fn get(&self, key: &[u8]) -> Option<Bytes>;

    /// The first row at or after `from` and before `to`.
    fn first(&self, from: &[u8], to: &[u8]) -> Option<Row>;

    /// The last row at or after `from` and before `to`.
    fn last(&self, from: &[u8], to: &[u8]) -> Option<Row>;

    /// The rows of `from..to` in key order: at most `rows_max`, and none after the row that makes
    /// keys and values together reach `bytes_max`.
    ///
    /// A row larger than `bytes_max` is still returned when it is the first, or a reader that
    /// goes on behind the last row it got could never pass it.
    fn scan(&self, from: &[u8], to: &[u8], rows_max: usize, bytes_max: usize) -> Vec<Row>;
}

/// What a scan may still return. Both stores count with it, so that they stop at the same row.
pub(crate) struct ScanBudget {
    rows: usize,
    bytes: usize,
}

impl ScanBudget {
    pub(crate) fn new(rows_max: usize, bytes_max: usize) -> Self {
        Self {
            rows: rows_max,
            bytes: bytes_max.max(1),
        }
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.rows == 0 || self.bytes == 0
    }

    pub(crate) fn charge(&mut self, key: &[u8], value: &[u8]) {
        self.rows = self.rows.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(key.len() + value.len());
    }
}
