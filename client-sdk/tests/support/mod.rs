//! A client and a scripted server on fake time: tests read like a transcript.
//!
//! [`check`] runs a script. A line at the margin is something that happens; the indented lines
//! under it are all that the client does about it, in order. Changing the engine's interface
//! changes this file only.
//!
//! ```text
//! login                      connect and authenticate; `login EPOCH CURSOR` says what READY has
//! app send bob hi            the application calls the engine
//!   net LOOKUP 1 bob         the client writes a frame
//! srv FOUND 1 7 bob          the server writes a frame
//!   net SEND m1 7 0 0 hi     message id, recipient, after, ttl, text
//! srv SENT m1 100000 1
//!   ev sent m1 bob           an event for the application
//! crash                      the process dies and starts again on the same database
//! ```
//!
//! Texts travel encrypted: the people of a script are [`Puppet`](puppet::Puppet)s with keys.
//! DEVICES and CLAIM are answered for them at once and are not shown.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test binary uses its part; all are tests"
)]

mod keys;
mod puppet;
mod script;
mod show;

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::fmt::Write;

use bytes::BytesMut;
use martlet_client::engine::{Engine, Outgoing, Registration};
use martlet_client::keys::KeySeed;
use martlet_client::local::Db;
use martlet_client::{MessageId, Millis, StoreKey};
use martlet_protocol::codec::{self, Decoder};
use martlet_protocol::frame::{Challenge, Credit, Frame, Ready, Registration as Mode};
use martlet_protocol::limits::FRAME_BYTES_MAX;
use martlet_protocol::version::Features;
use martlet_protocol::{Address, DeviceId, Position, UserId};

/// When every script begins, in milliseconds.
pub(crate) const START: Millis = Millis(1_000_000);

/// The account of the client under test.
pub(crate) const ALICE: Address = Address {
    user: UserId(1),
    device: DeviceId(1),
};

/// Runs a script against a registered client and compares what it does with what is written.
#[track_caller]
pub(crate) fn check(script: &str) {
    run(World::registered(), script);
}

/// As [`check`], against a home that is new.
#[track_caller]
pub(crate) fn check_new(script: &str) {
    run(World::new(Db::memory(&StoreKey::random()).unwrap()), script);
}

/// As [`check`], against an account that has a second device.
#[track_caller]
pub(crate) fn check_with_tablet(script: &str) {
    run(World::with_tablet(), script);
}

#[track_caller]
fn run(mut world: World, script: &str) {
    let lines = script
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.trim().is_empty());
    let expected: Vec<String> = lines.map(|line| line.to_owned()).collect();
    let margin = expected
        .iter()
        .map(|line| line.len() - line.trim_start().len())
        .min();
    let expected: Vec<&str> = expected
        .iter()
        .map(|line| &line[margin.unwrap_or_default()..])
        .collect();
    let mut actual = String::new();
    for line in expected.iter().filter(|line| !line.starts_with(' ')) {
        writeln!(actual, "{line}").unwrap();
        world.act(line);
        for done in world.done.drain(..) {
            writeln!(actual, "  {done}").unwrap();
        }
    }
    let expected = expected.join("\n");
    assert_eq!(
        actual.trim_end(),
        expected,
        "\n--- done:\n{actual}\n--- expected:\n{expected}\n"
    );
}

/// A client, its driver and its server.
pub(crate) struct World {
    engine: Option<Engine>,
    now: Millis,
    seed: u64,
    /// What came from the client and is not decoded.
    wire: BytesMut,
    /// What the client did since the last action.
    done: VecDeque<String>,
    names: BTreeMap<MessageId, String>,
    /// The people that the script plays, and what they know of the client.
    people: keys::People,
    /// Frames of the handshake are not shown while this is set.
    quiet: bool,
}

impl World {
    fn new(db: Db) -> Self {
        let engine = Engine::open(db, START, 1).unwrap();
        Self {
            engine: Some(engine),
            now: START,
            seed: 1,
            wire: BytesMut::new(),
            done: VecDeque::new(),
            names: BTreeMap::new(),
            people: keys::People::default(),
            quiet: false,
        }
    }

    fn engine(&mut self) -> &mut Engine {
        self.engine.as_mut().unwrap()
    }

    fn crash(&mut self) {
        let db = self.engine.take().unwrap().into_db();
        self.seed += 1;
        self.wire.clear();
        self.engine = Some(Engine::open(db, self.now, self.seed).unwrap());
    }

    fn connect(&mut self) {
        let now = self.now;
        self.engine().handle_connected(now, [0; 32]).unwrap();
    }

    fn serve(&mut self, frame: &Frame<'_>) {
        let mut bytes = BytesMut::new();
        codec::encode(frame, &mut bytes);
        let now = self.now;
        self.engine().handle_bytes(now, &bytes).unwrap();
    }

    fn challenge(&mut self) {
        let server_time = self.now;
        self.serve(&Frame::Challenge(Challenge {
            version: 1,
            features: Features(0),
            nonce: [3; 32],
            server_time,
            registration: Mode::OPEN,
        }));
    }

    fn ready(&mut self, epoch: u64, cursor: u64, tail: u64, credit: Credit) {
        let server_time = self.now;
        self.serve(&Frame::Ready(Ready {
            epoch,
            cursor: Position(cursor),
            tail: Position(tail),
            credit,
            idle_ms: 30_000,
            server_time,
        }));
    }

    fn login(&mut self, epoch: u64, cursor: u64, credit: Credit) {
        self.quiet = true;
        let now = self.now;
        let due = self.engine().poll_timeout(now).filter(|due| *due > now);
        self.now = due.unwrap_or(now);
        let now = self.now;
        self.engine().poll_connect(now);
        self.drain();
        self.connect();
        self.drain();
        self.challenge();
        self.drain();
        self.quiet = false;
        self.done.clear();
        self.ready(epoch, cursor, cursor, credit);
    }

    fn send(&mut self, to: &str, text: &str, ttl_ms: Option<u64>) {
        let now = self.now;
        let result = self
            .engine()
            .send(now, [0; 10], &Outgoing { to, text, ttl_ms });
        match result {
            Ok(id) => {
                let name = format!("m{}", self.names.len() + 1);
                self.names.insert(id, name);
            }
            Err(error) => self.done.push_back(format!("error {error}")),
        }
    }

    fn register(&mut self, server: &str, handle: &str) {
        let now = self.now;
        let key_seed = KeySeed([9; 32]);
        let registration = Registration {
            server,
            handle,
            token: None,
            trust: None,
            key_seed,
            account_seed: KeySeed([8; 32]),
            device_name: "first device",
        };
        if let Err(error) = self.engine().register(now, &registration) {
            self.done.push_back(format!("error {error}"));
        }
    }

    /// Does what the driver does after every call, and notes what the client wanted.
    fn drain(&mut self) {
        loop {
            let mut wire = core::mem::take(&mut self.wire);
            self.engine().poll_transmit(&mut wire);
            let mut rest = &wire[..];
            let mut decoder = Decoder::new(FRAME_BYTES_MAX);
            let mut answers = BytesMut::new();
            while let Some(frame) = decoder.next(&mut rest).unwrap() {
                let shown = match &frame {
                    Frame::Send(send) => Some(self.people.show_send(send, &self.names)),
                    frame if self.people.answer(frame, &mut answers) => keys::show(frame),
                    frame => Some(show::frame(frame, &self.names)),
                };
                if let Some(shown) = shown {
                    self.note(format!("net {shown}"));
                }
            }
            assert!(rest.is_empty(), "the client writes whole frames");
            let now = self.now;
            if !answers.is_empty() {
                self.engine().handle_bytes(now, &answers).unwrap();
                continue;
            }
            if self.engine().poll_close() {
                self.note("net closed".to_owned());
                self.engine().handle_disconnected(now).unwrap();
                continue;
            }
            if let Some(target) = self.engine().poll_connect(now) {
                self.note(format!("net dial {target}"));
            }
            break;
        }
        while let Some(answer) = self.engine().poll_answer() {
            let shown = show::answer(&answer, &self.names);
            self.note(shown);
        }
        while let Some(event) = self.engine().poll_event().unwrap() {
            let shown = show::event(&event, &self.names);
            self.note(format!("ev {shown}"));
        }
    }

    fn note(&mut self, line: String) {
        if !self.quiet {
            self.done.push_back(line);
        }
    }
}
