//! Transcripts: what one device and its server say to each other, over one or more connections.

mod contents;
mod delivery;
mod devices;
mod entrance;
mod groups;
mod linking;
mod parts;
mod people;
mod refusing;
mod sending;
mod violations;

use bytes::BytesMut;
use martlet_protocol::frame::*;
use martlet_protocol::version::Features;
use martlet_protocol::{CloseCode, Kind, MessageId, Position, Timestamp, UserId, codec};

use super::builders::send;
use super::json::Json;
use super::malformed::sealed;
use super::people::{BOB, Device, EPOCH, NOW, nonce, timestamp, unhex};

/// What a client grants unless a script says otherwise.
const CLIENT_GRANTS: Credit = Credit {
    messages: 16,
    bytes: 65_536,
};
/// What a server grants unless a script says otherwise.
const SERVER_GRANTS: Credit = Credit {
    messages: 4,
    bytes: 65_536,
};

/// A transcript under construction.
pub(crate) struct Session {
    name: &'static str,
    about: &'static str,
    violates: Option<&'static str>,
    connections: Vec<(&'static str, Vec<Json>)>,
}

/// A frame as it is sent, which borrows nothing any more.
struct Step {
    frame: &'static str,
    bytes: BytesMut,
}

impl Step {
    fn new(frame: &Frame<'_>) -> Self {
        let mut bytes = BytesMut::new();
        codec::encode(frame, &mut bytes);
        let frame = frame.kind().name();
        Self { frame, bytes }
    }
}

/// Where a device's stream stands when it connects.
#[derive(Clone, Copy)]
struct Resume {
    /// What the device has stored.
    epoch: u64,
    cursor: u64,
    /// What the server answers.
    at: u64,
    tail: u64,
}

/// A device that has seen nothing, and a stream without items.
const FRESH: Resume = Resume {
    epoch: 0,
    cursor: 0,
    at: 0,
    tail: 0,
};

/// Every transcript: the name of its file and its text.
pub(crate) fn files() -> Vec<(String, String)> {
    [
        entrance::sessions(),
        refusing::sessions(),
        sending::sessions(),
        delivery::sessions(),
        devices::sessions(),
        linking::sessions(),
        parts::sessions(),
        contents::sessions(),
        groups::sessions(),
        people::sessions(),
        violations::sessions(),
    ]
    .into_iter()
    .flatten()
    .map(|session| {
        let folder = if session.violates.is_some() {
            "violations"
        } else {
            "sessions"
        };
        (
            format!("{folder}/{}.json", session.name),
            session.json().file(4),
        )
    })
    .collect()
}

impl Session {
    fn new(name: &'static str, about: &'static str) -> Self {
        Self {
            name,
            about,
            violates: None,
            connections: Vec::new(),
        }
    }

    /// Begins the next connection of `device`; the one before is cut if it was not closed.
    fn connect(&mut self, device: Device) -> &mut Self {
        self.connections.push((device.name, Vec::new()));
        self
    }

    fn client(&mut self, frame: Frame<'_>, note: &str) -> &mut Self {
        self.client_step(Step::new(&frame), note)
    }

    fn server(&mut self, frame: Frame<'_>, note: &str) -> &mut Self {
        self.server_step(Step::new(&frame), note)
    }

    fn client_step(&mut self, step: Step, note: &str) -> &mut Self {
        self.bytes("client", step.frame, &step.bytes, note)
    }

    fn server_step(&mut self, step: Step, note: &str) -> &mut Self {
        self.bytes("server", step.frame, &step.bytes, note)
    }

    /// A frame of a type that version 1 does not have.
    fn skippable(&mut self, from: &str, code: u8, note: &str) -> &mut Self {
        self.bytes(
            from,
            "unknown",
            &sealed(Kind(code), b"from a later version"),
            note,
        )
    }

    fn bytes(&mut self, from: &str, frame: &str, bytes: &[u8], note: &str) -> &mut Self {
        let step = Json::object([
            ("from", Json::text(from)),
            ("frame", Json::text(frame)),
            ("hex", Json::hex(bytes)),
            ("note", Json::text(note)),
        ]);
        if let Some((_, steps)) = self.connections.last_mut() {
            steps.push(step);
        }
        self
    }

    /// HELLO and CHALLENGE.
    fn greet(&mut self) -> &mut Self {
        let number = self.connections.len();
        self.client(hello(), "").server(challenge(number), "")
    }

    /// From the transport's connect to READY.
    fn ready(&mut self, device: Device, resume: Resume) -> &mut Self {
        self.connect(device).greet();
        let number = self.connections.len();
        self.client(auth(device, number, resume), "")
            .server(ready(resume), "")
    }

    /// From the transport's connect to CAUGHT_UP on an empty stream.
    fn live(&mut self, device: Device) -> &mut Self {
        self.ready(device, FRESH)
            .server(caught_up(0, false), "nothing waits")
    }

    fn json(&self) -> Json {
        let connections = self.connections.iter().map(|(device, steps)| {
            Json::object([
                ("device", Json::text(*device)),
                ("steps", Json::List(steps.clone())),
            ])
        });
        Json::object([
            ("name", Json::text(self.name)),
            ("about", Json::text(self.about)),
            ("violates", self.violates.map_or(Json::Null, Json::text)),
            ("connections", Json::List(connections.collect())),
        ])
    }
}

fn hello() -> Frame<'static> {
    let features = Features::default();
    Frame::Hello(Hello {
        version_min: 1,
        version_max: 1,
        features,
        agent: "martlet/0.1",
    })
}

fn challenge(connection: usize) -> Frame<'static> {
    challenge_with(connection, Registration::OPEN)
}

fn challenge_with(connection: usize, registration: Registration) -> Frame<'static> {
    Frame::Challenge(Challenge {
        version: 1,
        features: Features::default(),
        nonce: nonce(connection),
        server_time: NOW,
        registration,
    })
}

fn register(device: Device) -> Frame<'static> {
    Frame::Register(claim(device))
}

/// The REGISTER of a device on its first connection.
fn claim(device: Device) -> Register<'static> {
    Register {
        handle: device.handle,
        key: unhex(device.key),
        signature: unhex(device.register),
        token: b"",
    }
}

fn registered(device: Device) -> Frame<'static> {
    Frame::Registered(Registered {
        address: device.address,
    })
}

fn auth(device: Device, connection: usize, resume: Resume) -> Frame<'static> {
    Frame::Auth(Auth {
        address: device.address,
        signature: unhex(device.auth[connection - 1]),
        epoch: resume.epoch,
        cursor: Position(resume.cursor),
        credit: CLIENT_GRANTS,
    })
}

fn ready(resume: Resume) -> Frame<'static> {
    Frame::Ready(Ready {
        epoch: EPOCH,
        cursor: Position(resume.at),
        tail: Position(resume.tail),
        credit: SERVER_GRANTS,
        idle_ms: 120_000,
        server_time: NOW,
    })
}

fn caught_up(position: u64, trimmed: bool) -> Frame<'static> {
    Frame::CaughtUp(CaughtUp {
        position: Position(position),
        trimmed,
    })
}

fn ack(position: u64) -> Frame<'static> {
    Frame::Ack(Ack {
        position: Position(position),
    })
}

fn close(code: CloseCode) -> Frame<'static> {
    Frame::Close(Close { code, detail: "" })
}

/// The n-th message, to bob.
fn to_bob(n: u8) -> Frame<'static> {
    Frame::Send(send(n, BOB.address.user, ENVELOPES[usize::from(n)]))
}

/// What the n-th message says.
const ENVELOPES: [&[u8]; 8] = [
    b"envelope 0",
    b"envelope 1",
    b"envelope 2",
    b"envelope 3",
    b"envelope 4",
    b"envelope 5",
    b"envelope 6",
    b"envelope 7",
];

/// The answer to the n-th message.
fn sent(n: u8) -> Frame<'static> {
    sent_at(n, timestamp(n))
}

fn sent_at(n: u8, timestamp: Timestamp) -> Frame<'static> {
    Frame::Sent(Sent {
        message_id: super::people::message_id(n),
        timestamp,
        devices: 1,
    })
}

fn status(request: u64, to: UserId, message_id: MessageId) -> Frame<'static> {
    Frame::Status(Status {
        request,
        to,
        message_id,
    })
}
