//! What an encrypting client does on the wire, with the session that `olm.json` records.

use martlet_protocol::frame::*;
use martlet_protocol::wire::List;
use martlet_protocol::{Address, DeviceId, Timestamp, UserId};

use super::super::builders::incoming;
use super::super::contents;
use super::super::lists::{self, ALICES, BOBS};
use super::super::olm;
use super::super::people::{ALICE, ALICE_2, BOB, message_id};
use super::devices::{bundle, bundles, claiming, devices, told};
use super::parts::{part, sealed};
use super::*;

pub(super) fn sessions() -> Vec<Session> {
    vec![
        begun(),
        received(),
        newer_list(),
        unlisted(),
        undecryptable(),
        repaired(),
        no_list(),
    ]
}

/// The n-th message from alice's phone, as bob's phone gets it.
fn event(position: u64, n: u8, envelope: &'static [u8], part: Vec<u8>) -> Step {
    Step::new(&Frame::Event(Event {
        part: &part,
        ..incoming(position, n, ALICE.address, envelope)
    }))
}

fn begun() -> Session {
    let found = [bundle(PrekeyKind::ONE_TIME, 1)];
    let recorded = [olm::part(0), olm::part(1)];
    let envelope = contents::envelope(message_id(2));
    let for_bob = |index: usize| {
        [Part {
            device: DeviceId(1),
            part: &recorded[index],
        }]
    };
    let (first, second) = (for_bob(0), for_bob(1));
    let for_tablet = [part(2, b"\x02\x01for the tablet")];
    let second = Send {
        envelope: &envelope,
        ..sealed(2, [1, 2], &second, &for_tablet)
    };
    let about = "alice's phone writes to bob for the first time. The parts for his phone are real.";
    let mut session = Session::new("first_message", about);
    session
        .live(ALICE)
        .client(devices(1, BOBS.user, 0), "")
        .server_step(told(1, BOBS.user, 1, &[&lists::bob(1)]), "")
        .client_step(
            claiming(2, BOBS.user, &[DeviceId(1)]),
            "there is no session yet [M-23.5]",
        )
        .server_step(bundles(2, BOBS.user, &found), "its signature is bob's")
        .client(
            Frame::Send(sealed(1, [1, 2], &first, &for_tablet)),
            "a PREKEY, and the contents in it",
        )
        .client(
            Frame::Send(second),
            "a PREKEY until bob answers, and the contents in the envelope",
        )
        .server(sent(1), "")
        .server(sent(2), "");
    session
}

fn received() -> Session {
    let envelope = contents::envelope(message_id(2));
    let second = Step::new(&Frame::Event(Event {
        envelope: &envelope,
        part: &olm::part(1),
        ..incoming(2, 2, ALICE.address, b"")
    }));
    let about = "bob's phone opens what alice's wrote. The parts are those of olm.json.";
    let mut session = Session::new("first_received", about);
    session
        .ready(BOB, Resume { tail: 2, ..FRESH })
        .server_step(event(1, 1, b"", olm::part(0)), "alice is not known yet")
        .server_step(second, "it waits behind the first one")
        .server(caught_up(2, false), "")
        .client(ack(2), "stored, though not opened yet [M-23.16] [M-23.18]")
        .client(devices(1, ALICES.user, 0), "whose device is it?")
        .server_step(
            told(1, ALICES.user, 2, &[&lists::alice(2)]),
            "now both open, in their order [M-23.6]",
        );
    session
}

fn newer_list() -> Session {
    let about = "A message names a version of alice's list that bob's phone does not have.";
    let mut session = Session::new("newer_list", about);
    session
        .live(BOB)
        .client(devices(1, ALICES.user, 0), "")
        .server_step(told(1, ALICES.user, 1, &[&lists::alice(1)]), "")
        .server_step(event(1, 1, b"", olm::part(0)), "`own_version` is 2")
        .client(ack(1), "")
        .client(devices(2, ALICES.user, 1), "[M-23.9]")
        .server_step(
            told(2, ALICES.user, 2, &[&lists::alice(2)]),
            "it follows, and its hash is `own_head` [M-19.14]",
        );
    session
}

fn unlisted() -> Session {
    let from_nobody = Step::new(&Frame::Event(Event {
        part: b"\x02\x01from a device that the server made up",
        ..incoming(
            1,
            1,
            Address {
                user: ALICES.user,
                device: DeviceId(9),
            },
            b"",
        )
    }));
    let about = "A message from a device that no list of alice's names.";
    let mut session = Session::new("unlisted_device", about);
    session
        .live(BOB)
        .client(devices(1, ALICES.user, 0), "")
        .server_step(told(1, ALICES.user, 2, &[&lists::alice(2)]), "")
        .server_step(from_nobody, "")
        .client(ack(1), "stored; it waits for a newer list [M-23.16]")
        .client(devices(2, ALICES.user, 2), "")
        .server_step(
            told(2, ALICES.user, 2, &[]),
            "there is none: bob is told of a message that nobody can open",
        );
    session
}

/// A control message to one device, with a part that stands for one of a session.
fn control<'a>(n: u8, to: UserId, version: u64, parts: &'a [Part<'a>]) -> Send<'a> {
    Send {
        message_id: message_id(n),
        to,
        after: Timestamp(0),
        ttl_ms: 0,
        scope: SendScope::NAMED,
        to_version: version,
        own_version: 0,
        to_parts: List::Slice(parts),
        own_parts: List::EMPTY,
        envelope: b"",
    }
}

fn undecryptable() -> Session {
    let retry = [part(1, b"\x02\x00RETRY in a new session")];
    let about = "bob's phone has lost the session in which alice's phone goes on.";
    let mut session = Session::new("undecryptable", about);
    session
        .live(BOB)
        .client(devices(1, ALICES.user, 0), "")
        .server_step(told(1, ALICES.user, 2, &[&lists::alice(2)]), "")
        .server_step(event(1, 4, b"", olm::part(3)), "a NORMAL of that session")
        .client(ack(1), "stored as one that cannot be opened [M-23.18]")
        .client(
            Frame::Send(control(3, ALICES.user, 2, &retry)),
            "RETRY, for the device that wrote it [M-23.13] [M-23.14]",
        )
        .server(sent(3), "");
    session
}

fn repaired() -> Session {
    let resent = [part(1, b"\x02\x01RESENT")];
    let retry = Step::new(&Frame::Event(Event {
        part: b"\x02\x00RETRY in a new session",
        ..incoming(1, 3, BOB.address, b"")
    }));
    let mut session = Session::new("repaired", "alice's phone is asked for it again.");
    session
        .live(ALICE)
        .server_step(retry, "")
        .client(ack(1), "")
        .client(
            Frame::Send(control(5, BOBS.user, 1, &resent)),
            "RESENT, for the device that asked [M-23.13] [M-23.14]",
        )
        .server(sent(5), "");
    session
}

fn no_list() -> Session {
    let about = "An account that has published nothing gets nothing.";
    let mut session = Session::new("no_list", about);
    session
        .live(ALICE_2)
        .client(devices(1, BOBS.user, 0), "alice has written to bob")
        .server_step(
            told(1, BOBS.user, 0, &[]),
            "her message waits until there is a device to encrypt it for [M-23.1]",
        )
        .client(devices(2, BOBS.user, 0), "some time later")
        .server_step(told(2, BOBS.user, 1, &[&lists::bob(1)]), "");
    session
}
