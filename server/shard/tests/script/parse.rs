//! The commands of a transcript, from text.
//!
//! ```text
//! ann: register [key=N]            bob2: add · bob2: remove
//! ann: connect [at=N] [epoch=N] [credit=MESSAGES/BYTES] [challenged=US]          ann: leave
//! ann: send m1 bob [ttl=MS] [after=m0|@MS] [size=BYTES] [text=WORD]
//! ann: decline m1 bob (the driver has no room for the message)
//! ann: ack N · refuse N · credit MESSAGES/BYTES
//! ann: read m1 of bob · status m1 of bob · lookup HANDLE · whose bob
//! tick: SHARD
//! ```
//! A name is a device: `ann` the first of its account, `ann2` the second. A message is made at its
//! first mention; saying it again is a retry.

use bytes::Bytes;
use martlet_protocol::frame::Credit;
use martlet_protocol::{DeviceId, MessageId, NackCode, Position, Timestamp, UserId};
use martlet_shard::{Command, SendRequest};
use martlet_store::{ShardId, hash128};

use crate::link::Link;
use crate::world::{Message, World};

const AMPLE: Credit = Credit {
    messages: 1024,
    bytes: 256 * 1024,
};

pub(crate) fn command(world: &mut World, text: &str) -> Command {
    let (device, rest) = text
        .split_once(": ")
        .expect("a command is `device: verb …`");
    let words = Words(rest.split_whitespace().collect());
    if device == "tick" {
        let shard = ShardId(u16::try_from(words.number(0)).expect("a shard"));
        return Command::Tick { shard };
    }
    match words.at(0) {
        "register" => register(world, device, &words),
        "add" => add(world, device, &words),
        "remove" => {
            let address = world.devices[device];
            Command::RemoveDevice {
                user: address.user,
                device: address.device,
            }
        }
        "connect" => connect(world, device, &words),
        "lookup" => Command::LookupHandle {
            session: world.session(device),
            request: 1,
            handle: words.at(1).to_owned(),
        },
        "whose" => Command::LookupUser {
            session: world.session(device),
            request: 2,
            user: world.devices[words.at(1)].user,
        },
        _ => of_session(world, device, &words),
    }
}

fn of_session(world: &mut World, device: &str, words: &Words<'_>) -> Command {
    let session = world.session(device);
    let address = world.devices[device];
    match words.at(0) {
        "leave" => {
            world.links.remove(&session);
            Command::Detach { session, address }
        }
        "ping" => Command::Ping {
            session,
            address,
            token: words.number(1),
        },
        "send" => Command::Send {
            session,
            from: address,
            has_siblings: world.has_siblings(address),
            request: send(world, words),
        },
        "decline" => Command::Decline {
            session,
            from: address,
            to: world.devices[words.at(2)].user,
            message_id: message(world, words.at(1)),
            code: NackCode::RATE_LIMITED,
            retry_after_ms: 1_000,
        },
        "ack" => Command::Ack {
            session,
            address,
            position: Position(words.number(1)),
        },
        "refuse" => {
            let position = Position(words.number(1));
            let link = world.links.get_mut(&session).expect("it is connected");
            link.on_refuse(position);
            Command::Refuse {
                session,
                address,
                position,
            }
        }
        "credit" => {
            let credit = credit(words.at(1));
            let link = world.links.get_mut(&session).expect("it is connected");
            link.grant(credit);
            Command::Credit {
                session,
                address,
                credit,
            }
        }
        "read" => Command::Read {
            session,
            address,
            author: world.devices[words.at(3)],
            message_id: message(world, words.at(1)),
        },
        "status" => Command::Status {
            session,
            from: address,
            request: 3,
            to: world.devices[words.at(3)].user,
            message_id: message(world, words.at(1)),
        },
        other => panic!("no such command: {other}"),
    }
}

fn register(world: &mut World, device: &str, words: &Words<'_>) -> Command {
    let session = world.next_session();
    world.links.insert(
        session,
        Link::new(
            device,
            None,
            Credit {
                messages: 0,
                bytes: 0,
            },
        ),
    );
    let random = hash128(&[device.as_bytes(), &session.0.to_le_bytes()]);
    let random = u64::try_from(random >> 64).expect("the upper half has 64 bits");
    Command::Register {
        session,
        handle: device.to_owned(),
        key: [u8::try_from(words.value("key").unwrap_or(1)).expect("a key is a byte"); 32],
        user: world.topology.user_for_handle(device, random),
        epoch: EPOCH,
    }
}

/// The identity of every first stream.
const EPOCH: u64 = 77;

fn add(world: &mut World, device: &str, words: &Words<'_>) -> Command {
    let handle = device.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let number = device[handle.len()..].parse().expect("a name like ann2");
    let user = world.devices[handle].user;
    world.name_device(device, user, DeviceId(number));
    Command::AddDevice {
        user,
        key: [9; 32],
        epoch: words.value("epoch").unwrap_or(EPOCH),
    }
}

fn connect(world: &mut World, device: &str, words: &Words<'_>) -> Command {
    let session = world.next_session();
    let address = world.devices[device];
    let credit = words.text("credit").map_or(AMPLE, credit);
    world
        .links
        .insert(session, Link::new(device, Some(address), credit));
    Command::Attach {
        session,
        address,
        challenged_us: words.value("challenged").unwrap_or(session.0 * 1_000),
        epoch: words.value("epoch").unwrap_or(EPOCH),
        cursor: Position(words.value("at").unwrap_or(0)),
        credit,
    }
}

fn send(world: &mut World, words: &Words<'_>) -> SendRequest {
    let name = words.at(1);
    // `nobody` is an account that does not exist.
    let to = world
        .devices
        .get(words.at(2))
        .map_or(UserId(1 << 40), |device| device.user);
    let message_id = message(world, name);
    let size = usize::try_from(words.value("size").unwrap_or(0)).expect("a test's size");
    let text = words.text("text").unwrap_or(name);
    let envelope = Bytes::from(format!("{text:size$}"));
    let known = world.messages.get_mut(name).expect("made above");
    if known.timestamp.is_none() {
        (known.to, known.envelope) = (to, envelope.clone());
    }
    let after = words.text("after").map_or(Timestamp(0), |after| {
        after
            .strip_prefix('@')
            .map(|ms| ms.parse().expect("milliseconds"))
            .map(|ms| world.now.plus(ms).timestamp())
            .unwrap_or_else(|| world.messages[after].timestamp.expect("it was sent"))
    });
    SendRequest {
        message_id,
        to,
        after,
        ttl_ms: words.value("ttl").unwrap_or(0),
        envelope,
    }
}

/// The message of this name; `old…`, `early…` and `bad…` have ids that tell a wrong time, or none.
fn message(world: &mut World, name: &str) -> MessageId {
    if let Some(known) = world.messages.get(name) {
        return known.id;
    }
    let mut random = [0; 10];
    let bytes = name.as_bytes();
    random[3..][..bytes.len().min(7)].copy_from_slice(&bytes[..bytes.len().min(7)]);
    const WEEK_MS: u64 = 7 * 24 * 60 * 60 * 1000;
    let time = match name {
        "old" => martlet_protocol::Millis(world.now.0 - WEEK_MS - 1),
        "aged" => martlet_protocol::Millis(world.now.0 - WEEK_MS),
        "early" => world.now.plus(5 * 60 * 1000 + 1),
        _ => world.now,
    };
    let mut id = MessageId::new(time, random);
    if name == "bad" {
        id.0[6] = 0x40;
    }
    let message = Message {
        id,
        to: UserId(0),
        envelope: Bytes::new(),
        timestamp: None,
    };
    world.messages.insert(name.to_owned(), message);
    id
}

fn credit(text: &str) -> Credit {
    let (messages, bytes) = text.split_once('/').expect("credit is MESSAGES/BYTES");
    Credit {
        messages: messages.parse().expect("a number of messages"),
        bytes: bytes.parse().expect("a number of bytes"),
    }
}

struct Words<'a>(Vec<&'a str>);

impl<'a> Words<'a> {
    fn at(&self, index: usize) -> &'a str {
        self.0
            .get(index)
            .unwrap_or_else(|| panic!("a word is missing in {:?}", self.0))
    }

    fn number(&self, index: usize) -> u64 {
        self.at(index).parse().expect("a number")
    }

    fn text(&self, key: &str) -> Option<&'a str> {
        let mut pairs = self.0.iter().filter_map(|word| word.split_once('='));
        pairs.find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    fn value(&self, key: &str) -> Option<u64> {
        self.text(key).map(|value| value.parse().expect("a number"))
    }
}
