//! What messages say: replies, contacts, places, what a newer version writes; and whoever hears of
//! a message later hears what it says now.
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
use martlet_client::{
    Body, ContactCard, Direction, Location, Message, MessageId, MessageState, SendError,
};
use posts::{changes, edit, name, post, react, seen, smuggle};

#[test]
fn a_reply_quotes_the_message_that_it_answers() {
    let mut lab = Lab::acquainted();
    let question = lab.say(0, "bob", &format!("Are you there? {}", "é".repeat(200)));
    let answer = Post::Reply {
        to: question,
        text: "Yes".to_owned(),
    };
    let id = post(&mut lab, 1, "alice", answer);
    for (who, by) in [(0, Direction::Outgoing), (1, Direction::Incoming)] {
        let message = lab.engine(who).message(id).unwrap().unwrap();
        assert_eq!(message.text(), "Yes");
        let quote = message.reply_to.unwrap();
        assert_eq!((quote.id, quote.by), (question, by));
        assert!(quote.text.starts_with("Are you there? é"));
        assert_eq!(quote.text.len(), 255);
    }
    // It can be edited, and stays a reply.
    post(&mut lab, 1, "alice", edit(id, "Yes, I am"));
    let message = seen(&mut lab, id, &[0, 1]);
    assert_eq!(message.text(), "Yes, I am");
    assert_eq!(message.reply_to.unwrap().id, question);
}

#[test]
fn a_quote_that_neither_side_can_have_written_is_left_out() {
    let mut lab = Lab::acquainted();
    let mut stranger = lab.peers[0].address();
    stranger.user.0 += 7;
    let reply = Saying::Reply {
        to: name(MessageId([1; 16]), stranger),
        quote: "I owe Bob a house".to_owned(),
        text: "See?".to_owned(),
    };
    let id = smuggle(&mut lab, 0, "bob", &reply.encode());
    let message = lab.engine(1).message(id).unwrap().unwrap();
    assert_eq!(message.text(), "See?");
    assert_eq!(message.reply_to, None);
}

/// [M-23.32]
#[test]
fn a_new_device_sees_the_conversation_as_it_is_now() {
    let mut lab = Lab::acquainted();
    let edited = lab.say(0, "bob", "helo");
    let deleted = lab.say(0, "bob", "I quit");
    let theirs = lab.say(1, "alice", "I like helo");
    for text in ["hallo", "hello"] {
        post(&mut lab, 0, "bob", edit(edited, text));
    }
    for emoji in ["👍", "🎉"] {
        post(&mut lab, 1, "alice", react(edited, emoji));
        post(&mut lab, 0, "bob", react(theirs, emoji));
    }
    post(&mut lab, 0, "bob", Post::Delete { of: deleted });
    let answer = Post::Reply {
        to: edited,
        text: "sure".to_owned(),
    };
    post(&mut lab, 1, "alice", answer);
    let tablet = lab.link(0, true);
    let (here, there) = (
        lab.peers[0].history("bob"),
        lab.peers[tablet].history("bob"),
    );
    let view = |message: &Message| {
        let Message { id, body, at, .. } = message.clone();
        let (reply_to, edited) = (message.reply_to.clone(), message.edited);
        (id, body, at, reply_to, edited, message.reactions.clone())
    };
    let views = |messages: &[Message]| messages.iter().map(view).collect::<Vec<_>>();
    assert_eq!(views(&here), views(&there));
    assert_eq!(there.len(), 6);
    // It goes on from there.
    post(&mut lab, tablet, "bob", edit(edited, "hello!"));
    post(&mut lab, 1, "alice", react(edited, ""));
    let message = seen(&mut lab, edited, &[0, 1, tablet]);
    assert_eq!((message.text(), message.reactions.len()), ("hello!", 0));
    // The history of a history is the same.
    let laptop = lab.link(0, true);
    let again = lab.peers[laptop].history("bob");
    assert_eq!(views(&again), views(&lab.peers[0].history("bob")));
    assert_eq!(changes(&mut lab, laptop), []);
}

#[test]
fn a_message_that_is_asked_for_again_comes_as_it_is_now() {
    let mut lab = Lab::of(&["alice", "bob"]);
    lab.say(0, "bob", "before");
    let bob = lab.peers[1].address();
    // Bob's tablet has no keys yet, and so gets nothing of these.
    lab.leave(1);
    let edited = lab.say(0, "bob", "helo");
    let deleted = lab.say(0, "bob", "I quit");
    let inbox = lab.model.inbox(bob);
    let first = usize::try_from(inbox.cursor).unwrap();
    for item in &mut inbox.stream[first..] {
        if let model::Item::Event { part, .. } = item {
            let last = part.len() - 1;
            part[last] ^= 1;
        }
    }
    post(&mut lab, 0, "bob", edit(edited, "hello"));
    post(&mut lab, 0, "bob", Post::Delete { of: deleted });
    lab.come_back(1);
    let message = seen(&mut lab, edited, &[0, 1]);
    assert_eq!((message.text(), message.edited), ("hello", true));
    assert_eq!(seen(&mut lab, deleted, &[0, 1]).body, Body::Deleted);
    let texts = lab.peers[1].texts("alice");
    assert_eq!(texts, ["before", "hello", "[deleted]"]);
}

#[test]
fn contacts_and_places_arrive_as_they_were_sent() {
    let mut lab = Lab::acquainted();
    let card = ContactCard {
        user: lab.model.user("bob"),
        handle: "carol".to_owned(),
        name: "Carol from work".to_owned(),
    };
    let place = Location {
        latitude: 524_970_000,
        longitude: -132_410_000,
        accuracy_m: 12,
        label: "Teufelsberg".to_owned(),
    };
    let one = post(&mut lab, 0, "bob", Post::Contact(card.clone()));
    let two = post(&mut lab, 0, "bob", Post::Location(place.clone()));
    assert_eq!(
        seen(&mut lab, one, &[0, 1]).body,
        Body::Contact(card.clone())
    );
    assert_eq!(seen(&mut lab, two, &[0, 1]).body, Body::Location(place));
    let invalid = ContactCard {
        handle: "No handle".to_owned(),
        ..card
    };
    let error = lab.post(0, "bob", Post::Contact(invalid)).unwrap_err();
    assert!(matches!(error, SendError::ContentInvalid), "{error}");
    let error = lab.post(0, "bob", edit(two, "x")).unwrap_err();
    assert!(matches!(error, SendError::NotChangeable), "{error}");
    let unknown = lab.post(0, "bob", edit(MessageId([9; 16]), "x"));
    assert!(unknown.is_err());
}

#[test]
fn contents_of_a_newer_client_and_broken_texts_are_kept_and_not_shown() {
    let mut lab = Lab::acquainted();
    let newer = Content {
        kind: 0x0b,
        data: vec![0xff, 1, 2],
    };
    let broken = Content {
        kind: 1,
        data: vec![0xff],
    };
    for content in [&newer, &broken] {
        lab.wait(10);
        let id = smuggle(&mut lab, 0, "bob", content);
        let kind = content.kind;
        let message = seen(&mut lab, id, &[0, 1]);
        assert_eq!(message.body, Body::Unsupported { kind });
        // A newer version finds it as it came.
        let mut found = None;
        lab.tamper(1, |tx| {
            let alice = tx.find_contact("alice").unwrap().unwrap().id;
            let target = tx.target_of(alice, id).unwrap().unwrap();
            found = tx.kept_content(target.seq).unwrap();
        });
        assert_eq!(found.as_ref(), Some(content));
    }
    // It can be answered and reacted to, and deleted by its author.
    let texts = lab.peers[1].history("alice");
    let id = texts.last().unwrap().id;
    post(&mut lab, 1, "alice", react(id, "?"));
    assert_eq!(seen(&mut lab, id, &[0, 1]).reactions.len(), 1);
    post(&mut lab, 0, "bob", Post::Delete { of: id });
    assert_eq!(seen(&mut lab, id, &[0, 1]).body, Body::Deleted);
}

#[test]
fn reading_is_told_of_messages_and_not_of_what_changes_them() {
    let mut lab = Lab::acquainted();
    let id = lab.say(0, "bob", "helo");
    let change = post(&mut lab, 0, "bob", edit(id, "hello"));
    let now = lab.now;
    assert!(lab.engine(1).mark_read(now, "alice", change).is_err());
    lab.engine(1).mark_read(now, "alice", id).unwrap();
    lab.dial(1);
    lab.settle();
    let states: Vec<_> = [id, change]
        .map(|id| lab.engine(0).message(id).unwrap().unwrap().state)
        .into();
    assert_eq!(states, [MessageState::Read, MessageState::Delivered]);
}
