//! Several clients on the model server, with everything that can go wrong between them.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test binary uses its part; all are tests"
)]

use bytes::BytesMut;
use martlet_client::engine::{Answer, Engine, Linking, Outgoing, Registration};
use martlet_client::keys::KeySeed;
use martlet_client::local::Db;
use martlet_client::{Event, History, MessageId, Millis, SecurityKind, StoreKey};
use martlet_protocol::{Address, DeviceId};

use crate::model::{Model, Session};

/// When every test begins.
const START: Millis = Millis(1_000_000);

/// More rounds than anything here takes.
const ROUNDS_MAX: usize = 4_000;

pub(crate) struct Lab {
    pub(crate) now: Millis,
    pub(crate) model: Model,
    pub(crate) peers: Vec<Peer>,
}

/// A client and its connection.
pub(crate) struct Peer {
    pub(crate) name: String,
    engine: Option<Engine>,
    pub(crate) session: Option<Session>,
    to_server: BytesMut,
    seed: u64,
    /// What the application was shown and a test has not looked at.
    events: Vec<Event>,
    pub(crate) answers: Vec<Answer>,
    /// Without a network it does not dial.
    pub(crate) is_away: bool,
}

impl Peer {
    /// The transport is gone, and the server notices.
    fn hang_up(&mut self, model: &mut Model) {
        if let Some(session) = self.session.take() {
            model.on_lost(&session);
        }
    }

    pub(crate) fn engine(&mut self) -> &mut Engine {
        self.engine.as_mut().unwrap()
    }

    pub(crate) fn address(&self) -> Address {
        let identity = self.engine.as_ref().unwrap().identity().unwrap();
        Address {
            user: identity.user,
            device: identity.device,
        }
    }

    /// Takes every event that has come.
    pub(crate) fn take(&mut self) -> Vec<Event> {
        while let Some(event) = self.engine().poll_event().unwrap() {
            self.events.push(event);
        }
        core::mem::take(&mut self.events)
    }

    /// Takes the security notices that have come, as `peer kind`.
    pub(crate) fn notices(&mut self) -> Vec<(String, SecurityKind)> {
        let events = self.take().into_iter();
        let notices = events.filter_map(|event| match event {
            Event::Security(notice) => Some((notice.peer, notice.kind)),
            _ => None,
        });
        notices.collect()
    }

    /// The answer that `find` knows, taken out.
    pub(crate) fn answer<T>(&mut self, find: impl Fn(&Answer) -> Option<T>) -> Option<T> {
        let index = self
            .answers
            .iter()
            .position(|answer| find(answer).is_some())?;
        find(&self.answers.remove(index))
    }

    /// What the conversation with `peer` says, oldest first.
    pub(crate) fn texts(&mut self, peer: &str) -> Vec<String> {
        let page = History {
            limit: 10_000,
            before: None,
        };
        let history = self.engine().history(peer, &page).unwrap();
        history
            .iter()
            .map(|message| message.text().to_owned())
            .collect()
    }
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self {
            now: START,
            model: Model::default(),
            peers: Vec::new(),
        }
    }

    /// Clients with these names, each registered and reachable.
    pub(crate) fn of(names: &[&str]) -> Self {
        let mut lab = Self::new();
        for name in names {
            lab.add(name);
        }
        lab
    }

    /// Alice and Bob, who have talked to each other.
    pub(crate) fn acquainted() -> Self {
        let mut lab = Self::of(&["alice", "bob"]);
        lab.say(0, "bob", "hello Bob");
        lab.say(1, "alice", "hello Alice");
        lab.peers[0].take();
        lab.peers[1].take();
        lab
    }

    pub(crate) fn add(&mut self, name: &str) -> usize {
        self.add_on(name, Db::memory(&StoreKey::random()).unwrap())
    }

    /// As [`Lab::add`], on this database.
    pub(crate) fn add_on(&mut self, name: &str, db: Db) -> usize {
        let who = self.push(name, db);
        self.register(who);
        self.settle();
        let registered =
            |answer: &Answer| matches!(answer, Answer::Registered { .. }).then_some(());
        assert!(
            self.peers[who].answer(registered).is_some(),
            "{name} is registered"
        );
        who
    }

    /// A client that is not registered.
    pub(crate) fn push(&mut self, name: &str, db: Db) -> usize {
        self.peers.push(Peer {
            name: name.to_owned(),
            engine: Some(Engine::open(db, self.now, 0).unwrap()),
            session: None,
            to_server: BytesMut::new(),
            seed: 1_000 * self.peers.len() as u64,
            events: Vec::new(),
            answers: Vec::new(),
            is_away: false,
        });
        self.peers.len() - 1
    }

    pub(crate) fn register(&mut self, who: usize) {
        let now = self.now;
        let peer = &mut self.peers[who];
        let handle = peer.name.clone();
        let mark = 1 + who as u8;
        let registration = Registration {
            server: "model:1",
            handle: &handle,
            token: None,
            trust: None,
            key_seed: KeySeed([mark; 32]),
            account_seed: KeySeed([0x80 + mark; 32]),
            device_name: "first device",
        };
        peer.engine().register(now, &registration).unwrap();
        self.dial(who);
    }

    /// Links a further device to the account of `holder`.
    pub(crate) fn link(&mut self, holder: usize, with_history: bool) -> usize {
        let (joiner, _) = self.begin_link(holder, with_history);
        self.settle();
        self.approve(holder);
        self.settle();
        let linked = |answer: &Answer| match answer {
            Answer::DeviceLinked { device } => Some(*device),
            _ => None,
        };
        let device = self.peers[holder]
            .answer(linked)
            .expect("the device is linked");
        assert_eq!(self.peers[joiner].address().device, device);
        joiner
    }

    /// Shows a code to a new device.
    pub(crate) fn begin_link(&mut self, holder: usize, with_history: bool) -> (usize, String) {
        let now = self.now;
        self.peers[holder].answers.clear();
        self.peers[holder]
            .engine()
            .open_link(now, with_history)
            .unwrap();
        self.settle();
        let opened = |answer: &Answer| match answer {
            Answer::LinkOpened { code } => Some(code.to_string()),
            _ => None,
        };
        let code = self.peers[holder]
            .answer(opened)
            .expect("the code is there");
        let name = self.peers[holder].name.clone();
        let joiner = self.push(&name, Db::memory(&StoreKey::random()).unwrap());
        self.join(joiner, &code);
        (joiner, code)
    }

    pub(crate) fn join(&mut self, joiner: usize, code: &str) {
        let now = self.now;
        let linking = Linking {
            code,
            name: "tablet",
            trust: None,
            key_seed: KeySeed([1 + joiner as u8; 32]),
        };
        self.peers[joiner].engine().link(now, &linking).unwrap();
        self.dial(joiner);
    }

    /// The person at the holder lets the device join that has shown the code.
    pub(crate) fn approve(&mut self, holder: usize) {
        let offered = |answer: &Answer| match answer {
            Answer::LinkOffered { name, .. } => Some(name.clone()),
            _ => None,
        };
        let name = self.peers[holder].answer(offered);
        assert_eq!(name.as_deref(), Some("tablet"));
        let now = self.now;
        self.peers[holder].engine().approve_link(now).unwrap();
        self.dial(holder);
    }

    pub(crate) fn engine(&mut self, who: usize) -> &mut Engine {
        self.peers[who].engine()
    }

    pub(crate) fn send(&mut self, who: usize, to: &str, text: &str) -> MessageId {
        let now = self.now;
        let peer = &mut self.peers[who];
        let entropy = [peer.seed as u8; 10];
        let outgoing = Outgoing {
            to,
            text,
            ttl_ms: None,
        };
        let id = peer.engine().send(now, entropy, &outgoing).unwrap();
        self.dial(who);
        id
    }

    /// Sends, and lets it arrive.
    pub(crate) fn say(&mut self, who: usize, to: &str, text: &str) -> MessageId {
        let id = self.send(who, to, text);
        self.settle();
        id
    }

    /// The client's process dies and starts again.
    pub(crate) fn crash(&mut self, who: usize) {
        let now = self.now;
        let peer = &mut self.peers[who];
        let db = peer.engine.take().unwrap().into_db();
        peer.seed += 1;
        peer.hang_up(&mut self.model);
        peer.to_server.clear();
        peer.answers.clear();
        peer.engine = Some(Engine::open(db, now, peer.seed).unwrap());
        self.dial(who);
    }

    /// The client's process is stopped, and its last words arrive.
    pub(crate) fn quit(&mut self, who: usize) {
        let now = self.now;
        let Peer {
            engine, to_server, ..
        } = &mut self.peers[who];
        let engine = engine.as_mut().unwrap();
        engine.shutdown(now).unwrap();
        engine.poll_transmit(to_server);
        self.travel(who, 1_000_000);
    }

    /// The connection ends; what is on the way is lost.
    pub(crate) fn cut(&mut self, who: usize) {
        let now = self.now;
        let peer = &mut self.peers[who];
        peer.hang_up(&mut self.model);
        peer.to_server.clear();
        peer.engine().handle_disconnected(now).unwrap();
        self.dial(who);
    }

    /// No network until [`Lab::come_back`].
    pub(crate) fn leave(&mut self, who: usize) {
        self.peers[who].is_away = true;
        self.cut(who);
    }

    pub(crate) fn come_back(&mut self, who: usize) {
        self.peers[who].is_away = false;
        self.settle();
    }

    pub(crate) fn wait(&mut self, ms: u64) {
        self.now = self.now.plus(ms);
        for who in 0..self.peers.len() {
            let now = self.now;
            self.peers[who].engine().handle_timeout(now).unwrap();
            self.dial(who);
        }
    }

    /// Does for a client what its driver does.
    pub(crate) fn dial(&mut self, who: usize) {
        let now = self.now;
        let peer = &mut self.peers[who];
        let Peer {
            engine, to_server, ..
        } = peer;
        engine.as_mut().unwrap().poll_transmit(to_server);
        while let Some(answer) = peer.engine().poll_answer() {
            peer.answers.push(answer);
        }
        if peer.engine().poll_close() {
            peer.hang_up(&mut self.model);
            peer.to_server.clear();
            peer.engine().handle_disconnected(now).unwrap();
        }
        if !peer.is_away && peer.engine().poll_connect(now).is_some() {
            peer.session = Some(Session::new());
            peer.engine().handle_connected(now, [0; 32]).unwrap();
            let Peer {
                engine, to_server, ..
            } = peer;
            engine.as_mut().unwrap().poll_transmit(to_server);
        }
    }

    /// Up to so many bytes travel, each way. Returns whether any did.
    pub(crate) fn travel(&mut self, who: usize, bytes_max: usize) -> bool {
        let now = self.now;
        let peer = &mut self.peers[who];
        let Some(session) = &mut peer.session else {
            return false;
        };
        let up = peer.to_server.split_to(bytes_max.min(peer.to_server.len()));
        self.model.now = now;
        self.model.handle(session, &up);
        self.model.push(session);
        let down = session.output.split_to(bytes_max.min(session.output.len()));
        let ended = session.closed && session.output.is_empty();
        peer.engine().handle_bytes(now, &down).unwrap();
        if ended {
            self.cut(who);
        }
        self.dial(who);
        ended || !up.is_empty() || !down.is_empty()
    }

    /// Lets everybody do what there is to do now, while no time passes.
    pub(crate) fn exchange(&mut self) {
        for _ in 0..ROUNDS_MAX {
            let mut is_calm = true;
            for who in 0..self.peers.len() {
                is_calm &= !self.travel(who, 1_000_000);
            }
            if is_calm {
                return;
            }
        }
        panic!("the clients do not come to rest");
    }

    /// Lets everything calm down, pauses included.
    pub(crate) fn settle(&mut self) {
        for _ in 0..12 {
            self.exchange();
            self.wait(250);
        }
        self.exchange();
    }

    /// The device of a client.
    pub(crate) fn device(&self, who: usize) -> DeviceId {
        self.peers[who].address().device
    }
}
