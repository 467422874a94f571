//! Accounts and devices: made once, found by name, removed with a word to everybody.

use martlet_store::keys::KeyTag;

use crate::world::World;

const PAIR: &[&str] = &["ann", "bob"];

#[test]
fn a_registration_can_be_repeated_by_the_same_key_alone() {
    World::each(&[], |world| {
        world.check("ann: register", &["ann: registered as device 1"]);
        let first = world.devices["ann"];
        world.check("ann: register", &["ann: registered as device 1"]);
        world.crash();
        world.check("ann: register", &["ann: registered as device 1"]);
        assert_eq!(world.devices["ann"], first);
        world.check(
            "ann: register key=2",
            &["ann: request refused HANDLE_TAKEN"],
        );
    });
}

#[test]
fn of_two_registrations_in_one_turn_the_first_wins() {
    World::each(&[], |world| {
        world.check(
            "ann: register key=1 + ann: register key=2",
            &[
                "ann: registered as device 1",
                "ann: request refused HANDLE_TAKEN",
            ],
        );
    });
}

#[test]
fn a_registration_that_a_crash_took_back_was_not_answered() {
    World::each(&[], |world| {
        assert!(world.crash_after(0, "ann: register"));
        assert_eq!(world.rows(KeyTag::Account), 0);
        world.check("ann: register key=2", &["ann: registered as device 1"]);
    });
}

#[test]
fn handles_and_accounts_are_found_by_each_other() {
    World::each(PAIR, |world| {
        world.quietly("ann: connect");
        world.check("ann: lookup bob", &["ann: found bob"]);
        world.check("ann: whose bob", &["ann: found bob"]);
        world.check("ann: lookup eve", &["ann: lookup 1 refused UNKNOWN_HANDLE"]);
    });
}

#[test]
fn a_new_device_starts_with_an_empty_stream() {
    World::each(PAIR, |world| {
        world.quietly("ann: connect; ann: send m1 bob; bob2: add");
        world.check("bob2: connect", &["bob2: ready 0/0", "bob2: caught up 0"]);
        world.check(
            "ann: send m2 bob",
            &["ann: sent m2 to 2", "bob2: 1 m2 from ann"],
        );
    });
}

#[test]
fn what_waits_for_a_removed_device_is_told_as_gone() {
    World::each(PAIR, |world| {
        world.quietly("ann: connect; bob: connect; ann: send m1 bob; bob: ack 1; ann: send m2 bob");
        world.check("bob2: add", &["ann: 2 m2 sent at bob2"]);
        world.check(
            "bob: remove",
            &["bob: closed DEVICE_GONE", "ann: 3 m2 device_gone at bob"],
        );
        assert_eq!(world.inbox_rows("bob"), 0);
        world.check("bob: connect", &["bob: closed DEVICE_GONE"]);
        world.check("ann: status m2 of bob", &["ann: m2 is device_gone"]);
        world.check("ann: send m3 bob", &["ann: sent m3 to 1"]);
        assert_eq!(world.inbox_rows("bob2"), 1);
    });
}

#[test]
fn a_message_placed_in_the_turn_of_the_removal_is_told_as_gone_too() {
    World::each(PAIR, |world| {
        world.quietly("bob2: add; ann: connect credit=0/0; bob2: connect");
        world.check(
            "ann: send m1 bob + bob: remove",
            &["ann: sent m1 to 2", "bob2: 1 m1 from ann"],
        );
        world.check("ann: credit 1/100", &["ann: 1 m1 device_gone at bob"]);
        assert_eq!(world.inbox_rows("bob"), 0);
        // It waits for the other one alone, outside the watermarks.
        world.quietly("ann: credit 9/9000");
        world.check("bob2: ack 1", &["ann: 2 m1 delivered at bob2"]);
    });
}

#[test]
fn of_a_removed_device_only_its_cursor_stays() {
    World::each(PAIR, |world| {
        world.quietly("ann: connect; bob: connect; ann: send m1 bob; ann: send m2 bob");
        for count in 1..=5 {
            world.quietly("bob: refuse 1");
            world.wait(1_000 * count);
        }
        world.quietly("bob: ack 1; bob: refuse 2; bob2: add");
        assert_eq!(world.rows(KeyTag::Refusal), 1);
        assert_eq!(world.rows(KeyTag::Held), 1);
        assert_eq!(world.rows(KeyTag::DeviceKeys), 2);
        assert_eq!(world.rows(KeyTag::OneTimeKey), 20);
        world.quietly("bob: remove");
        for tag in [KeyTag::Inbox, KeyTag::Refusal, KeyTag::Held] {
            let of_ann = usize::from(tag == KeyTag::Inbox) * world.inbox_rows("ann");
            assert_eq!(world.rows(tag), of_ann, "{tag:?}");
        }
        assert_eq!(world.rows(KeyTag::DeviceKeys), 1);
        assert_eq!(world.rows(KeyTag::OneTimeKey), 10);
    });
}
