//! An account whose keys are lost begins anew, when the operator vouches for its owner.

use aws_lc_rs::signature::Ed25519KeyPair;
use martlet_protocol::frame::{Devices, Frame, Publish, Published, SignedList};
use martlet_protocol::{Address, CloseCode, DeviceId, Kind, NackCode, UserId};
use serde_json::json;

use crate::household::Household;
use crate::peer::{Account, Peer, message};
use crate::registration::Operator;
use crate::server::{Server, wait_until};

fn key() -> Ed25519KeyPair {
    Ed25519KeyPair::generate().unwrap()
}

/// Registers with a token; the answer is an address or a refusal.
fn register(
    server: &Server,
    handle: &str,
    key: &Ed25519KeyPair,
    token: &[u8],
) -> Result<Address, NackCode> {
    let mut peer = Peer::greeted(server.address);
    peer.send_register(key, handle, token);
    match peer.next().expect("an answer").frame() {
        Frame::Registered(registered) => Ok(registered.address),
        Frame::Nack(nack) => Err(nack.code),
        other => panic!("{other:?}"),
    }
}

/// A connection behind its backlog.
fn quiet(server: &Server, account: &Account) -> Peer {
    let mut peer = Peer::ready(server.address, account);
    while peer.next().expect("CAUGHT_UP").kind != Kind::CAUGHT_UP {}
    peer
}

fn publish(peer: &mut Peer, list: &[u8]) {
    peer.send(&Frame::Publish(Publish {
        request: 3,
        list: SignedList(list),
        answer: b"",
    }));
}

fn expect_published(peer: &mut Peer, version: u64) {
    let request = 3;
    match peer.next().expect("PUBLISHED").frame() {
        Frame::Published(published) => {
            assert_eq!(published, Published { request, version });
        }
        other => panic!("expected PUBLISHED, got {other:?}"),
    }
}

fn newest(peer: &mut Peer, user: UserId) -> u64 {
    peer.send(&Frame::Devices(Devices {
        request: 4,
        user,
        have: 0,
    }));
    match peer.next().expect("DEVICE_LISTS").frame() {
        Frame::DeviceLists(lists) => lists.newest,
        other => panic!("expected DEVICE_LISTS, got {other:?}"),
    }
}

/// Alice with two devices, all lost.
struct Lost {
    household: Household,
    first: Account,
    second: Account,
}

fn lose(server: &Server, operator: &Operator) -> Lost {
    let (first_key, second_key) = (key(), key());
    let token = operator.token_with("alice", 600, json!({}));
    let address = register(server, "alice", &first_key, &token).unwrap();
    let first = Account {
        key: first_key,
        address,
    };
    let mut household = Household::new(address, &first.key);
    let mut peer = quiet(server, &first);
    publish(&mut peer, &household.sign());
    expect_published(&mut peer, 1);
    let address = household.admit(&second_key);
    publish(&mut peer, &household.sign());
    expect_published(&mut peer, 2);
    let second = Account {
        key: second_key,
        address,
    };
    Lost {
        household,
        first,
        second,
    }
}

#[test]
fn a_reset_gives_the_account_to_a_new_device_and_takes_it_from_all_others() {
    let operator = Operator::new();
    let server = operator.server();
    let lost = lose(&server, &operator);
    let user = lost.household.user;
    let bob_key = key();
    let token = operator.token_with("bob", 600, json!({}));
    let bob = Account {
        address: register(&server, "bob", &bob_key, &token).unwrap(),
        key: bob_key,
    };
    let mut bob = quiet(&server, &bob);
    let mut olds = [&lost.first, &lost.second].map(|it| quiet(&server, it));

    let reset = operator.token_with("alice", 600, json!({ "reset": true }));
    let new_key = key();
    let address = register(&server, "alice", &new_key, &reset).unwrap();
    let device = DeviceId(3);
    assert_eq!(address, Address { user, device });
    for (old, account) in olds.iter_mut().zip([&lost.first, &lost.second]) {
        old.expect_close(CloseCode::DEVICE_GONE);
        let mut peer = Peer::greeted(server.address);
        peer.send_auth(account, account.address);
        peer.expect_nack(Kind::AUTH, NackCode::AUTH_FAILED);
        peer.expect_close(CloseCode::AUTH_FAILED);
    }
    wait_until("the line", || server.logged("account_reset", &[]) == 1);
    // The answer might have been lost: the same key gets it again, and nothing happens.
    assert_eq!(register(&server, "alice", &new_key, &reset), Ok(address));
    assert_eq!(server.logged("account_reset", &[]), 1);

    // The lists stay, so that everybody sees where the chain was broken. Until it goes on nobody
    // can write to an account whose devices nobody knows.
    assert_eq!(newest(&mut bob, user), 2);
    let mut send = message(user, b"are you there?");
    send.to_version = 2;
    bob.send(&Frame::Send(send));
    bob.expect_nack(Kind::SEND, NackCode::INBOX_FULL);

    let new = Account {
        key: new_key,
        address,
    };
    let mut peer = quiet(&server, &new);
    let mut household = Household::new(address, &new.key);
    publish(&mut peer, &household.sign_with(|list| list.version = 3));
    peer.expect_nack(Kind::PUBLISH, NackCode::LIST_INVALID);
    household.head = lost.household.head;
    publish(&mut peer, &household.sign());
    expect_published(&mut peer, 3);
    assert_eq!(newest(&mut bob, user), 3);
    // From then on its key is the account's.
    let mut usurper = Household::new(address, &new.key);
    usurper.head = household.head;
    publish(&mut peer, &usurper.sign());
    peer.expect_nack(Kind::PUBLISH, NackCode::LIST_INVALID);
    server.check_calm();
}

#[test]
fn without_the_operators_word_nothing_is_reset() {
    let operator = Operator::new();
    let server = operator.server();
    let lost = lose(&server, &operator);
    let thief = key();
    let other = operator.token_with("bob", 600, json!({ "reset": true }));
    for (token, code) in [
        (
            operator.token_with("alice", 600, json!({})),
            NackCode::HANDLE_TAKEN,
        ),
        (
            operator.token_with("alice", 600, json!({ "reset": false })),
            NackCode::HANDLE_TAKEN,
        ),
        (
            operator.token_with("alice", 600, json!({ "reset": "true" })),
            NackCode::TOKEN_INVALID,
        ),
        (
            operator.token_with("alice", -600, json!({ "reset": true })),
            NackCode::TOKEN_EXPIRED,
        ),
        (other.clone(), NackCode::TOKEN_INVALID),
        (
            Operator::new().token_with("alice", 600, json!({ "reset": true })),
            NackCode::TOKEN_INVALID,
        ),
    ] {
        assert_eq!(register(&server, "alice", &thief, &token), Err(code));
    }
    // For a handle that nobody has it is a token like any other.
    let bob = register(&server, "bob", &thief, &other).unwrap();
    assert_eq!(bob.device, DeviceId(1));
    for account in [&lost.first, &lost.second] {
        Peer::ready(server.address, account).check_alive();
    }
    assert_eq!(server.logged("account_reset", &[]), 0);
    server.check_calm();
}

#[test]
fn where_anyone_may_register_nobody_may_reset() {
    let server = Server::development();
    let alice = crate::peer::account(server.address, "alice");
    let token = Operator::new().token_with("alice", 600, json!({ "reset": true }));
    let refusal = register(&server, "alice", &key(), &token);
    assert_eq!(refusal, Err(NackCode::HANDLE_TAKEN));
    Peer::ready(server.address, &alice).check_alive();
}
