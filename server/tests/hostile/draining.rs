//! The end of a server: everybody is told, nothing accepted is lost, the exit code is 0.

use martlet_protocol::frame::Frame;
use martlet_protocol::{CloseCode, Kind, NackCode};

use crate::peer::{Peer, account, message};
use crate::server::Server;

#[test]
fn a_stop_is_announced_and_what_was_asked_is_answered() {
    let mut server = Server::development();
    let alice = account(server.address, "alice");
    let bob = account(server.address, "bob");
    let mut peer = Peer::ready(server.address, &alice);
    assert_eq!(peer.next().expect("CAUGHT_UP").kind, Kind::CAUGHT_UP);
    let mut stranger = Peer::connect(server.address);
    peer.check_alive();
    server.signal("TERM");
    let goaway = peer.next().expect("GOAWAY");
    match goaway.frame() {
        Frame::Goaway(goaway) => {
            assert_eq!(goaway.code, CloseCode::SHUTDOWN);
            assert!(
                goaway.delay_ms_min < goaway.delay_ms_max,
                "all would come at once"
            );
        }
        other => panic!("{other:?}"),
    }
    peer.send(&Frame::Send(message(bob.address.user, b"one more")));
    peer.expect_nack(Kind::SEND, NackCode::DRAINING);
    peer.check_alive();
    stranger.expect_close(CloseCode::SHUTDOWN);
    peer.expect_close(CloseCode::SHUTDOWN);
    assert_eq!(server.wait().code(), Some(0));
    server.check_calm();
}

#[test]
fn a_server_without_clients_stops_at_once() {
    let mut server = Server::development();
    account(server.address, "alice");
    let started = std::time::Instant::now();
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    assert!(started.elapsed() < std::time::Duration::from_secs(5));
}

#[test]
fn a_second_interrupt_ends_the_server_at_once() {
    let mut server = Server::development();
    let alice = account(server.address, "alice");
    let mut peer = Peer::ready(server.address, &alice);
    server.signal("INT");
    while peer.next().expect("GOAWAY").kind != Kind::GOAWAY {}
    server.signal("INT");
    assert_eq!(server.wait().code(), Some(130));
}

#[test]
fn what_was_sent_before_a_stop_is_there_after_it() {
    let server = Server::development();
    let alice = account(server.address, "alice");
    let bob = account(server.address, "bob");
    let mut peer = Peer::ready(server.address, &alice);
    let send = message(bob.address.user, b"before");
    peer.send(&Frame::Send(send.clone()));
    while peer.next().expect("SENT").kind != Kind::SENT {}
    server.signal("TERM");
    peer.expect_close(CloseCode::SHUTDOWN);
    let mut server = server;
    assert_eq!(server.wait().code(), Some(0));
    let server = server.restart_with("[limits]\nloopback_exempt = true\n");
    let mut peer = Peer::ready(server.address, &bob);
    match peer.next().expect("EVENT").frame() {
        Frame::Event(event) => assert_eq!(event.message_id, send.message_id),
        other => panic!("{other:?}"),
    }
}
