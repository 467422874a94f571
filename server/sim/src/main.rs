//! `sim --seed N`, or `sim --seeds N [--from S]`: plays seeds and says which promise broke.

use std::io::{self, Write as _};
use std::process::ExitCode;

use martlet_sim::{Counters, run};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((from, seeds)) = parse(&arguments) else {
        let usage = "usage: sim --seed N | sim --seeds COUNT [--from SEED]";
        let _ = writeln!(io::stderr(), "{usage}");
        return ExitCode::from(2);
    };
    match play(from, seeds) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // Nobody reads any more: what is left to say has no listener.
        Err(_) => ExitCode::FAILURE,
    }
}

/// The first seed and how many.
fn parse(arguments: &[String]) -> Option<(u64, u64)> {
    let (mut seed, mut seeds, mut from) = (None, None, 0);
    let mut rest = arguments.iter();
    while let Some(name) = rest.next() {
        let value = rest.next()?.parse().ok()?;
        match name.as_str() {
            "--seed" => seed = Some(value),
            "--seeds" => seeds = Some(value),
            "--from" => from = value,
            _ => return None,
        }
    }
    match (seed, seeds) {
        (Some(seed), None) => Some((seed, 1)),
        (None, Some(seeds)) => Some((from, seeds)),
        _ => None,
    }
}

fn play(from: u64, seeds: u64) -> io::Result<bool> {
    let mut out = io::stdout();
    let mut total = Counters::default();
    let mut failed = 0;
    for seed in from..from.saturating_add(seeds) {
        // Before the run: a run that panics has said which it is.
        write!(out, "seed {seed} ")?;
        out.flush()?;
        let report = run(seed);
        total.add(&report.counters);
        writeln!(
            out,
            "trace {:016x} lines {}",
            report.trace_hash, report.trace_lines
        )?;
        if !report.violations.is_empty() {
            failed += 1;
            write!(out, "{report}")?;
        }
    }
    for (name, count) in total.list() {
        writeln!(out, "{count:>9} {name}")?;
    }
    writeln!(out, "{failed} of {seeds} seeds failed")?;
    Ok(failed == 0)
}
