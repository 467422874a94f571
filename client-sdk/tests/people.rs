//! What others are to an account, and what its own devices tell each other of that.
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
use martlet_client::engine::Post;
use martlet_client::{
    Event, MessageState, PeopleError, Relation, SendError, SettingsChange, UserId, Visibility,
};
use martlet_protocol::frame::{self, Frame, Related};
use martlet_protocol::{Kind, NackCode};
use relating::{
    AS_REQUESTS, EVERYTHING, changed, heard, known, last_request, refuse, relate, relations, set,
    told, with_tablet,
};

#[test]
fn whom_an_account_writes_to_is_its_contact_before_the_message_comes_and_only_once() {
    let mut lab = Lab::of(&["alice", "bob"]);
    heard(&mut lab, 0);
    lab.say(0, "bob", "one");
    lab.say(0, "bob", "two");
    assert_eq!(heard(&mut lab, 0), ["RELATE 2 1", "SEND 2", "SEND 2"]);
    assert_eq!(relations(&mut lab, 0), [known("bob", Relation::Contact)]);
    assert_eq!(
        lab.model.people.relation(UserId(1), UserId(2)),
        frame::Relation::CONTACT
    );
    lab.say(1, "alice", "hello");
    assert_eq!(
        heard(&mut lab, 1).last_chunk(),
        Some(&["RELATE 1 1".into(), "SEND 1".into()])
    );
    assert_eq!(told(&mut lab, 0), [], "nobody is told what it did itself");
}

#[test]
fn a_first_message_waits_for_no_answer_about_its_recipient() {
    for code in [NackCode::RATE_LIMITED, NackCode::TOO_MANY_RELATIONS] {
        let mut lab = Lab::of(&["alice", "bob"]);
        lab.peers[1].take();
        refuse(&mut lab, Kind::RELATE, 1, code);
        lab.send(0, "bob", "one");
        lab.exchange();
        assert_eq!(lab.peers[1].texts("alice"), ["one"]);
        lab.settle();
        heard(&mut lab, 0);
        lab.say(0, "bob", "two");
        // What is refused for good is not asked for with every message, nor told to anybody.
        assert_eq!(heard(&mut lab, 0), ["SEND 2"]);
        assert_eq!(told(&mut lab, 0), []);
        let is_contact = code == NackCode::RATE_LIMITED;
        assert_eq!(relations(&mut lab, 0).len(), usize::from(is_contact));
    }
    let mut lab = Lab::of(&["alice", "bob"]);
    lab.model.people.unanswered.insert(Kind::RELATE);
    lab.say(0, "bob", "one");
    assert_eq!(lab.peers[1].texts("alice"), ["one"]);
    assert!(
        lab.engine(0).is_settled(),
        "nobody waits for what nobody has asked for"
    );
}

#[test]
fn nobody_is_made_a_contact_before_it_is_known_who_is_blocked() {
    let mut lab = Lab::of(&["bob"]);
    lab.model.people.unanswered.insert(Kind::RELATIONS);
    let alice = lab.add("alice");
    let user = lab.peers[alice].address().user;
    // The account has blocked Bob before it was reset: this home cannot know that yet.
    lab.model
        .set_relation(user, UserId(1), frame::Relation::BLOCKED);
    lab.say(alice, "bob", "one");
    assert_eq!(lab.peers[0].texts("alice"), ["one"]);
    assert!(!heard(&mut lab, alice).contains(&"RELATE 1 1".to_owned()));
    lab.model.people.unanswered.clear();
    lab.cut(alice);
    lab.settle();
    let said = heard(&mut lab, alice);
    assert!(!said.iter().any(|it| it.starts_with("RELATE ")), "{said:?}");
    assert_eq!(
        relations(&mut lab, alice),
        [known("bob", Relation::Blocked)]
    );
}

#[test]
fn whoever_is_blocked_reaches_nobody_and_cannot_tell() {
    let mut lab = Lab::acquainted();
    relate(&mut lab, 0, "bob", Relation::Blocked);
    lab.settle();
    assert_eq!(relations(&mut lab, 0), [known("bob", Relation::Blocked)]);
    let id = lab.say(1, "alice", "do you hear me?");
    assert!(
        !lab.peers[0]
            .texts("bob")
            .contains(&"do you hear me?".to_owned())
    );
    let message = lab.engine(1).message(id).unwrap().unwrap();
    assert_eq!(message.state, MessageState::Sent);
    // And nothing is written to it by mistake.
    let refused = lab.post(0, "bob", Post::Text("never".to_owned()));
    assert!(matches!(refused, Err(SendError::Blocked)), "{refused:?}");
    assert!(refused.unwrap_err().to_string().contains("unblock"));

    relate(&mut lab, 0, "bob", Relation::Stranger);
    lab.settle();
    assert_eq!(relations(&mut lab, 0), []);
    heard(&mut lab, 0);
    lab.say(0, "bob", "again");
    assert_eq!(heard(&mut lab, 0), ["RELATE 2 1", "SEND 2"]);
    lab.say(1, "alice", "welcome back");
    assert_eq!(lab.peers[0].texts("bob").last().unwrap(), "welcome back");
}

#[test]
fn a_block_is_durable_at_once_and_told_until_the_server_has_it() {
    let mut lab = Lab::acquainted();
    lab.leave(0);
    relate(&mut lab, 0, "bob", Relation::Blocked);
    let pending = ("bob".to_owned(), Relation::Blocked, true);
    assert_eq!(relations(&mut lab, 0), std::slice::from_ref(&pending));
    assert!(!lab.engine(0).is_settled());
    lab.crash(0);
    assert_eq!(relations(&mut lab, 0), std::slice::from_ref(&pending));
    // An answer that never comes is asked for again on the next connection.
    lab.model.people.unanswered.insert(Kind::RELATE);
    lab.come_back(0);
    assert_eq!(relations(&mut lab, 0), [pending]);
    lab.model.people.unanswered.clear();
    lab.cut(0);
    lab.settle();
    assert_eq!(relations(&mut lab, 0), [known("bob", Relation::Blocked)]);
    assert!(lab.engine(0).is_settled());
    assert_eq!(
        lab.model.people.relation(UserId(1), UserId(2)),
        frame::Relation::BLOCKED
    );
}

#[test]
fn what_is_refused_for_now_waits_and_what_is_refused_for_good_is_told_and_undone() {
    let mut lab = Lab::acquainted();
    refuse(&mut lab, Kind::RELATE, 3, NackCode::RATE_LIMITED);
    heard(&mut lab, 0);
    relate(&mut lab, 0, "bob", Relation::Blocked);
    lab.exchange();
    assert_eq!(
        heard(&mut lab, 0),
        ["RELATE 2 2"],
        "it is not repeated at once"
    );
    lab.settle();
    assert_eq!(heard(&mut lab, 0), ["RELATE 2 2"; 3]);
    assert_eq!(relations(&mut lab, 0), [known("bob", Relation::Blocked)]);
    assert_eq!(told(&mut lab, 0), []);

    for code in [
        NackCode::TOO_MANY_RELATIONS,
        NackCode::VALUE_UNKNOWN,
        NackCode::SELF_ADDRESSED,
    ] {
        refuse(&mut lab, Kind::RELATE, 1, code);
        relate(&mut lab, 0, "bob", Relation::Contact);
        lab.settle();
        let refusal = Event::RelationRefused {
            peer: "bob".to_owned(),
            relation: Relation::Contact,
            code,
        };
        assert_eq!(told(&mut lab, 0), [refusal]);
        assert_eq!(relations(&mut lab, 0), [known("bob", Relation::Blocked)]);
        assert!(lab.engine(0).is_settled());
    }
}

#[test]
fn what_concerns_an_account_concerns_another_one_and_no_group() {
    let mut lab = Lab::acquainted();
    let group = lab.create_group(0, "climbing", &["bob"]);
    let now = lab.now;
    let engine = lab.engine(0);
    let own = engine.relate(now, "alice", Relation::Blocked);
    assert!(matches!(own, Err(PeopleError::SelfAddressed)), "{own:?}");
    let of_group = engine.relate(now, &format!("#{:016x}", group.0), Relation::Blocked);
    assert!(
        matches!(of_group, Err(PeopleError::IsGroup)),
        "{of_group:?}"
    );
    let nobody = engine.relate(now, "nobody", Relation::Blocked);
    assert!(matches!(nobody, Err(PeopleError::Client(_))), "{nobody:?}");
}

#[test]
fn what_one_device_does_the_others_know_at_once() {
    let (mut lab, tablet) = with_tablet();
    assert_eq!(
        relations(&mut lab, tablet),
        [known("bob", Relation::Contact)]
    );
    relate(&mut lab, tablet, "bob", Relation::Blocked);
    lab.settle();
    assert_eq!(relations(&mut lab, 0), [known("bob", Relation::Blocked)]);
    assert_eq!(told(&mut lab, 0), [changed("bob", Relation::Blocked)]);
    assert_eq!(told(&mut lab, tablet), []);
    let refused = lab.post(0, "bob", Post::Text("never".to_owned()));
    assert!(matches!(refused, Err(SendError::Blocked)), "{refused:?}");
    relate(&mut lab, 0, "bob", Relation::Stranger);
    lab.settle();
    assert_eq!(relations(&mut lab, tablet), []);
    assert_eq!(told(&mut lab, tablet), [changed("bob", Relation::Stranger)]);

    let settings = SettingsChange {
        presence: Some(Visibility::Contacts),
        ..SettingsChange::default()
    };
    set(&mut lab, tablet, &settings);
    let expected = settings.applied_to(EVERYTHING);
    assert_eq!(told(&mut lab, 0), [Event::SettingsChanged(expected)]);
    assert_eq!(told(&mut lab, tablet), []);
    assert_eq!(lab.engine(0).settings().unwrap(), Some(expected));
}

#[test]
fn what_other_devices_did_while_this_one_was_away_it_learns_when_it_is_back() {
    let (mut lab, tablet) = with_tablet();
    lab.add("carol");
    lab.meet(tablet, &["carol"]);
    lab.leave(0);
    relate(&mut lab, tablet, "bob", Relation::Stranger);
    relate(&mut lab, tablet, "carol", Relation::Blocked);
    set(&mut lab, tablet, &AS_REQUESTS);
    lab.model.people.page = Some(1);
    lab.come_back(0);
    let carol = lab.model.user("carol");
    let expected = [
        changed("bob", Relation::Stranger),
        changed(&carol.to_string(), Relation::Blocked),
        Event::SettingsChanged(AS_REQUESTS.applied_to(EVERYTHING)),
    ];
    assert_eq!(told(&mut lab, 0), expected);
    // What is told by its present state is told once, however often it has changed.
    lab.leave(tablet);
    for relation in [Relation::Blocked, Relation::Stranger, Relation::Contact] {
        relate(&mut lab, 0, "bob", relation);
        lab.settle();
    }
    lab.come_back(tablet);
    assert_eq!(told(&mut lab, tablet), [changed("bob", Relation::Contact)]);
}

#[test]
fn a_long_list_comes_in_pieces_and_nothing_of_it_is_news_to_a_new_device() {
    let mut lab = Lab::of(&["alice"]);
    for user in 2..=40 {
        lab.model
            .set_relation(UserId(1), UserId(user), frame::Relation::BLOCKED);
    }
    lab.model.people.page = Some(7);
    let tablet = lab.link(0, false);
    assert_eq!(relations(&mut lab, tablet).len(), 39);
    assert_eq!(told(&mut lab, tablet), []);
    let said = heard(&mut lab, tablet);
    let pages = said.iter().filter(|it| it.starts_with("RELATIONS"));
    assert_eq!(pages.count(), 6, "{said:?}");
    // One that is in no conversation is known by its number.
    let name = UserId(7).to_string();
    relate(&mut lab, tablet, &name, Relation::Stranger);
    lab.settle();
    assert_eq!(relations(&mut lab, tablet).len(), 38);
}

#[test]
fn a_home_without_other_devices_asks_once() {
    let mut lab = Lab::of(&["alice"]);
    let first = heard(&mut lab, 0);
    assert_eq!(first, ["RELATIONS 0", "SETTINGS"]);
    lab.cut(0);
    lab.settle();
    lab.crash(0);
    lab.settle();
    assert_eq!(heard(&mut lab, 0), Vec::<String>::new());
}

#[test]
fn a_block_on_another_device_wins_over_a_contact_that_nobody_has_asked_for() {
    let (mut lab, tablet) = with_tablet();
    lab.add("carol");
    for who in [0, tablet] {
        lab.meet(who, &["carol"]);
    }
    let carol = lab.model.user("carol");
    heard(&mut lab, 0);
    // The block is told while the RELATE of a first message is under way, and loses there.
    let from = lab.peers[tablet].address();
    lab.send(0, "carol", "hello");
    lab.exchange();
    lab.model.people.unanswered.insert(Kind::RELATE);
    lab.cut(0);
    lab.settle();
    lab.model.people.unanswered.clear();
    heard(&mut lab, 0);
    let now = lab.now;
    lab.engine(0)
        .relate(now, "carol", Relation::Stranger)
        .unwrap();
    lab.dial(0);
    lab.settle();
    lab.model.people.unanswered.insert(Kind::RELATE);
    lab.say(0, "carol", "and again");
    lab.model
        .tell_relation(from, carol, frame::Relation::BLOCKED);
    lab.exchange();
    assert!(relations(&mut lab, 0).contains(&known("carol", Relation::Blocked)));
    lab.model.people.unanswered.clear();
    // The answer comes late: the server has a contact now.
    let request = last_request(&lab, 0);
    let to = lab.peers[0].address();
    lab.model.say(to, &Frame::Related(Related { request }));
    lab.settle();
    assert_eq!(
        lab.model.people.relation(UserId(1), carol),
        frame::Relation::BLOCKED
    );
    assert!(relations(&mut lab, 0).contains(&known("carol", Relation::Blocked)));
}
