//! Blocks and settings: durable, and silent towards those they are about.

use std::time::Duration;

use martlet_protocol::frame::{AccountSettings, Frame, Relation, Relations, Strangers, Visibility};
use martlet_protocol::{Kind, NackCode, State, UserId};

use crate::people::{Place, all_within, look, relate, send, settings, type_to};
use crate::support::client::Client;
use crate::support::wire::Got;

fn relations(client: &mut Client) -> Vec<(UserId, Relation)> {
    client.ask(&Frame::Relations(Relations {
        request: 5,
        after: 0,
    }));
    client.expect("RELATION_LIST", |got| match got {
        Got::RelationList {
            request: 5,
            relations,
            ..
        } => Some(relations.clone()),
        _ => None,
    })
}

fn state_of(client: &mut Client, to: UserId, id: martlet_protocol::MessageId) -> State {
    client.ask_status(9, to, id);
    client.expect("STATE", |got| match got {
        Got::State(state) if state.message_id == id => Some(state.state),
        _ => None,
    })
}

// [M-25.4] [M-25.5]
#[test]
fn a_blocked_sender_is_answered_as_ever_and_nothing_arrives_also_after_a_crash() {
    let place = Place::new();
    let [mut alice, mut bob] = ["alice", "bob"].map(|name| place.account(name));
    let (of_alice, of_bob) = (alice.address().user, bob.address().user);
    relate(&mut bob, of_alice, Relation::BLOCKED);
    let (id, devices) = send(&mut alice, of_bob);
    assert_eq!(devices, 1);
    look(&mut alice, true);
    type_to(&mut alice, of_bob);

    let place = place.crash();
    alice.go_online(place.address());
    bob.go_online(place.address());
    assert_eq!(relations(&mut bob), [(of_alice, Relation::BLOCKED)]);
    assert_eq!(state_of(&mut alice, of_bob, id), State::SENT);
    send(&mut alice, of_bob);
    type_to(&mut alice, of_bob);
    let came = all_within(&mut bob, Duration::from_secs(1));
    let came: Vec<_> = came
        .iter()
        .filter(|got| matches!(got, Got::Event(_) | Got::Typed(_)))
        .collect();
    assert!(came.is_empty(), "{came:?}");

    relate(&mut bob, of_alice, Relation::NONE);
    let (_, devices) = send(&mut alice, of_bob);
    assert_eq!(devices, 1);
    let message = bob.next_message();
    assert_eq!(message.position.0, 1, "what was withheld has no position");
    assert_eq!(state_of(&mut alice, of_bob, id), State::SENT);
}

// [M-25.6] [M-25.8]
#[test]
fn settings_survive_a_crash_and_a_stranger_is_told_nothing() {
    let place = Place::new();
    let [mut alice, mut bob] = ["alice", "bob"].map(|name| place.account(name));
    let of_bob = bob.address().user;
    let reserved = AccountSettings {
        presence: Visibility::CONTACTS,
        read_receipts: true,
        strangers: Strangers::AS_REQUESTS,
    };
    assert_eq!(settings(&mut bob, Some(reserved)), reserved);
    let place = place.crash();
    alice.go_online(place.address());
    bob.go_online(place.address());
    assert_eq!(settings(&mut bob, None), reserved);

    let (id, _) = send(&mut alice, of_bob);
    let message = bob.next_message();
    bob.acknowledge();
    bob.read(alice.address(), message.id);
    bob.flush().expect("the server is there");
    settings(&mut bob, None);
    assert_eq!(state_of(&mut alice, of_bob, id), State::SENT);
    relate(&mut bob, alice.address().user, Relation::CONTACT);
    for expected in [State::DELIVERED, State::READ] {
        let told = alice.expect("a RECEIPT", |got| match got {
            Got::Receipt(receipt) => Some(receipt.state),
            _ => None,
        });
        assert_eq!(told, expected);
    }
}

// [M-25.11] [M-25.12]
#[test]
fn an_account_asks_too_often_and_is_told_when_to_come_back() {
    let place = Place::new();
    let mut alice = place.account("alice");
    for request in 0..100 {
        alice.look_up(request, "nobody");
    }
    for request in 0..100 {
        alice.ask(&Frame::Relations(Relations { request, after: 0 }));
    }
    let mut refused = (0, 0);
    for got in all_within(&mut alice, Duration::from_secs(2)) {
        if let Got::Nack(nack) = got
            && nack.code == NackCode::RATE_LIMITED
        {
            assert!(nack.retry_after_ms > 0);
            match nack.of {
                Kind::LOOKUP => refused.0 += 1,
                Kind::RELATIONS => refused.1 += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(refused.0 >= 70 && refused.1 >= 50, "{refused:?}");
}
