//! Relations and settings: durable, the same for all devices, and bounded.

use martlet_protocol::UserId;
use martlet_protocol::frame::Relation;
use martlet_protocol::limits::{RELATION_LIST_MAX, RELATIONS_MAX};
use martlet_shard::{Command, Limits, Quota};

use crate::parse::REQUEST;
use crate::world::World;

const THREE: &[&str] = &["ann", "bob", "cid"];

// [M-25.1] [M-25.2] [M-25.3]
#[test]
fn relations_survive_a_crash_and_reach_the_other_devices() {
    World::each(THREE, |world| {
        world.quietly("ann2: add; ann: connect; ann2: connect");
        world.check(
            "ann: befriend bob",
            &["ann: related", "ann2: told relations bob contact"],
        );
        world.check("ann: befriend bob", &["ann: related"]);
        world.check(
            "ann2: block nobody",
            &["ann2: related", "ann: told relations nobody blocked"],
        );
        world.crash();
        world.quietly("ann: connect; ann2: connect");
        let both = match world.devices["bob"].user < UserId(1 << 40) {
            true => "ann: relations bob contact, nobody blocked",
            false => "ann: relations nobody blocked, bob contact",
        };
        world.check("ann: relations", &[both]);
        world.check(
            "ann: relations after=bob + ann: forget bob",
            &[
                match world.devices["bob"].user < UserId(1 << 40) {
                    true => "ann: relations nobody blocked",
                    false => "ann: relations",
                },
                "ann: related",
                "ann2: told relations bob stranger",
            ],
        );
        world.check("ann: relations", &["ann: relations nobody blocked"]);
        // Asked for in the turn that changes them.
        world.check(
            "ann: forget nobody + ann: relations",
            &[
                "ann: related",
                "ann: relations",
                "ann2: told relations nobody stranger",
            ],
        );
    });
}

// [M-25.1]
#[test]
fn what_cannot_be_a_relation_is_refused_and_changes_nothing() {
    World::each(THREE, |world| {
        world.quietly("ann: connect");
        world.check("ann: marry bob", &["ann: relate refused VALUE_UNKNOWN"]);
        world.check("ann: block ann", &["ann: relate refused SELF_ADDRESSED"]);
        world.check("ann: relations", &["ann: relations"]);
    });
}

// [M-25.1] [M-25.2]
#[test]
fn an_account_has_no_more_relations_than_it_may_and_reads_them_in_pages() {
    let mut world = World::with(
        1,
        THREE,
        Limits {
            conversations: Quota {
                burst: 0,
                refill_ms: 0,
            },
            ..Limits::default()
        },
    );
    world.quietly("ann: connect");
    let relate = |world: &mut World, user: u64, relation| {
        let (session, address) = (world.session("ann"), world.devices["ann"]);
        world.say(Command::Relate {
            session,
            address,
            request: REQUEST,
            user: UserId(1 << 50 | user),
            relation,
        });
        world.take_seen().pop().expect("it has an answer").1
    };
    for user in 0..RELATIONS_MAX as u64 {
        let relation = if user % 2 == 0 {
            Relation::CONTACT
        } else {
            Relation::BLOCKED
        };
        assert_eq!(relate(&mut world, user, relation), "related");
    }
    let next = RELATIONS_MAX as u64;
    let refused = "relate refused TOO_MANY_RELATIONS";
    assert_eq!(relate(&mut world, next, Relation::BLOCKED), refused);
    assert_eq!(
        relate(&mut world, 0, Relation::BLOCKED),
        "related",
        "another kind"
    );
    assert_eq!(relate(&mut world, 1, Relation::NONE), "related");
    assert_eq!(
        relate(&mut world, next, Relation::BLOCKED),
        "related",
        "there is room"
    );

    let (mut pages, mut after, mut listed) = (0, 0, 0);
    loop {
        let (session, address) = (world.session("ann"), world.devices["ann"]);
        world.say(Command::Relations {
            session,
            address,
            request: REQUEST,
            after,
        });
        let answer = world.take_answer();
        assert!(answer.relations.is_sorted_by_key(|entry| entry.user));
        assert!(answer.relations.len() <= RELATION_LIST_MAX);
        listed += answer.relations.len();
        pages += 1;
        match answer.relations.last() {
            Some(last) if answer.more => after = last.user.0,
            _ => break,
        }
    }
    assert_eq!(listed, RELATIONS_MAX);
    assert_eq!(pages, RELATIONS_MAX.div_ceil(RELATION_LIST_MAX));
}

// [M-25.6]
#[test]
fn settings_survive_a_crash_and_reach_the_other_devices() {
    World::each(THREE, |world| {
        world.quietly("ann2: add; ann: connect; ann2: connect");
        world.check("ann: settings", &["ann: settings everyone reads anyone"]);
        world.check(
            "ann: settings presence=contacts reads=off strangers=requests",
            &[
                "ann: settings contacts quiet requests",
                "ann2: told settings contacts quiet requests",
            ],
        );
        world.check(
            "ann: settings presence=contacts reads=off strangers=requests",
            &["ann: settings contacts quiet requests"],
        );
        world.check(
            "ann: settings presence=whom",
            &["ann: settings refused VALUE_UNKNOWN"],
        );
        world.crash();
        world.quietly("ann2: connect");
        world.check(
            "ann2: settings",
            &["ann2: settings contacts quiet requests"],
        );
    });
}

#[test]
fn a_device_that_was_removed_relates_nobody() {
    World::each(THREE, |world| {
        world.quietly("ann2: add; ann: connect; ann2: connect");
        let session = world.session("ann2");
        let address = world.devices["ann2"];
        world.quietly("ann2: remove");
        world.say(Command::Relate {
            session,
            address,
            request: REQUEST,
            user: world.devices["bob"].user,
            relation: Relation::BLOCKED,
        });
        world.check("ann: relations", &["ann: relations"]);
    });
}
