//! ACK: the cursor moves, and each sender is told once.

use martlet_shard::Limits;

use crate::world::World;

#[test]
fn an_acknowledgement_moves_the_cursor_and_is_told_once() {
    World::each(&["ann", "bob"], |world| {
        world.quietly("ann: connect; bob: connect; ann: send m1 bob");
        world.check("bob: ack 1", &["ann: 1 bob delivered up to m1"]);
        world.check("bob: ack 1", &[]);
        world.check("bob: ack 0", &[]);
        world.quietly("bob: leave");
        world.check("bob: connect at=1", &["bob: ready 1/1", "bob: caught up 1"]);
    });
}

#[test]
fn one_acknowledgement_for_many_messages_is_one_receipt_for_each_sender() {
    World::each(&["ann", "bob", "cid"], |world| {
        world.quietly("ann: connect; bob: connect; cid: connect");
        world.quietly("ann: send m1 bob; ann: send m2 bob; cid: send n1 bob; ann: send m3 bob");
        world.check(
            "bob: ack 4",
            &[
                "ann: 1 bob delivered up to m3",
                "cid: 1 bob delivered up to n1",
            ],
        );
    });
}

#[test]
fn acknowledgements_of_one_turn_are_merged() {
    World::each(&["ann", "bob"], |world| {
        world.quietly("ann: connect; bob: connect; ann: send m1 bob; ann: send m2 bob");
        world.check(
            "bob: ack 1 + bob: ack 2",
            &["ann: 1 bob delivered up to m2"],
        );
    });
}

#[test]
fn an_acknowledgement_of_what_was_never_pushed_ends_the_connection() {
    World::each(&["ann", "bob"], |world| {
        world.quietly("ann: connect; bob: connect; ann: send m1 bob");
        world.check("bob: ack 2", &["bob: closed BAD_ACK"]);
        // It has moved nothing.
        world.check(
            "bob: connect",
            &["bob: ready 0/1", "bob: 1 m1 from ann", "bob: caught up 1"],
        );
    });
}

#[test]
fn an_acknowledgement_by_an_old_connection_is_not_heard() {
    World::each(&["ann", "bob"], |world| {
        world.quietly("ann: connect; bob: connect; ann: send m1 bob");
        let old = world.session("bob");
        let address = world.devices["bob"];
        world.quietly("bob: connect credit=0/0");
        let stale = martlet_shard::Command::Ack {
            session: old,
            address,
            position: martlet_protocol::Position(1),
        };
        world.say(stale);
        world.check("ann: status m1 of bob", &["ann: m1 is sent"]);
    });
}

#[test]
fn a_message_is_delivered_when_the_first_device_has_it_and_told_once() {
    World::each(&["ann", "bob"], |world| {
        world.quietly("bob2: add; ann: connect; bob: connect; bob2: connect");
        world.check(
            "ann: send m1 bob; ann: send m2 bob",
            &[
                "ann: sent m1 to 2",
                "ann: sent m2 to 2",
                "bob: 1 m1 from ann",
                "bob: 2 m2 from ann",
                "bob2: 1 m1 from ann",
                "bob2: 2 m2 from ann",
            ],
        );
        world.check("bob2: ack 1", &["ann: 1 bob2 delivered up to m1"]);
        world.check("bob: ack 2", &["ann: 2 bob delivered up to m2"]);
        world.check("bob2: ack 2", &[]);
        world.crash();
        world.quietly("ann: connect at=2; bob: connect at=2; bob2: connect at=2");
        world.check(
            "ann: send m3 bob",
            &[
                "ann: sent m3 to 2",
                "bob: 3 m3 from ann",
                "bob2: 3 m3 from ann",
            ],
        );
        world.check(
            "bob: ack 3 + bob2: ack 3",
            &["ann: 3 bob delivered up to m3"],
        );
    });
}

#[test]
fn acknowledged_rows_are_removed_in_ranges_and_when_the_device_leaves() {
    World::each(&["ann", "bob"], |world| {
        world.quietly("ann: connect; bob: connect");
        for number in 0..130 {
            world.quietly(&format!("ann: send m{number} bob"));
        }
        world.quietly("bob: ack 100");
        assert_eq!(
            world.inbox_rows("bob"),
            130,
            "a range costs as much as a row"
        );
        world.quietly("bob: ack 128");
        assert_eq!(world.inbox_rows("bob"), 2);
        world.quietly("bob: ack 129; bob: leave");
        assert_eq!(world.inbox_rows("bob"), 1);
    });
}

#[test]
fn room_comes_back_with_each_acknowledgement() {
    let limits = Limits {
        inbox_bytes_max: 400,
        ..Limits::default()
    };
    World::each_with(limits, &["ann", "bob"], |world| {
        world.quietly("ann: connect; bob: connect");
        world.quietly("ann: send m1 bob size=150; ann: send m2 bob size=150");
        world.check(
            "ann: send m3 bob size=150",
            &["ann: m3 refused INBOX_FULL for 30000"],
        );
        world.quietly("bob: ack 1");
        world.check(
            "ann: send m3 bob size=150",
            &["ann: sent m3 to 1", "bob: 3 m3 from ann"],
        );
        // A restart counts the same bytes.
        world.crash();
        world.quietly("ann: connect at=1; bob: connect at=1");
        world.check(
            "ann: send m4 bob size=150",
            &["ann: m4 refused INBOX_FULL for 30000"],
        );
    });
}
