//! The sender's other devices see what it wrote.

use martlet_shard::Limits;

use crate::world::World;

fn two_devices(world: &mut World) {
    world.quietly("ann2: add; ann: connect; ann2: connect; bob: connect");
}

#[test]
fn another_device_of_the_sender_gets_a_copy_and_every_receipt() {
    World::each(&["ann", "bob"], |world| {
        two_devices(world);
        world.check(
            "ann: send m1 bob",
            &[
                "ann: sent m1 to 1",
                "ann2: 1 m1 copied from device 1",
                "bob: 1 m1 from ann",
            ],
        );
        world.check(
            "bob: ack 1",
            &[
                "ann: 1 bob delivered up to m1",
                "ann2: 2 bob delivered up to m1",
            ],
        );
    });
}

#[test]
fn both_devices_may_write_and_each_copies_to_the_other() {
    World::each(&["ann", "bob"], |world| {
        two_devices(world);
        world.quietly("ann: send m1 bob");
        world.check(
            "ann2: send m2 bob",
            &[
                "ann: 1 m2 copied from device 2",
                "ann2: sent m2 to 1",
                "bob: 2 m2 from ann2",
            ],
        );
    });
}

#[test]
fn a_copy_is_placed_once_however_often_the_message_is_sent() {
    World::each(&["ann", "bob"], |world| {
        two_devices(world);
        world.quietly("ann: send m1 bob");
        world.check(
            "ann: send m1 bob + ann: send m1 bob",
            &["ann: sent m1 to 1", "ann: sent m1 to 1"],
        );
        world.quietly("ann2: ack 1; ann2: leave");
        world.check("ann: send m1 bob", &["ann: sent m1 to 1"]);
        world.check(
            "ann2: connect at=1",
            &["ann2: ready 1/1", "ann2: caught up 1"],
        );
    });
}

#[test]
fn an_acknowledged_copy_is_told_to_nobody() {
    World::each(&["ann", "bob"], |world| {
        two_devices(world);
        world.quietly("ann: send m1 bob");
        world.check("ann2: ack 1", &[]);
    });
}

#[test]
fn a_retry_completes_the_copies_that_a_crash_prevented() {
    World::each(&["ann", "bob"], |world| {
        two_devices(world);
        // The first commit has the message; the copy would be in the second.
        assert!(world.crash_after(1, "ann: send m1 bob"));
        assert_eq!(world.inbox_rows("bob"), 1);
        assert_eq!(world.inbox_rows("ann2"), 0);
        world.quietly("ann: connect; ann2: connect");
        world.check(
            "ann: send m1 bob",
            &["ann: sent m1 to 1", "ann2: 1 m1 copied from device 1"],
        );
    });
}

#[test]
fn a_full_device_of_the_sender_gets_a_gap_for_its_copy() {
    let limits = Limits {
        inbox_rows_max: 1,
        ..Limits::default()
    };
    World::each_with(limits, &["ann", "bob", "cid"], |world| {
        world.quietly("ann2: add; ann: connect; ann: send m1 bob; ann: send m2 cid");
        world.check(
            "ann2: connect",
            &[
                "ann2: ready 0/2",
                "ann2: 1 m1 copied from device 1",
                "ann2: gap 2-2 overflow",
                "ann2: caught up 2 trimmed",
            ],
        );
    });
}
