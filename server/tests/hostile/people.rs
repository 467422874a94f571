//! Hostile words about other people: floods, numbers that mean nothing, frames of the other side,
//! and strangers by the dozen.

use martlet_protocol::frame::{
    AccountSettings, Frame, Lookup, LookupQuery, Nack, Presence, PresenceState, Relate, Related,
    Relation, Settings, Typing, TypingKind, Visibility, Watch,
};
use martlet_protocol::limits::{WATCH_USERS_MAX, WATCHED_MAX};
use martlet_protocol::wire::List;
use martlet_protocol::{CloseCode, Kind, Millis, NackCode, UserId};

use crate::bystanders::Bystanders;
use crate::peer::{Account, Peer, account, message};
use crate::server::Server;

/// A connection of a new account behind its CAUGHT_UP.
fn quiet(server: &Server, name: &str) -> Peer {
    quiet_of(server, &account(server.address, name))
}

fn quiet_of(server: &Server, account: &Account) -> Peer {
    let mut peer = Peer::ready(server.address, account);
    assert_eq!(peer.next().expect("CAUGHT_UP").kind, Kind::CAUGHT_UP);
    peer
}

fn watch(request: u64, users: &[UserId]) -> Frame<'_> {
    Frame::Watch(Watch {
        request,
        on: true,
        users: List::Slice(users),
    })
}

// [M-24.3]
#[test]
fn who_watches_everybody_is_refused_and_the_rest_of_its_watches_live() {
    let server = Server::development();
    let bystanders = Bystanders::chat(server.address);
    let mut peer = quiet(&server, "mallory");
    let users: Vec<_> = (1..=WATCHED_MAX as u64 + 1).map(UserId).collect();
    for (request, some) in (1..).zip(users[..WATCHED_MAX].chunks(WATCH_USERS_MAX)) {
        peer.send(&watch(request, some));
        for _ in some {
            let got = peer.next().expect("a PRESENCE for each");
            let Frame::Presence(presence) = got.frame() else {
                panic!("{:?}", got.frame());
            };
            assert_eq!(presence.state, PresenceState::HIDDEN);
        }
    }
    peer.send(&watch(99, &users[WATCHED_MAX..]));
    peer.expect_nack(Kind::WATCH, NackCode::TOO_MANY_WATCHED);
    peer.check_alive();
    bystanders.check_undisturbed();
    server.check_calm();
}

// [M-25.1] [M-25.6]
#[test]
fn numbers_that_mean_nothing_are_refused_by_name() {
    let server = Server::development();
    let mut peer = quiet(&server, "mallory");
    peer.send(&Frame::Relate(Relate {
        request: 1,
        user: UserId(7),
        relation: Relation(200),
    }));
    peer.expect_nack(Kind::RELATE, NackCode::VALUE_UNKNOWN);
    peer.send(&Frame::Settings(Settings {
        request: 2,
        set: Some(AccountSettings {
            presence: Visibility(0),
            ..AccountSettings::default()
        }),
    }));
    peer.expect_nack(Kind::SETTINGS, NackCode::VALUE_UNKNOWN);
    peer.send(&Frame::Typing(Typing {
        to: UserId(7),
        kind: TypingKind(200),
    }));
    peer.check_alive();
    server.check_calm();
}

// [M-5.3]
#[test]
fn what_only_a_server_says_of_people_ends_the_connection() {
    let server = Server::development();
    let bystanders = Bystanders::chat(server.address);
    let presence = Presence {
        user: UserId(7),
        state: PresenceState::ONLINE,
        last_seen: Millis(0),
    };
    let frames = [
        Frame::Presence(presence),
        Frame::Related(Related { request: 1 }),
    ];
    for (number, frame) in frames.iter().enumerate() {
        let mut peer = quiet(&server, &format!("mallory{number}"));
        peer.send(frame);
        peer.expect_close(CloseCode::UNEXPECTED_FRAME);
    }
    bystanders.check_undisturbed();
    server.check_calm();
}

// [M-25.12]
#[test]
fn a_flood_of_wishes_is_slowed_down() {
    let server = Server::development();
    let mut peer = quiet(&server, "mallory");
    for request in 0..200 {
        peer.send(&Frame::Settings(Settings { request, set: None }));
    }
    let mut limited = 0;
    for _ in 0..200 {
        let got = peer.next().expect("an answer for each");
        match got.frame() {
            Frame::Nack(nack) => {
                assert_eq!(nack.code, NackCode::RATE_LIMITED);
                limited += 1;
            }
            Frame::SettingsAre(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(limited >= 100, "{limited} of two hundred");
    peer.check_alive();
    server.check_calm();
}

/// A server with these limits, and accounts that exist on it.
fn limited<const N: usize>(names: [&str; N], limits: &str) -> (Server, [Account; N]) {
    let server = Server::development();
    let accounts = names.map(|name| account(server.address, name));
    let server = server.restart_with(&format!("[limits]\nloopback_exempt = true\n{limits}"));
    (server, accounts)
}

/// How a request ends: `None` when it is granted.
fn verdict(peer: &mut Peer, frame: &Frame<'_>) -> Option<Nack> {
    peer.send(frame);
    match peer.next().expect("an answer").frame() {
        Frame::Nack(nack) => Some(nack),
        Frame::Sent(_) | Frame::Related(_) | Frame::Found(_) => None,
        other => panic!("{other:?}"),
    }
}

fn assert_limited(nack: Option<Nack>, of: Kind, wait_ms_max: u64) {
    let nack = nack.expect("it is refused");
    assert_eq!((nack.of, nack.code), (of, NackCode::RATE_LIMITED));
    assert_eq!(nack.class, NackCode::RATE_LIMITED.class());
    assert!((1..=wait_ms_max).contains(&nack.retry_after_ms), "{nack:?}");
}

const HOUR_MS: u64 = 60 * 60 * 1_000;

// [M-25.10]
#[test]
fn who_writes_to_strangers_by_the_dozen_is_stopped_and_goes_on_with_those_it_knows() {
    let names = ["mallory", "alice", "bob", "cid"];
    let limits = "new_conversations_at_once = 2\nnew_conversations_time = \"1h\"\n";
    let (server, [mallory, strangers @ ..]) = limited(names, limits);
    let [alice, bob, cid] = strangers.map(|account| account.address.user);
    let mut peer = quiet_of(&server, &mallory);
    let send = |peer: &mut Peer, to| verdict(peer, &Frame::Send(message(to, b"buy this")));
    let relate = |peer: &mut Peer, user, relation| {
        let request = 1;
        let relate = Relate {
            request,
            user,
            relation,
        };
        verdict(peer, &Frame::Relate(relate))
    };
    assert_eq!(send(&mut peer, alice), None);
    assert_eq!(relate(&mut peer, bob, Relation::CONTACT), None);
    // A contact is no way around it, and neither is another connection.
    assert_limited(send(&mut peer, cid), Kind::SEND, HOUR_MS);
    let as_contact = relate(&mut peer, cid, Relation::CONTACT);
    assert_limited(as_contact, Kind::RELATE, HOUR_MS);
    let mut peer = quiet_of(&server, &mallory);
    assert_limited(send(&mut peer, cid), Kind::SEND, HOUR_MS);
    for known in [alice, bob, alice] {
        assert_eq!(send(&mut peer, known), None);
    }
    // To block somebody is free.
    assert_eq!(relate(&mut peer, cid, Relation::BLOCKED), None);
    server.check_calm();
}

// [M-25.11] [M-18.7]
#[test]
fn handles_are_guessed_at_no_faster_by_an_account_that_comes_again() {
    let limits = "lookups_per_second = 0\naccount_lookups_at_once = 3\n\
                  account_lookups_time = \"1h\"\n";
    let (server, [mallory, _]) = limited(["mallory", "alice"], limits);
    let look_up = |peer: &mut Peer, handle| {
        let query = LookupQuery::Handle(handle);
        verdict(peer, &Frame::Lookup(Lookup { request: 1, query }))
    };
    let mut peer = quiet_of(&server, &mallory);
    assert_eq!(look_up(&mut peer, "alice"), None);
    // What is not found costs as much.
    for _ in 0..2 {
        let nack = look_up(&mut peer, "nobody").expect("there is none");
        assert_eq!(nack.code, NackCode::UNKNOWN_HANDLE);
    }
    let mut peer = quiet_of(&server, &mallory);
    for handle in ["alice", "nobody"] {
        assert_limited(look_up(&mut peer, handle), Kind::LOOKUP, HOUR_MS);
    }
    server.check_calm();
}

#[test]
fn another_connection_brings_no_other_quota_of_messages() {
    let limits = "sends_per_second = 1\n";
    let (server, [mallory, alice]) = limited(["mallory", "alice"], limits);
    let send = |peer: &mut Peer| {
        let message = message(alice.address.user, b"again");
        verdict(peer, &Frame::Send(message))
    };
    let mut peer = quiet_of(&server, &mallory);
    let mut sent = 0;
    while send(&mut peer).is_none() {
        sent += 1;
    }
    assert!((2..=4).contains(&sent), "{sent}: a burst of two");
    let mut peer = quiet_of(&server, &mallory);
    // By now it may have got one back, and no more.
    let refused = send(&mut peer).or_else(|| send(&mut peer));
    assert_limited(refused, Kind::SEND, 1_000);
    server.check_calm();
}
