//! Messages whose time is over: a gap for the device, a fact for the sender, nothing in silence.

use martlet_shard::Limits;
use martlet_store::keys::KeyTag;

use crate::world::World;

const PAIR: &[&str] = &["ann", "bob"];
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

#[test]
fn a_short_life_ends_in_the_middle_of_a_queue() {
    World::each(PAIR, |world| {
        world
            .quietly("ann: connect; ann: send m1 bob; ann: send m2 bob ttl=1000; ann: send m3 bob");
        world.wait(999);
        world.check("ann: status m2 of bob", &["ann: m2 is sent"]);
        world.wait(1);
        world.check(
            "ann: status m2 of bob",
            &["ann: 1 m2 expired at bob", "ann: m2 is expired"],
        );
        world.check(
            "bob: connect",
            &[
                "bob: ready 0/3",
                "bob: 1 m1 from ann",
                "bob: gap 2-2 expired",
                "bob: 3 m3 from ann",
                "bob: caught up 3 trimmed",
            ],
        );
        world.check("bob: ack 3", &["ann: 2 bob delivered up to m3"]);
        world.check("bob: read m2 of ann", &["bob: m2 refused NOT_DELIVERED"]);
        world.check("ann: send m2 bob ttl=1000", &["ann: sent m2 to 1"]);
    });
}

#[test]
fn a_delivered_message_does_not_expire() {
    World::each(PAIR, |world| {
        world.quietly("ann: connect; bob: connect; ann: send m1 bob ttl=1000; bob: ack 1");
        world.wait(DAY_MS);
        world.check("ann: status m1 of bob", &["ann: m1 is delivered"]);
        assert_eq!(world.rows(KeyTag::Expiry), 0);
    });
}

#[test]
fn a_message_on_its_way_to_a_device_is_given_time_to_arrive() {
    World::each(PAIR, |world| {
        world.quietly(
            "ann: connect; bob: connect; ann: send m1 bob ttl=1000; ann: send m2 bob ttl=1000",
        );
        world.wait(1_000);
        world.check("bob: ack 1", &["ann: 1 bob delivered up to m1"]);
        // m2 was never acknowledged: its time is over when the device has gone.
        world.quietly("bob: leave");
        world.wait(30_000);
        world.check(
            "ann: status m2 of bob",
            &["ann: 2 m2 expired at bob", "ann: m2 is expired"],
        );
        assert_eq!(world.rows(KeyTag::Expiry), 0);
    });
}

#[test]
fn an_acknowledgement_that_comes_too_late_does_not_undo_the_end() {
    World::each(PAIR, |world| {
        world.quietly("ann: connect; bob: connect; ann: send m1 bob ttl=1000; bob: leave");
        world.wait(1_000);
        world.check(
            "bob: connect at=1",
            &[
                "bob: ready 1/1",
                "bob: caught up 1",
                "ann: 1 m1 expired at bob",
            ],
        );
        world.check("ann: status m1 of bob", &["ann: m1 is expired"]);
    });
}

#[test]
fn a_message_that_one_device_took_expires_for_the_other_alone() {
    World::each(PAIR, |world| {
        world.quietly("bob2: add; ann: connect; bob: connect; ann: send m1 bob ttl=1000");
        world.check("bob: ack 1", &["ann: 1 bob delivered up to m1"]);
        world.wait(1_000);
        world.check(
            "ann: status m1 of bob",
            &["ann: 2 m1 expired at bob2", "ann: m1 is delivered"],
        );
        assert_eq!(world.rows(KeyTag::Partial), 0);
    });
}

#[test]
fn the_retention_ends_what_is_old_with_one_gap() {
    let limits = Limits {
        retention_ms: 10 * DAY_MS,
        ..Limits::default()
    };
    World::each_with(limits, PAIR, |world| {
        world.quietly("ann: connect; ann: send m1 bob; ann: send m2 bob; ann: send m3 bob");
        world.wait(9 * DAY_MS);
        world.quietly("ann: send m4 bob");
        world.wait(DAY_MS + 61_000);
        world.check(
            "bob: connect",
            &[
                "bob: ready 0/4",
                "bob: gap 1-3 expired",
                "bob: 4 m4 from ann",
                "bob: caught up 4 trimmed",
                "ann: 1 m1 expired at bob",
                "ann: 2 m2 expired at bob",
                "ann: 3 m3 expired at bob",
            ],
        );
        world.check("ann: status m1 of bob", &["ann: m1 is expired"]);
        assert_eq!(world.inbox_rows("bob"), 2);
    });
}

#[test]
fn the_retention_goes_on_where_it_stopped() {
    let limits = Limits {
        retention_ms: DAY_MS,
        ..Limits::default()
    };
    World::each_with(limits, PAIR, |world| {
        world.quietly("ann: connect credit=0/0");
        for number in 1..=300 {
            world.quietly(&format!("ann: send m{number} bob"));
        }
        world.wait(DAY_MS + 61_000);
        world.wait(61_000);
        assert_eq!(world.inbox_rows("bob"), 1);
        world.check(
            "bob: connect",
            &[
                "bob: ready 0/300",
                "bob: gap 1-300 expired",
                "bob: caught up 300 trimmed",
            ],
        );
    });
}

#[test]
fn what_a_device_takes_in_the_turn_of_the_sweep_is_delivered() {
    let limits = Limits {
        retention_ms: DAY_MS,
        ..Limits::default()
    };
    World::each_with(limits, PAIR, |world| {
        world.quietly("ann: connect; ann: send m1 bob; ann: send m2 bob");
        world.wait(DAY_MS - 10_000);
        world.quietly("bob: connect");
        let shard = world.topology.shard_of_user(world.devices["bob"].user).0;
        world.pass(80_000);
        world.check(
            &format!("bob: ack 1 + bob: leave + tick: {shard}"),
            &["ann: 1 bob delivered up to m1", "ann: 2 m2 expired at bob"],
        );
        world.check("ann: status m1 of bob", &["ann: m1 is delivered"]);
    });
}

#[test]
fn receipts_of_a_device_that_never_comes_back_fall_off_too() {
    let limits = Limits {
        retention_ms: DAY_MS,
        ..Limits::default()
    };
    World::each_with(limits, PAIR, |world| {
        world.quietly("ann: connect; bob: connect; ann: send m1 bob; ann: leave; bob: ack 1");
        world.wait(DAY_MS + 61_000);
        world.check(
            "ann: connect",
            &[
                "ann: ready 0/1",
                "ann: gap 1-1 expired",
                "ann: caught up 1 trimmed",
            ],
        );
    });
}

#[test]
fn message_rows_outlive_every_retry_and_then_fall_off() {
    World::each(PAIR, |world| {
        world.quietly("ann2: add; ann: connect; bob: connect; ann: send m1 bob; bob: ack 1");
        world.wait(37 * DAY_MS);
        world.check("ann: status m1 of bob", &["ann: m1 is delivered"]);
        world.wait(2 * DAY_MS);
        assert_eq!(world.rows(KeyTag::Message), 0);
        assert_eq!(world.rows(KeyTag::Copied), 0);
        world.check(
            "ann: status m1 of bob",
            &["ann: m1 refused UNKNOWN_MESSAGE"],
        );
        world.check("ann: send m1 bob", &["ann: m1 refused MESSAGE_ID_TOO_OLD"]);
    });
}

#[test]
fn many_messages_that_end_at_once_all_end() {
    World::each(PAIR, |world| {
        world.quietly("ann: connect credit=0/0");
        for number in 1..=150 {
            world.quietly(&format!("ann: send m{number} bob ttl=1000"));
        }
        world.wait(1_000);
        assert_eq!(world.rows(KeyTag::Expiry), 0);
        world.check("ann: status m150 of bob", &["ann: m150 is expired"]);
    });
}
