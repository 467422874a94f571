//! Reactions, edits and deletions: what one device does to a message, every device of both sides
//! shows in the end, in whatever order it hears of it.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a test binary has no public interface"
)]

#[path = "support/lab.rs"]
mod lab;
#[path = "support/model/mod.rs"]
mod model;
#[path = "support/posts.rs"]
mod posts;

use lab::Lab;
use martlet_client::content::{Content, Saying};
use martlet_client::engine::Post;
use martlet_client::{Body, Change, Direction, MessageState, Reaction, SendError};
use martlet_protocol::{Address, DeviceId};
use posts::{changes, edit, name, post, react, seen, smuggle, text};

const HOUR_MS: u64 = 60 * 60 * 1_000;

/// [M-23.27]
#[test]
fn each_side_has_one_reaction_and_the_newest_counts() {
    let mut lab = Lab::acquainted();
    let tablet = lab.link(0, false);
    let id = lab.say(0, "bob", "a joke");
    let all = [0, 1, tablet];
    post(&mut lab, 1, "alice", react(id, "😀"));
    post(&mut lab, tablet, "bob", react(id, "🙈"));
    let reactions = seen(&mut lab, id, &all).reactions;
    let own = |by, emoji: &str| Reaction {
        by,
        author: match by {
            Direction::Incoming => "bob",
            Direction::Outgoing => "alice",
        }
        .to_owned(),
        emoji: emoji.to_owned(),
    };
    let both = [
        own(Direction::Incoming, "😀"),
        own(Direction::Outgoing, "🙈"),
    ];
    assert_eq!(reactions, both);
    let changes = changes(&mut lab, 0);
    assert_eq!(
        changes.last(),
        Some(&(id, Change::Reactions(both.to_vec())))
    );

    post(&mut lab, 1, "alice", react(id, "👍🏽"));
    post(&mut lab, 0, "bob", react(id, ""));
    let reactions = seen(&mut lab, id, &all).reactions;
    assert_eq!(reactions, [own(Direction::Incoming, "👍🏽")]);
    // None of them is a message of the conversation.
    assert_eq!(lab.peers[tablet].texts("bob"), ["a joke"]);
}

/// [M-23.28]
#[test]
fn an_edit_replaces_the_text_everywhere_and_the_newest_one_wins() {
    let mut lab = Lab::acquainted();
    let tablet = lab.link(0, false);
    let id = lab.say(0, "bob", "helo");
    post(&mut lab, tablet, "bob", edit(id, "hello"));
    let message = seen(&mut lab, id, &[0, 1, tablet]);
    assert_eq!((message.text(), message.edited), ("hello", true));
    for who in [0, 1] {
        assert_eq!(changes(&mut lab, who), [(id, text("hello"))], "{who}");
    }
    assert_eq!(changes(&mut lab, tablet), [], "its own doing");

    // Two devices edit without knowing of each other; the server has the tablet's first.
    for who in [0, tablet] {
        lab.leave(who);
    }
    lab.post(0, "bob", edit(id, "from the phone")).unwrap();
    lab.post(tablet, "bob", edit(id, "from the tablet"))
        .unwrap();
    let shown = lab.engine(0).message(id).unwrap().unwrap();
    assert_eq!(shown.text(), "from the phone", "at once");
    assert_eq!(seen(&mut lab, id, &[1]).text(), "hello");
    lab.come_back(tablet);
    lab.come_back(0);
    let message = seen(&mut lab, id, &[0, 1, tablet]);
    assert_eq!(message.text(), "from the phone");
}

#[test]
fn an_edit_that_another_one_has_overtaken_gives_way_at_its_own_author() {
    let mut lab = Lab::acquainted();
    let tablet = lab.link(0, false);
    let id = lab.say(0, "bob", "helo");
    // The server takes the edit of the phone, and its answer is lost.
    lab.post(0, "bob", edit(id, "from the phone")).unwrap();
    lab.travel(0, 1_000_000);
    lab.cut(0);
    lab.peers[0].is_away = true;
    lab.cut(0);
    post(&mut lab, tablet, "bob", edit(id, "from the tablet"));
    lab.come_back(0);
    let message = seen(&mut lab, id, &[0, 1, tablet]);
    assert_eq!(message.text(), "from the tablet");
    assert_eq!(lab.peers[0].texts("bob").last().unwrap(), "from the tablet");
}

#[test]
fn an_edit_of_a_message_that_is_not_sent_yet_follows_it() {
    let mut lab = Lab::acquainted();
    lab.leave(0);
    let id = lab.send(0, "bob", "helo");
    lab.post(0, "bob", edit(id, "hello")).unwrap();
    assert_eq!(lab.peers[0].texts("bob").last().unwrap(), "hello");
    lab.crash(0);
    lab.come_back(0);
    let message = seen(&mut lab, id, &[0, 1]);
    assert_eq!((message.text(), message.edited), ("hello", true));
}

#[test]
fn an_edit_that_comes_too_late_is_undone_where_it_was_made() {
    let mut lab = Lab::acquainted();
    let id = lab.say(0, "bob", "the price is 5");
    lab.leave(0);
    lab.wait(23 * HOUR_MS);
    lab.post(0, "bob", edit(id, "the price is 6")).unwrap();
    lab.wait(2 * HOUR_MS);
    lab.come_back(0);
    let message = seen(&mut lab, id, &[0, 1]);
    assert_eq!((message.text(), message.edited), ("the price is 5", false));
    assert_eq!(changes(&mut lab, 0), [(id, text("the price is 5"))]);
    assert_eq!(changes(&mut lab, 1), []);
    let late = lab.post(0, "bob", edit(id, "7")).unwrap_err();
    assert!(matches!(late, SendError::TooLate), "{late}");
}

#[test]
fn a_deletion_that_comes_too_late_is_undone_where_it_was_made() {
    let mut lab = Lab::acquainted();
    let id = lab.say(0, "bob", "the price is 5");
    post(&mut lab, 1, "alice", react(id, "👍"));
    lab.peers[0].take();
    lab.leave(0);
    lab.wait(47 * HOUR_MS);
    lab.post(0, "bob", edit(id, "the price is 6")).unwrap_err();
    lab.post(0, "bob", Post::Delete { of: id }).unwrap();
    assert_eq!(lab.peers[0].texts("bob").last().unwrap(), "[deleted]");
    lab.wait(2 * HOUR_MS);
    lab.come_back(0);
    assert_eq!(seen(&mut lab, id, &[0, 1]).text(), "the price is 5");
    let [(of, Change::Restored(message))] = &changes(&mut lab, 0)[..] else {
        panic!("it is there again");
    };
    assert_eq!((*of, message.text()), (id, "the price is 5"));
    assert_eq!(message.reactions.len(), 1);
    assert_eq!(changes(&mut lab, 1), []);
}

/// [M-23.29]
#[test]
fn a_deleted_message_is_gone_everywhere_and_says_so() {
    let mut lab = Lab::acquainted();
    let tablet = lab.link(0, false);
    let id = lab.say(0, "bob", "I quit");
    post(&mut lab, 1, "alice", react(id, "😮"));
    post(&mut lab, 0, "bob", edit(id, "I really quit"));
    lab.wait(30 * HOUR_MS);
    for who in [0, 1, tablet] {
        lab.peers[who].take();
    }
    let deletion = post(&mut lab, tablet, "bob", Post::Delete { of: id });
    let message = seen(&mut lab, id, &[0, 1, tablet]);
    assert_eq!((&message.body, message.edited), (&Body::Deleted, false));
    assert_eq!(message.reactions, []);
    assert_eq!(changes(&mut lab, 1), [(id, Change::Deleted)]);
    assert_eq!(lab.peers[1].texts("alice").last().unwrap(), "[deleted]");
    let state = lab.engine(tablet).message(deletion).unwrap().unwrap().state;
    assert_eq!(state, MessageState::Delivered);

    // Nothing changes it any more.
    for what in [react(id, "👍"), Post::Delete { of: id }] {
        let error = lab.post(0, "bob", what).unwrap_err();
        assert!(matches!(error, SendError::NotChangeable), "{error}");
    }
    let author = Address {
        device: DeviceId(1),
        ..lab.peers[0].address()
    };
    let again = Saying::Edit {
        of: name(id, author),
        text: "I am back".to_owned(),
    };
    smuggle(&mut lab, 0, "bob", &again.encode());
    assert_eq!(seen(&mut lab, id, &[0, 1, tablet]).body, Body::Deleted);
}

#[test]
fn a_message_can_be_deleted_for_two_days_and_not_longer() {
    let mut lab = Lab::acquainted();
    let id = lab.say(0, "bob", "I quit");
    lab.wait(49 * HOUR_MS);
    let error = lab.post(0, "bob", Post::Delete { of: id }).unwrap_err();
    assert!(matches!(error, SendError::TooLate), "{error}");
    let of = name(id, lab.peers[0].address());
    smuggle(&mut lab, 0, "bob", &Saying::Delete { of }.encode());
    assert_eq!(seen(&mut lab, id, &[0, 1]).text(), "I quit");
}

/// [M-23.25]
#[test]
fn nobody_changes_what_somebody_else_has_said() {
    let mut lab = Lab::acquainted();
    let id = lab.say(0, "bob", "I owe you 5");
    for what in [edit(id, "I owe you 500"), Post::Delete { of: id }] {
        let error = lab.post(1, "alice", what).unwrap_err();
        assert!(matches!(error, SendError::NotOwn), "{error}");
    }
    let of = name(id, lab.peers[0].address());
    let text = "I owe you 500".to_owned();
    for saying in [Saying::Edit { of, text }, Saying::Delete { of }] {
        lab.wait(10);
        smuggle(&mut lab, 1, "alice", &saying.encode());
        let message = seen(&mut lab, id, &[0, 1]);
        assert_eq!((message.text(), message.edited), ("I owe you 5", false));
    }
    // What names nobody of the conversation, changes a change, or cannot be read does nothing.
    let mut stranger = lab.peers[0].address();
    stranger.user.0 += 7;
    let emoji = "👍".to_owned();
    let to = name(id, stranger);
    lab.wait(10);
    smuggle(
        &mut lab,
        1,
        "alice",
        &Saying::Reaction { to, emoji }.encode(),
    );
    lab.wait(10);
    let broken = Content {
        kind: 3,
        data: vec![1],
    };
    let broken = smuggle(&mut lab, 1, "alice", &broken);
    let to = name(broken, lab.peers[1].address());
    let emoji = "👍".to_owned();
    lab.wait(10);
    smuggle(
        &mut lab,
        1,
        "alice",
        &Saying::Reaction { to, emoji }.encode(),
    );
    assert_eq!(seen(&mut lab, id, &[0, 1]).reactions, []);
    assert_eq!(lab.peers[0].texts("bob").last().unwrap(), "I owe you 5");
    assert_eq!(changes(&mut lab, 0), []);
}

/// [M-23.26]
#[test]
fn a_modification_that_comes_first_waits_for_its_message() {
    for is_crash in [false, true] {
        let mut lab = Lab::acquainted();
        let tablet = lab.link(0, false);
        lab.say(tablet, "bob", "hello from the tablet");
        lab.leave(1);
        let edited = lab.say(0, "bob", "helo");
        let deleted = lab.say(0, "bob", "I quit");
        post(&mut lab, tablet, "bob", edit(edited, "hello"));
        post(&mut lab, tablet, "bob", react(edited, "👍"));
        post(&mut lab, tablet, "bob", Post::Delete { of: deleted });
        // What the tablet wrote overtakes what the phone wrote.
        let bob = lab.peers[1].address();
        let inbox = lab.model.inbox(bob);
        let first = usize::try_from(inbox.cursor).unwrap();
        inbox.stream[first..].rotate_left(2);
        if is_crash {
            lab.peers[1].is_away = false;
            lab.dial(1);
            while lab.model.inbox(bob).cursor < first as u64 + 3 {
                lab.travel(1, 64);
            }
            assert!(lab.engine(1).message(deleted).unwrap().is_none());
            lab.crash(1);
        }
        lab.come_back(1);
        let message = seen(&mut lab, edited, &[0, 1, tablet]);
        assert_eq!((message.text(), message.edited), ("hello", true));
        assert_eq!(message.reactions.len(), 1);
        assert_eq!(seen(&mut lab, deleted, &[0, 1, tablet]).body, Body::Deleted);
        assert_eq!(lab.peers[1].notices().len(), 1, "Alice's new device");
    }
}

#[test]
fn of_what_is_being_deleted_no_edits_are_told() {
    let mut lab = Lab::acquainted();
    let tablet = lab.link(0, false);
    let id = lab.say(0, "bob", "I quit");
    lab.leave(0);
    post(&mut lab, tablet, "bob", edit(id, "I really quit"));
    lab.post(0, "bob", Post::Delete { of: id }).unwrap();
    lab.peers[0].take();
    // The edit comes while the deletion is still on its way.
    lab.peers[0].is_away = false;
    lab.wait(60_000);
    lab.dial(0);
    let mut told = Vec::new();
    while lab.travel(0, 40) {
        told.extend(changes(&mut lab, 0));
    }
    lab.settle();
    told.extend(changes(&mut lab, 0));
    assert_eq!(told, []);
    assert_eq!(seen(&mut lab, id, &[0, 1, tablet]).body, Body::Deleted);
}

#[test]
fn a_deletion_that_the_server_refuses_is_undone() {
    let mut lab = Lab::of(&["alice"]);
    let id = lab.send(0, "bob", "helo");
    lab.post(0, "bob", Post::Delete { of: id }).unwrap();
    lab.settle();
    // There is no Bob.
    let message = lab.engine(0).message(id).unwrap().unwrap();
    assert_eq!(
        (message.text(), message.state),
        ("helo", MessageState::Failed)
    );
    let restored = Change::Restored(Box::new(message));
    assert_eq!(changes(&mut lab, 0), [(id, restored)]);
}

#[test]
fn an_edit_that_the_server_refuses_is_undone() {
    let mut lab = Lab::of(&["alice"]);
    let id = lab.send(0, "bob", "helo");
    lab.post(0, "bob", edit(id, "hello")).unwrap();
    assert_eq!(lab.peers[0].texts("bob"), ["hello"]);
    lab.settle();
    // There is no Bob.
    let message = lab.engine(0).message(id).unwrap().unwrap();
    assert_eq!(message.state, MessageState::Failed);
    assert_eq!((message.text(), message.edited), ("helo", false));
    let error = lab.post(0, "bob", edit(id, "hello")).unwrap_err();
    assert!(matches!(error, SendError::NotChangeable), "{error}");
}
