//! Whoever is offline misses nothing: messages and receipts wait for their device.

mod support;

use martlet_protocol::{NackCode, State, Timestamp};
use support::client::Client;
use support::site::{Site, martletd};
use support::wire::Got;

const MESSAGES: u64 = 1_000;

/// Sends `MESSAGES` numbered messages from `from` and waits for all their answers.
fn send_all(from: &mut Client, to: &Client) -> Vec<Timestamp> {
    let mut timestamps = Vec::new();
    let mut number = 0;
    while (timestamps.len() as u64) < MESSAGES {
        while number < MESSAGES && from.may_send() {
            let outgoing = from.compose(to.address().user, number.to_string().as_bytes());
            from.send(&outgoing, Timestamp(0));
            number += 1;
        }
        let sent = from.expect("SENT", |got| match got {
            Got::Sent(sent) => Some(*sent),
            Got::Nack(nack) => panic!("refused: {nack:?}"),
            _ => None,
        });
        assert_eq!(sent.devices, 1);
        timestamps.push(sent.timestamp);
    }
    timestamps
}

#[test]
fn a_thousand_messages_wait_arrive_once_in_order_and_then_caught_up() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(home.path().join("data"), home.path().join("log"));
    let server = site.start(martletd());
    let mut alice = Client::register(server.address(), "alice");
    let mut bob = Client::register(server.address(), "bob");
    alice.go_online(server.address());
    let timestamps = send_all(&mut alice, &bob);

    let ready = bob.go_online(server.address());
    assert_eq!(ready.tail.0, MESSAGES);
    let mut received = Vec::new();
    let caught_up = bob.expect("CAUGHT_UP", |got| match got {
        Got::Event(message) => {
            received.push((message.envelope.clone(), message.timestamp));
            None
        }
        Got::CaughtUp(caught_up) => Some(*caught_up),
        other => panic!("unexpected in a backlog: {other:?}"),
    });
    let numbers = (0..MESSAGES).map(|number| number.to_string().into_bytes());
    let expected: Vec<_> = numbers.zip(timestamps).collect();
    assert!(
        received == expected,
        "{} of {MESSAGES}, or in another order",
        received.len()
    );
    assert_eq!((caught_up.position.0, caught_up.trimmed), (MESSAGES, false));
}

#[test]
fn a_sender_that_was_offline_gets_the_receipts_when_it_returns() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(home.path().join("data"), home.path().join("log"));
    let server = site.start(martletd());
    let mut alice = Client::register(server.address(), "alice");
    let mut bob = Client::register(server.address(), "bob");
    alice.go_online(server.address());
    let newest = *send_all(&mut alice, &bob)
        .last()
        .expect("there are messages");
    alice.disconnect();

    bob.go_online(server.address());
    let mut last = None;
    bob.expect("CAUGHT_UP", |got| match got {
        Got::Event(message) => {
            last = Some(message.id);
            None
        }
        Got::CaughtUp(_) => Some(()),
        _ => None,
    });
    bob.acknowledge();
    bob.read(alice.address(), last.expect("there are messages"));
    // Neither has an answer. The refusal of a later READ comes when both are durable.
    bob.read(alice.address(), alice.compose(bob.address().user, b"").id);
    let refusal = bob.expect("a refusal", |got| match got {
        Got::Nack(nack) => Some(nack.code),
        _ => None,
    });
    assert_eq!(refusal, NackCode::UNKNOWN_MESSAGE);
    bob.disconnect();

    // The receipts are durable: a crash between the two meetings changes nothing.
    server.kill();
    let server = site.start(martletd());
    alice.go_online(server.address());
    for state in [State::DELIVERED, State::READ] {
        let receipt = alice.expect("a receipt", |got| match got {
            Got::Receipt(receipt) if receipt.up_to == newest => Some(*receipt),
            _ => None,
        });
        assert_eq!((receipt.state, receipt.peer), (state, bob.address()));
    }
}

#[test]
fn a_device_that_said_goodbye_does_not_hold_up_what_expires() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(home.path().join("data"), home.path().join("log"));
    let server = site.start(martletd());
    let mut alice = Client::register(server.address(), "alice");
    let mut bob = Client::register(server.address(), "bob");
    alice.go_online(server.address());
    bob.go_online(server.address());
    bob.say_goodbye();

    let mut outgoing = alice.compose(bob.address().user, b"soon over");
    outgoing.ttl_ms = 1_000;
    alice.send(&outgoing, Timestamp(0));
    // Were it thought to be on its way to bob, it would be given half a minute more.
    let fact = alice.expect("a fact", |got| match got {
        Got::Fact(fact) => Some(*fact),
        _ => None,
    });
    assert_eq!((fact.message_id, fact.state), (outgoing.id, State::EXPIRED));
}
