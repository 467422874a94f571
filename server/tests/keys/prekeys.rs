//! Prekeys: brought by their device, handed out once, and refused by name.

use aws_lc_rs::signature::Ed25519KeyPair;
use martlet_protocol::auth::PrekeyKind;
use martlet_protocol::frame::{Frame, Prekey, Stock, Upload};
use martlet_protocol::wire::List;
use martlet_protocol::{DeviceId, Kind, NackCode, Timestamp, UserId};

use crate::home::{Home, PUBLISH, claim, claimed, expect_refusal, part, publish};
use crate::support::client::{Client, Outgoing};
use crate::support::household::Household;
use crate::support::site::{Site, martletd};
use crate::support::wire::Got;

/// What one CLAIM for one device got: kind and id.
fn claim_one(client: &mut Client, user: UserId, device: u16) -> Vec<(PrekeyKind, u64)> {
    claim(client, user, &[device]);
    let bundles = claimed(client).expect("within the quota");
    let bundles = bundles.iter();
    bundles
        .map(|bundle| {
            assert_eq!(bundle.device.0, device);
            (bundle.kind, bundle.prekey.id)
        })
        .collect()
}

fn unasked_stock(client: &mut Client) -> Stock {
    client.expect("STOCK", |got| match got {
        Got::Stock(stock) if stock.request == 0 => Some(*stock),
        _ => None,
    })
}

#[test]
fn one_time_keys_go_out_once_oldest_first_and_then_the_last_resort() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(directory.path().join("data"), directory.path().join("log"));
    let server = site.start(martletd());
    let mut bob = Home::new(server.address(), "bob", 2);
    let mut alice = Client::register(server.address(), "alice");
    alice.go_online(server.address());
    let user = bob.user();
    assert_eq!(claim_one(&mut alice, user, 1), [], "nothing was brought");

    let stock = bob.upload(0, 1..=3, 1);
    assert_eq!((stock.one_time, stock.last_resort), (3, 1));
    // Known ids are not news; what follows them is.
    let stock = bob.upload(0, 2..=4, 1);
    assert_eq!((stock.one_time, stock.last_resort), (4, 1));
    bob.upload(1, 1..=2, 0);

    claim(&mut alice, user, &[2, 9, 1]);
    let bundles = claimed(&mut alice).expect("within the quota");
    let keys: Vec<_> = bundles.iter().map(|it| (it.device.0, it.prekey)).collect();
    let expected = [1, 0].map(|index| {
        let key = bob.devices[index].key();
        let prekeys = bob.household.prekeys(key, PrekeyKind::ONE_TIME, [1]);
        (bob.devices[index].address().device.0, prekeys[0])
    });
    assert_eq!(keys, expected, "byte for byte, in the order of the CLAIM");

    server.kill();
    let server = site.start(martletd());
    alice.go_online(server.address());
    bob.devices[0].go_online(server.address());
    // Few are left, so the device hears of it as soon as it is there.
    assert_eq!(unasked_stock(bob.first()).one_time, 3);
    let one_time = PrekeyKind::ONE_TIME;
    assert_eq!(claim_one(&mut alice, user, 1), [(one_time, 2)]);
    assert_eq!(claim_one(&mut alice, user, 1), [(one_time, 3)]);
    assert_eq!(claim_one(&mut alice, user, 1), [(one_time, 4)]);
    let last_resort = PrekeyKind::LAST_RESORT;
    assert_eq!(claim_one(&mut alice, user, 1), [(last_resort, 1)]);
    assert_eq!(claim_one(&mut alice, user, 1), [(last_resort, 1)]);
    let counts: Vec<_> = (0..5)
        .map(|_| unasked_stock(bob.first()))
        .map(|stock| (stock.one_time, stock.last_resort_uses))
        .collect();
    assert_eq!(counts, [(2, 0), (1, 0), (0, 0), (0, 1), (0, 2)]);
    // A new last-resort key has not been used yet; keys that were handed out do not come back.
    let stock = bob.upload(0, 1..=5, 2);
    let said = (stock.one_time, stock.last_resort, stock.last_resort_uses);
    assert_eq!(said, (1, 2, 0));
    assert_eq!(claim_one(&mut alice, user, 1), [(one_time, 5)]);
    claim(&mut alice, UserId(4_711), &[1]);
    let refusal = claimed(&mut alice).expect_err("nobody has this id");
    assert_eq!(refusal.code, NackCode::UNKNOWN_HANDLE);
    server.kill();
    site.verify(martletd());
}

fn upload(client: &mut Client, last_resort: Option<Prekey>, one_time: &[Prekey]) {
    client.ask(&Frame::Upload(Upload {
        request: 5,
        last_resort,
        one_time: List::Slice(one_time),
    }));
}

#[test]
fn prekeys_that_are_not_the_devices_own_are_refused_and_none_is_kept() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(directory.path().join("data"), directory.path().join("log"));
    let server = site.start(martletd());
    let mut bob = Home::new(server.address(), "bob", 2);
    let household = &bob.household;
    let keys = |index: usize, kind, ids: &[u64]| {
        household.prekeys(bob.devices[index].key(), kind, ids.iter().copied())
    };
    let one_time = keys(0, PrekeyKind::ONE_TIME, &[1, 2, 3]);
    let others = keys(1, PrekeyKind::ONE_TIME, &[1, 2, 3]);
    let last_resort = keys(0, PrekeyKind::LAST_RESORT, &[1])[0];
    let forged = Prekey {
        key: [7; 32],
        ..one_time[1]
    };
    let renumbered = Prekey {
        id: 9,
        ..one_time[2]
    };
    let [first, second, third] = one_time[..] else {
        panic!("three were made")
    };
    let zero = keys(0, PrekeyKind::ONE_TIME, &[0])[0];
    let cases: [(_, Option<Prekey>, Vec<Prekey>); 8] = [
        ("another device's", None, others),
        (
            "one forged among good ones",
            None,
            vec![first, forged, third],
        ),
        ("another number", None, vec![first, second, renumbered]),
        (
            "a last-resort key as a one-time key",
            None,
            vec![last_resort],
        ),
        ("a one-time key as the last resort", Some(first), vec![]),
        ("number zero", None, vec![zero, first]),
        ("out of order", None, vec![second, first]),
        ("twice", None, vec![first, first]),
    ];
    for (what, last_resort, one_time) in cases {
        println!("{what}");
        upload(bob.first(), last_resort, &one_time);
        expect_refusal(bob.first(), Kind::UPLOAD, NackCode::KEYS_INVALID);
    }
    // A device in no list has no identity that a signature could name.
    let mut carol = Client::register(server.address(), "carol");
    carol.go_online(server.address());
    upload(&mut carol, None, &[first]);
    expect_refusal(&mut carol, Kind::UPLOAD, NackCode::KEYS_INVALID);

    claim(&mut carol, bob.user(), &[1, 2]);
    assert_eq!(claimed(&mut carol), Ok(vec![]), "nothing was kept");
    assert_eq!(bob.upload(0, [1, 2, 3], 1).one_time, 3);
}

#[test]
fn signatures_are_counted_for_the_device_whatever_connection_it_has() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(directory.path().join("data"), directory.path().join("log"));
    let server = site.start(martletd());
    let mut bob = Home::new(server.address(), "bob", 1);
    for _ in 0..2 {
        assert_eq!(bob.upload(0, 1..=100, 1).one_time, 100);
    }
    let key = Ed25519KeyPair::generate().expect("make a key");
    let address = bob.household.admit(&key);
    bob.publish();
    let one_time = bob
        .household
        .prekeys(bob.devices[0].key(), PrekeyKind::ONE_TIME, 1..=100);
    for _ in 0..2 {
        upload(bob.first(), None, &one_time);
        let refusal = expect_refusal(bob.first(), Kind::UPLOAD, NackCode::RATE_LIMITED);
        assert!(
            (1..=10_000).contains(&refusal.retry_after_ms),
            "{refusal:?}"
        );
        bob.devices[0].disconnect();
        bob.devices[0].go_online(server.address());
    }
    // Another device of the account has its own share.
    let mut second = Client::of(key, address);
    second.go_online(server.address());
    bob.devices.push(second);
    assert_eq!(bob.upload(1, 1..=100, 1).one_time, 100);
}

#[test]
fn a_session_that_asks_without_end_is_slowed_down() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(directory.path().join("data"), directory.path().join("log"));
    let server = site.start(martletd());
    let bob = Home::new(server.address(), "bob", 1);
    let mut alice = Client::register(server.address(), "alice");
    alice.go_online(server.address());
    for _ in 0..200 {
        claim(&mut alice, bob.user(), &[1]);
    }
    let answers: Vec<_> = (0..200).map(|_| claimed(&mut alice)).collect();
    let refused: Vec<_> = answers.iter().filter_map(|it| it.as_ref().err()).collect();
    let passed = answers.len() - refused.len();
    assert!((40..150).contains(&passed), "{passed} of 200 passed");
    for nack in refused {
        assert_eq!(nack.code, NackCode::RATE_LIMITED);
        assert!((1..=50).contains(&nack.retry_after_ms), "{nack:?}");
    }
}

#[test]
fn what_stands_behind_a_publish_is_judged_by_its_list() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(directory.path().join("data"), directory.path().join("log"));
    let server = site.start(martletd());
    let bob = Home::new(server.address(), "bob", 1);
    // Several accounts, so that the recipient is on another reactor than some.
    for number in 0..4 {
        let mut alice = Client::register(server.address(), &format!("alice{number}"));
        alice.go_online(server.address());
        let mut household = Household::new(alice.address(), alice.key());
        let prekeys = household.prekeys(alice.key(), PrekeyKind::ONE_TIME, 1..=3);
        let upload = Frame::Upload(Upload {
            request: 5,
            last_resort: None,
            one_time: List::Slice(&prekeys),
        });
        // A list that is refused changes nothing for what follows.
        publish(&mut alice, b"no list", b"");
        alice.ask(&upload);
        expect_refusal(&mut alice, Kind::PUBLISH, NackCode::LIST_INVALID);
        expect_refusal(&mut alice, Kind::UPLOAD, NackCode::KEYS_INVALID);

        // All of it in one write, so that the server has all of it before it has done any.
        let list = household.sign();
        publish(&mut alice, &list, b"");
        alice.ask(&upload);
        let outgoing = Outgoing {
            versions: (1, 1),
            to_parts: vec![part(bob.user(), DeviceId(1), "at once")],
            ..alice.compose(bob.user(), b"at once")
        };
        alice.send(&outgoing, Timestamp(0));
        // Two shards answer: which of them is first is not promised.
        let (mut version, mut stock, mut is_sent) = (None, None, false);
        alice.expect("PUBLISHED, STOCK and SENT", |got| {
            match got {
                Got::Published(answer) if answer.request == PUBLISH => {
                    version = Some(answer.version)
                }
                Got::Stock(answer) if answer.request == 5 => stock = Some(answer.one_time),
                Got::Sent(sent) => is_sent |= sent.message_id == outgoing.id,
                Got::Nack(nack) => panic!("refused: {nack:?}"),
                _ => {}
            }
            (is_sent && version.is_some() && stock.is_some()).then_some(())
        });
        assert_eq!(version, Some(1));
        assert_eq!(stock, Some(3));
    }
    server.kill();
    site.verify(martletd());
}
