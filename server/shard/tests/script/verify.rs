//! The offline check sees what is missing or does not fit.

use martlet_protocol::{DeviceId, UserId};
use martlet_shard::verify::Verifier;
use martlet_store::keys::account::{self, AccountRow};
use martlet_store::keys::{KeyTag, device_list, prekey};
use martlet_store::{Batch, Memory, ShardId, View};

use crate::world::World;

/// The only one.
const SHARD: ShardId = ShardId(0);

/// An account with two devices, three lists, and prekeys.
fn world() -> World {
    let mut world = World::new(1, &["bob"]);
    world.quietly("bob2: add; bob: connect; bob: publish; bob: upload 11-12 last=1");
    world
}

fn problems(world: &World, rows: &Memory) -> Vec<String> {
    let mut verifier = Verifier::new(world.topology);
    for (key, value) in rows.iter() {
        verifier.row(key, value);
    }
    verifier.finish().1
}

/// Breaks the rows and compares what is said of it.
#[track_caller]
fn check(expected: &str, harm: impl FnOnce(&World, &mut Batch)) {
    let world = world();
    assert_eq!(problems(&world, &world.durable), Vec::<String>::new());
    let (mut rows, mut batch) = (world.durable.clone(), Batch::new());
    harm(&world, &mut batch);
    rows.apply(&batch);
    let said = problems(&world, &rows);
    assert!(said.iter().any(|said| said.contains(expected)), "{said:?}");
}

fn bob(world: &World) -> UserId {
    world.devices["bob"].user
}

fn first_of(world: &World, tag: KeyTag) -> Vec<u8> {
    let mut keys = world.durable.iter().map(|(key, _)| key);
    let first = keys.find(|key| KeyTag::of(key) == Some(tag));
    first.expect("there is one").to_vec()
}

fn change(world: &World, batch: &mut Batch, change: impl FnOnce(&mut AccountRow)) {
    let key = account::key(SHARD, bob(world));
    let row = world.durable.get(&key).expect("bob has an account");
    let mut row = AccountRow::decode(&row).expect("it decodes");
    change(&mut row);
    let mut value = bytes::BytesMut::new();
    row.encode(&mut value);
    batch.put(&key, &value);
}

#[test]
fn lists_that_are_missing_are_seen() {
    for version in [1, 2, 3] {
        check("not exactly the lists up to the newest", |world, batch| {
            batch.delete(&device_list::key(SHARD, bob(world), version));
        });
    }
    check("the newest list is missing", |world, batch| {
        for version in 1..=3 {
            batch.delete(&device_list::key(SHARD, bob(world), version));
        }
    });
}

#[test]
fn an_account_that_differs_from_its_newest_list_is_seen() {
    check(
        "other devices than those of the newest list",
        |world, batch| {
            change(world, batch, |row| row.devices[1].key = [0; 32]);
        },
    );
    check(
        "other devices than those of the newest list",
        |world, batch| {
            change(world, batch, |row| row.next_device = DeviceId(9));
        },
    );
    check(
        "another key than that of the newest list",
        |world, batch| {
            change(world, batch, |row| {
                row.list.as_mut().expect("there is one").account_key = [0; 32];
            });
        },
    );
    check("a list that the account does not name", |world, batch| {
        change(world, batch, |row| row.list = None);
    });
    check("who has no account", |world, batch| {
        batch.delete(&account::key(SHARD, bob(world)));
    });
}

#[test]
fn a_list_under_another_key_is_seen() {
    check("the list says it is 1", |world, batch| {
        let first = world.durable.get(&device_list::key(SHARD, bob(world), 1));
        let first = first.expect("there is one");
        batch.put(&device_list::key(SHARD, bob(world), 3), &first);
    });
}

#[test]
fn prekeys_that_are_not_counted_are_seen() {
    check("the stock does not count its prekeys", |world, batch| {
        batch.delete(&first_of(world, KeyTag::OneTimeKey));
    });
    check("the stock does not count its prekeys", |world, batch| {
        let bob = world.devices["bob"];
        batch.put(&prekey::one_time_key(SHARD, bob, 99), &[0; 96]);
    });
    check("prekeys that no stock counts", |world, batch| {
        batch.delete(&first_of(world, KeyTag::DeviceKeys));
    });
    check("prekeys of a device that is in no list", |world, batch| {
        change(world, batch, |row| {
            row.devices.pop();
        });
    });
}
