//! A new device finds the one that waits for it, and becomes one of the account's.

use std::net::SocketAddr;
use std::time::Duration;

use aws_lc_rs::signature::Ed25519KeyPair;
use martlet_protocol::auth::{BINDING_NONE, auth_message};
use martlet_protocol::frame::{
    Auth, Challenge, Credit, Frame, LinkClose, LinkJoin, LinkOpen, Ping, Reference, TICKET_BYTES,
};
use martlet_protocol::{Address, CloseCode, DeviceId, Kind, NackCode, Position, UserId};

use crate::home::{Home, expect_refusal, publish, published};
use crate::support::client::{Client, greet};
use crate::support::household::sign;
use crate::support::site::{Site, martletd};
use crate::support::wire::{Got, Wire};

const TICKET: [u8; TICKET_BYTES] = [0xa7; TICKET_BYTES];
const OFFER: &[u8] = b"sealed: I would like to be a device";
const FOREIGN_OFFER: &[u8] = b"sealed: so would I";
const ANSWER: &[u8] = b"sealed: you are one";

/// A connection of somebody who has a code.
struct Joiner {
    wire: Wire,
    challenge: Challenge,
}

impl Joiner {
    fn join(server: SocketAddr, address: Address, ticket: [u8; TICKET_BYTES]) -> Self {
        let (wire, challenge) = greet(server).expect("connect");
        let mut joiner = Self { wire, challenge };
        joiner.join_again(address, ticket);
        joiner
    }

    fn join_again(&mut self, address: Address, ticket: [u8; TICKET_BYTES]) {
        self.offer(address, ticket, OFFER);
    }

    fn offer(&mut self, address: Address, ticket: [u8; TICKET_BYTES], offer: &[u8]) {
        self.say(&Frame::LinkJoin(LinkJoin {
            address,
            ticket,
            offer,
        }));
    }

    /// Another device, which has seen the code as well.
    fn intrude(server: SocketAddr, address: Address, ticket: [u8; TICKET_BYTES]) -> Self {
        let (wire, challenge) = greet(server).expect("connect");
        let mut joiner = Self { wire, challenge };
        joiner.offer(address, ticket, FOREIGN_OFFER);
        joiner
    }

    fn expect_linked(&mut self) {
        match self.answer() {
            Got::Linked { answer } => assert_eq!(answer, ANSWER),
            other => panic!("expected LINKED, got {other:?}"),
        }
    }

    fn authenticate(&mut self, address: Address, key: &Ed25519KeyPair) {
        let message = auth_message(&self.challenge.nonce, &BINDING_NONE, address);
        self.say(&Frame::Auth(Auth {
            address,
            signature: sign(key, &message),
            epoch: 0,
            cursor: Position(0),
            credit: Credit {
                messages: 10,
                bytes: 10_000,
            },
        }));
    }

    fn say(&mut self, frame: &Frame<'_>) {
        self.wire.push(frame);
        self.wire.flush().expect("the server is there");
    }

    fn answer(&mut self) -> Got {
        self.wire.answer().expect("an answer")
    }

    /// Asserts that this LINK_JOIN is refused.
    fn expect_unknown(&mut self) {
        match self.answer() {
            Got::Nack(nack) => {
                assert_eq!(
                    (nack.of, nack.code),
                    (Kind::LINK_JOIN, NackCode::LINK_UNKNOWN)
                );
                assert_eq!(nack.reference, Reference::default());
            }
            other => panic!("expected LINK_UNKNOWN, got {other:?}"),
        }
    }

    fn expect_close(&mut self, code: CloseCode) {
        match self.answer() {
            Got::Close { code: said, .. } => assert_eq!(said, code),
            other => panic!("expected CLOSE, got {other:?}"),
        }
    }
}

/// The device waits for the account's next one, whose address it returns.
fn open(home: &mut Home, ticket: [u8; TICKET_BYTES]) -> Address {
    let device = home.household.next_device;
    home.first().ask(&Frame::LinkOpen(LinkOpen {
        request: 7,
        device,
        ticket,
    }));
    home.first().expect("LINK_OPENED", |got| match got {
        Got::LinkOpened { request } => (*request == 7).then_some(()),
        Got::Nack(nack) => panic!("refused: {nack:?}"),
        _ => None,
    });
    let user = home.user();
    Address { user, device }
}

fn expect_offer(client: &mut Client, address: Address) {
    expect_offered(client, address, OFFER);
}

fn expect_gone(client: &mut Client, address: Address) {
    expect_offered(client, address, b"");
}

fn expect_offered(client: &mut Client, address: Address, bytes: &[u8]) {
    client.expect("LINK_OFFER", |got| match got {
        Got::LinkOffer { device, offer } => {
            assert_eq!((*device, &offer[..]), (address.device, bytes));
            Some(())
        }
        _ => None,
    });
}

fn close(client: &mut Client, ticket: [u8; TICKET_BYTES]) {
    client.ask(&Frame::LinkClose(LinkClose { request: 9, ticket }));
    client.expect("LINK_CLOSED", |got| match got {
        Got::LinkClosed { request } => (*request == 9).then_some(()),
        Got::Nack(nack) => panic!("refused: {nack:?}"),
        _ => None,
    });
}

#[test]
fn a_new_device_waits_as_long_as_people_take_and_then_is_one() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(directory.path().join("data"), directory.path().join("log"));
    site.log_all();
    let server = site.start(martletd());
    // Several accounts, so that some joiner is on another reactor than its account.
    for number in 0..4 {
        let mut home = Home::new(server.address(), &format!("alice{number}"), 1);
        let address = open(&mut home, TICKET);
        let mut joiner = Joiner::join(server.address(), address, TICKET);
        expect_offer(home.first(), address);
        if number == 0 {
            // Longer than a stranger may take to authenticate.
            let waited = joiner.wire.next(Duration::from_millis(7_500));
            assert!(waited.expect("it may wait").is_none());
        }
        let key = Ed25519KeyPair::generate().expect("make a key");
        assert_eq!(home.household.admit(&key), address);
        let list = home.household.sign();
        publish(home.first(), &list, ANSWER);
        assert_eq!(published(home.first()), 2);
        joiner.expect_linked();
        // On the same connection.
        joiner.authenticate(address, &key);
        match joiner.answer() {
            Got::Ready(ready) => assert_eq!((ready.cursor.0, ready.tail.0), (0, 0)),
            other => panic!("expected READY, got {other:?}"),
        }
        // A code is good for one device.
        let next = Address {
            device: DeviceId(3),
            ..address
        };
        for again in [address, next] {
            Joiner::intrude(server.address(), again, TICKET).expect_unknown();
        }
        // That device may have missed it.
        Joiner::join(server.address(), address, TICKET).expect_linked();
    }
    assert_eq!(site.logged("event=\"linked\""), 8);
    let told = |secret: &[u8]| {
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let list = format!("{secret:?}");
        let inner = list.trim_matches(['[', ']']).to_owned();
        let text = String::from_utf8_lossy(secret).into_owned();
        [hex, inner, text]
            .iter()
            .map(|it| site.logged(it))
            .sum::<usize>()
    };
    assert!(site.logged("DEBUG") > 0, "everything is logged");
    assert_eq!(
        told(&TICKET) + told(OFFER) + told(ANSWER),
        0,
        "but no secret"
    );
    server.kill();
    site.verify(martletd());
}

#[test]
fn who_does_not_know_the_ticket_learns_nothing_and_may_go_on() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(directory.path().join("data"), directory.path().join("log"));
    let server = site.start(martletd());
    let mut home = Home::new(server.address(), "alice", 1);
    let user = home.user();
    let address_of = |user, device| Address {
        user,
        device: DeviceId(device),
    };
    let right = address_of(user, 2);
    // Nobody waits yet.
    let mut joiner = Joiner::join(server.address(), right, TICKET);
    joiner.expect_unknown();
    assert_eq!(open(&mut home, TICKET), right);
    let mut nearly = TICKET;
    nearly[TICKET_BYTES - 1] ^= 1;
    for (address, ticket) in [
        (right, [0; TICKET_BYTES]),
        (right, nearly),
        (address_of(user, 3), TICKET),
        (address_of(user, 1), TICKET),
        (address_of(UserId(4_711), 2), TICKET),
    ] {
        joiner.join_again(address, ticket);
        joiner.expect_unknown();
    }
    // The link is still there for whoever knows it, once.
    let mut genuine = Joiner::join(server.address(), right, TICKET);
    expect_offer(home.first(), right);
    joiner.offer(right, TICKET, FOREIGN_OFFER);
    joiner.expect_unknown();
    // Another link takes its place.
    open(&mut home, [1; TICKET_BYTES]);
    genuine.expect_unknown();
    genuine.join_again(right, [1; TICKET_BYTES]);
    expect_offer(home.first(), right);
    // A refused one is an ordinary stranger again: with a key that is known it gets in.
    joiner.authenticate(address_of(user, 1), home.devices[0].key());
    assert!(matches!(joiner.answer(), Got::Ready(_)));
    assert_eq!(site.logged("event=\"link_refused\""), 8);

    // An id that is not the account's next one is a mistake of somebody who has an old list.
    let first = &mut home.devices[0];
    first.disconnect();
    first.go_online(server.address());
    first.ask(&Frame::LinkOpen(LinkOpen {
        request: 8,
        device: DeviceId(5),
        ticket: TICKET,
    }));
    expect_refusal(first, Kind::LINK_OPEN, NackCode::LIST_CONFLICT);
}

#[test]
fn who_waits_to_be_linked_says_nothing_else() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(directory.path().join("data"), directory.path().join("log"));
    let server = site.start(martletd());
    let mut home = Home::new(server.address(), "alice", 1);
    let address = open(&mut home, TICKET);
    let mut joiner = Joiner::join(server.address(), address, TICKET);
    expect_offer(home.first(), address);
    joiner.say(&Frame::Ping(Ping { token: 1 }));
    joiner.expect_close(CloseCode::UNEXPECTED_FRAME);

    open(&mut home, TICKET);
    let mut joiner = Joiner::join(server.address(), address, TICKET);
    expect_offer(home.first(), address);
    joiner.authenticate(address, home.devices[0].key());
    joiner.expect_close(CloseCode::UNEXPECTED_FRAME);
}

#[test]
fn a_stop_is_announced_to_who_waits_and_the_last_list_still_counts() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(directory.path().join("data"), directory.path().join("log"));
    let server = site.start(martletd());
    let mut home = Home::new(server.address(), "alice", 1);
    let mut other = Home::new(server.address(), "bob", 1);
    let (address, never) = (open(&mut home, TICKET), open(&mut other, TICKET));
    let mut joiner = Joiner::join(server.address(), address, TICKET);
    let mut forgotten = Joiner::join(server.address(), never, TICKET);
    expect_offer(home.first(), address);
    expect_offer(other.first(), never);
    let key = Ed25519KeyPair::generate().expect("make a key");
    home.household.admit(&key);
    let list = home.household.sign();
    server.terminate();
    for joiner in [&mut joiner, &mut forgotten] {
        match joiner.answer() {
            Got::Goaway { code } => assert_eq!(code, CloseCode::SHUTDOWN),
            other => panic!("expected GOAWAY, got {other:?}"),
        }
    }
    publish(home.first(), &list, ANSWER);
    assert_eq!(published(home.first()), 2);
    joiner.expect_linked();
    joiner.expect_close(CloseCode::SHUTDOWN);
    forgotten.expect_close(CloseCode::SHUTDOWN);
    assert!(server.wait().success());
    site.verify(martletd());
    let server = site.start(martletd());
    Client::of(key, address).go_online(server.address());
}

#[test]
fn whoever_waits_is_told_at_once_that_the_existing_device_has_declined() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(directory.path().join("data"), directory.path().join("log"));
    let server = site.start(martletd());
    // Several accounts, so that some joiner is on another reactor than its account.
    for number in 0..4 {
        let mut home = Home::new(server.address(), &format!("alice{number}"), 1);
        let address = open(&mut home, TICKET);
        let mut joiner = Joiner::join(server.address(), address, TICKET);
        expect_offer(home.first(), address);
        close(home.first(), [0; TICKET_BYTES]);
        close(home.first(), TICKET);
        joiner.expect_unknown();
        // It is an ordinary stranger again, and the code is of no use.
        joiner.join_again(address, TICKET);
        joiner.expect_unknown();
        let first = Address {
            device: DeviceId(1),
            ..address
        };
        joiner.authenticate(first, home.devices[0].key());
        assert!(matches!(joiner.answer(), Got::Ready(_)));
    }
    assert_eq!(site.logged("event=\"link_refused\""), 8);
    server.kill();
    site.verify(martletd());
}

#[test]
fn a_device_that_has_lost_its_connection_keeps_its_place_and_only_that_device() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(directory.path().join("data"), directory.path().join("log"));
    let server = site.start(martletd());
    for number in 0..4 {
        let mut home = Home::new(server.address(), &format!("alice{number}"), 1);
        let address = open(&mut home, TICKET);
        let joiner = Joiner::join(server.address(), address, TICKET);
        expect_offer(home.first(), address);
        drop(joiner);
        expect_gone(home.first(), address);
        Joiner::intrude(server.address(), address, TICKET).expect_unknown();
        let mut back = Joiner::join(server.address(), address, TICKET);
        expect_offer(home.first(), address);
        // It comes before the loss is noticed: the newer connection has the place.
        let mut joiner = Joiner::join(server.address(), address, TICKET);
        expect_offer(home.first(), address);
        back.expect_unknown();
        drop(back);
        let key = Ed25519KeyPair::generate().expect("make a key");
        assert_eq!(home.household.admit(&key), address);
        let list = home.household.sign();
        publish(home.first(), &list, ANSWER);
        assert_eq!(published(home.first()), 2);
        joiner.expect_linked();
        joiner.authenticate(address, &key);
        assert!(matches!(joiner.answer(), Got::Ready(_)));
    }
    server.kill();
    site.verify(martletd());
}

#[test]
fn whoever_waits_goes_on_waiting_while_the_existing_device_has_no_connection() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(directory.path().join("data"), directory.path().join("log"));
    let server = site.start(martletd());
    let mut home = Home::new(server.address(), "alice", 1);
    let address = open(&mut home, TICKET);
    let mut joiner = Joiner::join(server.address(), address, TICKET);
    expect_offer(home.first(), address);
    home.first().disconnect();
    let waited = joiner.wire.next(Duration::from_millis(300));
    assert!(waited.expect("it may wait").is_none());
    home.first().go_online(server.address());
    assert_eq!(open(&mut home, TICKET), address);
    expect_offer(home.first(), address);
    let key = Ed25519KeyPair::generate().expect("make a key");
    assert_eq!(home.household.admit(&key), address);
    let list = home.household.sign();
    publish(home.first(), &list, ANSWER);
    assert_eq!(published(home.first()), 2);
    joiner.expect_linked();
    server.kill();
    site.verify(martletd());
}
