//! The judge: reads a history and lists every broken promise in it. It knows nothing of the server.

use std::collections::{BTreeMap, HashMap};

use martlet_protocol::{Address, Class, Kind, NackCode, State, Timestamp, UserId};

use super::history::{Deed, Entry, Place};
use super::verdict::{Key, Verdict, Violation};

/// Judges a history that has ended: everything was answered, received and read, or never will be.
pub fn judge(entries: &[Entry]) -> Verdict {
    let mut ledger = Ledger::default();
    for entry in entries {
        ledger.enter(entry);
    }
    ledger.close()
}

#[derive(Default)]
struct Ledger {
    messages: BTreeMap<Key, Message>,
    /// How many messages one device has sent to one account.
    sent_count: HashMap<(Address, UserId), usize>,
    inboxes: HashMap<Address, Inbox>,
    /// What the devices of a conversation have told each other by receipts, per state.
    told: HashMap<(Address, Address, State), Timestamp>,
    verdict: Verdict,
}

struct Message {
    to: UserId,
    digest: u64,
    /// Its number among what its sender sent to this account.
    order: usize,
    sent: Option<Timestamp>,
    received: Option<(Address, Timestamp)>,
    /// Sent again after it had arrived.
    was_repeated: bool,
    refused: bool,
    /// The latest state that the sender was told of by STATE, and what it knew when it asked.
    seen: State,
    asked_knowing: State,
}

#[derive(Default)]
struct Inbox {
    last: Option<Place>,
    timestamp: Timestamp,
    /// Per author: the order of the last message, its timestamp, and what was read.
    authors: HashMap<Address, Heard>,
}

#[derive(Clone, Copy, Default)]
struct Heard {
    /// One more than the order of the last message received.
    next_order: usize,
    received_up_to: Timestamp,
    read_up_to: Timestamp,
}

impl Ledger {
    fn enter(&mut self, Entry { device, deed }: &Entry) {
        let device = *device;
        match deed {
            Deed::Send { to, id, digest } => self.send((device, *id), *to, *digest),
            Deed::Sent { id, timestamp } => self.sent((device, *id), *timestamp),
            Deed::Refused {
                of,
                id,
                code,
                class,
            } => {
                self.refused((device, *id), *of, *code, *class);
            }
            Deed::Resume { stored, told } => self.resume(device, *stored, *told),
            Deed::TurnedAway { code } => {
                let code = *code;
                self.break_with(Violation::TurnedAway { device, code });
            }
            Deed::Received {
                place,
                author,
                id,
                timestamp,
                digest,
            } => {
                self.take_position(device, *place);
                self.received(device, (*author, *id), *timestamp, *digest);
            }
            Deed::Gap { from, to } => {
                let (from, to) = (*from, *to);
                if let Some(last) = &mut self.inboxes.entry(device).or_default().last {
                    last.position = to;
                }
                self.break_with(Violation::Gap { device, from, to });
            }
            Deed::Read { author, up_to } => {
                let heard = self.heard(device, *author);
                heard.read_up_to = heard.read_up_to.max(*up_to);
            }
            Deed::Receipt {
                place,
                peer,
                state,
                up_to,
            } => {
                self.take_position(device, *place);
                self.receipt(device, *peer, *state, *up_to);
            }
            Deed::Fact { place, id, state } => {
                self.take_position(device, *place);
                let (message, to) = ((device, *id), *state);
                self.break_with(Violation::StateFell {
                    message,
                    from: State::SENT,
                    to,
                });
            }
            Deed::Ask { id } => {
                let known = self.known_state((device, *id));
                if let Some(message) = self.messages.get_mut(&(device, *id)) {
                    message.asked_knowing = known;
                }
            }
            Deed::Told { id, state } => self.state((device, *id), *state),
        }
    }

    fn send(&mut self, key: Key, to: UserId, digest: u64) {
        if let Some(message) = self.messages.get_mut(&key) {
            message.was_repeated |= message.received.is_some();
            self.verdict.counts.retries += 1;
            return;
        }
        let count = self.sent_count.entry((key.0, to)).or_default();
        let message = Message {
            to,
            digest,
            order: *count,
            sent: None,
            received: None,
            was_repeated: false,
            refused: false,
            seen: State(0),
            asked_knowing: State(0),
        };
        *count += 1;
        self.messages.insert(key, message);
        self.verdict.counts.messages += 1;
    }

    fn sent(&mut self, key: Key, timestamp: Timestamp) {
        let Some(message) = self.messages.get_mut(&key) else {
            let device = key.0;
            return self.break_with(Violation::Phantom {
                device,
                message: key,
            });
        };
        let is_repeat = std::mem::take(&mut message.was_repeated);
        let before = message.sent.replace(timestamp);
        let arrived = message.received.map(|(_, timestamp)| timestamp);
        self.verdict.counts.repeats_answered += usize::from(is_repeat);
        self.verdict.counts.sent += usize::from(before.is_none());
        if before.is_some_and(|before| before != timestamp) {
            self.break_with(Violation::AnsweredTwice(key));
        }
        if arrived.is_some_and(|arrived| arrived != timestamp) {
            self.break_with(Violation::TimestampWrong(key));
        }
    }

    fn refused(&mut self, key: Key, of: Kind, code: NackCode, class: Class) {
        if class == Class::RETRY_AFTER || class == Class::MOVED {
            return;
        }
        if let (Kind::SEND, Some(message)) = (of, self.messages.get_mut(&key)) {
            message.refused = true;
        }
        self.break_with(Violation::Refused {
            message: key,
            of,
            code,
        });
    }

    fn resume(&mut self, device: Address, stored: Place, told: Place) {
        self.verdict.counts.connections += 1;
        let is_first = stored.epoch == 0;
        if !is_first && stored != told {
            self.break_with(Violation::Restored {
                device,
                stored,
                told,
            });
        }
        self.inboxes.entry(device).or_default().last = Some(told);
    }

    fn take_position(&mut self, device: Address, place: Place) {
        let inbox = self.inboxes.entry(device).or_default();
        let expected = inbox.last.map(|last| Place {
            epoch: last.epoch,
            position: last.position.next(),
        });
        inbox.last = Some(place);
        if expected.is_some_and(|expected| expected != place) {
            self.break_with(Violation::PositionWrong { device, place });
        }
    }

    fn received(&mut self, device: Address, key: Key, timestamp: Timestamp, digest: u64) {
        let told = self.told.get(&(key.0, device, State::DELIVERED)).copied();
        let inbox = self.inboxes.entry(device).or_default();
        let rises = timestamp > std::mem::replace(&mut inbox.timestamp, timestamp);
        let Some(message) = self
            .messages
            .get_mut(&key)
            .filter(|sent| sent.to == device.user)
        else {
            return self.break_with(Violation::Phantom {
                device,
                message: key,
            });
        };
        self.verdict.counts.received += 1;
        if message.received.replace((device, timestamp)).is_some() {
            return self.break_with(Violation::Duplicate(key));
        }
        let heard = inbox.authors.entry(key.0).or_default();
        let is_overtaken = message.order < heard.next_order;
        heard.next_order = heard.next_order.max(message.order + 1);
        heard.received_up_to = heard.received_up_to.max(timestamp);
        let is_other_time = message.sent.is_some_and(|sent| sent != timestamp);
        let is_altered = message.digest != digest;
        if is_overtaken {
            self.break_with(Violation::Overtaken(key));
        }
        if is_other_time || !rises {
            self.break_with(Violation::TimestampWrong(key));
        }
        if is_altered {
            self.break_with(Violation::Altered(key));
        }
        if told.is_some_and(|told| timestamp <= told) {
            let (device, state) = (key.0, State::DELIVERED);
            self.break_with(Violation::Untrue { device, state });
        }
    }

    fn receipt(&mut self, device: Address, peer: Address, state: State, up_to: Timestamp) {
        self.verdict.counts.receipts += 1;
        let heard = *self.heard(peer, device);
        let is_true = match state {
            State::DELIVERED => up_to <= heard.received_up_to,
            State::READ => up_to <= heard.read_up_to,
            _ => false,
        };
        if !is_true {
            self.break_with(Violation::Untrue { device, state });
        }
        let told = self.told.entry((device, peer, state)).or_default();
        let rises = up_to > *told;
        *told = up_to.max(*told);
        if !rises {
            self.break_with(Violation::ReceiptFell { device, state });
        }
    }

    fn state(&mut self, key: Key, state: State) {
        self.verdict.counts.states += 1;
        let Some(message) = self.messages.get(&key) else {
            let device = key.0;
            return self.break_with(Violation::Phantom {
                device,
                message: key,
            });
        };
        let (before, received) = (message.asked_knowing, message.received);
        let is_true = match (state, received) {
            (State::SENT, _) | (State::DELIVERED, Some(_)) => true,
            (State::READ, Some((device, timestamp))) => {
                timestamp <= self.heard(device, key.0).read_up_to
            }
            _ => false,
        };
        if !is_true {
            let device = key.0;
            self.break_with(Violation::Untrue { device, state });
        }
        if state < before {
            let (message, from, to) = (key, before, state);
            self.break_with(Violation::StateFell { message, from, to });
        }
        let message = self.messages.get_mut(&key).expect("it was there");
        message.seen = message.seen.max(state);
    }

    /// The latest state of a message that its sender has been told of.
    fn known_state(&self, key: Key) -> State {
        let Some(message) = self.messages.get(&key) else {
            return State(0);
        };
        let Some(timestamp) = message.sent else {
            return message.seen;
        };
        let is_told = |state| {
            message.received.is_some_and(|(peer, _)| {
                let told = self.told.get(&(key.0, peer, state));
                told.is_some_and(|up_to| timestamp <= *up_to)
            })
        };
        let by_receipt = [State::READ, State::DELIVERED]
            .into_iter()
            .find(|state| is_told(*state));
        message.seen.max(by_receipt.unwrap_or(State::SENT))
    }

    fn heard(&mut self, device: Address, author: Address) -> &mut Heard {
        let inbox = self.inboxes.entry(device).or_default();
        inbox.authors.entry(author).or_default()
    }

    fn break_with(&mut self, violation: Violation) {
        self.verdict.violations.push(violation);
    }

    /// What must have happened by the end.
    fn close(mut self) -> Verdict {
        for (key, message) in std::mem::take(&mut self.messages) {
            let violation = match (message.sent, message.received) {
                (Some(_), None) => Violation::Lost(key),
                (_, Some(_)) if message.refused => Violation::RefusedYetDelivered(key),
                (None, _) if !message.refused => Violation::Unanswered(key),
                (Some(timestamp), Some((peer, _))) => {
                    for state in [State::DELIVERED, State::READ] {
                        let told = self.told.get(&(key.0, peer, state));
                        if told.is_none_or(|up_to| *up_to < timestamp) {
                            self.break_with(Violation::ReceiptMissing {
                                message: key,
                                state,
                            });
                        }
                    }
                    continue;
                }
                _ => continue,
            };
            self.break_with(violation);
        }
        self.verdict
    }
}
