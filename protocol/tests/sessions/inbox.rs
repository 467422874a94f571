//! The stream of one device, across its connections: SPEC.md §10, §11 and §15.

use std::collections::BTreeMap;

use martlet_protocol::frame::{Auth, CaughtUp, Event, EventKind, Fact, Gap, Ready, Receipt};
use martlet_protocol::limits::REFUSALS_MAX;
use martlet_protocol::{Address, MessageId, Position, State, Timestamp, UserId};

/// What a broken statement is: its number.
pub(crate) type Verdict = Result<(), &'static str>;

/// What outlives a connection, and where the pushing stands on this one.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    epoch: u64,
    /// The highest position that the server is known to have read in an ACK.
    confirmed: Position,
    acked: Position,
    refusals: BTreeMap<Position, u8>,
    watermarks: BTreeMap<(UserId, State), Timestamp>,
    /// How far each device has moved the watermark of DELIVERED.
    moved_by: BTreeMap<Address, Timestamp>,
    facts: BTreeMap<(Address, MessageId), State>,
    told_to: Position,
    on: Pushing,
}

/// What takes positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Event,
    Gap,
    Told,
}

#[derive(Debug, Default)]
struct Pushing {
    pushed: Position,
    pushed_max: Position,
    tail: Position,
    refused: Option<Position>,
    gap: bool,
    caught_up: bool,
}

impl Inbox {
    pub(crate) fn ready(&mut self, auth: &Auth, ready: &Ready) -> Verdict {
        if ready.epoch == 0 {
            return Err("M-10.8");
        }
        if ready.tail < ready.cursor {
            return Err("M-10.12");
        }
        let same = auth.epoch == ready.epoch || auth.epoch == 0;
        if same && ready.cursor != auth.cursor {
            return Err("M-10.10");
        }
        if self.epoch != ready.epoch {
            *self = Self {
                epoch: ready.epoch,
                ..Self::default()
            };
        }
        self.acked = ready.cursor;
        self.on = Pushing {
            pushed: ready.cursor,
            pushed_max: ready.cursor,
            tail: ready.tail,
            ..Pushing::default()
        };
        Ok(())
    }

    /// Takes the positions of one item; returns whether it is told for the first time.
    fn take(&mut self, from: Position, to: Position, what: What) -> Result<bool, &'static str> {
        if what != What::Gap && from <= self.confirmed {
            return Err("M-10.6");
        }
        let again = self.on.refused == Some(from);
        // [M-10.3] A client that sees this ends the connection.
        if !again && from != self.on.pushed.next() {
            return Err("M-10.2");
        }
        if again {
            let refusals = self.refusals.get(&from).copied().unwrap_or_default();
            if what == What::Event && refusals >= REFUSALS_MAX {
                return Err("M-10.16");
            }
            self.on.refused = None;
        }
        self.on.pushed = to;
        self.on.pushed_max = self.on.pushed_max.max(to);
        let first = from > self.told_to;
        self.told_to = self.told_to.max(to);
        Ok(first)
    }

    pub(crate) fn event(&mut self, event: &Event<'_>, own: Address) -> Verdict {
        if event.kind == EventKind::OWN_COPY && event.peer.device == own.device {
            return Err("M-15.2");
        }
        self.take(event.position, event.position, What::Event)
            .map(drop)
    }

    /// An item of a group; returns whether it is told for the first time.
    pub(crate) fn group_item(&mut self, position: Position) -> Result<bool, &'static str> {
        self.take(position, position, What::Told)
    }

    pub(crate) fn gap(&mut self, gap: &Gap) -> Verdict {
        self.on.gap = true;
        self.take(gap.from, gap.to, What::Gap).map(drop)
    }

    pub(crate) fn receipt(&mut self, receipt: &Receipt) -> Verdict {
        let first = self.take(receipt.position, receipt.position, What::Told)?;
        let watermark = [State::DELIVERED, State::READ, State::SEEN].contains(&receipt.state);
        if receipt.state.is_known() && !watermark {
            return Err("M-11.1");
        }
        if receipt.state == State::DELIVERED {
            self.moved_by.insert(receipt.peer, receipt.up_to);
        }
        let key = (receipt.peer.user, receipt.state);
        let before = self.watermarks.insert(key, receipt.up_to);
        if first && before.is_some_and(|before| receipt.up_to <= before) {
            return Err("M-11.6");
        }
        Ok(())
    }

    pub(crate) fn fact(&mut self, fact: &Fact) -> Verdict {
        if !self.take(fact.position, fact.position, What::Told)? {
            return Ok(());
        }
        let before = self.facts.insert((fact.peer, fact.message_id), fact.state);
        let forward = match before {
            None => true,
            Some(State::SENT) => fact.state != State::SENT,
            Some(State::DELIVERED) => fact.state == State::READ,
            Some(_) => false,
        };
        if !forward {
            return Err("M-11.2");
        }
        let delivered = self.moved_by.get(&fact.peer);
        let passed = delivered.is_some_and(|up_to| *up_to >= fact.timestamp);
        if before.is_none() && fact.state.is_terminal() && passed {
            return Err("M-11.9");
        }
        Ok(())
    }

    pub(crate) fn caught_up(&mut self, mark: &CaughtUp) -> Verdict {
        let early = mark.position < self.on.tail || mark.position > self.on.pushed_max;
        if self.on.caught_up || early {
            return Err("M-10.19");
        }
        self.on.caught_up = true;
        if mark.trimmed == self.on.gap {
            Ok(())
        } else {
            Err("M-10.20")
        }
    }

    /// `Ok(true)` when the server must answer by CLOSE(BAD_ACK).
    pub(crate) fn ack(&mut self, position: Position) -> Result<bool, &'static str> {
        if self.on.refused.is_some_and(|refused| position >= refused) {
            return Err("M-10.14");
        }
        if position > self.on.pushed_max {
            return Ok(true);
        }
        self.acked = self.acked.max(position);
        Ok(false)
    }

    /// As [`ack`](Self::ack), for a NACK of an EVENT [M-13.7].
    pub(crate) fn refuse(&mut self, position: Position) -> bool {
        if position > self.on.pushed_max {
            return true;
        }
        if position > self.acked && self.on.refused.is_none() {
            *self.refusals.entry(position).or_default() += 1;
            self.on.refused = Some(position);
        }
        false
    }

    /// The server has read everything that the client had sent.
    pub(crate) fn confirm(&mut self, acked: Position) {
        self.confirmed = self.confirmed.max(acked);
    }

    pub(crate) fn acked(&self) -> Position {
        self.acked
    }
}
