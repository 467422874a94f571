//! How other threads reach a reactor: one list, one wake-up for a whole turn of theirs.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::pipeline::Ticket;

/// Written by any thread, emptied by its reactor once a turn. What waits here is bounded by what
/// clients may have unanswered.
pub struct Mailbox<M> {
    mails: Mutex<Vec<M>>,
    durable: AtomicU64,
    wake: Notify,
}

impl<M> Default for Mailbox<M> {
    fn default() -> Self {
        Self {
            mails: Mutex::default(),
            durable: AtomicU64::new(0),
            wake: Notify::new(),
        }
    }
}

impl<M> Mailbox<M> {
    /// Moves all of `mails` into the box.
    pub fn post(&self, mails: &mut Vec<M>) {
        let mut waiting = self.mails.lock();
        let was_empty = waiting.is_empty();
        waiting.append(mails);
        drop(waiting);
        // Whoever found it empty has woken the reactor, and it has not looked since.
        if was_empty {
            self.wake.notify_one();
        }
    }

    /// Moves one piece of mail into the box.
    pub fn post_one(&self, mail: M) {
        self.post(&mut vec![mail]);
    }

    /// The committer says how far this reactor's batches are durable.
    pub fn durable(&self, ticket: u64) {
        self.durable.store(ticket, Ordering::Release);
        self.wake.notify_one();
    }

    /// How far this reactor's batches are durable.
    pub fn durable_ticket(&self) -> Ticket {
        Ticket(self.durable.load(Ordering::Acquire))
    }

    /// Exchanges the waiting mail with the empty `mails`.
    pub fn take(&self, mails: &mut Vec<M>) {
        assert!(mails.is_empty(), "mail of the last turn was not handled");
        std::mem::swap(&mut *self.mails.lock(), mails);
    }

    /// Asks the reactor for a turn.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Waits until somebody asks for a turn.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }
}
