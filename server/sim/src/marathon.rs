//! The marathon: ten thousand messages between a few people whose clients die at each step in turn.
//!
//! No message may end here but at its recipient: no inbox overflows, nothing expires, nobody is
//! removed. So every message must be on every device that is to have it, once and readable, without
//! a warning to anybody and without one message that had to be asked for again.

use std::fmt;

use crate::mutant::Wrong;
use crate::net;
use crate::oracle::Roll;
use crate::plan::{HANDLES, Plan};
use crate::run::{LINES, Report};
use crate::sweep::Deaths;
use crate::world::World;

/// How many messages are written.
pub const MESSAGES: u64 = 10_000;

/// Contents above this do not fit into a part: they go into the envelope, under a key of their own.
const INLINE_BYTES: usize = 1_024;

/// What became of a marathon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marathon {
    /// What a run of any seed reports.
    pub report: Report,
    /// Messages with contents above 1 KiB.
    pub large: u64,
    /// Messages at devices at the end, their authors' included.
    pub present: u64,
    /// Messages that their author knows to be read.
    pub read: u64,
    /// Messages that came to a device before others that somebody else had written earlier.
    pub overtaken: u64,
    /// Messages and receipts in the history alone: the process died while it took their event.
    pub untold: u64,
    /// How often clients connected.
    pub connections: u64,
    /// Messages of devices to each other during the marathon: asking for a message again is one.
    pub controls: u64,
    /// Messages whose writer died over them: stored all the same, and not.
    pub writes_whole: u64,
    /// See [`writes_whole`](Self::writes_whole).
    pub writes_undone: u64,
    /// Where clients died between two steps: after which, before which, how often.
    pub between: Vec<(&'static str, &'static str, u64)>,
    /// Where clients died inside a step, and how often.
    pub inside: Vec<(&'static str, u64)>,
}

impl Marathon {
    /// How often clients died inside a step.
    pub fn deaths_inside(&self) -> u64 {
        self.inside.iter().map(|(_, count)| count).sum()
    }

    /// How often a client died before this step.
    pub fn deaths_before(&self, next: &str) -> u64 {
        let between = self.between.iter().filter(|(_, step, _)| *step == next);
        between.map(|(_, _, count)| count).sum()
    }

    /// How often a client died inside this step.
    pub fn deaths_in(&self, name: &str) -> u64 {
        let inside = self.inside.iter().filter(|(step, _)| *step == name);
        inside.map(|(_, count)| count).sum()
    }
}

/// Runs the marathon of a seed.
pub fn run_marathon(seed: u64) -> Marathon {
    let mut world = World::with_plan(seed, Wrong::Nothing, LINES, Plan::marathon);
    world.server.start(&mut world.env);
    world.settle_in();
    let settled = world.env.counters;
    let large = world.run_marathon();
    world.calm();
    let controls = world.env.counters.controls - settled.controls;
    let mut deaths = Deaths::default();
    for sweep in world.devices.iter().filter_map(|it| it.sweep.as_ref()) {
        deaths.add(&sweep.deaths);
    }
    let roll = world.call_roll(&deaths);
    let connections = world.env.net.made();
    let report = Report::of(seed, &world.env);
    let between = deaths.between.into_iter();
    Marathon {
        report,
        large,
        present: roll.present,
        read: roll.read,
        overtaken: roll.overtaken,
        untold: roll.untold,
        connections,
        controls,
        writes_whole: deaths.writes_whole,
        writes_undone: deaths.writes_undone,
        between: between
            .map(|((after, before), count)| (after, before, count))
            .collect(),
        inside: deaths.inside.into_iter().collect(),
    }
}

impl World {
    /// People write and read while everything dies and breaks. Returns how many messages were
    /// large.
    fn run_marathon(&mut self) -> u64 {
        self.env.is_stormy = true;
        for device in &mut self.devices {
            device.begin_sweep(&mut self.env);
        }
        let mut large = 0;
        let mut next_fault = self.env.now;
        while self.env.counters.messages < MESSAGES && self.env.ledger.violations().is_empty() {
            let pause_ms = self.env.rng.between(1, self.plan.pause_ms);
            self.run_for(pause_ms);
            if next_fault <= self.env.now {
                self.break_something();
                let ms = self.env.rng.between(1, 2 * self.plan.peace_ms);
                next_fault = self.env.now.plus_ms(ms);
            }
            let device = self.env.rng.index(self.devices.len());
            if !self.devices[device].is_up() {
                continue;
            }
            if self.env.rng.one_in(2) {
                large += self.write_some(device);
            } else {
                for _ in 0..4 {
                    self.devices[device].read(&mut self.env);
                }
            }
        }
        large
    }

    /// One or a few messages to one of the others.
    fn write_some(&mut self, device: usize) -> u64 {
        let own = self.account_of(device);
        let env = &mut self.env;
        let to = (own + 1 + env.rng.index(self.plan.accounts - 1)) % self.plan.accounts;
        let mut large = 0;
        for _ in 0..1 + env.rng.below(4) {
            let size = match env.rng.below(10) {
                0..=6 => env.rng.index(INLINE_BYTES / 2),
                7..=8 => INLINE_BYTES + env.rng.index(2 * INLINE_BYTES),
                _ => INLINE_BYTES + env.rng.index(16 * INLINE_BYTES),
            };
            let before = env.counters.messages;
            self.devices[device].write_this(env, (HANDLES[to], Some(to)), size, None);
            // One may be found to be stored later, and is not counted here.
            let is_written = env.counters.messages > before;
            large += u64::from(is_written && size > INLINE_BYTES);
        }
        large
    }

    /// A connection breaks, a device has no network for a while, or the server's power goes.
    fn break_something(&mut self) {
        let env = &mut self.env;
        let conns = env.net.living();
        let conn = (!conns.is_empty()).then(|| conns[env.rng.index(conns.len())]);
        match (env.rng.below(8), conn) {
            (0..=1, _) => self.fuse = Some(env.rng.below(12)),
            (2..=4, Some(conn)) => {
                env.counters.cuts += 1;
                net::cut(env, conn);
            }
            (5..=6, Some(conn)) => {
                env.counters.half_opens += 1;
                net::sever(env, conn);
            }
            _ => {
                env.counters.absences += 1;
                let device = env.rng.index(self.devices.len());
                let ms = env.rng.between(500, 5_000);
                self.devices[device].leave(env, ms);
            }
        }
    }

    fn call_roll(&mut self, deaths: &Deaths) -> Roll {
        let mut roll = Roll::default();
        for device in 0..self.devices.len() {
            let own = self.account_of(device);
            let mut all = Vec::new();
            for account in (0..self.accounts.len()).filter(|account| *account != own) {
                let handle = self.accounts[account].handle;
                all.extend(self.devices[device].look_back(&mut self.env, handle));
            }
            self.env.ledger.call_roll(&mut roll, device, &all);
        }
        let in_doubt = deaths.inside.get("poll_event").copied();
        let ledger = &mut self.env.ledger;
        ledger.close_roll(&mut roll, in_doubt.unwrap_or_default());
        roll
    }
}

impl fmt::Display for Marathon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (after, before, count) in &self.between {
            writeln!(f, "{count:>9} deaths after {after}, before {before}")?;
        }
        for (name, count) in &self.inside {
            writeln!(f, "{count:>9} deaths inside {name}")?;
        }
        for (name, count) in self.report.counters.list() {
            writeln!(f, "{count:>9} {name}")?;
        }
        for (name, count) in [
            ("large", self.large),
            ("present", self.present),
            ("known to be read", self.read),
            ("overtaken", self.overtaken),
            ("untold", self.untold),
            ("connections", self.connections),
            ("controls in the marathon", self.controls),
            ("writes whole", self.writes_whole),
            ("writes undone", self.writes_undone),
        ] {
            writeln!(f, "{count:>9} {name}")?;
        }
        write!(f, "{}", self.report)
    }
}
