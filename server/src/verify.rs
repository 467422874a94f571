//! `martletd verify`: every invariant of a data directory that no server uses.

use std::io::{self, Write};

use martlet_shard::Topology;
use martlet_shard::verify::Verifier;
use martlet_store::rocks;

use crate::args::VerifyArgs;
use crate::error::StartError;

/// Reads every row, prints what was found, and fails when anything does not fit.
///
/// # Errors
/// When the store is damaged or cannot be read, or rows contradict each other.
pub fn verify(args: &VerifyArgs) -> Result<(), StartError> {
    let creation = rocks::verify::creation(&args.data_dir)?;
    let mut verifier = Verifier::new(Topology {
        shards: creation.shards,
        seed: creation.seed,
    });
    let report = rocks::verify::verify(&args.data_dir, &mut |key, value| {
        verifier.row(key, value);
    })?;
    let (counts, problems) = verifier.finish();
    // When standard output is closed, the exit code still tells.
    let mut out = io::stdout();
    for problem in &problems {
        let _ = writeln!(out, "{problem}");
    }
    let _ = writeln!(
        out,
        "{}: {} rows, {} bytes, commit {} (mark {}), {} shards, {} accounts, {} devices, \
         {} messages, {} items waiting",
        if problems.is_empty() {
            "clean"
        } else {
            "damaged"
        },
        report.rows,
        report.bytes,
        report.newest,
        report.mark,
        report.shards,
        counts.accounts,
        counts.devices,
        counts.messages,
        counts.waiting,
    );
    if problems.is_empty() {
        Ok(())
    } else {
        Err(StartError::InvariantsBroken {
            count: problems.len(),
        })
    }
}
