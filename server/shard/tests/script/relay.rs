//! The durable queue between shards: told once, whatever crashes.

use martlet_store::keys::KeyTag;

use crate::world::World;

/// Ann and bob on shards of their own.
fn apart() -> World {
    let world = World::new(5, &["ann", "bob"]);
    let shard = |name: &str| world.topology.shard_of_user(world.devices[name].user);
    assert_ne!(shard("ann"), shard("bob"));
    world
}

#[test]
fn a_receipt_arrives_once_wherever_the_server_stops() {
    for commits in 0.. {
        let mut world = apart();
        world.quietly("ann: connect; bob: connect; ann: send m1 bob");
        let is_cut = world.crash_after(commits, "bob: ack 1");
        // Bob's acknowledgement counts with its commit, or is made up by his resume.
        world.quietly("bob: connect at=1");
        world.check(
            "ann: connect",
            &[
                "ann: ready 0/1",
                "ann: 1 bob delivered up to m1",
                "ann: caught up 1",
            ],
        );
        if !is_cut {
            assert!(
                commits > 2,
                "acknowledgement, relay and confirmation are a commit each"
            );
            break;
        }
    }
}

#[test]
fn outbox_rows_are_removed_in_ranges_and_the_newest_stays() {
    let mut world = apart();
    world.quietly("ann: connect; bob: connect");
    for number in 1..=130 {
        world.quietly(&format!("ann: send m{number} bob; bob: ack {number}"));
    }
    assert!(world.rows(KeyTag::Outbox) <= 64);
    world.crash();
    world.quietly("ann: connect at=130; bob: connect at=130");
    world.check(
        "ann: send m131 bob; bob: ack 131",
        &[
            "ann: sent m131 to 1",
            "bob: 131 m131 from ann",
            "ann: 131 bob delivered up to m131",
        ],
    );
}

#[test]
fn what_two_shards_tell_each_other_at_once_is_told_once() {
    for commits in 0..12 {
        let mut world = apart();
        world.quietly("ann: connect; bob: connect; ann: send m1 bob; bob: send n1 ann");
        world.crash_after(commits, "bob: ack 1 + ann: ack 1");
        world.quietly("ann: connect at=1; bob: connect at=1");
        world.check(
            "ann: status m1 of bob; bob: status n1 of ann",
            &["ann: m1 is delivered", "bob: n1 is delivered"],
        );
        assert_eq!((world.inbox_rows("ann"), world.inbox_rows("bob")), (2, 2));
    }
}
