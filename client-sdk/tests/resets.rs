//! An account that begins anew, from the side of its clients: those that are out, the one that is
//! in, and the contacts who knew it.
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
use martlet_client::engine::{Answer, Outgoing, Proof, Registration};
use martlet_client::keys::KeySeed;
use martlet_client::local::Db;
use martlet_client::{
    ClientError, Event, MessageState, OfflineCause, SecurityKind, SendError, StoreKey,
};
use martlet_protocol::{CloseCode, NackCode};

const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;

/// Alice and Carol know Bob, and Alice has compared his number.
fn scene() -> Lab {
    let mut lab = Lab::of(&["alice", "bob", "carol"]);
    for who in [ALICE, CAROL] {
        lab.say(who, "bob", "hello");
    }
    let now = lab.now;
    let number = lab.engine(BOB).safety_number("alice").unwrap().to_string();
    let proof = Proof::Number(&number);
    lab.engine(ALICE).verify(now, "bob", proof).unwrap();
    for who in [ALICE, BOB, CAROL] {
        lab.peers[who].take();
    }
    lab
}

/// Bob begins anew in a home of its own, with the operator's word.
fn begin_anew(lab: &mut Lab) -> usize {
    let who = lab.push("bob", Db::memory(&StoreKey::random()).unwrap());
    let now = lab.now;
    let registration = Registration {
        server: "model:1",
        handle: "bob",
        token: Some(str::from_utf8(model::RESET_TOKEN).unwrap()),
        trust: None,
        key_seed: KeySeed([71; 32]),
        account_seed: KeySeed([72; 32]),
        device_name: "new telephone",
    };
    lab.engine(who).register(now, &registration).unwrap();
    lab.dial(who);
    who
}

fn is_registered(lab: &mut Lab, who: usize) -> bool {
    let registered = |it: &Answer| matches!(it, Answer::Registered { .. }).then_some(());
    lab.peers[who].answer(registered).is_some()
}

/// Why a client says, in its events, that it is offline for good.
fn offline_for_good(lab: &mut Lab, who: usize) -> Option<OfflineCause> {
    let events = lab.peers[who].take().into_iter();
    let mut causes = events.filter_map(|event| match event {
        Event::Offline {
            cause,
            retry_at: None,
        } => Some(cause),
        _ => None,
    });
    causes.next_back()
}

fn try_to_send(lab: &mut Lab, who: usize, to: &str) -> Result<(), SendError> {
    let now = lab.now;
    let outgoing = Outgoing {
        to,
        text: "is it you?",
        ttl_ms: None,
    };
    lab.engine(who).send(now, [9; 10], &outgoing)?;
    lab.dial(who);
    lab.settle();
    Ok(())
}

#[test]
fn the_old_devices_are_out_and_say_so_and_the_new_one_is_the_account() {
    let mut lab = scene();
    let tablet = lab.link(BOB, false);
    lab.leave(tablet);
    lab.peers[tablet].take();
    let new = begin_anew(&mut lab);
    lab.settle();
    assert!(is_registered(&mut lab, new));
    let devices = lab.engine(new).devices().unwrap();
    assert_eq!(devices.len(), 1);
    assert_eq!(devices[0].device.0, 3, "no id is given twice");
    assert!(devices[0].is_this && devices[0].has_account_key);
    assert_eq!(devices[0].name.as_deref(), Some("new telephone"));

    // One was there when it happened, the other one was away.
    let code = CloseCode::DEVICE_GONE;
    let there = Some(OfflineCause::ClosedByServer { code });
    assert_eq!(offline_for_good(&mut lab, BOB), there);
    lab.come_back(tablet);
    let code = NackCode::AUTH_FAILED;
    let away = Some(OfflineCause::Refused { code });
    assert_eq!(offline_for_good(&mut lab, tablet), away);
    for (who, cause) in [(BOB, there), (tablet, away)] {
        lab.crash(who);
        lab.settle();
        assert_eq!(offline_for_good(&mut lab, who), cause, "and again");
        let error = try_to_send(&mut lab, who, "alice").unwrap_err();
        assert!(
            matches!(error, SendError::Client(ClientError::DeviceRemoved)),
            "{error}"
        );
    }
    assert_eq!(lab.peers[BOB].texts("alice"), ["hello"]);
}

#[test]
fn a_contact_is_told_of_the_new_key_and_goes_on() {
    let mut lab = scene();
    let new = begin_anew(&mut lab);
    lab.settle();
    lab.say(new, "carol", "it is me");
    let changed = ("bob".to_owned(), SecurityKind::IdentityChanged);
    assert_eq!(lab.peers[CAROL].notices(), [changed]);
    assert_eq!(lab.peers[CAROL].texts("bob"), ["hello", "it is me"]);
    try_to_send(&mut lab, CAROL, "bob").unwrap();
    assert_eq!(lab.peers[new].texts("carol"), ["it is me", "is it you?"]);
    assert_eq!(lab.peers[BOB].texts("carol"), ["hello"]);
}

#[test]
fn a_contact_who_had_compared_sends_nothing_before_looking_again() {
    let mut lab = scene();
    let before = lab.engine(ALICE).safety_number("bob").unwrap();
    let new = begin_anew(&mut lab);
    lab.settle();
    lab.say(new, "alice", "it is me");
    let changed = ("bob".to_owned(), SecurityKind::VerifiedIdentityChanged);
    assert_eq!(lab.peers[ALICE].notices(), [changed]);
    assert_eq!(lab.peers[ALICE].texts("bob"), ["hello", "it is me"]);
    assert!(!lab.engine(ALICE).is_verified("bob").unwrap());
    let error = try_to_send(&mut lab, ALICE, "bob").unwrap_err();
    assert!(matches!(error, SendError::IdentityChanged), "{error}");

    let now = lab.now;
    lab.engine(ALICE).accept_identity(now, "bob").unwrap();
    try_to_send(&mut lab, ALICE, "bob").unwrap();
    assert_eq!(lab.peers[new].texts("alice"), ["it is me", "is it you?"]);
    assert!(!lab.engine(ALICE).is_verified("bob").unwrap());
    let after = lab.engine(new).safety_number("alice").unwrap();
    assert_ne!(after, before);
    let number = after.to_string();
    let proof = Proof::Number(&number);
    lab.engine(ALICE).verify(now, "bob", proof).unwrap();
    assert!(lab.engine(ALICE).is_verified("bob").unwrap());
}

#[test]
fn what_is_written_before_the_new_list_is_out_waits_for_it_and_then_for_who_had_compared() {
    let mut lab = scene();
    let new = begin_anew(&mut lab);
    // The new home is registered, and loses its connection before it has published anything.
    lab.travel(new, 1_000_000);
    lab.travel(new, 1_000_000);
    lab.leave(new);
    let user = lab.model.user("bob");
    assert_eq!(lab.model.account(user).version(), 1);
    let ids = [ALICE, CAROL].map(|who| lab.say(who, "bob", "are you there?"));
    for (who, id) in [ALICE, CAROL].into_iter().zip(ids) {
        let message = lab.engine(who).message(id).unwrap().unwrap();
        assert_eq!(message.state, MessageState::Pending);
        assert_eq!(lab.peers[who].notices(), []);
    }
    lab.come_back(new);
    lab.wait(60_000);
    lab.settle();
    assert!(is_registered(&mut lab, new));
    assert_eq!(lab.model.account(user).version(), 2);
    assert_eq!(lab.peers[new].texts("carol"), ["are you there?"]);
    assert!(lab.peers[new].texts("alice").is_empty());
    let now = lab.now;
    lab.engine(ALICE).accept_identity(now, "bob").unwrap();
    lab.dial(ALICE);
    lab.settle();
    assert_eq!(lab.peers[new].texts("alice"), ["are you there?"]);
}
