//! GROUP_SEND: one place in the group, every device of every member, once.

use std::collections::BTreeSet;

use martlet_shard::Limits;
use martlet_store::keys::KeyTag;

use crate::world::World;

const TRIO: &[&str] = &["ann", "bob", "cid"];

/// Three people in a group, all connected; their devices have acknowledged the record.
fn in_a_group(world: &mut World) {
    world.quietly("ann: connect; bob: connect; cid: connect");
    world.quietly("ann: change g +bob +cid; ann: ack 1; bob: ack 1; cid: ack 1");
}

#[test]
fn a_message_reaches_every_member_with_the_same_sequence() {
    World::each(TRIO, |world| {
        in_a_group(world);
        world.check(
            "ann: post m1 g",
            &[
                "ann: sent m1 at g/2 to 2",
                "bob: 2 g/2 m1 from ann",
                "cid: 2 g/2 m1 from ann",
            ],
        );
        world.check(
            "cid: post m2 g",
            &[
                "cid: sent m2 at g/3 to 2",
                "ann: 2 g/3 m2 from cid",
                "bob: 3 g/3 m2 from cid",
            ],
        );
    });
}

#[test]
fn own_devices_get_what_one_of_them_writes() {
    World::each(TRIO, |world| {
        world.quietly("ann2: add; bob2: add; ann2: connect");
        in_a_group(world);
        world.check(
            "ann: post m1 g",
            &[
                "ann: sent m1 at g/2 to 2",
                "ann2: 2 g/2 m1 from ann",
                "bob: 2 g/2 m1 from ann",
                "cid: 2 g/2 m1 from ann",
            ],
        );
        world.check(
            "bob2: connect",
            &[
                "bob2: ready 0/2",
                "bob2: 1 g/1 record 1 by ann",
                "bob2: 2 g/2 m1 from ann",
                "bob2: caught up 2",
            ],
        );
    });
}

#[test]
fn a_retry_gets_the_first_answer_and_places_nothing() {
    World::each(TRIO, |world| {
        in_a_group(world);
        world.quietly("ann: post m1 g");
        world.check("ann: post m1 g", &["ann: sent m1 at g/2 to 2"]);
        world.check("ann: post m1 g text=other", &["ann: m1 refused CONFLICT"]);
        world.check("ann: post m1 g ttl=5000", &["ann: m1 refused CONFLICT"]);
        // Whatever becomes of the group: what was placed stays placed.
        world.quietly("ann: change g -cid");
        world.check(
            "ann: post m1 g version=1 roster=1",
            &["ann: sent m1 at g/2 to 2"],
        );
        world.crash();
        world.quietly("ann: connect at=2");
        world.check("ann: post m1 g", &["ann: sent m1 at g/2 to 2"]);
    });
}

#[test]
fn two_tries_in_one_turn_are_one_message() {
    World::each(TRIO, |world| {
        in_a_group(world);
        world.check(
            "ann: post m1 g + ann: post m1 g",
            &[
                "ann: sent m1 at g/2 to 2",
                "ann: sent m1 at g/2 to 2",
                "bob: 2 g/2 m1 from ann",
                "cid: 2 g/2 m1 from ann",
            ],
        );
    });
}

#[test]
fn strangers_learn_nothing_and_post_nothing() {
    World::each(&["ann", "bob", "eve"], |world| {
        world.quietly("ann: connect; bob: connect; eve: connect; ann: change g +bob");
        world.check("eve: post m1 g", &["eve: m1 refused GROUP_UNKNOWN"]);
        world.check("eve: post m1 h", &["eve: m1 refused GROUP_UNKNOWN"]);
        world.check("eve: ask g", &["eve: group_ask refused GROUP_UNKNOWN"]);
        world.check("eve: ask h", &["eve: group_ask refused GROUP_UNKNOWN"]);
        world.check(
            "eve: count g 1",
            &["eve: group_count refused GROUP_UNKNOWN"],
        );
        world.check("eve: groups", &["eve: in "]);
    });
}

#[test]
fn a_message_for_an_older_group_or_roster_is_refused_and_comes_again() {
    World::each(TRIO, |world| {
        in_a_group(world);
        world.check("ann: post m1 g version=0", &["ann: m1 refused GROUP_STALE"]);
        world.check("ann: post m1 g roster=0", &["ann: m1 refused GROUP_STALE"]);
        // What follows waits for it: the order of a device's messages stays.
        world.check("ann: post m2 g", &["ann: m2 refused OUT_OF_ORDER"]);
        world.check(
            "ann: post m1 g; ann: post m2 g",
            &[
                "ann: sent m1 at g/2 to 2",
                "ann: sent m2 at g/3 to 2",
                "bob: 2 g/2 m1 from ann",
                "bob: 3 g/3 m2 from ann",
                "cid: 2 g/2 m1 from ann",
                "cid: 3 g/3 m2 from ann",
            ],
        );
    });
}

#[test]
fn a_new_device_of_a_member_moves_the_roster() {
    World::each(TRIO, |world| {
        world.quietly("ann: publish; bob: publish; cid: publish");
        in_a_group(world);
        world.check(
            "ann: ask g",
            &["ann: g is 1/4 at 1: records 1-1, ann 3/1 bob 1/1 cid 1/1"],
        );
        world.quietly("bob2: add");
        world.check("ann: post m1 g roster=4", &["ann: m1 refused GROUP_STALE"]);
        world.check(
            "ann: ask g have=1 roster=4",
            &["ann: g is 1/5 at 1: records none, bob 1/2"],
        );
        world.check(
            "ann: post m1 g roster=5; bob2: connect",
            &[
                "ann: sent m1 at g/2 to 2",
                "bob: 2 g/2 m1 from ann",
                "cid: 2 g/2 m1 from ann",
                "bob2: ready 0/1",
                "bob2: 1 g/2 m1 from ann",
                "bob2: caught up 1",
            ],
        );
    });
}

#[test]
fn a_right_to_send_is_the_admins_if_the_group_says_so() {
    World::each(TRIO, |world| {
        in_a_group(world);
        world.quietly("ann: change g +bob:2 rights=1,2,2");
        world.check("cid: post m1 g", &["cid: m1 refused GROUP_FORBIDDEN"]);
        world.check(
            "bob: post m2 g",
            &[
                "bob: sent m2 at g/3 to 2",
                "ann: 3 g/3 m2 from bob",
                "cid: 3 g/3 m2 from bob",
            ],
        );
    });
}

#[test]
fn ids_and_lives_are_judged_as_for_any_message() {
    World::each(TRIO, |world| {
        in_a_group(world);
        world.check("ann: post old g", &["ann: old refused MESSAGE_ID_TOO_OLD"]);
        world.check(
            "ann: post early g",
            &["ann: early refused MESSAGE_ID_AHEAD"],
        );
        world.check("ann: post bad g", &["ann: bad refused MESSAGE_ID_INVALID"]);
        world.check("ann: post m1 g ttl=10", &["ann: m1 refused TTL_INVALID"]);
    });
}

#[test]
fn a_message_whose_life_is_over_is_a_gap_for_whoever_comes_later() {
    World::each(TRIO, |world| {
        in_a_group(world);
        world.quietly("bob: leave; ann: post m1 g ttl=5000; ann: post m2 g");
        world.pass(5_000);
        world.check(
            "bob: connect at=1",
            &[
                "bob: ready 1/3",
                "bob: gap 2-2 expired",
                "bob: 3 g/3 m2 from ann",
                "bob: caught up 3 trimmed",
            ],
        );
    });
}

#[test]
fn a_full_inbox_misses_entries_and_nobody_else_does() {
    let limits = Limits {
        inbox_rows_max: 2,
        ..Limits::default()
    };
    World::each_with(limits, TRIO, |world| {
        world.quietly("ann: connect; bob: connect; cid: connect; ann: change g +bob +cid");
        world.quietly("ann: ack 1; bob: ack 1; bob: leave");
        world.quietly("ann: post m1 g; cid: ack 2; ann: post m2 g; cid: ack 3; ann: post m3 g");
        world.check(
            "bob: connect at=1",
            &[
                "bob: ready 1/4",
                "bob: 2 g/2 m1 from ann",
                "bob: 3 g/3 m2 from ann",
                "bob: gap 4-4 overflow",
                "bob: caught up 4 trimmed",
            ],
        );
    });
}

#[test]
fn who_writes_is_told_to_the_others_that_are_connected_and_stored_nowhere() {
    World::each(&["ann", "bob", "cid", "eve"], |world| {
        in_a_group(world);
        world.quietly("bob2: add; bob2: connect; cid: leave; eve: connect");
        let before = world.durable.clone();
        world.check(
            "ann: typing g",
            &["bob: ann types in g", "bob2: ann types in g"],
        );
        world.check("eve: typing g; ann: typing h", &[]);
        assert_eq!(world.durable, before);
    });
}

#[test]
fn the_payload_is_stored_once_for_each_shard() {
    let mut world = World::new(1, TRIO);
    world.quietly("ann2: add; bob2: add; cid2: add; ann: connect; ann: change g +bob +cid");
    world.quietly("ann: post m1 g size=4000");
    assert_eq!(
        world.rows(KeyTag::GroupLog),
        2,
        "the record and the message"
    );
    let inboxes = ["ann", "ann2", "bob", "bob2", "cid", "cid2"];
    let rows = inboxes.map(|device| world.inbox_rows(device));
    assert_eq!(
        rows,
        [1, 2, 2, 2, 2, 2],
        "the author's device has no own message"
    );
    assert!(world.inbox_bytes() < 1_000, "an inbox refers to the log");
}

#[test]
fn what_is_old_falls_off_the_log_and_is_a_gap() {
    const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
    let limits = Limits {
        retention_ms: 10_000,
        ..Limits::default()
    };
    World::each_with(limits, TRIO, |world| {
        in_a_group(world);
        world.quietly("bob: leave; ann: post m1 g; ann: post m2 g");
        let before = world.rows(KeyTag::GroupLog);
        world.wait(DAY_MS + 20_000);
        world.wait(120_000);
        assert!(world.rows(KeyTag::GroupLog) < before);
        world.check(
            "ann: post m3 g; bob: connect at=1",
            &[
                "ann: sent m3 at g/4 to 2",
                "cid: 4 g/4 m3 from ann",
                "bob: ready 1/4",
                "bob: gap 2-3 expired",
                "bob: 4 g/4 m3 from ann",
                "bob: caught up 4 trimmed",
            ],
        );
    });
}

#[test]
fn the_log_of_a_group_without_members_here_falls_off_as_a_whole() {
    const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
    let limits = Limits {
        retention_ms: 10_000,
        ..Limits::default()
    };
    World::each_with(limits, TRIO, |world| {
        in_a_group(world);
        world.quietly("ann: post m1 g; ann: change g -bob -cid; ann: post m2 g");
        world.wait(DAY_MS + 20_000);
        world.wait(120_000);
        let shards: BTreeSet<_> = world.shards_of("g", "ann").collect();
        assert_eq!(
            world.rows(KeyTag::GroupLog),
            shards.len(),
            "the newest entry at the home, and where there is a member"
        );
    });
}
