//! The store of the simulated server: one write at a time, synced late, and a tail that a crash
//! takes away.

use std::collections::VecDeque;

use martlet_store::{Batch, Memory};

/// Rows in memory and on the platter, and effects that wait between the two.
///
/// ```text
///  submit ──► sealed (what the shards see) ──► writing ──sync──► durable (what a crash leaves)
/// ```
#[derive(Debug)]
pub(crate) struct Disk<E> {
    sealed: Memory,
    durable: Memory,
    pending: VecDeque<(Batch, Vec<E>)>,
    /// How many of the pending turns the write under way covers.
    writing: usize,
}

impl<E> Disk<E> {
    pub(crate) fn new() -> Self {
        Self {
            sealed: Memory::new(),
            durable: Memory::new(),
            pending: VecDeque::new(),
            writing: 0,
        }
    }

    pub(crate) const fn sealed(&self) -> &Memory {
        &self.sealed
    }

    pub(crate) const fn durable(&self) -> &Memory {
        &self.durable
    }

    /// How many turns a crash could take back.
    pub(crate) fn unsynced(&self) -> usize {
        self.pending.len()
    }

    /// Takes a turn. Effects of a turn that wrote nothing wait as well: for all turns before it.
    pub(crate) fn submit(&mut self, batch: Batch, effects: Vec<E>) {
        self.sealed.apply(&batch);
        self.pending.push_back((batch, effects));
    }

    /// Starts a write that covers everything submitted, unless one is under way.
    pub(crate) fn start(&mut self) -> bool {
        let starts = self.writing == 0 && !self.pending.is_empty();
        if starts {
            self.writing = self.pending.len();
        }
        starts
    }

    /// The write under way is synced: the effects it covers may happen.
    pub(crate) fn synced(&mut self) -> Vec<E> {
        let done = std::mem::take(&mut self.writing);
        let mut released = Vec::new();
        for (batch, effects) in self.pending.drain(..done) {
            self.durable.apply(&batch);
            released.extend(effects);
        }
        released
    }

    /// The power goes. `survivors` turns reached the platter although nobody was told; the rest
    /// never was.
    pub(crate) fn crash(&mut self, survivors: usize) {
        for (batch, _) in self.pending.drain(..survivors) {
            self.durable.apply(&batch);
        }
        self.pending.clear();
        self.writing = 0;
        self.sealed = self.durable.clone();
    }

    /// A disk that lies: rows that were synced are gone as well.
    pub(crate) fn forget(&mut self, remembered: Memory) {
        self.durable = remembered;
        self.sealed = self.durable.clone();
    }
}
