//! Groups by the inbox and by a stream of their own, how far messages are, and all that can be
//! said in them.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a test binary has no public interface"
)]

#[path = "support/circle.rs"]
mod circle;
#[path = "support/lab.rs"]
mod lab;
#[path = "support/model/mod.rs"]
mod model;

use circle::{changes, group_of, security, states};
use lab::Lab;
use martlet_client::engine::{Answer, Post};
use martlet_client::{
    Body, Event, GapReason, GroupStep, MessageState, Role, SecurityKind, SendError,
};
use martlet_protocol::frame::GroupMode;
use model::{Item, Streams};

#[test]
fn a_message_is_delivered_and_read_when_all_members_have_it_and_have_read_it() {
    let mut lab = Lab::of(&["alice", "bob", "carol"]);
    let (_, peer) = group_of(&mut lab, &["bob", "carol"]);
    lab.leave(2);
    let id = lab.say(0, &peer, "hello");
    assert_eq!(states(&lab.peers[0].take(), id), [MessageState::Sent]);
    let now = lab.now;
    lab.engine(1).mark_read(now, &peer, id).unwrap();
    lab.dial(1);
    lab.settle();
    assert!(lab.peers[1].engine().is_settled());
    assert_eq!(states(&lab.peers[0].take(), id), []);

    let now = lab.now;
    lab.engine(0).ask_receipts(now, id).unwrap();
    lab.dial(0);
    lab.settle();
    let receipts = |answer: &Answer| match answer {
        Answer::GroupReceipts { receipts, .. } => receipts.clone(),
        _ => None,
    };
    let counted = lab.peers[0].answer(receipts).unwrap();
    assert_eq!(
        (counted.members, counted.delivered, counted.read),
        (2, 1, 1)
    );
    let details = [
        ("bob".to_owned(), MessageState::Read),
        ("carol".to_owned(), MessageState::Sent),
    ];
    assert_eq!(counted.details, details);

    lab.come_back(2);
    assert_eq!(states(&lab.peers[0].take(), id), [MessageState::Delivered]);
    let now = lab.now;
    lab.engine(2).mark_read(now, &peer, id).unwrap();
    lab.dial(2);
    lab.settle();
    assert_eq!(states(&lab.peers[0].take(), id), [MessageState::Read]);
}

#[test]
fn who_leaves_is_waited_for_no_more() {
    let mut lab = Lab::of(&["alice", "bob", "carol"]);
    let (_, peer) = group_of(&mut lab, &["bob", "carol"]);
    lab.leave(2);
    let id = lab.say(0, &peer, "hello");
    assert_eq!(states(&lab.peers[0].take(), id), [MessageState::Sent]);
    lab.change(0, |engine, now| {
        engine.remove_members(now, &peer, &["carol"])
    });
    assert_eq!(states(&lab.peers[0].take(), id), [MessageState::Delivered]);
}

#[test]
fn a_group_goes_over_to_a_stream_of_its_own_and_back_and_nothing_is_lost_or_repeated() {
    let mut lab = Lab::of(&["alice", "bob", "carol"]);
    let (group, peer) = group_of(&mut lab, &["bob", "carol"]);
    lab.say(0, &peer, "by the inbox");
    lab.leave(2);
    lab.model.switch(group, GroupMode::STREAM);
    lab.settle();
    let id = lab.say(1, &peer, "by the stream");
    lab.say(0, &peer, "and again");
    lab.crash(0);
    lab.cut(1);
    lab.settle();
    lab.say(0, &peer, "after a crash");
    lab.come_back(2);
    lab.say(2, &peer, "also here");
    lab.model.switch(group, GroupMode::INBOX);
    lab.settle();
    lab.say(1, &peer, "as before");
    let all = [
        "by the inbox",
        "by the stream",
        "and again",
        "after a crash",
        "also here",
        "as before",
    ];
    for who in 0..3 {
        assert_eq!(lab.peers[who].texts(&peer), all, "{who}");
        let events = lab.peers[who].take();
        assert_eq!(security(&events), [], "{who}");
    }
    let state = lab.engine(1).message(id).unwrap().unwrap().state;
    assert_eq!(state, MessageState::Delivered);
}

#[test]
fn a_server_that_was_put_back_is_told_of_no_more_than_it_has_given_again() {
    let mut lab = Lab::of(&["alice", "bob", "carol"]);
    let (group, peer) = group_of(&mut lab, &["bob", "carol"]);
    lab.model.switch(group, GroupMode::STREAM);
    lab.settle();
    lab.say(0, &peer, "one");
    lab.say(2, &peer, "two");
    let address = lab.peers[1].address();
    lab.leave(1);
    // From here on the server panics when it is told of more than it has given again.
    lab.model.restore(address);
    for streams in [Streams::Never, Streams::Never, Streams::Slowly] {
        lab.model.streams = streams;
        lab.come_back(1);
        lab.crash(1);
        lab.settle();
        assert_eq!(lab.peers[1].texts(&peer), ["one", "two"]);
    }
    lab.say(0, &peer, "three");
    lab.cut(1);
    lab.settle();
    assert_eq!(lab.peers[1].texts(&peer), ["one", "two", "three"]);
    assert_eq!(security(&lab.peers[1].take()), []);
}

/// What everybody says while the last one is away, and how the group's entries come then.
fn switches_while_away(lab: &mut Lab, modes: &[GroupMode]) -> String {
    let (group, peer) = group_of(lab, &["bob", "carol"]);
    lab.say(0, &peer, "0 of alice");
    lab.leave(2);
    for (number, mode) in (1..).zip(modes) {
        lab.say(0, &peer, &format!("{number} of alice"));
        lab.say(1, &peer, &format!("{number} of bob"));
        lab.model.switch(group, *mode);
        lab.settle();
    }
    lab.say(0, &peer, "last of alice");
    lab.say(1, &peer, "last of bob");
    peer
}

#[test]
fn what_came_two_ways_while_one_was_away_is_one_conversation_in_its_order() {
    const BOTH: [GroupMode; 4] = [
        GroupMode::STREAM,
        GroupMode::INBOX,
        GroupMode::STREAM,
        GroupMode::INBOX,
    ];
    for streams in [Streams::First, Streams::Last] {
        for switches in 1..=BOTH.len() {
            let mut lab = Lab::of(&["alice", "bob", "carol"]);
            let peer = switches_while_away(&mut lab, &BOTH[..switches]);
            lab.model.streams = streams;
            lab.peers[2].take();
            lab.come_back(2);
            let case = format!("streams: {streams:?}, {switches} switches");
            let told = lab.peers[2].take();
            let told: Vec<_> = told
                .iter()
                .filter_map(|event| match event {
                    Event::Message(message) => Some(message.text().to_owned()),
                    _ => None,
                })
                .collect();
            let said = lab.peers[0].texts(&peer);
            assert_eq!(lab.peers[2].texts(&peer), said, "{case}");
            // Whose key comes later is told later, but what one says stays in its order.
            for author in ["alice", "bob"] {
                let of = |texts: &[String]| -> Vec<String> {
                    let texts = texts.iter().filter(|text| text.ends_with(author));
                    texts.cloned().collect()
                };
                assert_eq!(of(&told), of(&said[1..]), "{case}: {author}");
            }
            assert_eq!(lab.peers[2].notices(), [], "{case}");
        }
    }
}

#[test]
fn who_was_removed_and_comes_back_begins_anew_whichever_way_entries_come() {
    for streams in [Streams::First, Streams::Last] {
        let mut lab = Lab::of(&["alice", "bob", "carol"]);
        let (group, peer) = group_of(&mut lab, &["bob", "carol"]);
        lab.model.switch(group, GroupMode::STREAM);
        lab.settle();
        lab.say(0, &peer, "with carol");
        lab.change(0, |engine, now| {
            engine.remove_members(now, &peer, &["carol"])
        });
        lab.say(0, &peer, "without carol");
        lab.model.switch(group, GroupMode::INBOX);
        lab.settle();
        lab.leave(2);
        lab.change(0, |engine, now| engine.add_members(now, &peer, &["carol"]));
        lab.say(0, &peer, "again");
        lab.model.switch(group, GroupMode::STREAM);
        lab.settle();
        lab.say(1, &peer, "welcome");
        lab.model.streams = streams;
        lab.come_back(2);
        assert_eq!(
            lab.peers[2].texts(&peer),
            ["with carol", "again", "welcome"]
        );
        assert_eq!(lab.peers[2].notices(), []);
    }
}

#[test]
fn a_removal_that_was_lost_in_a_gap_is_found_out() {
    let mut lab = Lab::of(&["alice", "bob", "carol"]);
    let (_, peer) = group_of(&mut lab, &["bob", "carol"]);
    lab.leave(2);
    lab.change(0, |engine, now| {
        engine.remove_members(now, &peer, &["carol"])
    });
    let carol = lab.peers[2].address();
    *lab.model.inbox(carol).stream.last_mut().unwrap() = Item::Gap;
    lab.peers[2].take();
    lab.come_back(2);
    let told = changes(&lab.peers[2].take());
    assert_eq!(told, [(String::new(), vec![GroupStep::Gone])]);
    assert_eq!(lab.engine(2).group(&peer).unwrap().role, Role::NONE);
    let text = "hello?".to_owned();
    let sent = lab.post(2, &peer, Post::Text(text));
    assert!(matches!(sent, Err(SendError::NotMember)), "{sent:?}");
    // The others are not in doubt.
    assert_eq!(lab.engine(1).group(&peer).unwrap().role, Role::MEMBER);
}

#[test]
fn a_gap_in_a_groups_stream_is_told() {
    let mut lab = Lab::of(&["alice", "bob"]);
    let (group, peer) = group_of(&mut lab, &["bob"]);
    lab.model.switch(group, GroupMode::STREAM);
    lab.settle();
    lab.say(0, &peer, "first");
    lab.leave(1);
    lab.say(0, &peer, "expired");
    let sequence = lab.model.group(group).log.len() as u64;
    lab.model.group(group).lost.push(sequence);
    lab.say(0, &peer, "third");
    lab.peers[1].take();
    lab.come_back(1);
    assert_eq!(lab.peers[1].texts(&peer), ["first", "third"]);
    let events = lab.peers[1].take();
    let gap = Event::GroupGap {
        group,
        peer: peer.clone(),
        from: sequence,
        to: sequence,
        reason: GapReason::Expired,
    };
    assert!(events.contains(&gap), "{events:?}");
    assert_eq!(security(&events), [], "a gap explains what is missing");
}

#[test]
fn a_gap_in_a_groups_stream_explains_nothing_elsewhere() {
    let mut lab = Lab::of(&["alice", "bob"]);
    let (group, peer) = group_of(&mut lab, &["bob"]);
    lab.model.switch(group, GroupMode::STREAM);
    lab.settle();
    for who in [0, 1] {
        lab.say(who, ["bob", "alice"][who], "hello");
    }
    lab.leave(1);
    lab.say(0, &peer, "expired");
    let sequence = lab.model.group(group).log.len() as u64;
    lab.model.group(group).lost.push(sequence);
    lab.say(0, "bob", "withheld");
    let bob = lab.peers[1].address();
    lab.model.inbox(bob).stream.pop().unwrap();
    lab.say(0, "bob", "shown");
    // The gap comes first, and could be taken for an excuse.
    lab.model.streams = Streams::First;
    lab.peers[1].take();
    lab.come_back(1);
    assert_eq!(lab.peers[1].texts("alice"), ["hello", "hello", "shown"]);
    let told = ("alice".to_owned(), SecurityKind::Missing);
    assert_eq!(lab.peers[1].notices(), [told]);
}

#[test]
fn what_stands_before_a_gap_is_told_before_what_stands_behind_it() {
    let mut lab = Lab::of(&["alice", "bob"]);
    let (group, peer) = group_of(&mut lab, &["bob"]);
    lab.model.switch(group, GroupMode::STREAM);
    lab.settle();
    lab.say(0, &peer, "before");
    // The new device has all keys, and none of the entries.
    lab.model.streams = Streams::Never;
    let new = lab.link(1, false);
    lab.say(0, &peer, "one");
    lab.say(0, &peer, "two");
    lab.leave(new);
    lab.say(1, &peer, "lost");
    let lost = lab.model.group(group).log.len() as u64;
    lab.model.group(group).lost.push(lost);
    lab.say(0, &peer, "four");
    lab.model.streams = Streams::First;
    lab.peers[new].take();
    lab.come_back(new);
    assert_eq!(lab.peers[new].texts(&peer), ["one", "two", "four"]);
    assert_eq!(security(&lab.peers[new].take()), []);
}

#[test]
fn whatever_can_be_said_to_one_can_be_said_to_a_group() {
    let mut lab = Lab::of(&["alice", "bob", "carol"]);
    let (_, peer) = group_of(&mut lab, &["bob", "carol"]);
    let id = lab.say(0, &peer, "lunch at noon");
    let own = lab.say(1, &peer, "at one");
    for (who, emoji) in [(1, "yes"), (2, "no"), (0, "maybe")] {
        let emoji = emoji.to_owned();
        lab.post(who, &peer, Post::React { to: id, emoji }).unwrap();
        lab.settle();
    }
    let text = "fine".to_owned();
    lab.post(2, &peer, Post::Reply { to: own, text }).unwrap();
    let text = "at two".to_owned();
    lab.post(1, &peer, Post::Edit { of: own, text }).unwrap();
    lab.settle();
    let no_edit = lab.post(
        2,
        &peer,
        Post::Edit {
            of: own,
            text: "at three".to_owned(),
        },
    );
    assert!(no_edit.is_err(), "only its author changes a message");
    for who in 0..3 {
        let history = lab.peers[who].history(&peer);
        let mut reactions: Vec<_> = history[0]
            .reactions
            .iter()
            .map(|reaction| (reaction.author.as_str(), reaction.emoji.as_str()))
            .collect();
        reactions.sort_unstable();
        assert_eq!(
            reactions,
            [("alice", "maybe"), ("bob", "yes"), ("carol", "no")],
            "{who}"
        );
        assert_eq!((history[1].text(), history[1].edited), ("at two", true));
        let quote = history[2].reply_to.as_ref().unwrap();
        assert_eq!(
            (quote.author.as_str(), quote.text.as_str()),
            ("bob", "at one")
        );
    }
    lab.post(0, &peer, Post::Delete { of: id }).unwrap();
    lab.post(0, &peer, Post::Timer { seconds: 60 }).unwrap();
    lab.settle();
    let brief = lab.say(2, &peer, "for a minute");
    let now = lab.now;
    lab.engine(1).mark_read(now, &peer, brief).unwrap();
    lab.wait(70_000);
    lab.settle();
    for who in [1, 2] {
        let history = lab.peers[who].history(&peer);
        assert_eq!(history[0].body, Body::Deleted, "{who}");
        assert!(history.iter().all(|message| message.id != brief), "{who}");
    }
}
