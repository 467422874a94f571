//! What the application is told: durable notices, and what is only true now.

use std::collections::VecDeque;

use martlet_protocol::{DeviceId, MessageId, Millis, NackCode, UserId};
use zeroize::Zeroizing;

use super::group_commands::{naming, update};
use super::lookups::Lookups;
use super::people::shown_of_people;
use super::state::Core;
use crate::error::StoreError;
use crate::event::{
    Body, Change, Event, GroupReceipts, GroupStep, GroupUpdate, OfflineCause, Receipt,
    SecurityKind, SecurityNotice,
};
use crate::local::{Changed, ContactId, GroupNotice, Notice, NoticeId, Tx, group_peer};

/// The answer to a command. The caller that gave the command takes it; it is no event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// To a link: a device has joined.
    DeviceLinked {
        /// Which one.
        device: DeviceId,
    },
    /// To a new name: the account's list has it.
    DeviceRenamed {
        /// Of which device.
        device: DeviceId,
    },
    /// To a removal: the device is gone.
    DeviceRevoked {
        /// Which one.
        device: DeviceId,
    },
    /// To a question for devices: what the server knows of them is known here.
    Devices {
        /// Whose.
        user: UserId,
    },
    /// To a link, a removal or a new name: it will not be.
    DevicesRefused {
        /// Why.
        code: NackCode,
    },
    /// To joining an account: the account's device waits for nobody with this code, or not any
    /// more. It has declined, or its screen with the code is gone, or the code's time is over, or
    /// another device has used it; the server does not tell which.
    LinkEnded,
    /// To joining an account: what the account's device has answered does not fit the code.
    LinkInvalid,
    /// To a link: the device that has the code has lost its connection. It is not added before it
    /// is back and [`LinkOffered`](Self::LinkOffered) has come again; one that was approved before
    /// is added then without another word.
    LinkLeft {
        /// The id it would have.
        device: DeviceId,
    },
    /// To a link: a device has the code and waits to be approved.
    LinkOffered {
        /// The id it will have.
        device: DeviceId,
        /// What it calls itself.
        name: String,
    },
    /// To a link: the server waits for the new device.
    LinkOpened {
        /// The code to show it.
        code: Zeroizing<String>,
    },
    /// To joining an account: it will not be.
    LinkRefused {
        /// Why.
        code: NackCode,
    },
    /// To a question how far a message to a group is.
    GroupReceipts {
        /// Which message.
        id: MessageId,
        /// How far; `None` when the server does not say.
        receipts: Option<GroupReceipts>,
    },
    /// To a lookup: which account has the handle, if any.
    Found {
        /// The handle that was asked for.
        handle: String,
        /// Its account.
        user: Option<UserId>,
    },
    /// To a registration, or to joining an account: it is done, and others can write to this
    /// device.
    Registered {
        /// The account.
        user: UserId,
        /// This device of it.
        device: DeviceId,
    },
    /// To a registration, or to joining an account: the server could not be reached, or it has
    /// hung up before it greeted. The engine tries again until it is told to give up.
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
        let mut first = if self.stored {
            tx.first_notice()?
        } else {
            None
        };
        // Of a message that is over before anybody has seen it, only that is told.
        while let Some((id, notice)) = &first
            && is_void(tx, notice)?
        {
            tx.take_notice(*id)?;
            first = tx.first_notice()?;
        }
        self.stored = first.is_some();
        let barrier = self.passing.front().map(|(behind, _)| *behind);
        match first {
            Some((id, notice)) if barrier.is_none_or(|behind| id <= behind) => {
                if let Some(user) = tx.nameless(&notice)?
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

impl Core {
    /// Tells what touches the security of an account, or of a device of it.
    pub(super) fn secure(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        (user, device): (UserId, Option<DeviceId>),
        kind: SecurityKind,
    ) -> Result<(), StoreError> {
        let contact = tx.contact_of_user(user)?;
        self.introduce(now, &contact);
        let group = None;
        self.notices.store(
            tx,
            &Notice::Security {
                user,
                device,
                group,
                kind,
            },
        )
    }

    /// As [`Core::secure`], in a group.
    pub(super) fn secure_group(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        (user, device): (UserId, Option<DeviceId>),
        (group, kind): (ContactId, SecurityKind),
    ) -> Result<(), StoreError> {
        let contact = tx.contact_of_user(user)?;
        self.introduce(now, &contact);
        let group = Some(group);
        self.notices.store(
            tx,
            &Notice::Security {
                user,
                device,
                group,
                kind,
            },
        )
    }
}

/// Whether a notice is about contents of which nothing is left to be told.
fn is_void(tx: &Tx<'_>, notice: &Notice) -> Result<bool, StoreError> {
    match notice {
        Notice::Message(seq) => tx.is_over(*seq),
        Notice::Changed { seq, what } => match what {
            Changed::Text | Changed::Reactions => tx.is_empty(*seq),
            Changed::Deleted => tx.is_over(*seq),
            Changed::Expired => Ok(false),
        },
        _ => Ok(false),
    }
}

fn shown(tx: &Tx<'_>, notice: Notice) -> Result<Event, StoreError> {
    Ok(match notice {
        Notice::Message(seq) => Event::Message(tx.shown(seq)?),
        Notice::Changed { seq, what } => {
            let message = tx.shown(seq)?;
            let (id, peer) = (message.id, message.peer.clone());
            let change = match what {
                Changed::Text => Change::Edited {
                    text: message.text().to_owned(),
                },
                Changed::Reactions => Change::Reactions(message.reactions),
                Changed::Deleted if message.body == Body::Deleted => Change::Deleted,
                Changed::Deleted => Change::Restored(Box::new(message)),
                Changed::Expired => Change::Expired,
            };
            Event::Changed { id, peer, change }
        }
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
        Notice::Security {
            user,
            device,
            group,
            kind,
        } => Event::Security(SecurityNotice {
            peer: tx.name_of(user)?,
            device,
            group: match group {
                Some(contact) => Some(Core::group_row(tx, contact)?.group),
                None => None,
            },
            kind,
        }),
        Notice::Group { contact, what } => shown_of_group(tx, contact, what)?,
        Notice::People(what) => shown_of_people(tx, what)?,
    })
}

fn shown_of_group(tx: &Tx<'_>, contact: ContactId, what: GroupNotice) -> Result<Event, StoreError> {
    let group = Core::group_row(tx, contact)?.group;
    let peer = group_peer(group);
    Ok(match what {
        GroupNotice::Changed(version) => Event::GroupChanged(update(tx, contact, version)?),
        GroupNotice::Gone => Event::GroupChanged(GroupUpdate {
            group,
            peer,
            by: String::new(),
            at: Millis(0),
            changes: vec![GroupStep::Gone],
        }),
        GroupNotice::Named(by) => Event::GroupChanged(naming(tx, contact, by)?),
        GroupNotice::Refused(code) => Event::GroupRefused { group, peer, code },
        GroupNotice::Gap { from, to, reason } => Event::GroupGap {
            group,
            peer,
            from,
            to,
            reason,
        },
    })
}
