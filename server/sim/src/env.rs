//! What both ends of the simulated world share: time, chance, the network, and who watches.

use std::collections::VecDeque;
use std::fmt;

use martlet_client::engine::Answer;

use crate::counters::Counters;
use crate::net::Net;
use crate::oracle::Ledger;
use crate::rng::Rng;
use crate::schedule::{Event, Schedule, Time};
use crate::trace::Trace;

/// The surroundings of everything that is simulated.
#[derive(Debug)]
pub(crate) struct Env {
    pub(crate) now: Time,
    pub(crate) rng: Rng,
    pub(crate) schedule: Schedule,
    pub(crate) net: Net,
    pub(crate) trace: Trace,
    pub(crate) counters: Counters,
    pub(crate) ledger: Ledger,
    /// What engines have answered to their persons, and nobody has looked at.
    pub(crate) answers: VecDeque<(usize, Answer)>,
    /// Whether things break.
    pub(crate) is_stormy: bool,
}

impl Env {
    pub(crate) fn plan_in_us(&mut self, us: u64, event: Event) {
        self.schedule.plan(self.now.plus_us(us), event);
    }

    pub(crate) fn note(&mut self, what: fmt::Arguments<'_>) {
        self.trace.note(self.now, what);
    }
}
