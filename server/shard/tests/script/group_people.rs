//! What settings and relations of accounts change in groups, and what they do not.

use martlet_shard::Limits;

use crate::world::World;

const TRIO: &[&str] = &["ann", "bob", "cid"];

fn in_a_group(world: &mut World) {
    world.quietly("ann: connect; bob: connect; cid: connect");
    world.quietly("ann: change g +bob +cid; ann: ack 1; bob: ack 1; cid: ack 1");
}

// [M-27.27]
#[test]
fn who_tells_nobody_what_it_reads_is_told_of_no_reads_in_groups() {
    World::each(TRIO, |world| {
        in_a_group(world);
        world.quietly("bob: settings reads=off; ann: post m1 g; bob: ack 2; cid: ack 2");
        world.check("bob: saw g 2", &[]);
        world.check("cid: saw g 2", &["ann: 4 g read cid up to 2"]);
        world.check(
            "ann: count g 2 detail",
            &["ann: g/2: 2 delivered, 1 read of 2 (bob delivered, cid read)"],
        );
        // Nor is bob told what others have read of his.
        world.quietly("bob: post m2 g");
        world.check("cid: ack 3", &["bob: 3 g delivered cid up to 3"]);
        world.check("cid: saw g 3", &[]);
        world.check(
            "bob: count g 3 detail",
            &["bob: g/3: 1 delivered, 0 read of 2 (ann sent, cid delivered)"],
        );
        world.crash();
        world.quietly("ann: connect at=4; bob: connect at=3; cid: connect at=3");
        world.check("bob: saw g 2", &[]);
        // From now on he tells, and asks; what he did not tell before he says again.
        world.quietly("bob: settings reads=on");
        world.check(
            "bob: count g 3 detail",
            &["bob: g/3: 1 delivered, 1 read of 2 (ann sent, cid read)"],
        );
        world.check("bob: saw g 2", &["ann: 6 g read bob up to 2"]);
    });
}

// [M-27.27]
#[test]
fn what_one_member_does_not_tell_all_have_not_read() {
    let limits = Limits {
        group_inbox_members_max: 2,
        ..Limits::default()
    };
    World::each_with(limits, TRIO, |world| {
        world.quietly("ann: connect; bob: connect; cid: connect; bob: settings reads=off");
        world.quietly("ann: change g +bob +cid; ann: ack 2; bob: ack 2; cid: ack 2");
        world.wait(2_000);
        world.quietly("ann: post m1 g; bob: stored g 3; cid: stored g 3");
        world.check("bob: saw g 3; cid: saw g 3", &[]);
        world.seen_while(3_000, &["ann: 3 g delivered all up to 3"]);
        world.check("ann: count g 3", &["ann: g/3: 2 delivered, 1 read of 2"]);
    });
}

// [M-27.28]
#[test]
fn a_block_does_not_divide_a_group() {
    World::each(TRIO, |world| {
        in_a_group(world);
        world.quietly("bob: block ann; cid: settings strangers=requests presence=nobody");
        world.check(
            "ann: post m1 g",
            &[
                "ann: sent m1 at g/2 to 2",
                "bob: 2 g/2 m1 from ann",
                "cid: 2 g/2 m1 from ann",
            ],
        );
        world.check(
            "ann: typing g",
            &["bob: ann types in g", "cid: ann types in g"],
        );
        world.check("bob: ack 2", &["ann: 2 g delivered bob up to 2"]);
        world.check("bob: saw g 2", &["ann: 3 g read bob up to 2"]);
        world.check("cid: ack 2", &["ann: 4 g delivered cid up to 2"]);
    });
}

// [M-27.28]
#[test]
fn a_member_may_be_added_by_one_that_it_has_blocked() {
    World::each(&["ann", "bob", "cid", "dora"], |world| {
        in_a_group(world);
        world.quietly("dora: connect; dora: block ann");
        world.check(
            "ann: change g +dora",
            &[
                "ann: changed g to 2 at 2",
                "ann: 2 g/2 record 2 by ann",
                "bob: 2 g/2 record 2 by ann",
                "cid: 2 g/2 record 2 by ann",
                "dora: 1 g/2 record 2 by ann",
            ],
        );
    });
}
