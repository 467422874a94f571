//! Deaths inside a call: at its commit, behind it, and at each step in turn.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test binary uses its part; all are tests"
)]

use std::fmt::Debug;

use martlet_client::local::Breaker;

use crate::lab::Lab;

/// SQLite looks up at jumps and at the ends of statements only, which are farther apart than this.
const STRIDE: usize = 5;

/// Where a process dies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Death {
    AtCommit,
    BehindCommit,
    AtStep(u64),
}

impl Death {
    /// Every death until one comes too late.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let steps = (1..).step_by(STRIDE).map(Self::AtStep);
        [Self::AtCommit, Self::BehindCommit]
            .into_iter()
            .chain(steps)
    }

    pub(crate) fn prepare(self, breaker: &Breaker) {
        match self {
            Self::AtCommit => breaker.fail_at_commit(1),
            Self::BehindCommit => breaker.fail_behind_commit(1),
            Self::AtStep(step) => breaker.fail_at_step(step),
        }
    }
}

/// Whether a call was done. If not, its process has died, and starts again.
pub(crate) fn is_done<T>(
    lab: &mut Lab,
    who: usize,
    breaker: &Breaker,
    result: &Result<T, impl Debug>,
) -> bool {
    let is_dead = breaker.has_blown();
    // At the end of a transaction that has only read nobody hears of it, and nothing is lost.
    assert!(is_dead || result.is_ok(), "an error from nowhere");
    breaker.reset();
    if is_dead {
        lab.crash(who);
    }
    !is_dead
}
