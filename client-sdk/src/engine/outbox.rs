//! The outbox in memory: which message may be sent next, and in which order.
//!
//! Each conversation is a lane. Within a lane the order of writing is kept whatever happens: after
//! a refusal that is not final the whole lane waits until nothing of it is under way, and then
//! goes on with the refused message [M-9.17]. Lanes do not wait for each other.

use std::collections::BTreeMap;

use martlet_protocol::{MessageId, Millis, UserId};

use crate::local::{ContactId, OutboxEntry, Seq};

/// Most messages that may wait: a device that stays offline must not fill its disk.
pub(super) const MESSAGES_MAX: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Outbox {
    lanes: BTreeMap<ContactId, Lane>,
    /// What may be sent now, of all lanes.
    ready: BTreeMap<Seq, ContactId>,
    flying: BTreeMap<MessageId, OutboxEntry>,
    messages: usize,
}

#[derive(Debug, Default)]
struct Lane {
    /// The account, once it is known which one has the handle.
    user: Option<UserId>,
    waiting: BTreeMap<Seq, MessageId>,
    /// How many are under way.
    flying: usize,
    /// A refusal holds the lane until then, and until nothing is under way.
    held_until: Option<Millis>,
}

impl Lane {
    const fn is_open(&self) -> bool {
        self.user.is_some() && self.held_until.is_none()
    }
}

/// A message to send now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Departure {
    pub(super) entry: OutboxEntry,
    pub(super) to: UserId,
}

impl Outbox {
    pub(super) const fn len(&self) -> usize {
        self.messages
    }

    pub(super) const fn is_full(&self) -> bool {
        self.messages >= MESSAGES_MAX
    }

    /// Adds a message behind all others of its lane.
    pub(super) fn push(&mut self, entry: OutboxEntry, user: Option<UserId>) {
        let lane = self.lanes.entry(entry.contact).or_default();
        lane.user = lane.user.or(user);
        lane.waiting.insert(entry.seq, entry.id);
        if lane.is_open() {
            self.ready.insert(entry.seq, entry.contact);
        }
        self.messages += 1;
    }

    /// The account of a conversation is known: its lane may go.
    pub(super) fn resolved(&mut self, contact: ContactId, user: UserId) {
        if let Some(lane) = self.lanes.get_mut(&contact) {
            lane.user = Some(user);
            self.open(contact);
        }
    }

    /// The message to send next, and takes note that it is under way.
    pub(super) fn depart(&mut self) -> Option<Departure> {
        let (seq, contact) = self.ready.pop_first()?;
        let lane = self.lanes.get_mut(&contact)?;
        let id = lane.waiting.remove(&seq)?;
        let entry = OutboxEntry { seq, id, contact };
        lane.flying += 1;
        self.flying.insert(id, entry);
        Some(Departure {
            entry,
            to: lane.user?,
        })
    }

    pub(super) fn is_flying(&self) -> bool {
        !self.flying.is_empty()
    }

    /// The server has answered for good: the message leaves the outbox.
    pub(super) fn landed(&mut self, now: Millis, id: MessageId) -> Option<OutboxEntry> {
        let entry = self.flying.remove(&id)?;
        self.messages -= 1;
        if let Some(lane) = self.lanes.get_mut(&entry.contact) {
            lane.flying -= 1;
            if lane.flying == 0 && lane.waiting.is_empty() {
                self.lanes.remove(&entry.contact);
            }
        }
        self.reopen(now, entry.contact);
        Some(entry)
    }

    /// The server will take the message later: its lane waits until `until`.
    pub(super) fn refused(&mut self, now: Millis, id: MessageId, until: Millis) {
        let Some(entry) = self.flying.remove(&id) else {
            return;
        };
        let Some(lane) = self.lanes.get_mut(&entry.contact) else {
            return;
        };
        lane.flying -= 1;
        lane.waiting.insert(entry.seq, id);
        lane.held_until = lane.held_until.max(Some(until));
        for seq in lane.waiting.keys() {
            self.ready.remove(seq);
        }
        self.reopen(now, entry.contact);
    }

    /// Takes a whole conversation out: it has no recipient.
    pub(super) fn abandon(&mut self, contact: ContactId) -> Vec<OutboxEntry> {
        let Some(lane) = self.lanes.get_mut(&contact) else {
            return Vec::new();
        };
        let waiting = core::mem::take(&mut lane.waiting);
        if lane.flying == 0 {
            self.lanes.remove(&contact);
        }
        self.messages -= waiting.len();
        let entry = |(seq, id)| OutboxEntry { seq, id, contact };
        let abandoned: Vec<_> = waiting.into_iter().map(entry).collect();
        for entry in &abandoned {
            self.ready.remove(&entry.seq);
        }
        abandoned
    }

    /// Nothing is under way any more: all that had no answer waits again, in its order. A lane
    /// that the server has put off stays put off.
    pub(super) fn disconnected(&mut self) {
        for (id, entry) in core::mem::take(&mut self.flying) {
            if let Some(lane) = self.lanes.get_mut(&entry.contact) {
                lane.flying -= 1;
                lane.waiting.insert(entry.seq, id);
            }
        }
        let open: Vec<_> = self
            .lanes
            .iter()
            .filter(|(_, lane)| lane.is_open())
            .map(|(id, _)| *id)
            .collect();
        for contact in open {
            self.open(contact);
        }
    }

    /// When a held lane may go on, of all lanes whose turn does not depend on an answer.
    pub(super) fn due(&self) -> Option<Millis> {
        let idle = self.lanes.values().filter(|lane| lane.flying == 0);
        idle.filter_map(|lane| lane.held_until).min()
    }

    /// Lets every lane go on whose time has come.
    pub(super) fn wake(&mut self, now: Millis) {
        if self.due().is_none_or(|due| due > now) {
            return;
        }
        let lanes: Vec<_> = self.lanes.keys().copied().collect();
        for contact in lanes {
            self.reopen(now, contact);
        }
    }

    fn reopen(&mut self, now: Millis, contact: ContactId) {
        let Some(lane) = self.lanes.get_mut(&contact) else {
            return;
        };
        if lane.flying == 0 && lane.held_until.is_some_and(|until| until <= now) {
            lane.held_until = None;
            self.open(contact);
        }
    }

    fn open(&mut self, contact: ContactId) {
        let Some(lane) = self.lanes.get(&contact).filter(|lane| lane.is_open()) else {
            return;
        };
        self.ready
            .extend(lane.waiting.keys().map(|seq| (*seq, contact)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOB: ContactId = ContactId(1);
    const CAROL: ContactId = ContactId(2);

    fn entry(seq: i64, contact: ContactId) -> OutboxEntry {
        OutboxEntry {
            seq: Seq(seq),
            id: MessageId([seq as u8; 16]),
            contact,
        }
    }

    fn outbox(entries: &[OutboxEntry]) -> Outbox {
        let mut outbox = Outbox::default();
        for entry in entries {
            outbox.push(*entry, Some(UserId(entry.contact.0 as u64)));
        }
        outbox
    }

    fn depart_all(outbox: &mut Outbox) -> Vec<i64> {
        core::iter::from_fn(|| outbox.depart())
            .map(|departure| departure.entry.seq.0)
            .collect()
    }

    #[test]
    fn a_refused_message_holds_its_conversation_in_order_and_no_other_one() {
        let (a, b, c) = (entry(1, BOB), entry(2, BOB), entry(3, CAROL));
        let mut outbox = outbox(&[a, b, c]);
        assert_eq!(depart_all(&mut outbox), [1, 2, 3]);

        outbox.refused(Millis(0), a.id, Millis(100));
        outbox.push(entry(4, BOB), None);
        outbox.push(entry(5, CAROL), None);
        assert_eq!(depart_all(&mut outbox), [5]);

        // The time has come, but the answer for the second one has not.
        outbox.wake(Millis(100));
        assert_eq!(depart_all(&mut outbox), []);
        outbox.refused(Millis(101), b.id, Millis(101));
        assert_eq!(depart_all(&mut outbox), [1, 2, 4]);
    }

    #[test]
    fn after_a_lost_connection_all_without_an_answer_goes_again_in_order() {
        let (a, b, c) = (entry(1, BOB), entry(2, CAROL), entry(3, BOB));
        let mut outbox = outbox(&[a, b, c]);
        depart_all(&mut outbox);
        assert_eq!(outbox.landed(Millis(0), b.id), Some(b));
        outbox.disconnected();
        assert_eq!(depart_all(&mut outbox), [1, 3]);
    }

    #[test]
    fn a_message_to_an_unknown_name_waits_until_the_name_is_known() {
        let mut outbox = Outbox::default();
        outbox.push(entry(1, BOB), None);
        assert_eq!(outbox.depart(), None);
        outbox.resolved(BOB, UserId(7));
        assert_eq!(
            outbox.depart().map(|departure| departure.to),
            Some(UserId(7))
        );
    }

    #[test]
    fn a_conversation_without_a_recipient_is_taken_out_whole() {
        let mut outbox = Outbox::default();
        outbox.push(entry(1, BOB), None);
        outbox.push(entry(2, BOB), None);
        assert_eq!(outbox.abandon(BOB), [entry(1, BOB), entry(2, BOB)]);
        assert!(outbox.abandon(BOB).is_empty());
    }
}
