//! Hostile words about other people: floods, numbers that mean nothing, frames of the other side.

use martlet_protocol::frame::{
    AccountSettings, Frame, Presence, PresenceState, Relate, Related, Relation, Settings, Typing,
    TypingKind, Visibility, Watch,
};
use martlet_protocol::limits::{WATCH_USERS_MAX, WATCHED_MAX};
use martlet_protocol::wire::List;
use martlet_protocol::{CloseCode, Kind, Millis, NackCode, UserId};

use crate::bystanders::Bystanders;
use crate::peer::{Peer, account};
use crate::server::Server;

/// A connection behind its CAUGHT_UP.
fn quiet(server: &Server, name: &str) -> Peer {
    let account = account(server.address, name);
    let mut peer = Peer::ready(server.address, &account);
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
