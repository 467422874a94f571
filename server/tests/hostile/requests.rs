//! Legal frames with impossible wishes: refused by a code, or closed when they break a promise.

use aws_lc_rs::signature::Ed25519KeyPair;
use martlet_protocol::frame::{Ack, Frame, Lookup, LookupQuery, Ping, Read, Reference};
use martlet_protocol::{Address, CloseCode, DeviceId, Kind, NackCode, Position, UserId};

use crate::bystanders::Bystanders;
use crate::peer::{Account, Peer, account, encoded, message};
use crate::server::Server;

fn skip_caught_up(peer: &mut Peer) {
    assert_eq!(peer.next().expect("CAUGHT_UP").kind, Kind::CAUGHT_UP);
}

/// A connection behind its backlog, so that the next frame is an answer.
fn quiet(server: &Server, account: &Account) -> Peer {
    let mut peer = Peer::ready(server.address, account);
    skip_caught_up(&mut peer);
    peer
}

#[test]
fn wishes_that_cannot_be_granted_are_refused_and_the_connection_lives() {
    let server = Server::development();
    let bystanders = Bystanders::chat(server.address);
    let alice = account(server.address, "alice");
    let mut peer = quiet(&server, &alice);

    let to_nobody = message(UserId(4_711), b"hello?");
    peer.send(&Frame::Send(to_nobody.clone()));
    let nack = peer.expect_nack(Kind::SEND, NackCode::UNKNOWN_RECIPIENT);
    assert_eq!(nack.reference, Reference::message(to_nobody.message_id));

    peer.send(&Frame::Send(message(alice.address.user, b"me")));
    peer.expect_nack(Kind::SEND, NackCode::SELF_ADDRESSED);

    let mut too_long = message(UserId(4_711), b"");
    too_long.ttl_ms = 1;
    peer.send(&Frame::Send(too_long));
    peer.expect_nack(Kind::SEND, NackCode::TTL_INVALID);

    peer.send(&Frame::Lookup(Lookup {
        request: 9,
        query: LookupQuery::Handle("nobody"),
    }));
    let nack = peer.expect_nack(Kind::LOOKUP, NackCode::UNKNOWN_HANDLE);
    assert_eq!(nack.reference, Reference::number(9));

    peer.send(&Frame::Read(Read {
        author: alice.address,
        message_id: to_nobody.message_id,
    }));
    peer.expect_nack(Kind::READ, NackCode::UNKNOWN_MESSAGE);

    peer.check_alive();
    bystanders.check_undisturbed();
    server.check_calm();
}

#[test]
fn a_handle_has_one_owner() {
    let server = Server::development();
    let first = account(server.address, "alice");
    let mut peer = Peer::greeted(server.address);
    let other_key = Ed25519KeyPair::generate().unwrap();
    peer.send_register(&other_key, "alice", b"");
    peer.expect_nack(Kind::REGISTER, NackCode::HANDLE_TAKEN);
    for bad in ["", "Alice", "al ice", ".alice", "älice"] {
        peer.send_register(&other_key, bad, b"");
        peer.expect_nack(Kind::REGISTER, NackCode::HANDLE_INVALID);
    }
    // The owner's retry gets the same answer, and another name is still to be had.
    peer.send_register(&first.key, "alice", b"");
    match peer.next().expect("REGISTERED").frame() {
        Frame::Registered(again) => assert_eq!(again.address, first.address),
        other => panic!("{other:?}"),
    }
    assert_ne!(peer.register("alice.two").address.user, first.address.user);
}

#[test]
fn nobody_gets_in_as_somebody_else() {
    let server = Server::development();
    let bystanders = Bystanders::chat(server.address);
    let alice = account(server.address, "alice");
    let mallory = account(server.address, "mallory");
    let second_device = Address {
        device: DeviceId(2),
        ..alice.address
    };
    let nobody = Address {
        user: UserId(4_711),
        device: DeviceId(1),
    };
    for (signer, claimed) in [
        (&mallory, alice.address),
        (&alice, second_device),
        (&alice, nobody),
    ] {
        let mut peer = Peer::greeted(server.address);
        peer.send_auth(signer, claimed);
        peer.expect_nack(Kind::AUTH, NackCode::AUTH_FAILED);
        peer.expect_close(CloseCode::AUTH_FAILED);
    }
    // A signature of another connection's nonce is a replay.
    let mut peer = Peer::greeted(server.address);
    peer.nonce = Peer::greeted(server.address).nonce;
    peer.send_auth(&alice, alice.address);
    peer.expect_nack(Kind::AUTH, NackCode::AUTH_FAILED);
    peer.expect_close(CloseCode::AUTH_FAILED);
    server.check_logged("connection_refused", "AUTH_FAILED", 4);
    bystanders.check_undisturbed();
    server.check_calm();
}

#[test]
fn a_second_connection_of_a_device_replaces_the_first() {
    let server = Server::development();
    let alice = account(server.address, "alice");
    let mut first = Peer::ready(server.address, &alice);
    let mut second = Peer::ready(server.address, &alice);
    first.expect_close(CloseCode::REPLACED);
    second.check_alive();
}

#[test]
fn an_acknowledgement_of_what_was_never_pushed_ends_the_connection() {
    let server = Server::development();
    let alice = account(server.address, "alice");
    let mut peer = Peer::ready(server.address, &alice);
    peer.send(&Frame::Ack(Ack {
        position: Position(10),
    }));
    peer.expect_close(CloseCode::BAD_ACK);
    server.check_logged("connection_refused", "BAD_ACK", 1);
}

#[test]
fn a_request_before_ready_ends_the_connection() {
    let server = Server::development();
    let alice = account(server.address, "alice");
    let mut peer = Peer::greeted(server.address);
    peer.send(&Frame::Ping(Ping { token: 1 }));
    peer.expect_close(CloseCode::UNEXPECTED_FRAME);
    let mut peer = Peer::greeted(server.address);
    // In one write, or READY could come in between.
    let mut both = peer.auth(&alice, alice.address);
    both.extend_from_slice(&encoded(&Frame::Send(message(UserId(1), b"too early"))));
    peer.send_bytes(&both);
    peer.expect_close(CloseCode::UNEXPECTED_FRAME);
}

#[test]
fn a_sender_without_credit_is_closed() {
    let server = Server::development();
    let bystanders = Bystanders::chat(server.address);
    let alice = account(server.address, "alice");
    let bob = account(server.address, "bob");
    let mut peer = Peer::ready(server.address, &alice);
    // All at once, so that no answer can make room in between: 5 x 64 KiB in a window of 256.
    let envelope = vec![7; 64 * 1024];
    let burst: Vec<u8> = (0..5)
        .flat_map(|_| encoded(&Frame::Send(message(bob.address.user, &envelope))))
        .collect();
    for _ in 0..20 {
        peer.send_bytes(&burst);
    }
    peer.expect_close(CloseCode::CREDIT_EXCEEDED);
    bystanders.check_undisturbed();
}

#[test]
fn a_fast_sender_is_slowed_down_and_keeps_its_order() {
    let server = Server::development();
    let alice = account(server.address, "alice");
    let bob = account(server.address, "bob");
    let server = server.restart_with("[limits]\nsends_per_second = 5\n");
    let mut peer = quiet(&server, &alice);
    let sends: Vec<_> = (0..20)
        .map(|_| message(bob.address.user, b"hurry"))
        .collect();
    for send in &sends {
        peer.send(&Frame::Send(send.clone()));
    }
    let mut sent = 0;
    let mut refused = Vec::new();
    for _ in &sends {
        match peer.next().expect("an answer").frame() {
            Frame::Sent(_) => sent += 1,
            Frame::Nack(nack) => refused.push(nack),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(sent, 10, "a burst of twice the rate");
    assert_eq!(refused[0].code, NackCode::RATE_LIMITED);
    assert_eq!(
        refused[0].reference,
        Reference::message(sends[10].message_id)
    );
    assert!((1..=200).contains(&refused[0].retry_after_ms));
    for later in &refused[1..] {
        assert_eq!(
            later.code,
            NackCode::OUT_OF_ORDER,
            "nothing may overtake it"
        );
    }
    std::thread::sleep(std::time::Duration::from_millis(250));
    peer.send(&Frame::Send(sends[10].clone()));
    match peer.next().expect("SENT").frame() {
        Frame::Sent(answer) => assert_eq!(answer.message_id, sends[10].message_id),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_flood_of_pings_ends_the_connection() {
    let server = Server::development();
    let alice = account(server.address, "alice");
    let left = account(server.address, "left");
    let right = account(server.address, "right");
    let server = server.restart_with("[limits]\nframes_per_second = 100\n");
    let bystanders = Bystanders::chat_as(server.address, left, right);
    let mut peer = Peer::ready(server.address, &alice);
    for token in 0..400 {
        peer.send(&Frame::Ping(Ping { token }));
    }
    peer.expect_close(CloseCode::RATE_LIMITED);
    server.check_logged("connection_refused", "RATE_LIMITED", 1);
    bystanders.check_undisturbed();
}

#[test]
fn lookups_are_rated_because_they_enumerate() {
    let server = Server::development();
    let alice = account(server.address, "alice");
    let mut peer = quiet(&server, &alice);
    let mut refused = 0;
    for request in 0..100 {
        peer.send(&Frame::Lookup(Lookup {
            request,
            query: LookupQuery::Handle("alice"),
        }));
        match peer.next().expect("an answer").frame() {
            Frame::Found(found) => assert_eq!(found.user, alice.address.user),
            Frame::Nack(nack) => {
                assert_eq!(nack.code, NackCode::RATE_LIMITED);
                assert!(nack.retry_after_ms > 0);
                refused += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(refused > 50, "{refused} of 100 refused");
    peer.check_alive();
}
