//! The outbox in memory: which message may be sent next, and in which order.
//!
//! Each conversation is a lane. Within a lane the order of writing is kept whatever happens: after
//! a refusal that is not final the whole lane waits until nothing of it is under way, and then
//! goes on with the refused message [M-9.17]. A lane whose next message cannot be encrypted yet is
//! closed until that may have changed, and one whose next message is for other device lists than
//! those under way until they are answered. Lanes do not wait for each other.

use std::collections::BTreeMap;

use martlet_protocol::{GroupId, MessageId, Millis, UserId};

use crate::local::{Contact, ContactId, OutboxEntry, Slot};

/// Most messages that may wait: a device that stays offline must not fill its disk.
pub(super) const MESSAGES_MAX: usize = 10_000;

/// Most messages under way at a time. A receiver keeps 40 keys of messages that it has not seen
/// [M-23.6]: with fewer under way none is lost because another one came first.
const FLYING_MAX: usize = 39;

#[derive(Debug, Default)]
pub(super) struct Outbox {
    lanes: BTreeMap<ContactId, Lane>,
    /// What may be sent now, of all lanes.
    ready: BTreeMap<Slot, ContactId>,
    flying: BTreeMap<MessageId, Waiting>,
    messages: usize,
    controls: usize,
}

#[derive(Debug, Default)]
struct Lane {
    /// Where it leads, once it is known which account has the handle.
    to: Option<Recipient>,
    waiting: BTreeMap<Slot, Waiting>,
    /// How many are under way.
    flying: usize,
    /// A refusal holds the lane until then, and until nothing is under way.
    held_until: Option<Millis>,
    /// The first message that waits cannot be encrypted yet.
    is_unprepared: bool,
    /// The lists for which all that is under way was made.
    versions: Option<Versions>,
    /// The first message that waits is for other lists.
    is_ahead: bool,
}

/// Where messages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Recipient {
    Account(UserId),
    Group(GroupId),
}

impl Recipient {
    /// Where the messages of a conversation go, once that is known.
    pub(super) fn of(contact: &Contact) -> Option<Self> {
        let group = contact.group.map(Self::Group);
        group.or_else(|| contact.user.map(Self::Account))
    }
}

/// What a message was made for: the versions of the two lists, the recipient's and the own one; or
/// the version of the group and its roster.
pub(super) type Versions = (u64, u64);

#[derive(Clone, Copy, Debug)]
struct Waiting {
    entry: OutboxEntry,
    is_uncertain: bool,
}

impl Lane {
    const fn is_open(&self) -> bool {
        let may_go = self.held_until.is_none() && !self.is_unprepared && !self.is_ahead;
        self.to.is_some() && may_go
    }

    fn put(&mut self, waiting: Waiting) {
        self.waiting.insert(waiting.entry.slot, waiting);
    }
}

/// A message to send now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Departure {
    pub(super) entry: OutboxEntry,
    pub(super) to: Recipient,
    /// The server may have placed it at an attempt that has no answer: what was sent then has to
    /// be repeated unchanged [M-9.9].
    pub(super) is_uncertain: bool,
}

impl Outbox {
    /// How many messages wait or are under way.
    pub(super) const fn len(&self) -> usize {
        self.messages
    }

    /// Whether nothing at all waits or is under way.
    pub(super) const fn is_empty(&self) -> bool {
        self.messages == 0 && self.controls == 0
    }

    pub(super) const fn is_full(&self) -> bool {
        self.messages >= MESSAGES_MAX
    }

    /// Adds a new message behind all others of its lane.
    pub(super) fn push(&mut self, entry: OutboxEntry, to: Option<Recipient>) {
        self.add(entry, to, false);
    }

    /// Adds a message that an earlier run may have sent.
    pub(super) fn load(&mut self, entry: OutboxEntry, to: Option<Recipient>) {
        self.add(entry, to, true);
    }

    fn add(&mut self, entry: OutboxEntry, to: Option<Recipient>, is_uncertain: bool) {
        let lane = self.lanes.entry(entry.contact).or_default();
        lane.to = lane.to.or(to);
        lane.put(Waiting {
            entry,
            is_uncertain,
        });
        if lane.is_open() {
            self.ready.insert(entry.slot, entry.contact);
        }
        *self.count(&entry) += 1;
    }

    /// The account of a conversation is known: its lane may go.
    pub(super) fn resolved(&mut self, contact: ContactId, user: UserId) {
        if let Some(lane) = self.lanes.get_mut(&contact) {
            lane.to = Some(Recipient::Account(user));
            self.open(contact);
        }
    }

    /// Two contacts are one: what was for `from` goes to `into`, all in its order.
    pub(super) fn merge(&mut self, from: ContactId, into: ContactId) {
        let Some(old) = self.lanes.remove(&from) else {
            return;
        };
        for waiting in self.flying.values_mut() {
            if waiting.entry.contact == from {
                waiting.entry.contact = into;
            }
        }
        let lane = self.lanes.entry(into).or_default();
        lane.to = lane.to.or(old.to);
        lane.flying += old.flying;
        lane.held_until = lane.held_until.max(old.held_until);
        lane.is_unprepared |= old.is_unprepared;
        lane.is_ahead |= old.is_ahead;
        // What is under way may be for several lists now: nothing else joins it.
        if old.flying > 0 && lane.versions != old.versions {
            lane.versions = None;
        }
        for mut waiting in old.waiting.into_values() {
            self.ready.remove(&waiting.entry.slot);
            waiting.entry.contact = into;
            lane.put(waiting);
        }
        self.open(into);
    }

    /// The message to send next, and takes note that it is under way.
    pub(super) fn depart(&mut self) -> Option<Departure> {
        let (slot, contact) = self.ready.pop_first()?;
        let lane = self.lanes.get_mut(&contact)?;
        let waiting = lane.waiting.remove(&slot)?;
        lane.flying += 1;
        self.flying.insert(waiting.entry.id, waiting);
        Some(Departure {
            entry: waiting.entry,
            to: lane.to?,
            is_uncertain: waiting.is_uncertain,
        })
    }

    /// The message cannot be encrypted yet: it did not depart, and its lane waits.
    pub(super) fn unprepared(&mut self, departure: &Departure) {
        if let Some(lane) = self.lanes.get_mut(&departure.entry.contact) {
            lane.is_unprepared = true;
        }
        self.put_back(departure);
    }

    /// The message did not depart after all, and nothing of its lane will for now.
    fn put_back(&mut self, departure: &Departure) {
        let entry = departure.entry;
        self.flying.remove(&entry.id);
        let Some(lane) = self.lanes.get_mut(&entry.contact) else {
            return;
        };
        lane.flying -= 1;
        lane.put(Waiting {
            entry,
            is_uncertain: departure.is_uncertain,
        });
        for slot in lane.waiting.keys() {
            self.ready.remove(slot);
        }
    }

    /// Whether the message may be under way together with the others of its lane: when all are for
    /// the same lists. Else the lane waits for their answers: if they were refused for that, they
    /// get parts for the devices that are new, and those have to come before the parts of this one.
    pub(super) fn joins(&mut self, departure: &Departure, versions: Versions) -> bool {
        let Some(lane) = self.lanes.get_mut(&departure.entry.contact) else {
            return true;
        };
        // This one has departed already.
        if lane.flying <= 1 || lane.versions == Some(versions) {
            lane.versions = Some(versions);
            return true;
        }
        lane.is_ahead = true;
        self.put_back(departure);
        false
    }

    /// Something is known of this account that its lane may have waited for, or that of a group.
    pub(super) fn prepared(&mut self, user: UserId) {
        self.prepare(|lane| match lane.to {
            Some(Recipient::Account(to)) => to == user,
            Some(Recipient::Group(_)) => true,
            None => false,
        });
    }

    /// Something is known of this group that its lane may have waited for.
    pub(super) fn group_prepared(&mut self, group: GroupId) {
        self.prepare(|lane| lane.to == Some(Recipient::Group(group)));
    }

    /// Something is known that any lane may have waited for.
    pub(super) fn all_prepared(&mut self) {
        self.prepare(|_| true);
    }

    fn prepare(&mut self, is_meant: impl Fn(&Lane) -> bool) {
        let mut opened = Vec::new();
        for (contact, lane) in &mut self.lanes {
            if lane.is_unprepared && is_meant(lane) {
                lane.is_unprepared = false;
                opened.push(*contact);
            }
        }
        for contact in opened {
            self.open(contact);
        }
    }

    /// Whether one more message may be under way.
    pub(super) fn has_room(&self) -> bool {
        self.flying.len() < FLYING_MAX
    }

    pub(super) fn is_flying(&self) -> bool {
        !self.flying.is_empty()
    }

    /// A message that is under way.
    pub(super) fn flight(&self, id: MessageId) -> Option<(OutboxEntry, Recipient)> {
        let entry = self.flying.get(&id)?.entry;
        let to = self.lanes.get(&entry.contact)?.to?;
        Some((entry, to))
    }

    /// The server has answered for good: the message leaves the outbox.
    pub(super) fn landed(&mut self, now: Millis, id: MessageId) -> Option<OutboxEntry> {
        let entry = self.flying.remove(&id)?.entry;
        *self.count(&entry) -= 1;
        if let Some(lane) = self.lanes.get_mut(&entry.contact) {
            lane.flying -= 1;
            if lane.flying == 0 && lane.waiting.is_empty() {
                self.lanes.remove(&entry.contact);
            }
        }
        self.settled(entry.contact);
        self.reopen(now, entry.contact);
        Some(entry)
    }

    /// The server will take the message later: its lane waits until `until`. Some refusals come
    /// before the server looks whether it has the message [M-9.5]; after the others it is certain
    /// that it `is_unplaced`.
    pub(super) fn refused(&mut self, now: Millis, id: MessageId, until: Millis, is_unplaced: bool) {
        let Some(mut waiting) = self.flying.remove(&id) else {
            return;
        };
        let entry = waiting.entry;
        let Some(lane) = self.lanes.get_mut(&entry.contact) else {
            return;
        };
        lane.flying -= 1;
        waiting.is_uncertain &= !is_unplaced;
        lane.put(waiting);
        lane.held_until = lane.held_until.max(Some(until));
        for slot in lane.waiting.keys() {
            self.ready.remove(slot);
        }
        self.settled(entry.contact);
        self.reopen(now, entry.contact);
    }

    /// One message less is under way: what waited for the last one of them may go.
    fn settled(&mut self, contact: ContactId) {
        if let Some(lane) = self.lanes.get_mut(&contact)
            && lane.flying == 0
            && core::mem::take(&mut lane.is_ahead)
        {
            self.open(contact);
        }
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
        let abandoned: Vec<_> = waiting.into_values().map(|waiting| waiting.entry).collect();
        for entry in &abandoned {
            self.ready.remove(&entry.slot);
            *self.count(entry) -= 1;
        }
        abandoned
    }

    /// The conversations with this account.
    pub(super) fn lanes_of(&self, user: UserId) -> Vec<ContactId> {
        let lanes = self.lanes.iter();
        let lanes = lanes.filter(|(_, lane)| lane.to == Some(Recipient::Account(user)));
        lanes.map(|(contact, _)| *contact).collect()
    }

    /// Nothing is under way any more: all that had no answer waits again, in its order. A lane
    /// that the server has put off stays put off; whether one can be prepared is seen anew.
    pub(super) fn disconnected(&mut self) {
        for mut waiting in core::mem::take(&mut self.flying).into_values() {
            if let Some(lane) = self.lanes.get_mut(&waiting.entry.contact) {
                lane.flying -= 1;
                waiting.is_uncertain = true;
                lane.put(waiting);
            }
        }
        let contacts: Vec<_> = self.lanes.keys().copied().collect();
        for contact in contacts {
            if let Some(lane) = self.lanes.get_mut(&contact) {
                lane.is_unprepared = false;
                lane.is_ahead = false;
            }
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
            .extend(lane.waiting.keys().map(|slot| (*slot, contact)));
    }

    const fn count(&mut self, entry: &OutboxEntry) -> &mut usize {
        if entry.is_control {
            &mut self.controls
        } else {
            &mut self.messages
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOB: ContactId = ContactId(1);
    const CAROL: ContactId = ContactId(2);

    fn entry(slot: i64, contact: ContactId) -> OutboxEntry {
        OutboxEntry {
            slot: Slot(slot),
            id: MessageId([slot as u8; 16]),
            contact,
            is_control: false,
        }
    }

    fn outbox(entries: &[OutboxEntry]) -> Outbox {
        let mut outbox = Outbox::default();
        for entry in entries {
            let user = UserId(entry.contact.0 as u64);
            outbox.push(*entry, Some(Recipient::Account(user)));
        }
        outbox
    }

    fn depart_all(outbox: &mut Outbox) -> Vec<i64> {
        core::iter::from_fn(|| outbox.depart())
            .map(|departure| departure.entry.slot.0)
            .collect()
    }

    #[test]
    fn a_refused_message_holds_its_conversation_in_order_and_no_other_one() {
        let (a, b, c) = (entry(1, BOB), entry(2, BOB), entry(3, CAROL));
        let mut outbox = outbox(&[a, b, c]);
        assert_eq!(depart_all(&mut outbox), [1, 2, 3]);

        outbox.refused(Millis(0), a.id, Millis(100), false);
        outbox.push(entry(4, BOB), None);
        outbox.push(entry(5, CAROL), None);
        assert_eq!(depart_all(&mut outbox), [5]);

        // The time has come, but the answer for the second one has not.
        outbox.wake(Millis(100));
        assert!(depart_all(&mut outbox).is_empty());
        outbox.refused(Millis(101), b.id, Millis(101), false);
        assert_eq!(depart_all(&mut outbox), [1, 2, 4]);
    }

    #[test]
    fn what_was_sent_and_not_answered_stays_uncertain_until_the_server_says_that_it_is_not_there() {
        let (a, now) = (entry(1, BOB), Millis(0));
        let mut outbox = outbox(&[a]);
        let depart = |outbox: &mut Outbox| outbox.depart().map(|it| it.is_uncertain);
        assert_eq!(depart(&mut outbox), Some(false));
        outbox.refused(now, a.id, now, false);
        assert_eq!(depart(&mut outbox), Some(false));
        outbox.disconnected();
        assert_eq!(depart(&mut outbox), Some(true));
        outbox.refused(now, a.id, now, false);
        assert_eq!(depart(&mut outbox), Some(true));
        outbox.refused(now, a.id, now, true);
        assert_eq!(depart(&mut outbox), Some(false));
    }

    #[test]
    fn a_lane_that_cannot_be_prepared_waits_in_its_order_until_its_account_is_known_better() {
        let (a, b, c) = (entry(1, BOB), entry(2, BOB), entry(3, CAROL));
        let mut outbox = outbox(&[a, b, c]);
        let first = outbox.depart().unwrap();
        outbox.unprepared(&first);
        assert_eq!(depart_all(&mut outbox), [3]);
        outbox.prepared(UserId(2));
        assert!(depart_all(&mut outbox).is_empty());
        outbox.prepared(UserId(1));
        assert_eq!(depart_all(&mut outbox), [1, 2]);
    }

    #[test]
    fn a_message_for_other_lists_waits_until_those_before_it_are_answered() {
        let (a, b, c) = (entry(1, BOB), entry(2, BOB), entry(3, BOB));
        let (old, new, now) = ((1, 1), (2, 1), Millis(0));
        let mut outbox = outbox(&[a, b, c]);
        let joins = |outbox: &mut Outbox, versions| {
            let departure = outbox.depart()?;
            Some(outbox.joins(&departure, versions))
        };
        assert_eq!(joins(&mut outbox, old), Some(true));
        assert_eq!(joins(&mut outbox, old), Some(true));
        assert_eq!(joins(&mut outbox, new), Some(false));
        assert_eq!(joins(&mut outbox, new), None);
        outbox.landed(now, a.id);
        assert_eq!(joins(&mut outbox, new), None);
        // Both go again for the new list, in their order.
        outbox.refused(now, b.id, now, true);
        assert_eq!(joins(&mut outbox, new), Some(true));
        assert_eq!(joins(&mut outbox, new), Some(true));
        assert!(outbox.flight(b.id).is_some() && outbox.flight(c.id).is_some());
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
            Some(Recipient::Account(UserId(7)))
        );
    }

    #[test]
    fn two_contacts_that_are_one_have_one_order() {
        let (a, b, c) = (entry(1, CAROL), entry(2, BOB), entry(3, CAROL));
        let mut outbox = Outbox::default();
        outbox.push(a, Some(Recipient::Account(UserId(7))));
        assert_eq!(depart_all(&mut outbox), [1]);
        outbox.push(b, None);
        outbox.push(c, Some(Recipient::Account(UserId(7))));
        outbox.merge(CAROL, BOB);
        outbox.resolved(BOB, UserId(7));
        assert_eq!(depart_all(&mut outbox), [2, 3]);
        let landed = outbox.landed(Millis(0), a.id).map(|entry| entry.contact);
        assert_eq!(landed, Some(BOB));
        assert_eq!(outbox.lanes_of(UserId(7)), [BOB]);
    }

    #[test]
    fn a_conversation_without_a_recipient_is_taken_out_whole() {
        let mut outbox = Outbox::default();
        outbox.push(entry(1, BOB), None);
        outbox.push(entry(2, BOB), None);
        assert_eq!(outbox.abandon(BOB), [entry(1, BOB), entry(2, BOB)]);
        assert!(outbox.abandon(BOB).is_empty());
        assert!(outbox.is_empty());
    }
}
