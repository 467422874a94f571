//! What one account may begin: conversations with strangers, and questions who somebody is.

use martlet_shard::{Limits, Quota};

use crate::world::World;

const PEOPLE: &[&str] = &["ann", "bob", "cid", "dan", "eve"];

fn two() -> Limits {
    let quota = Quota {
        burst: 2,
        refill_ms: 60_000,
    };
    Limits {
        conversations: quota,
        lookups: quota,
        ..Limits::default()
    }
}

// [M-25.10]
#[test]
fn an_account_begins_so_many_conversations_and_goes_on_with_those_it_has() {
    World::each_with(two(), PEOPLE, |world| {
        world.quietly("ann2: add; ann: connect; ann2: connect");
        world.check(
            "ann: send m1 bob",
            &["ann: sent m1 to 1", "ann2: 1 m1 copied from device 1"],
        );
        world.check(
            "ann: befriend cid",
            &["ann: related", "ann2: told relations cid contact"],
        );
        // Whichever device it is, and whichever way it takes.
        world.check(
            "ann2: send n1 dan",
            &["ann2: n1 refused RATE_LIMITED for 60000"],
        );
        world.check(
            "ann: befriend dan",
            &["ann: relate refused RATE_LIMITED for 60000"],
        );
        world.check(
            "ann2: send n2 eve named=1",
            &["ann2: n2 refused RATE_LIMITED for 60000"],
        );
        world.quietly("ann: send m2 bob; ann2: send m3 bob; ann: send m4 cid; ann: befriend bob");
        // Others are none of its business, and its own devices are no strangers.
        world.quietly("bob: connect");
        world.check("bob: send b1 dan", &["bob: sent b1 to 1"]);
        world.check(
            "ann: send m5 ann named=2",
            &["ann: sent m5 to 1", "ann2: 4 m5 from ann"],
        );
        world.wait(60_000);
        world.check(
            "ann2: send n1 dan",
            &["ann2: sent n1 to 1", "ann: 2 n1 copied from device 2"],
        );
    });
}

#[test]
fn contacts_cost_nothing_after_a_restart_either() {
    World::each_with(two(), PEOPLE, |world| {
        world.quietly("ann: connect; ann: befriend bob; ann: befriend cid");
        world.crash();
        world.quietly("ann: connect; ann: send m1 bob; ann: send m2 cid; ann: send m3 dan");
        world.check("ann: send m4 bob", &["ann: sent m4 to 1"]);
        world.check("ann: befriend nobody", &["ann: related"]);
        world.check("ann: status m3 of dan", &["ann: m3 is sent"]);
    });
}

// [M-25.11] [M-18.7]
#[test]
fn an_account_asks_for_so_many_names_on_all_its_devices() {
    World::each_with(two(), PEOPLE, |world| {
        assert_eq!(world.look_up("ann"), Ok(()));
        world.quietly("ann2: add");
        assert_eq!(world.look_up("ann2"), Ok(()));
        assert_eq!(world.look_up("ann"), Err(60_000));
        assert_eq!(world.look_up("bob"), Ok(()));
        world.pass(60_000);
        assert_eq!(world.look_up("ann2"), Ok(()));
        assert_eq!(world.look_up("ann2"), Err(60_000));
    });
}
