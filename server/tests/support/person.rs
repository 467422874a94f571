//! One person under load: writes, reads, answers nobody's errors, and comes back after every loss.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use martlet_protocol::frame::{Nack, Receipt, Sent};
use martlet_protocol::{Address, Class, CloseCode, Kind, MessageId, State, Timestamp};

use super::PATIENCE;
use super::client::{Client, Outgoing, now};
use super::crowd::Shared;
use super::history::{Deed, Place, digest};
use super::random::Random;
use super::wire::{Got, Lost, Message};

/// How many SENDs to one peer may wait for their answers.
const WINDOW: usize = 4;
/// How long a person listens before it looks around.
const TICK: Duration = Duration::from_millis(10);

/// Timestamps may be ahead of the clock a little after a crash.
const AHEAD_MS_MAX: u64 = 10_000;

/// A person with its device and what it remembers across connections.
pub struct Person {
    client: Client,
    number: usize,
    peers: Vec<Peer>,
    /// Per author the newest message received and not yet named by a READ on this connection.
    unread: BTreeMap<Address, (MessageId, Timestamp)>,
    /// The same, named: a READ has no answer, so the next connection repeats it.
    read: BTreeMap<Address, (MessageId, Timestamp)>,
    shared: Arc<Shared>,
    random: Random,
    owes_ack: bool,
    is_leaving: bool,
    is_asking: bool,
}

/// Somebody to write to.
struct Peer {
    address: Address,
    /// Without an answer, oldest first.
    pending: VecDeque<Pending>,
    /// Not before this, after a refusal.
    pause_until: Option<Instant>,
    /// The newest timestamp known in the conversation.
    newest: Timestamp,
    /// The newest message that was answered.
    sent_up_to: Option<(Timestamp, MessageId)>,
    read_up_to: Timestamp,
    count: u64,
}

struct Pending {
    outgoing: Outgoing,
    /// Written on this connection, and not refused.
    is_flying: bool,
}

impl Person {
    /// A person that will write to `peers`.
    pub fn new(client: Client, number: usize, peers: &[Address], shared: Arc<Shared>) -> Self {
        let random = Random::new(shared.seed ^ (number as u64) << 32);
        let peers = peers.iter().map(|address| Peer {
            address: *address,
            pending: VecDeque::new(),
            pause_until: None,
            newest: Timestamp(0),
            sent_up_to: None,
            read_up_to: Timestamp(0),
            count: 0,
        });
        Self {
            client,
            number,
            peers: peers.collect(),
            unread: BTreeMap::new(),
            read: BTreeMap::new(),
            shared,
            random,
            owes_ack: false,
            is_leaving: false,
            is_asking: false,
        }
    }

    /// Lives until the crowd is over.
    pub fn live(mut self) {
        while !self.shared.is_over() {
            if self.shared.is_asleep(self.number) {
                std::thread::sleep(TICK);
                continue;
            }
            // Lost is what happens in these tests; whatever else is wrong has panicked.
            let Err(Lost(_)) = self.connect().and_then(|()| self.converse()) else {
                continue;
            };
            self.hang_up();
            std::thread::sleep(Duration::from_millis(self.random.below(50)));
        }
    }

    fn connect(&mut self) -> Result<(), Lost> {
        let (epoch, position) = self.client.place();
        let stored = Place { epoch, position };
        let deadline = Instant::now() + PATIENCE;
        let ready = loop {
            match self.client.connect(self.shared.server()) {
                Ok(Ok(ready)) => break ready,
                Ok(Err(code)) => {
                    self.note(Deed::TurnedAway { code });
                    self.client.forget_place();
                    return Err(Lost(format!("{code:?}")));
                }
                Err(lost) => {
                    if self.shared.is_over() || self.shared.is_asleep(self.number) {
                        return Err(lost);
                    }
                    assert!(Instant::now() < deadline, "no connection: {}", lost.0);
                    std::thread::sleep(Duration::from_millis(5 + self.random.below(20)));
                }
            }
        };
        let told = Place {
            epoch: ready.epoch,
            position: ready.cursor,
        };
        self.note(Deed::Resume { stored, told });
        for (author, newest) in std::mem::take(&mut self.read) {
            self.unread.entry(author).or_insert(newest);
        }
        (self.owes_ack, self.is_leaving, self.is_asking) = (true, false, false);
        Ok(())
    }

    /// Traffic, until the connection is lost or the person goes to sleep.
    fn converse(&mut self) -> Result<(), Lost> {
        loop {
            if self.shared.is_over() {
                return Ok(());
            }
            if self.shared.is_asleep(self.number) {
                return Err(Lost("went to sleep".into()));
            }
            for index in 0..self.peers.len() {
                self.write_to(index);
            }
            self.ask();
            let mut got = self.client.next(TICK)?;
            while let Some(frame) = got {
                self.take(frame)?;
                got = self.client.next(Duration::ZERO)?;
            }
            self.acknowledge();
            if self.is_leaving && !self.has_flying() {
                self.client.flush()?;
                return Err(Lost("the server asked to leave".into()));
            }
            self.shared.set_settled(self.number, self.is_settled());
        }
    }

    fn hang_up(&mut self) {
        self.client.disconnect();
        self.shared.set_drained(self.number, false);
        self.shared.set_settled(self.number, false);
        for peer in &mut self.peers {
            peer.pause_until = None;
            for pending in &mut peer.pending {
                if std::mem::take(&mut pending.is_flying) {
                    self.shared.landed();
                }
            }
        }
    }

    /// Sends again what needs it, in its first order, then new messages.
    fn write_to(&mut self, index: usize) {
        let peer = &mut self.peers[index];
        if peer.pause_until.is_some_and(|until| Instant::now() < until) {
            return;
        }
        // After a refusal everything behind it is refused, too: wait for all the answers.
        let mut waiting = peer.pending.iter().map(|pending| pending.is_flying);
        let is_first_flying = waiting.next().unwrap_or(false);
        let has_flying = is_first_flying || waiting.any(|flying| flying);
        let has_landed = peer.pending.iter().any(|pending| !pending.is_flying);
        if has_landed && has_flying {
            return;
        }
        peer.pause_until = None;
        if self.is_leaving {
            return;
        }
        if !has_landed && self.shared.is_writing() && peer.pending.len() < WINDOW {
            let text = format!("{} to {index}, {}: ", self.number, peer.count);
            let padding = self.random.below(200) as usize;
            let envelope = [text.as_bytes(), &vec![b'x'; padding]].concat();
            let outgoing = self.client.compose(peer.address.user, &envelope);
            peer.count += 1;
            peer.pending.push_back(Pending {
                outgoing,
                is_flying: false,
            });
        }
        for pending in peer.pending.iter_mut().filter(|pending| !pending.is_flying) {
            if !self.client.may_send() {
                return;
            }
            let Outgoing {
                id, to, envelope, ..
            } = &pending.outgoing;
            let (id, to, digest) = (*id, *to, digest(envelope));
            let address = self.client.address();
            self.shared
                .history
                .note(address, Deed::Send { to, id, digest });
            self.client.send(&pending.outgoing, peer.newest);
            pending.is_flying = true;
            self.shared.took_off();
        }
    }

    fn take(&mut self, got: Got) -> Result<(), Lost> {
        match got {
            Got::Sent(sent) => self.sent(sent),
            Got::Event(message) => self.received(message),
            Got::Receipt(receipt) => self.receipt(receipt),
            Got::Nack(nack) => self.refused(nack),
            Got::CaughtUp(_) => self.shared.set_drained(self.number, true),
            Got::State(reply) => {
                self.is_asking = false;
                let (id, state) = (reply.message_id, reply.state);
                self.note(Deed::Told { id, state });
            }
            Got::Gap(gap) => {
                let (from, to) = (gap.from, gap.to);
                self.owes_ack = true;
                self.note(Deed::Gap { from, to });
            }
            Got::Fact(fact) => {
                let place = self.place(fact.position);
                let (id, state) = (fact.message_id, fact.state);
                self.owes_ack = true;
                self.note(Deed::Fact { place, id, state });
            }
            Got::Close { code, detail } => {
                let is_ours = !matches!(code, CloseCode::SHUTDOWN | CloseCode::INTERNAL);
                assert!(!is_ours, "the server closed with {code:?} {detail}");
                return Err(Lost(format!("{code:?} {detail}")));
            }
            Got::Goaway { .. } => self.is_leaving = true,
            Got::Credit(_) | Got::Ping(_) => {}
            other => panic!("unexpected: {other:?}"),
        }
        Ok(())
    }

    fn sent(&mut self, sent: Sent) {
        let (id, timestamp) = (sent.message_id, sent.timestamp);
        // Server and test read the same clock; no number of crashes may part the two.
        let ahead_ms = timestamp.millis().since(now());
        assert!(
            ahead_ms < AHEAD_MS_MAX,
            "a timestamp lies {ahead_ms} ms in the future"
        );
        self.note(Deed::Sent { id, timestamp });
        for peer in &mut self.peers {
            if let Some(at) = peer
                .pending
                .iter()
                .position(|pending| pending.outgoing.id == id)
            {
                peer.pending.remove(at);
                peer.newest = peer.newest.max(timestamp);
                peer.sent_up_to = peer.sent_up_to.max(Some((timestamp, id)));
                self.shared.landed();
                self.shared.count_answer();
            }
        }
    }

    fn refused(&mut self, nack: Nack) {
        let id = nack.reference.as_message();
        let (of, code, class) = (nack.of, nack.code, nack.class);
        self.note(Deed::Refused {
            of,
            id,
            code,
            class,
        });
        if of == Kind::STATUS {
            self.is_asking = false;
        }
        self.is_leaving |= class == Class::MOVED;
        for peer in &mut self.peers {
            let Some(at) = peer
                .pending
                .iter()
                .position(|pending| pending.outgoing.id == id)
            else {
                continue;
            };
            self.shared.landed();
            if class == Class::RETRY_AFTER || class == Class::MOVED {
                peer.pending[at].is_flying = false;
                let pause = Duration::from_millis(nack.retry_after_ms);
                peer.pause_until = peer.pause_until.max(Some(Instant::now() + pause));
            } else {
                peer.pending.remove(at);
            }
        }
    }

    fn received(&mut self, message: Message) {
        let author = message.peer;
        self.note(Deed::Received {
            place: self.place(message.position),
            author,
            id: message.id,
            timestamp: message.timestamp,
            digest: digest(&message.envelope),
        });
        self.unread.insert(author, (message.id, message.timestamp));
        for peer in self.peers.iter_mut().filter(|peer| peer.address == author) {
            peer.newest = peer.newest.max(message.timestamp);
        }
        self.owes_ack = true;
    }

    fn receipt(&mut self, receipt: Receipt) {
        self.note(Deed::Receipt {
            place: self.place(receipt.position),
            peer: receipt.peer,
            state: receipt.state,
            up_to: receipt.up_to,
        });
        self.owes_ack = true;
        if receipt.state == State::READ {
            for peer in self
                .peers
                .iter_mut()
                .filter(|peer| peer.address == receipt.peer)
            {
                peer.read_up_to = peer.read_up_to.max(receipt.up_to);
            }
        }
    }

    /// Acknowledges, sometimes later, and reads, sometimes; when nothing more is written, always.
    fn acknowledge(&mut self) {
        let is_lazy = self.shared.is_writing() && self.random.chance(25);
        if !self.owes_ack || is_lazy {
            return;
        }
        self.client.acknowledge();
        self.owes_ack = false;
        let puts_off = self.shared.is_writing() && self.random.chance(60);
        if puts_off {
            return;
        }
        while let Some((author, (id, up_to))) = self.unread.pop_first() {
            self.note(Deed::Read { author, up_to });
            self.client.read(author, id);
            self.read.insert(author, (id, up_to));
        }
    }

    /// Asks now and then where the last answered message stands.
    fn ask(&mut self) {
        if self.is_asking || !self.random.chance(5) {
            return;
        }
        let index = self.random.below(self.peers.len() as u64) as usize;
        let peer = &self.peers[index];
        if let Some((_, id)) = peer.sent_up_to {
            let to = peer.address.user;
            self.note(Deed::Ask { id });
            self.client.ask_status(0, to, id);
            self.is_asking = true;
        }
    }

    fn has_flying(&self) -> bool {
        let mut pending = self.peers.iter().flat_map(|peer| &peer.pending);
        pending.any(|pending| pending.is_flying)
    }

    /// Everything this person wrote was answered and read.
    fn is_settled(&self) -> bool {
        self.peers.iter().all(|peer| {
            let sent_up_to = peer
                .sent_up_to
                .map_or(Timestamp(0), |(timestamp, _)| timestamp);
            peer.pending.is_empty() && sent_up_to <= peer.read_up_to
        })
    }

    fn place(&self, position: martlet_protocol::Position) -> Place {
        let (epoch, _) = self.client.place();
        Place { epoch, position }
    }

    fn note(&self, deed: Deed) {
        self.shared.history.note(self.client.address(), deed);
    }
}
