//! A run and its report.

use std::fmt;

use crate::counters::Counters;
use crate::env::Env;
use crate::lie::Lie;
use crate::mutant::{Mutant, Wrong};
use crate::world::World;

/// How many lines of the trace a report of a broken promise shows.
pub const LINES: usize = 60;

/// What became of one seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// A hash of everything that happened.
    pub trace_hash: u64,
    /// How much happened.
    pub trace_lines: u64,
    /// How often what happened.
    pub counters: Counters,
    /// How often a client could know that the server lies about an account.
    pub lies_evident: usize,
    /// How often one has said so, and by its name.
    pub lies_named: usize,
    /// Promises that were broken: none, or the seed has found a fault.
    pub violations: Vec<String>,
    /// What happened just before.
    pub newest: Vec<String>,
}

/// Plays a seed.
pub fn run(seed: u64) -> Report {
    play(seed, Wrong::Nothing, LINES)
}

/// Plays a seed, and keeps so many lines of its trace if it breaks a promise.
pub fn run_keeping(seed: u64, lines: usize) -> Report {
    play(seed, Wrong::Nothing, lines)
}

/// Plays a seed against a server that is wrong on purpose.
pub fn run_mutant(seed: u64, mutant: Mutant) -> Report {
    play(seed, Wrong::Mutant(mutant), LINES)
}

/// Plays a seed against a server that lies to its clients. What each of them must say of that is
/// one more promise.
pub fn run_liar(seed: u64, lie: Lie) -> Report {
    play(seed, Wrong::Liar(lie), LINES)
}

fn play(seed: u64, wrong: Wrong, lines: usize) -> Report {
    Report::of(seed, &World::new(seed, wrong, lines).run())
}

impl Report {
    /// What became of a run that is over.
    pub(crate) fn of(seed: u64, env: &Env) -> Self {
        let violations = env.ledger.violations().to_vec();
        let (lies_evident, lies_named) = env.ledger.lies();
        let newest = env.trace.newest().map(str::to_owned);
        let newest = if violations.is_empty() {
            Vec::new()
        } else {
            newest.collect()
        };
        Self {
            seed,
            trace_hash: env.trace.hash(),
            trace_lines: env.trace.lines(),
            counters: env.counters,
            lies_evident,
            lies_named,
            violations,
            newest,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.newest {
            writeln!(f, "  {line}")?;
        }
        for violation in &self.violations {
            writeln!(f, "seed {}: {violation}", self.seed)?;
        }
        Ok(())
    }
}
