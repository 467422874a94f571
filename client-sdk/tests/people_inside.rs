//! The process dies inside a call about people: the database has all of the call then, or nothing,
//! and the server hears of it in the end.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test binary has no public interface"
)]

#[path = "support/deaths.rs"]
mod deaths;
#[path = "support/lab.rs"]
mod lab;
#[path = "support/model/mod.rs"]
mod model;

use deaths::{Death, is_done};
use lab::Lab;
use martlet_client::local::{Breaker, Db};
use martlet_client::{
    Event, MessageState, Relation, SettingsChange, StoreKey, Strangers, UserId, Visibility,
};
use martlet_protocol::frame::{self, Frame, RelationEntry, RelationList, SettingsAre};
use martlet_protocol::wire::List;

const ALICE: UserId = UserId(1);
const BOB: UserId = UserId(2);

/// Alice, who dies, and Bob, who have talked to each other.
fn acquainted() -> (Lab, Breaker) {
    let mut lab = Lab::new();
    let mut db = Db::memory(&StoreKey::random()).unwrap();
    let breaker = db.breaker().unwrap();
    lab.add_on("alice", db);
    lab.add("bob");
    lab.say(0, "bob", "hello Bob");
    lab.say(1, "alice", "hello Alice");
    lab.peers[0].take();
    (lab, breaker)
}

/// Lets the client die at each place of a call in turn. `prepare` makes that there is something to
/// call for; `call` returns whether the call was done; `check` looks at what has come of it.
fn sweep(
    (lab, breaker): &mut (Lab, Breaker),
    prepare: impl Fn(&mut Lab),
    call: impl Fn(&mut Lab) -> Result<(), String>,
    check: impl Fn(&mut Lab, bool),
) {
    let mut deaths = 0;
    for death in Death::all() {
        lab.wait(1);
        prepare(lab);
        death.prepare(breaker);
        let result = call(lab);
        let is_done = is_done(lab, 0, breaker, &result);
        lab.dial(0);
        check(lab, is_done);
        deaths += usize::from(!is_done);
        if is_done {
            break;
        }
    }
    assert!(deaths > 5, "there were many places to die: {deaths}");
}

/// What the server has to say reaches the client, and the call ends or its process does.
fn hear(lab: &mut Lab) -> Result<(), String> {
    let now = lab.now;
    let Lab { model, peers, .. } = &mut *lab;
    let session = peers[0].session.as_mut().unwrap();
    model.push(session);
    let pushed = session.output.split();
    assert!(!pushed.is_empty(), "something is on its way");
    let heard = peers[0].engine().handle_bytes(now, &pushed);
    heard.map_err(|error| error.to_string())
}

fn relation(lab: &mut Lab) -> Relation {
    lab.engine(0).relation("bob").unwrap()
}

#[test]
fn a_block_holds_or_was_never_and_the_server_has_what_holds_wherever_it_is_made() {
    let mut world = acquainted();
    let prepare = |lab: &mut Lab| {
        let now = lab.now;
        lab.engine(0).relate(now, "bob", Relation::Contact).unwrap();
        lab.dial(0);
        lab.settle();
    };
    let call = |lab: &mut Lab| {
        let now = lab.now;
        let made = lab.engine(0).relate(now, "bob", Relation::Blocked);
        made.map_err(|error| error.to_string())
    };
    sweep(&mut world, prepare, call, |lab, is_done| {
        let held = relation(lab);
        assert!(!is_done || held == Relation::Blocked);
        lab.settle();
        assert_eq!(relation(lab), held);
        let expected = match held {
            Relation::Blocked => frame::Relation::BLOCKED,
            _ => frame::Relation::CONTACT,
        };
        assert_eq!(lab.model.people.relation(ALICE, BOB), expected);
        assert!(lab.engine(0).is_settled());
    });
}

#[test]
fn the_answer_is_not_needed_twice_wherever_it_is_heard() {
    let mut world = acquainted();
    let prepare = |lab: &mut Lab| {
        let now = lab.now;
        for relation in [Relation::Stranger, Relation::Blocked] {
            lab.engine(0).relate(now, "bob", relation).unwrap();
            lab.dial(0);
            lab.speak(0);
        }
    };
    sweep(&mut world, prepare, hear, |lab, _| {
        assert_eq!(relation(lab), Relation::Blocked, "also before the answer");
        lab.settle();
        assert_eq!(
            lab.model.people.relation(ALICE, BOB),
            frame::Relation::BLOCKED
        );
        assert!(lab.engine(0).is_settled());
    });
}

#[test]
fn a_first_message_makes_its_recipient_a_contact_wherever_its_writer_dies() {
    let mut world = acquainted();
    let prepare = |lab: &mut Lab| {
        let now = lab.now;
        lab.engine(0)
            .relate(now, "bob", Relation::Stranger)
            .unwrap();
        lab.dial(0);
        lab.settle();
        // It is written without a connection, and goes with the next one.
        lab.leave(0);
        lab.send(0, "bob", "again");
        lab.peers[0].is_away = false;
        lab.wait(60_000);
        lab.dial(0);
        lab.travel(0, 1_000_000);
        lab.speak(0);
    };
    sweep(&mut world, prepare, hear, |lab, _| {
        lab.settle();
        lab.wait(60_000);
        lab.settle();
        assert_eq!(
            lab.model.people.relation(ALICE, BOB),
            frame::Relation::CONTACT
        );
        assert_eq!(relation(lab), Relation::Contact);
        assert_eq!(lab.peers[1].texts("alice"), lab.peers[0].texts("bob"));
        // A client looks through what nobody has read whenever it connects.
        let (now, newest) = (lab.now, lab.peers[1].history("alice").pop().unwrap().id);
        lab.engine(1).mark_read(now, "alice", newest).unwrap();
        lab.dial(1);
        lab.settle();
    });
}

#[test]
fn what_another_device_does_is_known_and_told_once_wherever_it_is_heard() {
    let mut world = acquainted();
    world.0.link(0, false);
    let prepare = |lab: &mut Lab| {
        lab.settle();
        lab.peers[0].take();
        let to = lab.peers[0].address();
        let known = lab.model.people.relation(ALICE, BOB);
        let relation = match known {
            frame::Relation::BLOCKED => frame::Relation::CONTACT,
            _ => frame::Relation::BLOCKED,
        };
        lab.model.set_relation(ALICE, BOB, relation);
        let entry = RelationEntry {
            user: BOB,
            relation,
        };
        let relations = List::Slice(core::slice::from_ref(&entry));
        let list = RelationList {
            request: 0,
            more: false,
            relations,
        };
        lab.model.say(to, &Frame::RelationList(list));
        let mut settings = lab.model.people.settings_of(ALICE);
        settings.read_receipts = !settings.read_receipts;
        lab.model.people.settings.insert(ALICE, settings);
        let request = 0;
        let settings = SettingsAre { request, settings };
        lab.model.say(to, &Frame::SettingsAre(settings));
    };
    sweep(&mut world, prepare, hear, |lab, _| {
        lab.settle();
        let expected = match lab.model.people.relation(ALICE, BOB) {
            frame::Relation::BLOCKED => Relation::Blocked,
            _ => Relation::Contact,
        };
        assert_eq!(relation(lab), expected);
        let settings = lab.engine(0).settings().unwrap().unwrap();
        let held = lab.model.people.settings_of(ALICE);
        assert_eq!(settings.read_receipts, held.read_receipts);
        let peer = "bob".to_owned();
        let mut told = lab.peers[0].take();
        told.retain(|event| !matches!(event, Event::Online { .. } | Event::Offline { .. }));
        told.retain(|event| !matches!(event, Event::CaughtUp { .. }));
        let relation = expected;
        let changes = [
            Event::RelationChanged { peer, relation },
            Event::SettingsChanged(settings),
        ];
        assert_eq!(told, changes);
    });
}

#[test]
fn settings_are_changed_or_were_never_and_the_server_has_what_holds() {
    let mut world = acquainted();
    let prepare = |lab: &mut Lab| {
        let now = lab.now;
        let back = SettingsChange {
            presence: Some(Visibility::Everyone),
            read_receipts: Some(true),
            strangers: Some(Strangers::Anyone),
        };
        lab.engine(0).set_settings(now, &back).unwrap();
        lab.dial(0);
        lab.settle();
    };
    let call = |lab: &mut Lab| {
        let now = lab.now;
        let change = SettingsChange {
            presence: Some(Visibility::Nobody),
            strangers: Some(Strangers::Requests),
            ..SettingsChange::default()
        };
        let set = lab.engine(0).set_settings(now, &change);
        set.map_err(|error| error.to_string())
    };
    sweep(&mut world, prepare, call, |lab, is_done| {
        let held = lab.engine(0).settings().unwrap().unwrap();
        assert!(!is_done || held.presence == Visibility::Nobody);
        assert_eq!(
            held.presence == Visibility::Nobody,
            held.strangers == Strangers::Requests,
            "all of a change, or nothing"
        );
        lab.settle();
        let at_server = lab.model.people.settings_of(ALICE);
        assert_eq!(Visibility::from(at_server.presence), held.presence);
        assert_eq!(Strangers::from(at_server.strangers), held.strangers);
        assert!(lab.engine(0).is_settled());
    });
}

#[test]
fn what_was_read_elsewhere_is_read_here_and_told_once_wherever_it_is_heard() {
    let (lab, breaker) = acquainted();
    let mut world = (lab, breaker);
    let tablet = world.0.link(0, true);
    let prepare = move |lab: &mut Lab| {
        lab.settle();
        let id = lab.say(1, "alice", "read me");
        lab.peers[0].take();
        let now = lab.now;
        lab.engine(tablet).mark_read(now, "bob", id).unwrap();
        lab.dial(tablet);
        lab.travel(tablet, 1_000_000);
    };
    sweep(&mut world, prepare, hear, |lab, _| {
        lab.settle();
        let newest = lab.peers[0].history("bob").pop().unwrap();
        assert_eq!(newest.state, MessageState::Read);
        let events = lab.peers[0].take();
        let seen = events.iter().filter_map(|event| match event {
            Event::Seen { peer, up_to } => Some((peer.as_str(), *up_to)),
            _ => None,
        });
        assert_eq!(seen.collect::<Vec<_>>(), [("bob", newest.at)]);
        assert!(lab.engine(0).is_settled());
    });
}
