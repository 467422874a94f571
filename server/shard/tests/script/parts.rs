//! Parts: each device gets its own, and a message that is not made for the devices there are comes
//! again.

use martlet_shard::Limits;
use martlet_store::keys::KeyTag;

use crate::world::World;

const PAIR: &[&str] = &["ann", "bob"];

/// Two devices each. That each gets its own part, and no other, is checked by the harness.
fn pairs(world: &mut World) {
    world.quietly("ann2: add; bob2: add; ann: connect; ann2: connect; bob: connect; bob2: connect");
}

#[test]
fn each_device_of_both_accounts_gets_its_own_part() {
    World::each(PAIR, |world| {
        pairs(world);
        world.check(
            "ann: send m1 bob",
            &[
                "ann: sent m1 to 2",
                "ann2: 1 m1 copied from device 1",
                "bob: 1 m1 from ann",
                "bob2: 1 m1 from ann",
            ],
        );
        world.quietly("ann: leave; bob2: leave; ann2: send m2 bob");
        world.check(
            "bob2: connect",
            &[
                "bob2: ready 0/2",
                "bob2: 1 m1 from ann",
                "bob2: 2 m2 from ann2",
                "bob2: caught up 2",
            ],
        );
        world.check(
            "ann: connect",
            &[
                "ann: ready 0/1",
                "ann: 1 m2 copied from device 2",
                "ann: caught up 1",
            ],
        );
    });
}

#[test]
fn an_account_without_a_list_gets_the_envelope_alone() {
    World::each(PAIR, |world| {
        world.quietly("ann2: add; ann: connect; ann2: connect; bob: connect");
        world.check(
            "ann: send m1 bob",
            &[
                "ann: sent m1 to 1",
                "ann2: 1 m1 copied from device 1",
                "bob: 1 m1 from ann",
            ],
        );
        world.check(
            "bob: send m2 ann",
            &[
                "ann: 1 m2 from bob",
                "ann2: 2 m2 from bob",
                "bob: sent m2 to 2",
            ],
        );
        world.check(
            "ann: send m3 bob parts=1",
            &["ann: m3 refused PARTS_MISMATCH"],
        );
    });
}

#[test]
fn a_sender_that_does_not_know_the_newest_list_is_shown_it() {
    World::each(PAIR, |world| {
        pairs(world);
        world.check(
            "ann: send m1 bob to=1",
            &[
                "ann: unasked lists 2-2 of 2 of bob",
                "ann: m1 refused STALE_RECIPIENT",
            ],
        );
        world.check(
            "ann: send m1 bob to=0",
            &[
                "ann: unasked lists 2-2 of 2 of bob",
                "ann: m1 refused STALE_RECIPIENT",
            ],
        );
        // What follows keeps its place behind it.
        world.check("ann: send m2 bob", &["ann: m2 refused OUT_OF_ORDER"]);
        world.check(
            "ann: send m1 bob; ann: send m2 bob",
            &[
                "ann: sent m1 to 2",
                "ann: sent m2 to 2",
                "ann2: 1 m1 copied from device 1",
                "ann2: 2 m2 copied from device 1",
                "bob: 1 m1 from ann",
                "bob: 2 m2 from ann",
                "bob2: 1 m1 from ann",
                "bob2: 2 m2 from ann",
            ],
        );
    });
}

#[test]
fn a_sender_that_does_not_know_its_own_newest_list_looks_at_it_first() {
    World::each(PAIR, |world| {
        pairs(world);
        world.quietly("ann2: leave; bob2: leave");
        let is_near = {
            let shard = |name: &str| world.topology.shard_of_user(world.devices[name].user);
            shard("ann") == shard("bob")
        };
        // The recipient's shard knows the sender's lists only if it is the sender's as well.
        let shown = "ann: unasked lists 2-2 of 2 of ann";
        let refused = "ann: m1 refused STALE_OWN";
        let expected = [shown, refused];
        // Both are stale: the sender's own comes first.
        world.check(
            "ann: send m1 bob own=1 to=1",
            &expected[usize::from(!is_near)..],
        );
        world.check("ann: send m2 bob", &["ann: m2 refused OUT_OF_ORDER"]);
        world.check(
            "ann: send m1 bob",
            &["ann: sent m1 to 2", "bob: 1 m1 from ann"],
        );
    });
}

#[test]
fn parts_for_other_devices_than_there_are_are_refused() {
    World::each(PAIR, |world| {
        pairs(world);
        for wrong in [
            "parts=1",
            "parts=1,2,3",
            "parts=2,1",
            "parts=1,3",
            "parts=",
            "own_parts=",
            "own_parts=1",
            "own_parts=1,2",
            "scope=0",
            "scope=3",
            "named=",
            "named=3",
            "named=2,1",
            "named=1,1",
            "named=1 own_parts=2",
        ] {
            world.check(
                &format!("ann: send m1 bob {wrong}"),
                &["ann: m1 refused PARTS_MISMATCH"],
            );
        }
        // A refusal for good holds nothing up.
        assert_eq!(world.rows(KeyTag::Message), 0);
        world.check(
            "ann: send m2 bob",
            &[
                "ann: sent m2 to 2",
                "ann2: 1 m2 copied from device 1",
                "bob: 1 m2 from ann",
                "bob2: 1 m2 from ann",
            ],
        );
    });
}

#[test]
fn what_was_placed_gets_its_answer_whatever_has_become_of_the_lists() {
    World::each(PAIR, |world| {
        pairs(world);
        world.quietly("ann2: leave; bob2: leave; ann: send m1 bob");
        world.quietly("bob3: add; bob2: remove; ann3: add");
        for versions in ["", "to=2 own=2", "to=9 own=9"] {
            world.check(
                &format!("ann: send m1 bob {versions}"),
                &["ann: sent m1 to 2"],
            );
        }
        // The parts belong to the payload.
        world.check("ann: send m1 bob parts=1,3", &["ann: m1 refused CONFLICT"]);
        world.check("ann: send m1 bob part=99", &["ann: m1 refused CONFLICT"]);
        world.check("ann: send m1 bob named=1", &["ann: m1 refused CONFLICT"]);
        world.crash();
        world.quietly("ann: connect");
        world.check("ann: send m1 bob to=1", &["ann: sent m1 to 2"]);
        assert_eq!(world.inbox_rows("bob3"), 0);
    });
}

#[test]
fn a_named_message_goes_to_the_named_devices_and_nowhere_else() {
    World::each(PAIR, |world| {
        pairs(world);
        world.quietly("bob3: add; bob3: connect");
        world.check(
            "ann: send m1 bob named=1,3",
            &[
                "ann: sent m1 to 2",
                "bob: 1 m1 from ann",
                "bob3: 1 m1 from ann",
            ],
        );
        // Its own list is no matter, the recipient's is.
        world.check(
            "ann: send m2 bob named=2 own=1",
            &["ann: sent m2 to 1", "bob2: 1 m2 from ann"],
        );
        world.check(
            "ann: send m3 bob named=2 to=2",
            &[
                "ann: unasked lists 3-3 of 3 of bob",
                "ann: m3 refused STALE_RECIPIENT",
            ],
        );
    });
}

#[test]
fn a_device_may_name_others_of_its_own_account() {
    World::each(PAIR, |world| {
        pairs(world);
        world.check(
            "ann: send m1 ann named=2",
            &["ann: sent m1 to 1", "ann2: 1 m1 from ann"],
        );
        world.check(
            "ann: send m2 ann named=1",
            &["ann: m2 refused PARTS_MISMATCH"],
        );
        world.check(
            "ann: send m3 ann parts=2",
            &["ann: m3 refused SELF_ADDRESSED"],
        );
        world.check(
            "ann2: ack 1",
            &[
                "ann: 1 m1 delivered at ann2",
                "ann2: 2 m1 delivered at ann2",
            ],
        );
    });
}

#[test]
fn a_device_without_a_list_cannot_be_named() {
    World::each(PAIR, |world| {
        world.quietly("ann: connect; bob: connect");
        world.check(
            "ann: send m1 bob named=1",
            &["ann: m1 refused PARTS_MISMATCH"],
        );
    });
}

#[test]
fn a_part_takes_room_in_the_inbox() {
    let limits = Limits {
        inbox_bytes_max: 1_000,
        ..Limits::default()
    };
    World::each_with(limits, PAIR, |world| {
        world.quietly("bob2: add; ann: connect; bob: connect");
        world.quietly("ann: send m1 bob size=50 part=700");
        world.check(
            "ann: send m2 bob size=200 part=100",
            &["ann: m2 refused INBOX_FULL for 30000"],
        );
        world.quietly("bob: ack 1");
        world.check(
            "ann: send m2 bob size=200 part=100",
            &[
                "ann: sent m2 to 1",
                "ann: 2 m2 overflow at bob2",
                "bob: 2 m2 from ann",
            ],
        );
    });
}

#[test]
fn a_device_that_was_linked_while_a_copy_was_on_its_way_gets_none() {
    World::each(PAIR, |world| {
        world.quietly("ann2: add; ann: connect; ann2: connect; bob: connect");
        // The message is judged before the list changes, the copy placed behind it.
        world.check(
            "ann: send m1 bob + ann3: add",
            &[
                "ann: sent m1 to 1",
                "ann2: 1 m1 copied from device 1",
                "bob: 1 m1 from ann",
            ],
        );
        assert_eq!(world.inbox_rows("ann3"), 0);
        world.check(
            "ann: send m2 bob + ann2: remove",
            &[
                "ann: sent m2 to 1",
                "ann2: closed DEVICE_GONE",
                "bob: 2 m2 from ann",
            ],
        );
        assert_eq!(world.inbox_rows("ann2"), 0);
        assert_eq!(world.inbox_rows("ann3"), 1);
    });
}

#[test]
fn a_device_gets_all_that_follows_its_link_and_nothing_behind_its_end() {
    World::each(PAIR, |world| {
        world.quietly("ann: connect; bob: connect; ann: send m1 bob; bob: ack 1");
        world.quietly("bob2: add; bob2: connect");
        world.check(
            "ann: send m2 bob; bob: send m3 ann",
            &[
                "ann: sent m2 to 2",
                "ann: 2 m3 from bob",
                "bob: 2 m2 from ann",
                "bob: sent m3 to 1",
                "bob2: 1 m2 from ann",
                "bob2: 2 m3 copied from device 1",
            ],
        );
        world.quietly("bob: ack 2; bob2: ack 2");
        world.check(
            "bob: publish -bob2; ann: send m4 bob; bob: send m5 ann",
            &[
                "bob: published 3",
                "bob2: closed DEVICE_GONE",
                "ann: sent m4 to 1",
                "ann: 4 m5 from bob",
                "bob: 3 m4 from ann",
                "bob: sent m5 to 1",
            ],
        );
        assert_eq!(world.inbox_rows("bob2"), 0);
    });
}

#[test]
fn parts_are_placed_once_wherever_the_server_stops() {
    for shards in [1, 5] {
        for commits in 0..6 {
            let mut world = World::new(shards, PAIR);
            world.quietly("ann2: add; bob2: add; ann: connect; bob: connect");
            world.crash_after(commits, "ann: send m1 bob | bob3: add | ann: send m2 bob");
            world.quietly("ann: connect; bob: connect");
            world.quietly("ann: send m1 bob; ann: send m2 bob");
            for device in ["bob", "bob2"] {
                assert_eq!(world.inbox_rows(device), 2, "{device} after {commits}");
            }
            // Beside the copies it has the word that m1 is not for bob3, if bob3 came to be.
            let is_added = usize::from(world.rows(KeyTag::DeviceList) == 5);
            assert_eq!(world.inbox_rows("ann2"), 2 + is_added, "after {commits}");
        }
    }
}
