//! Peers that take their time: every wait has an end, and it is told apart from the others.

use std::thread;
use std::time::{Duration, Instant};

use martlet_protocol::CloseCode;
use martlet_protocol::frame::{Frame, Ping};

use crate::bystanders::Bystanders;
use crate::peer::{Account, Peer, account, encoded, hello, message};
use crate::server::Server;

/// A server with short times, and accounts that exist on it.
fn hasty(limits: &str) -> (Server, [Account; 4]) {
    let server = Server::development();
    let accounts = ["alice", "bob", "left", "right"].map(|name| account(server.address, name));
    let server = server.restart_with(&format!("[limits]\nloopback_exempt = true\n{limits}"));
    (server, accounts)
}

#[test]
fn a_stranger_has_five_seconds_in_all_however_it_drips() {
    let server = Server::development();
    let bystanders = Bystanders::chat(server.address);
    let started = Instant::now();
    let mut silent = Peer::connect(server.address);
    let mut greeted = Peer::greeted(server.address);
    let mut dripping = Peer::connect(server.address);
    for byte in encoded(&hello(1, 1)).iter().take(12) {
        dripping.send_bytes(&[*byte]);
        thread::sleep(Duration::from_millis(300));
    }
    for peer in [&mut silent, &mut greeted, &mut dripping] {
        peer.expect_close(CloseCode::AUTH_TIMEOUT);
    }
    let took = started.elapsed();
    assert!(took >= Duration::from_secs(5), "{took:?}");
    assert!(took < Duration::from_secs(9), "{took:?}");
    server.check_logged("connection_refused", "AUTH_TIMEOUT", 3);
    bystanders.check_undisturbed();
    server.check_calm();
}

#[test]
fn a_frame_that_never_ends_ends_the_connection() {
    let (server, [alice, _, left, right]) = hasty("frame_time = \"1s\"\n");
    let bystanders = Bystanders::chat_as(server.address, left, right);
    let mut peer = Peer::ready(server.address, &alice);
    let large = vec![0; 60_000];
    let frame = encoded(&Frame::Send(message(alice.address.user, &large)));
    peer.send_bytes(&frame[..1_000]);
    // One byte a moment is no progress.
    for byte in &frame[1_000..1_010] {
        peer.send_bytes(&[*byte]);
        thread::sleep(Duration::from_millis(100));
    }
    peer.expect_close(CloseCode::SLOW_FRAME);
    server.check_logged("connection_refused", "SLOW_FRAME", 1);
    bystanders.check_undisturbed();
}

#[test]
fn a_slow_link_that_makes_progress_is_tolerated() {
    let (server, [alice, bob, ..]) = hasty("frame_time = \"1s\"\n");
    let mut peer = Peer::ready(server.address, &alice);
    let large = vec![0; 6_000];
    let frame = encoded(&Frame::Send(message(bob.address.user, &large)));
    for piece in frame.chunks(1_000) {
        peer.send_bytes(piece);
        thread::sleep(Duration::from_millis(700));
    }
    loop {
        match peer.next().expect("SENT").frame() {
            Frame::Sent(_) => break,
            Frame::CaughtUp(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn silence_ends_the_connection_and_a_ping_prolongs_it() {
    let (server, [alice, bob, ..]) = hasty("idle_time = \"2s\"\n");
    let mut silent = Peer::greeted(server.address);
    assert_eq!(silent.authenticate(&alice).idle_ms, 2_000);
    let mut lively = Peer::ready(server.address, &bob);
    let started = Instant::now();
    for _ in 0..5 {
        lively.check_alive();
        thread::sleep(Duration::from_secs(1));
    }
    silent.expect_close(CloseCode::IDLE_TIMEOUT);
    assert!(started.elapsed() >= Duration::from_secs(2));
    lively.check_alive();
    server.check_logged("connection_refused", "IDLE_TIMEOUT", 1);
}

#[test]
fn a_reader_that_does_not_read_loses_its_connection_and_nobody_else_notices() {
    let (server, [alice, _, left, right]) = hasty("slow_reader_time = \"1s\"\n");
    let bystanders = Bystanders::chat_as(server.address, left, right);
    let mut peer = Peer::ready(server.address, &alice);
    // Each PING asks for a PONG that nobody reads. The kernel's buffers take some megabytes.
    let pings: Vec<u8> = (0..4_000)
        .flat_map(|token| encoded(&Frame::Ping(Ping { token })))
        .collect();
    let started = Instant::now();
    while server.logged("connection_refused", &[("code", "SLOW_READER")]) == 0 {
        peer.send_bytes(&pings);
        thread::sleep(Duration::from_millis(400));
        assert!(
            started.elapsed() < Duration::from_secs(120),
            "it is never noticed"
        );
    }
    bystanders.check_undisturbed();
}
