//! Groups: who is in them, who changes them, and what is said in them.
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

use circle::{added, changes, group_of, members, peer_of, removed, security};
use lab::Lab;
use martlet_client::{Event, GroupError, GroupRights, GroupStep, NackCode, Right, Role, SendError};

#[test]
fn a_group_is_made_and_all_members_hear_what_each_of_them_says() {
    let mut lab = Lab::of(&["alice", "bob", "carol"]);
    let group = lab.create_group(0, "climbing", &["bob", "carol"]);
    let peer = peer_of(group);
    for who in 0..3 {
        let events = lab.peers[who].take();
        assert_eq!(security(&events), [], "{who}");
        let told = changes(&events);
        let made = vec![
            added("alice", Role::OWNER),
            added("bob", Role::MEMBER),
            added("carol", Role::MEMBER),
        ];
        let name = GroupStep::InfoChanged {
            name: "climbing".to_owned(),
        };
        let alice = || "alice".to_owned();
        assert_eq!(told, [(alice(), made), (alice(), vec![name])], "{who}");
        let shown = lab.engine(who).group(&peer).unwrap();
        assert_eq!(shown.name.as_deref(), Some("climbing"));
        assert_eq!((shown.version, shown.members.len()), (1, 3));
    }
    lab.say(0, &peer, "who comes along");
    lab.say(1, &peer, "I do");
    lab.say(2, &peer, "so do I");
    let all = ["who comes along", "I do", "so do I"];
    for who in 0..3 {
        assert_eq!(lab.peers[who].texts(&peer), all, "{who}");
        let history = lab.peers[who].history(&peer);
        let authors: Vec<_> = history.iter().map(|it| it.author.as_str()).collect();
        assert_eq!(authors, ["alice", "bob", "carol"]);
        let events = lab.peers[who].take();
        assert_eq!(security(&events), []);
        let messages = events.iter().filter_map(|event| match event {
            Event::Message(message) => Some((message.author.clone(), message.group)),
            _ => None,
        });
        let others: Vec<_> = ["alice", "bob", "carol"]
            .iter()
            .enumerate()
            .filter(|(author, _)| *author != who)
            .map(|(_, name)| ((*name).to_owned(), Some(group)))
            .collect();
        assert_eq!(messages.collect::<Vec<_>>(), others);
    }
    assert!(lab.peers[0].engine().is_settled());
}

#[test]
fn who_is_added_hears_what_is_said_from_then_on() {
    let mut lab = Lab::of(&["alice", "bob", "carol"]);
    let (_, peer) = group_of(&mut lab, &["bob"]);
    lab.say(0, &peer, "before");
    lab.say(1, &peer, "also before");
    lab.meet(0, &["carol"]);
    lab.change(0, |engine, now| engine.add_members(now, &peer, &["carol"]));
    let events = lab.peers[2].take();
    assert_eq!(security(&events), []);
    let told = changes(&events);
    let name = GroupStep::InfoChanged {
        name: "climbing".to_owned(),
    };
    let alice = || "alice".to_owned();
    assert_eq!(
        told,
        [(alice(), vec![GroupStep::Joined]), (alice(), vec![name])]
    );
    assert_eq!(members(&mut lab, 2, &peer), ["alice", "bob", "carol"]);
    let told = changes(&lab.peers[1].take());
    assert_eq!(told, [(alice(), vec![added("carol", Role::MEMBER)])]);
    lab.say(0, &peer, "after");
    lab.say(2, &peer, "hello");
    assert_eq!(lab.peers[2].texts(&peer), ["after", "hello"]);
    assert_eq!(
        lab.peers[1].texts(&peer),
        ["before", "also before", "after", "hello"]
    );
    for who in 0..3 {
        assert_eq!(security(&lab.peers[who].take()), [], "{who}");
    }
}

#[test]
fn who_is_removed_hears_of_it_and_nothing_more() {
    let mut lab = Lab::of(&["alice", "bob", "carol"]);
    let (_, peer) = group_of(&mut lab, &["bob", "carol"]);
    lab.say(0, &peer, "all three");
    lab.change(0, |engine, now| {
        engine.remove_members(now, &peer, &["carol"])
    });
    let told = changes(&lab.peers[2].take());
    assert_eq!(told, [("alice".to_owned(), vec![removed("carol")])]);
    let group = lab.engine(2).group(&peer).unwrap();
    assert_eq!(group.role, Role::NONE);
    lab.say(0, &peer, "two");
    lab.say(1, &peer, "of us");
    assert_eq!(lab.peers[2].texts(&peer), ["all three"]);
    assert_eq!(lab.peers[1].texts(&peer), ["all three", "two", "of us"]);
    let refused = lab.post(
        2,
        &peer,
        martlet_client::engine::Post::Text("still here".to_owned()),
    );
    assert!(matches!(refused, Err(SendError::NotMember)));
    let now = lab.now;
    let refused = lab.engine(2).leave_group(now, &peer);
    assert!(matches!(refused, Err(GroupError::NotMember)));
}

#[test]
fn the_last_owner_who_leaves_makes_another_member_one() {
    let mut lab = Lab::of(&["alice", "bob", "carol"]);
    let (_, peer) = group_of(&mut lab, &["bob", "carol"]);
    lab.change(0, |engine, now| {
        engine.set_role(now, &peer, "carol", Role::ADMIN)
    });
    lab.change(0, |engine, now| engine.leave_group(now, &peer));
    assert_eq!(members(&mut lab, 1, &peer), ["bob", "carol"]);
    let group = lab.engine(2).group(&peer).unwrap();
    assert_eq!(group.role, Role::OWNER);
    lab.say(1, &peer, "without her");
    assert_eq!(lab.peers[2].texts(&peer), ["without her"]);
    assert!(lab.peers[0].texts(&peer).is_empty());
    let history = lab.engine(1).group_history(&peer).unwrap();
    let steps: Vec<_> = history.iter().map(|update| update.changes.len()).collect();
    assert_eq!(steps, [3, 1, 2]);
}

#[test]
fn what_a_group_does_not_allow_is_refused_and_told() {
    let mut lab = Lab::of(&["alice", "bob", "carol"]);
    let (_, peer) = group_of(&mut lab, &["bob"]);
    lab.meet(1, &["carol"]);
    lab.change(1, |engine, now| engine.add_members(now, &peer, &["carol"]));
    let refused = |events: &[Event]| {
        let codes = events.iter().filter_map(|event| match event {
            Event::GroupRefused { code, .. } => Some(*code),
            _ => None,
        });
        codes.collect::<Vec<_>>()
    };
    assert_eq!(refused(&lab.peers[1].take()), [NackCode::GROUP_FORBIDDEN]);
    let rights = GroupRights {
        add: Right::MEMBERS,
        send: Right::ADMINS,
        change: Right::MEMBERS,
    };
    lab.change(0, |engine, now| engine.set_rights(now, &peer, rights));
    let told = changes(&lab.peers[1].take());
    let alice = || "alice".to_owned();
    assert_eq!(told, [(alice(), vec![GroupStep::RightsChanged(rights)])]);
    lab.change(1, |engine, now| engine.add_members(now, &peer, &["carol"]));
    assert_eq!(members(&mut lab, 0, &peer), ["alice", "bob", "carol"]);
    let id = lab.say(1, &peer, "may I");
    let failed = |event: &Event| {
        matches!(event, Event::Failed { id: failed, code, .. }
            if *failed == id && *code == NackCode::GROUP_FORBIDDEN)
    };
    assert!(lab.peers[1].take().iter().any(failed));
    lab.say(0, &peer, "you may not");
    assert_eq!(lab.peers[2].texts(&peer), ["you may not"]);
}

#[test]
fn a_new_name_reaches_everybody() {
    let mut lab = Lab::of(&["alice", "bob"]);
    let (_, peer) = group_of(&mut lab, &["bob"]);
    lab.change(0, |engine, now| {
        engine.rename_group(now, &peer, "bouldering", b"picture".to_vec())
    });
    for who in 0..2 {
        let group = lab.engine(who).group(&peer).unwrap();
        assert_eq!(group.name.as_deref(), Some("bouldering"), "{who}");
        assert_eq!(group.picture, b"picture");
        let events = lab.peers[who].take();
        let named = GroupStep::InfoChanged {
            name: "bouldering".to_owned(),
        };
        assert!(
            changes(&events)
                .iter()
                .any(|(_, steps)| steps.contains(&named))
        );
    }
    let now = lab.now;
    let refused = lab.engine(0).rename_group(now, &peer, "", Vec::new());
    assert!(matches!(refused, Err(GroupError::InfoInvalid)));
}

#[test]
fn two_who_change_a_group_at_a_time_both_succeed() {
    let mut lab = Lab::of(&["alice", "bob", "carol", "dave"]);
    let (_, peer) = group_of(&mut lab, &["bob"]);
    lab.change(0, |engine, now| {
        engine.set_role(now, &peer, "bob", Role::ADMIN)
    });
    lab.meet(0, &["carol"]);
    lab.meet(1, &["dave"]);
    let now = lab.now;
    lab.engine(0).add_members(now, &peer, &["carol"]).unwrap();
    lab.engine(1).add_members(now, &peer, &["dave"]).unwrap();
    let busy = lab.engine(0).remove_members(now, &peer, &["bob"]);
    assert!(matches!(busy, Err(GroupError::Busy)));
    lab.dial(0);
    lab.dial(1);
    lab.settle();
    for who in 0..4 {
        let all = ["alice", "bob", "carol", "dave"];
        assert_eq!(members(&mut lab, who, &peer), all, "{who}");
        assert_eq!(security(&lab.peers[who].take()), [], "{who}");
    }
    lab.say(3, &peer, "all here");
    assert_eq!(lab.peers[2].texts(&peer), ["all here"]);
}

#[test]
fn a_group_is_made_without_a_connection_and_when_the_server_puts_it_off() {
    let mut lab = Lab::of(&["alice", "bob"]);
    lab.meet(0, &["bob"]);
    lab.leave(0);
    let group = lab.create_group_here(0, "climbing", &["bob"]);
    let peer = peer_of(group);
    lab.send(0, &peer, "first");
    assert!(!lab.peers[0].engine().is_settled());
    lab.crash(0);
    lab.model.group_refusals = 2;
    lab.come_back(0);
    assert_eq!(lab.peers[1].texts(&peer), ["first"]);
    assert!(lab.peers[0].engine().is_settled());
}
