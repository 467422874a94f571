//! Online and offline, and typing.

use std::time::Duration;

use martlet_protocol::frame::{AccountSettings, PresenceState, Typed, TypingKind, Visibility};
use martlet_protocol::{Millis, UserId};

use crate::people::{Place, all_within, look, presence_of, settings, type_to, watch};
use crate::support::client::now;
use crate::support::wire::Got;

// [M-24.4] [M-24.6] [M-24.8]
#[test]
fn a_watcher_sees_somebody_come_and_go_and_nobody_who_hides() {
    let place = Place::new();
    let [mut alice, mut bob] = ["alice", "bob"].map(|name| place.account(name));
    let (user, nobody) = (bob.address().user, UserId(404));
    watch(&mut alice, 1, &[user, nobody]);
    let hidden = (PresenceState::HIDDEN, Millis(0));
    assert_eq!(presence_of(&mut alice, nobody), hidden);
    watch(&mut alice, 2, &[nobody]);
    look(&mut bob, true);
    let online = (PresenceState::ONLINE, Millis(0));
    while presence_of(&mut alice, user) != online {}
    let before = now();
    bob.disconnect();
    let (state, seen) = presence_of(&mut alice, user);
    assert_eq!(state, PresenceState::OFFLINE);
    assert!(seen >= before && seen <= now(), "{seen} is not {before}");

    bob.go_online(place.address());
    look(&mut bob, true);
    assert_eq!(presence_of(&mut alice, user), online);
    let secret = AccountSettings {
        presence: Visibility::NOBODY,
        ..AccountSettings::default()
    };
    assert_eq!(settings(&mut bob, Some(secret)), secret);
    assert_eq!(presence_of(&mut alice, user), hidden);
}

// [M-24.5]
#[test]
fn somebody_who_flickers_is_told_once_a_second() {
    let place = Place::new();
    let [mut alice, mut bob] = ["alice", "bob"].map(|name| place.account(name));
    watch(&mut alice, 1, &[bob.address().user]);
    presence_of(&mut alice, bob.address().user);
    for _ in 0..200 {
        look(&mut bob, true);
        look(&mut bob, false);
    }
    look(&mut bob, true);
    let told = all_within(&mut alice, Duration::from_secs(3));
    let told: Vec<_> = told
        .iter()
        .filter_map(|got| match got {
            Got::Presence(presence) => Some(presence.state),
            _ => None,
        })
        .collect();
    assert!(!told.is_empty() && told.len() <= 4, "{told:?}");
    assert_eq!(told.last(), Some(&PresenceState::ONLINE));
}

// [M-24.9]
#[test]
fn typing_arrives_and_a_flood_of_it_does_not() {
    let place = Place::new();
    let [mut alice, mut bob] = ["alice", "bob"].map(|name| place.account(name));
    for _ in 0..100 {
        type_to(&mut alice, bob.address().user);
    }
    let told = all_within(&mut bob, Duration::from_secs(2));
    let typed = Typed {
        peer: alice.address(),
        kind: TypingKind::TYPING,
    };
    let told = told.iter().filter(|got| **got == Got::Typed(typed)).count();
    assert!((5..=8).contains(&told), "{told} of a hundred");
}
