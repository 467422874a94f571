//! Messages with parts: to all devices and to named ones, and lists that are stale.

use martlet_protocol::frame::*;
use martlet_protocol::nack::NackCode;
use martlet_protocol::wire::List;
use martlet_protocol::{Address, DeviceId, Kind, Position, State, Timestamp};

use super::super::builders::{fact, fact_at, incoming, nack, receipt, receipt_by};
use super::super::lists::{self, ALICES, BOBS};
use super::super::olm;
use super::super::people::{ALICE, ALICE_2, BOB, message_id};
use super::devices::{devices, told};
use super::*;

pub(super) fn sessions() -> Vec<Session> {
    vec![
        to_all(),
        received(),
        copied(),
        stale(),
        stale_own(),
        named(),
        named_told(),
        newcomer(),
        mismatches(),
        first_things_first(),
        unknown_outcome(),
    ]
}

/// A part for the device with this id.
pub(super) const fn part(device: u16, part: &'static [u8]) -> Part<'static> {
    Part {
        device: DeviceId(device),
        part,
    }
}

/// The n-th message to bob, made for these versions.
pub(super) fn sealed<'a>(
    n: u8,
    versions: [u64; 2],
    to_parts: &'a [Part<'a>],
    own_parts: &'a [Part<'a>],
) -> Send<'a> {
    Send {
        message_id: message_id(n),
        to: BOBS.user,
        after: Timestamp(0),
        ttl_ms: 0,
        scope: SendScope::ALL,
        to_version: versions[0],
        own_version: versions[1],
        to_parts: List::Slice(to_parts),
        own_parts: List::Slice(own_parts),
        envelope: b"",
    }
}

fn refused(n: u8, code: NackCode) -> Frame<'static> {
    nack(Kind::SEND, code, 0, Reference::message(message_id(n)))
}

/// The part for alice's tablet stands for one of an Olm session as that for bob's phone is.
const FOR_TABLET: &[Part<'static>] = &[part(2, b"\x02\x01for the tablet")];

fn to_all() -> Session {
    let recorded = olm::part(0);
    let for_bob = [Part {
        device: DeviceId(1),
        part: &recorded,
    }];
    let first = sealed(1, [1, 2], &for_bob, FOR_TABLET);
    let mut session = Session::new(
        "parts",
        "alice sends to bob's phone, and a copy to her own tablet.",
    );
    session
        .live(ALICE)
        .client(devices(1, BOBS.user, 0), "")
        .server_step(told(1, BOBS.user, 1, &[&lists::bob(1)]), "")
        .client(devices(2, ALICES.user, 0), "")
        .server_step(told(2, ALICES.user, 2, &[&lists::alice(2)]), "")
        .client(
            Frame::Send(first.clone()),
            "a part for each device of the two lists [M-22.1] [M-22.2]",
        )
        .server(sent(1), "one inbox of bob's; copies do not count [M-22.6]")
        .server(receipt(1, State::DELIVERED, 1), "")
        .client(ack(1), "")
        .client(Frame::Send(first), "once more, as it was")
        .server(sent(1), "");
    session
}

fn received() -> Session {
    let recorded = olm::part(0);
    let event = Event {
        part: &recorded,
        ..incoming(1, 1, ALICE.address, b"")
    };
    let mut session = Session::new("part_received", "bob's phone gets its part of it.");
    session
        .live(BOB)
        .server(Frame::Event(event), "[M-22.5]")
        .client(ack(1), "");
    session
}

fn copied() -> Session {
    let event = Event {
        position: Position(1),
        kind: EventKind::OWN_COPY,
        peer: Address {
            user: BOBS.user,
            device: ALICE.address.device,
        },
        part: FOR_TABLET[0].part,
        ..incoming(1, 1, ALICE.address, b"")
    };
    let mut session = Session::new("part_copied", "alice's tablet gets its part of it.");
    session
        .live(ALICE_2)
        .server(
            Frame::Event(event),
            "and nothing of bob's [M-22.5] [M-15.1]",
        )
        .client(ack(1), "");
    session
}

fn stale() -> Session {
    let one = [part(1, b"\x02\x01phone")];
    let two = [one[0], part(2, b"\x02\x00laptop")];
    let old = |n| Frame::Send(sealed(n, [1, 2], &one, FOR_TABLET));
    let new = |n| Frame::Send(sealed(n, [2, 2], &two, FOR_TABLET));
    let mut session = Session::new(
        "stale_list",
        "bob has a new device that alice did not know.",
    );
    session
        .live(ALICE)
        .client(old(1), "")
        .client(old(2), "")
        .server_step(told(0, BOBS.user, 2, &[&lists::bob(2)]), "[M-22.8]")
        .server(refused(1, NackCode::STALE_RECIPIENT), "[M-22.7]")
        .server(
            refused(2, NackCode::OUT_OF_ORDER),
            "it must not overtake [M-9.16]",
        )
        .client(new(1), "the part for the phone is the same [M-22.10]")
        .client(new(2), "")
        .server(to_both(1), "")
        .server(to_both(2), "");
    session
}

/// The answer to the n-th message when bob has two devices.
fn to_both(n: u8) -> Frame<'static> {
    Frame::Sent(Sent {
        message_id: message_id(n),
        timestamp: timestamp(n),
        devices: 2,
    })
}

fn stale_own() -> Session {
    let for_bob = [part(1, b"\x02\x01phone")];
    let mut session = Session::new("stale_own_list", "alice's tablet was removed meanwhile.");
    session
        .live(ALICE)
        .client(Frame::Send(sealed(1, [1, 2], &for_bob, FOR_TABLET)), "")
        .server(refused(1, NackCode::STALE_OWN), "[M-22.7]")
        .client(
            devices(1, ALICES.user, 2),
            "the refusal told no list [M-22.8]",
        )
        .server_step(told(1, ALICES.user, 3, &[&lists::alice(3)]), "")
        .client(Frame::Send(sealed(1, [1, 3], &for_bob, &[])), "[M-22.10]")
        .server(sent(1), "");
    session
}

fn named() -> Session {
    let for_bob = [part(1, b"\x02\x01retry")];
    let one = Send {
        scope: SendScope::NAMED,
        ..sealed(1, [1, 0], &for_bob, &[])
    };
    let own = Send {
        to: ALICES.user,
        scope: SendScope::NAMED,
        ..sealed(2, [2, 0], FOR_TABLET, &[])
    };
    let mut session = Session::new("named", "Control messages for one device each.");
    session
        .live(ALICE)
        .client(Frame::Send(one), "no copies [M-22.3]")
        .server(sent(1), "")
        .client(Frame::Send(own), "to the own account [M-22.3] [M-9.13]")
        .server(sent(2), "");
    session
}

fn named_told() -> Session {
    let for_laptop = [part(2, b"\x02\x01retry")];
    let message = Send {
        scope: SendScope::NAMED,
        ..sealed(1, [2, 0], &for_laptop, &[])
    };
    let mut session = Session::new("named_told", "What alice learns of a control message.");
    session
        .live(ALICE)
        .client(Frame::Send(message), "for bob's laptop")
        .server(sent(1), "")
        .client(
            Frame::Send(sealed(2, [2, 2], &BOTH, FOR_TABLET)),
            "for both his devices",
        )
        .server(to_both(2), "")
        .server(
            receipt(1, State::DELIVERED, 2),
            "by his phone; it says nothing of the first message [M-11.15]",
        )
        .server(
            fact_at(LAPTOP, 2, State::DELIVERED, 1),
            "this does [M-11.15]",
        )
        .client(ack(2), "");
    session
}

fn newcomer() -> Session {
    let about = "bob links his laptop while a message waits for his phone.";
    let mut session = Session::new("newcomer", about);
    session
        .live(ALICE)
        .client(
            Frame::Send(sealed(1, [1, 2], &BOTH[..1], FOR_TABLET)),
            "for bob's phone, which is away",
        )
        .server(sent(1), "")
        .server(
            fact_at(LAPTOP, 1, State::SENT, 1),
            "the laptop does not have it [M-11.16]",
        )
        .client(
            Frame::Send(sealed(2, [2, 2], &BOTH, FOR_TABLET)),
            "for both his devices",
        )
        .server(to_both(2), "")
        .server(
            receipt_by(LAPTOP, 2, State::DELIVERED, 2),
            "by his laptop; the first message still waits",
        )
        .server(fact(3, State::DELIVERED, 1), "his phone is back")
        .client(ack(3), "");
    session
}

const LAPTOP: Address = Address {
    user: BOBS.user,
    device: DeviceId(2),
};

/// Parts for both devices of bob.
const BOTH: [Part<'static>; 2] = [part(1, b"\x02\x01phone"), part(2, b"\x02\x00laptop")];

fn first_things_first() -> Session {
    let about = "More than one thing is wrong, and the first one is told.";
    let old = |n, versions, to_parts| Frame::Send(sealed(n, versions, to_parts, FOR_TABLET));
    let mut session = Session::new("first_refusal", about);
    session
        .live(ALICE)
        .client(old(1, [1, 2], &BOTH[..1]), "")
        .server(sent(1), "")
        .client(
            old(1, [9, 9], &BOTH[..1]),
            "versions that do not exist, but a known key",
        )
        .server(sent(1), "[M-22.9] [M-9.4]")
        .client(old(1, [9, 9], &BOTH), "a known key, and another payload")
        .server(refused(1, NackCode::CONFLICT), "[M-22.9]")
        .client(old(2, [9, 9], &[]), "both versions, and no part")
        .server(refused(2, NackCode::STALE_OWN), "[M-22.9]")
        .server(
            Frame::Credit(Credit {
                messages: 4,
                bytes: 1_000,
            }),
            "",
        )
        .client(old(2, [9, 2], &[]), "one version, and no part")
        .server_step(told(0, BOBS.user, 1, &[&lists::bob(1)]), "")
        .server(refused(2, NackCode::STALE_RECIPIENT), "[M-22.9]")
        .client(old(2, [1, 2], &[]), "no part")
        .server(refused(2, NackCode::PARTS_MISMATCH), "[M-22.9]");
    session
}

fn unknown_outcome() -> Session {
    let about = "The answer is lost, and bob has a new device when alice is back.";
    let once = Frame::Send(sealed(1, [1, 2], &BOTH[..1], FOR_TABLET));
    let mut session = Session::new("unknown_outcome", about);
    session
        .live(ALICE)
        .client(once.clone(), "the connection is cut")
        .connect(ALICE)
        .greet()
        .client(auth(ALICE, 2, known_epoch()), "")
        .server(ready(FRESH), "")
        .server(caught_up(0, false), "")
        .client(devices(1, BOBS.user, 1), "")
        .server_step(told(1, BOBS.user, 2, &[&lists::bob(2)]), "")
        .client(once, "as it was, without a part for the laptop [M-22.11]")
        .server_step(
            told(0, BOBS.user, 2, &[&lists::bob(2)]),
            "it was never placed",
        )
        .server(refused(1, NackCode::STALE_RECIPIENT), "")
        .client(
            Frame::Send(sealed(1, [2, 2], &BOTH, FOR_TABLET)),
            "now it may be made anew [M-22.11]",
        )
        .server(to_both(1), "");
    session
}

fn known_epoch() -> Resume {
    Resume {
        epoch: EPOCH,
        ..FRESH
    }
}

fn mismatches() -> Session {
    let for_bob = [part(1, b"phone")];
    let both = [part(1, b"phone"), part(2, b"laptop")];
    let mut session = Session::new("parts_mismatch", "Parts that are not those of the lists.");
    session.live(ALICE);
    let nobody = Send {
        scope: SendScope::NAMED,
        ..sealed(4, [1, 2], &[], &[])
    };
    let unknown = Send {
        scope: SendScope(3),
        ..sealed(5, [1, 2], &for_bob, FOR_TABLET)
    };
    let cases = [
        ("none for bob's phone", sealed(1, [1, 2], &[], FOR_TABLET)),
        ("one too many", sealed(2, [1, 2], &both, FOR_TABLET)),
        ("none for the own tablet", sealed(3, [1, 2], &for_bob, &[])),
        ("no device is named", nobody),
        ("an unknown scope", unknown),
    ];
    for (n, (note, message)) in (1..).zip(cases) {
        session
            .client(Frame::Send(message), note)
            .server(refused(n, NackCode::PARTS_MISMATCH), "[M-22.4]")
            .server(
                Frame::Credit(Credit {
                    messages: 1,
                    bytes: 64,
                }),
                "",
            );
    }
    session
}
