//! The process dies inside a call about a group: the database has all of the call then, or nothing,
//! and nobody notices.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a test binary has no public interface"
)]

#[path = "support/circle.rs"]
mod circle;
#[path = "support/deaths.rs"]
mod deaths;
#[path = "support/lab.rs"]
mod lab;
#[path = "support/model/mod.rs"]
mod model;

use circle::{group_of, security};
use deaths::{Death, is_done};
use lab::Lab;
use martlet_client::engine::{Outgoing, Post};
use martlet_client::local::{Breaker, Db};
use martlet_client::{GroupRights, Right, StoreKey};

/// Alice, Bob and Carol in a group in which each has said something, and how one of them dies.
fn circle(mortal: usize) -> (Lab, Breaker, String) {
    let mut lab = Lab::new();
    let mut breakers = Vec::new();
    for name in ["alice", "bob", "carol"] {
        let mut db = Db::memory(&StoreKey::random()).unwrap();
        breakers.push(db.breaker().unwrap());
        lab.add_on(name, db);
    }
    let (_, peer) = group_of(&mut lab, &["bob", "carol"]);
    for who in 0..3 {
        lab.say(who, &peer, "hello");
    }
    for peer in &mut lab.peers {
        peer.take();
    }
    (lab, breakers.swap_remove(mortal), peer)
}

/// Everybody has the same messages, and nothing warns.
fn check(lab: &mut Lab, peer: &str) {
    let texts = lab.peers[0].texts(peer);
    for who in 0..3 {
        assert_eq!(lab.peers[who].texts(peer), texts, "{who}");
        assert_eq!(security(&lab.peers[who].take()), [], "{who}");
    }
}

#[test]
fn a_message_to_a_group_is_written_or_was_never_wherever_its_writer_dies() {
    let (mut lab, breaker, peer) = circle(0);
    let mut deaths = 0;
    for death in Death::all() {
        lab.wait(1);
        death.prepare(&breaker);
        let now = lab.now;
        let outgoing = Outgoing {
            to: &peer,
            what: Post::Text(format!("{death:?}")),
            ttl_ms: None,
        };
        let sent = lab.engine(0).send(now, [7; 10], &outgoing);
        let is_done = is_done(&mut lab, 0, &breaker, &sent);
        lab.dial(0);
        lab.exchange();
        deaths += usize::from(!is_done);
        if is_done {
            break;
        }
    }
    assert!(deaths > 20, "there were many places to die");
    lab.settle();
    check(&mut lab, &peer);
}

#[test]
fn a_message_to_a_group_is_shown_once_wherever_a_member_dies_over_it() {
    let (mut lab, breaker, peer) = circle(1);
    let mut deaths = 0;
    for death in Death::all() {
        lab.wait(1);
        lab.send(0, &peer, &format!("{death:?}"));
        lab.travel(0, 1_000_000);
        let now = lab.now;
        lab.speak(1);
        let pushed = lab.peers[1].session.as_mut().unwrap().output.split();
        assert!(!pushed.is_empty(), "the message is on its way");
        death.prepare(&breaker);
        let handled = lab.peers[1].engine().handle_bytes(now, &pushed);
        let is_done = is_done(&mut lab, 1, &breaker, &handled);
        lab.dial(1);
        lab.exchange();
        deaths += usize::from(!is_done);
        if is_done {
            break;
        }
    }
    assert!(deaths > 20, "there were many places to die");
    lab.settle();
    check(&mut lab, &peer);
}

#[test]
fn a_change_of_a_group_is_made_or_was_never_wherever_who_makes_it_dies() {
    let (mut lab, breaker, peer) = circle(0);
    let (mut deaths, mut sends) = (0, Right::MEMBERS);
    for death in Death::all() {
        sends = match sends {
            Right::MEMBERS => Right::ADMINS,
            _ => Right::MEMBERS,
        };
        let rights = GroupRights {
            add: Right::ADMINS,
            send: sends,
            change: Right::ADMINS,
        };
        // It dies over the answer.
        let now = lab.now;
        lab.engine(0).set_rights(now, &peer, rights).unwrap();
        lab.dial(0);
        lab.speak(0);
        let pushed = lab.peers[0].session.as_mut().unwrap().output.split();
        death.prepare(&breaker);
        let handled = lab.peers[0].engine().handle_bytes(now, &pushed);
        let is_done = is_done(&mut lab, 0, &breaker, &handled);
        lab.dial(0);
        lab.settle();
        for who in 0..3 {
            let group = lab.engine(who).group(&peer).unwrap();
            assert_eq!(group.rights.send, sends, "{who} {death:?}");
        }
        deaths += usize::from(!is_done);
        if is_done {
            break;
        }
    }
    assert!(deaths > 20, "there were many places to die");
    lab.say(0, &peer, "all the same");
    check(&mut lab, &peer);
}

#[test]
fn nobody_who_has_left_gets_the_new_key_wherever_its_maker_dies() {
    let (mut lab, breaker, peer) = circle(0);
    let mut deaths = 0;
    for death in Death::all() {
        lab.change(0, |engine, now| {
            engine.remove_members(now, &peer, &["carol"])
        });
        let before = lab.peers[2].texts(&peer);
        death.prepare(&breaker);
        let now = lab.now;
        let outgoing = Outgoing {
            to: &peer,
            what: Post::Text(format!("without her, {death:?}")),
            ttl_ms: None,
        };
        let sent = lab.engine(0).send(now, [7; 10], &outgoing);
        let is_done = is_done(&mut lab, 0, &breaker, &sent);
        lab.dial(0);
        lab.settle();
        assert_eq!(lab.peers[2].texts(&peer), before);
        assert_eq!(lab.peers[0].texts(&peer), lab.peers[1].texts(&peer));
        lab.change(0, |engine, now| engine.add_members(now, &peer, &["carol"]));
        for who in 0..3 {
            assert_eq!(security(&lab.peers[who].take()), [], "{who} {death:?}");
        }
        deaths += usize::from(!is_done);
        if is_done {
            break;
        }
    }
    assert!(deaths > 20, "there were many places to die");
}
