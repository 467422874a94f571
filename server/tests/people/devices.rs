//! The devices of one account know the same of its settings, its relations and what was read.

use std::time::Duration;

use martlet_protocol::frame::{AccountSettings, Receipt, Relation, Strangers, Visibility};
use martlet_protocol::{State, Timestamp};

use crate::home::Home;
use crate::people::{Place, all_within, relate, settings};
use crate::support::client::Client;
use crate::support::wire::{Got, Message};

/// Sends to all devices of an account and returns what its first one got and has stored.
fn deliver(from: &mut Home, to: &mut Home, text: &str) -> Message {
    let message = from.compose(0, to, text);
    from.first().send(&message, Timestamp(0));
    from.first().flush().expect("the server is there");
    let got = to.first().next_message();
    assert_eq!(got.id, message.id);
    to.first().acknowledge();
    got
}

fn receipt(client: &mut Client) -> Receipt {
    client.expect("a RECEIPT", |got| match got {
        Got::Receipt(receipt) => Some(*receipt),
        _ => None,
    })
}

// [M-25.3] [M-25.6]
#[test]
fn what_one_device_changes_the_other_one_is_told() {
    let place = Place::new();
    let mut alice = Home::new(place.address(), "alice", 2);
    let bob = place.account("bob");
    let of_bob = bob.address().user;
    for relation in [Relation::CONTACT, Relation::BLOCKED, Relation::NONE] {
        relate(alice.first(), of_bob, relation);
        let told = alice.devices[1].expect("RELATION_LIST", |got| match got {
            Got::RelationList {
                request: 0,
                relations,
                ..
            } => Some(relations.clone()),
            _ => None,
        });
        assert_eq!(told, [(of_bob, relation)]);
    }
    let shy = AccountSettings {
        presence: Visibility::NOBODY,
        read_receipts: false,
        strangers: Strangers::AS_REQUESTS,
    };
    settings(&mut alice.devices[1], Some(shy));
    let told = alice.first().expect("SETTINGS_ARE", |got| match got {
        Got::SettingsAre(are) if are.request == 0 => Some(are.settings),
        _ => None,
    });
    assert_eq!(told, shy);
}

// [M-11.17]
#[test]
fn what_one_device_has_read_the_other_one_is_told() {
    let place = Place::new();
    let mut alice = Home::new(place.address(), "alice", 2);
    let mut bob = Home::new(place.address(), "bob", 1);
    let message = deliver(&mut bob, &mut alice, "hello");
    let author = bob.first().address();
    alice.first().read(author, message.id);
    alice.first().flush().expect("the server is there");
    let seen = receipt(&mut alice.devices[1]);
    assert_eq!((seen.state, seen.up_to), (State::SEEN, message.timestamp));
    assert_eq!(seen.peer.user, author.user, "whose messages");
    assert_eq!(
        seen.peer.device,
        alice.first().address().device,
        "read where"
    );
}

// [M-25.7]
#[test]
fn without_read_receipts_nobody_is_told_and_the_account_itself_is_not_either() {
    let place = Place::new();
    let mut alice = Home::new(place.address(), "alice", 2);
    let mut bob = Home::new(place.address(), "bob", 1);
    let quiet = AccountSettings {
        read_receipts: false,
        ..AccountSettings::default()
    };
    settings(alice.first(), Some(quiet));

    let message = deliver(&mut bob, &mut alice, "to somebody who keeps it to herself");
    let author = bob.first().address();
    alice.first().read(author, message.id);
    alice.first().flush().expect("the server is there");
    assert_eq!(receipt(&mut alice.devices[1]).state, State::SEEN);
    assert_eq!(receipt(bob.first()).state, State::DELIVERED);

    let answer = deliver(&mut alice, &mut bob, "from her");
    let author = alice.first().address();
    bob.first().read(author, answer.id);
    bob.first().flush().expect("the server is there");
    assert_eq!(receipt(alice.first()).state, State::DELIVERED);

    for (name, device) in [("alice", alice.first()), ("bob", bob.first())] {
        let more = all_within(device, Duration::from_secs(1));
        let read = |got: &&Got| matches!(got, Got::Receipt(it) if it.state == State::READ);
        assert_eq!(more.iter().find(read), None, "{name} is told");
    }
}
