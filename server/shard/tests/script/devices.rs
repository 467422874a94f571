//! Device lists: begun, followed, refused, repeated, handed out.

use martlet_store::keys::KeyTag;

use crate::world::World;

const PAIR: &[&str] = &["ann", "bob"];

/// Bob has published; his device has keys enough.
fn listed(world: &mut World) {
    world.quietly("ann: connect; bob: connect; bob: publish; bob: upload 1-10");
}

#[test]
fn the_first_list_names_the_devices_that_there_are() {
    World::each(PAIR, |world| {
        world.quietly("ann: connect; bob: connect");
        world.check("ann: devices of bob", &["ann: lists none of 0 of bob"]);
        for wrong in [
            "+bob2",
            "-bob +bob2",
            "rekey=bob",
            "next=3",
            "previous=1",
            "user=ann",
            "cut",
        ] {
            world.check(
                &format!("bob: publish {wrong}"),
                &["bob: publish refused LIST_INVALID"],
            );
        }
        for version in [2, 9] {
            world.check(
                &format!("bob: publish version={version}"),
                &["bob: publish refused LIST_CONFLICT"],
            );
        }
        assert_eq!(world.rows(KeyTag::DeviceList), 0);
        world.check("bob: publish", &["bob: published 1"]);
        world.check("ann: devices of bob", &["ann: lists 1-1 of 1 of bob"]);
        assert_eq!(world.rows(KeyTag::DeviceList), 1);
    });
}

#[test]
fn a_list_that_adds_a_device_makes_it() {
    World::each(PAIR, |world| {
        listed(world);
        world.check("bob: publish +bob2", &["bob: published 2"]);
        world.name_device(
            "bob2",
            world.devices["bob"].user,
            martlet_protocol::DeviceId(2),
        );
        world.check(
            "bob2: connect",
            &["bob2: ready 0/0", "bob2: low stock 0", "bob2: caught up 0"],
        );
        world.check(
            "ann: send m1 bob",
            &[
                "ann: sent m1 to 2",
                "bob: 1 m1 from ann",
                "bob2: 1 m1 from ann",
            ],
        );
        // Either of them may publish what follows.
        world.quietly("bob2: ack 1");
        world.check("bob2: publish +bob3", &["bob2: published 3"]);
        world.check("bob: publish", &["bob: published 4"]);
    });
}

#[test]
fn a_list_that_leaves_a_device_out_ends_it() {
    World::each(PAIR, |world| {
        listed(world);
        world.quietly("bob2: add; bob2: connect; ann: send m1 bob; bob: ack 1");
        assert_eq!(world.rows(KeyTag::OneTimeKey), 20);
        world.check(
            "bob: publish -bob2",
            &[
                "bob: published 3",
                "bob2: closed DEVICE_GONE",
                "ann: 2 m1 device_gone at bob2",
            ],
        );
        assert_eq!(world.inbox_rows("bob2"), 0);
        assert_eq!(world.rows(KeyTag::OneTimeKey), 10);
        assert_eq!(world.rows(KeyTag::DeviceKeys), 1);
        world.check("bob2: connect", &["bob2: closed DEVICE_GONE"]);
        world.check(
            "ann: claim bob bob2",
            &["ann: keys bob 1", "bob: low stock 9"],
        );
        // Its id is not used again.
        world.check("bob: publish +bob2", &["bob: publish refused LIST_INVALID"]);
        world.check("bob: publish +bob3", &["bob: published 4"]);
    });
}

#[test]
fn a_device_may_leave_by_its_own_list_if_another_one_stays() {
    World::each(PAIR, |world| {
        listed(world);
        world.check(
            "bob: publish -bob +bob2",
            &["bob: publish refused LIST_INVALID"],
        );
        world.quietly("bob2: add; bob2: connect");
        world.check(
            "bob2: publish -bob2",
            &["bob2: published 3", "bob2: closed DEVICE_GONE"],
        );
        world.check("ann: devices of bob", &["ann: lists 3-3 of 3 of bob"]);
    });
}

#[test]
fn a_list_that_does_not_follow_the_newest_is_refused_and_changes_nothing() {
    World::each(PAIR, |world| {
        listed(world);
        world.quietly("bob2: add; bob2: connect");
        for (wrong, code) in [
            ("version=2", "LIST_CONFLICT"),
            ("version=4", "LIST_CONFLICT"),
            ("previous=1", "LIST_INVALID"),
            ("account=8", "LIST_INVALID"),
            ("rekey=bob", "LIST_INVALID"),
            ("identity=bob2", "LIST_INVALID"),
            ("next=9", "LIST_INVALID"),
            ("+bob4", "LIST_INVALID"),
            ("+bob3 +bob4", "LIST_INVALID"),
            ("user=ann", "LIST_INVALID"),
            ("cut", "LIST_INVALID"),
        ] {
            world.check(
                &format!("bob: publish {wrong}"),
                &[&format!("bob: publish refused {code}")],
            );
        }
        assert_eq!(world.rows(KeyTag::DeviceList), 2);
        world.check(
            "ann: send m1 bob",
            &[
                "ann: sent m1 to 2",
                "bob: 1 m1 from ann",
                "bob2: 1 m1 from ann",
            ],
        );
    });
}

#[test]
fn of_two_lists_with_one_version_the_first_wins() {
    World::each(PAIR, |world| {
        listed(world);
        world.quietly("bob2: add; bob2: connect");
        world.check(
            "bob: publish +bob3 + bob2: publish -bob",
            &["bob: published 3", "bob2: publish refused LIST_CONFLICT"],
        );
        world.check(
            "bob2: publish -bob",
            &["bob2: published 4", "bob: closed DEVICE_GONE"],
        );
    });
}

#[test]
fn an_account_has_five_devices_at_most() {
    World::each(PAIR, |world| {
        listed(world);
        for number in 2..=5 {
            let version = number;
            world.check(
                &format!("bob: publish +bob{number}"),
                &[&format!("bob: published {version}")],
            );
        }
        world.check("bob: publish +bob6", &["bob: publish refused LIST_INVALID"]);
        world.check("bob: publish -bob3 +bob6", &["bob: published 6"]);
        world.check(
            "ann: send m1 bob",
            &["ann: sent m1 to 5", "bob: 1 m1 from ann"],
        );
    });
}

#[test]
fn the_newest_list_can_be_published_again_and_changes_nothing() {
    World::each(PAIR, |world| {
        listed(world);
        world.quietly("bob2: add; bob2: connect");
        world.check("bob: publish again=2", &["bob: published 2"]);
        world.check(
            "bob: publish again=1",
            &["bob: publish refused LIST_CONFLICT"],
        );
        world.check("bob2: publish again=2", &["bob2: published 2"]);
        world.crash();
        world.quietly("bob: connect");
        world.check("bob: publish again=2", &["bob: published 2"]);
        assert_eq!(world.rows(KeyTag::DeviceList), 2);
        world.check(
            "bob: publish again=2 + bob: publish again=2",
            &["bob: published 2", "bob: published 2"],
        );
    });
}

#[test]
fn whoever_is_behind_gets_what_follows_the_list_they_have() {
    World::each(PAIR, |world| {
        listed(world);
        for _ in 2..=20 {
            world.quietly("bob: publish");
        }
        for (have, lists) in [
            (0, "20-20"),
            (1, "2-17"),
            (17, "18-20"),
            (20, "none"),
            (99, "none"),
        ] {
            let line = format!("ann: lists {lists} of 20 of bob");
            world.check(&format!("ann: devices of bob have={have}"), &[&line]);
        }
        world.check(
            "ann: devices of nobody",
            &["ann: devices refused UNKNOWN_HANDLE"],
        );
        // A list of this very turn is told with it.
        world.check(
            "bob: publish + ann: devices of bob have=19",
            &["bob: published 21", "ann: lists 20-21 of 21 of bob"],
        );
    });
}

#[test]
fn an_account_publishes_thirty_lists_and_then_one_in_ten_minutes() {
    World::each(PAIR, |world| {
        listed(world);
        for version in 2..=30 {
            let line = format!("bob: published {version}");
            world.check("bob: publish", &[&line]);
        }
        let refused = "bob: publish refused RATE_LIMITED for 600000";
        world.check("bob: publish", &[refused]);
        // What would be refused in any case is, and what is there is there.
        world.check(
            "bob: publish previous=1",
            &["bob: publish refused LIST_INVALID"],
        );
        world.check("bob: publish again=30", &["bob: published 30"]);
        world.wait(10 * 60 * 1_000);
        world.check(
            "bob: publish; bob: publish",
            &["bob: published 31", refused],
        );
        assert_eq!(world.rows(KeyTag::DeviceList), 31);
    });
}

#[test]
fn a_list_that_a_crash_took_back_was_not_told() {
    for commits in 0..3 {
        let mut world = World::new(2, PAIR);
        listed(&mut world);
        let is_cut = world.crash_after(commits, "bob: publish +bob2");
        let is_told = world.had_heard("bob", "published 2");
        world.quietly("ann: connect");
        let newest = if is_told { "2-2 of 2" } else { "1-1 of 1" };
        if is_told || commits == 0 {
            let line = format!("ann: lists {newest} of bob");
            world.check("ann: devices of bob", &[&line]);
        }
        assert_eq!(is_cut, commits == 0);
    }
}

#[test]
fn the_driver_gets_the_keys_of_listed_devices_alone() {
    World::each(PAIR, |world| {
        world.quietly("ann: connect; bob: connect");
        assert_eq!(world.identity("bob"), None);
        world.quietly("bob: publish; bob2: add");
        for (name, signing_key) in [("bob", 1), ("bob2", 0x52)] {
            let device = world.devices[name].device;
            let identity = world.identity(name).expect("it is listed");
            assert_eq!(identity.signing_key, [signing_key; 32]);
            assert_eq!(identity.identity_key, crate::lists::identity_key(device));
        }
        world.quietly("bob2: remove");
        assert_eq!(world.identity("bob2"), None);
    });
}
