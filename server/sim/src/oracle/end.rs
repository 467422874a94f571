//! The balance, once everything has healed and nothing moves any more.

use std::collections::{BTreeMap, BTreeSet};

use martlet_client::MessageState;
use martlet_protocol::{Address, MessageId, Position, State, Timestamp, UserId};

use super::app::wire_state;
use super::ledger::{Item, Ledger, Told};
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
        for (device, id) in &self.marked {
            self.check_marked(witness, *device, *id, &mut problems);
        }
        // What no client can open ends at every device, and blocks no queue.
        for ((id, _), placed) in &witness.messages {
            let is_open = placed.at.iter().any(|(_, _, fact)| fact.is_none());
            if self.poison.contains(id) && is_open {
                problems.push(format!("{id}, which nobody can open, was delivered"));
            }
        }
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
        for position in 1..=witness.tail_of(watched.address).0 {
            if !watched.items.contains_key(&Position(position)) {
                problems.push(format!("{name} never heard of position {position}"));
            }
        }
        let mut watermarks = BTreeMap::<(UserId, State), Timestamp>::new();
        let mut facts = BTreeSet::<(MessageId, State, Option<Address>)>::new();
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
                Item::Message(_) | Item::Gap => true,
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
        let Some(to) = message.to else {
            if message.state != MessageState::Failed {
                problems.push(format!("{what} to nobody is {}", message.state));
            }
            return;
        };
        let Some(placed) = witness.messages.get(&(id, author.address)) else {
            return problems.push(format!("{what} is lost: it is {}", message.state));
        };
        if message
            .timestamp
            .is_some_and(|known| known != placed.timestamp)
        {
            problems.push(format!("{what} has another timestamp on the disk"));
        }
        let user = self.accounts[to].1;
        let expected = self.devices.iter().filter(|device| device.account == to);
        if placed.at.len() != expected.count() {
            problems.push(format!("{what} was placed for {} devices", placed.at.len()));
        }
        for (device, position, fact) in &placed.at {
            let device = *device;
            let address = Address { user, device };
            let problem = self.check_place(id, address, *position, *fact);
            problems.extend(problem.map(|problem| format!("{what} at {address} {problem}")));
        }
        if let Some(problem) = self.check_state(witness, id, to, placed) {
            problems.push(format!(
                "{what} is {} at its author, {problem}",
                message.state
            ));
        }
        for (index, device) in self.devices.iter().enumerate() {
            let is_sibling = device.account == author.account && index != message.author;
            if is_sibling && !device.has_gap && !message.shown.contains(&index) {
                problems.push(format!("{what} was not copied to {}", device.name));
            }
        }
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
        let Some(placed) = witness.messages.get(&(id, author.address)) else {
            return;
        };
        let mut places = placed.at.iter();
        let is_taken = places.any(|(at, _, fact)| *at == reader.address.device && fact.is_none());
        let pair = (reader.address.user, author.address.user);
        let mark = witness.reads.get(&pair).copied().unwrap_or_default();
        let is_refused = self.unmarked.contains(&(device, author.account));
        if is_taken && !is_refused && mark < placed.timestamp {
            let name = &reader.name;
            problems.push(format!("{id} was read at {name}, but the server forgot"));
        }
    }

    /// One device has the message, or both sides know why not.
    fn check_place(
        &self,
        id: MessageId,
        address: Address,
        position: Position,
        fact: Option<State>,
    ) -> Option<String> {
        let message = &self.messages[&id];
        let at = self.device_at(address)?;
        let has_it = message.arrived.get(&at) == Some(&position);
        let Some(fact) = fact else {
            let is_shown = message.shown.contains(&at);
            return (!is_shown || !has_it).then(|| "never arrived".to_owned());
        };
        if !self.may_end(fact, message.has_ttl) {
            return Some(format!("cannot have ended as {fact:?}"));
        }
        // It may have arrived although it is told to have ended: its acknowledgement was lost, and
        // the device never came back in time.
        let is_gap = self.devices[at].items.get(&position) == Some(&Item::Gap);
        if !is_gap && !has_it {
            return Some(format!("ended as {fact:?}, but its device was not told"));
        }
        let author = &self.devices[message.author];
        let told = Item::Told(Told::Fact {
            peer: address,
            state: fact,
            message_id: id,
        });
        let is_told = author.has_gap || author.items.values().any(|item| *item == told);
        (!is_told).then(|| format!("ended as {fact:?}, but its author was not told"))
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
        // A message that ended at one device stands outside the watermark of that device, and
        // receipts may lie in a gap.
        let is_plain = !author.has_gap && placed.at.iter().all(|(_, _, fact)| fact.is_none());
        let is_behind = is_plain && is_read && state != MessageState::Read;
        is_behind.then_some("but it was read")
    }
}
