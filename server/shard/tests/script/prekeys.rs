//! Prekeys: uploaded once, claimed once, and never lost sight of.

use martlet_store::keys::KeyTag;

use crate::world::World;

const PAIR: &[&str] = &["ann", "bob"];
const MINUTE_MS: u64 = 60_000;

fn listed(world: &mut World) {
    world.quietly("ann: connect; bob: connect; bob: publish");
}

#[test]
fn an_upload_can_be_repeated_and_stores_each_key_once() {
    World::each(PAIR, |world| {
        listed(world);
        world.check("bob: upload 1-20 last=1", &["bob: stock 20 last 1 used 0"]);
        world.check("bob: upload 1-20 last=1", &["bob: stock 20 last 1 used 0"]);
        world.quietly("ann: claim bob; ann: claim bob");
        // What was used does not come back, and what is known is not counted again.
        world.check("bob: upload 1-25", &["bob: stock 23 last 1 used 0"]);
        world.crash();
        world.quietly("bob: connect; ann: connect");
        world.check("bob: upload 1-25", &["bob: stock 23 last 1 used 0"]);
        world.check("ann: claim bob", &["ann: keys bob 3"]);
        assert_eq!(world.rows(KeyTag::OneTimeKey), 22);
    });
}

#[test]
fn a_device_keeps_a_hundred_keys_and_the_surplus_may_come_later() {
    World::each(PAIR, |world| {
        listed(world);
        world.check("bob: upload 1-80", &["bob: stock 80"]);
        world.check("bob: upload 81-120", &["bob: stock 100"]);
        world.check("ann: claim bob", &["ann: keys bob 1"]);
        world.check("bob: upload 81-120", &["bob: stock 100"]);
        assert_eq!(world.rows(KeyTag::OneTimeKey), 100);
        world.check("ann: claim bob", &["ann: keys bob 2"]);
    });
}

#[test]
fn a_last_resort_key_is_replaced_by_a_newer_one_alone() {
    World::each(PAIR, |world| {
        listed(world);
        world.check("bob: upload last=5", &["bob: stock 0 last 5 used 0"]);
        world.check("bob: upload last=4", &["bob: stock 0 last 5 used 0"]);
        world.check(
            "ann: claim bob",
            &["ann: keys bob last 5", "bob: low stock 0 last 5 used 1"],
        );
        world.check("bob: upload last=5", &["bob: stock 0 last 5 used 1"]);
        world.check("bob: upload last=6", &["bob: stock 0 last 6 used 0"]);
    });
}

#[test]
fn keys_need_a_list_and_numbers_in_order() {
    World::each(PAIR, |world| {
        world.quietly("bob: connect");
        world.check("bob: upload 1-2", &["bob: upload refused KEYS_INVALID"]);
        world.quietly("bob: publish");
        for wrong in ["0-3", "last=0", "1-3 backwards"] {
            world.check(
                &format!("bob: upload {wrong}"),
                &["bob: upload refused KEYS_INVALID"],
            );
        }
        assert_eq!(world.rows(KeyTag::DeviceKeys), 0);
        world.check("bob: upload", &["bob: stock 0"]);
    });
}

#[test]
fn the_highest_number_is_a_number() {
    World::each(PAIR, |world| {
        listed(world);
        let max = u64::MAX;
        let upload = format!("bob: upload {max}-{max} last={max}");
        let stock = format!("stock 1 last {max} used 0");
        world.check(&upload, &[&format!("bob: {stock}")]);
        world.check(&upload, &[&format!("bob: {stock}")]);
        world.check(
            "ann: claim bob; ann: claim bob",
            &[
                &format!("ann: keys bob {max}"),
                &format!("ann: keys bob last {max}"),
                &format!("bob: low stock 0 last {max} used 0"),
                &format!("bob: low stock 0 last {max} used 1"),
            ],
        );
        world.check(&upload, &[&format!("bob: stock 0 last {max} used 1")]);
        world.quietly("bob2: add; bob: remove");
        assert_eq!(world.rows(KeyTag::OneTimeKey), 10);
    });
}

#[test]
fn a_key_is_handed_out_once_however_many_ask_in_one_turn() {
    World::each(&["ann", "bob", "cid"], |world| {
        listed(world);
        world.quietly("cid: connect; bob: upload 1-3 last=9");
        world.check(
            "ann: claim bob + cid: claim bob + ann: claim bob + cid: claim bob",
            &[
                "ann: keys bob 1",
                "cid: keys bob 2",
                "ann: keys bob 3",
                "cid: keys bob last 9",
                "bob: low stock 2 last 9 used 0",
                "bob: low stock 1 last 9 used 0",
                "bob: low stock 0 last 9 used 0",
                "bob: low stock 0 last 9 used 1",
            ],
        );
        // Also of those that came in this turn.
        world.check(
            "bob: upload 4-14 + ann: claim bob + cid: claim bob | ann: claim bob",
            &[
                "bob: stock 11 last 9 used 1",
                "ann: keys bob 4",
                "bob: low stock 10 last 9 used 1",
                "cid: keys bob 5",
                "bob: low stock 9 last 9 used 1",
                "ann: keys bob 6",
                "bob: low stock 8 last 9 used 1",
            ],
        );
    });
}

#[test]
fn a_key_is_handed_out_once_wherever_the_server_stops() {
    for shards in [1, 5] {
        for commits in 0..6 {
            let mut world = World::new(shards, PAIR);
            listed(&mut world);
            world.quietly("bob: upload 1-30");
            world.crash_after(commits, "ann: claim bob | ann: claim bob | ann: claim bob");
            let told: Vec<u64> = (1..=3)
                .filter(|id| world.had_heard("ann", &format!("keys bob {id}")))
                .collect();
            world.quietly("ann: connect; bob: connect");
            let newest = told.last().copied().unwrap_or(0);
            let left = 30 - world.rows(KeyTag::OneTimeKey) as u64;
            assert!(left >= newest, "a key that was told is still there");
            let line = format!("ann: keys bob {}", left + 1);
            world.check("ann: claim bob", &[&line]);
        }
    }
}

#[test]
fn two_hundred_strangers_get_fifty_keys_and_then_the_last_resort() {
    let strangers: Vec<String> = (0..200)
        .map(|number| format!("u{}{}", number, 'x'))
        .collect();
    let mut handles: Vec<&str> = strangers.iter().map(String::as_str).collect();
    handles.push("bob");
    let mut world = World::new(3, &handles);
    world.quietly("bob: connect; bob: publish; bob: upload 1-50 last=1; bob: leave");
    for (stranger, number) in strangers.iter().zip(1..) {
        world.quietly(&format!("{stranger}: connect"));
        let line = if number <= 50 {
            format!("{stranger}: keys bob {number}")
        } else {
            format!("{stranger}: keys bob last 1")
        };
        world.check(&format!("{stranger}: claim bob"), &[&line]);
    }
    assert_eq!(world.rows(KeyTag::OneTimeKey), 0);
    world.check(
        "bob: connect",
        &[
            "bob: ready 0/0",
            "bob: low stock 0 last 1 used 150",
            "bob: caught up 0",
        ],
    );
}

#[test]
fn each_named_device_gives_a_key_in_the_order_asked_for() {
    World::each(PAIR, |world| {
        listed(world);
        world.quietly("bob2: add; bob3: add; bob4: add; bob: upload 1-10");
        world.check(
            "ann: claim bob3 bob bob2",
            &["ann: keys bob3 1, bob 1, bob2 1", "bob: low stock 9"],
        );
        // Twice the same, unknown ones and those without keys are left out.
        world.quietly("bob: publish +bob5");
        world.check("ann: claim bob2 bob2 bob5 bob9", &["ann: keys bob2 2"]);
        world.check("ann: claim bob5", &["ann: keys"]);
        world.check("ann: claim ann", &["ann: keys"]);
        world.check("ann: claim nobody", &["ann: claim refused UNKNOWN_HANDLE"]);
    });
}

#[test]
fn a_device_is_told_when_its_keys_run_low() {
    World::each(PAIR, |world| {
        listed(world);
        world.quietly("bob: upload 1-11 last=3");
        world.check("ann: claim bob", &["ann: keys bob 1"]);
        world.check(
            "ann: claim bob",
            &["ann: keys bob 2", "bob: low stock 9 last 3 used 0"],
        );
        world.quietly("bob: leave; ann: claim bob");
        world.check(
            "bob: connect",
            &[
                "bob: ready 0/0",
                "bob: low stock 8 last 3 used 0",
                "bob: caught up 0",
            ],
        );
        world.quietly("bob: upload 12-30; bob: leave");
        world.check("bob: connect", &["bob: ready 0/0", "bob: caught up 0"]);
        // Without a list nobody claims anything: there is nothing to bring.
        world.quietly("ann: leave");
        world.check("ann: connect", &["ann: ready 0/0", "ann: caught up 0"]);
    });
}

#[test]
fn an_account_claims_twenty_keys_of_another_and_then_one_in_ten_minutes() {
    World::each(&["ann", "bob", "cid"], |world| {
        listed(world);
        world.quietly("cid: connect; bob: upload 1-100; bob: leave; ann2: add; ann2: connect");
        for _ in 1..=19 {
            world.quietly("ann: claim bob");
        }
        // The quota is the account's.
        world.check("ann2: claim bob", &["ann2: keys bob 20"]);
        let wait = "claim refused RATE_LIMITED for 600000";
        world.check("ann2: claim bob", &[&format!("ann2: {wait}")]);
        world.check("ann: claim bob", &[&format!("ann: {wait}")]);
        world.check("cid: claim bob", &["cid: keys bob 21"]);
        world.check("ann: claim cid", &["ann: keys"]);
        world.pass(9 * MINUTE_MS);
        world.check(
            "ann: claim bob",
            &["ann: claim refused RATE_LIMITED for 60000"],
        );
        world.wait(MINUTE_MS);
        world.check(
            "ann: claim bob; ann: claim bob",
            &[
                "ann: keys bob 22",
                "ann: claim refused RATE_LIMITED for 600000",
            ],
        );
        // All of it is back after as long as it took to spend.
        world.wait(200 * MINUTE_MS);
        for _ in 1..=20 {
            world.quietly("ann: claim bob");
        }
        world.check(
            "ann: claim bob",
            &["ann: claim refused RATE_LIMITED for 600000"],
        );
    });
}

#[test]
fn what_does_not_fit_into_the_quota_takes_nothing() {
    World::each(PAIR, |world| {
        listed(world);
        world.quietly("bob2: add; bob3: add; bob: leave; bob: connect; bob: upload 1-50");
        for _ in 1..=6 {
            world.quietly("ann: claim bob bob2 bob3");
        }
        world.check(
            "ann: claim bob bob2 bob3",
            &["ann: claim refused RATE_LIMITED for 600000"],
        );
        world.check("ann: claim bob bob2", &["ann: keys bob 7, bob2 7"]);
    });
}
