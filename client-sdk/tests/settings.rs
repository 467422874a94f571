//! What an account lets others know, how it takes strangers, and what was read elsewhere.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test binary has no public interface"
)]

#[path = "support/lab.rs"]
mod lab;
#[path = "support/model/mod.rs"]
mod model;
#[path = "support/relating.rs"]
mod relating;

use lab::Lab;
use martlet_client::{
    Event, MessageState, Relation, Settings, SettingsChange, Strangers, UserId, Visibility,
};
use martlet_protocol::frame::{self, Frame, Related, RelationEntry, RelationList, SettingsAre};
use martlet_protocol::wire::List;
use martlet_protocol::{Kind, NackCode};
use relating::{
    AS_REQUESTS, EVERYTHING, heard, known, refuse, relate, relations, set, told, with_tablet,
};

#[test]
fn settings_are_changed_one_by_one_and_told_until_the_server_has_them() {
    let mut lab = Lab::of(&["alice"]);
    assert_eq!(lab.engine(0).settings().unwrap(), Some(EVERYTHING));
    lab.leave(0);
    let now = lab.now;
    let receipts = SettingsChange {
        read_receipts: Some(false),
        ..SettingsChange::default()
    };
    lab.engine(0).set_settings(now, &receipts).unwrap();
    lab.engine(0).set_settings(now, &AS_REQUESTS).unwrap();
    lab.crash(0);
    let expected = AS_REQUESTS.applied_to(receipts.applied_to(EVERYTHING));
    assert_eq!(lab.engine(0).settings().unwrap(), Some(expected));
    assert!(!lab.engine(0).is_settled());
    refuse(&mut lab, Kind::SETTINGS, 2, NackCode::RATE_LIMITED);
    heard(&mut lab, 0);
    lab.come_back(0);
    assert_eq!(heard(&mut lab, 0), ["SETTINGS 1 0 2"; 3]);
    assert!(lab.engine(0).is_settled());
    assert!(!lab.model.people.settings_of(UserId(1)).read_receipts);
    assert_eq!(told(&mut lab, 0), []);
}

#[test]
fn settings_that_the_server_does_not_take_are_told_and_undone() {
    let mut lab = Lab::of(&["alice"]);
    let change = SettingsChange {
        presence: Some(Visibility::Other(9)),
        ..SettingsChange::default()
    };
    set(&mut lab, 0, &change);
    let code = NackCode::VALUE_UNKNOWN;
    assert_eq!(told(&mut lab, 0), [Event::SettingsRefused { code }]);
    assert_eq!(lab.engine(0).settings().unwrap(), Some(EVERYTHING));
    assert!(lab.engine(0).is_settled());
}

#[test]
fn settings_that_the_server_never_tells_are_not_made_up() {
    let mut lab = Lab::new();
    lab.model.people.unanswered.insert(Kind::SETTINGS);
    lab.add("alice");
    assert_eq!(lab.engine(0).settings().unwrap(), None);
    lab.model.people.unanswered.clear();
    refuse(&mut lab, Kind::SETTINGS, 100, NackCode::VALUE_UNKNOWN);
    let now = lab.now;
    lab.engine(0).set_settings(now, &AS_REQUESTS).unwrap();
    heard(&mut lab, 0);
    lab.cut(0);
    lab.settle();
    assert_eq!(
        heard(&mut lab, 0).len(),
        1,
        "a server that says no is not asked in a circle"
    );
    refuse(&mut lab, Kind::SETTINGS, 0, NackCode::VALUE_UNKNOWN);
    lab.cut(0);
    lab.settle();
    assert_eq!(
        lab.engine(0).settings().unwrap(),
        Some(AS_REQUESTS.applied_to(EVERYTHING))
    );
}

#[test]
fn what_a_stranger_writes_is_a_request_until_it_is_accepted_or_answered() {
    for is_answered in [false, true] {
        let mut lab = Lab::of(&["alice", "bob"]);
        set(&mut lab, 0, &AS_REQUESTS);
        let id = lab.say(1, "alice", "do you know me?");
        let is_request = |lab: &mut Lab| lab.peers[0].history("bob")[0].is_request;
        let events = lab.peers[0].take();
        let shown = events.iter().find_map(|event| match event {
            Event::Message(message) => Some(message.is_request),
            _ => None,
        });
        assert_eq!(shown, Some(true));
        assert!(is_request(&mut lab));
        let state = |lab: &mut Lab| lab.engine(1).message(id).unwrap().unwrap().state;
        let now = lab.now;
        lab.engine(0).mark_read(now, "bob", id).unwrap();
        lab.dial(0);
        lab.settle();
        assert_eq!(
            state(&mut lab),
            MessageState::Sent,
            "a stranger is told nothing"
        );
        if is_answered {
            lab.say(0, "bob", "I do");
        } else {
            relate(&mut lab, 0, "bob", Relation::Contact);
            lab.settle();
        }
        assert!(!is_request(&mut lab));
        assert_eq!(state(&mut lab), MessageState::Read);
    }
}

#[test]
fn the_own_words_and_those_of_contacts_and_of_whoever_asks_nobody_are_no_requests() {
    let mut lab = Lab::acquainted();
    set(&mut lab, 0, &AS_REQUESTS);
    assert!(lab.peers[0].history("bob").iter().all(|it| !it.is_request));
    let mut lab = Lab::of(&["alice", "bob"]);
    lab.say(1, "alice", "do you know me?");
    assert!(!lab.peers[0].history("bob")[0].is_request);
    // That holds for what is there already, too.
    set(&mut lab, 0, &AS_REQUESTS);
    assert!(lab.peers[0].history("bob")[0].is_request);
}

#[test]
fn what_is_read_on_one_device_is_read_on_the_others_and_told_once() {
    let (mut lab, tablet) = with_tablet();
    lab.say(1, "alice", "one");
    let id = lab.say(1, "alice", "two");
    lab.say(1, "alice", "three");
    lab.peers[0].take();
    // The other device has read less, and the server has not heard of it.
    let first = lab.peers[0].history("bob").iter().rev().nth(2).unwrap().id;
    lab.leave(0);
    let now = lab.now;
    lab.engine(0).mark_read(now, "bob", first).unwrap();
    lab.engine(tablet).mark_read(now, "bob", id).unwrap();
    lab.dial(tablet);
    lab.settle();
    heard(&mut lab, 0);
    // What came while it was away is shown as it is, and the rest is told.
    lab.peers[0].is_away = false;
    lab.wait(60_000);
    lab.model.people.unanswered.insert(Kind::RELATIONS);
    lab.settle();
    let states: Vec<_> = lab.peers[0]
        .history("bob")
        .iter()
        .rev()
        .take(3)
        .map(|message| message.state)
        .collect();
    let (read, unread) = (MessageState::Read, MessageState::Delivered);
    assert_eq!(states, [unread, read, read]);
    let at = lab.engine(0).message(id).unwrap().unwrap().at;
    let seen = Event::Seen {
        peer: "bob".to_owned(),
        up_to: at,
    };
    assert_eq!(told(&mut lab, 0), [seen]);
    assert_eq!(told(&mut lab, tablet), []);
    assert!(lab.engine(0).is_settled());
    // No READ of its own is left to be sent, and marking it once more sends none.
    let now = lab.now;
    heard(&mut lab, 0);
    lab.engine(0).mark_read(now, "bob", id).unwrap();
    lab.dial(0);
    lab.cut(0);
    lab.settle();
    let said = heard(&mut lab, 0);
    assert!(!said.iter().any(|it| it.starts_with("READ ")), "{said:?}");
}

#[test]
fn what_is_read_is_told_to_the_server_also_when_nobody_else_is_to_know_it() {
    let (mut lab, tablet) = with_tablet();
    let receipts = SettingsChange {
        read_receipts: Some(false),
        ..SettingsChange::default()
    };
    set(&mut lab, 0, &receipts);
    let id = lab.say(1, "alice", "one");
    heard(&mut lab, 0);
    let now = lab.now;
    lab.engine(0).mark_read(now, "bob", id).unwrap();
    lab.dial(0);
    lab.settle();
    assert_eq!(heard(&mut lab, 0), ["READ 2"]);
    let state = |lab: &mut Lab, who: usize| lab.engine(who).message(id).unwrap().unwrap().state;
    assert_eq!(state(&mut lab, tablet), MessageState::Read);
    assert_eq!(state(&mut lab, 1), MessageState::Delivered);
}

#[test]
fn nothing_that_a_server_says_of_people_breaks_a_client_or_is_believed_too_far() {
    let mut lab = Lab::acquainted();
    let to = lab.peers[0].address();
    let own = to.user;
    let entry = |user: u64, relation: u8| RelationEntry {
        user: UserId(user),
        relation: frame::Relation(relation),
    };
    for request in [0, 1, 77, u64::MAX >> 2] {
        let entries = [
            entry(own.0, 2),
            entry(3, 77),
            entry(9, 0),
            entry(u64::MAX, 200),
        ];
        for relations in [&entries[..], &[]] {
            lab.model.say(
                to,
                &Frame::RelationList(RelationList {
                    request,
                    more: true,
                    relations: List::Slice(relations),
                }),
            );
        }
        lab.model.say(to, &Frame::Related(Related { request }));
        let settings = frame::AccountSettings {
            presence: frame::Visibility(200),
            read_receipts: false,
            strangers: frame::Strangers(0),
        };
        lab.model
            .say(to, &Frame::SettingsAre(SettingsAre { request, settings }));
    }
    lab.settle();
    assert!(lab.engine(0).is_online());
    // What is of a newer version is nothing that this one shows, nor that it changes by itself.
    assert_eq!(relations(&mut lab, 0), [known("bob", Relation::Contact)]);
    let strange = Settings {
        presence: Visibility::Other(200),
        read_receipts: false,
        strangers: Strangers::Other(0),
    };
    assert_eq!(told(&mut lab, 0), [Event::SettingsChanged(strange)]);
    lab.say(0, "bob", "still here");
    assert_eq!(lab.peers[1].texts("alice").last().unwrap(), "still here");
}

#[test]
fn a_list_without_an_end_is_not_asked_for_without_an_end() {
    let mut lab = Lab::of(&["alice"]);
    lab.model.people.page = Some(0);
    lab.model
        .set_relation(UserId(1), UserId(2), frame::Relation::BLOCKED);
    let tablet = lab.link(0, false);
    let said = heard(&mut lab, tablet);
    let asked = said.iter().filter(|it| it.starts_with("RELATIONS")).count();
    assert_eq!(asked, 1, "{said:?}");
}
