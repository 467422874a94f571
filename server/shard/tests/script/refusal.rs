//! What a device cannot store comes again, and is set aside after five times.

use martlet_store::keys::KeyTag;

use crate::world::World;

const PAIR: &[&str] = &["ann", "bob"];

fn refused_times(world: &mut World, position: u64, times: u64) {
    for count in 1..=times {
        world.quietly(&format!("bob: refuse {position}"));
        world.wait(1_000 * count);
    }
}

#[test]
fn a_refused_message_comes_again_after_a_pause_with_all_that_follow() {
    World::each(PAIR, |world| {
        world.quietly("ann: connect; bob: connect; ann: send m1 bob; ann: send m2 bob");
        world.check("bob: refuse 1", &[]);
        world.check("ann: send m3 bob", &["ann: sent m3 to 1"]);
        world.wait(999);
        world.check("bob: credit 1/1", &[]);
        world.wait(1);
        world.check(
            "bob: ack 3",
            &[
                "bob: 1 m1 from ann",
                "bob: 2 m2 from ann",
                "bob: 3 m3 from ann",
                "ann: 1 bob delivered up to m3",
            ],
        );
    });
}

#[test]
fn the_fifth_refusal_sets_a_message_aside_and_the_queue_goes_on() {
    World::each(PAIR, |world| {
        world.quietly("ann: connect; bob: connect; ann: send m1 bob; ann: send m2 bob");
        refused_times(world, 1, 4);
        world.check(
            "bob: refuse 1",
            &[
                "bob: 1 m1 from ann",
                "bob: 2 m2 from ann",
                "bob: gap 1-1 held",
                "bob: 2 m2 from ann",
                "ann: 1 m1 held at bob",
            ],
        );
        world.check("bob: ack 2", &["ann: 2 bob delivered up to m2"]);
        world.check("ann: status m1 of bob", &["ann: m1 is held"]);
        assert_eq!(
            world.rows(KeyTag::Held),
            1,
            "a copy is kept for the operator"
        );
        assert_eq!(world.rows(KeyTag::Refusal), 0);
    });
}

#[test]
fn refusals_are_counted_across_connections_and_crashes() {
    World::each(PAIR, |world| {
        world.quietly("ann: connect; ann: send m1 bob");
        for _ in 0..2 {
            world.quietly("bob: connect; bob: refuse 1; bob: leave");
            world.quietly("bob: connect; bob: refuse 1");
            world.crash();
        }
        world.quietly("ann: connect; bob: connect");
        world.check(
            "bob: refuse 1",
            &["ann: 1 m1 held at bob", "bob: gap 1-1 held"],
        );
    });
}

#[test]
fn a_message_held_at_one_device_is_delivered_by_the_other() {
    World::each(PAIR, |world| {
        world.quietly("bob2: add; ann: connect; bob: connect; bob2: connect; ann: send m1 bob");
        refused_times(world, 1, 5);
        world.check("bob2: ack 1", &["ann: 2 m1 delivered at bob2"]);
    });
}

#[test]
fn an_own_copy_can_be_refused_and_set_aside_too() {
    World::each(PAIR, |world| {
        world.quietly("bob2: add; ann: connect; bob: connect; bob2: connect; bob2: send m1 ann");
        refused_times(world, 1, 4);
        world.quietly("bob: leave; bob: connect");
        world.check("bob: refuse 1", &["bob: gap 1-1 held"]);
        world.check("bob2: status m1 of ann", &["bob2: m1 is sent"]);
    });
}

#[test]
fn only_a_message_on_its_way_can_be_refused() {
    World::each(PAIR, |world| {
        world.quietly("ann: connect; bob: connect; ann: send m1 bob; ann: send m2 bob; bob: ack 1");
        world.check("bob: refuse 1", &["bob: closed BAD_ACK"]);
        world.quietly("bob: connect at=1");
        world.check("bob: refuse 3", &["bob: closed BAD_ACK"]);
        world.check("ann: refuse 1", &["ann: closed BAD_ACK"]);
    });
}

#[test]
fn a_refusal_said_twice_counts_once() {
    World::each(PAIR, |world| {
        world.quietly("ann: connect; bob: connect; ann: send m1 bob");
        world.check(
            "bob: refuse 1; bob: refuse 1; bob: refuse 1 + bob: refuse 1",
            &[],
        );
        world.wait(1_000);
        world.check("bob: refuse 1", &["bob: 1 m1 from ann"]);
        // The second pause is twice as long, the fourth would be four times as long.
        world.wait(2_000);
        world.check(
            "bob: ack 1",
            &["bob: 1 m1 from ann", "ann: 1 bob delivered up to m1"],
        );
    });
}

#[test]
fn a_page_that_is_read_during_a_refusal_is_not_pushed() {
    World::each(PAIR, |world| {
        world.quietly("ann: connect");
        for number in 1..=4 {
            world.quietly(&format!("ann: send m{number} bob"));
        }
        world.quietly("bob: connect credit=2/100000; bob: ack 1");
        // The page behind 2 is asked for, and 2 is refused before it is there.
        world.check("bob: credit 9/9000 | bob: refuse 2", &[]);
        world.wait(1_000);
        world.check(
            "bob: ack 4",
            &[
                "bob: 2 m2 from ann",
                "bob: 3 m3 from ann",
                "bob: 4 m4 from ann",
                "bob: caught up 4",
                "ann: 2 bob delivered up to m4",
            ],
        );
    });
}

#[test]
fn a_page_that_is_read_during_the_last_refusal_is_not_pushed() {
    World::each(PAIR, |world| {
        world.quietly("ann: connect");
        for number in 1..=3 {
            world.quietly(&format!("ann: send m{number} bob"));
        }
        world.quietly("bob: connect credit=1/100000");
        for count in 1..=4 {
            world.quietly("bob: refuse 1 | bob: credit 1/100000");
            world.wait(1_000 * count);
        }
        world.forget();
        world.check(
            "bob: credit 9/9000 | bob: refuse 1",
            &[
                "bob: gap 1-1 held",
                "bob: 2 m2 from ann",
                "bob: 3 m3 from ann",
                "bob: caught up 3 trimmed",
                "ann: 1 m1 held at bob",
            ],
        );
    });
}

#[test]
fn the_count_of_a_message_that_was_taken_after_all_is_forgotten() {
    World::each(PAIR, |world| {
        world.quietly("ann: connect; bob: connect; ann: send m1 bob");
        refused_times(world, 1, 3);
        world.quietly("bob: ack 1; bob: leave");
        assert_eq!(world.rows(KeyTag::Refusal), 0);
        world.quietly("ann: send m2 bob; bob: connect at=1");
        world.quietly("bob: refuse 2");
        world.crash();
        world.quietly("bob: connect at=1; bob: ack 2; bob: leave");
        assert_eq!(world.rows(KeyTag::Refusal), 0);
    });
}

#[test]
fn what_was_set_aside_is_kept_as_long_as_messages_are() {
    let limits = martlet_shard::Limits {
        retention_ms: 86_400_000,
        ..martlet_shard::Limits::default()
    };
    World::each_with(limits, PAIR, |world| {
        world.quietly("ann: connect; bob: connect; ann: send m1 bob");
        refused_times(world, 1, 5);
        world.wait(86_000_000);
        assert_eq!(world.rows(KeyTag::Held), 1);
        world.wait(600_000);
        assert_eq!(world.rows(KeyTag::Held), 0);
    });
}
