//! Two clients, a server, and everything that can go wrong between them, at random: nothing is
//! lost, nothing is shown twice, order is kept, and states only move forward.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a test binary has no public interface"
)]

#[path = "support/model.rs"]
mod model;

use std::collections::{BTreeMap, BTreeSet};

use bytes::BytesMut;
use martlet_client::engine::{Engine, Outgoing, Registration};
use martlet_client::keys::KeySeed;
use martlet_client::local::Db;
use martlet_client::{Direction, Event, History, MessageId, MessageState, Millis, StoreError};
use model::{Model, Session};
use proptest::prelude::*;

const NAMES: [&str; 2] = ["alice", "bob"];

/// What may happen at any time, to one of the clients.
#[derive(Clone, Copy, Debug)]
enum Step {
    Send,
    /// Up to so many bytes travel, each way.
    Travel(usize),
    /// The connection ends; what is on the way is lost.
    Cut,
    /// The server ends the connection in an orderly way.
    Close,
    /// The client's process dies and starts again.
    Crash,
    /// The application takes its events.
    Take,
    /// The application marks what it has seen read.
    Read,
    Wait(u64),
    /// The server refuses the next sends for now.
    Refuse(u32),
}

fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let step = prop_oneof![
        4 => Just(Step::Send),
        8 => (1usize..400).prop_map(Step::Travel),
        8 => Just(Step::Travel(100_000)),
        1 => Just(Step::Cut),
        1 => Just(Step::Close),
        2 => Just(Step::Crash),
        2 => Just(Step::Take),
        2 => Just(Step::Read),
        3 => (1u64..3_000).prop_map(Step::Wait),
        1 => (1u32..4).prop_map(Step::Refuse),
    ];
    prop::collection::vec((0usize..2, step), 1..150)
}

struct Peer {
    name: &'static str,
    engine: Option<Engine>,
    session: Option<Session>,
    to_server: BytesMut,
    seed: u64,
    ledger: Ledger,
}

/// What an observer outside has seen. It is part of nothing that it checks.
#[derive(Default)]
struct Ledger {
    sent: Vec<MessageId>,
    shown: Vec<MessageId>,
    /// The newest message shown, and the name it was shown under.
    newest: Option<(String, MessageId)>,
    /// The newest message marked read.
    marked: Option<MessageId>,
    states: BTreeMap<MessageId, MessageState>,
}

struct World {
    now: Millis,
    model: Model,
    peers: [Peer; 2],
}

impl Peer {
    fn new(name: &'static str, now: Millis) -> Self {
        let engine = Engine::open(Db::memory().unwrap(), now, 0).unwrap();
        Self {
            name,
            engine: Some(engine),
            session: None,
            to_server: BytesMut::new(),
            seed: 0,
            ledger: Ledger::default(),
        }
    }

    fn engine(&mut self) -> &mut Engine {
        self.engine.as_mut().unwrap()
    }

    fn register(&mut self, now: Millis) {
        let name = self.name;
        let key_seed = KeySeed([name.len() as u8; 32]);
        let registration = Registration {
            server: "model:1",
            handle: name,
            token: None,
            trust: None,
            key_seed,
        };
        self.engine().register(now, &registration).unwrap();
    }

    fn crash(&mut self, now: Millis) {
        let db = self.engine.take().unwrap().into_db();
        self.seed += 1;
        self.session = None;
        self.to_server.clear();
        self.engine = Some(Engine::open(db, now, self.seed).unwrap());
    }

    fn cut(&mut self, now: Millis) {
        self.session = None;
        self.to_server.clear();
        self.engine().handle_disconnected(now).unwrap();
    }

    fn send(&mut self, now: Millis, to: &str) {
        let text = format!("{} from {}", self.ledger.sent.len(), self.name);
        let outgoing = Outgoing {
            to,
            text: &text,
            ttl_ms: None,
        };
        let entropy = [self.seed as u8; 10];
        let id = self.engine().send(now, entropy, &outgoing).unwrap();
        self.ledger.sent.push(id);
    }

    fn take(&mut self) {
        while let Some(event) = self.engine().poll_event().unwrap() {
            self.ledger.note(event);
        }
    }

    fn read(&mut self, now: Millis) {
        self.take();
        if let Some((peer, id)) = self.ledger.newest.clone() {
            self.engine().mark_read(now, &peer, id).unwrap();
            self.ledger.marked = Some(id);
        }
    }
}

impl Ledger {
    fn note(&mut self, event: Event) {
        match event {
            Event::Message(message) => {
                assert!(
                    !self.shown.contains(&message.id),
                    "{} shown twice",
                    message.id
                );
                self.shown.push(message.id);
                self.newest = Some((message.peer, message.id));
            }
            Event::Receipt(receipt) => {
                let before = self.states.insert(receipt.id, receipt.state);
                let before = before.unwrap_or(MessageState::Pending);
                let (id, state) = (receipt.id, receipt.state);
                assert!(before.may_become(state), "{id}: from {before} to {state}");
            }
            Event::Failed { id, .. } => panic!("{id} failed"),
            Event::Gap { .. } => panic!("a gap where nothing is missing"),
            _ => {}
        }
    }
}

impl World {
    fn new() -> Self {
        let now = Millis(1_000_000);
        let peers = NAMES.map(|name| Peer::new(name, now));
        let mut world = Self {
            now,
            model: Model::default(),
            peers,
        };
        for who in [0, 1] {
            world.peers[who].register(now);
            world.act(who, Step::Travel(0));
            for _ in 0..4 {
                world.act(who, Step::Travel(100_000));
            }
            assert!(world.peers[who].engine().is_online());
        }
        world
    }

    fn act(&mut self, who: usize, step: Step) {
        let other = NAMES[1 - who];
        let now = self.now;
        let peer = &mut self.peers[who];
        match step {
            Step::Send => peer.send(now, other),
            Step::Travel(bytes_max) => self.travel(who, bytes_max),
            Step::Cut => peer.cut(now),
            Step::Close => {
                if let Some(session) = &mut peer.session {
                    Model::close(session);
                }
            }
            Step::Crash => peer.crash(now),
            Step::Take => peer.take(),
            Step::Read => peer.read(now),
            Step::Wait(ms) => {
                self.now = now.plus(ms);
                for peer in &mut self.peers {
                    peer.engine().handle_timeout(self.now).unwrap();
                }
            }
            Step::Refuse(count) => self.model.refusals = count,
        }
        self.dial(who);
    }

    /// Does for a client what its driver does.
    fn dial(&mut self, who: usize) {
        let peer = &mut self.peers[who];
        let now = self.now;
        let mut wire = core::mem::take(&mut peer.to_server);
        peer.engine().poll_transmit(&mut wire);
        peer.to_server = wire;
        while peer.engine().poll_answer().is_some() {}
        if peer.engine().poll_close() {
            peer.cut(now);
        }
        if peer.engine().poll_connect(now).is_some() {
            peer.session = Some(Session::new());
            peer.engine().handle_connected(now, [0; 32]).unwrap();
            peer.engine
                .as_mut()
                .unwrap()
                .poll_transmit(&mut peer.to_server);
        }
    }

    fn travel(&mut self, who: usize, bytes_max: usize) {
        let peer = &mut self.peers[who];
        let now = self.now;
        let Some(session) = &mut peer.session else {
            return;
        };
        let up = peer.to_server.split_to(bytes_max.min(peer.to_server.len()));
        self.model.now = now;
        self.model.handle(session, &up);
        self.model.push(session);
        let down = session.output.split_to(bytes_max.min(session.output.len()));
        let ended = session.closed && session.output.is_empty();
        peer.engine
            .as_mut()
            .unwrap()
            .handle_bytes(now, &down)
            .unwrap();
        if ended {
            peer.cut(now);
        }
    }

    /// Lets everything calm down, as it must when nothing goes wrong any more.
    fn heal(&mut self) {
        self.model.refusals = 0;
        let mut calm = 0;
        for _ in 0..400 {
            for who in [0, 1] {
                self.act(who, Step::Travel(100_000));
                self.act(who, Step::Take);
            }
            self.act(0, Step::Wait(1_000));
            let done =
                |peer: &mut Peer| peer.engine().is_online() && peer.engine().unanswered() == 0;
            // A few rounds more: names are looked up when everything else is done.
            let drained = self.model.is_drained();
            calm = if drained && self.peers.iter_mut().all(done) {
                calm + 1
            } else {
                0
            };
            if calm == 5 {
                return;
            }
        }
        panic!("the clients do not catch up");
    }

    fn check(&mut self) {
        for (writer, reader) in [(0, 1), (1, 0)] {
            self.check_history(writer, reader);
            let [one, two] = &self.peers;
            let (writer, reader) = if writer == 0 { (one, two) } else { (two, one) };
            check_receipts(&writer.ledger, &reader.ledger);
        }
    }

    fn check_history(&mut self, writer: usize, reader: usize) {
        let sent = self.peers[writer].ledger.sent.clone();
        let mut side = |who: usize, direction| {
            let page = History {
                limit: 1_000,
                before: None,
            };
            let history = self.peers[who]
                .engine()
                .history(NAMES[1 - who], &page)
                .unwrap();
            let side = history
                .into_iter()
                .filter(|message| message.direction == direction);
            side.map(|message| message.id).collect::<Vec<_>>()
        };
        let kept = side(writer, Direction::Outgoing);
        let received = side(reader, Direction::Incoming);
        assert_eq!(kept, sent, "kept in the order of sending");
        assert_eq!(received, sent, "received in the order of sending");
        let shown = &self.peers[reader].ledger.shown;
        assert_eq!(*shown, sent, "shown once, in the order of sending");
        let ids: BTreeSet<_> = sent.iter().collect();
        assert_eq!(ids.len(), sent.len(), "no id is used twice");
    }
}

/// What the writer was told, against what the reader did.
fn check_receipts(writer: &Ledger, reader: &Ledger) {
    let marked = reader
        .shown
        .iter()
        .position(|id| Some(*id) == reader.marked);
    let read = marked.map_or(0, |index| index + 1);
    for (index, id) in writer.sent.iter().enumerate() {
        let expected = if index < read {
            MessageState::Read
        } else {
            MessageState::Delivered
        };
        assert_eq!(
            writer.states.get(id),
            Some(&expected),
            "message {index} of {read} read"
        );
    }
}

/// A conversation in which every kind of thing happens once.
fn conversation() -> Vec<(usize, Step)> {
    let exchange = [
        Step::Travel(90),
        Step::Travel(100_000),
        Step::Travel(100_000),
    ];
    let both = |step| [(0, step), (1, step)];
    let travel = || exchange.into_iter().flat_map(both);
    let mut steps: Vec<_> = both(Step::Send).into_iter().chain(travel()).collect();
    steps.extend(both(Step::Take));
    steps.extend(both(Step::Send));
    steps.extend(travel());
    steps.extend(both(Step::Read));
    steps.extend(travel());
    steps.push((0, Step::Refuse(1)));
    steps.push((0, Step::Send));
    steps.extend(travel());
    steps.push((0, Step::Wait(30)));
    steps.extend(travel());
    steps.extend(both(Step::Take));
    steps
}

#[test]
fn a_crash_between_any_two_calls_of_a_conversation_changes_nothing() {
    let conversation = conversation();
    for crash_at in 0..=conversation.len() {
        for who in [0, 1] {
            let mut steps = conversation.clone();
            steps.insert(crash_at, (who, Step::Crash));
            let mut world = World::new();
            for (who, step) in steps {
                world.act(who, step);
            }
            world.heal();
            world.check();
        }
    }
}

#[test]
fn what_the_database_did_not_take_is_neither_acknowledged_nor_shown() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("martlet.db");
    let mut world = World::new();
    world.act(0, Step::Send);
    let bob = &mut world.peers[1];
    // Bob begins anew, with the same key and a database on disk.
    bob.engine = Some(Engine::open(Db::open(&file).unwrap(), world.now, 0).unwrap());
    bob.session = None;
    bob.register(world.now);
    for _ in 0..5 {
        world.act(1, Step::Travel(100_000));
    }
    world.act(0, Step::Travel(100_000));
    world.act(0, Step::Travel(100_000));

    // Another program holds the database: nothing can be committed.
    let holder = rusqlite::Connection::open(&file).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let bob = &mut world.peers[1];
    let session = bob.session.as_mut().unwrap();
    world.model.push(session);
    let pushed = session.output.split();
    assert!(!pushed.is_empty(), "the message is on its way");
    let engine = bob.engine.as_mut().unwrap();
    let error = engine.handle_bytes(world.now, &pushed).unwrap_err();
    assert!(matches!(error, StoreError::Sqlite(_)), "{error}");
    assert!(engine.poll_close());
    assert!(
        !engine.poll_transmit(&mut BytesMut::new()),
        "nothing was acknowledged"
    );
    assert_eq!(engine.poll_event().unwrap(), None);
    let error = engine.handle_timeout(world.now).unwrap_err();
    assert!(matches!(error, StoreError::Stopped), "{error}");

    holder.execute_batch("ROLLBACK").unwrap();
    world.act(1, Step::Crash);
    world.heal();
    world.check();
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_goes_wrong_nothing_is_lost_shown_twice_or_out_of_order(steps in steps()) {
        let mut world = World::new();
        for (who, step) in steps {
            world.act(who, step);
        }
        world.heal();
        world.check();
    }
}
