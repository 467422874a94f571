//! Who writes right now: told while there is a connection, shown for as long as it is repeated, and
//! never stored.

use std::collections::{BTreeMap, BTreeSet};

use martlet_protocol::frame::{
    Frame, GroupMode, GroupTyped, GroupTyping, Typed, Typing as TypingFrame,
};
use martlet_protocol::limits::{TYPING_REPEAT_MS, TYPING_SHOWN_MS};
use martlet_protocol::{Address, DeviceId, Millis, UserId};

use super::outbox::Recipient;
use super::state::Core;
use crate::error::StoreError;
use crate::event::{Event, Typing};
use crate::local::{Contact, Tx, group_peer};

/// Most people who are shown to write at a time: accounts cost a server nothing that wants to fill
/// this client's memory.
const TYPERS_MAX: usize = 256;

/// A conversation, by its other account or its group, and who writes in it.
type Typer = (Recipient, UserId);

#[derive(Clone, Copy, Debug)]
struct Shown {
    device: DeviceId,
    /// What the person does,
    kind: Typing,
    /// and what the application was shown of it.
    told: Typing,
    /// When it ends unless it is repeated.
    until: Millis,
}

#[derive(Debug, Default)]
pub(super) struct Typings {
    shown: BTreeMap<Typer, Shown>,
    /// Of these the application has not been shown the newest.
    news: BTreeSet<Typer>,
    /// What was told of the person here, and when.
    said: BTreeMap<Recipient, (Typing, Millis)>,
}

impl Typings {
    /// Whether the server is to be told now what the person here does: something else than before,
    /// or that it lasts.
    fn says(&mut self, now: Millis, to: Recipient, kind: Typing) -> bool {
        // What has lasted for longer has ended at the other side.
        self.said
            .retain(|_, (_, at)| now.since(*at) < TYPING_SHOWN_MS);
        match self.said.get(&to) {
            Some((said, at)) if *said == kind && now.since(*at) < TYPING_REPEAT_MS => false,
            None if kind == Typing::Stopped => false,
            _ => {
                if kind == Typing::Stopped {
                    self.said.remove(&to);
                } else {
                    self.said.insert(to, (kind, now));
                }
                true
            }
        }
    }

    /// The person here has sent what was written: at the other side that ends it.
    pub(super) fn sent(&mut self, to: Recipient) {
        self.said.remove(&to);
    }

    fn heard(&mut self, now: Millis, typer: Typer, device: DeviceId, kind: Typing) {
        if kind == Typing::Stopped {
            if self.shown.get(&typer).is_some_and(|it| it.device == device) {
                self.ended(typer);
            }
            return;
        }
        if !self.shown.contains_key(&typer) && self.shown.len() >= TYPERS_MAX {
            return;
        }
        let shown = self.shown.entry(typer).or_insert(Shown {
            device,
            kind: Typing::Stopped,
            told: Typing::Stopped,
            until: now,
        });
        (shown.device, shown.until) = (device, now.plus(TYPING_SHOWN_MS));
        if shown.kind != kind {
            shown.kind = kind;
            self.news.insert(typer);
        }
    }

    /// Somebody does not write any more, or has sent it.
    pub(super) fn ended(&mut self, typer: Typer) {
        let Some(shown) = self.shown.get_mut(&typer) else {
            return;
        };
        shown.kind = Typing::Stopped;
        if shown.told == Typing::Stopped {
            self.shown.remove(&typer);
            self.news.remove(&typer);
        } else {
            self.news.insert(typer);
        }
    }

    /// Ends what has not been repeated.
    pub(super) fn expire(&mut self, now: Millis) {
        self.end_all(|_, shown| shown.until <= now);
    }

    /// Nobody is shown to write whom this account does not want to hear.
    pub(super) fn forget(&mut self, user: UserId) {
        self.end_all(|typer, _| *typer == (Recipient::Account(user), user));
    }

    /// Nothing more is heard.
    pub(super) fn disconnected(&mut self) {
        self.said.clear();
        self.end_all(|_, _| true);
    }

    fn end_all(&mut self, is_over: impl Fn(&Typer, &Shown) -> bool) {
        let shown = self.shown.iter();
        let lasting = shown.filter(|(_, shown)| shown.kind != Typing::Stopped);
        let over: Vec<_> = lasting
            .filter(|(typer, shown)| is_over(typer, shown))
            .map(|(typer, _)| *typer)
            .collect();
        for typer in over {
            self.ended(typer);
        }
    }

    /// When the next one ends that is not repeated.
    pub(super) fn due(&self) -> Option<Millis> {
        let shown = self.shown.values();
        let lasting = shown.filter(|shown| shown.kind != Typing::Stopped);
        lasting.map(|shown| shown.until).min()
    }

    /// What the application has not been shown.
    pub(super) fn take(&mut self, tx: &Tx<'_>) -> Result<Option<Event>, StoreError> {
        while let Some(typer) = self.news.pop_first() {
            let Some(shown) = self.shown.get_mut(&typer) else {
                continue;
            };
            let kind = shown.kind;
            let is_news = core::mem::replace(&mut shown.told, kind) != kind;
            if kind == Typing::Stopped {
                self.shown.remove(&typer);
            }
            if is_news {
                let (place, user) = typer;
                return Ok(Some(Event::Typing {
                    peer: match place {
                        Recipient::Account(user) => tx.name_of(user)?,
                        Recipient::Group(group) => group_peer(group),
                    },
                    by: tx.name_of(user)?,
                    kind,
                }));
            }
        }
        Ok(None)
    }
}

impl Core {
    /// Tells the other side what the person here does, if there is a connection now.
    pub(super) fn tell_typing(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        contact: &Contact,
        kind: Typing,
    ) -> Result<(), StoreError> {
        let is_ready = self.live().is_some_and(|live| live.leaving.is_none());
        let Some(to) = Recipient::of(contact).filter(|_| is_ready) else {
            return Ok(());
        };
        let is_heard = match to {
            Recipient::Account(user) => !self.has_blocked(tx, user)?,
            // The server tells nobody of it in a large group.
            Recipient::Group(_) => tx
                .group(contact.id)?
                .is_some_and(|row| !row.is_gone && row.mode != GroupMode::STREAM),
        };
        if !is_heard || !self.people.typings.says(now, to, kind) {
            return Ok(());
        }
        let kind = kind.to_wire();
        self.write(&match to {
            Recipient::Account(to) => Frame::Typing(TypingFrame { to, kind }),
            Recipient::Group(group) => Frame::GroupTyping(GroupTyping { group, kind }),
        });
        Ok(())
    }

    pub(super) fn on_typed(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        typed: &Typed,
    ) -> Result<(), StoreError> {
        let user = typed.peer.user;
        // Without a conversation there is no place to show it.
        if tx.find_account(user)?.is_none() || self.has_blocked(tx, user)? {
            return Ok(());
        }
        self.hear_typing(now, Recipient::Account(user), typed.peer, typed.kind);
        Ok(())
    }

    pub(super) fn on_group_typed(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        typed: &GroupTyped,
    ) -> Result<(), StoreError> {
        let Some(contact) = tx.find_group(typed.group)? else {
            return Ok(());
        };
        if tx.is_member(contact.id, typed.peer.user)? {
            self.hear_typing(now, Recipient::Group(typed.group), typed.peer, typed.kind);
        }
        Ok(())
    }

    fn hear_typing(
        &mut self,
        now: Millis,
        place: Recipient,
        by: Address,
        kind: martlet_protocol::frame::TypingKind,
    ) {
        if let Some(kind) = Typing::from_wire(kind)
            && !self.is_own(by.user)
        {
            let typer = (place, by.user);
            self.people.typings.heard(now, typer, by.device, kind);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::store_key::StoreKey;
    use crate::local::Db;

    const BOB: Recipient = Recipient::Account(UserId(7));
    const BY_BOB: Typer = (BOB, UserId(7));

    fn taken(typings: &mut Typings) -> Vec<Typing> {
        let mut db = Db::memory(&StoreKey::random()).unwrap();
        let tx = db.begin().unwrap();
        let events = core::iter::from_fn(|| typings.take(&tx).unwrap());
        let kinds = events.map(|event| match event {
            Event::Typing { kind, .. } => kind,
            other => panic!("{other:?}"),
        });
        kinds.collect()
    }

    #[test]
    fn what_lasts_is_told_every_four_seconds_and_its_end_at_once() {
        let mut typings = Typings::default();
        let mut says = |at, kind| typings.says(Millis(at), BOB, kind);
        assert!(!says(0, Typing::Stopped));
        assert!(says(0, Typing::Typing));
        assert!(!says(3_999, Typing::Typing));
        assert!(says(4_000, Typing::Typing));
        assert!(says(4_001, Typing::Recording));
        assert!(says(4_002, Typing::Stopped));
        assert!(!says(4_003, Typing::Stopped));
        assert!(says(4_004, Typing::Typing));
        // It has ended by itself.
        assert!(!says(11_000, Typing::Stopped));
    }

    #[test]
    fn who_writes_is_shown_once_and_stops_after_six_seconds() {
        let mut typings = Typings::default();
        typings.heard(Millis(0), BY_BOB, DeviceId(1), Typing::Typing);
        typings.heard(Millis(4_000), BY_BOB, DeviceId(1), Typing::Typing);
        assert_eq!(taken(&mut typings), [Typing::Typing]);
        typings.expire(Millis(9_999));
        assert_eq!(taken(&mut typings), []);
        assert_eq!(typings.due(), Some(Millis(10_000)));
        typings.expire(Millis(10_000));
        assert_eq!(taken(&mut typings), [Typing::Stopped]);
        assert_eq!(typings.due(), None);
    }

    #[test]
    fn what_was_over_before_it_was_shown_is_not_shown() {
        let mut typings = Typings::default();
        typings.heard(Millis(0), BY_BOB, DeviceId(1), Typing::Typing);
        typings.ended(BY_BOB);
        assert_eq!(taken(&mut typings), []);
        assert!(typings.shown.is_empty());
    }

    #[test]
    fn another_device_that_stops_does_not_end_what_is_written_on_this_one() {
        let mut typings = Typings::default();
        typings.heard(Millis(0), BY_BOB, DeviceId(1), Typing::Typing);
        assert_eq!(taken(&mut typings), [Typing::Typing]);
        typings.heard(Millis(1), BY_BOB, DeviceId(2), Typing::Stopped);
        assert_eq!(taken(&mut typings), []);
        typings.heard(Millis(2), BY_BOB, DeviceId(1), Typing::Stopped);
        assert_eq!(taken(&mut typings), [Typing::Stopped]);
    }

    #[test]
    fn a_crowd_that_writes_costs_no_more_than_it_may() {
        let mut typings = Typings::default();
        for user in 1..=10_000 {
            let typer = (Recipient::Account(UserId(user)), UserId(user));
            typings.heard(Millis(0), typer, DeviceId(1), Typing::Typing);
        }
        assert_eq!(typings.shown.len(), TYPERS_MAX);
        typings.disconnected();
        assert!(typings.shown.is_empty() && typings.news.is_empty());
    }
}
