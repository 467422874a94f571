//! Lost keys: the operator's word gives a handle's account to a new device.

use martlet_store::keys::KeyTag;

use crate::world::World;

const PAIR: &[&str] = &["ann", "bob"];

#[test]
fn without_the_operators_word_a_handle_stays_taken() {
    World::each(PAIR, |world| {
        world.check(
            "bob: register key=5",
            &["bob: request refused HANDLE_TAKEN"],
        );
        assert_eq!(world.rows(KeyTag::Account), 2);
    });
}

#[test]
fn a_reset_puts_one_new_device_in_the_place_of_all_others() {
    World::each(PAIR, |world| {
        world.quietly("bob2: add; ann: connect; bob: connect; bob2: connect");
        world.quietly("ann: send m1 bob; bob: ack 1; ann: send m2 bob");
        world.check(
            "bob3: register key=5 reset",
            &[
                "bob: closed DEVICE_GONE",
                "bob2: closed DEVICE_GONE",
                "bob3: registered as device 3",
                "ann: 2 m2 device_gone at bob",
                "ann: 3 m1 device_gone at bob2",
                "ann: 4 m2 device_gone at bob2",
            ],
        );
        for tag in [KeyTag::DeviceKeys, KeyTag::OneTimeKey, KeyTag::Partial] {
            assert_eq!(world.rows(tag), 0, "{tag:?}");
        }
        assert_eq!((world.inbox_rows("bob"), world.inbox_rows("bob2")), (0, 0));
        world.check("bob: connect", &["bob: closed DEVICE_GONE"]);
        world.check("bob3: connect", &["bob3: ready 0/0", "bob3: caught up 0"]);
        // Asked again, it is the same device.
        world.check(
            "bob3: register key=5 reset",
            &["bob3: registered as device 3"],
        );
        world.crash();
        world.check("bob3: register key=5", &["bob3: registered as device 3"]);
    });
}

#[test]
fn between_the_reset_and_the_next_list_messages_wait_at_their_senders() {
    World::each(PAIR, |world| {
        world.quietly("bob2: add; ann: connect; bob3: register key=5 reset; bob3: connect");
        let refused = "ann: m1 refused INBOX_FULL for 30000";
        world.check("ann: send m1 bob", &[refused]);
        world.check("ann: send m2 bob", &["ann: m2 refused OUT_OF_ORDER"]);
        world.check("ann: send m1 bob named=3", &[refused]);
        // The chain is still the old one, and has no keys.
        world.check("ann: devices of bob", &["ann: lists 2-2 of 2 of bob"]);
        world.check("ann: claim bob bob2 bob3", &["ann: keys"]);
        world.check("bob3: upload 1-10", &["bob3: upload refused KEYS_INVALID"]);
        assert_eq!(world.identity("bob3"), None);
        world.crash();
        world.quietly("ann: connect; bob3: connect");
        world.check("ann: send m1 bob", &[refused]);
        world.check("bob3: publish account=8", &["bob3: published 3"]);
        world.check(
            "ann: send m1 bob to=2",
            &[
                "ann: unasked lists 3-3 of 3 of bob",
                "ann: m1 refused STALE_RECIPIENT",
            ],
        );
        world.check(
            "ann: send m1 bob; ann: send m2 bob",
            &[
                "ann: sent m1 to 1",
                "ann: sent m2 to 1",
                "bob3: 1 m1 from ann",
                "bob3: 2 m2 from ann",
            ],
        );
        world.check("bob3: upload 1-10", &["bob3: stock 10"]);
    });
}

#[test]
fn the_first_list_after_a_reset_names_the_new_device_and_follows_the_chain() {
    World::each(PAIR, |world| {
        world.quietly("bob2: add; bob3: register key=5 reset; bob3: connect");
        for wrong in ["previous=9", "+bob4", "rekey=bob3", "next=9", "-bob3 +bob4"] {
            world.check(
                &format!("bob3: publish account=8 {wrong}"),
                &["bob3: publish refused LIST_INVALID"],
            );
        }
        world.check(
            "bob3: publish version=1",
            &["bob3: publish refused LIST_CONFLICT"],
        );
        world.check("bob3: publish account=8", &["bob3: published 3"]);
        // From then on the new key is the one that signs.
        world.check(
            "bob3: publish account=7",
            &["bob3: publish refused LIST_INVALID"],
        );
        world.check("bob3: publish +bob4", &["bob3: published 4"]);
    });
}

#[test]
fn an_account_without_a_list_is_reset_too() {
    World::each(PAIR, |world| {
        world.quietly("ann: connect; bob: connect; ann: send m1 bob");
        world.check(
            "bob2: register key=5 reset",
            &[
                "bob: closed DEVICE_GONE",
                "bob2: registered as device 2",
                "ann: 1 m1 device_gone at bob",
            ],
        );
        world.check("ann: send m2 bob", &["ann: sent m2 to 1"]);
        world.quietly("bob2: connect");
        world.check("bob2: publish", &["bob2: published 1"]);
        // A second reset of what was reset.
        world.check(
            "bob3: register key=6 reset + bob4: register key=7 reset",
            &[
                "bob2: closed DEVICE_GONE",
                "bob3: registered as device 3",
                "bob4: registered as device 4",
                "ann: 2 m2 device_gone at bob2",
            ],
        );
    });
}

#[test]
fn a_reset_ends_a_link_that_waits() {
    World::each(PAIR, |world| {
        world.quietly("bob: connect; bob: publish; bob: link 2 ticket=7; bob2: join 2 ticket=7");
        world.check(
            "bob3: register key=5 reset",
            &[
                "bob: closed DEVICE_GONE",
                "bob2: link_join refused LINK_UNKNOWN",
                "bob3: registered as device 2",
            ],
        );
    });
}

#[test]
fn what_the_lost_devices_say_afterwards_has_no_effect() {
    World::each(PAIR, |world| {
        world.quietly("bob2: add; bob: connect; ann: connect");
        world.check(
            "bob3: register key=5 reset + bob: publish -bob2 + bob: upload 11-20 \
             + bob: link 4 ticket=1",
            &["bob: closed DEVICE_GONE", "bob3: registered as device 3"],
        );
        assert_eq!(world.rows(KeyTag::DeviceList), 2);
        assert_eq!(world.rows(KeyTag::OneTimeKey), 0);
    });
}
