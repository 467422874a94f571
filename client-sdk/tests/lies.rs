//! A server that lies, and what the client tells of it. Each lie is told by its name, and none of
//! them makes the client show or send what it should not.
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
use martlet_client::crypto::identity::{AccountKey, prove};
use martlet_client::crypto::list::{ListedDevice, SignedList};
use martlet_client::keys::{DeviceKey, KeySeed};
use martlet_client::{MessageState, Millis, SecurityKind, SendError};
use martlet_protocol::frame::EventKind;
use martlet_protocol::{Address, DeviceId, UserId};
use model::Item;

/// Two people who have talked to each other.
fn acquainted() -> Lab {
    let mut lab = Lab::of(&["alice", "bob"]);
    lab.say(0, "bob", "hello Bob");
    lab.say(1, "alice", "hello Alice");
    lab.peers[0].take();
    lab.peers[1].take();
    lab
}

/// Alice writes while Bob is away; then `lie` changes what waits for him, and he comes back.
fn with_changed_stream(texts: &[&str], lie: impl FnOnce(&mut Vec<Item>, usize)) -> Lab {
    let mut lab = acquainted();
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

fn list_of(lab: &mut Lab, user: UserId) -> SignedList {
    let bytes = lab.model.account(user).lists.last().unwrap().clone();
    SignedList::verify(&bytes, user).unwrap()
}

/// A device that the server made up, with keys that only the server has.
fn intruder(user: UserId, device: DeviceId, account_key: [u8; 32]) -> ListedDevice {
    let signer = DeviceKey::new(&KeySeed([99; 32]));
    let address = Address { user, device };
    let identity_key = [98; 32];
    ListedDevice {
        device,
        signing_key: signer.public(),
        identity_key,
        proof: prove(&signer, address, &account_key, &identity_key),
        name: Vec::new(),
    }
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
    let mut lab = acquainted();
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
fn a_device_that_the_server_adds_gets_nothing() {
    let mut lab = acquainted();
    let bob = lab.model.user("bob");
    let list = list_of(&mut lab, bob);
    // The server cannot sign with Bob's key; with its own the list is another account's.
    let own = AccountKey::from_seed(&[97; 32]);
    let mut devices = list.devices().to_vec();
    devices.push(intruder(bob, DeviceId(2), *list.account_key()));
    let forged = SignedList::first(&own, bob, DeviceId(3), &devices[1..], Millis(0));
    assert!(forged.is_err(), "not even the proof holds");
    let mut forged = list.bytes().to_vec();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    lab.model
        .false_lists
        .insert(bob, vec![list.bytes().to_vec(), forged]);
    let claims = lab.model.claims;
    let now = lab.now;
    lab.engine(0).ask_devices(now, bob).unwrap();
    lab.dial(0);
    lab.settle();
    let kinds: Vec<_> = lab.peers[0].notices();
    assert_eq!(kinds, [("bob".to_owned(), SecurityKind::ListInvalid)]);
    assert_eq!(lab.model.claims, claims, "no session is made with it");
}

#[test]
fn an_older_list_is_told_and_not_used() {
    let mut lab = acquainted();
    let tablet = lab.link(1, false);
    lab.say(0, "bob", "for both");
    lab.peers[0].take();
    let bob = lab.model.user("bob");
    let old = lab.model.account(bob).lists[..1].to_vec();
    lab.model.false_lists.insert(bob, old);
    let now = lab.now;
    lab.engine(0).ask_devices(now, bob).unwrap();
    lab.dial(0);
    lab.settle();
    let kind = SecurityKind::ListRolledBack;
    assert_eq!(lab.peers[0].notices(), [("bob".to_owned(), kind)]);
    lab.say(0, "bob", "still for both");
    assert_eq!(
        lab.peers[tablet].texts("alice"),
        ["for both", "still for both"]
    );
}

#[test]
fn a_list_that_is_hidden_is_known_from_what_its_owner_says() {
    let mut lab = acquainted();
    lab.leave(0);
    let tablet = lab.link(1, false);
    let bob = lab.model.user("bob");
    let old = lab.model.account(bob).lists[..1].to_vec();
    lab.model.false_lists.insert(bob, old);
    lab.say(1, "alice", "I have a tablet now");
    lab.come_back(0);
    let kind = SecurityKind::ListRolledBack;
    assert_eq!(lab.peers[0].notices(), [("bob".to_owned(), kind)]);
    // Once the server tells the truth everything is as it should be.
    lab.model.false_lists.clear();
    lab.say(0, "bob", "for both");
    assert_eq!(
        lab.peers[tablet].texts("alice"),
        ["I have a tablet now", "for both"]
    );
}

#[test]
fn two_lists_of_one_version_are_told() {
    let mut lab = acquainted();
    // Bob's key signs two different second lists: one of them only the server can want.
    let bob = lab.model.user("bob");
    let list = list_of(&mut lab, bob);
    let key = AccountKey::from_seed(&[0x82; 32]);
    assert_eq!(key.public(), *list.account_key());
    let other = |mark| {
        let device = intruder(bob, DeviceId(2), *list.account_key());
        list.with_device(&key, device, Millis(mark)).unwrap()
    };
    let show = |lab: &mut Lab, second: &SignedList| {
        let lists = vec![list.bytes().to_vec(), second.bytes().to_vec()];
        lab.model.false_lists.insert(bob, lists);
        let now = lab.now;
        lab.engine(0).ask_devices(now, bob).unwrap();
        lab.dial(0);
        lab.settle();
    };
    show(&mut lab, &other(1));
    let added = ("bob".to_owned(), SecurityKind::DevicesChanged);
    assert_eq!(lab.peers[0].notices(), [added]);
    // The one that Bob himself knows is told by his messages.
    lab.say(1, "alice", "hello");
    let third = list_of(&mut lab, bob);
    assert_eq!(third.version(), 1);
    lab.model.false_lists.clear();
    lab.link(1, false);
    lab.say(1, "alice", "I have a tablet now");
    let forked = ("bob".to_owned(), SecurityKind::ListForked);
    assert_eq!(lab.peers[0].notices(), [forked]);
}

#[test]
fn a_prekey_that_the_device_did_not_sign_is_not_used() {
    let mut lab = Lab::of(&["alice", "bob"]);
    lab.model.swaps_keys = true;
    let id = lab.say(0, "bob", "a secret");
    let message = lab.engine(0).message(id).unwrap().unwrap();
    assert_eq!(message.state, MessageState::Pending);
    let notices = lab.peers[0].notices();
    assert!(!notices.is_empty());
    assert!(
        notices
            .iter()
            .all(|(_, kind)| *kind == SecurityKind::KeyInvalid)
    );
    lab.model.swaps_keys = false;
    lab.wait(10_000);
    lab.settle();
    assert_eq!(lab.peers[1].texts("alice"), ["a secret"]);
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
    let mut lab = acquainted();
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

/// Bob's account is reset: a new key, a new device.
fn reset(lab: &mut Lab) -> SignedList {
    let bob = lab.model.user("bob");
    let list = list_of(lab, bob);
    let key = AccountKey::from_seed(&[96; 32]);
    let device = intruder(bob, list.next_device(), key.public());
    let reset = list.reset(&key, device, Millis(0)).unwrap();
    let lists = vec![list.bytes().to_vec(), reset.bytes().to_vec()];
    lab.model.false_lists.insert(bob, lists);
    let now = lab.now;
    lab.engine(0).ask_devices(now, bob).unwrap();
    lab.dial(0);
    lab.settle();
    reset
}

#[test]
fn another_account_key_is_told() {
    let mut lab = acquainted();
    reset(&mut lab);
    let kind = SecurityKind::IdentityChanged;
    assert_eq!(lab.peers[0].notices(), [("bob".to_owned(), kind)]);
}

#[test]
fn under_another_key_than_the_verified_one_nothing_is_sent_before_a_person_has_decided() {
    let mut lab = acquainted();
    let now = lab.now;
    let number = lab.engine(1).safety_number("alice").unwrap();
    let number = number.to_string();
    let proof = martlet_client::engine::Proof::Number(&number);
    lab.engine(0).verify(now, "bob", proof).unwrap();
    assert!(lab.engine(0).is_verified("bob").unwrap());

    reset(&mut lab);
    let kind = SecurityKind::VerifiedIdentityChanged;
    assert_eq!(lab.peers[0].notices(), [("bob".to_owned(), kind)]);
    assert!(!lab.engine(0).is_verified("bob").unwrap());
    let outgoing = martlet_client::engine::Outgoing {
        to: "bob",
        text: "secret",
        ttl_ms: None,
    };
    let error = lab.engine(0).send(now, [1; 10], &outgoing).unwrap_err();
    assert!(matches!(error, SendError::IdentityChanged), "{error}");
    // The mark is not the old key's any more, and the number is another one.
    assert!(lab.engine(0).verify(now, "bob", proof).is_err());
    assert!(lab.engine(0).send(now, [1; 10], &outgoing).is_err());

    lab.engine(0).accept_identity(now, "bob").unwrap();
    assert!(lab.engine(0).send(now, [1; 10], &outgoing).is_ok());
    assert!(!lab.engine(0).is_verified("bob").unwrap());
}

#[test]
fn what_waits_when_a_verified_key_changes_waits_for_a_person() {
    let mut lab = acquainted();
    let now = lab.now;
    lab.engine(0).set_verified(now, "bob", true).unwrap();
    lab.leave(0);
    let id = lab.send(0, "bob", "secret");
    let bob = lab.model.user("bob");
    let list = list_of(&mut lab, bob);
    let key = AccountKey::from_seed(&[96; 32]);
    let device = intruder(bob, list.next_device(), key.public());
    let reset = list.reset(&key, device, Millis(0)).unwrap();
    // The server itself follows its lie, so that the message is refused as stale.
    lab.model.account(bob).lists.push(reset.bytes().to_vec());
    lab.come_back(0);
    let message = lab.engine(0).message(id).unwrap().unwrap();
    assert_eq!(message.state, MessageState::Pending);
    let kind = SecurityKind::VerifiedIdentityChanged;
    assert_eq!(lab.peers[0].notices(), [("bob".to_owned(), kind)]);
}

#[test]
fn a_stream_that_begins_anew_after_a_restored_backup_is_no_attack() {
    let mut lab = acquainted();
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
fn both_sides_see_one_safety_number_and_scan_it() {
    let mut lab = acquainted();
    let now = lab.now;
    let numbers =
        [(0, "bob"), (1, "alice")].map(|(who, peer)| lab.engine(who).safety_number(peer).unwrap());
    assert_eq!(numbers[0], numbers[1]);
    let code = lab.engine(1).safety_code("alice").unwrap();
    let proof = martlet_client::engine::Proof::Code(&code);
    lab.engine(0).verify(now, "bob", proof).unwrap();
    assert!(lab.engine(0).is_verified("bob").unwrap());
    lab.engine(0).set_verified(now, "bob", false).unwrap();
    assert!(!lab.engine(0).is_verified("bob").unwrap());
    // A device more changes nothing about it.
    lab.link(1, false);
    lab.say(1, "alice", "hello");
    assert_eq!(lab.engine(0).safety_number("bob").unwrap(), numbers[0]);
}
