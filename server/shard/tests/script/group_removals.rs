//! Who is removed from a large group, and who comes back.

use martlet_store::keys::KeyTag;

use crate::group_streams::{FOUR, in_a_large_group, limits};
use crate::world::World;

#[test]
fn who_is_removed_while_away_reads_up_to_that_and_no_further() {
    World::each_with(limits(), FOUR, |world| {
        in_a_large_group(world);
        world.quietly("bob: change g +dora; dora: stored g 3; cid: leave");
        world.quietly("ann: post m1 g; ann: change g -cid; ann: post m2 g");
        world.check(
            "cid: connect at=2",
            &[
                "cid: ready 2/2",
                "cid: caught up 2",
                "cid: g/3 record 2 by bob",
                "cid: g/4 m1 from ann",
                "cid: g/5 record 3 by ann",
            ],
        );
        world.check("cid: post m3 g", &["cid: m3 refused GROUP_UNKNOWN"]);
        world.check("cid: groups", &["cid: in "]);
        let members = |world: &World| world.rows(KeyTag::LocalMember);
        let before = members(world);
        world.quietly("cid: stored g 4");
        assert_eq!(members(world), before, "it may read what is left");
        world.quietly("cid: stored g 5");
        assert_eq!(members(world), before - 1, "then it is forgotten");
        world.check(
            "ann: post m4 g",
            &[
                "ann: sent m4 at g/7 to 2",
                "ann: g/7 m4 from ann",
                "bob: g/7 m4 from ann",
                "dora: g/7 m4 from ann",
            ],
        );
    });
}

/// Bob, Cid and Dora are in; Cid has left his connection at the entry `stored`, and is removed and
/// added again before he comes back.
fn away_while_removed_and_added(world: &mut World, stored: Option<u64>) {
    in_a_large_group(world);
    world.quietly("bob: change g +dora; dora: stored g 3");
    if let Some(stored) = stored {
        world.quietly(&format!("cid: stored g {stored}"));
    }
    world.quietly("cid: leave; ann: post m1 g; ann: change g -cid; ann: post m2 g");
    world.quietly("ann: change g +cid; ann: post m3 g");
}

#[test]
fn who_was_removed_and_added_before_it_had_read_is_told_what_it_has_missed() {
    for (stored, from) in [(None, 3), (Some(3), 4)] {
        World::each_with(limits(), FOUR, |world| {
            away_while_removed_and_added(world, stored);
            let gap = format!("cid: gap g/{from}-6 expired");
            let expected = [
                "cid: ready 2/2",
                "cid: caught up 2",
                &gap,
                "cid: g/7 record 4 by ann",
                "cid: g/8 m3 from ann",
            ];
            // Nothing was acknowledged: it is told again.
            for is_after_crash in [false, true, false] {
                if is_after_crash {
                    world.crash();
                }
                world.check("cid: connect at=2", &expected);
                world.quietly("cid: leave");
            }
            world.quietly("cid: connect at=2; cid: stored g 8; cid: leave");
            world.check("cid: connect at=2", &["cid: ready 2/2", "cid: caught up 2"]);
        });
    }
}

#[test]
fn what_was_missed_is_told_until_the_device_has_heard_it() {
    World::each_with(limits(), FOUR, |world| {
        away_while_removed_and_added(world, None);
        // It has the gap, and not what stands behind it.
        world.quietly("cid: connect at=2; cid: stored g 6; cid: leave");
        world.check(
            "cid: connect at=2",
            &[
                "cid: ready 2/2",
                "cid: caught up 2",
                "cid: g/7 record 4 by ann",
                "cid: g/8 m3 from ann",
            ],
        );
    });
}

#[test]
fn who_had_read_all_before_it_was_removed_has_missed_nothing() {
    World::each_with(limits(), FOUR, |world| {
        in_a_large_group(world);
        world.quietly("bob: change g +dora; dora: stored g 3; ann: change g -cid");
        world.quietly("cid: stored g 4; ann: change g +cid; cid: leave");
        world.check(
            "cid: connect at=2",
            &[
                "cid: ready 2/2",
                "cid: caught up 2",
                "cid: g/5 record 4 by ann",
            ],
        );
    });
}

#[test]
fn who_is_removed_when_the_group_is_small_again_is_forgotten() {
    World::each_with(limits(), FOUR, |world| {
        in_a_large_group(world);
        world.quietly("ann: post m1 g; ann: change g -cid; bob: stored g 5; ann: stored g 5");
        let before = world.rows(KeyTag::LocalMember);
        world.quietly("ann: change g -bob");
        assert!(
            world.rows(KeyTag::LocalMember) < before,
            "it has read it all"
        );
        world.check("bob: groups", &["bob: in "]);
    });
}

#[test]
fn who_is_there_without_credit_while_removed_and_added_is_told_when_it_has_some() {
    World::each_with(limits(), FOUR, |world| {
        in_a_large_group(world);
        world.quietly("bob: change g +dora; dora: stored g 3; cid: stored g 3; cid: leave");
        world.quietly("cid: connect at=2 credit=1/4000; ann: post m1 g; ann: post m2 g");
        world.quietly("ann: change g -cid; ann: post m3 g");
        world.check(
            "ann: change g +cid",
            &[
                "ann: changed g to 4 at 8",
                "ann: g/8 record 4 by ann",
                "bob: g/8 record 4 by ann",
                "dora: g/8 record 4 by ann",
            ],
        );
        world.check(
            "cid: credit 9/9000",
            &["cid: gap g/5-7 expired", "cid: g/8 record 4 by ann"],
        );
        world.check(
            "ann: post m4 g",
            &[
                "ann: sent m4 at g/9 to 3",
                "ann: g/9 m4 from ann",
                "bob: g/9 m4 from ann",
                "cid: g/9 m4 from ann",
                "dora: g/9 m4 from ann",
            ],
        );
    });
}
