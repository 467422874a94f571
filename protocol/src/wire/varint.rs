//! Varints: the low two bits of the first byte give the length, the rest is the value.
//!
//! ```text
//!  low bits   bytes   value
//!  00         1       0 ..= 2^6-1
//!  01         2       ..= 2^14-1
//!  10         4       ..= 2^30-1
//!  11         8       ..= 2^62-1
//! ```
//! One branch decides the length, where a continuation bit per byte would need one per byte. Only
//! the shortest form is legal: each value has one encoding, so bytes can be compared.

use crate::error::DecodeError;
use crate::limits::VARINT_MAX;

const MAX_1: u64 = (1 << 6) - 1;
const MAX_2: u64 = (1 << 14) - 1;
const MAX_4: u64 = (1 << 30) - 1;

/// Bytes that `value` takes.
#[must_use]
pub const fn encoded_len(value: u64) -> usize {
    if value <= MAX_1 {
        1
    } else if value <= MAX_2 {
        2
    } else if value <= MAX_4 {
        4
    } else {
        8
    }
}

/// The encoding of `value` in the first [`encoded_len`] bytes of the result.
///
/// # Panics
/// If `value` is above [`VARINT_MAX`]: a caller's error, never a peer's.
pub(super) const fn encode(value: u64) -> ([u8; 8], usize) {
    assert!(value <= VARINT_MAX, "a varint holds 62 bits");
    let len = encoded_len(value);
    let tag = match len {
        1 => 0,
        2 => 1,
        4 => 2,
        _ => 3,
    };
    (((value << 2) | tag).to_le_bytes(), len)
}

/// Splits one varint off `input`.
pub(super) fn take(input: &[u8]) -> Result<(u64, &[u8]), DecodeError> {
    const TRUNCATED: DecodeError = DecodeError::PayloadTruncated;
    let first = *input.first().ok_or(TRUNCATED)?;
    let (raw, shorter_max, rest) = match first & 3 {
        0 => {
            let (_, rest) = input.split_first().ok_or(TRUNCATED)?;
            return Ok((u64::from(first >> 2), rest));
        }
        1 => {
            let (bytes, rest) = input.split_first_chunk::<2>().ok_or(TRUNCATED)?;
            (u64::from(u16::from_le_bytes(*bytes)), MAX_1, rest)
        }
        2 => {
            let (bytes, rest) = input.split_first_chunk::<4>().ok_or(TRUNCATED)?;
            (u64::from(u32::from_le_bytes(*bytes)), MAX_2, rest)
        }
        _ => {
            let (bytes, rest) = input.split_first_chunk::<8>().ok_or(TRUNCATED)?;
            (u64::from_le_bytes(*bytes), MAX_4, rest)
        }
    };
    let value = raw >> 2;
    if value <= shorter_max {
        return Err(DecodeError::VarintNotMinimal);
    }
    Ok((value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_boundary_reads_back_in_its_shortest_form() {
        for value in [
            0,
            1,
            MAX_1,
            MAX_1 + 1,
            MAX_2,
            MAX_2 + 1,
            MAX_4,
            MAX_4 + 1,
            VARINT_MAX - 1,
            VARINT_MAX,
        ] {
            let (bytes, len) = encode(value);
            assert_eq!(len, encoded_len(value));
            assert_eq!(take(&bytes[..len]), Ok((value, &[][..])), "{value}");
            for cut in 0..len {
                assert_eq!(take(&bytes[..cut]), Err(DecodeError::PayloadTruncated));
            }
        }
    }

    #[test]
    fn a_longer_form_than_needed_is_refused() {
        for (value, tag, len) in [
            (5u64, 1u64, 2usize),
            (MAX_1, 2, 4),
            (MAX_2, 3, 8),
            (MAX_4, 3, 8),
        ] {
            let bytes = ((value << 2) | tag).to_le_bytes();
            assert_eq!(
                take(&bytes[..len]),
                Err(DecodeError::VarintNotMinimal),
                "{value}"
            );
        }
    }
}
