//! GROUP_CHANGE and GROUP_ASK: who is in a group, and what everybody learns of it.

use martlet_shard::Limits;

use crate::world::World;

const FOUR: &[&str] = &["ann", "bob", "cid", "dora"];

fn connected(world: &mut World) {
    world.quietly("ann: connect; bob: connect; cid: connect; dora: connect");
}

#[test]
fn a_group_begins_with_its_first_record() {
    World::each(FOUR, |world| {
        connected(world);
        world.check(
            "ann: change g +bob",
            &[
                "ann: changed g to 1 at 1",
                "ann: 1 g/1 record 1 by ann",
                "bob: 1 g/1 record 1 by ann",
            ],
        );
        world.check("bob: groups", &["bob: in g/1"]);
        world.check("cid: groups", &["cid: in "]);
        world.check(
            "bob: ask g",
            &["bob: g is 1/1 at 1: records 1-1, ann 3/0 bob 1/0"],
        );
    });
}

#[test]
fn the_newest_record_again_changes_nothing() {
    World::each(FOUR, |world| {
        connected(world);
        let first = "ann: change g +bob";
        world.quietly(first);
        world.check(
            "ann: change g +bob version=1",
            &["ann: changed g to 1 at 1"],
        );
        world.check(
            "bob: change g +cid version=1",
            &["bob: group_change refused GROUP_TAKEN"],
        );
        world.check(
            "cid: change g version=1",
            &["cid: group_change refused GROUP_TAKEN"],
        );
    });
}

#[test]
fn who_joins_sees_what_follows_and_who_leaves_sees_that_and_no_more() {
    World::each(FOUR, |world| {
        connected(world);
        world.quietly("ann: change g +bob; ann: post m1 g");
        world.check(
            "bob: change g +cid",
            &[
                "bob: changed g to 2 at 3",
                "ann: 2 g/3 record 2 by bob",
                "bob: 3 g/3 record 2 by bob",
                "cid: 1 g/3 record 2 by bob",
            ],
        );
        world.check(
            "ann: post m2 g",
            &[
                "ann: sent m2 at g/4 to 2",
                "bob: 4 g/4 m2 from ann",
                "cid: 2 g/4 m2 from ann",
            ],
        );
        world.check(
            "ann: change g -bob",
            &[
                "ann: changed g to 3 at 5",
                "ann: 3 g/5 record 3 by ann",
                "bob: 5 g/5 record 3 by ann",
                "cid: 3 g/5 record 3 by ann",
            ],
        );
        world.check(
            "ann: post m3 g",
            &["ann: sent m3 at g/6 to 1", "cid: 4 g/6 m3 from ann"],
        );
        world.check("bob: post m4 g", &["bob: m4 refused GROUP_UNKNOWN"]);
        world.check("bob: groups; cid: groups", &["bob: in ", "cid: in g/3"]);
        // Who comes back sees what follows, and nothing of what lies between.
        world.check(
            "ann: change g +bob; ann: post m5 g",
            &[
                "ann: changed g to 4 at 7",
                "ann: 4 g/7 record 4 by ann",
                "ann: sent m5 at g/8 to 2",
                "bob: 6 g/7 record 4 by ann",
                "bob: 7 g/8 m5 from ann",
                "cid: 5 g/7 record 4 by ann",
                "cid: 6 g/8 m5 from ann",
            ],
        );
    });
}

#[test]
fn a_member_that_asks_gets_what_it_lacks() {
    World::each(FOUR, |world| {
        connected(world);
        world.quietly("ann: change g +bob; ann: change g +cid; ann: change g -bob +dora info=7");
        world.check(
            "cid: ask g",
            &["cid: g is 3/3 at 3: records 3-3, ann 3/0 cid 1/0 dora 1/0"],
        );
        world.check(
            "cid: ask g have=1 roster=1",
            &["cid: g is 3/3 at 3: records 2-3, bob 0/0 cid 1/0 dora 1/0"],
        );
        world.check(
            "cid: ask g have=3 roster=3",
            &["cid: g is 3/3 at 3: records none, "],
        );
        world.check(
            "cid: ask g have=9 roster=9",
            &["cid: g is 3/3 at 3: records none, "],
        );
    });
}

#[test]
fn records_that_break_a_rule_are_refused() {
    World::each(FOUR, |world| {
        connected(world);
        world.quietly("ann: change g +bob +cid:2");
        for (step, code) in [
            ("ann: change g +dora version=3", "GROUP_STALE"),
            ("ann: change g +dora previous=9", "RECORD_INVALID"),
            ("ann: change g +dora members=9", "RECORD_INVALID"),
            ("ann: change g", "RECORD_INVALID"),
            ("ann: change g +dora actor=bob", "RECORD_INVALID"),
            ("bob: change g -cid", "GROUP_FORBIDDEN"),
            ("bob: change g +dora:2", "GROUP_FORBIDDEN"),
            ("cid: change g -ann", "GROUP_FORBIDDEN"),
            ("cid: change g +bob:3", "GROUP_FORBIDDEN"),
            ("bob: change g info=7", "GROUP_FORBIDDEN"),
            ("bob: change g rights=1,1,1", "GROUP_FORBIDDEN"),
            ("ann: change g -ann", "RECORD_INVALID"),
            ("dora: change g +dora", "GROUP_UNKNOWN"),
            ("dora: change h version=2", "GROUP_UNKNOWN"),
        ] {
            let device = step.split(':').next().expect("a device");
            let refused = format!("{device}: group_change refused {code}");
            world.check(step, &[&refused]);
        }
        // Nothing of it has left a trace.
        world.check(
            "ann: ask g",
            &["ann: g is 1/1 at 1: records 1-1, ann 3/0 bob 1/0 cid 2/0"],
        );
    });
}

#[test]
fn a_group_has_as_many_members_as_the_server_allows() {
    let limits = Limits {
        group_members_max: 3,
        ..Limits::default()
    };
    World::each_with(limits, FOUR, |world| {
        connected(world);
        world.check(
            "ann: change g +bob +cid +dora",
            &["ann: group_change refused GROUP_FULL"],
        );
        world.quietly("ann: change g +bob +cid");
        world.check(
            "ann: change g +dora",
            &["ann: group_change refused GROUP_FULL"],
        );
        // One for another one is no more than before.
        world.quietly("ann: change g +dora -bob");
        world.check("dora: groups; bob: groups", &["dora: in g/2", "bob: in "]);
    });
}

#[test]
fn the_last_one_leaves_and_the_group_is_nobodys() {
    World::each(FOUR, |world| {
        connected(world);
        world.quietly("ann: change g +bob; ann: change g +bob:3 -ann; bob: change g -bob");
        world.check("bob: ask g", &["bob: group_ask refused GROUP_UNKNOWN"]);
        world.check(
            "ann: change g version=1",
            &["ann: group_change refused GROUP_TAKEN"],
        );
        world.check("bob: groups; ann: groups", &["bob: in ", "ann: in "]);
    });
}

#[test]
fn many_groups_are_listed_in_pages_by_id() {
    World::each(FOUR, |world| {
        connected(world);
        world.quietly("ann: change g +bob; ann: change h; bob: change k +ann");
        world.check("ann: groups", &["ann: in g/1 h/1 k/1"]);
        world.check("ann: groups after=g", &["ann: in h/1 k/1"]);
        world.check("ann: groups after=k", &["ann: in "]);
        world.crash();
        world.quietly("ann: connect");
        world.check("ann: groups", &["ann: in g/1 h/1 k/1"]);
    });
}
