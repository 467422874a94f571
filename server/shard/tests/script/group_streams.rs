//! A large group has a stream of its own: the same order, no rows in inboxes, a cursor for each
//! device; and the way there and back.

use martlet_shard::Limits;
use martlet_store::keys::KeyTag;

use crate::world::World;

pub(crate) const FOUR: &[&str] = &["ann", "bob", "cid", "dora"];

/// A stream from three members on.
pub(crate) fn limits() -> Limits {
    Limits {
        group_inbox_members_max: 2,
        ..Limits::default()
    }
}

/// Three members, all connected; nothing of the inboxes is left.
pub(crate) fn in_a_large_group(world: &mut World) {
    world.quietly("ann: connect; bob: connect; cid: connect; dora: connect");
    world.quietly("ann: change g +bob +cid; ann: ack 2; bob: ack 2; cid: ack 2");
}

#[test]
fn a_group_that_is_large_from_the_start_says_so_in_the_inboxes() {
    World::each_with(limits(), FOUR, |world| {
        world.quietly("ann: connect; bob: connect; cid: connect");
        world.check(
            "ann: change g +bob +cid",
            &[
                "ann: changed g to 1 at 1",
                "ann: 1 g/1 record 1 by ann",
                "ann: 2 g/2 from here by stream",
                "bob: 1 g/1 record 1 by ann",
                "bob: 2 g/2 from here by stream",
                "cid: 1 g/1 record 1 by ann",
                "cid: 2 g/2 from here by stream",
            ],
        );
        let before = world.rows(KeyTag::Inbox);
        world.check(
            "bob: post m1 g",
            &[
                "bob: sent m1 at g/3 to 2",
                "bob: g/3 m1 from bob",
                "ann: g/3 m1 from bob",
                "cid: g/3 m1 from bob",
            ],
        );
        assert_eq!(
            world.rows(KeyTag::Inbox),
            before,
            "no inbox has a row of it"
        );
    });
}

#[test]
fn who_was_away_reads_on_from_its_cursor() {
    World::each_with(limits(), FOUR, |world| {
        in_a_large_group(world);
        world.quietly("ann: post m1 g; bob: stored g 3; bob: leave");
        world.quietly("ann: post m2 g; cid: post m3 g");
        world.check(
            "bob: connect at=2",
            &[
                "bob: ready 2/2",
                "bob: caught up 2",
                "bob: g/4 m2 from ann",
                "bob: g/5 m3 from cid",
            ],
        );
        // What was pushed and not acknowledged comes again.
        world.quietly("bob: stored g 4; bob: leave");
        world.check(
            "bob: connect at=2",
            &["bob: ready 2/2", "bob: caught up 2", "bob: g/5 m3 from cid"],
        );
    });
}

#[test]
fn a_crash_gives_again_what_was_acknowledged_lately_and_loses_nothing() {
    World::each_with(limits(), FOUR, |world| {
        in_a_large_group(world);
        world.quietly("ann: post m1 g; ann: post m2 g; bob: stored g 4");
        world.crash();
        world.check(
            "bob: connect at=2",
            &[
                "bob: ready 2/2",
                "bob: caught up 2",
                "bob: g/3 m1 from ann",
                "bob: g/4 m2 from ann",
            ],
        );
    });
}

#[test]
fn what_was_acknowledged_before_a_crash_may_be_said_again() {
    World::each_with(limits(), FOUR, |world| {
        in_a_large_group(world);
        world.quietly("ann: post m1 g; ann: post m2 g; bob: stored g 4");
        world.crash();
        // The cursor was not written; what the device says is news to the server.
        world.quietly("ann: connect at=2; cid: connect at=2; bob: connect at=2 + bob: stored g 4");
        world.check(
            "ann: post m3 g",
            &[
                "ann: sent m3 at g/5 to 2",
                "ann: g/5 m3 from ann",
                "bob: g/5 m3 from ann",
                "cid: g/5 m3 from ann",
            ],
        );
    });
}

#[test]
fn an_acknowledgement_of_what_was_not_pushed_ends_the_connection() {
    World::each_with(limits(), FOUR, |world| {
        in_a_large_group(world);
        world.quietly("ann: post m1 g");
        world.check("bob: stored g 4", &["bob: closed BAD_ACK"]);
        // Of a group that has no stream, or that is not the account's, it says nothing.
        world.check("dora: stored g 1; cid: stored h 7", &[]);
    });
}

#[test]
fn credit_holds_for_streams_as_for_inboxes() {
    World::each_with(limits(), FOUR, |world| {
        in_a_large_group(world);
        world.quietly("bob: leave; ann: post m1 g; ann: post m2 g; ann: post m3 g");
        world.check(
            "bob: connect at=2 credit=2/4000",
            &[
                "bob: ready 2/2",
                "bob: caught up 2",
                "bob: g/3 m1 from ann",
                "bob: g/4 m2 from ann",
            ],
        );
        world.check(
            "ann: post m4 g",
            &[
                "ann: sent m4 at g/6 to 2",
                "ann: g/6 m4 from ann",
                "cid: g/6 m4 from ann",
            ],
        );
        world.check(
            "bob: credit 9/9000",
            &["bob: g/5 m3 from ann", "bob: g/6 m4 from ann"],
        );
        world.check(
            "ann: post m5 g",
            &[
                "ann: sent m5 at g/7 to 2",
                "ann: g/7 m5 from ann",
                "bob: g/7 m5 from ann",
                "cid: g/7 m5 from ann",
            ],
        );
    });
}

#[test]
fn who_joins_a_stream_gets_its_record_and_what_follows() {
    World::each_with(limits(), FOUR, |world| {
        in_a_large_group(world);
        world.quietly("ann: post m1 g; dora: leave");
        world.quietly("bob: change g +dora; ann: post m2 g");
        world.check(
            "dora: connect",
            &[
                "dora: ready 0/0",
                "dora: caught up 0",
                "dora: g/4 record 2 by bob",
                "dora: g/5 m2 from ann",
            ],
        );
        world.check("dora: groups", &["dora: in g/2"]);
    });
}

#[test]
fn a_group_grows_over_the_threshold_and_shrinks_again_in_one_order() {
    World::each_with(limits(), FOUR, |world| {
        world.quietly("ann: connect; bob: connect; cid: connect; ann: change g +bob");
        world.quietly("ann: post m1 g");
        world.check(
            "ann: change g +cid; bob: post m2 g",
            &[
                "ann: changed g to 2 at 3",
                "ann: 2 g/3 record 2 by ann",
                "ann: 3 g/4 from here by stream",
                "ann: g/5 m2 from bob",
                "bob: 3 g/3 record 2 by ann",
                "bob: 4 g/4 from here by stream",
                "bob: sent m2 at g/5 to 2",
                "bob: g/5 m2 from bob",
                "cid: 1 g/3 record 2 by ann",
                "cid: 2 g/4 from here by stream",
                "cid: g/5 m2 from bob",
            ],
        );
        world.quietly("bob: leave; ann: post m3 g");
        world.check(
            "ann: change g -cid; ann: post m4 g",
            &[
                "ann: changed g to 3 at 7",
                "ann: g/7 record 3 by ann",
                "ann: g/8 from here by inboxes",
                "ann: sent m4 at g/9 to 1",
                "cid: g/7 record 3 by ann",
            ],
        );
        // The end of the stream and what came by the inbox after it: the sequences say the order.
        world.check(
            "bob: connect at=4",
            &[
                "ann: 4 g delivered bob up to 4",
                "bob: ready 4/5",
                "bob: 5 g/9 m4 from ann",
                "bob: caught up 5",
                "bob: g/5 m2 from bob",
                "bob: g/6 m3 from ann",
                "bob: g/7 record 3 by ann",
                "bob: g/8 from here by inboxes",
            ],
        );
        world.check(
            "ann: change g +cid; bob: post m5 g",
            &[
                "ann: changed g to 4 at 10",
                "ann: 5 g/10 record 4 by ann",
                "ann: 6 g/11 from here by stream",
                "ann: g/12 m5 from bob",
                "bob: 6 g/10 record 4 by ann",
                "bob: 7 g/11 from here by stream",
                "bob: sent m5 at g/12 to 2",
                "bob: g/12 m5 from bob",
                "cid: 3 g/10 record 4 by ann",
                "cid: 4 g/11 from here by stream",
                "cid: g/12 m5 from bob",
            ],
        );
    });
}

#[test]
fn receipts_of_a_group_that_is_small_again_survive() {
    World::each_with(limits(), FOUR, |world| {
        in_a_large_group(world);
        world.quietly("ann: change g -cid; ann: post m1 g");
        world.check("bob: ack 3", &["ann: 3 g delivered bob up to 5"]);
        world.crash();
        world.quietly("ann: connect at=3; bob: connect at=3");
        world.check("ann: count g 5", &["ann: g/5: 1 delivered, 0 read of 1"]);
    });
}

#[test]
fn a_device_that_is_removed_leaves_nothing_behind() {
    World::each_with(limits(), FOUR, |world| {
        world.quietly("cid2: add; cid2: connect");
        in_a_large_group(world);
        world.quietly("ann: post m1 g; cid2: ack 2; cid2: stored g 3; cid2: leave");
        world.quietly("ann: change g -cid; cid: stored g 4");
        let cursors = world.rows(KeyTag::GroupCursor);
        let members = world.rows(KeyTag::LocalMember);
        world.quietly("cid2: remove");
        assert!(world.rows(KeyTag::GroupCursor) < cursors);
        assert_eq!(
            world.rows(KeyTag::LocalMember),
            members - 1,
            "nobody is left who would read to the end"
        );
    });
}

#[test]
fn a_new_device_that_connects_at_once_gets_what_follows() {
    World::each_with(limits(), FOUR, |world| {
        in_a_large_group(world);
        world.quietly("ann: post m1 g");
        world.check(
            "bob2: add + bob2: connect",
            &["bob2: ready 0/0", "bob2: caught up 0"],
        );
    });
}

#[test]
fn a_directory_that_was_put_back_gives_out_no_place_twice() {
    World::each_with(limits(), FOUR, |world| {
        in_a_large_group(world);
        world.quietly("ann: post m1 g; bob: leave; cid: stored g 3");
        world.raise_floors(1_000);
        world.quietly("ann: connect at=2; cid: connect at=2; cid: stored g 3");
        world.check(
            "ann: post m2 g",
            &[
                "ann: sent m2 at g/1001 to 2",
                "ann: gap g/4-1000 restored",
                "ann: g/1001 m2 from ann",
                "cid: gap g/4-1000 restored",
                "cid: g/1001 m2 from ann",
            ],
        );
        world.check(
            "bob: connect at=2",
            &[
                "bob: ready 2/2",
                "bob: caught up 2",
                "bob: g/3 m1 from ann",
                "bob: gap g/4-1000 restored",
                "bob: g/1001 m2 from ann",
            ],
        );
    });
}

#[test]
fn a_new_device_gets_what_follows() {
    World::each_with(limits(), FOUR, |world| {
        in_a_large_group(world);
        world.quietly("ann: post m1 g; bob2: add; ann: post m2 g");
        world.check(
            "bob2: connect",
            &[
                "bob2: ready 0/0",
                "bob2: caught up 0",
                "bob2: g/4 m2 from ann",
            ],
        );
        world.check(
            "bob: post m3 g",
            &[
                "bob: sent m3 at g/5 to 2",
                "bob: g/5 m3 from bob",
                "ann: g/5 m3 from bob",
                "bob2: g/5 m3 from bob",
                "cid: g/5 m3 from bob",
            ],
        );
    });
}

#[test]
fn an_author_learns_what_all_have_and_not_who() {
    World::each_with(limits(), FOUR, |world| {
        in_a_large_group(world);
        // The home learns lazily.
        world.wait(2_000);
        world.quietly("ann: post m1 g; ann: post m2 g");
        world.check("bob: stored g 4", &[]);
        world.check("cid: stored g 3", &[]);
        world.seen_while(3_000, &["ann: 3 g delivered all up to 3"]);
        // What is read is told at once: the PONG behind it says that it is durable.
        world.check(
            "bob: saw g 4; cid: stored g 4; cid: saw g 3",
            &["ann: 4 g read all up to 3"],
        );
        world.seen_while(3_000, &["ann: 5 g delivered all up to 4"]);
        world.check(
            "ann: count g 4 detail",
            &["ann: g/4: 2 delivered, 1 read of 2 (bob read, cid delivered)"],
        );
    });
}

#[test]
fn what_a_member_wrote_itself_it_has() {
    World::each_with(limits(), FOUR, |world| {
        in_a_large_group(world);
        world.wait(2_000);
        world.quietly("ann: post m1 g; bob: post m2 g; ann: post m3 g");
        world.quietly("bob: stored g 5; cid: stored g 5; ann: stored g 4");
        world.seen_while(
            3_000,
            &[
                "ann: 3 g delivered all up to 5",
                // What lies behind bob's own is no business of his.
                "bob: 3 g delivered all up to 4",
            ],
        );
    });
}

#[test]
fn entries_that_have_ended_are_gaps_in_the_stream() {
    const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
    let limits = Limits {
        retention_ms: 10_000,
        ..limits()
    };
    World::each_with(limits, FOUR, |world| {
        in_a_large_group(world);
        world.quietly("bob: leave; ann: post m1 g; ann: post m2 g ttl=5000; ann: post m3 g");
        world.pass(5_000);
        world.check(
            "bob: connect at=2",
            &[
                "bob: ready 2/2",
                "bob: caught up 2",
                "bob: g/3 m1 from ann",
                "bob: gap g/4-4 expired",
                "bob: g/5 m3 from ann",
            ],
        );
        world.quietly("bob: leave");
        world.wait(DAY_MS + 20_000);
        world.wait(120_000);
        world.quietly("ann: connect at=2; ann: post m4 g");
        world.check(
            "bob: connect at=2",
            &[
                "bob: ready 2/2",
                "bob: caught up 2",
                "bob: gap g/3-4 expired",
                "bob: g/5 m3 from ann",
                "bob: g/6 m4 from ann",
            ],
        );
    });
}
