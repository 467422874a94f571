//! One side is away: what was said meanwhile waits at the server, also through a kill of it.

mod support;

use std::collections::BTreeMap;

use support::server::Server;
use support::{Person, field, succeeded};

/// How many messages wait.
const WAITING: usize = 1_000;

#[test]
fn a_thousand_messages_wait_and_come_once_in_order_and_their_receipts_wait_for_the_sender() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::dev(dir.path());
    let alice = Person::register(dir.path(), &server, "alice");
    let bob = Person::register(dir.path(), &server, "bob");
    let texts: Vec<String> = (1..=WAITING).map(|number| number.to_string()).collect();

    // Bob is away.
    let mut chat = alice.start(&["chat", "bob"]);
    for text in &texts {
        assert!(chat.type_line(text), "the chat has ended");
    }
    succeeded(&chat.end());
    // What is sent is durable: the server may die now.
    server.kill();
    server.restart();

    // Alice is away.
    let heard = bob.catch_up();
    let (end, messages) = heard.split_last().unwrap();
    assert_eq!(end["event"], "caught_up");
    assert_eq!(end["trimmed"], false);
    assert_eq!(field(messages, "text"), texts);
    let sent = alice.history("bob");
    assert_eq!(field(messages, "id"), field(&sent, "id"));
    assert_eq!(bob.catch_up().len(), 1, "all of it had come before");

    // Both steps of each message have waited for her.
    let told = alice.catch_up();
    let (end, receipts) = told.split_last().unwrap();
    assert_eq!(end["event"], "caught_up");
    let mut states: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for receipt in receipts {
        assert_eq!(
            (&receipt["event"], &receipt["by"]),
            (&"receipt".into(), &"bob".into())
        );
        let id = receipt["id"].as_str().unwrap();
        states
            .entry(id)
            .or_default()
            .push(receipt["state"].as_str().unwrap());
    }
    for id in field(&sent, "id") {
        assert_eq!(states.remove(id), Some(vec!["delivered", "read"]), "{id}");
    }
    assert!(states.is_empty(), "receipts of other messages: {states:?}");
    assert!(
        field(&alice.history("bob"), "state")
            .iter()
            .all(|state| *state == "read")
    );
    assert_eq!(alice.catch_up().len(), 1, "each receipt had come before");
}
