//! Peers that take their time: every wait has an end, and it is told apart from the others.

use std::thread;
use std::time::{Duration, Instant};

use martlet_protocol::frame::{
    Active, Frame, Ping, Presence, PresenceState, Typing, TypingKind, Watch,
};
use martlet_protocol::wire::List;
use martlet_protocol::{CloseCode, Kind, Millis};

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

/// Reads up to the answer to the last of so many PINGs, and whatever of presence and typing comes
/// until a moment behind it.
fn people_behind(peer: &mut Peer, last: u64) -> (Vec<Presence>, usize) {
    let (mut presences, mut typed) = (Vec::new(), 0);
    let mut is_answered = false;
    loop {
        let got = if is_answered {
            peer.next_within(Duration::from_secs(2))
        } else {
            peer.next()
        };
        let Some(got) = got else {
            assert!(is_answered, "the connection ended");
            return (presences, typed);
        };
        match got.frame() {
            Frame::Pong(pong) => is_answered |= pong.token == last,
            Frame::Presence(presence) => presences.push(presence),
            Frame::Typed(_) => typed += 1,
            _ => {}
        }
    }
}

// [M-24.1]
#[test]
fn presence_and_typing_go_first_when_a_reader_is_slow_and_the_newest_presence_follows() {
    // What waits for a client is pressure from a quarter of this on. The kernel takes some
    // megabytes besides.
    let limits = "outbound_max = \"40MiB\"\nframes_per_second = 0\nslow_reader_time = \"60s\"\n";
    const PINGS: u64 = 1_500_000;
    let (server, [alice, bob, ..]) = hasty(limits);
    let mut peer = Peer::ready(server.address, &alice);
    let mut other = Peer::ready(server.address, &bob);
    peer.send(&Frame::Watch(Watch {
        request: 1,
        on: true,
        users: List::Slice(&[bob.address.user]),
    }));
    while peer.next().expect("a PRESENCE").kind != Kind::PRESENCE {}

    let mut pings = Vec::new();
    for token in 1..=PINGS {
        pings.extend_from_slice(&encoded(&Frame::Ping(Ping { token })));
    }
    assert!(
        pings.len() > 22 << 20,
        "more than the kernel takes and a quarter of the rest"
    );
    peer.send_bytes(&pings);
    // What comes behind them tells that they are answered.
    peer.send(&Frame::Send(message(bob.address.user, b"all said")));
    while other.next().expect("the message").kind != Kind::EVENT {}

    for round in 0..3 {
        for active in [false, true] {
            other.send(&Frame::Active(Active { active }));
            let kind = TypingKind::TYPING;
            let to = alice.address.user;
            other.send(&Frame::Typing(Typing { to, kind }));
        }
        other.check_alive();
        if round < 2 {
            thread::sleep(Duration::from_millis(1_100));
        }
    }
    thread::sleep(Duration::from_millis(1_100));
    let (presences, typed) = people_behind(&mut peer, PINGS);
    let newest = Presence {
        user: bob.address.user,
        state: PresenceState::ONLINE,
        last_seen: Millis(0),
    };
    assert_eq!(presences, [newest], "once, and as it is now");
    assert_eq!(typed, 0, "typing is over by then");

    // Nothing is held back any longer.
    let (to, kind) = (alice.address.user, TypingKind::TYPING);
    other.send(&Frame::Active(Active { active: false }));
    other.send(&Frame::Typing(Typing { to, kind }));
    let (mut is_away, mut is_typing) = (false, false);
    while !(is_away && is_typing) {
        match peer.next().expect("both").frame() {
            Frame::Presence(presence) => is_away = presence.state == PresenceState::OFFLINE,
            Frame::Typed(_) => is_typing = true,
            other => panic!("{other:?}"),
        }
    }
}
