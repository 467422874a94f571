//! The server dies at every commit of a conversation, and the conversation ends the same.

use martlet_shard::Limits;

use crate::world::World;

/// Runs `step` until `commits` of its turns are durable, crashes, lets everybody connect again and
/// retry, and compares what is told then.
fn at_every_commit(
    shards: u16,
    handles: &[&str],
    before: &str,
    step: &str,
    after: &[(&str, &[&str])],
) {
    at_every_commit_with(Limits::default(), (shards, handles), before, step, after);
}

/// The same with smaller limits.
fn at_every_commit_with(
    limits: Limits,
    (shards, handles): (u16, &[&str]),
    before: &str,
    step: &str,
    after: &[(&str, &[&str])],
) {
    for commits in 0.. {
        let mut world = World::new(shards, handles);
        world.limits = limits;
        world.crash();
        world.quietly(before);
        let is_cut = world.crash_after(commits, step);
        for (retry, expected) in after {
            if expected.is_empty() {
                world.quietly(retry);
            } else {
                world.check(retry, expected);
            }
        }
        if !is_cut {
            assert!(commits > 0);
            return;
        }
    }
}

#[test]
fn a_message_is_placed_once_wherever_the_server_stops() {
    for shards in [1, 5] {
        at_every_commit(
            shards,
            &["ann", "bob"],
            "ann2: add; bob2: add; ann: connect; bob: connect",
            "ann: send m1 bob | ann: send m2 bob",
            &[
                ("ann: connect; ann: send m1 bob; ann: send m2 bob", &[]),
                (
                    "bob: connect",
                    &[
                        "bob: ready 0/2",
                        "bob: 1 m1 from ann",
                        "bob: 2 m2 from ann",
                        "bob: caught up 2",
                    ],
                ),
                (
                    "bob2: connect",
                    &[
                        "bob2: ready 0/2",
                        "bob2: 1 m1 from ann",
                        "bob2: 2 m2 from ann",
                        "bob2: caught up 2",
                    ],
                ),
                (
                    "ann2: connect",
                    &[
                        "ann2: ready 0/2",
                        "ann2: 1 m1 copied from device 1",
                        "ann2: 2 m2 copied from device 1",
                        "ann2: caught up 2",
                    ],
                ),
            ],
        );
    }
}

#[test]
fn reading_is_told_once_wherever_the_server_stops() {
    for shards in [1, 5] {
        at_every_commit(
            shards,
            &["ann", "bob"],
            "ann: connect; bob: connect; ann: send m1 bob; bob: ack 1",
            "bob: read m1 of ann",
            &[
                ("bob: connect at=1; bob: read m1 of ann", &[]),
                (
                    "ann: connect",
                    &[
                        "ann: ready 0/2",
                        "ann: 1 bob delivered up to m1",
                        "ann: 2 bob read up to m1",
                        "ann: caught up 2",
                    ],
                ),
            ],
        );
    }
}

#[test]
fn a_message_set_aside_is_told_once_wherever_the_server_stops() {
    for shards in [1, 5] {
        at_every_commit(
            shards,
            &["ann", "bob"],
            "ann: connect; bob: connect; ann: send m1 bob; ann: send m2 bob;
             bob: refuse 1; bob: connect; bob: refuse 1; bob: connect; bob: refuse 1;
             bob: connect; bob: refuse 1; bob: connect",
            "bob: refuse 1",
            &[
                ("bob: connect", &[]),
                // The count may have been lost with the crash, but not the four before it.
                ("bob: ack 1", &[]),
                ("ann: connect", &[]),
                ("ann: status m2 of bob", &["ann: m2 is sent"]),
            ],
        );
    }
}

#[test]
fn an_unsynced_turn_leaves_no_trace() {
    for shards in [1, 5] {
        let mut world = World::new(shards, &["ann", "bob"]);
        world.quietly("ann: connect; bob: connect; ann: send m1 bob");
        let before = world.durable.clone();
        assert!(world.crash_after(0, "ann: send m2 bob + bob: ack 1 + bob: read m1 of ann"));
        assert_eq!(world.durable, before);
        world.quietly("ann: connect; bob: connect");
        world.check(
            "ann: status m2 of bob; ann: status m1 of bob",
            &["ann: m2 refused UNKNOWN_MESSAGE", "ann: m1 is sent"],
        );
        // The place that m2 had is free: it was told to nobody.
        world.check(
            "ann: send m3 bob",
            &["ann: sent m3 to 1", "bob: 2 m3 from ann"],
        );
    }
}

#[test]
fn an_entry_of_a_group_reaches_every_member_once_wherever_the_server_stops() {
    for shards in [1, 2, 5] {
        at_every_commit(
            shards,
            &["ann", "bob", "cid", "dora"],
            "bob2: add; ann: connect; bob: connect; cid: connect; ann: change g +bob +cid",
            "ann: post m1 g | ann: change g +dora | bob: post m2 g version=2 roster=3",
            &[
                // Whoever was not answered says it again.
                ("ann: connect; ann: post m1 g; ann: change g +dora", &[]),
                ("bob: connect; bob: post m2 g; ann: leave; bob: leave", &[]),
                (
                    "ann: connect",
                    &[
                        "ann: ready 0/3",
                        "ann: 1 g/1 record 1 by ann",
                        "ann: 2 g/3 record 2 by ann",
                        "ann: 3 g/4 m2 from bob",
                        "ann: caught up 3",
                    ],
                ),
                (
                    "bob2: connect",
                    &[
                        "bob2: ready 0/4",
                        "bob2: 1 g/1 record 1 by ann",
                        "bob2: 2 g/2 m1 from ann",
                        "bob2: 3 g/3 record 2 by ann",
                        "bob2: 4 g/4 m2 from bob",
                        "bob2: caught up 4",
                    ],
                ),
                (
                    "cid: connect; dora: connect",
                    &[
                        "cid: ready 0/4",
                        "cid: 1 g/1 record 1 by ann",
                        "cid: 2 g/2 m1 from ann",
                        "cid: 3 g/3 record 2 by ann",
                        "cid: 4 g/4 m2 from bob",
                        "cid: caught up 4",
                        "dora: ready 0/2",
                        "dora: 1 g/3 record 2 by ann",
                        "dora: 2 g/4 m2 from bob",
                        "dora: caught up 2",
                    ],
                ),
            ],
        );
    }
}

#[test]
fn progress_in_a_group_is_told_once_wherever_the_server_stops() {
    for shards in [1, 5] {
        at_every_commit(
            shards,
            &["ann", "bob", "cid"],
            "ann: connect; bob: connect; cid: connect; ann: change g +bob +cid; ann: ack 1; \
             ann: post m1 g",
            "bob: ack 2 | bob: saw g 2 | cid: ack 2",
            &[
                ("bob: connect at=2; cid: connect at=2; bob: saw g 2", &[]),
                ("ann: connect at=1", &[]),
                (
                    "ann: count g 2 detail",
                    &["ann: g/2: 2 delivered, 1 read of 2 (bob read, cid delivered)"],
                ),
            ],
        );
    }
}

#[test]
fn a_group_switches_to_its_stream_once_wherever_the_server_stops() {
    let limits = Limits {
        group_inbox_members_max: 2,
        ..Limits::default()
    };
    for shards in [1, 2, 5] {
        at_every_commit_with(
            limits,
            (shards, &["ann", "bob", "cid"]),
            "bob2: add; ann: connect; bob: connect; ann: change g +bob; ann: post m1 g",
            "ann: change g +cid | ann: post m2 g version=2 roster=3",
            &[
                (
                    "ann: connect; ann: change g +cid; ann: post m2 g; ann: leave",
                    &[],
                ),
                (
                    "bob2: connect",
                    &[
                        "bob2: ready 0/4",
                        "bob2: 1 g/1 record 1 by ann",
                        "bob2: 2 g/2 m1 from ann",
                        "bob2: 3 g/3 record 2 by ann",
                        "bob2: 4 g/4 from here by stream",
                        "bob2: caught up 4",
                        "bob2: g/5 m2 from ann",
                    ],
                ),
                (
                    "cid: connect",
                    &[
                        "cid: ready 0/2",
                        "cid: 1 g/3 record 2 by ann",
                        "cid: 2 g/4 from here by stream",
                        "cid: caught up 2",
                        "cid: g/5 m2 from ann",
                    ],
                ),
            ],
        );
    }
}
