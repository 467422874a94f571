//! What reaches a client, before the client sees it.

use martlet_protocol::frame::{Event, EventKind, Fact, Frame, Gap, GapReason, Receipt, Sent};
use martlet_protocol::{Address, CloseCode, Kind, MessageId, NackCode, Position};

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
            Frame::CaughtUp(_) => counters.caught_up += 1,
            Frame::State(_) => counters.states += 1,
            Frame::Nack(nack) if nack.of == Kind::READ => {
                self.on_read_refused(device, nack.reference.as_message());
            }
            Frame::Nack(nack) if nack.of == Kind::SEND => match nack.code {
                NackCode::INBOX_FULL => counters.inbox_full += 1,
                NackCode::OUT_OF_ORDER => counters.out_of_order += 1,
                code => self.violate(format!("a SEND is refused by {code:?}")),
            },
            Frame::Close(close)
                if !matches!(close.code, CloseCode::REPLACED | CloseCode::IDLE_TIMEOUT) =>
            {
                let name = self.name(device);
                self.violate(format!("the server closes {name}: {:?}", close.code));
            }
            _ => {}
        }
    }

    fn on_sent(&mut self, device: usize, sent: &Sent) {
        let devices = self.devices.iter();
        let accounts: Vec<usize> = devices.map(|watched| watched.account).collect();
        let Some(message) = self.messages.get_mut(&sent.message_id) else {
            return self.violate(format!("SENT for {}, which nobody wrote", sent.message_id));
        };
        let known = *message.timestamp.get_or_insert(sent.timestamp);
        let recipients = accounts
            .iter()
            .filter(|of| Some(**of) == message.to)
            .count();
        let author = message.author;
        if author != device {
            self.violate(format!(
                "SENT for {} reaches another device",
                sent.message_id
            ));
        }
        if known != sent.timestamp {
            self.violate(format!("{} has two timestamps", sent.message_id));
        }
        if sent.devices > recipients as u64 || sent.devices == 0 {
            self.violate(format!(
                "{} is SENT to {} devices",
                sent.message_id, sent.devices
            ));
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
        let Some(account) = self.devices.get(device).map(|watched| watched.account) else {
            return;
        };
        let author = if own {
            let user = self.accounts[account].1;
            let device = event.peer.device;
            self.device_at(Address { user, device })
        } else {
            self.device_at(event.peer)
        };
        let recipient = if own {
            self.account_of(event.peer.user)
        } else {
            Some(account)
        };
        let name = self.name(device).to_owned();
        let Some(message) = self.messages.get_mut(&id) else {
            return self.violate(format!("{name} gets {id}, which nobody wrote"));
        };
        let mut problems = Vec::new();
        if Some(message.author) != author || message.to != recipient {
            problems.push("names the wrong ends");
        }
        if !event.envelope.ends_with(message.text.as_bytes()) {
            problems.push("is changed");
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
        if fact.state.is_terminal() {
            counters.facts_terminal += 1;
        } else {
            counters.facts_delivered += 1;
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
            GapReason::HELD => {
                counters.gaps_held += 1;
                !self.poison.is_empty()
            }
            // No client here is ever restored from an older copy.
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
    fn on_item(&mut self, counters: &mut Counters, device: usize, position: Position, item: Item) {
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
