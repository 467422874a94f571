//! A server that lies about messages, and what the client tells of it. Each lie is told by its
//! name, and none of them makes the client show what nobody has written.
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
use martlet_client::SecurityKind;
use martlet_protocol::frame::EventKind;
use martlet_protocol::{Address, DeviceId};
use model::Item;

/// Alice writes while Bob is away; then `lie` changes what waits for him, and he comes back.
fn with_changed_stream(texts: &[&str], lie: impl FnOnce(&mut Vec<Item>, usize)) -> Lab {
    let mut lab = Lab::acquainted();
    lab.leave(1);
    for text in texts {
        lab.say(0, "bob", text);
    }
    let bob = lab.peers[1].address();
    let inbox = lab.model.inbox(bob);
    let first = usize::try_from(inbox.cursor).unwrap();
    // What the server tells of Bob's own messages is not what the lies are about.
    let is_event = |item: &Item| matches!(item, Item::Event { .. });
    let waiting: Vec<_> = inbox.stream.drain(first..).filter(is_event).collect();
    inbox.stream.extend(waiting);
    lie(&mut inbox.stream, first);
    lab.come_back(1);
    lab
}

fn told(kind: SecurityKind) -> Vec<(String, SecurityKind)> {
    vec![("alice".to_owned(), kind)]
}

#[test]
fn a_message_that_comes_twice_is_shown_once() {
    let mut lab = with_changed_stream(&["one", "two"], |stream, first| {
        let again = stream[first].clone();
        stream.push(again);
    });
    assert_eq!(lab.peers[1].texts("alice")[2..], ["one", "two"]);
    assert_eq!(lab.peers[1].notices(), told(SecurityKind::Replayed));
}

#[test]
fn a_message_that_comes_twice_before_it_can_be_opened_is_shown_once() {
    let mut lab = Lab::of(&["alice", "bob"]);
    lab.leave(1);
    lab.say(0, "bob", "one");
    let bob = lab.peers[1].address();
    let stream = &mut lab.model.inbox(bob).stream;
    let again = stream.last().unwrap().clone();
    stream.push(again);
    lab.come_back(1);
    assert_eq!(lab.peers[1].texts("alice"), ["one"]);
    let kinds = lab.peers[1].notices().into_iter().map(|(_, kind)| kind);
    assert_eq!(kinds.collect::<Vec<_>>(), [SecurityKind::Replayed]);
}

#[test]
fn a_message_that_comes_again_under_another_name_is_not_shown() {
    let mut lab = with_changed_stream(&["one", "two"], |stream, first| {
        let mut again = stream[first].clone();
        if let Item::Event { id, .. } = &mut again {
            id.0[15] ^= 1;
        }
        stream.push(again);
    });
    assert_eq!(lab.peers[1].texts("alice")[2..], ["one", "two"]);
    assert_eq!(lab.peers[1].notices(), told(SecurityKind::Undecryptable));
}

#[test]
fn a_message_behind_a_later_one_is_shown_and_told() {
    let mut lab = with_changed_stream(&["one", "two"], |stream, first| {
        stream.swap(first, first + 1);
    });
    let mut texts = lab.peers[1].texts("alice").split_off(2);
    texts.sort();
    assert_eq!(texts, ["one", "two"]);
    let kinds = [SecurityKind::Missing, SecurityKind::Reordered];
    assert_eq!(
        lab.peers[1].notices(),
        kinds.map(|kind| ("alice".to_owned(), kind))
    );
}

#[test]
fn a_message_that_is_withheld_is_missed_with_the_next_one() {
    let mut lab = with_changed_stream(&["one", "two", "three"], |stream, first| {
        stream.remove(first + 1);
    });
    assert_eq!(lab.peers[1].texts("alice")[2..], ["one", "three"]);
    assert_eq!(lab.peers[1].notices(), told(SecurityKind::Missing));
}

#[test]
fn what_a_gap_has_told_of_is_not_told_again_as_missing() {
    let mut lab = with_changed_stream(&["one", "two", "three"], |stream, first| {
        stream[first + 1] = Item::Gap;
    });
    assert_eq!(lab.peers[1].texts("alice")[2..], ["one", "three"]);
    assert_eq!(lab.peers[1].notices(), []);
}

#[test]
fn a_message_under_another_name_is_not_shown() {
    let mut lab = with_changed_stream(&["one", "two"], |stream, first| {
        if let Item::Event { id, .. } = &mut stream[first] {
            id.0[15] ^= 1;
        }
    });
    assert_eq!(lab.peers[1].texts("alice")[2..], ["two"]);
    assert_eq!(lab.peers[1].notices(), told(SecurityKind::ContextMismatch));
}

#[test]
fn a_message_as_a_copy_of_an_own_one_is_not_shown() {
    let mut lab = Lab::acquainted();
    let tablet = lab.link(1, false);
    lab.say(tablet, "alice", "from the tablet");
    lab.leave(1);
    lab.say(tablet, "alice", "a copy of this is for the phone");
    let phone = lab.peers[1].address();
    let inbox = lab.model.inbox(phone);
    let first = usize::try_from(inbox.cursor).unwrap();
    for item in &mut inbox.stream[first..] {
        // The server says that it went to another conversation.
        if let Item::Event { kind, peer, .. } = item
            && *kind == EventKind::OWN_COPY
        {
            peer.user = phone.user;
        }
    }
    lab.peers[1].take();
    lab.come_back(1);
    let kinds: Vec<_> = lab.peers[1]
        .notices()
        .into_iter()
        .map(|(_, kind)| kind)
        .collect();
    assert_eq!(kinds, [SecurityKind::ContextMismatch]);
}

#[test]
fn a_changed_message_is_told_and_its_author_sends_it_again() {
    for long in [false, true] {
        let text = if long {
            "x".repeat(5_000)
        } else {
            "one".to_owned()
        };
        let mut lab = with_changed_stream(&[&text, "two"], |stream, first| {
            let Item::Event { envelope, part, .. } = &mut stream[first] else {
                panic!("a message");
            };
            let changed = if long { envelope } else { part };
            *changed.last_mut().unwrap() ^= 1;
        });
        lab.settle();
        let texts = lab.peers[1].texts("alice");
        assert_eq!(texts[2..], [text.clone(), "two".to_owned()], "at its place");
        assert_eq!(lab.peers[1].notices(), told(SecurityKind::Undecryptable));
        assert_eq!(lab.peers[0].notices(), []);
        // The repair leaves nothing behind.
        lab.say(0, "bob", "three");
        lab.say(1, "alice", "four");
        assert_eq!(lab.peers[1].notices(), []);
        assert_eq!(lab.peers[0].notices(), []);
    }
}

#[test]
fn what_nobody_sends_again_is_asked_for_three_times() {
    let mut lab = with_changed_stream(&["one"], |stream, first| {
        if let Item::Event { id, part, .. } = &mut stream[first] {
            // Nobody knows a message with this name.
            id.0[15] ^= 1;
            part[5] ^= 1;
        }
    });
    let hour = 60 * 60 * 1_000;
    for _ in 0..4 {
        for _ in 0..25 {
            lab.wait(hour);
            lab.settle();
        }
    }
    let (alice, bob) = (lab.peers[0].address(), lab.peers[1].address());
    let from_bob = |item: &&Item| matches!(item, Item::Event { peer, .. } if peer.user == bob.user);
    let questions = lab
        .model
        .inbox(alice)
        .stream
        .iter()
        .filter(from_bob)
        .count();
    assert_eq!(questions, 1 + 3, "the greeting and the questions");
    assert_eq!(lab.peers[1].texts("alice").len(), 2);
}

#[test]
fn a_session_with_a_last_resort_key_is_told_on_both_sides() {
    let mut lab = Lab::of(&["alice", "bob"]);
    let bob = lab.peers[1].address();
    lab.model.inbox(bob).one_time.clear();
    lab.leave(1);
    lab.say(0, "bob", "one");
    let kind = SecurityKind::LastResortKey;
    assert_eq!(lab.peers[0].notices(), [("bob".to_owned(), kind)]);
    lab.come_back(1);
    assert_eq!(lab.peers[1].notices(), told(kind));
    assert_eq!(lab.peers[1].texts("alice"), ["one"]);
    // The device has uploaded new ones by itself.
    lab.wait(60_000);
    lab.settle();
    assert_eq!(lab.model.inbox(bob).one_time.len(), 50);
}

#[test]
fn a_device_without_keys_does_not_hold_up_the_others_and_reads_it_later() {
    let mut lab = Lab::acquainted();
    let user = lab.model.user("bob");
    let device = DeviceId(2);
    lab.model.keyless = Some(Address { user, device });
    let tablet = lab.link(1, false);
    lab.send(0, "bob", "for both");
    for _ in 0..5 {
        lab.settle();
    }
    assert_eq!(lab.peers[1].texts("alice").last().unwrap(), "for both");
    // It could not open what it got, and has asked for it in a session of its own.
    assert_eq!(lab.peers[tablet].texts("alice"), ["for both"]);
}

#[test]
fn a_stream_that_begins_anew_after_a_restored_backup_is_no_attack() {
    let mut lab = Lab::acquainted();
    lab.say(0, "bob", "one");
    let bob = lab.peers[1].address();
    lab.leave(1);
    lab.model.restore(bob);
    lab.wait(1_000);
    lab.come_back(1);
    lab.say(0, "bob", "two");
    assert_eq!(lab.peers[1].texts("alice")[2..], ["one", "two"]);
    assert_eq!(lab.peers[1].notices(), []);
}

#[test]
fn what_was_noticed_is_told_also_after_a_crash_and_once() {
    let mut lab = with_changed_stream(&["one", "two", "three"], |stream, first| {
        stream.remove(first + 1);
    });
    lab.crash(1);
    assert_eq!(lab.peers[1].notices(), told(SecurityKind::Missing));
    lab.crash(1);
    lab.settle();
    assert_eq!(lab.peers[1].notices(), []);
}
