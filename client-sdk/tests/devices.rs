//! Accounts with several devices: every device reads everything, devices come and go, and nothing
//! is lost or out of order by that.
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
use martlet_client::engine::Answer;
use martlet_client::{DevicesError, Direction, Event, MessageState, OfflineCause, SecurityKind};

fn numbered(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("message {number}"))
        .collect()
}

#[test]
fn two_people_talk_and_see_no_security_notice() {
    let mut lab = Lab::of(&["alice", "bob"]);
    let long = "x".repeat(60_000);
    for round in 0..3 {
        lab.say(0, "bob", &format!("ping {round}"));
        lab.say(1, "alice", &format!("pong {round}"));
    }
    lab.say(0, "bob", &long);
    assert_eq!(lab.peers[1].texts("alice").last(), Some(&long));
    assert_eq!(lab.peers[0].texts("bob"), lab.peers[1].texts("alice"));
    for who in [0, 1] {
        assert!(lab.peers[who].notices().is_empty());
    }
}

#[test]
fn every_device_of_both_sides_has_the_whole_conversation() {
    let mut lab = Lab::of(&["alice", "bob"]);
    let (alice, bob) = (0, 1);
    let alice2 = lab.link(alice, false);
    let bob2 = lab.link(bob, false);
    let bob3 = lab.link(bob, false);
    let everybody = [
        (alice, "bob"),
        (bob, "alice"),
        (alice2, "bob"),
        (bob2, "alice"),
        (bob3, "alice"),
    ];
    let mut said = Vec::new();
    for round in 0..2 {
        for (who, to) in everybody {
            let text = format!("{round} from {who}");
            lab.say(who, to, &text);
            said.push(text);
        }
    }
    for (who, with) in everybody {
        assert_eq!(lab.peers[who].texts(with), said, "device {who}");
        let kinds: Vec<_> = lab.peers[who].notices();
        assert!(
            kinds
                .iter()
                .all(|(_, kind)| *kind == SecurityKind::DevicesChanged),
            "{kinds:?}"
        );
    }
}

#[test]
fn a_copy_for_the_own_device_says_who_wrote_it() {
    let mut lab = Lab::of(&["alice", "bob"]);
    let tablet = lab.link(0, false);
    let id = lab.say(0, "bob", "from the phone");
    let message = lab.engine(tablet).message(id).unwrap().unwrap();
    assert_eq!(message.direction, Direction::Outgoing);
    assert_eq!((message.peer.as_str(), message.device.0), ("bob", 1));
    // What the tablet read it tells nobody of, and what it writes has its own receipts.
    let id = lab.say(tablet, "bob", "from the tablet");
    let sent = lab.engine(tablet).message(id).unwrap().unwrap();
    assert_eq!(sent.state, MessageState::Delivered);
}

#[test]
fn a_device_that_is_linked_in_the_middle_gets_what_follows_in_its_order() {
    let mut lab = Lab::of(&["alice", "bob"]);
    lab.say(0, "bob", "before");
    // Alice writes while her list of Bob's devices is about to be stale.
    lab.leave(0);
    let tablet = lab.link(1, false);
    for text in numbered(20) {
        lab.send(0, "bob", &text);
    }
    lab.come_back(0);
    let mut expected = numbered(20);
    assert_eq!(lab.peers[tablet].texts("alice"), expected);
    expected.insert(0, "before".to_owned());
    assert_eq!(lab.peers[1].texts("alice"), expected);
    let notices = lab.peers[0].notices();
    assert_eq!(notices, [("bob".to_owned(), SecurityKind::DevicesChanged)]);
}

#[test]
fn messages_that_were_under_way_when_the_list_changed_keep_their_order_and_their_ids() {
    let mut lab = Lab::of(&["alice", "bob"]);
    lab.say(0, "bob", "before");
    let ids: Vec<_> = numbered(6)
        .iter()
        .map(|text| lab.send(0, "bob", text))
        .collect();
    // They are encrypted and on their way when the connection breaks: nobody knows whether the
    // server has them. It has not, and Bob gets a second device.
    lab.leave(0);
    let tablet = lab.link(1, false);
    lab.come_back(0);
    assert_eq!(lab.peers[tablet].texts("alice"), numbered(6));
    for id in ids {
        let message = lab.engine(0).message(id).unwrap().unwrap();
        assert_eq!(message.state, MessageState::Delivered);
        assert!(lab.engine(tablet).message(id).unwrap().is_some());
    }
}

#[test]
fn an_own_device_that_is_linked_elsewhere_makes_the_own_list_stale() {
    let mut lab = Lab::of(&["alice", "bob"]);
    let tablet = lab.link(0, false);
    lab.say(tablet, "bob", "one");
    lab.leave(tablet);
    let laptop = lab.link(0, false);
    lab.send(tablet, "bob", "two");
    lab.come_back(tablet);
    assert_eq!(lab.peers[laptop].texts("bob"), ["two"]);
    assert_eq!(lab.peers[1].texts("alice"), ["one", "two"]);
}

#[test]
fn copies_that_arrive_in_another_order_than_they_were_encrypted_in_are_read_and_no_attack() {
    let mut lab = Lab::of(&["alice", "bob", "carol"]);
    let tablet = lab.link(0, false);
    lab.say(0, "bob", "hello Bob");
    lab.say(0, "carol", "hello Carol");
    // The first message is encrypted first, refused for now, and overtaken by others.
    lab.model.refusals = 1;
    lab.send(0, "bob", "first");
    for text in numbered(30) {
        lab.send(0, "carol", &text);
    }
    lab.exchange();
    assert_eq!(lab.peers[tablet].texts("carol").len(), 31);
    assert_eq!(lab.peers[tablet].texts("bob").len(), 1);
    lab.settle();
    assert_eq!(lab.peers[tablet].texts("bob"), ["hello Bob", "first"]);
    for who in [0, 1, 2, tablet] {
        let notices = lab.peers[who].notices();
        let is_fine = |kind| kind == SecurityKind::DevicesChanged;
        assert!(
            notices.iter().all(|(_, kind)| is_fine(*kind)),
            "{notices:?}"
        );
    }
}

/// A device keeps the keys of five turns. What the server puts off for longer has another key when
/// it goes, and is the same message.
#[test]
fn a_copy_that_was_put_off_while_the_own_devices_took_turns_is_read() {
    for is_cut in [false, true] {
        let mut lab = Lab::of(&["alice", "bob", "carol"]);
        let tablet = lab.link(0, false);
        lab.say(0, "bob", "hello Bob");
        let bob = lab.peers[1].address().user;
        lab.model.full.insert(bob);
        lab.say(0, "bob", "first");
        lab.say(0, "bob", "second");
        if is_cut {
            lab.cut(0);
            lab.settle();
        }
        for text in numbered(8) {
            lab.say(0, "carol", &text);
            lab.say(tablet, "carol", &format!("{text} from the tablet"));
        }
        lab.model.full.clear();
        lab.settle();
        lab.say(0, "bob", "third");
        let all = ["hello Bob", "first", "second", "third"];
        assert_eq!(lab.peers[tablet].texts("bob"), all);
        assert_eq!(lab.peers[1].texts("alice"), all);
        for who in [0, 1, 2, tablet] {
            let notices = lab.peers[who].notices().into_iter();
            let kinds: Vec<_> = notices.map(|(_, kind)| kind).collect();
            let is_fine = |kind: &SecurityKind| *kind == SecurityKind::DevicesChanged;
            assert!(kinds.iter().all(is_fine), "{who}: {kinds:?}");
        }
    }
}

#[test]
fn a_new_device_gets_the_contacts_and_if_wanted_the_history() {
    let mut lab = Lab::of(&["alice", "bob", "carol"]);
    for text in numbered(30) {
        lab.send(0, "bob", &text);
    }
    lab.say(1, "alice", "an answer");
    lab.say(0, "carol", &"long ".repeat(8_000));
    let with = lab.link(0, true);
    let without = lab.link(0, false);
    for peer in ["bob", "carol"] {
        assert_eq!(lab.peers[with].texts(peer), lab.peers[0].texts(peer));
        assert!(lab.peers[without].texts(peer).is_empty());
    }
    let page = martlet_client::History::default();
    let history = lab.engine(with).history("bob", &page).unwrap();
    let original = lab.engine(0).history("bob", &page).unwrap();
    let place = |messages: &[martlet_client::Message]| -> Vec<_> {
        let places = messages.iter();
        places
            .map(|it| (it.id, it.at, it.direction, it.device))
            .collect()
    };
    assert_eq!(place(&history), place(&original));
    // Nothing of the past is an event.
    let events = lab.peers[with].take();
    assert!(
        !events
            .iter()
            .any(|event| matches!(event, Event::Message(_)))
    );
}

#[test]
fn a_long_history_comes_to_the_newest_thousand_messages_of_each_conversation() {
    let mut lab = Lab::of(&["alice", "bob"]);
    for text in numbered(1_050) {
        lab.send(0, "bob", &text);
    }
    for _ in 0..10 {
        lab.settle();
    }
    let tablet = lab.link(0, true);
    for _ in 0..5 {
        lab.settle();
    }
    let texts = lab.peers[tablet].texts("bob");
    assert_eq!(texts.len(), 1_000);
    assert_eq!(texts, numbered(1_050)[50..]);
}

#[test]
fn a_removed_device_gets_nothing_more_and_keeps_what_it_has() {
    let mut lab = Lab::of(&["alice", "bob"]);
    let tablet = lab.link(1, false);
    lab.say(0, "bob", "one");
    let now = lab.now;
    let device = lab.device(tablet);
    lab.engine(1).revoke(now, device).unwrap();
    lab.dial(1);
    lab.settle();
    let revoked = |answer: &Answer| match answer {
        Answer::DeviceRevoked { device } => Some(*device),
        _ => None,
    };
    assert_eq!(lab.peers[1].answer(revoked), Some(device));
    lab.say(0, "bob", "two");
    assert_eq!(lab.peers[1].texts("alice"), ["one", "two"]);
    assert_eq!(lab.peers[tablet].texts("alice"), ["one"]);
    let cause = lab.engine(tablet).offline_cause().cloned();
    assert!(
        matches!(cause, Some(OfflineCause::ClosedByServer { .. })),
        "{cause:?}"
    );
    lab.crash(tablet);
    assert!(!lab.engine(tablet).seeks_server());
    assert_eq!(lab.engine(1).devices().unwrap().len(), 1);
}

#[test]
fn what_a_device_wrote_before_it_was_removed_is_still_read() {
    let mut lab = Lab::of(&["alice", "bob"]);
    let tablet = lab.link(1, false);
    lab.say(0, "bob", "hello");
    lab.leave(0);
    lab.say(tablet, "alice", "from the tablet");
    let (now, device) = (lab.now, lab.device(tablet));
    lab.engine(1).revoke(now, device).unwrap();
    lab.dial(1);
    lab.settle();
    // Alice learns of the removal before she reads what came earlier.
    lab.say(1, "alice", "from the phone");
    lab.send(0, "bob", "good evening");
    lab.come_back(0);
    let texts = lab.peers[0].texts("bob");
    assert!(texts.contains(&"from the tablet".to_owned()), "{texts:?}");
    let notices = lab.peers[0].notices();
    assert!(
        notices
            .iter()
            .all(|(_, kind)| *kind == SecurityKind::DevicesChanged)
    );
}

#[test]
fn a_stranger_reads_what_a_device_wrote_that_was_removed_before_he_knew_its_account() {
    let mut lab = Lab::of(&["alice", "carol"]);
    let tablet = lab.link(0, false);
    let laptop = lab.link(0, false);
    lab.leave(1);
    lab.say(tablet, "carol", "from the tablet");
    // More lists than one answer has, and the last ones do not name the tablet.
    for round in 0..10 {
        let gone = if round == 0 {
            tablet
        } else {
            lab.link(0, false)
        };
        let (now, device) = (lab.now, lab.device(gone));
        lab.engine(0).revoke(now, device).unwrap();
        lab.dial(0);
        lab.settle();
    }
    lab.say(laptop, "carol", "from the laptop");
    lab.come_back(1);
    lab.settle();
    let texts = lab.peers[1].texts("alice");
    assert_eq!(texts, ["from the tablet", "from the laptop"]);
    assert_eq!(lab.peers[1].notices(), []);
}

#[test]
fn only_the_device_with_the_accounts_key_changes_the_devices() {
    let mut lab = Lab::of(&["alice"]);
    let tablet = lab.link(0, false);
    let now = lab.now;
    let (phone_id, tablet_id) = (lab.device(0), lab.device(tablet));
    let error = lab.engine(tablet).open_link(now, false).unwrap_err();
    assert!(matches!(error, DevicesError::NoAccountKey), "{error}");
    let error = lab.engine(tablet).revoke(now, phone_id).unwrap_err();
    assert!(matches!(error, DevicesError::NoAccountKey), "{error}");
    let error = lab.engine(0).revoke(now, phone_id).unwrap_err();
    assert!(matches!(error, DevicesError::ThisDevice), "{error}");
    let unknown = martlet_client::DeviceId(9);
    let error = lab.engine(0).revoke(now, unknown).unwrap_err();
    assert!(matches!(error, DevicesError::UnknownDevice), "{error}");
    assert!(lab.engine(0).revoke(now, tablet_id).is_ok());
    let error = lab.engine(0).revoke(now, tablet_id).unwrap_err();
    assert!(matches!(error, DevicesError::Busy), "{error}");
}

#[test]
fn an_account_has_five_devices_with_names() {
    let mut lab = Lab::of(&["alice"]);
    for _ in 0..4 {
        lab.link(0, false);
    }
    let now = lab.now;
    let error = lab.engine(0).open_link(now, false).unwrap_err();
    assert!(
        matches!(error, DevicesError::Full { devices_max: 5 }),
        "{error}"
    );
    for who in 0..5 {
        let (now, user) = (lab.now, lab.peers[who].address().user);
        lab.engine(who).ask_devices(now, user).unwrap();
        lab.dial(who);
        lab.settle();
        let devices = lab.engine(who).devices().unwrap();
        let names: Vec<_> = devices.iter().filter_map(|it| it.name.as_deref()).collect();
        assert_eq!(
            names,
            ["first device", "tablet", "tablet", "tablet", "tablet"]
        );
        let this: Vec<_> = devices.iter().filter(|it| it.is_this).collect();
        assert_eq!(this.len(), 1);
        assert_eq!(this[0].device, lab.device(who));
    }
}
