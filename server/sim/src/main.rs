//! `sim --seed N`, or `sim --seeds N [--from S]`: plays seeds and says which promise broke. With
//! `--lines N` it shows so many lines of what led to that. `sim --marathon N` plays the marathon of
//! a seed, says where clients died in it, and which promise broke.

use std::io::{self, Write as _};
use std::process::ExitCode;

use martlet_sim::{Counters, LINES, run_keeping, run_marathon};

/// What is to be played.
#[derive(Clone, Copy, Debug)]
struct Order {
    from: u64,
    seeds: u64,
    lines: usize,
    /// It is a marathon.
    is_marathon: bool,
}

const USAGE: &str = "usage: sim (--seed SEED | --seeds COUNT [--from SEED]) [--lines COUNT]
       sim --marathon SEED";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(order) = parse(&arguments) else {
        let _ = writeln!(io::stderr(), "{USAGE}");
        return ExitCode::from(2);
    };
    let played = if order.is_marathon {
        play_marathon(order.from)
    } else {
        play(order)
    };
    match played {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // Nobody reads any more: what is left to say has no listener.
        Err(_) => ExitCode::FAILURE,
    }
}

fn parse(arguments: &[String]) -> Option<Order> {
    let (mut seed, mut seeds, mut from, mut lines) = (None, None, 0, LINES);
    let mut marathon = None;
    let mut rest = arguments.iter();
    while let Some(name) = rest.next() {
        let value: u64 = rest.next()?.parse().ok()?;
        match name.as_str() {
            "--seed" => seed = Some(value),
            "--seeds" => seeds = Some(value),
            "--from" => from = value,
            "--marathon" => marathon = Some(value),
            "--lines" => lines = usize::try_from(value).ok()?,
            _ => return None,
        }
    }
    let (from, seeds) = match (seed, seeds, marathon) {
        (Some(seed), None, None) | (None, None, Some(seed)) => (seed, 1),
        (None, Some(seeds), None) => (from, seeds),
        _ => return None,
    };
    Some(Order {
        from,
        seeds,
        lines,
        is_marathon: marathon.is_some(),
    })
}

fn play_marathon(seed: u64) -> io::Result<bool> {
    let marathon = run_marathon(seed);
    write!(io::stdout(), "{marathon}")?;
    Ok(marathon.report.violations.is_empty())
}

fn play(order: Order) -> io::Result<bool> {
    let Order {
        from, seeds, lines, ..
    } = order;
    let mut out = io::stdout();
    let mut total = Counters::default();
    let mut failed = 0;
    for seed in from..from.saturating_add(seeds) {
        // Before the run: a run that panics has said which it is.
        write!(out, "seed {seed} ")?;
        out.flush()?;
        let report = run_keeping(seed, lines);
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
