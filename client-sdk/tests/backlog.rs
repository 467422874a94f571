//! The end of a backlog: what an application that hears of it has been shown by then.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a test binary has no public interface"
)]

#[path = "support/lab.rs"]
mod lab;
#[path = "support/model/mod.rs"]
mod model;

use lab::Lab;
use martlet_client::{Event, SecurityKind};

/// The events of a peer that are about messages, as lines.
fn lines(lab: &mut Lab, who: usize) -> Vec<String> {
    let events = lab.peers[who].take().into_iter();
    let line = |event| match event {
        Event::Message(message) => Some(format!("{}: {}", message.peer, message.text())),
        Event::Security(notice) => Some(format!("{} {}", notice.kind, notice.peer)),
        Event::CaughtUp { .. } => Some("caught up".to_owned()),
        _ => None,
    };
    events.filter_map(line).collect()
}

/// Two strangers have written to Bob while he was away.
fn strangers() -> Lab {
    let mut lab = Lab::of(&["alice", "carol", "bob"]);
    lab.leave(2);
    lab.say(0, "bob", "from alice");
    lab.say(1, "bob", "from carol");
    lab.peers[2].take();
    lab
}

/// As [`strangers`], and the server shows no list of one of them.
fn with_alice_hidden() -> Lab {
    let mut lab = strangers();
    let alice = lab.model.user("alice");
    lab.model.false_lists.insert(alice, Vec::new());
    lab.come_back(2);
    lab.settle();
    assert_eq!(lines(&mut lab, 2), ["carol: from carol"]);
    lab
}

#[test]
fn a_backlog_of_strangers_is_over_when_their_messages_have_been_shown() {
    let mut lab = strangers();
    lab.come_back(2);
    assert_eq!(
        lines(&mut lab, 2),
        ["alice: from alice", "carol: from carol", "caught up"]
    );
}

#[test]
fn what_comes_behind_a_backlog_does_not_hold_its_end() {
    let mut lab = Lab::of(&["alice", "bob"]);
    let alice = lab.model.user("alice");
    lab.model.false_lists.insert(alice, Vec::new());
    lab.cut(1);
    lab.settle();
    assert_eq!(lines(&mut lab, 1).last().unwrap(), "caught up");
    lab.say(0, "bob", "hello");
    assert!(lines(&mut lab, 1).is_empty(), "it waits for the list");
    lab.model.false_lists.clear();
    lab.wait(10_000);
    lab.settle();
    assert_eq!(lines(&mut lab, 1), ["alice: hello"]);
}

#[test]
fn a_list_that_cannot_be_had_holds_the_end_of_a_backlog_for_ten_seconds() {
    let mut lab = with_alice_hidden();
    let now = lab.now;
    let due = lab.engine(2).poll_timeout(now).unwrap();
    assert!(due.since(now) <= 10_000, "somebody wakes it");
    lab.wait(4_000);
    lab.settle();
    let told = format!("{} alice", SecurityKind::Undecryptable);
    assert_eq!(lines(&mut lab, 2), [told.as_str(), "caught up"]);

    // It stays, is told of once, and is shown as soon as that is possible.
    lab.crash(2);
    lab.settle();
    lab.wait(10_000);
    lab.settle();
    assert_eq!(lines(&mut lab, 2), ["caught up"]);
    lab.model.false_lists.clear();
    for _ in 0..10 {
        lab.wait(60_000);
        lab.settle();
    }
    assert_eq!(lines(&mut lab, 2), ["alice: from alice"]);
}

#[test]
fn a_server_that_is_heard_and_answers_no_question_hides_nobody_for_ever() {
    let mut lab = with_alice_hidden();
    lab.model.is_deaf = true;
    let mut told = Vec::new();
    for _ in 0..12 {
        lab.wait(3_000);
        lab.send(1, "bob", "still here");
        lab.exchange();
        told.extend(lines(&mut lab, 2));
    }
    let warning = format!("{} alice", SecurityKind::Undecryptable);
    told.retain(|line| line != "carol: still here");
    assert_eq!(told, [warning.as_str(), "caught up"]);
}
