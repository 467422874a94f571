//! A process that dies again and again, at each step of its work in turn.

use std::collections::BTreeMap;

use martlet_client::MessageId;
use martlet_client::local::Breaker;

use crate::rng::Rng;

/// Calls of the engine after a start at which a process dies in turn: enough to connect, to catch
/// up and to be in the middle of several conversations.
const CALLS: u64 = 160;

/// The longest way into a call, as a power of two of SQLite's steps.
const STEPS_LOG_MAX: u64 = 11;

/// How a process dies, life after life.
#[derive(Debug)]
pub(crate) struct Sweep {
    breaker: Breaker,
    lives: u64,
    has_ended: bool,
    /// Whether the newest death was inside a call.
    was_inside: bool,
    pub(crate) deaths: Deaths,
}

/// Where processes have died, and how often.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Deaths {
    /// After one call and before another one.
    pub(crate) between: BTreeMap<(&'static str, &'static str), u64>,
    /// Inside a call.
    pub(crate) inside: BTreeMap<&'static str, u64>,
    /// Messages that were being written: all of it was stored, or nothing.
    pub(crate) writes_whole: u64,
    pub(crate) writes_undone: u64,
}

/// What a person was doing when the process died.
#[derive(Debug)]
pub(crate) enum Doubt {
    Write(Draft),
    Read { peer: String, id: MessageId },
}

/// A message that may be in the outbox.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) to: String,
    pub(crate) account: Option<usize>,
    pub(crate) text: String,
    pub(crate) number: u64,
    pub(crate) has_ttl: bool,
}

/// A way to die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Between two calls.
    Between,
    /// In the middle of a call's work on the database.
    AtStep,
    /// Instead of a commit.
    AtCommit,
    /// When the commit is done and nobody knows.
    BehindCommit,
}

impl Sweep {
    /// Each device begins with another way.
    pub(crate) fn new(breaker: Breaker, device: usize) -> Self {
        Self {
            breaker,
            lives: CALLS * device as u64,
            has_ended: false,
            was_inside: false,
            deaths: Deaths::default(),
        }
    }

    /// A life begins: how many calls it has.
    pub(crate) fn next_life(&mut self) -> Option<u64> {
        self.breaker.reset();
        self.lives += 1;
        (!self.has_ended).then_some((self.lives - 1) % CALLS)
    }

    /// All is whole from now on.
    pub(crate) fn end(&mut self) {
        self.has_ended = true;
        self.breaker.reset();
    }

    /// The last call of this life is due: whether the process dies before it. Otherwise it dies in
    /// it, or in the next one that does enough.
    pub(crate) fn dies_between(
        &mut self,
        rng: &mut Rng,
        newest: &'static str,
        next: &'static str,
    ) -> bool {
        // Each turn through the steps is in another way than the one before it.
        let way = match ((self.lives - 1) / CALLS + self.lives) % 5 {
            0 | 1 => Way::Between,
            2 => Way::AtStep,
            3 => Way::AtCommit,
            _ => Way::BehindCommit,
        };
        match way {
            Way::Between => {
                *self.deaths.between.entry((newest, next)).or_default() += 1;
                self.was_inside = false;
            }
            Way::AtStep => {
                let least = 1 << rng.below(STEPS_LOG_MAX);
                self.breaker.fail_at_step(rng.between(least, 2 * least));
            }
            Way::AtCommit => self.breaker.fail_at_commit(1),
            Way::BehindCommit => self.breaker.fail_behind_commit(1),
        }
        way == Way::Between
    }

    /// Whether the process has died inside the call that is over.
    pub(crate) fn died_inside(&mut self, name: &'static str) -> bool {
        let is_dead = self.breaker.has_blown();
        if is_dead {
            self.breaker.reset();
            self.was_inside = true;
            *self.deaths.inside.entry(name).or_default() += 1;
        }
        is_dead
    }

    /// What was being written when the process died is stored, or is not.
    pub(crate) const fn on_resolved(&mut self, is_stored: bool) {
        if self.was_inside {
            self.deaths.writes_whole += is_stored as u64;
            self.deaths.writes_undone += !is_stored as u64;
        }
    }
}

impl Deaths {
    /// Adds where another process has died.
    pub(crate) fn add(&mut self, other: &Self) {
        for (place, count) in &other.between {
            *self.between.entry(*place).or_default() += count;
        }
        for (place, count) in &other.inside {
            *self.inside.entry(*place).or_default() += count;
        }
        self.writes_whole += other.writes_whole;
        self.writes_undone += other.writes_undone;
    }
}
