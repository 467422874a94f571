//! Presence, blocks, requests and settings with the built programs.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first surprise, in its helpers as well"
)]

mod support;

use std::process::Command;

use serde_json::{Value, json};
use support::process::Running;
use support::server::Server;
use support::{Person, complaint, field, json as parsed, json_lines, succeeded};

fn settings(person: &Person, arguments: &[&str]) -> Value {
    parsed(&succeeded(
        &person.run(&[&["settings", "--json"], arguments].concat()),
    ))
}

fn presence(person: &Person, name: &str) -> String {
    let shown = parsed(&succeeded(&person.run(&["presence", name, "--json"])));
    shown["state"].as_str().unwrap().to_owned()
}

#[test]
fn who_is_blocked_reaches_nobody_and_cannot_tell() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let alice = Person::register(dir.path(), &server, "alice");
    let mallory = Person::register(dir.path(), &server, "mallory");
    succeeded(&mallory.run(&["send", "alice", "before"]));
    alice.catch_up();
    let said = succeeded(&alice.run(&["block", "mallory"]));
    assert_eq!(said, "mallory is blocked\n");
    let sent = mallory.run(&["send", "alice", "during", "--json"]);
    assert_eq!(field(&json_lines(&succeeded(&sent)), "state"), ["sent"]);
    assert!(alice.catch_up().iter().all(|it| it["event"] != "message"));
    assert_eq!(presence(&mallory, "alice"), "hidden");
    let refused = complaint(&alice.run(&["send", "mallory", "hello"]));
    assert!(refused.contains("block"), "{refused}");
    let listed = json_lines(&succeeded(&alice.run(&["contacts", "--json"])));
    let expected = json!({"peer": "mallory", "relation": "blocked", "pending": false});
    assert_eq!(listed, [expected]);

    succeeded(&alice.run(&["unblock", "mallory"]));
    let again = complaint(&alice.run(&["unblock", "mallory"]));
    assert!(again.contains("is not blocked"), "{again}");
    succeeded(&mallory.run(&["send", "alice", "after"]));
    let heard = alice.hear_until("after");
    let texts = heard.iter().filter(|it| it["event"] == "message");
    assert_eq!(texts.count(), 1, "what was sent during it does not come");
    for wrong in [
        ["block", "nobody"],
        ["presence", "nobody"],
        ["block", "alice"],
    ] {
        complaint(&alice.run(&wrong));
    }
}

#[test]
fn settings_decide_what_others_learn() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let alice = Person::register(dir.path(), &server, "alice");
    let bob = Person::register(dir.path(), &server, "bob");
    let usual = json!({"presence": "everyone", "read_receipts": true, "strangers": "anyone"});
    assert_eq!(settings(&alice, &[]), usual);
    let changed = settings(&alice, &["--presence", "nobody", "--strangers", "requests"]);
    let expected = json!({"presence": "nobody", "read_receipts": true, "strangers": "requests"});
    assert_eq!(changed, expected);

    // Strangers ask, and learn nothing until they are accepted.
    let sent = succeeded(&bob.run(&["send", "alice", "do you know me?", "--json"]));
    let id = field(&json_lines(&sent), "id")[0].to_owned();
    let heard = alice.catch_up();
    let message = heard.iter().find(|it| it["event"] == "message").unwrap();
    assert_eq!(message["request"], true);
    let state = |person: &Person| {
        person.catch_up();
        let shown = parsed(&succeeded(&person.run(&["status", &id, "--json"])));
        shown["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(state(&bob), "sent");
    succeeded(&alice.run(&["accept", "bob"]));
    assert_ne!(state(&bob), "sent", "a contact learns that it came");

    // Who hides what it reads does not learn it of others.
    settings(&alice, &["--read-receipts", "off"]);
    let sent = succeeded(&bob.run(&["send", "alice", "and now?", "--json"]));
    let id = field(&json_lines(&sent), "id")[0].to_owned();
    alice.catch_up();
    bob.catch_up();
    let shown = parsed(&succeeded(&bob.run(&["status", &id, "--json"])));
    assert_eq!(shown["state"], "delivered");
}

#[test]
fn a_change_without_the_server_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::dev(dir.path());
    let alice = Person::register(dir.path(), &server, "alice");
    let bob = Person::register(dir.path(), &server, "bob");
    succeeded(&alice.run(&["send", "bob", "hi"]));
    bob.catch_up();
    server.kill();
    let told = complaint(&bob.run(&["block", "alice", "--timeout", "1s"]));
    assert!(told.contains("is kept in this home"), "{told}");
    let told = complaint(&bob.run(&["presence", "alice", "--timeout", "1s"]));
    assert!(told.contains("no answer"), "{told}");
    server.restart();
    bob.catch_up();
    succeeded(&alice.run(&["send", "bob", "hello?"]));
    assert!(bob.catch_up().iter().all(|it| it["event"] != "message"));
}

/// A chat on a terminal, which `script` provides.
fn chat_on_terminal(person: &Person, peer: &str) -> Running {
    let program = env!("CARGO_BIN_EXE_martlet");
    let home = person.home().display();
    let mut command = Command::new("script");
    let line = format!("{program} --home {home} chat {peer}");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    command.env("TERM", "xterm");
    Running::start(&mut command)
}

#[test]
fn whoever_has_a_chat_open_on_a_terminal_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let alice = Person::register(dir.path(), &server, "alice");
    let bob = Person::register(dir.path(), &server, "bob");
    succeeded(&alice.run(&["send", "bob", "hi"]));
    bob.catch_up();
    assert_eq!(presence(&bob, "alice"), "hidden", "never there");
    let mut chat = chat_on_terminal(&alice, "bob");
    let watching = bob.start(&["presence", "alice", "--watch"]);
    watching.lines_until(|line| line == "online");
    assert!(chat.type_line("/quit\r"), "the chat has ended");
    chat.end();
    watching.lines_until(|line| line.starts_with("offline, last seen "));
    watching.terminate();
}
