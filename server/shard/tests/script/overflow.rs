//! Full inboxes: one full device gets a gap, a full account refuses.

use martlet_shard::Limits;
use martlet_store::keys::KeyTag;

use crate::world::World;

const PAIR: &[&str] = &["ann", "bob"];

fn small(transcript: impl Fn(&mut World)) {
    let limits = Limits {
        inbox_rows_max: 2,
        ..Limits::default()
    };
    World::each_with(limits, PAIR, transcript);
}

/// Bob's first device has come as far as `acked`, the second not at all.
fn one_full(world: &mut World) {
    world.quietly("bob2: add; ann: connect; bob: connect");
    world.quietly("ann: send m1 bob; ann: send m2 bob; bob: ack 2; ann: ack 1");
}

#[test]
fn a_full_device_gets_a_gap_and_the_sender_a_fact() {
    small(|world| {
        one_full(world);
        world.quietly("ann: leave; ann: connect at=1");
        world.quietly("ann: send m3 bob");
        world.quietly("ann: leave");
        world.check(
            "ann: connect at=1; ann: send m3 bob",
            &[
                "ann: ready 1/2",
                "ann: 2 m3 overflow at bob2",
                "ann: caught up 2",
                "ann: sent m3 to 1",
            ],
        );
        world.check(
            "bob2: connect",
            &[
                "bob2: ready 0/3",
                "bob2: 1 m1 from ann",
                "bob2: 2 m2 from ann",
                "bob2: gap 3-3 overflow",
                "bob2: caught up 3 trimmed",
            ],
        );
        world.check("bob2: read m3 of ann", &["bob2: m3 refused NOT_DELIVERED"]);
    });
}

#[test]
fn a_message_that_overflowed_at_one_device_is_told_delivered_by_name() {
    small(|world| {
        one_full(world);
        world.quietly("ann: send m3 bob");
        assert_eq!(world.rows(KeyTag::Partial), 1);
        // The full device passes the gap: that says nothing about m3.
        world.quietly("bob2: connect");
        world.check("bob2: ack 3", &[]);
        world.check("ann: status m3 of bob", &["ann: m3 is sent"]);
        world.check("bob: ack 3", &["ann: 3 m3 delivered at bob"]);
        assert_eq!(world.rows(KeyTag::Partial), 0);
        world.quietly("ann: ack 3");
        world.check(
            "bob: read m3 of ann",
            &[
                "ann: 4 m3 read at bob",
                "ann: 5 bob read up to m3",
                "bob2: 4 ann seen up to m3 at device 1",
            ],
        );
        world.check("bob: read m3 of ann", &[]);
    });
}

#[test]
fn a_message_outside_the_watermarks_is_so_after_a_restart_too() {
    small(|world| {
        one_full(world);
        world.quietly("ann: send m3 bob; ann: leave");
        world.crash();
        world.quietly("ann: connect at=2; bob: connect at=2");
        world.check("bob: ack 3", &["ann: 3 m3 delivered at bob"]);
    });
}

#[test]
fn a_gap_grows_as_one_row() {
    small(|world| {
        one_full(world);
        for number in 3..10 {
            world.quietly(&format!("ann: send m{number} bob; bob: ack {number}"));
        }
        assert_eq!(world.inbox_rows("bob2"), 3);
        world.crash();
        world.quietly("ann: connect; bob: connect at=9");
        world.quietly("ann: send m10 bob");
        assert_eq!(world.inbox_rows("bob2"), 3);
        world.check(
            "bob2: connect",
            &[
                "bob2: ready 0/10",
                "bob2: 1 m1 from ann",
                "bob2: 2 m2 from ann",
                "bob2: gap 3-10 overflow",
                "bob2: caught up 10 trimmed",
            ],
        );
    });
}

#[test]
fn a_gap_that_has_grown_is_pushed_from_where_the_device_stands() {
    small(|world| {
        one_full(world);
        world.quietly("ann: send m3 bob; bob: ack 3; ann: ack 3");
        world.quietly("bob2: connect; bob2: leave; ann: send m4 bob; bob: ack 4");
        // The device has stored 1 to 3, the server does not know it yet.
        world.check(
            "bob2: connect at=3",
            &[
                "bob2: ready 3/4",
                "bob2: gap 4-4 overflow",
                "bob2: caught up 4 trimmed",
            ],
        );
        world.quietly("bob2: ack 4; bob2: leave");
        assert_eq!(world.inbox_rows("bob2"), 0);
    });
}

#[test]
fn when_every_device_is_full_the_sender_is_refused_and_nothing_is_placed() {
    small(|world| {
        world.quietly("bob2: add; ann: connect; ann: send m1 bob; ann: send m2 bob");
        world.check(
            "ann: send m3 bob",
            &["ann: m3 refused INBOX_FULL for 30000"],
        );
        assert_eq!((world.inbox_rows("bob"), world.inbox_rows("bob2")), (2, 2));
        world.check(
            "ann: status m3 of bob",
            &["ann: m3 refused UNKNOWN_MESSAGE"],
        );
    });
}

#[test]
fn receipts_for_a_full_device_are_a_gap_it_is_told_of() {
    small(|world| {
        world.quietly("ann: connect; ann: send m1 bob; ann: send m2 bob; ann: leave");
        world.quietly(
            "bob: connect; bob: ack 1; bob: ack 2; bob: read m1 of ann; bob: read m2 of ann",
        );
        world.check(
            "ann: connect",
            &[
                "ann: ready 0/4",
                "ann: 1 bob delivered up to m1",
                "ann: 2 bob delivered up to m2",
                "ann: gap 3-4 overflow",
                "ann: caught up 4 trimmed",
            ],
        );
        world.check("ann: status m2 of bob", &["ann: m2 is read"]);
    });
}
