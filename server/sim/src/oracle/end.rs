//! The balance, once everything has healed and nothing moves any more.

use std::collections::{BTreeMap, BTreeSet};

use martlet_client::MessageState;
use martlet_protocol::{Address, MessageId, Position, State, Timestamp, UserId};

use super::app::wire_state;
use super::ledger::{Item, Ledger, Told};
use super::sends::Try;
use super::witness::{Placed, Witness};

/// Rows of one shard's outbox that may be left when everything is confirmed: they are removed in
/// ranges of this many, and the newest stays.
const OUTBOX_ROWS_MAX: u64 = 65;

impl Ledger {
    /// Everything that was promised has come.
    pub(crate) fn close(&mut self, witness: &Witness, shards: u16) {
        let mut problems = Vec::new();
        for device in 0..self.devices.len() {
            self.check_stream(witness, device, &mut problems);
        }
        for id in self.messages.keys() {
            self.check_message(witness, *id, &mut problems);
        }
        for id in self.tries.ids() {
            self.check_control(witness, id, &mut problems);
        }
        for (device, id) in &self.marked {
            self.check_marked(witness, *device, *id, &mut problems);
        }
        self.check_lists(witness, &mut problems);
        self.check_groups(&witness.groups, &mut problems);
        self.check_lies(&mut problems);
        if witness.outbox_rows > OUTBOX_ROWS_MAX * u64::from(shards) {
            problems.push(format!("{} outbox rows are left", witness.outbox_rows));
        }
        for problem in problems {
            self.violate(problem);
        }
    }

    /// No inbox is larger than its bound: one more row may tell of what did not fit, and rows up
    /// to the cursor go in ranges.
    pub(crate) fn check_bounds(&mut self, witness: &Witness, rows_max: u64) {
        const TRIM_ROWS: u64 = 128;
        for (address, rows) in &witness.waiting {
            if *rows > rows_max + 1 + TRIM_ROWS {
                self.violate(format!("{address} has {rows} rows in its inbox"));
            }
        }
    }

    /// A stream is whole, and each thing was told once and in order.
    fn check_stream(&self, witness: &Witness, device: usize, problems: &mut Vec<String>) {
        let watched = &self.devices[device];
        let name = &watched.name;
        let tail = watched.address.map(|address| witness.tail_of(address));
        for position in 1..=tail.unwrap_or_default().0 {
            if !watched.items.contains_key(&Position(position)) {
                problems.push(format!("{name} never heard of position {position}"));
            }
        }
        let mut watermarks = BTreeMap::<(UserId, State), Timestamp>::new();
        let mut facts = BTreeSet::<(MessageId, State, Option<Address>)>::new();
        let mut entries = BTreeSet::new();
        for item in watched.items.values() {
            let is_news = match item {
                Item::Told(Told::Receipt { peer, state, up_to }) => {
                    let mark = watermarks.entry((peer.user, *state)).or_default();
                    let rises = up_to > mark;
                    *mark = *up_to;
                    rises
                }
                Item::Told(Told::Fact {
                    peer,
                    state,
                    message_id,
                }) => {
                    // A message ends once at each device, and is delivered and read once at all.
                    // That it still waits is told once for each device that does not have it.
                    let is_at_all = matches!(*state, State::DELIVERED | State::READ);
                    facts.insert((*message_id, *state, (!is_at_all).then_some(*peer)))
                }
                Item::Entry { group, sequence } => entries.insert((*group, *sequence)),
                Item::Message(_) | Item::Progress { .. } | Item::Gap => true,
            };
            if !is_news {
                problems.push(format!("{name} is told again: {item:?}"));
            }
        }
    }

    fn check_message(&self, witness: &Witness, id: MessageId, problems: &mut Vec<String>) {
        let message = &self.messages[&id];
        let author = &self.devices[message.author];
        let what = format!("{id} ({} of {})", message.number, author.name);
        let is_removed = self.was_removed(message.author);
        let Some(to) = message.to else {
            if message.state != MessageState::Failed && !is_removed {
                problems.push(format!("{what} to nobody is {}", message.state));
            }
            return;
        };
        let Some(placed) = self.placed(witness, id, message.author) else {
            // Whoever was removed is not listened to any more.
            if !is_removed {
                problems.push(format!("{what} is lost: it is {}", message.state));
            }
            return;
        };
        if message
            .timestamp
            .is_some_and(|known| known != placed.timestamp)
        {
            problems.push(format!("{what} has another timestamp on the disk"));
        }
        self.check_places(&what, (id, to), placed, problems);
        let made = self.accepted(witness, id, placed);
        if made.is_empty() {
            problems.push(format!("{what} was placed for others than were listed"));
        }
        if is_removed {
            return;
        }
        if let Some(problem) = self.check_state(witness, id, to, placed) {
            let state = message.state;
            problems.push(format!("{what} is {state} at its author, {problem}"));
        }
        let missing: Option<Vec<_>> = made.iter().map(|it| self.uncopied(id, it)).collect();
        if let Some(name) = missing.and_then(|missing| missing.into_iter().next()) {
            problems.push(format!("{what} was not copied to {name}"));
        }
    }

    /// What devices say to each other arrives as well, or ends.
    fn check_control(&self, witness: &Witness, id: MessageId, problems: &mut Vec<String>) {
        let tries = self.tries.of(id);
        let Some(made) = tries.last().filter(|_| !self.messages.contains_key(&id)) else {
            return;
        };
        let what = format!("{id} of {}", self.name(made.author));
        let Some(to) = self.account_of(made.to) else {
            return;
        };
        match self.placed(witness, id, made.author) {
            Some(placed) => {
                self.check_places(&what, (id, to), placed, problems);
                if self.accepted(witness, id, placed).is_empty() {
                    problems.push(format!("{what} was placed for others than it named"));
                }
            }
            None => {
                if !self.is_pointless(id) && !self.was_removed(made.author) {
                    problems.push(format!("{what} is lost"));
                }
            }
        }
    }

    fn placed<'a>(&self, witness: &'a Witness, id: MessageId, author: usize) -> Option<&'a Placed> {
        let address = self.devices.get(author)?.address?;
        witness.messages.get(&(id, address))
    }

    /// The tries that can have been accepted: made for the newest list, and for the devices at
    /// which the message was placed.
    fn accepted(&self, witness: &Witness, id: MessageId, placed: &Placed) -> Vec<&Try> {
        let tries = self.tries.of(id).iter().filter(|made| !made.is_stale);
        let is_right = |made: &&Try| {
            let devices = placed.at.iter().map(|(device, _, _)| *device);
            let listed = witness.lists.get(&(made.to, made.to_version));
            let is_all = listed.is_some_and(|listed| made.devices().eq(listed.iter().copied()));
            (made.is_named || is_all) && made.devices().eq(devices)
        };
        tries.filter(is_right).collect()
    }

    /// The name of a device that lacks its copy.
    fn uncopied(&self, id: MessageId, made: &Try) -> Option<String> {
        let message = self.messages.get(&id)?;
        let user = self.devices.get(made.author)?.address?.user;
        let missing = made.copies().find(|device| {
            let address = Address {
                user,
                device: *device,
            };
            if self.lists.has_removed(address) {
                return false;
            }
            let at = self.device_at(address);
            at.is_none_or(|at| {
                let is_excused = self.devices[at].has_gap || self.is_withheld(at, id);
                !is_excused && !message.is_at(at)
            })
        });
        missing.map(|device| Address { user, device }.to_string())
    }

    fn check_places(
        &self,
        what: &str,
        (id, to): (MessageId, usize),
        placed: &Placed,
        problems: &mut Vec<String>,
    ) {
        let user = self.accounts[to].1;
        for (device, position, fact) in &placed.at {
            let device = *device;
            let address = Address { user, device };
            let problem = match *fact {
                Some(fact) => self.check_ending(id, address, *position, fact),
                None => self.check_arrival(id, address, *position),
            };
            problems.extend(problem.map(|problem| format!("{what} at {address} {problem}")));
        }
    }

    /// A device that took a message has shown it, if it is one for people.
    fn check_arrival(&self, id: MessageId, address: Address, position: Position) -> Option<String> {
        let Some(at) = self.device_at(address) else {
            return Some("waits for nobody".to_owned());
        };
        let device = &self.devices[at];
        let has_it = device.items.get(&position) == Some(&Item::Message(id));
        // Whoever was removed does not learn any more who wrote to it.
        let message = self.messages.get(&id);
        let is_unseen = self.was_removed(at) || self.is_withheld(at, id);
        let is_shown = is_unseen || message.is_none_or(|message| message.is_at(at));
        (!is_shown || !has_it).then(|| "never arrived".to_owned())
    }

    /// A message has ended at a device, and both sides know why.
    fn check_ending(
        &self,
        id: MessageId,
        address: Address,
        position: Position,
        fact: State,
    ) -> Option<String> {
        let message = self.messages.get(&id);
        let has_ttl = message.is_some_and(|message| message.has_ttl);
        if !self.may_end(fact, has_ttl, address) {
            return Some(format!("cannot have ended as {fact:?}"));
        }
        // It may have arrived although it is told to have ended: its acknowledgement was lost, and
        // the device never came back in time.
        let is_known = self.device_at(address).is_none_or(|at| {
            let item = self.devices[at].items.get(&position);
            let has_it = item == Some(&Item::Message(id));
            has_it || item == Some(&Item::Gap) || self.was_removed(at)
        });
        if !is_known {
            return Some(format!("ended as {fact:?}, but its device was not told"));
        }
        let message = message.filter(|message| !self.was_removed(message.author))?;
        let author = &self.devices[message.author];
        let told = Item::Told(Told::Fact {
            peer: address,
            state: fact,
            message_id: id,
        });
        let is_told = author.has_gap || author.items.values().any(|item| *item == told);
        (!is_told).then(|| format!("ended as {fact:?}, but its author was not told"))
    }

    /// The server knows what was marked read, unless it had ended at the reader's device.
    fn check_marked(
        &self,
        witness: &Witness,
        device: usize,
        id: MessageId,
        problems: &mut Vec<String>,
    ) {
        let (message, reader) = (&self.messages[&id], &self.devices[device]);
        let author = &self.devices[message.author];
        let ends = reader.address.zip(author.address);
        let placed = self.placed(witness, id, message.author);
        let (Some((at, from)), Some(placed)) = (ends, placed) else {
            return;
        };
        if self.was_removed(device) {
            return;
        }
        let mut places = placed.at.iter();
        let is_taken = places.any(|(device, _, fact)| *device == at.device && fact.is_none());
        let pair = (at.user, from.user);
        let mark = witness.reads.get(&pair).copied().unwrap_or_default();
        let is_refused = self.unmarked.contains(&(device, author.account));
        if is_taken && !is_refused && mark < placed.timestamp {
            let name = &reader.name;
            problems.push(format!("{id} was read at {name}, but the server forgot"));
        }
    }

    /// The author's view is what became of the message.
    fn check_state(
        &self,
        witness: &Witness,
        id: MessageId,
        to: usize,
        placed: &Placed,
    ) -> Option<&'static str> {
        let message = &self.messages[&id];
        let author = &self.devices[message.author];
        let state = message.state;
        let is_delivered = placed.at.iter().any(|(_, _, fact)| fact.is_none());
        if !is_delivered {
            let mut facts = placed.at.iter().filter_map(|(_, _, fact)| *fact);
            let is_right = facts.any(|fact| wire_state(state) == Some(fact));
            return (!is_right).then_some("but it ended at every device");
        }
        if !matches!(state, MessageState::Delivered | MessageState::Read) {
            return Some("but it was delivered");
        }
        let peer = self.accounts[author.account].1;
        let mark = witness.reads.get(&(self.accounts[to].1, peer));
        let is_read = mark.is_some_and(|mark| *mark >= placed.timestamp);
        // A message that a FACT has named stands outside the watermarks, be it that it ended at one
        // device or that it waited when a new one came; and receipts may lie in a gap.
        let is_named = author.items.values().any(|item| match item {
            Item::Told(Told::Fact {
                message_id, state, ..
            }) => *message_id == id && *state == State::SENT,
            _ => false,
        });
        let has_ended = placed.at.iter().any(|(_, _, fact)| fact.is_some());
        let is_plain = !author.has_gap && !is_named && !has_ended;
        let is_behind = is_plain && is_read && state != MessageState::Read;
        is_behind.then_some("but it was read")
    }
}
