//! The fake clock: what happens next is the earliest of all that was planned.

use std::collections::BTreeMap;

use bytes::Bytes;
use martlet_protocol::Millis;
use martlet_shard::Effect;

use crate::net::{ConnId, Side};

/// Microseconds since the run began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Time(pub(crate) u64);

/// The wall clock at the beginning of every run.
const START_MS: u64 = 1_800_000_000_000;

impl Time {
    pub(crate) const fn plus_us(self, us: u64) -> Self {
        Self(self.0 + us)
    }

    pub(crate) const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0 + ms * 1_000)
    }

    /// The true wall clock.
    pub(crate) const fn millis(self) -> Millis {
        Millis(START_MS + self.0 / 1_000)
    }

    /// The first time at which the wall clock shows `millis`.
    pub(crate) const fn of(millis: Millis) -> Self {
        Self(millis.0.saturating_sub(START_MS) * 1_000)
    }
}

/// Something that will happen.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A person does something.
    User { device: usize },
    /// The time that an engine asked for.
    Timer { device: usize },
    /// A connection attempt ends.
    Dialed { device: usize, life: u32 },
    /// A crashed client's process starts again.
    ClientUp { device: usize },
    /// Bytes come out of a connection.
    Bytes {
        conn: ConnId,
        at: Side,
        bytes: Bytes,
    },
    /// One end learns that its connection is over.
    End { conn: ConnId, at: Side },
    /// The server handles what has come in.
    Turn { life: u32 },
    /// The write that the disk works on is synced.
    Synced { life: u32 },
    /// A page of a backlog is read.
    Page { life: u32, page: PageRead },
    /// The server looks at its clock.
    Clock { life: u32 },
    /// A crashed server starts again.
    ServerUp,
    /// Something breaks.
    Fault,
    /// A message of somebody who speaks the protocol and does not encrypt.
    Poison,
    /// Somebody takes prekeys that nobody needs.
    Strip,
    /// A person wants another device, or one less.
    Devices { account: usize },
    /// A person holds a new device before a code.
    Scan { device: usize, code: String },
    /// A person has seen the name of a new device and lets it in.
    Approve { device: usize },
}

/// What a reader was asked for, and what it found if it has looked already.
#[derive(Clone, Debug)]
pub(crate) struct PageRead {
    /// An [`Effect::LoadPage`] or [`Effect::LoadEntries`].
    pub(crate) request: Effect,
    pub(crate) rows: Option<Vec<(u64, Bytes)>>,
}

/// Plans, in the order of their time; of two at the same time the one that was made first.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    plans: BTreeMap<(Time, u64), Event>,
    made: u64,
}

impl Schedule {
    pub(crate) fn plan(&mut self, at: Time, event: Event) {
        self.made += 1;
        self.plans.insert((at, self.made), event);
    }

    pub(crate) fn next(&mut self) -> Option<(Time, Event)> {
        let ((at, _), event) = self.plans.pop_first()?;
        Some((at, event))
    }

    pub(crate) fn next_at(&self) -> Option<Time> {
        self.plans.keys().next().map(|(at, _)| *at)
    }
}
