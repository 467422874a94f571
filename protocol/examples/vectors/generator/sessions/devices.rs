//! Device lists and prekeys: publishing, uploading, claiming, and what is refused of it.

use martlet_protocol::frame::*;
use martlet_protocol::nack::NackCode;
use martlet_protocol::wire::List;
use martlet_protocol::{CloseCode, DeviceId, Kind, UserId};

use super::super::builders::nack;
use super::super::contents::prekey;
use super::super::lists::{self, ALICES, BOBS, BOBS_PHONE, PHONE, Signed};
use super::super::people::{ALICE, ALICE_2, BOB, LAST_ALICE};
use super::*;

pub(super) fn sessions() -> Vec<Session> {
    vec![
        first_list(),
        log(),
        list_refusals(),
        removed(),
        reset(),
        upload(),
        claim(),
        stock(),
        key_refusals(),
    ]
}

pub(super) fn devices(request: u64, user: UserId, have: u64) -> Frame<'static> {
    Frame::Devices(Devices {
        request,
        user,
        have,
    })
}

/// An answer, or with request 0 what comes before a refusal.
pub(super) fn told(request: u64, user: UserId, newest: u64, all: &[&Signed]) -> Step {
    let lists: Vec<_> = all.iter().map(|list| SignedList(&list.bytes)).collect();
    Step::new(&Frame::DeviceLists(DeviceLists {
        request,
        user,
        newest,
        lists: List::Slice(&lists),
    }))
}

pub(super) fn publish(request: u64, list: &Signed, answer: &[u8]) -> Step {
    Step::new(&Frame::Publish(Publish {
        request,
        list: SignedList(&list.bytes),
        answer,
    }))
}

pub(super) fn published(request: u64, version: u64) -> Frame<'static> {
    Frame::Published(Published { request, version })
}

pub(super) fn refused(of: Kind, code: NackCode, request: u64) -> Frame<'static> {
    let ms = if code == NackCode::RATE_LIMITED {
        60_000
    } else {
        0
    };
    nack(of, code, ms, Reference::number(request))
}

fn first_list() -> Session {
    let list = lists::alice(1);
    let mut session = Session::new("first_list", "A new account names its first device.");
    session
        .live(ALICE)
        .client(devices(1, ALICES.user, 0), "")
        .server_step(
            told(1, ALICES.user, 0, &[]),
            "nothing was published [M-19.13]",
        )
        .client_step(publish(2, &list, b""), "version 1 [M-19.18]")
        .server(published(2, 1), "durable [M-19.9]")
        .client_step(publish(3, &list, b""), "as if the answer had been lost")
        .server(published(3, 1), "nothing has changed [M-19.11]")
        .client(devices(4, ALICES.user, 0), "")
        .server_step(told(4, ALICES.user, 1, &[&list]), "");
    session
}

fn log() -> Session {
    let about = "bob reads what became of alice's devices since he looked last.";
    let all = [lists::alice(1), lists::alice(2), lists::alice(3)];
    let later: Vec<&Signed> = all[1..].iter().collect();
    let mut session = Session::new("lists_since", about);
    session
        .live(BOB)
        .client(devices(1, ALICES.user, 1), "he has version 1")
        .server_step(told(1, ALICES.user, 3, &later), "oldest first [M-19.13]")
        .client(devices(2, ALICES.user, 3), "")
        .server_step(told(2, ALICES.user, 3, &[]), "nothing is newer")
        .client(devices(3, ALICES.user, 0), "")
        .server_step(told(3, ALICES.user, 3, &[&all[2]]), "the newest alone")
        .client(devices(4, UserId(404), 0), "")
        .server(
            refused(Kind::DEVICES, NackCode::UNKNOWN_HANDLE, 4),
            "[M-19.13]",
        );
    session
}

fn list_refusals() -> Session {
    let mut forged = lists::alice(2);
    forged.bytes[100] ^= 1;
    let mut session = Session::new("list_refusals", "Lists that a server does not take.");
    session
        .live(ALICE)
        .client_step(publish(1, &lists::alice(1), b""), "")
        .server(published(1, 1), "")
        .client_step(publish(2, &forged, b""), "a bit was changed")
        .server(
            refused(Kind::PUBLISH, NackCode::LIST_INVALID, 2),
            "[M-19.10]",
        )
        .client_step(publish(3, &lists::bob(2), b""), "another account's")
        .server(
            refused(Kind::PUBLISH, NackCode::LIST_INVALID, 3),
            "[M-19.10]",
        )
        .client_step(publish(4, &lists::alice(3), b""), "a version too many")
        .server(
            refused(Kind::PUBLISH, NackCode::LIST_CONFLICT, 4),
            "[M-19.11]",
        );
    session
}

fn removed() -> Session {
    let about = "alice's first device publishes a list without her second one.";
    let mut session = Session::new("list_without_device", about);
    session.live(ALICE_2).server(
        close(CloseCode::DEVICE_GONE),
        "the list is durable [M-19.12]",
    );
    session
}

fn reset() -> Session {
    let about = "alice has lost all her devices; the operator's token allows a new beginning.";
    let registered = Frame::Registered(Registered {
        address: LAST_ALICE.address,
    });
    let with_token = Frame::Register(Register {
        token: b"eyJh.cmVzZXQ.c2ln",
        ..super::claim(LAST_ALICE)
    });
    let mut session = Session::new("reset", about);
    session
        .connect(LAST_ALICE)
        .client(hello(), "")
        .server(challenge_with(1, Registration::TOKEN), "")
        .client(with_token, "the handle has an account with another key")
        .server(registered, "the next device id [M-19.17]")
        .client(auth(LAST_ALICE, 1, FRESH), "")
        .server(ready(FRESH), "")
        .server(caught_up(0, false), "")
        .client(devices(1, ALICES.user, 0), "")
        .server_step(
            told(1, ALICES.user, 2, &[&lists::alice(2)]),
            "the lists stay",
        )
        .client_step(publish(2, &lists::reset(), b""), "another account key")
        .server(published(2, 3), "");
    session
}

/// One-time prekeys of bob's phone.
fn one_time(ids: std::ops::RangeInclusive<u64>) -> Vec<Prekey> {
    ids.map(|id| prekey(BOBS, BOBS_PHONE, PrekeyKind::ONE_TIME, id))
        .collect()
}

fn last_resort(id: u64) -> Prekey {
    prekey(BOBS, BOBS_PHONE, PrekeyKind::LAST_RESORT, id)
}

fn uploading(request: u64, last_resort: Option<Prekey>, one_time: &[Prekey]) -> Step {
    Step::new(&Frame::Upload(Upload {
        request,
        last_resort,
        one_time: List::Slice(one_time),
    }))
}

pub(super) fn stock_of(request: u64, one_time: u64, last_resort: u64, uses: u64) -> Frame<'static> {
    Frame::Stock(Stock {
        request,
        one_time,
        last_resort,
        last_resort_uses: uses,
    })
}

fn upload() -> Session {
    let mut session = Session::new("upload", "bob's phone gives the server prekeys.");
    session
        .live(BOB)
        .client_step(publish(1, &lists::bob(1), b""), "")
        .server(published(1, 1), "")
        .client_step(uploading(2, Some(last_resort(1)), &one_time(1..=3)), "")
        .server(stock_of(2, 3, 1, 0), "durable [M-20.3]")
        .client_step(
            uploading(3, Some(last_resort(1)), &one_time(1..=3)),
            "as if the answer had been lost",
        )
        .server(
            stock_of(3, 3, 1, 0),
            "nothing was taken twice [M-20.4] [M-20.5]",
        )
        .client_step(uploading(4, Some(last_resort(2)), &one_time(2..=4)), "")
        .server(stock_of(4, 4, 2, 0), "the newer of both kinds");
    session
}

fn stock() -> Session {
    let mut session = Session::new("stock", "bob's prekeys run out while he is connected.");
    session
        .live(BOB)
        .server(stock_of(0, 9, 1, 0), "fewer than 10 are left [M-20.6]")
        .client_step(uploading(1, None, &one_time(5..=6)), "")
        .server(stock_of(1, 11, 1, 0), "")
        .server(
            stock_of(0, 0, 1, 1),
            "the last-resort prekey was handed out [M-20.6]",
        );
    session
}

pub(super) fn claiming(request: u64, user: UserId, devices: &[DeviceId]) -> Step {
    Step::new(&Frame::Claim(Claim {
        request,
        user,
        devices: List::Slice(devices),
    }))
}

pub(super) fn bundles(request: u64, user: UserId, bundles: &[Bundle]) -> Step {
    Step::new(&Frame::Bundles(Bundles {
        request,
        user,
        bundles: List::Slice(bundles),
    }))
}

/// The one-time prekey with this id, or the last-resort prekey.
pub(super) fn bundle(kind: PrekeyKind, id: u64) -> Bundle {
    Bundle {
        device: DeviceId(BOBS_PHONE.device),
        kind,
        prekey: prekey(BOBS, BOBS_PHONE, kind, id),
    }
}

fn claim() -> Session {
    let both = [DeviceId(1), DeviceId(7)];
    let claim = |request| claiming(request, BOBS.user, &both);
    let one_time = |request, id| {
        let bundle = bundle(PrekeyKind::ONE_TIME, id);
        bundles(request, BOBS.user, &[bundle])
    };
    let last = bundle(PrekeyKind::LAST_RESORT, 1);
    let mut session = Session::new("claim", "alice begins sessions with bob's phone.");
    session
        .live(ALICE)
        .client_step(claim(1), "bob has no device 7")
        .server_step(
            one_time(1, 1),
            "the lowest id; device 7 is left out [M-20.7]",
        )
        .client_step(claim(2), "")
        .server_step(one_time(2, 2), "another one [M-20.8]")
        .client_step(claim(3), "")
        .server_step(
            bundles(3, BOBS.user, &[last]),
            "no one-time prekey is left [M-20.7]",
        )
        .client_step(claim(4), "")
        .server_step(
            bundles(4, BOBS.user, &[last]),
            "as often as it is asked for [M-20.1]",
        )
        .client_step(claiming(5, UserId(404), &both), "")
        .server(
            refused(Kind::CLAIM, NackCode::UNKNOWN_HANDLE, 5),
            "[M-20.7]",
        )
        .client_step(claim(6), "")
        .server(refused(Kind::CLAIM, NackCode::RATE_LIMITED, 6), "[M-20.9]");
    session
}

fn key_refusals() -> Session {
    let mut forged = last_resort(1);
    forged.key[0] ^= 1;
    let [first, second] = [1, 2].map(|id| prekey(ALICES, PHONE, PrekeyKind::ONE_TIME, id));
    let zero = prekey(ALICES, PHONE, PrekeyKind::ONE_TIME, 0);
    let invalid = |request| refused(Kind::UPLOAD, NackCode::KEYS_INVALID, request);
    let mut session = Session::new("key_refusals", "Prekeys that a server does not take.");
    session
        .live(ALICE)
        .client_step(uploading(1, None, &[first]), "before the first list")
        .server(invalid(1), "the device is in no list [M-20.3]")
        .client_step(publish(2, &lists::alice(1), b""), "")
        .server(published(2, 1), "")
        .client_step(uploading(3, Some(forged), &[]), "a bit was changed")
        .server(invalid(3), "[M-20.3]")
        .client_step(uploading(4, None, &[second, first]), "ids that descend")
        .server(invalid(4), "[M-20.3]")
        .client_step(uploading(5, None, &[zero]), "id 0")
        .server(invalid(5), "[M-20.3]")
        .client_step(uploading(6, None, &[first, second]), "")
        .server(stock_of(6, 2, 0, 0), "no refusal has had an effect");
    session
}
