//! Requests about keys that are no frames, or come where they may not: closed with the code for it,
//! and what is merely asked too often is refused.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use martlet_protocol::auth::SIGNATURE_BYTES;
use martlet_protocol::frame::{
    Claim, Devices, Frame, LinkJoin, LinkOpen, Part, Prekey, Publish, SignedList, Upload,
};
use martlet_protocol::limits::{
    DEVICE_LIST_BYTES_MAX, DEVICES_MAX, HEADER_BYTES, LINK_BYTES_MAX, PART_BYTES_MAX, PREKEYS_MAX,
};
use martlet_protocol::wire::List;
use martlet_protocol::{Address, CloseCode, DeviceId, Kind, NackCode, UserId};

use crate::bystanders::Bystanders;
use crate::bytes::raw;
use crate::peer::{Account, Peer, account, encoded, message};
use crate::server::Server;

const PREKEY: Prekey = Prekey {
    id: 1,
    key: [5; 32],
    signature: [6; SIGNATURE_BYTES],
};

const ADDRESS: Address = Address {
    user: UserId(4_711),
    device: DeviceId(2),
};

fn publish<'a>(list: &'a [u8], answer: &'a [u8]) -> Frame<'a> {
    Frame::Publish(Publish {
        request: 1,
        list: SignedList(list),
        answer,
    })
}

fn upload(one_time: &[Prekey]) -> Frame<'_> {
    Frame::Upload(Upload {
        request: 1,
        last_resort: Some(PREKEY),
        one_time: List::Slice(one_time),
    })
}

fn claim(devices: &[DeviceId]) -> Frame<'_> {
    Frame::Claim(Claim {
        request: 1,
        user: ADDRESS.user,
        devices: List::Slice(devices),
    })
}

fn link_join(offer: &[u8]) -> Frame<'_> {
    Frame::LinkJoin(LinkJoin {
        address: ADDRESS,
        ticket: [3; 32],
        offer,
    })
}

fn devices() -> Frame<'static> {
    Frame::Devices(Devices {
        request: 1,
        user: ADDRESS.user,
        have: 0,
    })
}

fn link_open() -> Frame<'static> {
    Frame::LinkOpen(LinkOpen {
        request: 1,
        device: ADDRESS.device,
        ticket: [3; 32],
    })
}

/// Sends bytes where the frame would be legal, and expects the end.
fn check_closed(server: &Server, account: &Account, (name, bytes): (&str, &[u8]), code: CloseCode) {
    println!("{name}");
    let kind = Kind(bytes[3]);
    let mut peer = Peer::greeted(server.address);
    if kind != Kind::LINK_JOIN {
        peer.authenticate(account);
    }
    peer.send_bytes(bytes);
    peer.expect_close(code);
}

#[test]
fn a_request_about_keys_that_is_cut_short_ends_the_connection() {
    let server = Server::development();
    let bystanders = Bystanders::chat(server.address);
    let alice = account(server.address, "alice");
    let two = [DeviceId(1), DeviceId(2)];
    let frames = [
        devices(),
        publish(b"a list", b"an answer"),
        upload(&[PREKEY, PREKEY]),
        claim(&two),
        link_open(),
        link_join(b"an offer"),
    ];
    for frame in &frames {
        let payload = encoded(frame).split_off(HEADER_BYTES);
        for bytes in [1, payload.len() / 2, payload.len() - 1] {
            let cut = raw(frame.kind().0, &payload[..bytes]);
            let name = format!("{} of {bytes} bytes", frame.kind().name());
            check_closed(&server, &alice, (&name, &cut), CloseCode::BAD_FRAME);
        }
    }
    bystanders.check_undisturbed();
    server.check_calm();
}

#[test]
fn a_field_above_its_limit_ends_the_connection() {
    let server = Server::development();
    let bystanders = Bystanders::chat(server.address);
    let alice = account(server.address, "alice");
    let long = vec![1; DEVICE_LIST_BYTES_MAX + 1];
    let keys = vec![PREKEY; PREKEYS_MAX + 1];
    let many: Vec<_> = (1..).map(DeviceId).take(DEVICES_MAX + 1).collect();
    let part = |device: DeviceId| Part {
        device,
        part: b"part",
    };
    let parts: Vec<_> = many.iter().copied().map(part).collect();
    let long_part = [Part {
        device: DeviceId(1),
        part: &long[..=PART_BYTES_MAX],
    }];
    let mut many_parts = message(ADDRESS.user, b"");
    many_parts.to_parts = List::Slice(&parts);
    let mut own_parts = message(ADDRESS.user, b"");
    own_parts.own_parts = List::Slice(&parts);
    let mut with_long_part = message(ADDRESS.user, b"");
    with_long_part.to_parts = List::Slice(&long_part);
    let answer = &long[..=LINK_BYTES_MAX];
    let frames = [
        ("a long list", publish(&long, b"")),
        ("a long answer", publish(b"", answer)),
        ("more prekeys than are kept", upload(&keys)),
        ("more devices than an account has", claim(&many)),
        ("a long offer", link_join(answer)),
        ("a part for six", Frame::Send(many_parts)),
        ("own parts for six", Frame::Send(own_parts)),
        ("a long part", Frame::Send(with_long_part)),
    ];
    for (name, frame) in &frames {
        let bytes = encoded(frame);
        check_closed(&server, &alice, (name, &bytes), CloseCode::BAD_FRAME);
    }
    // No account and no device has the number zero.
    let zeros = vec![0; 128];
    for kind in [Kind::DEVICES, Kind::CLAIM, Kind::LINK_OPEN, Kind::LINK_JOIN] {
        let bytes = raw(kind.0, &zeros);
        check_closed(&server, &alice, (kind.name(), &bytes), CloseCode::BAD_FRAME);
    }
    // The most that is allowed is not too much.
    let mut peer = Peer::ready(server.address, &alice);
    assert_eq!(peer.next().expect("CAUGHT_UP").kind, Kind::CAUGHT_UP);
    peer.send(&publish(&long[1..], &answer[1..]));
    peer.expect_nack(Kind::PUBLISH, NackCode::LIST_INVALID);
    peer.send(&upload(&keys[1..]));
    peer.expect_nack(Kind::UPLOAD, NackCode::KEYS_INVALID);
    peer.send(&claim(&many[1..]));
    peer.expect_nack(Kind::CLAIM, NackCode::UNKNOWN_HANDLE);
    let mut stranger = Peer::greeted(server.address);
    stranger.send(&link_join(&answer[1..]));
    stranger.expect_nack(Kind::LINK_JOIN, NackCode::LINK_UNKNOWN);
    bystanders.check_undisturbed();
    server.check_calm();
}

#[test]
fn what_a_later_version_appends_is_passed_over() {
    let server = Server::development();
    let alice = account(server.address, "alice");
    let mut peer = Peer::ready(server.address, &alice);
    assert_eq!(peer.next().expect("CAUGHT_UP").kind, Kind::CAUGHT_UP);
    let mut payload = encoded(&devices()).split_off(HEADER_BYTES).to_vec();
    payload.extend_from_slice(b"of the future");
    peer.send_bytes(&raw(Kind::DEVICES.0, &payload));
    peer.expect_nack(Kind::DEVICES, NackCode::UNKNOWN_HANDLE);
}

#[test]
fn a_device_that_is_known_joins_nothing() {
    let server = Server::development();
    let alice = account(server.address, "alice");
    let mut peer = Peer::ready(server.address, &alice);
    peer.send(&link_join(b"an offer"));
    peer.expect_close(CloseCode::UNEXPECTED_FRAME);
    server.check_logged("connection_refused", "UNEXPECTED_FRAME", 1);
}

#[test]
fn a_ticket_is_guessed_at_no_faster_than_an_address_may_authenticate() {
    let server = Server::development();
    let alice = account(server.address, "alice");
    let server = server.restart_with("[limits]\nauthentications_per_second = 3\n");
    let source = Ipv4Addr::new(127, 9, 9, 9);
    let mut peer = Peer::connect_from(server.address, source);
    peer.greet();
    let started = Instant::now();
    for _ in 0..3 {
        peer.send(&link_join(b"an offer"));
        peer.expect_nack(Kind::LINK_JOIN, NackCode::LINK_UNKNOWN);
    }
    peer.send(&link_join(b"an offer"));
    if started.elapsed() < Duration::from_millis(250) {
        let nack = peer.expect_nack(Kind::LINK_JOIN, NackCode::RATE_LIMITED);
        assert_eq!(nack.retry_after_ms, 1_000);
        server.check_logged("link_refused", "RATE_LIMITED", 1);
    }
    // Others are not slowed down by that.
    Peer::ready(server.address, &alice).check_alive();
}

#[test]
fn a_stranger_that_joins_and_joins_has_no_more_time_than_any() {
    let server = Server::development();
    drop(account(server.address, "alice"));
    let server = server.restart_with("[limits]\nauthentication_time = \"2s\"\n");
    let mut peer = Peer::greeted(server.address);
    let started = Instant::now();
    loop {
        peer.send(&link_join(b"an offer"));
        let got = peer.next().expect("an answer");
        match got.frame() {
            Frame::Nack(nack) => assert_eq!(nack.code, NackCode::LINK_UNKNOWN),
            Frame::Close(close) => break assert_eq!(close.code, CloseCode::AUTH_TIMEOUT),
            other => panic!("{other:?}"),
        }
        assert!(started.elapsed() < Duration::from_secs(20), "it goes on");
        std::thread::sleep(Duration::from_millis(200));
    }
}
