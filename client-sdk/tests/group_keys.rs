//! Sender keys: who gets them, when they are made anew, and what happens when one is missing.
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

use circle::{group_of, security};
use lab::Lab;
use martlet_client::local::Repair;
use martlet_client::{GroupId, MessageId, MessageState, SecurityKind};
use martlet_protocol::frame::GroupEventKind;
use martlet_protocol::{Address, State, Timestamp};

use crate::model::{Account, Item};

const WEEK_MS: u64 = 7 * 24 * 60 * 60 * 1_000;

/// How many messages from one account to a device alone are in its stream: sender keys most often.
fn private(lab: &mut Lab, to: Address, from: usize) -> usize {
    let from = lab.peers[from].address().user;
    let stream = &lab.model.inbox(to).stream;
    let events = stream
        .iter()
        .filter(|item| matches!(item, Item::Event { peer, .. } if peer.user == from));
    events.count()
}

#[test]
fn a_key_that_was_lost_on_its_way_is_given_again_before_the_next_message() {
    let mut lab = Lab::of(&["alice", "bob", "carol"]);
    let (_, peer) = group_of(&mut lab, &["bob", "carol"]);
    let (alice, bob) = (lab.peers[0].address(), lab.peers[1].address());
    lab.leave(1);
    lab.change(0, |engine, now| {
        engine.remove_members(now, &peer, &["carol"])
    });
    let before = lab.model.inbox(bob).stream.len();
    lab.say(0, &peer, "one");
    let stream = &mut lab.model.inbox(bob).stream;
    let key = stream
        .iter()
        .enumerate()
        .skip(before)
        .find_map(|(place, item)| match item {
            Item::Event { id, timestamp, .. } => Some((place, *id, *timestamp)),
            _ => None,
        });
    let (place, id, timestamp) = key.expect("the key goes before the message");
    stream[place] = Item::Gap;
    lab.model.inbox(alice).stream.push(Item::Fact {
        state: State::EXPIRED,
        peer: bob,
        id,
        timestamp,
    });
    lab.settle();
    let keys = private(&mut lab, bob, 0);
    lab.say(0, &peer, "two");
    assert_eq!(private(&mut lab, bob, 0), keys + 1);
    lab.say(0, &peer, "three");
    assert_eq!(private(&mut lab, bob, 0), keys + 1, "once is enough");
    lab.come_back(1);
    assert_eq!(lab.peers[1].texts(&peer), ["one", "two", "three"]);
}

// [M-28.12]
#[test]
fn nobody_in_the_group_is_without_the_key_when_a_message_comes() {
    let mut lab = Lab::of(&["alice", "bob", "carol"]);
    let tablet = lab.link(0, false);
    lab.settle();
    let (_, peer) = group_of(&mut lab, &["bob", "carol"]);
    for (who, text) in [
        (0, "from alice"),
        (1, "from bob"),
        (tablet, "from the tablet"),
    ] {
        let author = lab.peers[who].address();
        lab.say(who, &peer, text);
        for other in 0..lab.peers.len() {
            if other == who {
                continue;
            }
            let address = lab.peers[other].address();
            let stream = &lab.model.inbox(address).stream;
            let is_key = |item: &Item| {
                matches!(item, Item::Event { peer, .. }
                    if (peer.user, peer.device) == (author.user, author.device))
            };
            let is_message = |item: &Item| {
                matches!(item, Item::GroupEvent { entry, .. }
                    if entry.kind == GroupEventKind::MESSAGE && entry.author == Some(author)
                        && entry.id.is_some())
            };
            let key = stream.iter().position(is_key);
            let first = stream.iter().position(is_message);
            assert!(key.is_some() && key < first, "{other} of {text}");
        }
    }
    for who in 0..lab.peers.len() {
        let all = ["from alice", "from bob", "from the tablet"];
        assert_eq!(lab.peers[who].texts(&peer), all, "{who}");
    }
}

#[test]
fn each_device_gets_a_sender_key_once_and_another_one_when_it_is_old() {
    let mut lab = Lab::of(&["alice", "bob"]);
    let (_, peer) = group_of(&mut lab, &["bob"]);
    let bob = lab.peers[1].address();
    let before = private(&mut lab, bob, 0);
    for text in ["one", "two", "three"] {
        lab.say(0, &peer, text);
    }
    assert_eq!(
        private(&mut lab, bob, 0),
        before,
        "the key was shared before"
    );
    lab.wait(WEEK_MS);
    lab.settle();
    lab.say(0, &peer, "a week later");
    assert_eq!(private(&mut lab, bob, 0), before + 1);
    assert_eq!(
        lab.peers[1].texts(&peer),
        ["one", "two", "three", "a week later"]
    );
}

#[test]
fn a_sender_key_is_replaced_after_a_thousand_messages() {
    let mut lab = Lab::of(&["alice", "bob"]);
    let (_, peer) = group_of(&mut lab, &["bob"]);
    let bob = lab.peers[1].address();
    lab.say(0, &peer, "the first");
    let before = private(&mut lab, bob, 0);
    for _ in 0..1_010 {
        lab.send(0, &peer, "again");
    }
    lab.settle();
    assert_eq!(private(&mut lab, bob, 0), before + 1);
    assert_eq!(lab.peers[1].texts(&peer).len(), 1_011);
    assert_eq!(security(&lab.peers[1].take()), []);
}

#[test]
fn who_was_removed_cannot_read_what_the_server_shows_it_all_the_same() {
    let mut lab = Lab::of(&["alice", "bob", "carol"]);
    let (group, peer) = group_of(&mut lab, &["bob", "carol"]);
    lab.say(0, &peer, "all three");
    let carol = lab.peers[2].address();
    lab.change(0, |engine, now| {
        engine.remove_members(now, &peer, &["carol"])
    });
    let before = private(&mut lab, carol, 0);
    lab.say(0, &peer, "two of us");
    lab.say(1, &peer, "yes");
    assert_eq!(private(&mut lab, carol, 0), before, "she gets no key");
    let log = &lab.model.group(group).log;
    let shown: Vec<_> = log.iter().cloned().zip(1..).collect();
    for (entry, sequence) in shown.into_iter().rev().take(2).rev() {
        lab.model.inbox(carol).stream.push(Item::GroupEvent {
            group,
            sequence,
            entry,
        });
    }
    lab.settle();
    for _ in 0..4 {
        lab.wait(2 * 24 * 60 * 60 * 1_000);
        lab.settle();
    }
    assert_eq!(lab.peers[2].texts(&peer), ["all three"]);
    assert!(security(&lab.peers[2].take()).contains(&SecurityKind::Undecryptable));
    assert_eq!(lab.peers[1].texts(&peer), ["all three", "two of us", "yes"]);
}

#[test]
fn a_message_that_is_under_way_when_somebody_leaves_is_made_anew_without_him() {
    let mut lab = Lab::of(&["alice", "bob", "carol"]);
    let (_, peer) = group_of(&mut lab, &["bob", "carol"]);
    lab.say(1, &peer, "the key is shared");
    // Bob does not hear of the removal before he has sent.
    lab.leave(1);
    lab.change(0, |engine, now| {
        engine.remove_members(now, &peer, &["carol"])
    });
    lab.send(1, &peer, "first");
    lab.send(1, &peer, "second");
    lab.send(1, &peer, "third");
    let carol = lab.peers[2].address();
    let before = private(&mut lab, carol, 1);
    lab.come_back(1);
    assert_eq!(private(&mut lab, carol, 1), before);
    let all = ["the key is shared", "first", "second", "third"];
    assert_eq!(lab.peers[0].texts(&peer), all);
    assert_eq!(lab.peers[2].texts(&peer), ["the key is shared"]);
    for who in 0..3 {
        assert_eq!(security(&lab.peers[who].take()), [], "{who}");
    }
}

#[test]
fn messages_under_way_when_somebody_joins_stay_in_their_chain() {
    let mut lab = Lab::of(&["alice", "bob", "carol"]);
    let (_, peer) = group_of(&mut lab, &["bob"]);
    lab.say(1, &peer, "the key is shared");
    lab.meet(0, &["carol"]);
    // What Bob sends leaves before he hears that Carol is there.
    for text in ["first", "second", "third"] {
        lab.send(1, &peer, text);
    }
    let now = lab.now;
    lab.engine(0).add_members(now, &peer, &["carol"]).unwrap();
    lab.dial(0);
    lab.travel(0, 1_000_000);
    lab.settle();
    lab.say(1, &peer, "fourth");
    let all = ["the key is shared", "first", "second", "third", "fourth"];
    assert_eq!(lab.peers[0].texts(&peer), all);
    assert_eq!(
        lab.peers[2].texts(&peer),
        ["first", "second", "third", "fourth"]
    );
    for who in 0..3 {
        assert_eq!(security(&lab.peers[who].take()), [], "{who}");
    }
}

#[test]
fn a_linked_device_reads_and_writes_and_a_revoked_one_does_not() {
    let mut lab = Lab::of(&["alice", "bob"]);
    let (_, peer) = group_of(&mut lab, &["bob"]);
    lab.say(0, &peer, "before the tablet");
    let tablet = lab.link(1, false);
    lab.settle();
    lab.say(0, &peer, "to both");
    lab.say(1, &peer, "from the phone");
    lab.say(tablet, &peer, "from the tablet");
    let all = ["to both", "from the phone", "from the tablet"];
    assert_eq!(lab.peers[tablet].texts(&peer), all);
    assert_eq!(lab.peers[0].texts(&peer)[1..], all);
    assert_eq!(lab.peers[1].texts(&peer)[1..], all);
    let group = lab.engine(tablet).group(&peer).unwrap();
    assert_eq!(group.name.as_deref(), Some("climbing"));

    let device = lab.device(tablet);
    let address = lab.peers[tablet].address();
    let now = lab.now;
    lab.engine(1).revoke(now, device).unwrap();
    lab.dial(1);
    lab.settle();
    let bob = lab.peers[1].address();
    let before = private(&mut lab, bob, 0);
    lab.say(0, &peer, "to one");
    assert_eq!(private(&mut lab, bob, 0), before + 1, "another key");
    assert_eq!(lab.peers[1].texts(&peer).last().unwrap(), "to one");
    assert!(
        !lab.model
            .account(address.user)
            .inboxes
            .contains_key(&device)
    );
    for who in [0, 1] {
        let told = security(&lab.peers[who].take());
        assert!(
            told.iter()
                .all(|kind| *kind == SecurityKind::DevicesChanged)
        );
    }
}

#[test]
fn a_message_waits_for_its_key_and_is_asked_for_when_none_comes() {
    let mut lab = Lab::of(&["alice", "bob", "carol"]);
    let (_, peer) = group_of(&mut lab, &["bob", "carol"]);
    lab.say(0, &peer, "known");
    // Bob has lost what Alice has given him.
    let alice = lab.peers[0].address();
    lab.tamper(1, |tx| {
        let contact = tx.find_contact(&peer).unwrap().unwrap().id;
        tx.forget_sender_keys(contact, alice).unwrap();
    });
    let id = lab.say(0, &peer, "lost");
    lab.say(0, &peer, "lost as well");
    assert_eq!(lab.peers[1].texts(&peer), ["known"]);
    assert_eq!(security(&lab.peers[1].take()), [], "it may be on its way");
    lab.wait(11_000);
    lab.settle();
    lab.wait(11_000);
    lab.settle();
    assert_eq!(lab.peers[1].texts(&peer), ["known", "lost", "lost as well"]);
    let told = security(&lab.peers[1].take());
    assert!(told.iter().all(|kind| *kind == SecurityKind::Undecryptable));
    assert!(!told.is_empty());
    lab.say(0, &peer, "with the key");
    assert_eq!(security(&lab.peers[1].take()), []);
    assert_eq!(lab.peers[1].texts(&peer).last().unwrap(), "with the key");
    assert_eq!(
        lab.engine(0).message(id).unwrap().unwrap().state,
        MessageState::Delivered
    );
}

/// A client believes that it could not open a message to a group, and asks for it.
fn ask_for(lab: &mut Lab, who: usize, group: GroupId, id: MessageId) {
    let log = lab.model.group(group).log.iter().zip(1..);
    let mut found = log.filter(|(entry, _)| entry.id == Some(id));
    let (entry, sequence) = found.next().expect("it was placed");
    let sender = entry.author.unwrap();
    let repair = Repair {
        id,
        sender,
        peer: sender.user,
        group: Some((group, sequence)),
        timestamp: Timestamp(entry.timestamp),
        attempts: 0,
    };
    let now = lab.now;
    lab.tamper(who, |tx| tx.put_repair(&repair, Some(now)).unwrap());
    lab.wait(1_000);
    lab.settle();
}

// [M-28.19]
#[test]
fn only_who_it_was_for_gets_a_message_of_a_group_again() {
    let mut lab = Lab::of(&["alice", "bob", "carol", "eve"]);
    let (group, peer) = group_of(&mut lab, &["bob"]);
    let early = lab.say(0, &peer, "before");
    lab.meet(0, &["carol"]);
    lab.change(0, |engine, now| engine.add_members(now, &peer, &["carol"]));
    let late = lab.say(0, &peer, "after");
    lab.say(3, "alice", "hello from outside");
    for (who, id) in [(2, early), (3, early), (3, late)] {
        let asker = lab.peers[who].address();
        let before = private(&mut lab, asker, 0);
        ask_for(&mut lab, who, group, id);
        let answers = private(&mut lab, asker, 0) - before;
        assert_eq!(answers, 0, "{who}");
    }
    let carol = lab.peers[2].address();
    for times in 1..=4 {
        let before = private(&mut lab, carol, 0);
        ask_for(&mut lab, 2, group, late);
        let answers = private(&mut lab, carol, 0) - before;
        // The key, and the message.
        assert_eq!(answers, if times <= 3 { 2 } else { 0 }, "{times}");
    }
    assert_eq!(lab.peers[2].texts(&peer), ["after"]);
    assert!(lab.peers[3].texts("alice").iter().all(|it| it != "after"));
}

#[test]
fn a_member_that_has_no_devices_holds_up_nobody() {
    let mut lab = Lab::of(&["alice", "bob"]);
    lab.model.accounts.push(Account::new("ghost", [9; 32], 1));
    let (_, peer) = group_of(&mut lab, &["bob", "ghost"]);
    lab.say(0, &peer, "hello");
    lab.say(1, &peer, "hello Alice");
    assert_eq!(lab.peers[1].texts(&peer), ["hello", "hello Alice"]);
    assert_eq!(lab.peers[0].texts(&peer), ["hello", "hello Alice"]);
    for who in 0..2 {
        assert_eq!(security(&lab.peers[who].take()), [], "{who}");
        assert!(lab.peers[who].engine().is_settled(), "{who}");
    }
}

#[test]
fn a_device_without_prekeys_does_not_hold_up_the_others() {
    let mut lab = Lab::of(&["alice", "bob", "carol"]);
    lab.model.keyless = Some(lab.peers[2].address());
    let (_, peer) = group_of(&mut lab, &["bob", "carol"]);
    lab.send(0, &peer, "hello");
    for _ in 0..8 {
        lab.wait(5_000);
        lab.settle();
    }
    assert_eq!(lab.peers[1].texts(&peer), ["hello"]);
    assert_eq!(security(&lab.peers[1].take()), []);
    // Carol could not open it, and has asked for it through a session that she has begun.
    let told = security(&lab.peers[2].take());
    assert!(told.contains(&SecurityKind::Undecryptable), "{told:?}");
    assert_eq!(lab.peers[2].texts(&peer), ["hello"]);
}
