//! Groups with the built programs: making one, talking in it, changing it, and what each member
//! sees of that.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first surprise, in its helpers as well"
)]

mod support;

use std::path::Path;

use serde_json::Value;
use support::server::Server;
use support::{Person, complaint, field, json as parsed, json_lines, succeeded};

/// The group that this command has changed, as it prints it.
fn changed(person: &Person, arguments: &[&str]) -> Value {
    parsed(&succeeded(
        &person.run(&[&["group"], arguments, &["--json"]].concat()),
    ))
}

fn info(person: &Person, group: &str) -> Value {
    parsed(&succeeded(&person.run(&["group", "info", group, "--json"])))
}

/// Names and roles of a group's members.
fn members(group: &Value) -> Vec<(&str, &str)> {
    let members = group["members"].as_array().unwrap().iter();
    let mut named: Vec<_> = members
        .map(|it| (it["name"].as_str().unwrap(), it["role"].as_str().unwrap()))
        .collect();
    named.sort_unstable();
    named
}

fn three(dir: &Path, server: &Server) -> [Person; 3] {
    ["alice", "bob", "carol"].map(|name| Person::register(dir, server, name))
}

/// What this person was told of the group's messages, in order.
fn texts(heard: &[Value]) -> Vec<&str> {
    let messages = heard.iter().filter(|it| it["event"] == "message");
    messages.map(|it| it["text"].as_str().unwrap()).collect()
}

#[test]
fn a_group_is_made_talked_in_changed_and_left() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let [alice, bob, carol] = three(dir.path(), &server);
    let made = changed(&alice, &["create", "climbing", "bob"]);
    assert_eq!(made["name"], "climbing");
    assert_eq!(members(&made), [("alice", "owner"), ("bob", "member")]);
    let sent = alice.run(&["group", "send", "climbing", "Saturday?", "--json"]);
    let id = field(&json_lines(&succeeded(&sent)), "id")[0].to_owned();

    let heard = bob.catch_up();
    assert_eq!(texts(&heard), ["Saturday?"]);
    let message = heard.iter().find(|it| it["event"] == "message").unwrap();
    assert_eq!(message["from"], "alice");
    assert_eq!(message["group"], made["group"]);
    let joined = heard.iter().find(|it| it["event"] == "group").unwrap();
    assert_eq!(joined["by"], "alice");

    // Read by everyone, and by whom.
    alice.catch_up();
    let status = succeeded(&alice.run(&["status", &id]));
    assert!(status.starts_with("read since"), "{status}");
    assert!(
        status.contains("of 1 members 1 have it, 1 have read it"),
        "{status}"
    );
    assert!(status.ends_with("     read  bob\n"), "{status}");

    // Whoever is added sees what is written from then on.
    let grown = changed(&alice, &["add", "climbing", "carol"]);
    assert_eq!(
        members(&grown),
        [("alice", "owner"), ("bob", "member"), ("carol", "member")]
    );
    bob.catch_up();
    succeeded(&bob.run(&["send", "#climbing", "Yes", "--reply-to", &id]));
    assert_eq!(texts(&carol.catch_up()), ["Yes"]);
    let shown = succeeded(&carol.run(&["history", "#climbing"]));
    assert!(shown.contains(" bob in #climbing: > Saturday?"), "{shown}");

    // Only admins change a group, unless it is said that members may.
    let refused = complaint(&carol.run(&["group", "rename", "climbing", "bouldering"]));
    assert!(
        refused.contains("role in the group does not allow it"),
        "{refused}"
    );
    changed(&alice, &["rights", "climbing", "--change", "members"]);
    carol.catch_up();
    let renamed = changed(&carol, &["rename", "climbing", "bouldering"]);
    assert_eq!(renamed["name"], "bouldering");
    assert_eq!(texts(&alice.catch_up()), ["Yes"]);
    changed(&alice, &["role", "bouldering", "bob", "admin"]);
    bob.catch_up();

    // Whoever was removed gets nothing more, and the group goes on without its owner.
    changed(&bob, &["remove", "bouldering", "carol"]);
    succeeded(&bob.run(&["group", "send", "bouldering", "without carol"]));
    assert_eq!(texts(&carol.catch_up()), Vec::<&str>::new());
    assert_eq!(info(&carol, "bouldering")["role"], "none");
    let gone = complaint(&carol.run(&["group", "send", "bouldering", "hello?"]));
    assert!(gone.contains("not in the group any more"), "{gone}");
    assert_eq!(texts(&alice.catch_up()), ["without carol"]);
    changed(&alice, &["leave", "bouldering"]);
    bob.catch_up();
    assert_eq!(members(&info(&bob, "bouldering")), [("bob", "owner")]);

    let history = succeeded(&bob.run(&["group", "info", "bouldering", "--history"]));
    for step in [
        "alice added carol",
        "alice made you admin",
        "you removed carol",
        "alice left",
    ] {
        assert!(history.contains(step), "{step}: {history}");
    }
}

#[test]
fn wrong_names_and_members_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let [alice, bob, _carol] = three(dir.path(), &server);
    changed(&alice, &["create", "one name", "bob"]);
    let twin = changed(&alice, &["create", "one name"]);
    let id = twin["group"].as_str().unwrap();
    let long = "x".repeat(101);
    for (arguments, reason) in [
        (vec!["create", "x", "nobody"], "nobody is called nobody"),
        (vec!["create", ""], "the name is empty"),
        (vec!["create", &long], "longer than 100 bytes"),
        (vec!["send", "none", "hi"], "no group is called none"),
        (vec!["send", "one name", "hi"], "more than one group"),
        (vec!["remove", id, "bob"], "bob is not in the group"),
        (
            vec!["role", id, "carol", "admin"],
            "carol is not in the group",
        ),
        (vec!["add", id, "alice"], "alice is in the group already"),
    ] {
        let told = complaint(&alice.run(&[&["group"], &arguments[..]].concat()));
        assert!(told.contains(reason), "{arguments:?}: {told}");
    }
    for arguments in [
        vec!["send", "#none", "hi"],
        vec!["history", "#none"],
        vec!["chat", "#none"],
    ] {
        let told = complaint(&alice.run(&arguments));
        assert!(told.contains("no group is called none"), "{told}");
    }
    assert_eq!(info(&alice, id), twin, "by its id, with its sign");
    assert_eq!(info(&alice, &id[1..]), twin, "and without");
    let listed = json_lines(&succeeded(&alice.run(&["group", "list", "--json"])));
    assert_eq!(listed.len(), 2);
    bob.catch_up();
    let listed = succeeded(&bob.run(&["group", "list"]));
    assert!(listed.ends_with("  one name  (2 members)\n"), "{listed}");
}

#[test]
fn a_change_without_the_server_waits_in_the_home() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::dev(dir.path());
    let [alice, bob, _carol] = three(dir.path(), &server);
    // The accounts are known from a conversation.
    succeeded(&alice.run(&["send", "bob", "hi"]));
    server.kill();
    let line = ["group", "create", "later", "bob", "--timeout", "1s"];
    let told = complaint(&alice.run(&line));
    assert!(
        told.contains("is made with the next command that connects"),
        "{told}"
    );
    let told = complaint(&alice.run(&["group", "leave", "later", "--timeout", "1s"]));
    assert!(told.contains("has no answer yet"), "{told}");
    let listed = succeeded(&alice.run(&["group", "list"]));
    assert!(listed.contains("(not made yet)"), "{listed}");
    server.restart();
    alice.catch_up();
    assert_eq!(info(&alice, "later")["version"], 1);
    bob.catch_up();
    assert_eq!(
        members(&info(&bob, "later")),
        [("alice", "owner"), ("bob", "member")]
    );
}

#[test]
fn a_chat_shows_who_says_what_in_a_group() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let [alice, bob, carol] = three(dir.path(), &server);
    changed(&alice, &["create", "climbing", "bob", "carol"]);
    bob.catch_up();
    carol.catch_up();
    succeeded(&bob.run(&["group", "send", "climbing", "hello from bob"]));
    succeeded(&carol.run(&["group", "send", "climbing", "hello from carol"]));
    let mut chat = alice.start(&["chat", "#climbing"]);
    let shown = chat.lines_until(|line| line.ends_with("hello from carol"));
    let from_bob = shown
        .iter()
        .any(|line| line.ends_with("bob in #climbing: hello from bob"));
    assert!(from_bob, "{shown:?}");
    chat.type_line("hello from alice");
    chat.lines_until(|line| line == "[sent] hello from alice");
    chat.type_line("/quit");
    succeeded(&chat.end());
    assert_eq!(texts(&bob.catch_up()).last(), Some(&"hello from alice"));
}
