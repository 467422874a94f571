//! A message has a part for each device: who gets which, and what is refused.

use martlet_protocol::{DeviceId, Kind, NackCode, Timestamp};

use crate::home::{Home, deliver, expect_refusal, lists_of, part, receive};
use crate::support::client::{Client, Outgoing};
use crate::support::site::{Site, martletd};
use crate::support::wire::Got;

#[test]
fn every_device_gets_its_own_part_and_nobody_anothers() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(directory.path().join("data"), directory.path().join("log"));
    let server = site.start(martletd());
    let mut alice = Home::new(server.address(), "alice", 3);
    let mut bob = Home::new(server.address(), "bob", 3);
    for from in 0..3 {
        let text = format!("from {from}");
        let outgoing = alice.compose(from, &bob, &text);
        assert_eq!(deliver(&mut alice.devices[from], &outgoing), 3);
        let sender = alice.devices[from].address();
        for device in &mut bob.devices {
            let address = device.address();
            let (_, part) = part(address.user, address.device, &text);
            let part = String::from_utf8(part).expect("it is text");
            assert_eq!(receive(device), (sender, text.clone(), part));
        }
        let recipient = bob.user();
        for device in &mut alice.devices {
            let address = device.address();
            if address == sender {
                continue;
            }
            let (_, part) = part(address.user, address.device, &text);
            let part = String::from_utf8(part).expect("it is text");
            let (peer, envelope, own_part) = receive(device);
            assert_eq!(peer.user, recipient, "an own copy names who it went to");
            assert_eq!((envelope, own_part), (text.clone(), part));
        }
    }
    // Nothing else has come to anybody: the next thing that each of them sees is the next message.
    let last = bob.compose(0, &alice, "to all");
    assert_eq!(deliver(bob.first(), &last), 3);
    for device in alice.devices.iter_mut().chain(&mut bob.devices[1..]) {
        assert_eq!(receive(device).1, "to all");
    }
    server.kill();
    site.verify(martletd());
}

/// The list that came in front of a refusal, and the refusal.
fn refused_with_lists(client: &mut Client, outgoing: &Outgoing) -> (Vec<Got>, NackCode) {
    client.send(outgoing, Timestamp(0));
    let mut lists = Vec::new();
    let code = client.expect("a refusal", |got| match got {
        Got::DeviceLists { .. } => {
            lists.push(got.clone());
            None
        }
        Got::Nack(nack) => Some(nack.code),
        Got::Sent(_) => panic!("it was made for other devices"),
        _ => None,
    });
    (lists, code)
}

#[test]
fn a_message_for_other_devices_than_there_are_is_refused_behind_the_list() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(directory.path().join("data"), directory.path().join("log"));
    let server = site.start(martletd());
    let mut alice = Home::new(server.address(), "alice", 1);
    let mut bob = Home::new(server.address(), "bob", 1);
    let before = alice.compose(0, &bob, "before");
    assert_eq!(deliver(alice.first(), &before), 1);

    let stale = alice.compose(0, &bob, "for one");
    bob.add_device();
    let (newest, lists) = lists_of(bob.first(), stale.to, 0);
    let list = Got::DeviceLists {
        request: 0,
        user: bob.user(),
        newest,
        lists,
    };
    let refusal = (vec![list], NackCode::STALE_RECIPIENT);
    assert_eq!(refused_with_lists(alice.first(), &stale), refusal);
    // Made anew under its id it is accepted; an old one that was accepted stays so.
    let anew = Outgoing {
        id: stale.id,
        ..alice.compose(0, &bob, "for two")
    };
    assert_eq!(deliver(alice.first(), &anew), 2);
    assert_eq!(deliver(alice.first(), &before), 1);
    for device in &mut bob.devices {
        let texts: Vec<_> = (device.address().device.0..=2)
            .map(|_| receive(device).1)
            .collect();
        let all = ["before", "for two"];
        assert_eq!(texts, all[all.len() - texts.len()..]);
    }

    let stale = alice.compose(0, &bob, "alone");
    alice.add_device();
    let (lists, code) = refused_with_lists(alice.first(), &stale);
    assert_eq!(code, NackCode::STALE_OWN);
    assert!(lists.len() <= 1, "of the own account, where it is known");
    let anew = Outgoing {
        id: stale.id,
        ..alice.compose(0, &bob, "no longer alone")
    };
    assert_eq!(deliver(alice.first(), &anew), 2);
    assert_eq!(receive(&mut alice.devices[1]).1, "no longer alone");
    server.kill();
    site.verify(martletd());
}

#[test]
fn parts_that_do_not_fit_the_lists_are_refused() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(directory.path().join("data"), directory.path().join("log"));
    let server = site.start(martletd());
    let mut alice = Home::new(server.address(), "alice", 2);
    let mut bob = Home::new(server.address(), "bob", 2);
    let mut check = |what: &str, change: &dyn Fn(&mut Outgoing)| {
        println!("{what}");
        let mut outgoing = alice.compose(0, &bob, what);
        change(&mut outgoing);
        alice.first().send(&outgoing, Timestamp(0));
        expect_refusal(alice.first(), Kind::SEND, NackCode::PARTS_MISMATCH);
    };
    check("one left out", &|it| drop(it.to_parts.pop()));
    check("an own one left out", &|it| drop(it.own_parts.pop()));
    check("another order", &|it| it.to_parts.reverse());
    check("one twice", &|it| it.to_parts[1].0 = it.to_parts[0].0);
    check("the sender's own", &|it| it.own_parts[0].0.0 = 1);
    check("one that is not there", &|it| it.to_parts[1].0.0 = 3);
    check("an unknown scope", &|it| it.scope.0 = 3);
    check("no part at all", &|it| {
        it.to_parts.clear();
        it.own_parts.clear();
    });
    let outgoing = alice.compose(0, &bob, "as it should be");
    assert_eq!(deliver(alice.first(), &outgoing), 2);
    assert_eq!(receive(bob.first()).1, "as it should be");
}

#[test]
fn a_message_for_named_devices_goes_to_them_alone() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(directory.path().join("data"), directory.path().join("log"));
    let server = site.start(martletd());
    let mut alice = Home::new(server.address(), "alice", 3);
    let mut bob = Home::new(server.address(), "bob", 3);
    let named = alice.compose_for(1, &bob.household, &[1, 3], "for two of three");
    assert_eq!(deliver(&mut alice.devices[1], &named), 2);
    let us = alice.user();
    // To the own account: that is how devices of one person talk.
    let ours = Outgoing {
        id: alice.devices[1].compose(us, b"").id,
        versions: (alice.household.head.0, 0),
        to_parts: vec![part(us, DeviceId(3), "to ourselves")],
        envelope: b"to ourselves".to_vec(),
        to: us,
        ..named
    };
    assert_eq!(deliver(&mut alice.devices[1], &ours), 1);
    let to_itself = Outgoing {
        id: alice.devices[2].compose(us, b"").id,
        ..ours
    };
    alice.devices[2].send(&to_itself, Timestamp(0));
    expect_refusal(&mut alice.devices[2], Kind::SEND, NackCode::PARTS_MISMATCH);

    let everybody = alice.compose(0, &bob, "for all");
    assert_eq!(deliver(alice.first(), &everybody), 3);
    let texts = |home: &mut Home, index: usize, count: usize| -> Vec<String> {
        (0..count)
            .map(|_| receive(&mut home.devices[index]).1)
            .collect()
    };
    assert_eq!(texts(&mut bob, 0, 2), ["for two of three", "for all"]);
    assert_eq!(texts(&mut bob, 1, 1), ["for all"]);
    assert_eq!(texts(&mut bob, 2, 2), ["for two of three", "for all"]);
    assert_eq!(texts(&mut alice, 1, 1), ["for all"]);
    assert_eq!(texts(&mut alice, 2, 2), ["to ourselves", "for all"]);
    server.kill();
    site.verify(martletd());
}

#[test]
fn a_device_that_comes_later_gets_all_that_follows_and_nothing_before() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(directory.path().join("data"), directory.path().join("log"));
    let server = site.start(martletd());
    let mut alice = Home::new(server.address(), "alice", 1);
    let mut bob = Home::new(server.address(), "bob", 1);
    for number in 0..20 {
        if number == 7 {
            alice.add_device();
        }
        if number == 13 {
            bob.add_device();
        }
        let outgoing = alice.compose(0, &bob, &format!("message {number}"));
        deliver(alice.first(), &outgoing);
    }
    let expected = |from: u32| -> Vec<_> { (from..20).map(|it| format!("message {it}")).collect() };
    let check = |device: &mut Client, from: u32| {
        let texts: Vec<_> = (from..20).map(|_| receive(device).1).collect();
        assert_eq!(texts, expected(from));
    };
    check(&mut bob.devices[0], 0);
    check(&mut bob.devices[1], 13);
    check(&mut alice.devices[1], 7);
    server.kill();
    site.verify(martletd());
}
