//! What happened, one line an event: hashed always, so that two runs can be compared byte for byte,
//! and the newest lines kept for the report of a failure.

use std::collections::VecDeque;
use std::fmt;
use std::fmt::Write as _;

use crate::schedule::Time;

/// The record of a run.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    hash: u64,
    lines: u64,
    newest: VecDeque<String>,
    keep: usize,
    line: String,
}

impl Trace {
    /// A trace that keeps the newest `keep` lines.
    pub(crate) fn new(keep: usize) -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            keep,
            ..Self::default()
        }
    }

    pub(crate) fn note(&mut self, now: Time, what: fmt::Arguments<'_>) {
        let line = &mut self.line;
        line.clear();
        write!(line, "{:>10} {what}", now.0).expect("a string takes any text");
        for byte in line.bytes() {
            // FNV-1a: it needs no quality, only that no difference goes unnoticed.
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.lines += 1;
        if self.keep > 0 {
            if self.newest.len() == self.keep {
                self.newest.pop_front();
            }
            self.newest.push_back(line.clone());
        }
    }

    /// A hash of every line.
    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }

    /// How many lines there were.
    pub(crate) const fn lines(&self) -> u64 {
        self.lines
    }

    /// The newest lines.
    pub(crate) fn newest(&self) -> impl Iterator<Item = &str> {
        self.newest.iter().map(String::as_str)
    }
}
