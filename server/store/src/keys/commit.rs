//! The ring of commits: the newest 256 commits, each with its number and its place in the chain.
//!
//! ```text
//! key   = shard 0xFFFF · tag 64 · slot u8                    slot = number modulo 256
//! value = format u8 (1) · number u64 LE · previous u128 LE · hash u128 LE
//! ```
//!
//! A ring, because only the newest rows prove that nothing is missing at the end of the log, and
//! 256 of them cover more commits than a mark can be behind after a power cut.

use super::{KeyTag, PREFIX_BYTES, key_prefix};
use crate::ShardId;

/// Rows in the ring.
pub const SLOTS: u64 = 256;

/// One row of the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitRow {
    /// The commit's number; the first commit of a directory is 1.
    pub number: u64,
    /// The chain's hash before this commit.
    pub previous: u128,
    /// The chain's hash including this commit.
    pub hash: u128,
}

/// The key of the slot that holds commit `number`.
pub fn key(number: u64) -> [u8; KEY_BYTES] {
    let [a, b, c] = key_prefix(ShardId::STORE, KeyTag::Commit);
    [a, b, c, (number % SLOTS) as u8]
}

impl CommitRow {
    /// The stored form.
    pub fn encode(&self) -> [u8; VALUE_BYTES] {
        let mut value = [0; VALUE_BYTES];
        value[0] = FORMAT;
        value[1..9].copy_from_slice(&self.number.to_le_bytes());
        value[9..25].copy_from_slice(&self.previous.to_le_bytes());
        value[25..].copy_from_slice(&self.hash.to_le_bytes());
        value
    }

    /// Reads the stored form; `None` when it is of another length or format.
    pub fn decode(value: &[u8]) -> Option<Self> {
        let (format, value) = value.split_first()?;
        let (number, value) = value.split_first_chunk()?;
        let (previous, value) = value.split_first_chunk()?;
        let (hash, rest) = value.split_first_chunk()?;
        (*format == FORMAT && rest.is_empty()).then(|| Self {
            number: u64::from_le_bytes(*number),
            previous: u128::from_le_bytes(*previous),
            hash: u128::from_le_bytes(*hash),
        })
    }
}

const KEY_BYTES: usize = PREFIX_BYTES + 1;
const VALUE_BYTES: usize = 1 + 8 + 16 + 16;
const FORMAT: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_comes_back_as_it_was_written() {
        let row = CommitRow {
            number: 258,
            previous: 7,
            hash: u128::MAX - 1,
        };
        assert_eq!(key(row.number), [0xFF, 0xFF, 64, 2]);
        assert_eq!(CommitRow::decode(&row.encode()), Some(row));
    }

    #[test]
    fn a_row_of_another_length_or_format_is_not_read() {
        let value = CommitRow {
            number: 1,
            previous: 2,
            hash: 3,
        }
        .encode();
        for end in 0..value.len() {
            assert_eq!(CommitRow::decode(&value[..end]), None);
        }
        let mut longer = value.to_vec();
        longer.push(0);
        assert_eq!(CommitRow::decode(&longer), None);
        let mut later = value;
        later[0] = FORMAT + 1;
        assert_eq!(CommitRow::decode(&later), None);
    }
}
