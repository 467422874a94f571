//! Who is there and who writes: told while it is true, and nothing of it is kept.
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

use lab::Lab;
use martlet_client::{
    ClientError, Event, Millis, PeopleError, Presence, Relation, SettingsChange, Typing, UserId,
    Visibility,
};
use martlet_protocol::frame::{self, Frame, GroupMode, PresenceState, Typed, TypingKind};
use martlet_protocol::{Address, DeviceId, Kind, NackCode};

fn watch(lab: &mut Lab, who: usize, peer: &str) {
    let now = lab.now;
    lab.engine(who).watch(now, peer).unwrap();
    lab.dial(who);
    lab.exchange();
}

fn set_active(lab: &mut Lab, who: usize, is_active: bool) {
    let now = lab.now;
    lab.engine(who).set_active(now, is_active).unwrap();
    lab.dial(who);
    lab.exchange();
}

fn types(lab: &mut Lab, who: usize, peer: &str, kind: Typing) {
    let now = lab.now;
    lab.engine(who).typing(now, peer, kind).unwrap();
    lab.dial(who);
    lab.exchange();
}

/// What the application is told of presence: whom, what, and since when.
fn presences(lab: &mut Lab, who: usize) -> Vec<(String, Presence, Option<Millis>)> {
    let events = lab.peers[who].take().into_iter();
    let told = events.filter_map(|event| match event {
        Event::Presence {
            peer,
            state,
            last_seen,
        } => Some((peer, state, last_seen)),
        _ => None,
    });
    told.collect()
}

fn is(peer: &str, state: Presence) -> (String, Presence, Option<Millis>) {
    (peer.to_owned(), state, None)
}

/// What it is told of who writes, as `peer by kind`.
fn typings(lab: &mut Lab, who: usize) -> Vec<String> {
    let events = lab.peers[who].take().into_iter();
    let told = events.filter_map(|event| match event {
        Event::Typing { peer, by, kind } => Some(format!("{peer} {by} {kind}")),
        _ => None,
    });
    told.collect()
}

/// What this client has said of people since the last look.
fn heard(lab: &mut Lab, who: usize) -> Vec<String> {
    let user = lab.peers[who].address().user.0;
    let heard = lab.model.people.heard.drain(..);
    let prefix = format!("{user}.1 ");
    let own = heard.filter_map(|it| it.strip_prefix(&prefix).map(str::to_owned));
    own.collect()
}

fn refuse(lab: &mut Lab, kind: Kind, count: u32, code: NackCode) {
    lab.model.people.refusals.insert(kind, (count, code));
}

#[test]
fn who_is_watched_is_told_at_once_and_with_each_change() {
    let mut lab = Lab::acquainted();
    watch(&mut lab, 0, "bob");
    assert_eq!(
        presences(&mut lab, 0),
        [is("bob", Presence::Hidden)],
        "never there"
    );
    set_active(&mut lab, 1, true);
    assert_eq!(presences(&mut lab, 0), [is("bob", Presence::Online)]);
    lab.wait(1_000);
    let last_seen = lab.now;
    set_active(&mut lab, 1, false);
    let offline = ("bob".to_owned(), Presence::Offline, Some(last_seen));
    assert_eq!(presences(&mut lab, 0), std::slice::from_ref(&offline));
    // To watch once more tells what is known, and asks nobody.
    heard(&mut lab, 0);
    watch(&mut lab, 0, "bob");
    assert_eq!(presences(&mut lab, 0), [offline]);
    let now = lab.now;
    lab.engine(0).unwatch(now, "bob").unwrap();
    lab.dial(0);
    lab.exchange();
    assert_eq!(heard(&mut lab, 0), ["WATCH 0 1"]);
    set_active(&mut lab, 1, true);
    assert_eq!(presences(&mut lab, 0), []);
}

#[test]
fn of_changes_that_nobody_has_looked_at_the_newest_is_told() {
    let mut lab = Lab::acquainted();
    watch(&mut lab, 0, "bob");
    for is_active in [true, false, true, false, true] {
        set_active(&mut lab, 1, is_active);
    }
    assert_eq!(presences(&mut lab, 0), [is("bob", Presence::Online)]);
}

#[test]
fn each_connection_watches_and_is_active_anew_and_a_new_process_is_not() {
    let mut lab = Lab::acquainted();
    watch(&mut lab, 0, "bob");
    set_active(&mut lab, 0, true);
    set_active(&mut lab, 1, true);
    presences(&mut lab, 0);
    heard(&mut lab, 0);
    lab.cut(0);
    lab.settle();
    assert_eq!(heard(&mut lab, 0), ["ACTIVE 1", "WATCH 1 1"]);
    assert_eq!(presences(&mut lab, 0), [is("bob", Presence::Online)]);
    // What changed while there was no connection is not told twice.
    lab.leave(0);
    set_active(&mut lab, 0, false);
    set_active(&mut lab, 1, false);
    lab.come_back(0);
    assert_eq!(heard(&mut lab, 0), ["WATCH 1 1"]);
    assert!(matches!(
        presences(&mut lab, 0)[..],
        [(_, Presence::Offline, Some(_))]
    ));
    set_active(&mut lab, 0, true);
    lab.crash(0);
    lab.settle();
    let said = heard(&mut lab, 0);
    assert_eq!(said, ["ACTIVE 1"], "before the crash");
}

#[test]
fn many_are_watched_in_pieces_up_to_the_limit_and_not_beyond_it() {
    let mut lab = Lab::acquainted();
    for user in 10..1_034 {
        let relation = frame::Relation::CONTACT;
        lab.model.set_relation(UserId(1), UserId(user), relation);
    }
    // They are known by number once the list has come.
    lab.link(0, false);
    lab.cut(0);
    lab.settle();
    lab.leave(0);
    let now = lab.now;
    for user in 10..1_034 {
        lab.engine(0).watch(now, &UserId(user).to_string()).unwrap();
    }
    let beyond = lab.engine(0).watch(now, "bob");
    assert!(
        matches!(
            beyond,
            Err(PeopleError::TooManyWatched {
                accounts_max: 1_024
            })
        ),
        "{beyond:?}"
    );
    heard(&mut lab, 0);
    lab.come_back(0);
    let said = heard(&mut lab, 0);
    let watches: Vec<_> = said.iter().filter(|it| it.starts_with("WATCH")).collect();
    assert_eq!(watches, ["WATCH 1 256"; 4]);
    assert_eq!(presences(&mut lab, 0).len(), 1_024);
    // Whoever goes makes room.
    let now = lab.now;
    lab.engine(0).unwatch(now, &UserId(10).to_string()).unwrap();
    watch(&mut lab, 0, "bob");
    assert_eq!(heard(&mut lab, 0), ["WATCH 0 1", "WATCH 1 1"]);
    assert_eq!(presences(&mut lab, 0), [is("bob", Presence::Hidden)]);
}

#[test]
fn a_watch_that_is_refused_for_now_is_repeated_then_and_one_for_good_is_told() {
    let mut lab = Lab::acquainted();
    set_active(&mut lab, 1, true);
    refuse(&mut lab, Kind::WATCH, 2, NackCode::RATE_LIMITED);
    heard(&mut lab, 0);
    watch(&mut lab, 0, "bob");
    assert_eq!(heard(&mut lab, 0), ["WATCH 1 1"]);
    lab.settle();
    assert_eq!(heard(&mut lab, 0), ["WATCH 1 1"; 2]);
    assert_eq!(presences(&mut lab, 0), [is("bob", Presence::Online)]);

    let now = lab.now;
    lab.engine(0).unwatch(now, "bob").unwrap();
    lab.dial(0);
    lab.exchange();
    for code in [NackCode::TOO_MANY_WATCHED, NackCode::VALUE_UNKNOWN] {
        refuse(&mut lab, Kind::WATCH, 1, code);
        watch(&mut lab, 0, "bob");
        let peer = "bob".to_owned();
        assert_eq!(lab.peers[0].take(), [Event::WatchRefused { peer, code }]);
        lab.cut(0);
        lab.settle();
        lab.peers[0].take();
    }
    // It can be tried again.
    watch(&mut lab, 0, "bob");
    assert_eq!(presences(&mut lab, 0), [is("bob", Presence::Online)]);
}

#[test]
fn whoever_hides_or_blocks_is_neither_seen_nor_sees() {
    let mut lab = Lab::acquainted();
    set_active(&mut lab, 0, true);
    set_active(&mut lab, 1, true);
    watch(&mut lab, 0, "bob");
    watch(&mut lab, 1, "alice");
    for who in [0, 1] {
        assert_eq!(presences(&mut lab, who).len(), 1);
    }
    let now = lab.now;
    lab.engine(0).relate(now, "bob", Relation::Blocked).unwrap();
    lab.dial(0);
    lab.settle();
    assert_eq!(presences(&mut lab, 0), [is("bob", Presence::Hidden)]);
    assert_eq!(presences(&mut lab, 1), [is("alice", Presence::Hidden)]);
    let now = lab.now;
    lab.engine(0).relate(now, "bob", Relation::Contact).unwrap();
    let hidden = SettingsChange {
        presence: Some(Visibility::Nobody),
        ..SettingsChange::default()
    };
    lab.engine(1).set_settings(now, &hidden).unwrap();
    lab.dial(0);
    lab.dial(1);
    lab.settle();
    assert_eq!(presences(&mut lab, 0), [], "it is as it was");
}

#[test]
fn a_presence_that_nobody_has_asked_for_or_of_a_newer_version_says_nothing() {
    let mut lab = Lab::acquainted();
    let to = lab.peers[0].address();
    let say = |lab: &mut Lab, user: u64, state: u8| {
        let presence = frame::Presence {
            user: UserId(user),
            state: PresenceState(state),
            last_seen: Millis(7),
        };
        lab.model.say(to, &Frame::Presence(presence));
        lab.exchange();
    };
    say(&mut lab, 2, 2);
    say(&mut lab, 99, 2);
    assert_eq!(presences(&mut lab, 0), []);
    watch(&mut lab, 0, "bob");
    presences(&mut lab, 0);
    say(&mut lab, 2, 200);
    let hidden = ("bob".to_owned(), Presence::Hidden, Some(Millis(7)));
    assert_eq!(presences(&mut lab, 0), [hidden]);
    assert!(lab.engine(0).is_online());
}

#[test]
fn who_writes_is_told_while_it_lasts_and_when_it_ends() {
    let mut lab = Lab::acquainted();
    heard(&mut lab, 0);
    for _ in 0..50 {
        types(&mut lab, 0, "bob", Typing::Typing);
        lab.wait(100);
    }
    assert_eq!(heard(&mut lab, 0), ["TYPING 2 1"; 2], "not with every key");
    assert_eq!(typings(&mut lab, 1), ["alice alice typing"]);
    types(&mut lab, 0, "bob", Typing::Recording);
    types(&mut lab, 0, "bob", Typing::Stopped);
    types(&mut lab, 0, "bob", Typing::Stopped);
    assert_eq!(heard(&mut lab, 0), ["TYPING 2 2", "TYPING 2 0"]);
    assert_eq!(typings(&mut lab, 1), ["alice alice stopped"]);
}

#[test]
fn what_is_not_repeated_is_over_after_six_seconds() {
    let mut lab = Lab::acquainted();
    types(&mut lab, 0, "bob", Typing::Typing);
    assert_eq!(typings(&mut lab, 1), ["alice alice typing"]);
    lab.wait(5_999);
    assert_eq!(typings(&mut lab, 1), Vec::<String>::new());
    let now = lab.now;
    assert_eq!(lab.engine(1).poll_timeout(now), Some(now.plus(1)));
    lab.wait(1);
    assert_eq!(typings(&mut lab, 1), ["alice alice stopped"]);
}

#[test]
fn a_message_ends_what_was_written_at_both_sides() {
    let mut lab = Lab::acquainted();
    types(&mut lab, 0, "bob", Typing::Typing);
    assert_eq!(typings(&mut lab, 1), ["alice alice typing"]);
    heard(&mut lab, 0);
    lab.send(0, "bob", "done");
    lab.exchange();
    let events = lab.peers[1].take();
    let told: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Message(_) => Some("message"),
            Event::Typing {
                kind: Typing::Stopped,
                ..
            } => Some("stopped"),
            _ => None,
        })
        .collect();
    assert_eq!(told, ["message", "stopped"]);
    // And the next key is told at once.
    types(&mut lab, 0, "bob", Typing::Typing);
    assert_eq!(heard(&mut lab, 0), ["SEND 2", "TYPING 2 1"]);
}

#[test]
fn what_is_written_without_a_connection_nobody_hears_then_or_later() {
    let mut lab = Lab::acquainted();
    types(&mut lab, 1, "alice", Typing::Typing);
    assert_eq!(typings(&mut lab, 0), ["bob bob typing"]);
    lab.leave(0);
    assert_eq!(
        typings(&mut lab, 0),
        ["bob bob stopped"],
        "nothing more is heard"
    );
    heard(&mut lab, 0);
    types(&mut lab, 0, "bob", Typing::Typing);
    lab.come_back(0);
    let said = heard(&mut lab, 0);
    assert!(!said.iter().any(|it| it.starts_with("TYPING")), "{said:?}");
    types(&mut lab, 0, "bob", Typing::Typing);
    assert_eq!(heard(&mut lab, 0), ["TYPING 2 1"]);
}

#[test]
fn a_blocked_one_is_neither_shown_to_write_nor_told() {
    let mut lab = Lab::acquainted();
    types(&mut lab, 1, "alice", Typing::Typing);
    assert_eq!(typings(&mut lab, 0), ["bob bob typing"]);
    let now = lab.now;
    lab.engine(0).relate(now, "bob", Relation::Blocked).unwrap();
    assert_eq!(typings(&mut lab, 0), ["bob bob stopped"]);
    // One that is under way.
    let to = lab.peers[0].address();
    let typed = Typed {
        peer: lab.peers[1].address(),
        kind: TypingKind::TYPING,
    };
    lab.model.say(to, &Frame::Typed(typed));
    lab.dial(0);
    lab.settle();
    heard(&mut lab, 0);
    types(&mut lab, 0, "bob", Typing::Typing);
    assert_eq!(heard(&mut lab, 0), Vec::<String>::new());
    assert_eq!(typings(&mut lab, 0), Vec::<String>::new());
}

#[test]
fn in_a_group_it_is_said_who_writes() {
    let mut lab = Lab::of(&["alice", "bob", "carol"]);
    let group = lab.create_group(0, "climbing", &["bob", "carol"]);
    let peer = format!("#{:016x}", group.0);
    for who in 0..3 {
        lab.peers[who].take();
    }
    types(&mut lab, 0, &peer, Typing::Typing);
    types(&mut lab, 1, &peer, Typing::Recording);
    assert_eq!(typings(&mut lab, 0), [format!("{peer} bob recording")]);
    assert_eq!(
        typings(&mut lab, 2),
        [
            format!("{peer} alice typing"),
            format!("{peer} bob recording")
        ]
    );
    lab.send(1, &peer, "done");
    lab.exchange();
    assert_eq!(typings(&mut lab, 2), [format!("{peer} bob stopped")]);
    lab.wait(6_000);
    assert_eq!(typings(&mut lab, 2), [format!("{peer} alice stopped")]);
    // In a large group the server tells nobody, and is not told.
    lab.model.switch(group, GroupMode::STREAM);
    lab.settle();
    heard(&mut lab, 0);
    types(&mut lab, 0, &peer, Typing::Typing);
    assert_eq!(heard(&mut lab, 0), Vec::<String>::new());
}

#[test]
fn nobody_is_shown_to_write_whom_this_home_does_not_know() {
    let mut lab = Lab::of(&["alice", "bob", "carol"]);
    let group = lab.create_group(0, "climbing", &["bob"]);
    lab.peers[0].take();
    let (to, own) = (lab.peers[0].address(), lab.peers[0].address());
    let carol = lab.peers[2].address();
    let stranger = Address {
        user: UserId(99),
        device: DeviceId(1),
    };
    for peer in [own, stranger, carol] {
        let kind = TypingKind::TYPING;
        lab.model.say(to, &Frame::Typed(Typed { peer, kind }));
        lab.model.tell_group_typing(to, (group, peer), 1);
    }
    let bob = lab.peers[1].address();
    for kind in [3, 77, 255] {
        let kind = TypingKind(kind);
        lab.model.say(to, &Frame::Typed(Typed { peer: bob, kind }));
        lab.model.tell_group_typing(to, (group, bob), kind.0);
    }
    lab.model
        .tell_group_typing(to, (martlet_client::GroupId(77), bob), 1);
    lab.exchange();
    assert_eq!(typings(&mut lab, 0), Vec::<String>::new());
    assert!(lab.engine(0).is_online());
}

#[test]
fn what_cannot_be_watched_or_written_to_is_said() {
    let mut lab = Lab::acquainted();
    let group = lab.create_group(0, "climbing", &["bob"]);
    let now = lab.now;
    let engine = lab.engine(0);
    let of_group = engine.watch(now, &format!("#{:016x}", group.0));
    assert!(
        matches!(of_group, Err(PeopleError::IsGroup)),
        "{of_group:?}"
    );
    let nobody = engine.watch(now, "nobody");
    let is_unknown = matches!(nobody, Err(PeopleError::Client(ClientError::UnknownPeer)));
    assert!(is_unknown, "{nobody:?}");
    let own = engine.typing(now, "alice", Typing::Typing);
    assert!(matches!(own, Err(PeopleError::SelfAddressed)), "{own:?}");
}
