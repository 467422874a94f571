//! How long the disk takes to make four kilobytes durable: the floor under every durable figure.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::relay::prewritten;
use crate::tally::Latency;

/// Writes 4 KiB at a time into a pre-written, recycled file at `path` and syncs after each (L3),
/// for `time`. Adds the sync times, the write included, to `latency`.
pub fn probe_sync(path: &Path, time: Duration, latency: &mut Latency) -> Result<()> {
    let file = prewritten(path, PROBE_BYTES)?;
    let block = [0x5a; BLOCK_BYTES];
    let start = Instant::now();
    let mut offset = 0;
    while start.elapsed() < time {
        let before = Instant::now();
        file.write_all_at(&block, offset as u64)
            .and_then(|()| file.sync_data())
            .with_context(|| format!("write and sync {}", path.display()))?;
        latency.record(before.elapsed());
        offset = (offset + BLOCK_BYTES) % PROBE_BYTES;
    }
    Ok(())
}

const BLOCK_BYTES: usize = 4096;

const PROBE_BYTES: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sync_is_counted_and_the_probe_ends() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("probe");
        let mut latency = Latency::new();
        probe_sync(&path, Duration::from_millis(50), &mut latency).unwrap();
        assert!(latency.percentiles().count > 0);
        assert_eq!(path.metadata().unwrap().len(), PROBE_BYTES as u64);
    }
}
