//! Every frame with usual values and with values at the edges of its fields.

use martlet_protocol::frame::*;
use martlet_protocol::limits::VARINT_MAX;
use martlet_protocol::nack::{Class, NackCode};
use martlet_protocol::version::Features;
use martlet_protocol::wire::List;
use martlet_protocol::{
    Address, CloseCode, DeviceId, Kind, MessageId, Millis, Position, State, Timestamp, UserId,
};

use super::builders::{fact, gap, incoming, nack, receipt, send};
use super::people::{ALICE, BOB, EPOCH, NOW, message_id, nonce, timestamp, unhex};
use super::{device_frames, group_frames, relation_frames};

/// The first case of each frame is the one that malformed vectors are made from.
pub(crate) fn cases() -> Vec<(&'static str, Frame<'static>)> {
    [
        hello(),
        account(),
        upkeep(),
        refusals(),
        endings(),
        messages(),
        items(),
        marks(),
        requests(),
        device_frames::cases(),
        group_frames::cases(),
        relation_frames::cases(),
    ]
    .concat()
}

pub(crate) type Cases = Vec<(&'static str, Frame<'static>)>;

const LONGEST_64: &str = "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz01";
const EDGE: Address = Address {
    user: UserId(u64::MAX),
    device: DeviceId(u16::MAX),
};

/// What the devices of an account get.
const TO_PARTS: &[Part<'static>] = &[
    Part {
        device: DeviceId(1),
        part: b"part for 1",
    },
    Part {
        device: DeviceId(3),
        part: b"part for 3",
    },
];
const OWN_PARTS: &[Part<'static>] = &[Part {
    device: DeviceId(2),
    part: b"part for 2",
}];
const EDGE_PARTS: &[Part<'static>] = &[Part {
    device: DeviceId(u16::MAX),
    part: b"",
}; 5];

fn hello() -> Cases {
    let hello = |version_max, features, agent| {
        Frame::Hello(Hello {
            version_min: 1,
            version_max,
            features: Features(features),
            agent,
        })
    };
    let challenge = |registration| {
        Frame::Challenge(Challenge {
            version: 1,
            features: Features(0),
            nonce: nonce(1),
            server_time: NOW,
            registration,
        })
    };
    vec![
        ("HELLO", hello(1, 0, "martlet/0.1")),
        (
            "HELLO with later versions and features",
            hello(9, u64::MAX, ""),
        ),
        ("HELLO with the longest agent", hello(1, 0, LONGEST_64)),
        (
            "CHALLENGE with open registration",
            challenge(Registration::OPEN),
        ),
        (
            "CHALLENGE with registration by token",
            challenge(Registration::TOKEN),
        ),
        (
            "CHALLENGE with closed registration",
            challenge(Registration::CLOSED),
        ),
    ]
}

fn account() -> Cases {
    let register = |handle, token| {
        Frame::Register(Register {
            handle,
            key: unhex(ALICE.key),
            signature: unhex(ALICE.register),
            token,
        })
    };
    let auth = |epoch, cursor, credit| {
        Frame::Auth(Auth {
            address: ALICE.address,
            signature: unhex(ALICE.auth[0]),
            epoch,
            cursor: Position(cursor),
            credit,
        })
    };
    let ready = |cursor, tail| {
        Frame::Ready(Ready {
            epoch: EPOCH,
            cursor: Position(cursor),
            tail: Position(tail),
            credit: Credit {
                messages: 64,
                bytes: 65_536,
            },
            idle_ms: 120_000,
            server_time: NOW,
        })
    };
    let usual = Credit {
        messages: 256,
        bytes: 262_144,
    };
    let edge = Credit {
        messages: VARINT_MAX,
        bytes: VARINT_MAX,
    };
    vec![
        ("REGISTER", register("alice", b"")),
        (
            "REGISTER with a token",
            register("alice", b"eyJh.eyJz.c2ln"),
        ),
        (
            "REGISTER with the longest handle",
            register(LONGEST_64, b""),
        ),
        (
            "REGISTERED",
            Frame::Registered(Registered {
                address: ALICE.address,
            }),
        ),
        (
            "REGISTERED with the greatest ids",
            Frame::Registered(Registered { address: EDGE }),
        ),
        ("AUTH of a new device", auth(0, 0, usual)),
        ("AUTH that resumes", auth(EPOCH, 100_000, usual)),
        (
            "AUTH with the greatest numbers",
            auth(u64::MAX, VARINT_MAX, edge),
        ),
        ("READY", ready(0, 0)),
        ("READY with a backlog", ready(16_383, 16_384)),
    ]
}

fn upkeep() -> Cases {
    let credit = |messages, bytes| Frame::Credit(Credit { messages, bytes });
    vec![
        (
            "PING the worked example",
            Frame::Ping(Ping {
                token: 0x0102_0304_0506_0708,
            }),
        ),
        (
            "PONG",
            Frame::Pong(Pong {
                token: 0x0102_0304_0506_0708,
            }),
        ),
        ("CREDIT", credit(32, 32_768)),
        ("CREDIT of one byte each", credit(0, 63)),
        ("CREDIT of two bytes each", credit(64, 16_383)),
        ("CREDIT of four bytes each", credit(16_384, (1 << 30) - 1)),
        ("CREDIT of eight bytes each", credit(1 << 30, VARINT_MAX)),
    ]
}

fn refusals() -> Cases {
    let message = Reference::message(message_id(1));
    let none = Reference::default();
    vec![
        (
            "NACK of a SEND",
            nack(Kind::SEND, NackCode::CONFLICT, 0, message),
        ),
        (
            "NACK to try again",
            nack(Kind::SEND, NackCode::INBOX_FULL, 5_000, message),
        ),
        (
            "NACK of a READ",
            nack(Kind::READ, NackCode::NOT_DELIVERED, 0, message),
        ),
        (
            "NACK of a LOOKUP",
            nack(
                Kind::LOOKUP,
                NackCode::UNKNOWN_HANDLE,
                0,
                Reference::number(7),
            ),
        ),
        (
            "NACK of a REGISTER",
            nack(Kind::REGISTER, NackCode::HANDLE_TAKEN, 0, none),
        ),
        (
            "NACK of an EVENT",
            nack(Kind::EVENT, NackCode::REFUSED, 0, Reference::number(300)),
        ),
        (
            "NACK with an unknown code and class",
            Frame::Nack(Nack {
                of: Kind(0xee),
                code: NackCode(65_535),
                class: Class(255),
                retry_after_ms: VARINT_MAX,
                reference: Reference([0xff; 16]),
            }),
        ),
    ]
}

fn endings() -> Cases {
    let goaway = |address| {
        Frame::Goaway(Goaway {
            code: CloseCode::SHUTDOWN,
            delay_ms_min: 100,
            delay_ms_max: 20_000,
            address,
        })
    };
    let close = |code, detail| Frame::Close(Close { code, detail });
    vec![
        ("GOAWAY to the same server", goaway("")),
        ("GOAWAY to another server", goaway("b.example:7400")),
        ("CLOSE", close(CloseCode::NORMAL, "")),
        (
            "CLOSE with a detail beyond ASCII",
            close(CloseCode::BAD_FRAME, "Prüfsumme ≠ Inhalt"),
        ),
        (
            "CLOSE with an unknown code",
            close(CloseCode(65_535), "later"),
        ),
    ]
}

fn messages() -> Cases {
    let plain = send(1, BOB.address.user, b"envelope 1");
    let usual = Send {
        to_version: 3,
        own_version: 2,
        to_parts: List::Slice(TO_PARTS),
        own_parts: List::Slice(OWN_PARTS),
        ..plain.clone()
    };
    let named = Send {
        scope: SendScope::NAMED,
        own_version: 0,
        to_parts: List::Slice(OWN_PARTS),
        own_parts: List::EMPTY,
        envelope: b"",
        ..usual.clone()
    };
    let edge = Send {
        message_id: MessageId([0xff; 16]),
        to: UserId(u64::MAX),
        after: Timestamp(u64::MAX),
        ttl_ms: VARINT_MAX,
        scope: SendScope(255),
        to_version: VARINT_MAX,
        own_version: VARINT_MAX,
        to_parts: List::Slice(EDGE_PARTS),
        own_parts: List::Slice(EDGE_PARTS),
        envelope: &[0xff; 64],
    };
    let later = Send {
        after: timestamp(0),
        ttl_ms: 2_592_000_000,
        ..plain.clone()
    };
    let sent = |devices| Sent {
        message_id: message_id(1),
        timestamp: timestamp(1),
        devices,
    };
    vec![
        ("SEND", Frame::Send(usual.clone())),
        ("SEND to named devices", Frame::Send(named)),
        ("SEND between accounts without lists", Frame::Send(plain)),
        ("SEND after another message", Frame::Send(later)),
        (
            "SEND of an empty envelope",
            Frame::Send(Send {
                envelope: b"",
                ..usual
            }),
        ),
        ("SEND with the greatest numbers", Frame::Send(edge)),
        ("SENT", Frame::Sent(sent(1))),
        ("SENT to many devices", Frame::Sent(sent(64))),
    ]
}

fn items() -> Cases {
    let alone = incoming(1, 1, ALICE.address, b"envelope 1");
    let usual = Event {
        part: b"part for 1",
        ..alone.clone()
    };
    let own = Event {
        kind: EventKind::OWN_COPY,
        peer: Address {
            user: BOB.address.user,
            device: ALICE.address.device,
        },
        ..usual.clone()
    };
    let edge = Event {
        position: Position(VARINT_MAX),
        kind: EventKind(255),
        peer: EDGE,
        message_id: MessageId([0xff; 16]),
        timestamp: Timestamp(u64::MAX),
        envelope: &[0xff; 64],
        part: &[0xff; 64],
    };
    let edge_receipt = Receipt {
        position: Position(VARINT_MAX),
        state: State(255),
        peer: EDGE,
        up_to: Timestamp(u64::MAX),
        at: Millis(u64::MAX),
    };
    vec![
        ("EVENT from another account", Frame::Event(usual)),
        ("EVENT without a part", Frame::Event(alone)),
        ("EVENT as own copy", Frame::Event(own)),
        ("EVENT of an unknown kind", Frame::Event(edge)),
        ("RECEIPT delivered", receipt(2, State::DELIVERED, 1)),
        ("RECEIPT read", receipt(64, State::READ, 1)),
        ("RECEIPT of an unknown state", Frame::Receipt(edge_receipt)),
        ("FACT delivered", fact(3, State::DELIVERED, 1)),
        ("FACT read", fact(3, State::READ, 1)),
        ("FACT expired", fact(3, State::EXPIRED, 1)),
        ("FACT overflow", fact(16_384, State::OVERFLOW, 1)),
        ("FACT held", fact(3, State::HELD, 1)),
        ("FACT device gone", fact(3, State::DEVICE_GONE, 1)),
    ]
}

fn marks() -> Cases {
    let caught_up = |position, trimmed| {
        Frame::CaughtUp(CaughtUp {
            position: Position(position),
            trimmed,
        })
    };
    vec![
        ("GAP expired", gap(4, 9, GapReason::EXPIRED)),
        ("GAP overflow", gap(63, 64, GapReason::OVERFLOW)),
        ("GAP held, of one item", gap(7, 7, GapReason::HELD)),
        ("GAP restored", gap(1, 100_000, GapReason::RESTORED)),
        (
            "GAP of an unknown reason",
            gap(0, VARINT_MAX, GapReason(255)),
        ),
        ("CAUGHT_UP", caught_up(9, false)),
        ("CAUGHT_UP trimmed", caught_up(100, true)),
        (
            "ACK",
            Frame::Ack(Ack {
                position: Position(9),
            }),
        ),
        (
            "ACK far on",
            Frame::Ack(Ack {
                position: Position(1 << 40),
            }),
        ),
    ]
}

fn requests() -> Cases {
    let lookup = |request, query| Frame::Lookup(Lookup { request, query });
    let state = |state| {
        Frame::State(StateReply {
            request: 5,
            message_id: message_id(1),
            state,
            timestamp: timestamp(1),
        })
    };
    let status = Status {
        request: 5,
        to: BOB.address.user,
        message_id: message_id(1),
    };
    let found = Found {
        request: 6,
        user: BOB.address.user,
        handle: BOB.handle,
    };
    vec![
        (
            "READ",
            Frame::Read(Read {
                author: ALICE.address,
                message_id: message_id(1),
            }),
        ),
        ("STATUS", Frame::Status(status)),
        ("STATE sent", state(State::SENT)),
        ("STATE read", state(State::READ)),
        ("LOOKUP by handle", lookup(6, LookupQuery::Handle("bob"))),
        (
            "LOOKUP by user",
            lookup(VARINT_MAX, LookupQuery::User(BOB.address.user)),
        ),
        ("FOUND", Frame::Found(found)),
    ]
}
