//! Two people write to each other with the built programs, and what goes wrong is said.

mod support;

use serde_json::Value;
use support::server::Server;
use support::{Person, complaint, field, is_caught_up, json, json_lines, names, succeeded};

#[test]
fn a_message_is_sent_delivered_and_read_and_both_sides_keep_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let alice = Person::register(dir.path(), &server, "alice");
    let bob = Person::register(dir.path(), &server, "bob");

    let listening = bob.start(&["listen", "--json", "--count", "1"]);
    let text = "Are you there? \"Ja\", 日本 🦀\n\tand a second line";
    let sent = alice.run(&["send", "bob", text, "--wait", "read", "--json"]);
    let states = json_lines(&succeeded(&sent));
    assert_eq!(field(&states, "state"), ["sent", "delivered", "read"]);
    let id = states[0]["id"].as_str().unwrap();
    assert_eq!(field(&states, "id"), [id; 3]);

    let heard = json_lines(&succeeded(&listening.end()));
    let messages: Vec<&Value> = heard.iter().filter(|v| v["event"] == "message").collect();
    let [message] = messages[..] else {
        panic!("{heard:?}")
    };
    assert_eq!(names(message), ["at", "event", "from", "id", "text"]);
    assert_eq!(message["id"], id);
    assert_eq!(message["from"], "alice");
    assert_eq!(message["text"], text);
    assert_eq!(message["at"], states[0]["at"]);

    let [said] = &alice.history("bob")[..] else {
        panic!("one message was sent")
    };
    assert_eq!(names(said), ["at", "from", "id", "state", "text", "to"]);
    assert_eq!(said["state"], "read");
    let [kept] = &bob.history("alice")[..] else {
        panic!("one message was received")
    };
    for name in ["id", "from", "to", "text", "at"] {
        assert_eq!(said[name], kept[name], "{name}");
    }
    assert_eq!(
        (&said["from"], &said["to"]),
        (&"alice".into(), &"bob".into())
    );
    assert_eq!(said["id"], id);
}

#[test]
fn receipts_and_the_end_of_the_backlog_are_lines_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let alice = Person::register(dir.path(), &server, "alice");
    let bob = Person::register(dir.path(), &server, "bob");
    let listening = bob.start(&["listen", "--json"]);
    listening.lines_until(is_caught_up);
    let sent = alice.run(&["send", "bob", "hello", "--wait", "read", "--json"]);
    let steps = json_lines(&succeeded(&sent));
    assert!(steps.is_sorted_by_key(|step| step["at"].as_u64().unwrap()));

    let told = alice.catch_up();
    let (end, receipts) = told.split_last().unwrap();
    assert_eq!(names(end), ["event", "position", "trimmed"]);
    assert_eq!(end["event"], "caught_up");
    assert_eq!(end["trimmed"], false);
    assert_eq!(field(receipts, "state"), ["sent", "delivered", "read"]);
    for (receipt, step) in receipts.iter().zip(&steps) {
        assert_eq!(names(receipt), ["at", "by", "event", "id", "state"]);
        assert_eq!(receipt["event"], "receipt");
        assert_eq!(receipt["by"], "bob");
        assert_eq!(receipt["id"], step["id"]);
        assert_eq!(names(step), ["at", "id", "state"]);
    }
    let id = steps[0]["id"].as_str().unwrap();
    let status = succeeded(&alice.run(&["status", id, "--json"]));
    assert_eq!(json(&status), steps[2]);
}

#[test]
fn what_a_listener_printed_is_read_also_when_it_is_stopped_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let alice = Person::register(dir.path(), &server, "alice");
    let bob = Person::register(dir.path(), &server, "bob");
    let listening = bob.start(&["listen", "--json"]);
    let sent = json(&succeeded(&alice.run(&["send", "bob", "hello", "--json"])));
    listening.lines_until(|line| json(line)["id"] == sent["id"]);
    succeeded(&listening.terminate());
    let told = alice.start(&["listen", "--json"]);
    told.lines_until(|line| {
        let line = json(line);
        line["id"] == sent["id"] && line["state"] == "read"
    });
}

#[test]
fn a_chat_through_pipes_goes_both_ways_and_shows_each_state() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let alice = Person::register(dir.path(), &server, "alice");
    let bob = Person::register(dir.path(), &server, "bob");
    let mut hers = alice.start(&["chat", "bob"]);
    let mut his = bob.start(&["chat", "alice"]);
    hers.type_line("Are you there?");
    his.lines_until(|line| line.ends_with(" alice: Are you there?"));
    his.type_line("Yes");
    let shown = hers.lines_until(|line| line.ends_with(" bob: Yes"));
    let states: Vec<&String> = shown.iter().filter(|line| line.starts_with('[')).collect();
    let expected = [
        "[sent] Are you there?",
        "[delivered] Are you there?",
        "[read] Are you there?",
    ];
    assert!(
        expected.iter().zip(&states).all(|(a, b)| a == b),
        "{shown:?}"
    );
    his.lines_until(|line| line == "[read] Yes");
    hers.type_line("/quit");
    succeeded(&hers.end());

    // The end of the input ends a chat too, once the server has what was typed.
    his.type_line("Bye");
    let shown = succeeded(&his.end());
    assert!(shown.contains("[sent] Bye\n"), "{shown}");
    succeeded(&alice.run(&["listen", "--count", "1"]));
    for history in [alice.history("bob"), bob.history("alice")] {
        assert_eq!(field(&history, "text"), ["Are you there?", "Yes", "Bye"]);
    }
}

#[test]
fn a_home_in_use_names_the_process_that_has_it_and_is_free_once_that_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let alice = Person::register(dir.path(), &server, "alice");
    let _bob = Person::register(dir.path(), &server, "bob");
    let listening = alice.start(&["listen", "--json"]);
    listening.lines_until(is_caught_up);
    let line = complaint(&alice.run(&["send", "bob", "hello"]));
    let expected = format!("in use by process {}", listening.pid());
    assert!(line.contains(&expected), "{line}");
    listening.kill();
    succeeded(&alice.run(&["send", "bob", "hello"]));
}

#[test]
fn a_message_that_nobody_fetched_in_time_is_expired_for_both_sides() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let alice = Person::register(dir.path(), &server, "alice");
    let bob = Person::register(dir.path(), &server, "bob");
    let sent = alice.run(&[
        "send",
        "bob",
        "soon",
        "--ttl",
        "1s",
        "--wait",
        "delivered",
        "--json",
    ]);
    let line = complaint(&sent);
    assert!(
        line.contains("is expired: it will not be delivered"),
        "{line}"
    );
    let steps = json_lines(std::str::from_utf8(&sent.stdout).unwrap());
    assert_eq!(field(&steps, "state"), ["sent", "expired"]);
    let [gap, end] = &bob.catch_up()[..] else {
        panic!("no message, and something in its place")
    };
    assert_eq!(names(gap), ["event", "from", "reason", "to"]);
    assert_eq!(
        (&gap["event"], &gap["reason"]),
        (&"gap".into(), &"expired".into())
    );
    assert_eq!(end["event"], "caught_up");
}

#[test]
fn a_message_waits_for_somebody_who_is_away_and_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let alice = Person::register(dir.path(), &server, "alice");
    let bob = Person::register(dir.path(), &server, "bob");

    let sent = succeeded(&alice.run(&["send", "bob", "ping", "--json"]));
    let id = json(&sent)["id"].as_str().unwrap().to_owned();
    succeeded(&bob.run(&["listen", "--count", "1"]));
    succeeded(&bob.run(&["send", "alice", "pong"]));
    let heard = json_lines(&succeeded(
        &alice.run(&["listen", "--json", "--count", "1"]),
    ));
    assert!(
        heard.iter().any(|event| event["text"] == "pong"),
        "{heard:?}"
    );
    let status = json(&succeeded(&alice.run(&["status", &id, "--json"])));
    assert_eq!(status["state"], "read");
    for history in [alice.history("bob"), bob.history("alice")] {
        assert_eq!(field(&history, "text"), ["ping", "pong"]);
        assert_eq!(field(&history, "from"), ["alice", "bob"]);
    }
}

#[test]
fn a_name_is_given_out_once() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let _alice = Person::register(dir.path(), &server, "alice");
    let second = Person::new(dir.path().join("second"));
    let address = server.address();
    let refused = second.run(&["register", "--server", &address, "--name", "alice"]);
    let line = complaint(&refused);
    assert!(line.contains("taken"), "{line}");
    // Nothing was spoilt: the same home takes a name that is free.
    succeeded(&second.run(&["register", "--server", &address, "--name", "alice.2"]));
}

#[test]
fn a_message_to_nobody_or_to_oneself_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let alice = Person::register(dir.path(), &server, "alice");
    let line = complaint(&alice.run(&["send", "nobody", "hello"]));
    assert!(line.contains("not sent to nobody"), "{line}");
    let line = complaint(&alice.run(&["send", "alice", "hello"]));
    assert!(line.contains("oneself"), "{line}");
    let line = complaint(&alice.run(&["history", "bob"]));
    assert!(line.contains("no conversation with bob"), "{line}");
}

#[test]
fn wrong_usage_has_status_2_and_sends_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let alice = Person::register(dir.path(), &server, "alice");
    let _bob = Person::register(dir.path(), &server, "bob");
    for arguments in [
        &["send", "bob"][..],
        &["send", "bob", "hi", "--wait", "pending"],
        &["send", "bob", "hi", "--ttl", "soon"],
        &["send", "bob", "hi", "there"],
        &["status", "not-an-id"],
        &["shout", "bob"],
        &[],
    ] {
        let output = alice.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
    complaint(&alice.run(&["history", "bob"]));
}

#[test]
fn what_could_not_be_sent_stays_queued_and_goes_out_with_the_next_command() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::dev(dir.path());
    let alice = Person::register(dir.path(), &server, "alice");
    let bob = Person::register(dir.path(), &server, "bob");
    assert!(server.terminate().success());

    let late = alice.run(&["send", "bob", "first", "--timeout", "500ms", "--json"]);
    let line = complaint(&late);
    assert!(line.contains("goes out with the next command"), "{line}");
    assert!(line.contains("refused"), "it says why: {line}");
    let pending = json(std::str::from_utf8(&late.stdout).unwrap().trim());
    assert_eq!(pending["state"], "pending");
    assert_eq!(field(&alice.history("bob"), "state"), ["pending"]);

    server.restart();
    succeeded(&alice.run(&["send", "bob", "second"]));
    let heard = json_lines(&succeeded(&bob.run(&["listen", "--json", "--count", "2"])));
    let messages: Vec<Value> = heard
        .into_iter()
        .filter(|v| v["event"] == "message")
        .collect();
    assert_eq!(field(&messages, "text"), ["first", "second"]);
    assert_eq!(messages[0]["id"], pending["id"]);
}
