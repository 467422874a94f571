//! Device lists: published by their account, handed out to everybody, and refused by name.

use aws_lc_rs::signature::Ed25519KeyPair;
use martlet_protocol::frame::{Devices, Frame};
use martlet_protocol::wire::List;
use martlet_protocol::{Address, DeviceId, Kind, ListedDevice, NackCode, UserId};

use crate::home::{Home, expect_refusal, lists_of, publish, published};
use crate::support::client::Client;
use crate::support::household::{Household, Listed, public};
use crate::support::site::{Site, martletd};

#[test]
fn a_list_is_published_handed_out_and_there_after_a_crash() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(home.path().join("data"), home.path().join("log"));
    let server = site.start(martletd());
    let mut alice = Client::register(server.address(), "alice");
    alice.go_online(server.address());
    let mut household = Household::new(alice.address(), alice.key());
    let user = household.user;
    let mut bob = Client::register(server.address(), "bob");
    bob.go_online(server.address());
    assert_eq!(lists_of(&mut bob, user, 0), (0, vec![]));

    let first = household.sign();
    publish(&mut alice, &first, b"");
    assert_eq!(published(&mut alice), 1);
    household.admit(&Ed25519KeyPair::generate().expect("make a key"));
    let second = household.sign();
    publish(&mut alice, &second, b"");
    assert_eq!(published(&mut alice), 2);
    // The answer might have been lost.
    publish(&mut alice, &second, b"");
    assert_eq!(published(&mut alice), 2);
    // An older one is no news.
    publish(&mut alice, &first, b"");
    expect_refusal(&mut alice, Kind::PUBLISH, NackCode::LIST_CONFLICT);

    server.kill();
    let server = site.start(martletd());
    bob.go_online(server.address());
    assert_eq!(lists_of(&mut bob, user, 0), (2, vec![second.clone()]));
    assert_eq!(lists_of(&mut bob, user, 1), (2, vec![second]));
    assert_eq!(lists_of(&mut bob, user, 2), (2, vec![]));
    assert_eq!(lists_of(&mut bob, user, 9), (2, vec![]));
    bob.ask(&Frame::Devices(Devices {
        request: 9,
        user: UserId(4_711),
        have: 0,
    }));
    expect_refusal(&mut bob, Kind::DEVICES, NackCode::UNKNOWN_HANDLE);
    server.kill();
    site.verify(martletd());
}

#[test]
fn eighteen_lists_come_in_two_answers() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(home.path().join("data"), home.path().join("log"));
    let server = site.start(martletd());
    let mut alice = Client::register(server.address(), "alice");
    alice.go_online(server.address());
    let mut household = Household::new(alice.address(), alice.key());
    let mut signed = Vec::new();
    for version in 1..=18 {
        signed.push(household.sign());
        publish(&mut alice, &signed[version - 1], b"");
        assert_eq!(published(&mut alice), version as u64);
    }
    let (newest, lists) = lists_of(&mut alice, household.user, 1);
    assert_eq!((newest, &lists[..]), (18, &signed[1..17]));
    let (newest, lists) = lists_of(&mut alice, household.user, 17);
    assert_eq!((newest, &lists[..]), (18, &signed[17..]));
}

/// Lists for an account with one device and version 1, none of which may become version 2.
fn wrong_lists(home: &Home) -> Vec<(&'static str, Vec<u8>, NackCode)> {
    let ours = &home.household;
    let stranger = Ed25519KeyPair::generate().expect("make a key");
    let third = Ed25519KeyPair::generate().expect("make a key");
    let account_key = public(&ours.account_key);
    let address_of = |device| Address {
        user: ours.user,
        device: DeviceId(device),
    };
    let first = ours.devices[0].entry();
    let second = Listed::new(address_of(2), &stranger, &account_key).entry();
    let with = |devices: &[ListedDevice<'static>], next_device: u16| {
        ours.sign_with(|list| {
            let devices: &'static [_] = devices.to_vec().leak();
            list.devices = List::Slice(devices);
            list.next_device = DeviceId(next_device);
        })
    };
    let good = with(&[first, second], 3);
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    // The proofs are for this other key, so only the chain tells.
    let mut usurper = Household::new(home.devices[0].address(), home.devices[0].key());
    usurper.head = ours.head;
    let of_nobody = Listed::new(address_of(2), &stranger, &[9; 32]).entry();
    let with_their_key = ListedDevice {
        signing_key: public(&third),
        ..second
    };
    let moved = Listed::new(address_of(1), &stranger, &account_key).entry();
    let skipped = Listed::new(address_of(3), &stranger, &account_key).entry();
    let third = Listed::new(address_of(3), &third, &account_key).entry();
    let invalid = NackCode::LIST_INVALID;
    vec![
        ("nothing", Vec::new(), invalid),
        ("no list", b"a list".to_vec(), invalid),
        ("too much", [&good[..], b"!"].concat(), invalid),
        ("another signature", flipped(good.len() - 1), invalid),
        ("another content", flipped(60), invalid),
        (
            "another account's",
            { ours.sign_with(|list| list.user = UserId(4_711)) },
            invalid,
        ),
        (
            "a proof for another account key",
            with(&[first, of_nobody], 3),
            invalid,
        ),
        (
            "a key that has agreed to nothing",
            with(&[first, with_their_key], 3),
            invalid,
        ),
        ("another account key", usurper.sign_with(|_| {}), invalid),
        (
            "another history",
            ours.sign_with(|list| list.previous = [7; 32]),
            invalid,
        ),
        ("another key for a device", with(&[moved], 2), invalid),
        (
            "a device that is not the next one",
            with(&[first, skipped], 4),
            invalid,
        ),
        (
            "two devices at once",
            with(&[first, second, third], 4),
            invalid,
        ),
        ("nobody who was there", with(&[second], 3), invalid),
        ("a device too few in the count", with(&[first], 3), invalid),
        (
            "a version left out",
            ours.sign_with(|list| list.version = 3),
            NackCode::LIST_CONFLICT,
        ),
        (
            "the same version",
            ours.sign_with(|list| list.version = 1),
            NackCode::LIST_CONFLICT,
        ),
    ]
}

#[test]
fn a_list_that_breaks_a_rule_is_refused_and_changes_nothing() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(directory.path().join("data"), directory.path().join("log"));
    let server = site.start(martletd());
    let mut home = Home::new(server.address(), "alice", 1);
    let user = home.user();
    let before = lists_of(home.first(), user, 0);
    for (what, list, code) in wrong_lists(&home) {
        println!("{what}");
        publish(home.first(), &list, b"");
        expect_refusal(home.first(), Kind::PUBLISH, code);
        assert_eq!(lists_of(home.first(), user, 0), before, "{what}");
    }
    // The first list must name the devices that there are, with the keys that they registered.
    let mut bob = Client::register(server.address(), "bob");
    bob.go_online(server.address());
    let other = Ed25519KeyPair::generate().expect("make a key");
    let list = Household::new(bob.address(), &other).sign();
    publish(&mut bob, &list, b"");
    expect_refusal(&mut bob, Kind::PUBLISH, NackCode::LIST_INVALID);
    let user = bob.address().user;
    assert_eq!(lists_of(&mut bob, user, 0), (0, vec![]));
    // What was refused was no mistake of the helper: the same with nothing wrong in it passes.
    home.add_device();
    assert_eq!(site.logged("device_list_published"), 2);
    server.kill();
    site.verify(martletd());
}

#[test]
fn an_account_has_five_devices_and_no_more() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(directory.path().join("data"), directory.path().join("log"));
    let server = site.start(martletd());
    let mut home = Home::new(server.address(), "alice", 5);
    let user = home.user();
    // A sixth does not even fit into a list.
    let key = Ed25519KeyPair::generate().expect("make a key");
    home.household.admit(&key);
    let six = home.household.sign_with(|_| {});
    assert!(six.len() < 2_048);
    publish(home.first(), &six, b"");
    expect_refusal(home.first(), Kind::PUBLISH, NackCode::LIST_INVALID);
    // In the place of another one it does.
    home.household.dismiss(DeviceId(4));
    home.publish();
    assert_eq!(lists_of(home.first(), user, 0).0, 6);
    server.kill();
    site.verify(martletd());
}
