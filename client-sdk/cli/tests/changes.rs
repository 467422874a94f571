//! What people do with messages, with the built programs: both sides and a second device print the
//! same of it.

mod support;

use serde_json::{Value, json};
use support::server::Server;
use support::{Person, complaint, field, json_lines, succeeded};

/// The id that `send` has printed.
fn said(person: &Person, arguments: &[&str]) -> String {
    let sent = person.run(&[arguments, &["--json"]].concat());
    let states = json_lines(&succeeded(&sent));
    field(&states, "id")[0].to_owned()
}

/// The message with this id in the conversation with `peer`.
fn message(person: &Person, peer: &str, id: &str) -> Option<Value> {
    person.catch_up();
    let mut history = person.history(peer).into_iter();
    history.find(|message| message["id"] == id)
}

#[test]
fn replies_reactions_edits_and_deletions_reach_everybody() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let alice = Person::register(dir.path(), &server, "alice");
    let bob = Person::register(dir.path(), &server, "bob");
    let tablet = alice.link(dir.path(), "tablet");
    let question = said(&alice, &["send", "bob", "Are you their?"]);
    let regretted = said(&alice, &["send", "bob", "I quit"]);
    bob.catch_up();
    // A short id is enough.
    let short = &question[question.len() - 6..];
    said(&bob, &["react", "alice", short, "👍"]);
    let answer = said(&bob, &["send", "alice", "Yes", "--reply-to", short]);
    alice.catch_up();
    said(&alice, &["edit", "bob", &question, "Are you there?"]);
    said(&alice, &["delete", "bob", &regretted]);

    for (person, peer) in [(&alice, "bob"), (&bob, "alice"), (&tablet, "bob")] {
        let edited = message(person, peer, &question).unwrap();
        assert_eq!(edited["text"], "Are you there?");
        assert_eq!(edited["edited"], true);
        assert_eq!(edited["reactions"], json!([{"by": "bob", "emoji": "👍"}]));
        let deleted = message(person, peer, &regretted).unwrap();
        assert_eq!(deleted["deleted"], true);
        assert_eq!(deleted["text"], "[deleted]");
        let reply = message(person, peer, &answer).unwrap();
        assert_eq!(reply["reply_to"]["id"], question.as_str());
        assert_eq!(reply["reply_to"]["by"], "alice");
        assert_eq!(reply["reply_to"]["text"], "Are you their?", "as bob saw it");
        assert_eq!(person.history(peer).len(), 3);
    }
    let shown = succeeded(&bob.run(&["history", "alice", "--ids"]));
    let line = shown.lines().next().unwrap();
    assert!(line.starts_with(short), "{line}");
    assert!(line.ends_with("(edited)  (👍 bob)"), "{line}");

    let not_his = complaint(&bob.run(&["edit", "alice", &question, "mine"]));
    assert!(not_his.contains("only an own message"), "{not_his}");
    let unknown = complaint(&bob.run(&["delete", "alice", "beef"]));
    assert!(
        unknown.contains("no message of this conversation"),
        "{unknown}"
    );
}

#[test]
fn changes_are_lines_of_their_own_for_who_listens() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let alice = Person::register(dir.path(), &server, "alice");
    let bob = Person::register(dir.path(), &server, "bob");
    let id = said(&alice, &["send", "bob", "helo"]);
    bob.catch_up();
    said(&alice, &["edit", "bob", &id, "hello"]);
    said(&alice, &["delete", "bob", &id]);
    let heard = bob.catch_up();
    let changed: Vec<_> = heard.iter().filter(|it| it["event"] == "changed").collect();
    // What is deleted by the time that it is told has no earlier text any more.
    let [deleted] = changed[..] else {
        panic!("{heard:?}")
    };
    let line = json!({"event": "changed", "id": id, "peer": "alice", "change": "deleted"});
    assert_eq!(*deleted, line);

    let id = said(&alice, &["send", "bob", "helo"]);
    bob.catch_up();
    said(&alice, &["edit", "bob", &id, "hello"]);
    let heard = bob.hear_until("hello");
    let line = json!({
        "event": "changed", "id": id, "peer": "alice", "change": "edited", "text": "hello"
    });
    assert!(heard.contains(&line), "{heard:?}");
}

#[test]
fn with_a_timer_messages_disappear_from_both_homes() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let alice = Person::register(dir.path(), &server, "alice");
    let bob = Person::register(dir.path(), &server, "bob");
    let timer = said(&alice, &["timer", "bob", "2s"]);
    let secret = said(&alice, &["send", "bob", "a secret"]);
    let heard = bob.hear_until("a secret");
    assert_eq!(heard.iter().filter(|it| it["timer_s"] == 2).count(), 1);
    std::thread::sleep(std::time::Duration::from_secs(3));
    for (person, peer) in [(&alice, "bob"), (&bob, "alice")] {
        assert!(message(person, peer, &secret).is_none(), "with {peer}");
        assert!(message(person, peer, &timer).is_some(), "with {peer}");
    }
}

#[test]
fn a_chat_takes_orders_and_tells_which_it_cannot_follow() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let alice = Person::register(dir.path(), &server, "alice");
    let bob = Person::register(dir.path(), &server, "bob");
    let id = said(&alice, &["send", "bob", "helo"]);
    bob.catch_up();
    let mut chat = alice.start(&["chat", "bob"]);
    chat.type_line(&format!("/edit {} hello", &id[id.len() - 6..]));
    chat.type_line("/etc is a directory");
    chat.type_line("/delete nothing");
    chat.type_line("/quit");
    let ended = chat.end();
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{errors}");
    assert!(errors.contains("no message id"), "{errors}");
    assert_eq!(message(&bob, "alice", &id).unwrap()["text"], "hello");
    let texts: Vec<_> = bob.history("alice");
    assert_eq!(field(&texts, "text"), ["hello", "/etc is a directory"]);
}
