//! What a seed decides before anything happens: who is there, and how large things are.

use martlet_shard::{Limits, Topology};

use crate::lie::Lie;
use crate::mutant::Wrong;
use crate::oracle::Rules;
use crate::rng::Rng;

/// The accounts of every run. A seed takes the first few.
pub(crate) const HANDLES: [&str; 5] = ["ann", "bob", "cid", "dora", "emil"];

/// Who sends what no client can open.
pub(crate) const POISONER: &str = "mallory";

/// How long everything may take to calm down afterwards, in milliseconds: a refused message waits
/// half a minute, a client that failed often a minute, and both may happen again.
pub(crate) const CALM_MS_MAX: u64 = 400_000;

/// The shape of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) accounts: usize,
    /// How many of the accounts, from the first on, have two devices from the beginning.
    pub(crate) pairs: usize,
    /// How many homes of each account, beside those, may join it while things break.
    pub(crate) spares: usize,
    /// How long things happen and break, in milliseconds.
    pub(crate) storm_ms: u64,
    pub(crate) topology: Topology,
    pub(crate) limits: Limits,
    pub(crate) rules: Rules,
    /// Mean time between two things that a person does, in milliseconds.
    pub(crate) pause_ms: u64,
    /// Mean time between two times that a person does something about devices, in milliseconds.
    pub(crate) change_ms: u64,
    /// Mean time between two things that break, in milliseconds.
    pub(crate) peace_ms: u64,
    /// People make groups, change them and talk in them.
    pub(crate) has_groups: bool,
    /// Somebody sends what cannot be opened.
    pub(crate) has_poison: bool,
    /// Somebody takes prekeys that nobody needs.
    pub(crate) has_strangers: bool,
}

impl Plan {
    /// A few people, one with two devices, and nothing but its recipient by which a message may
    /// end.
    pub(crate) fn marathon(rng: &mut Rng) -> Self {
        Self {
            accounts: 4,
            pairs: 1,
            spares: 0,
            // It is over when all is written.
            storm_ms: 0,
            topology: Topology {
                shards: 3,
                seed: rng.next(),
            },
            limits: Limits::default(),
            rules: Rules {
                overflows: false,
                retires: false,
                expires: false,
            },
            pause_ms: 60,
            change_ms: 0,
            peace_ms: 1_000,
            has_groups: false,
            has_poison: false,
            has_strangers: false,
        }
    }

    pub(crate) fn new(rng: &mut Rng, wrong: Wrong) -> Self {
        let plan = Self::honest(rng);
        match wrong {
            Wrong::Liar(lie) => plan.of_liar(lie),
            Wrong::Nothing | Wrong::Mutant(_) => plan,
        }
    }

    fn honest(rng: &mut Rng) -> Self {
        let overflows = rng.one_in(3);
        let retires = rng.one_in(4);
        let mut limits = Limits::default();
        if overflows {
            limits.inbox_rows_max = rng.between(5, 14);
        }
        // With so few people a group is large soon, and small again.
        limits.group_inbox_members_max = 2 + rng.index(3);
        if retires {
            limits.retention_ms = rng.between(15_000, 30_000);
        }
        Self {
            accounts: 2 + rng.index(HANDLES.len() - 1),
            pairs: rng.index(3),
            spares: rng.index(3),
            storm_ms: 75_000,
            topology: Topology {
                shards: [1, 2, 3, 4][rng.index(4)],
                seed: rng.next(),
            },
            limits,
            rules: Rules {
                overflows,
                retires,
                expires: true,
            },
            pause_ms: rng.between(2_500, 7_000),
            change_ms: rng.between(8_000, 25_000),
            peace_ms: rng.between(2_000, 9_000),
            has_groups: rng.one_in(2),
            has_poison: rng.one_in(4),
            has_strangers: rng.one_in(3),
        }
    }

    /// Nothing happens that explains a hole in a chain: then each lie must be noticed. There is
    /// always somebody whose name can be taken, and somebody with another device.
    fn of_liar(self, lie: Lie) -> Self {
        Self {
            accounts: 3,
            pairs: 2,
            spares: 1,
            storm_ms: 45_000,
            limits: Limits::default(),
            rules: Rules {
                overflows: false,
                retires: false,
                expires: false,
            },
            has_groups: false,
            has_poison: lie.needs_stranger(),
            has_strangers: false,
            ..self
        }
    }
}
