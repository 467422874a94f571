//! A server that lies about devices and keys, and accounts that begin anew: what the client tells
//! of it, and to whom it sends nothing.
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
use martlet_protocol::{Address, DeviceId, UserId};

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
fn a_device_that_the_server_adds_gets_nothing() {
    let mut lab = Lab::acquainted();
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
fn a_message_of_a_new_device_waits_until_the_server_shows_the_list() {
    let mut lab = Lab::acquainted();
    lab.link(1, false);
    lab.say(0, "bob", "for both");
    let third = lab.link(1, false);
    lab.peers[0].take();
    let bob = lab.model.user("bob");
    let old = lab.model.account(bob).lists[..1].to_vec();
    lab.model.false_lists.insert(bob, old);
    lab.send(third, "alice", "from the third");
    lab.settle();
    let kind = SecurityKind::ListRolledBack;
    assert_eq!(lab.peers[0].notices(), [("bob".to_owned(), kind)]);
    lab.model.false_lists.remove(&bob);
    lab.wait(60_000);
    lab.settle();
    assert_eq!(lab.peers[0].texts("bob").last().unwrap(), "from the third");
    let kind = SecurityKind::DevicesChanged;
    assert_eq!(lab.peers[0].notices(), [("bob".to_owned(), kind)]);
}

#[test]
fn an_older_list_is_told_and_not_used() {
    let mut lab = Lab::acquainted();
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
    let mut lab = Lab::acquainted();
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
    let mut lab = Lab::acquainted();
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
    let mut lab = Lab::acquainted();
    reset(&mut lab);
    let kind = SecurityKind::IdentityChanged;
    assert_eq!(lab.peers[0].notices(), [("bob".to_owned(), kind)]);
}

#[test]
fn under_another_key_than_the_verified_one_nothing_is_sent_before_a_person_has_decided() {
    let mut lab = Lab::acquainted();
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
    let mut lab = Lab::acquainted();
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
fn a_contact_whose_key_an_own_device_knows_cannot_be_replaced_for_a_new_one() {
    let mut lab = Lab::acquainted();
    // The server shows the new device a Bob of its own.
    let bob = lab.model.user("bob");
    let key = AccountKey::from_seed(&[96; 32]);
    let device = intruder(bob, DeviceId(1), key.public());
    let first = SignedList::first(&key, bob, DeviceId(2), &[device], Millis(0)).unwrap();
    lab.model
        .false_lists
        .insert(bob, vec![first.bytes().to_vec()]);
    let tablet = lab.link(0, false);
    let now = lab.now;
    lab.engine(tablet).ask_devices(now, bob).unwrap();
    lab.dial(tablet);
    lab.settle();
    let forked = ("bob".to_owned(), SecurityKind::ListForked);
    assert!(lab.peers[tablet].notices().contains(&forked));
    let id = lab.send(tablet, "bob", "secret");
    lab.settle();
    let message = lab.engine(tablet).message(id).unwrap().unwrap();
    assert_eq!(
        message.state,
        MessageState::Pending,
        "nothing is sent to it"
    );
}

#[test]
fn a_list_that_an_own_device_knows_cannot_be_hidden_from_a_new_one() {
    let mut lab = Lab::acquainted();
    lab.link(1, false);
    lab.say(0, "bob", "for both");
    let bob = lab.model.user("bob");
    let old = lab.model.account(bob).lists[..1].to_vec();
    lab.model.false_lists.insert(bob, old);
    let tablet = lab.link(0, false);
    let id = lab.send(tablet, "bob", "for both, too");
    lab.settle();
    let rolled_back = ("bob".to_owned(), SecurityKind::ListRolledBack);
    assert_eq!(lab.peers[tablet].notices(), [rolled_back]);
    let message = lab.engine(tablet).message(id).unwrap().unwrap();
    assert_eq!(message.state, MessageState::Pending);
    lab.model.false_lists.clear();
    for _ in 0..10 {
        lab.settle();
    }
    let message = lab.engine(tablet).message(id).unwrap().unwrap();
    assert_eq!(message.state, MessageState::Delivered);
}

#[test]
fn both_sides_see_one_safety_number_and_scan_it() {
    let mut lab = Lab::acquainted();
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
