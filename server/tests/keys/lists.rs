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

/// What is published, and why it may not become version 2.
type Wrong = (&'static str, Vec<u8>, NackCode);

/// For an account with one device and version 1.
struct Forger<'a> {
    home: &'a Home,
    /// Of the device that would be the second one.
    second: Ed25519KeyPair,
    other: Ed25519KeyPair,
}

impl Forger<'_> {
    /// A device that agrees to be this one of the account with this key.
    fn listed(&self, device: u16, key: &Ed25519KeyPair, account_key: [u8; 32]) -> Entry {
        let address = Address {
            user: self.home.household.user,
            device: DeviceId(device),
        };
        Listed::new(address, key, &account_key).entry()
    }

    /// The next list with these devices, signed as it should be.
    fn signed(&self, devices: &[Entry], next_device: u16) -> Vec<u8> {
        self.home.household.sign_with(|list| {
            list.devices = List::Slice(devices.to_vec().leak());
            list.next_device = DeviceId(next_device);
        })
    }

    fn broken(&self) -> Vec<Wrong> {
        let ours = &self.home.household;
        let account_key = public(&ours.account_key);
        let first = ours.devices[0].entry();
        let second = self.listed(2, &self.second, account_key);
        let good = self.signed(&[first, second], 3);
        let flipped = |at: usize| {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            bytes
        };
        let elsewhere = self.listed(2, &self.second, [9; 32]);
        let silent = ListedDevice {
            signing_key: public(&self.other),
            ..second
        };
        let foreign = ours.sign_with(|list| list.user = UserId(4_711));
        [
            ("nothing", Vec::new()),
            ("no list", b"a list".to_vec()),
            ("too much", [&good[..], b"!"].concat()),
            ("another signature", flipped(good.len() - 1)),
            ("another content", flipped(60)),
            ("another account's", foreign),
            ("a proof for another", self.signed(&[first, elsewhere], 3)),
            ("a key without proof", self.signed(&[first, silent], 3)),
        ]
        .map(|(what, list)| (what, list, NackCode::LIST_INVALID))
        .to_vec()
    }

    fn no_successors(&self) -> Vec<Wrong> {
        let ours = &self.home.household;
        let account_key = public(&ours.account_key);
        let first = ours.devices[0].entry();
        let [moved, second] = [1, 2].map(|it| self.listed(it, &self.second, account_key));
        let third = self.listed(3, &self.other, account_key);
        // Its proofs are for its own account key, so only the chain tells.
        let device = &self.home.devices[0];
        let mut usurper = Household::new(device.address(), device.key());
        usurper.head = ours.head;
        let history = ours.sign_with(|list| list.previous = [7; 32]);
        let invalid = [
            ("another account key", usurper.sign_with(|_| {})),
            ("another history", history),
            ("another key for a device", self.signed(&[moved], 2)),
            ("not the next device", self.signed(&[first, third], 4)),
            ("two devices", self.signed(&[first, second, third], 4)),
            ("nobody who was there", self.signed(&[second], 3)),
            ("an id left out", self.signed(&[first], 3)),
        ]
        .map(|(what, list)| (what, list, NackCode::LIST_INVALID));
        let conflicts = [1, 3].map(|version| {
            let list = ours.sign_with(|list| list.version = version);
            ("another version", list, NackCode::LIST_CONFLICT)
        });
        [&invalid[..], &conflicts].concat()
    }
}

type Entry = ListedDevice<'static>;

#[test]
fn a_list_that_breaks_a_rule_is_refused_and_changes_nothing() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(directory.path().join("data"), directory.path().join("log"));
    let server = site.start(martletd());
    let mut home = Home::new(server.address(), "alice", 1);
    let user = home.user();
    let before = lists_of(home.first(), user, 0);
    let [second, other] = [(), ()].map(|()| Ed25519KeyPair::generate().expect("make a key"));
    let forger = Forger {
        home: &home,
        second,
        other,
    };
    let wrong = [forger.broken(), forger.no_successors()].concat();
    for (what, list, code) in wrong {
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
    // The same with nothing wrong in it passes.
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
