//! `kill -9` of clients and of the server at random moments: nothing is lost, nothing comes twice.

mod support;

use std::collections::HashSet;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use support::process::Running;
use support::random::Random;
use support::server::Server;
use support::{Person, field, json, succeeded};

const RECIPIENT_KILLS: u64 = 24;
const SENDER_KILLS: u64 = 15;
/// Every so many kills of the sender one of the server.
const SENDER_KILLS_PER_SERVER_KILL: u64 = 4;
const MESSAGES: u64 = 400;

#[test]
fn a_recipient_that_is_killed_misses_nothing_and_prints_nothing_twice() {
    let mut random = Random::seeded();
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let alice = Person::register(dir.path(), &server, "alice");
    let bob = Person::register(dir.path(), &server, "bob");

    let mut chat = alice.start(&["chat", "bob"]);
    let typing = thread::spawn(move || {
        for number in 0..MESSAGES {
            assert!(chat.type_line(&number.to_string()), "the chat has ended");
            thread::sleep(Duration::from_millis(4));
        }
        chat
    });
    let mut printed = Vec::new();
    for kill in 0..RECIPIENT_KILLS {
        let listening = bob.start(&["listen", "--json"]);
        if kill % 2 == 0 {
            // Only then is it sure to be at work.
            printed.push(listening.line());
        }
        thread::sleep(random.pause(100));
        printed.extend(listening.kill());
    }
    succeeded(&typing.join().unwrap().end());

    let listening = bob.start(&["listen", "--json"]);
    loop {
        let line = listening.line();
        let caught_up = json(&line)["event"] == "caught_up";
        printed.push(line);
        if caught_up {
            break;
        }
    }
    printed.extend(listening.kill());

    let history = bob.history("alice");
    let expected: Vec<String> = (0..MESSAGES).map(|number| number.to_string()).collect();
    assert_eq!(field(&history, "text"), expected);
    assert_eq!(field(&history, "id"), field(&alice.history("bob"), "id"));
    let kept = distinct(&field(&history, "id"));
    let printed = messages(&printed);
    let printed = distinct(&field(&printed, "id"));
    assert!(printed.is_subset(&kept), "printed what is not kept");
    assert!(
        !printed.is_empty(),
        "no listener lived long enough to print"
    );
}

#[test]
fn a_sender_and_a_server_that_are_killed_lose_nothing_that_was_sent() {
    let mut random = Random::seeded();
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::dev(dir.path());
    let alice = Person::register(dir.path(), &server, "alice");
    let bob = Person::register(dir.path(), &server, "bob");

    let listening = bob.start(&["listen", "--json"]);
    let mut number = 0;
    for kill in 1..=SENDER_KILLS {
        let mut chat = alice.start(&["chat", "bob"]);
        type_some(&mut chat, &mut number, &mut random);
        if kill % SENDER_KILLS_PER_SERVER_KILL == 0 {
            server.kill();
            type_some(&mut chat, &mut number, &mut random);
            server.restart();
        }
        if kill % 3 == 0 {
            // Only then is it sure to have connected.
            chat.line();
        }
        thread::sleep(random.pause(15));
        chat.kill();
    }
    let mut chat = alice.start(&["chat", "bob"]);
    assert!(chat.type_line(&number.to_string()));
    succeeded(&chat.end());

    let mut printed = Vec::new();
    let last = Value::from(number.to_string());
    loop {
        let line = listening.line();
        let is_last = json(&line)["text"] == last;
        printed.push(line);
        if is_last {
            break;
        }
    }
    printed.extend(listening.kill());

    let sent = alice.history("bob");
    let states = distinct_states(&sent);
    assert!(
        states.is_subset(&HashSet::from(["sent", "delivered", "read"])),
        "{states:?}"
    );
    let received = bob.history("alice");
    assert_eq!(field(&received, "id"), field(&sent, "id"));
    assert_eq!(field(&received, "text"), field(&sent, "text"));
    distinct(&field(&received, "id"));
    let numbers: Vec<u64> = field(&received, "text")
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    assert!(numbers.len() > 1, "no chat lived long enough to send");
    // This listener was never killed before it had the last one: it has printed them all.
    assert_eq!(field(&messages(&printed), "id"), field(&received, "id"));
}

/// Types up to 20 numbered lines.
fn type_some(chat: &mut Running, number: &mut u64, random: &mut Random) {
    for _ in 0..=random.below(20) {
        assert!(chat.type_line(&number.to_string()), "the chat has ended");
        *number += 1;
        thread::sleep(random.pause(6));
    }
}

/// The messages among the lines of `listen --json`.
fn messages(lines: &[String]) -> Vec<Value> {
    let events = lines.iter().map(|line| json(line));
    events.filter(|event| event["event"] == "message").collect()
}

/// The ids as a set, once it is sure that none of them is there twice.
fn distinct(ids: &[&str]) -> HashSet<String> {
    let mut seen = HashSet::new();
    for id in ids {
        assert!(seen.insert((*id).to_owned()), "{id} is there twice");
    }
    seen
}

fn distinct_states(history: &[Value]) -> HashSet<&str> {
    field(history, "state").into_iter().collect()
}
