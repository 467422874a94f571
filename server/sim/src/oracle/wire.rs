//! What reaches a client, before the client sees it.

use martlet_protocol::frame::{Event, EventKind, Fact, Frame, Gap, GapReason, Nack, Receipt, Sent};
use martlet_protocol::{Address, CloseCode, Kind, MessageId, NackCode, Position, State};

use super::ledger::{Item, Ledger, Told};
use crate::counters::Counters;

impl Ledger {
    /// A frame comes out of a connection of this device.
    pub(crate) fn on_frame(&mut self, counters: &mut Counters, device: usize, frame: &Frame<'_>) {
        match frame {
            Frame::Sent(sent) => self.on_sent(device, sent),
            Frame::Event(event) => self.on_event_frame(counters, device, event),
            Frame::Receipt(receipt) => self.on_receipt(counters, device, receipt),
            Frame::Fact(fact) => self.on_fact(counters, device, fact),
            Frame::Gap(gap) => self.on_gap(counters, device, gap),
            Frame::GroupSent(sent) => self.on_group_sent(device, sent),
            Frame::GroupEvent(event) => self.on_group_event(counters, device, event),
            Frame::GroupReceipt(receipt) => self.on_group_receipt(counters, device, receipt),
            Frame::CaughtUp(_) => counters.caught_up += 1,
            Frame::State(_) => counters.states += 1,
            Frame::Nack(nack) if nack.of == Kind::READ => {
                self.on_read_refused(device, nack.reference.as_message());
            }
            Frame::Nack(nack) if nack.of == Kind::SEND => {
                self.on_send_refused(counters, nack.reference.as_message(), nack.code);
            }
            Frame::Nack(nack) => self.on_refused(counters, device, nack),
            Frame::Bundles(answer) => self.on_bundles(counters, device, answer),
            Frame::Close(close) => self.on_close(device, close.code),
            _ => {}
        }
    }

    fn on_send_refused(&mut self, counters: &mut Counters, id: MessageId, code: NackCode) {
        self.tries.refused(id);
        match code {
            NackCode::INBOX_FULL => counters.inbox_full += 1,
            NackCode::OUT_OF_ORDER => counters.out_of_order += 1,
            NackCode::STALE_RECIPIENT => counters.stale_recipient += 1,
            NackCode::STALE_OWN => counters.stale_own += 1,
            // It was for a device that is gone.
            NackCode::PARTS_MISMATCH if self.is_pointless(id) => counters.pointless += 1,
            code => self.violate(format!("a SEND is refused by {code:?}")),
        }
    }

    /// What an honest client's question about keys or devices may be refused by.
    fn on_refused(&mut self, counters: &mut Counters, device: usize, nack: &Nack) {
        let is_legal = match (nack.of, nack.code) {
            (Kind::LINK_JOIN, NackCode::LINK_UNKNOWN) => {
                counters.links_refused += 1;
                true
            }
            (Kind::AUTH, NackCode::AUTH_FAILED) => self.may_be_refused(device),
            // Another device was listed in the meantime.
            (Kind::LINK_OPEN, NackCode::LIST_CONFLICT | NackCode::RATE_LIMITED) => true,
            (Kind::LOOKUP, NackCode::UNKNOWN_HANDLE) => true,
            (Kind::STATUS, NackCode::UNKNOWN_MESSAGE) => true,
            // What follows a refused message has to wait for it.
            (Kind::GROUP_SEND, NackCode::OUT_OF_ORDER) => {
                counters.out_of_order += 1;
                true
            }
            (of, code) if of.0 >= Kind::GROUP_CHANGE.0 => Self::may_refuse_in_group(code),
            _ => false,
        };
        if !is_legal {
            let (name, of, code) = (self.name(device), nack.of, nack.code);
            self.violate(format!("{of:?} of {name} is refused by {code:?}"));
        }
    }

    fn on_close(&mut self, device: usize, code: CloseCode) {
        let is_legal = match code {
            CloseCode::REPLACED | CloseCode::IDLE_TIMEOUT => true,
            CloseCode::DEVICE_GONE | CloseCode::AUTH_FAILED => self.may_be_refused(device),
            _ => false,
        };
        if !is_legal {
            let name = self.name(device);
            self.violate(format!("the server closes {name}: {code:?}"));
        }
    }

    /// Whether this home is not, or not any more, a device.
    pub(crate) fn may_be_refused(&self, device: usize) -> bool {
        let watched = self.devices.get(device);
        watched.is_some_and(|watched| watched.address.is_none()) || self.was_removed(device)
    }

    fn on_sent(&mut self, device: usize, sent: &Sent) {
        let id = sent.message_id;
        let tries = self.tries.of(id).iter();
        let mut tries = tries.filter(|made| made.author == device && !made.is_stale);
        let is_fresh = tries.any(|made| {
            let devices = made.devices().count() as u64;
            (1..=devices).contains(&sent.devices)
        });
        if !is_fresh {
            let name = self.name(device).to_owned();
            let what = format!("{id} of {name} is SENT though it was made for an old list");
            self.violate(what);
        }
        let Some(message) = self.messages.get_mut(&id) else {
            return;
        };
        let known = *message.timestamp.get_or_insert(sent.timestamp);
        if message.author != device {
            self.violate(format!("SENT for {id} reaches another device"));
        }
        if known != sent.timestamp {
            self.violate(format!("{id} has two timestamps"));
        }
    }

    fn on_read_refused(&mut self, device: usize, id: MessageId) {
        match self.messages.get(&id) {
            Some(message) => {
                let author = self.devices[message.author].account;
                self.unmarked.insert((device, author));
            }
            None => self.violate(format!("READ of {id}, which nobody wrote, is refused")),
        }
    }

    fn on_event_frame(&mut self, counters: &mut Counters, device: usize, event: &Event<'_>) {
        let id = event.message_id;
        self.on_item(counters, device, event.position, Item::Message(id));
        if self.poison.contains(&id) {
            return;
        }
        let own = event.kind == EventKind::OWN_COPY;
        let watched = self.devices.get(device);
        let Some((account, at)) = watched.and_then(|it| Some((it.account, it.address?))) else {
            return;
        };
        let author = self.device_at(Address {
            user: if own { at.user } else { event.peer.user },
            device: event.peer.device,
        });
        let mut problems = Vec::new();
        if !self.is_unchanged(at, author, event) {
            problems.push("is changed");
        }
        let recipient = if own {
            self.account_of(event.peer.user)
        } else {
            Some(account)
        };
        let name = self.name(device).to_owned();
        let is_empty = event.part.is_empty();
        let is_outrun = author.is_some_and(|author| self.tries.comes_outrun(device, id, author));
        if (is_empty || is_outrun)
            && let Some(author) = author.and_then(|author| self.devices[author].address)
        {
            counters.empty_parts += u64::from(is_empty);
            counters.outrun += u64::from(is_outrun);
            self.warnings.unreadable_part(device, author);
        }
        self.reveal(device, event);
        if let Some(message) = self.messages.get_mut(&id) {
            if is_empty || is_outrun {
                message.asked_for.insert(device);
            }
            if Some(message.author) != author || message.to != recipient {
                problems.push("names the wrong ends");
            }
            if *message.timestamp.get_or_insert(event.timestamp) != event.timestamp {
                problems.push("has two timestamps");
            }
            if event.timestamp <= message.after {
                problems.push("is not later than what its author had seen");
            }
            if *message.arrived.entry(device).or_insert(event.position) != event.position {
                problems.push("was placed twice");
            }
        } else if self.tries.of(id).is_empty() {
            problems.push("was written by nobody");
        }
        for problem in problems {
            self.violate(format!("{id} at {name} {problem}"));
        }
    }

    fn on_receipt(&mut self, counters: &mut Counters, device: usize, receipt: &Receipt) {
        let told = Told::Receipt {
            peer: receipt.peer,
            state: receipt.state,
            up_to: receipt.up_to,
        };
        self.on_item(counters, device, receipt.position, Item::Told(told));
    }

    fn on_fact(&mut self, counters: &mut Counters, device: usize, fact: &Fact) {
        match fact.state {
            State::DEVICE_GONE => counters.facts_gone += 1,
            state if state.is_terminal() => counters.facts_terminal += 1,
            // A new device was not there yet.
            State::SENT => counters.facts_open += 1,
            _ => counters.facts_delivered += 1,
        }
        let told = Told::Fact {
            peer: fact.peer,
            state: fact.state,
            message_id: fact.message_id,
        };
        self.on_item(counters, device, fact.position, Item::Told(told));
    }

    fn on_gap(&mut self, counters: &mut Counters, device: usize, gap: &Gap) {
        let is_legal = match gap.reason {
            GapReason::EXPIRED => {
                counters.gaps_expired += 1;
                true
            }
            GapReason::OVERFLOW => {
                counters.gaps_overflow += 1;
                self.rules.overflows
            }
            // No client here refuses an item, and none is ever restored from an older copy.
            _ => false,
        };
        let name = self.name(device).to_owned();
        if !is_legal {
            self.violate(format!("{name} is told of {gap:?}"));
        }
        let Some(watched) = self.devices.get_mut(device) else {
            return;
        };
        watched.has_gap = true;
        for position in gap.from.0..=gap.to.0 {
            watched.items.insert(Position(position), Item::Gap);
        }
    }

    /// A position means one thing for ever, but that it may become a gap.
    pub(super) fn on_item(
        &mut self,
        counters: &mut Counters,
        device: usize,
        position: Position,
        item: Item,
    ) {
        let Some(watched) = self.devices.get_mut(device) else {
            return;
        };
        let known = watched
            .items
            .entry(position)
            .or_insert_with(|| item.clone());
        if *known != item {
            let what = format!("{}: {position} was {known:?} and is {item:?}", watched.name);
            return self.violate(what);
        }
        let is_again = matches!(item, Item::Message(id) if self.is_on(device, id));
        counters.redeliveries += u64::from(is_again);
    }

    fn is_on(&self, device: usize, id: MessageId) -> bool {
        let message = self.messages.get(&id);
        message.is_some_and(|message| message.arrived.contains_key(&device))
    }
}
