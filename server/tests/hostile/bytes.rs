//! Bytes that are no frames, and frames that are not legal: closed with the code for it.

use martlet_protocol::frame::{CaughtUp, Frame, Ping};
use martlet_protocol::header::Header;
use martlet_protocol::limits::{FRAME_BYTES_MAX, FRAME_BYTES_MAX_UNAUTHENTICATED};
use martlet_protocol::{CloseCode, Kind, Position, crc};

use crate::bystanders::Bystanders;
use crate::peer::{Peer, account, encoded, hello, message};
use crate::server::Server;

/// A frame of any type with any payload and a good checksum.
pub(crate) fn raw(kind: u8, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        payload_bytes: payload.len() as u32,
        kind: Kind(kind),
    };
    let mut bytes = header.bytes(crc::of_frame(header, payload)).to_vec();
    bytes.extend_from_slice(payload);
    bytes
}

/// What devices ask about keys, and bring.
const KEY_FRAMES: [Kind; 7] = [
    Kind::DEVICES,
    Kind::PUBLISH,
    Kind::UPLOAD,
    Kind::CLAIM,
    Kind::LINK_OPEN,
    Kind::LINK_JOIN,
    Kind::LINK_CLOSE,
];

/// Bytes sent as the first of a connection end it with `code`, and one line says so.
fn check_first(cases: &[(&str, Vec<u8>, CloseCode)]) {
    let server = Server::development();
    let bystanders = Bystanders::chat(server.address);
    for (name, bytes, code) in cases {
        println!("{name}");
        let mut peer = Peer::connect(server.address);
        peer.send_bytes(bytes);
        peer.expect_close(*code);
    }
    for code in cases.iter().map(|(_, _, code)| *code) {
        let count = cases.iter().filter(|(_, _, other)| *other == code).count();
        server.check_logged("connection_refused", code.name(), count);
    }
    bystanders.check_undisturbed();
    server.check_calm();
}

#[test]
fn what_is_no_frame_ends_the_connection_with_its_reason() {
    let mut corrupted = encoded(&hello(1, 1)).to_vec();
    *corrupted.last_mut().unwrap() ^= 1;
    let mut magic = encoded(&hello(1, 1)).to_vec();
    magic[8] ^= 1;
    let magic = raw(1, &magic[8..]);
    check_first(&[
        (
            "http",
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
            CloseCode::TOO_LARGE,
        ),
        (
            "huge length",
            vec![0xff, 0xff, 0xff, 1, 0, 0, 0, 0],
            CloseCode::TOO_LARGE,
        ),
        (
            "a length above the limit of strangers",
            Header {
                payload_bytes: FRAME_BYTES_MAX_UNAUTHENTICATED as u32,
                kind: Kind::REGISTER,
            }
            .bytes(0)
            .to_vec(),
            CloseCode::TOO_LARGE,
        ),
        ("wrong checksum", corrupted, CloseCode::BAD_FRAME),
        ("wrong magic", magic, CloseCode::BAD_FRAME),
        ("empty payload", raw(1, b""), CloseCode::BAD_FRAME),
        ("type zero", raw(0, b""), CloseCode::UNKNOWN_TYPE),
        ("unknown type", raw(0x7f, b"?"), CloseCode::UNKNOWN_TYPE),
        (
            "a version from the future",
            encoded(&hello(9, 12)).to_vec(),
            CloseCode::VERSION_UNSUPPORTED,
        ),
        (
            "an empty range of versions",
            encoded(&hello(2, 1)).to_vec(),
            CloseCode::VERSION_UNSUPPORTED,
        ),
    ]);
}

#[test]
fn every_frame_but_hello_is_refused_before_the_greeting() {
    let frames = Kind::TABLE.iter().filter(|info| info.kind != Kind::HELLO);
    let cases: Vec<_> = frames
        .filter_map(|info| {
            // Of the shapes that decode, whatever the type: zeros, or a byte that is an id.
            let payload = [vec![0; 64], vec![4; 200]]
                .into_iter()
                .find(|payload| Frame::decode(info.kind, payload).is_ok())?;
            (info.kind != Kind::CLOSE).then(|| {
                let bytes = raw(info.kind.0, &payload);
                (info.name, bytes, CloseCode::UNEXPECTED_FRAME)
            })
        })
        .collect();
    assert!(cases.len() > 28, "only {} shapes decode", cases.len());
    let is_there = |kind: Kind| cases.iter().any(|(name, ..)| *name == kind.name());
    assert!(KEY_FRAMES.into_iter().all(is_there));
    check_first(&cases);
}

#[test]
fn only_who_registers_joins_or_authenticates_is_heard_behind_the_greeting() {
    let server = Server::development();
    let mut checked = 0;
    for info in Kind::TABLE {
        let payload = [vec![0; 64], vec![4; 200]]
            .into_iter()
            .find(|payload| Frame::decode(info.kind, payload).is_ok());
        let Some(payload) = payload else { continue };
        if matches!(
            info.kind,
            Kind::REGISTER | Kind::AUTH | Kind::LINK_JOIN | Kind::CLOSE
        ) {
            continue;
        }
        println!("{}", info.name);
        let mut peer = Peer::greeted(server.address);
        peer.send_bytes(&raw(info.kind.0, &payload));
        peer.expect_close(CloseCode::UNEXPECTED_FRAME);
        checked += 1;
    }
    assert!(checked > 27, "only {checked} shapes decode");
    server.check_logged("connection_refused", "UNEXPECTED_FRAME", checked);
}

#[test]
fn a_truncated_frame_of_each_type_is_a_bad_frame() {
    let cases: Vec<_> = Kind::TABLE
        .iter()
        .map(|info| (info.name, raw(info.kind.0, b""), CloseCode::BAD_FRAME))
        .collect();
    check_first(&cases);
}

#[test]
fn random_bytes_never_get_further_than_the_header() {
    let server = Server::development();
    let bystanders = Bystanders::chat(server.address);
    for _ in 0..200 {
        let mut noise = [0; 512];
        getrandom::fill(&mut noise).unwrap();
        let mut peer = Peer::connect(server.address);
        peer.send_bytes(&noise);
        // A length that happens to be small leaves a type or a checksum to be wrong.
        let got = peer.next().expect("a CLOSE");
        assert_eq!(got.kind, Kind::CLOSE);
    }
    bystanders.check_undisturbed();
    server.check_calm();
}

#[test]
fn a_frame_from_the_future_is_skipped() {
    let server = Server::development();
    let alice = account(server.address, "alice");
    let mut peer = Peer::ready(server.address, &alice);
    peer.send_bytes(&raw(0xc0, &[7; 300]));
    peer.send_bytes(&raw(0xff, b""));
    peer.check_alive();
}

#[test]
fn an_authenticated_client_is_held_to_the_same_rules() {
    let server = Server::development();
    let bystanders = Bystanders::chat(server.address);
    let alice = account(server.address, "alice");
    let mut truncated = encoded(&Frame::Send(message(alice.address.user, b"hi"))).to_vec();
    truncated.truncate(30);
    let truncated = raw(Kind::SEND.0, &truncated[8..]);
    let caught_up = Frame::CaughtUp(CaughtUp {
        position: Position(1),
        trimmed: false,
    });
    let too_large = Header {
        payload_bytes: FRAME_BYTES_MAX as u32,
        kind: Kind::SEND,
    };
    let mut corrupted = encoded(&Frame::Ping(Ping { token: 1 })).to_vec();
    corrupted[12] ^= 0x80;
    let cases = [
        ("a truncated SEND", truncated, CloseCode::BAD_FRAME),
        ("a corrupted PING", corrupted, CloseCode::BAD_FRAME),
        (
            "a servers frame",
            encoded(&caught_up).to_vec(),
            CloseCode::UNEXPECTED_FRAME,
        ),
        (
            "a second HELLO",
            encoded(&hello(1, 1)).to_vec(),
            CloseCode::UNEXPECTED_FRAME,
        ),
        (
            "too large",
            too_large.bytes(0).to_vec(),
            CloseCode::TOO_LARGE,
        ),
        ("unknown", raw(0x42, b""), CloseCode::UNKNOWN_TYPE),
    ];
    for (name, bytes, code) in cases {
        println!("{name}");
        let mut peer = Peer::ready(server.address, &alice);
        peer.send_bytes(&bytes);
        peer.expect_close(code);
    }
    bystanders.check_undisturbed();
    server.check_calm();
}

#[test]
fn frames_arrive_whole_however_the_network_cuts_them() {
    let server = Server::development();
    let alice = account(server.address, "alice");
    let mut peer = Peer::ready(server.address, &alice);
    let mut bytes = Vec::new();
    for token in 0..50 {
        bytes.extend_from_slice(&encoded(&Frame::Ping(Ping { token })));
    }
    for piece in bytes.chunks(7) {
        peer.send_bytes(piece);
    }
    let mut answered = 0;
    while answered < 50 {
        match peer.next().expect("PONG").frame() {
            Frame::Pong(pong) => {
                assert_eq!(pong.token, answered);
                answered += 1;
            }
            Frame::CaughtUp(_) => {}
            other => panic!("{other:?}"),
        }
    }
}
