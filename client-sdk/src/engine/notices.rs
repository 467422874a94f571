//! What the application is told: durable notices, and what is only true now.

use std::collections::VecDeque;

use martlet_protocol::{DeviceId, MessageId, NackCode, UserId};

use super::lookups::Lookups;
use crate::error::StoreError;
use crate::event::{Event, OfflineCause, Receipt};
use crate::local::{Notice, NoticeId, Tx};

/// The answer to a command. The caller that gave the command takes it; it is no event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// To a lookup: which account has the handle, if any.
    Found {
        /// The handle that was asked for.
        handle: String,
        /// Its account.
        user: Option<UserId>,
    },
    /// To a registration: it is done.
    Registered {
        /// The new account.
        user: UserId,
        /// Its first device.
        device: DeviceId,
    },
    /// To a registration: the server could not be reached, or it has hung up before it greeted.
    /// The engine tries again until the registration is cancelled.
    RegistrationDelayed {
        /// Why.
        cause: OfflineCause,
    },
    /// To a registration: it will not be.
    RegistrationRefused {
        /// Why.
        code: NackCode,
    },
    /// To a question of state: the database now has what the server knows.
    Status {
        /// Which message.
        id: MessageId,
    },
}

#[derive(Debug)]
pub(super) struct Notices {
    newest: NoticeId,
    /// Whether the table may have rows.
    stored: bool,
    /// Events of the connection, each behind the notice that was the newest when it happened.
    passing: VecDeque<(NoticeId, Event)>,
}

impl Notices {
    pub(super) const fn after(newest: NoticeId) -> Self {
        Self {
            newest,
            stored: true,
            passing: VecDeque::new(),
        }
    }

    /// Queues a notice in the transaction that makes it true.
    pub(super) fn store(&mut self, tx: &Tx<'_>, notice: &Notice) -> Result<(), StoreError> {
        self.newest = NoticeId(self.newest.0 + 1);
        self.stored = true;
        tx.notify(self.newest, notice)
    }

    /// Tells what happens to the connection. A newer event of the same kind replaces one that was
    /// not taken: an application that sleeps costs no memory.
    pub(super) fn pass(&mut self, event: Event) {
        let kind = |event: &Event| match event {
            Event::Online { .. } | Event::Offline { .. } => 1,
            _ => 2,
        };
        self.passing.retain(|(_, old)| kind(old) != kind(&event));
        self.passing.push_back((self.newest, event));
    }

    /// Takes the next event. The caller commits before it hands it out.
    pub(super) fn take(
        &mut self,
        tx: &Tx<'_>,
        lookups: &Lookups,
    ) -> Result<Option<Event>, StoreError> {
        let first = if self.stored {
            tx.first_notice()?
        } else {
            None
        };
        self.stored = first.is_some();
        let barrier = self.passing.front().map(|(behind, _)| *behind);
        match first {
            Some((id, notice)) if barrier.is_none_or(|behind| id <= behind) => {
                if let Some(seq) = notice.seq()
                    && let Some(user) = tx.nameless(seq)?
                    && lookups.holds(user)
                {
                    return Ok(None);
                }
                tx.take_notice(id)?;
                shown(tx, notice).map(Some)
            }
            _ => Ok(self.passing.pop_front().map(|(_, event)| event)),
        }
    }
}

fn shown(tx: &Tx<'_>, notice: Notice) -> Result<Event, StoreError> {
    Ok(match notice {
        Notice::Message(seq) => Event::Message(tx.shown(seq)?),
        Notice::Receipt { seq, state, at } => {
            let message = tx.shown(seq)?;
            Event::Receipt(Receipt {
                id: message.id,
                state,
                by: message.peer,
                at,
            })
        }
        Notice::Failed { seq, code } => {
            let message = tx.shown(seq)?;
            Event::Failed {
                id: message.id,
                to: message.peer,
                code,
            }
        }
        Notice::Gap { from, to, reason } => Event::Gap { from, to, reason },
    })
}
