//! A device that joined later, or that a message does not name, says nothing about messages that it
//! never had.

use martlet_shard::Limits;
use martlet_store::keys::KeyTag;

use crate::world::World;

const THREE: &[&str] = &["ann", "bob", "cid"];

#[test]
fn a_new_device_does_not_deliver_what_waited_before_it_came() {
    World::each(THREE, |world| {
        world.quietly("ann: connect; bob: connect; ann: send m1 bob; bob: ack 1; bob: leave");
        world.quietly("ann: send m2 bob");
        // m2 waits for bob alone: what bob2 does is no news of it.
        world.check("bob2: add", &["ann: 2 m2 sent at bob2"]);
        world.quietly("bob2: connect; ann: send m3 bob");
        world.check("bob2: ack 1", &["ann: 3 bob2 delivered up to m3"]);
        world.check("ann: status m2 of bob", &["ann: m2 is sent"]);
        world.check("bob2: read m3 of ann", &["ann: 4 bob2 read up to m3"]);
        world.check("ann: status m2 of bob", &["ann: m2 is sent"]);
        world.check(
            "bob: connect at=1; bob: ack 2",
            &[
                "bob: ready 1/4",
                "bob: 2 m2 from ann",
                "bob: 3 m3 from ann",
                "bob: 4 ann seen up to m3 at device 2",
                "bob: caught up 4",
                "ann: 5 m2 delivered at bob",
            ],
        );
        assert_eq!(world.rows(KeyTag::Partial), 0);
        world.check("bob: ack 3", &[]);
        // Nobody has read it either, whatever was read behind it.
        world.check("ann: status m2 of bob", &["ann: m2 is delivered"]);
        world.check("bob: read m2 of ann", &["ann: 6 m2 read at bob"]);
        world.check("bob: read m2 of ann", &[]);
        world.crash();
        world.quietly("ann: connect at=6; bob: connect at=2");
        world.check("bob: read m2 of ann", &[]);
        world.check("ann: status m2 of bob", &["ann: m2 is read"]);
    });
}

#[test]
fn what_some_device_has_taken_needs_no_word() {
    World::each(THREE, |world| {
        world.quietly(
            "ann: connect; cid: connect; bob: connect; ann: send m1 bob; cid: send n1 bob",
        );
        world.quietly("bob: ack 2; bob2: add; bob2: connect; ann: send m2 bob; bob2: ack 1");
        // bob has m2 on its way, but bob2 has it already.
        world.check("bob3: add", &[]);
        assert_eq!(world.rows(KeyTag::Partial), 0);
    });
}

#[test]
fn each_sender_is_told_of_each_message_that_waits() {
    World::each(THREE, |world| {
        world.quietly("ann: connect; cid: connect; ann: send m1 bob; cid: send n1 bob");
        world.check(
            "ann: send m2 bob + bob2: add",
            &[
                "ann: sent m2 to 1",
                "ann: 1 m1 sent at bob2",
                "ann: 2 m2 sent at bob2",
                "cid: 1 n1 sent at bob2",
            ],
        );
        // And again of those that still wait when the next device comes.
        world.check(
            "bob3: add",
            &[
                "ann: 3 m1 sent at bob3",
                "ann: 4 m2 sent at bob3",
                "cid: 2 n1 sent at bob3",
            ],
        );
        assert_eq!(world.rows(KeyTag::Partial), 3);
    });
}

#[test]
fn it_is_so_after_a_restart_too() {
    World::each(THREE, |world| {
        world.quietly("ann: connect; ann: send m1 bob; bob2: add; ann: send m2 bob");
        world.crash();
        world.quietly("ann: connect at=1; bob2: connect; bob: connect");
        world.check("bob2: ack 1", &["ann: 2 bob2 delivered up to m2"]);
        world.check("ann: status m1 of bob", &["ann: m1 is sent"]);
        world.check("bob: ack 1", &["ann: 3 m1 delivered at bob"]);
    });
}

#[test]
fn what_waited_may_end_instead() {
    World::each(THREE, |world| {
        world.quietly("ann: connect; ann: send m1 bob ttl=1000; bob2: add; ann: send m2 bob");
        world.quietly("bob2: connect; bob2: ack 1; ann: ack 2");
        world.wait(1_000);
        world.check(
            "ann: status m1 of bob",
            &["ann: 3 m1 expired at bob", "ann: m1 is expired"],
        );
        assert_eq!(world.rows(KeyTag::Partial), 0);
    });
}

#[test]
fn a_device_that_the_list_of_its_coming_ends_leaves_nothing_open() {
    World::each(THREE, |world| {
        world.quietly(
            "ann: connect; bob2: add; bob2: connect; ann: send m1 bob; bob2: publish -bob",
        );
        // bob2 has not taken m1 when bob3 comes, in the same list that ends nothing of it.
        world.quietly("ann: leave; ann: connect at=1; bob2: publish +bob3");
        world.check("ann: status m1 of bob", &["ann: m1 is sent"]);
        assert_eq!(world.rows(KeyTag::Partial), 1);
        world.check("bob2: ack 1", &["ann: 3 m1 delivered at bob2"]);
        assert_eq!(world.rows(KeyTag::Partial), 0);
    });
}

#[test]
fn a_named_message_stands_outside_the_watermarks() {
    World::each(THREE, |world| {
        world.quietly("bob2: add; ann: connect; bob: connect; bob2: connect");
        world.quietly("ann: send n1 bob named=1; ann: send m1 bob");
        // bob2 never had n1.
        world.check("bob2: ack 1", &["ann: 1 bob2 delivered up to m1"]);
        world.check("ann: status n1 of bob", &["ann: n1 is sent"]);
        world.check("bob: ack 1", &["ann: 2 n1 delivered at bob"]);
        world.check("bob: ack 2", &[]);
        // Its own progress is told by name as well, once.
        world.quietly("ann: send n2 bob named=1,2; ann: send m2 bob");
        world.check("bob: ack 3", &["ann: 3 n2 delivered at bob"]);
        world.check("bob2: ack 2", &[]);
        world.check("bob2: ack 3", &["ann: 4 bob2 delivered up to m2"]);
        assert_eq!(world.rows(KeyTag::Partial), 0);
    });
}

#[test]
fn a_named_message_that_nobody_took_does_not_hold_the_others_up() {
    World::each(THREE, |world| {
        world.quietly("bob2: add; ann: connect; bob2: connect");
        world.quietly("ann: send n1 bob named=1 ttl=1000; ann: send m1 bob; bob2: ack 1");
        world.crash();
        world.quietly("ann: connect at=1");
        world.wait(1_000);
        world.check(
            "ann: status n1 of bob",
            &["ann: 2 n1 expired at bob", "ann: n1 is expired"],
        );
        assert_eq!(world.rows(KeyTag::Partial), 0);
    });
}

#[test]
fn a_named_message_finds_room_at_the_named_devices() {
    let limits = Limits {
        inbox_rows_max: 1,
        ..Limits::default()
    };
    World::each_with(limits, THREE, |world| {
        world.quietly(
            "bob2: add; ann: connect credit=0/0; bob: connect; ann: send m1 bob; bob: ack 1",
        );
        world.check(
            "ann: send n1 bob named=2",
            &["ann: n1 refused INBOX_FULL for 30000"],
        );
        world.check(
            "ann: send n1 bob named=1,2",
            &["ann: sent n1 to 1", "bob: 2 n1 from ann"],
        );
        world.check("bob: ack 2", &[]);
        world.check("ann: status n1 of bob", &["ann: n1 is delivered"]);
    });
}
