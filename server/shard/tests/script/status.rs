//! STATUS: where one's own message stands.

use martlet_shard::Limits;

use crate::world::World;

const PAIR: &[&str] = &["ann", "bob"];

#[test]
fn each_state_of_a_message_can_be_asked_for() {
    let limits = Limits {
        inbox_rows_max: 2,
        ..Limits::default()
    };
    World::each_with(limits, PAIR, |world| {
        world.quietly("ann: connect; bob: connect credit=0/0");
        world.check(
            "ann: status m1 of bob",
            &["ann: m1 refused UNKNOWN_MESSAGE"],
        );
        world.quietly("ann: send m1 bob");
        world.check("ann: status m1 of bob", &["ann: m1 is sent"]);
        world.quietly("bob: credit 9/9000; bob: ack 1");
        world.check("ann: status m1 of bob", &["ann: m1 is delivered"]);
        world.quietly("bob: read m1 of ann");
        world.check("ann: status m1 of bob", &["ann: m1 is read"]);
    });
}

#[test]
fn a_message_that_ended_everywhere_says_how() {
    World::each(PAIR, |world| {
        world.quietly("ann: connect; ann: send m1 bob ttl=1000; ann: send m2 bob");
        world.wait(1_000);
        world.check(
            "ann: status m1 of bob",
            &["ann: 1 m1 expired at bob", "ann: m1 is expired"],
        );
        world.quietly("bob2: add; bob: remove");
        world.check("ann: status m2 of bob", &["ann: m2 is device_gone"]);
    });
}

#[test]
fn a_delivered_message_stays_delivered_when_its_device_is_removed() {
    World::each(PAIR, |world| {
        world.quietly("bob2: add; ann: connect; bob: connect; ann: send m1 bob; bob: ack 1");
        world.quietly("bob: read m1 of ann; bob: remove");
        world.check("ann: status m1 of bob", &["ann: m1 is read"]);
        world.crash();
        world.quietly("ann: connect at=2; bob2: connect");
        world.check("ann: status m1 of bob", &["ann: m1 is read"]);
        world.check("bob2: ack 1", &[]);
        world.check("ann: status m1 of bob", &["ann: m1 is read"]);
    });
}

#[test]
fn a_read_message_stays_read_when_it_ends_at_another_device() {
    World::each(PAIR, |world| {
        world.quietly("bob2: add; ann: connect; bob: connect; ann: send m1 bob; ann: send m2 bob");
        world.quietly("bob: ack 2; bob: read m1 of ann");
        world.check(
            "bob2: remove",
            &[
                "ann: 3 m1 device_gone at bob2",
                "ann: 4 m2 device_gone at bob2",
            ],
        );
        world.check("ann: status m1 of bob", &["ann: m1 is read"]);
        world.check("ann: status m2 of bob", &["ann: m2 is delivered"]);
        // What stood outside the watermarks is told by name, and only that.
        world.check("bob: read m1 of ann", &[]);
        world.check(
            "bob: read m2 of ann",
            &["ann: 5 m2 read at bob", "ann: 6 bob read up to m2"],
        );
        world.check("ann: status m2 of bob", &["ann: m2 is read"]);
    });
}

#[test]
fn only_the_device_that_sent_a_message_finds_it() {
    World::each(&["ann", "bob", "cid"], |world| {
        world.quietly("ann2: add; ann: connect; ann2: connect; bob: connect; ann: send m1 bob");
        world.check(
            "ann2: status m1 of bob",
            &["ann2: m1 refused UNKNOWN_MESSAGE"],
        );
        world.check(
            "bob: status m1 of ann",
            &["bob: m1 refused UNKNOWN_MESSAGE"],
        );
        world.check(
            "ann: status m1 of cid",
            &["ann: m1 refused UNKNOWN_MESSAGE"],
        );
    });
}
