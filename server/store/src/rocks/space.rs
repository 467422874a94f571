//! How much room the data directory's file system still has.

use std::path::Path;

use super::StoreError;

/// The reserve that user messages never touch: a twentieth of the file system, at most 1 GiB.
///
/// Acknowledgements and receipts live on it while new messages are refused; on a large disk a
/// twentieth would refuse messages for no reason.
const RESERVE_PARTS: u64 = 20;
const RESERVE_BYTES_MAX: u64 = 1 << 30;

/// Whether less than the reserve is free.
pub(super) fn is_short(directory: &Path) -> Result<bool, StoreError> {
    let stat = rustix::fs::statvfs(directory)
        .map_err(|error| StoreError::io("ask for free space of", directory, error.into()))?;
    let bytes_total = stat.f_blocks.saturating_mul(stat.f_frsize);
    let bytes_free = stat.f_bavail.saturating_mul(stat.f_frsize);
    Ok(bytes_free < reserve_bytes(bytes_total))
}

fn reserve_bytes(bytes_total: u64) -> u64 {
    (bytes_total / RESERVE_PARTS).min(RESERVE_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_a_twentieth_and_never_more_than_a_gibibyte() {
        assert_eq!(reserve_bytes(200 << 20), 10 << 20);
        assert_eq!(reserve_bytes(4 << 40), 1 << 30);
    }
}
