//! The commands of a transcript, from text.
//!
//! ```text
//! ann: register [key=N] [reset]
//! bob2: add · bob2: remove (another device of the account publishes a list, silently; all devices
//!     of the account have prekeys then)
//! bob: publish [+bob2] [-bob3] [version=N] [account=N] [previous=N] [next=N] [again=N]
//!     [answer=WORD] [rekey=bob2] [identity=bob2] [user=ann]
//! bob: upload [FIRST-LAST] [last=N] · claim DEVICE … · devices of ann [have=N]
//! bob: link DEVICE-ID ticket=N · close ticket=N
//! bob2: join DEVICE-ID ticket=N [offer=WORD] · abandon (its connection is lost)
//! ann: connect [at=N] [epoch=N] [credit=MESSAGES/BYTES] [challenged=US]          ann: leave
//! ann: send m1 bob [ttl=MS] [after=m0|@MS] [size=BYTES] [text=WORD] [named=1,3] [to=VERSION]
//!     [own=VERSION] [parts=1,2] [own_parts=2] [part=BYTES] [scope=N]
//! ann: decline m1 bob (the driver has no room for the message)
//! ann: ack N · refuse N · credit MESSAGES/BYTES
//! ann: read m1 of bob · status m1 of bob · lookup HANDLE · whose bob
//! ann: change g +bob +cid:2 -dora [rights=ADD,SEND,CHANGE] [info=N] [version=N] [previous=N]
//!     [members=N] [actor=bob] · ask g [have=N] [roster=N] · groups [after=g]
//! ann: post m1 g [version=N] [roster=N] [ttl=MS] [size=BYTES] [text=WORD]
//! ann: typing g
//! ann: stored g N (of the group's own stream) · saw g N · count g N [detail]
//! ann: watch bob cid · unwatch bob · active · away · type bob
//! ann: befriend bob · block bob · forget bob · relations [after=NAME]
//! ann: settings [presence=everyone|contacts|nobody] [reads=on|off] [strangers=anyone|requests]
//! tick: SHARD
//! ```
//! A name is a device: `ann` the first of its account, `ann2` the second. A message is made at its
//! first mention; saying it again is a retry. Without `to` and `own` the sender knows the newest
//! lists.

use martlet_protocol::frame::Credit;
use martlet_protocol::{Address, NackCode, Position};
use martlet_shard::{Command, SessionId};
use martlet_store::{ShardId, hash128};

use crate::compose::{self, message};
use crate::link::Link;
use crate::words::Words;
use crate::world::World;
use crate::{groups, lists, people};

const AMPLE: Credit = Credit {
    messages: 1024,
    bytes: 256 * 1024,
};

/// The numbers that clients give their requests.
pub(crate) const LOOKUP: u64 = 1;
pub(crate) const WHOSE: u64 = 2;
pub(crate) const STATUS: u64 = 3;
pub(crate) const REQUEST: u64 = 4;

/// What a command of a transcript stands for: one command, but where a device comes or goes.
pub(crate) fn commands(world: &mut World, text: &str) -> Vec<Command> {
    let (device, rest) = text
        .split_once(": ")
        .expect("a command is `device: verb …`");
    let words = Words(rest.split_whitespace().collect());
    if device == "tick" {
        let shard = ShardId(u16::try_from(words.number(0)).expect("a shard"));
        return vec![Command::Tick { shard }];
    }
    match words.at(0) {
        "add" => lists::add(world, device, &words),
        "remove" => lists::remove(world, device),
        _ => vec![command(world, device, &words)],
    }
}

fn command(world: &mut World, device: &str, words: &Words<'_>) -> Command {
    match words.at(0) {
        "register" => register(world, device, words),
        "join" => lists::join(world, device, words),
        "abandon" => lists::abandon(world, device),
        "connect" => connect(world, device, words),
        "lookup" => Command::LookupHandle {
            session: world.session(device),
            request: LOOKUP,
            handle: words.at(1).to_owned(),
        },
        "whose" => Command::LookupUser {
            session: world.session(device),
            request: WHOSE,
            user: world.devices[words.at(1)].user,
        },
        _ => of_session(world, device, words),
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
        "send" => send(world, (session, address), words),
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
            request: STATUS,
            to: world.devices[words.at(3)].user,
            message_id: message(world, words.at(1)),
            is_told_reads: world.is_told_reads(address.user),
        },
        "change" | "ask" | "post" | "typing" | "stored" | "saw" | "count" | "groups" => {
            groups::of_session(world, (session, address), words)
        }
        _ => people::command(world, (session, address), words)
            .unwrap_or_else(|| lists::of_session(world, (session, address), words)),
    }
}

/// A message, or what the driver says of it when its sender has begun too many conversations.
fn send(world: &mut World, (session, from): (SessionId, Address), words: &Words<'_>) -> Command {
    let request = compose::send(world, from, words);
    match world.begin_conversation(from.user, request.to) {
        Ok(()) => Command::Send {
            session,
            from,
            request,
        },
        Err(retry_after_ms) => Command::Decline {
            session,
            from,
            to: request.to,
            message_id: request.message_id,
            code: NackCode::RATE_LIMITED,
            retry_after_ms,
        },
    }
}

fn register(world: &mut World, device: &str, words: &Words<'_>) -> Command {
    let session = stranger(world, device);
    let handle = handle_of(device);
    let random = hash128(&[device.as_bytes(), &session.0.to_le_bytes()]);
    let random = u64::try_from(random >> 64).expect("the upper half has 64 bits");
    Command::Register {
        session,
        handle: handle.to_owned(),
        key: [u8::try_from(words.value("key").unwrap_or(1)).expect("a key is a byte"); 32],
        user: world.topology.user_for_handle(handle, random),
        epoch: EPOCH,
        reset: words.has("reset"),
    }
}

/// A connection that belongs to no device yet.
pub(crate) fn stranger(world: &mut World, device: &str) -> SessionId {
    let session = world.next_session();
    let nothing = Credit {
        messages: 0,
        bytes: 0,
    };
    let link = Link::new(device, None, nothing);
    world.links.insert(session, link);
    session
}

/// The account's name in a device's.
pub(crate) fn handle_of(device: &str) -> &str {
    device.trim_end_matches(|letter: char| letter.is_ascii_digit())
}

/// The identity of every stream.
pub(crate) const EPOCH: u64 = 77;

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

fn credit(text: &str) -> Credit {
    let (messages, bytes) = text.split_once('/').expect("credit is MESSAGES/BYTES");
    Credit {
        messages: messages.parse().expect("a number of messages"),
        bytes: bytes.parse().expect("a number of bytes"),
    }
}
