//! Two clients, a server, and everything that can go wrong between them, at random: nothing is
//! lost, nothing is shown twice, order is kept, and states only move forward.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a test binary has no public interface"
)]

#[path = "support/lab.rs"]
mod lab;
#[path = "support/model/mod.rs"]
mod model;

use std::collections::{BTreeMap, BTreeSet};

use bytes::BytesMut;
use lab::Lab;
use martlet_client::local::{Db, Secret};
use martlet_client::{
    Direction, Event, History, MessageId, MessageState, SecurityNotice, StoreError, StoreKey,
};
use model::Model;
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
    lab: Lab,
    ledgers: [Ledger; 2],
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
            Event::Security(SecurityNotice { kind, .. }) => panic!("{kind} among honest people"),
            _ => {}
        }
    }
}

impl World {
    fn new() -> Self {
        Self::on(Lab::of(&NAMES))
    }

    fn on(lab: Lab) -> Self {
        Self {
            lab,
            ledgers: Default::default(),
        }
    }

    fn act(&mut self, who: usize, step: Step) {
        let other = NAMES[1 - who];
        let now = self.lab.now;
        match step {
            Step::Send => {
                let number = self.ledgers[who].sent.len();
                let text = format!("{number} from {}", NAMES[who]);
                let id = self.lab.send(who, other, &text);
                self.ledgers[who].sent.push(id);
            }
            Step::Travel(bytes_max) => {
                self.lab.travel(who, bytes_max);
            }
            Step::Cut => self.lab.cut(who),
            Step::Close => {
                if let Some(session) = &mut self.lab.peers[who].session {
                    Model::close(session);
                }
            }
            Step::Crash => self.lab.crash(who),
            Step::Take => self.take(who),
            Step::Read => {
                self.take(who);
                if let Some((peer, id)) = self.ledgers[who].newest.clone() {
                    self.lab.engine(who).mark_read(now, &peer, id).unwrap();
                    self.ledgers[who].marked = Some(id);
                }
            }
            Step::Wait(ms) => self.lab.wait(ms),
            Step::Refuse(count) => self.lab.model.refusals = count,
        }
        self.lab.dial(who);
    }

    fn take(&mut self, who: usize) {
        for event in self.lab.peers[who].take() {
            self.ledgers[who].note(event);
        }
    }

    /// Lets everything calm down, as it must when nothing goes wrong any more.
    fn heal(&mut self) {
        self.lab.model.refusals = 0;
        let mut calm = 0;
        for _ in 0..400 {
            for who in [0, 1] {
                self.act(who, Step::Travel(100_000));
                self.act(who, Step::Take);
            }
            self.act(0, Step::Wait(1_000));
            let mut done = |who: usize| {
                let engine = self.lab.engine(who);
                engine.is_online() && engine.is_settled()
            };
            // A few rounds more: names are looked up when everything else is done.
            let is_calm = done(0) && done(1) && self.lab.model.is_drained();
            calm = if is_calm { calm + 1 } else { 0 };
            if calm == 5 {
                return;
            }
        }
        panic!("the clients do not catch up");
    }

    fn check(&mut self) {
        for (writer, reader) in [(0, 1), (1, 0)] {
            self.check_history(writer, reader);
            check_receipts(&self.ledgers[writer], &self.ledgers[reader]);
        }
    }

    fn check_history(&mut self, writer: usize, reader: usize) {
        let sent = self.ledgers[writer].sent.clone();
        let mut side = |who: usize, direction| {
            let page = History {
                limit: 1_000,
                before: None,
            };
            let engine = self.lab.engine(who);
            let history = engine.history(NAMES[1 - who], &page).unwrap();
            let side = history
                .into_iter()
                .filter(|message| message.direction == direction);
            side.map(|message| message.id).collect::<Vec<_>>()
        };
        let kept = side(writer, Direction::Outgoing);
        let received = side(reader, Direction::Incoming);
        assert_eq!(kept, sent, "kept in the order of sending");
        assert_eq!(received, sent, "received in the order of sending");
        let shown = &self.ledgers[reader].shown;
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
    let key = StoreKey::random();
    let mut lab = Lab::of(&["alice"]);
    lab.add_on("bob", Db::open(&file, Secret::Key(&key)).unwrap());
    let mut world = World::on(lab);
    world.act(0, Step::Send);
    for _ in 0..8 {
        world.act(0, Step::Travel(100_000));
    }

    // Another program holds the database: nothing can be committed.
    let holder = rusqlite::Connection::open(&file).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let now = world.lab.now;
    let Lab { model, peers, .. } = &mut world.lab;
    let session = peers[1].session.as_mut().unwrap();
    model.push(session);
    let pushed = session.output.split();
    assert!(!pushed.is_empty(), "the message is on its way");
    let engine = peers[1].engine();
    let error = engine.handle_bytes(now, &pushed).unwrap_err();
    assert!(matches!(error, StoreError::Sqlite(_)), "{error}");
    assert!(engine.poll_close());
    assert!(
        !engine.poll_transmit(&mut BytesMut::new()),
        "nothing was acknowledged"
    );
    assert_eq!(engine.poll_event().unwrap(), None);
    let error = engine.handle_timeout(now).unwrap_err();
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

/// A server that says nothing withholds nothing: it has not been heard, or has not heard.
#[test]
fn a_list_that_a_slow_network_holds_back_is_no_reason_for_a_warning() {
    let mut world = World::new();
    let whole = Step::Travel(100_000);
    let begin = [
        (1, Step::Send),
        (1, Step::Travel(23)),
        (1, whole),
        (1, whole),
    ];
    let meet = [
        (0, Step::Crash),
        (1, whole),
        (0, Step::Travel(58)),
        (0, whole),
    ];
    for (who, step) in begin.into_iter().chain(meet) {
        world.act(who, step);
    }
    for _ in 0..12 {
        world.act(0, Step::Wait(1_000));
    }
    world.heal();
    world.check();
}
