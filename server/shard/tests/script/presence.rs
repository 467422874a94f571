//! Who is online, who may see it, and what it costs.

use martlet_protocol::UserId;
use martlet_protocol::frame::Presence;
use martlet_protocol::limits::{WATCH_USERS_MAX, WATCHED_MAX};
use martlet_shard::Command;
use martlet_store::keys::KeyTag;

use crate::parse::REQUEST;
use crate::world::World;

const PAIR: &[&str] = &["ann", "bob"];
const THREE: &[&str] = &["ann", "bob", "cid"];

// [M-24.2] [M-24.4] [M-24.6] [M-24.8]
#[test]
fn an_account_is_online_while_somebody_looks_at_one_of_its_devices() {
    World::each(PAIR, |world| {
        world.quietly("bob2: add; ann: connect; bob: connect; bob2: connect");
        world.check("ann: watch bob", &["ann: bob hidden"]);
        world.check("bob: active", &["ann: bob online"]);
        world.pass(2_000);
        world.check("bob2: active", &[]);
        world.check("bob: away", &[]);
        world.check("bob2: leave", &["ann: bob seen at 2000"]);
        world.pass(2_000);
        world.check("bob2: connect", &["bob2: ready 0/0", "bob2: caught up 0"]);
        world.check("bob2: active", &["ann: bob online"]);
        world.pass(2_000);
        // Removed in the middle of a look.
        world.check(
            "bob2: remove",
            &["ann: bob seen at 6000", "bob2: closed DEVICE_GONE"],
        );
    });
}

#[test]
fn a_connection_that_is_replaced_takes_its_look_and_its_watches_with_it() {
    World::each(PAIR, |world| {
        world.quietly("ann: connect; bob: connect; ann: watch bob; bob: active; bob: watch ann");
        world.pass(2_000);
        world.check(
            "bob: connect",
            &[
                "bob: closed REPLACED",
                "bob: ready 0/0",
                "bob: caught up 0",
                "ann: bob seen at 2000",
            ],
        );
        world.check("ann: active", &[]);
        world.check("bob: watch ann", &["bob: ann online"]);
    });
}

// [M-24.5]
#[test]
fn changes_within_a_second_are_one() {
    World::each(PAIR, |world| {
        world.quietly("ann: connect; bob: connect; ann: watch bob");
        world.check("bob: active", &["ann: bob online"]);
        for _ in 0..20 {
            world.pass(10);
            world.check("bob: away; bob: active", &[]);
        }
        world.pass(10);
        world.check("bob: away", &[]);
        world.wait(789);
        world.check("ann: ping 1", &["ann: pong 1"]);
        world.wait(1);
        world.check("ann: ping 2", &["ann: bob seen at 210", "ann: pong 2"]);
        // What ends as it was is not told at all.
        world.check("bob: active; bob: away", &[]);
        world.pass(1);
        world.check("bob: active", &[]);
        world.wait(1_000);
        world.check("ann: ping 3", &["ann: bob online", "ann: pong 3"]);
    });
}

// [M-24.3] [M-24.4]
#[test]
fn watching_ends_when_it_is_said_and_with_the_connection() {
    World::each(THREE, |world| {
        world.quietly("ann: connect; bob: connect; cid: connect");
        world.check(
            "ann: watch bob bob; ann: watch cid bob",
            &["ann: bob hidden", "ann: cid hidden"],
        );
        world.check("ann: watch cid", &[]);
        world.check("ann: unwatch cid; cid: active", &[]);
        world.check("ann: watch cid", &["ann: cid online"]);
        world.check(
            "ann: leave; ann: connect",
            &["ann: ready 0/0", "ann: caught up 0"],
        );
        world.check("bob: active", &[]);
    });
}

// [M-24.7] [M-24.8]
#[test]
fn hidden_blocked_and_unknown_look_the_same_and_hiding_is_mutual() {
    World::each(THREE, |world| {
        world.quietly("ann: connect; bob: connect; cid: connect; bob: active; cid: active");
        world.quietly("bob: block ann; cid: settings presence=nobody");
        world.check(
            "ann: watch bob; ann: watch cid; ann: watch nobody",
            &["ann: bob hidden", "ann: cid hidden", "ann: nobody hidden"],
        );
        // Nothing that they do is told.
        world.pass(2_000);
        world.check("bob: away; cid: away; bob: active; cid: leave", &[]);
        // Who hides sees nobody, though the other one hides from nobody.
        world.quietly("cid: connect; ann: active");
        world.check("cid: watch ann", &["cid: ann hidden"]);
        world.check("bob: watch ann", &["bob: ann hidden"]);
        world.pass(2_000);
        world.check(
            "bob: forget ann",
            &["bob: related", "ann: bob online", "bob: ann online"],
        );
        world.pass(2_000);
        world.check(
            "cid: settings presence=everyone",
            &[
                "cid: settings everyone reads anyone",
                "ann: cid seen at 2000",
                "cid: ann online",
            ],
        );
    });
}

// [M-24.7]
#[test]
fn contacts_alone_see_who_shows_to_contacts() {
    World::each(THREE, |world| {
        world.quietly("ann: connect; bob: connect; cid: connect; bob: active");
        world.quietly("ann: active; ann: away; cid: active; cid: away");
        world.quietly("bob: settings presence=contacts; bob: befriend cid");
        world.check(
            "ann: watch bob; cid: watch bob",
            &["ann: bob hidden", "cid: bob online"],
        );
        world.check(
            "bob: watch ann; bob: watch cid",
            &["bob: ann hidden", "bob: cid seen at 0"],
        );
        world.pass(2_000);
        world.check(
            "bob: befriend ann",
            &["bob: related", "ann: bob online", "bob: ann seen at 0"],
        );
        world.pass(2_000);
        world.check(
            "bob: block cid",
            &["bob: related", "cid: bob hidden", "bob: cid hidden"],
        );
    });
}

// [M-24.8]
#[test]
fn to_a_blocked_watcher_an_account_looks_as_if_it_had_never_been() {
    World::each(THREE, |world| {
        world.quietly("ann: connect; bob: connect; bob: active; bob: block ann");
        let watched = |world: &mut World, name: &str| {
            world.pass(2_000);
            world.run_apart(&format!("ann: watch {name}; bob: away; bob: active"));
            let seen = world.take_seen();
            let of_ann = seen.into_iter().filter(|(device, _)| device == "ann");
            let lines = of_ann.map(|(_, line)| line.replace(name, "X"));
            lines.collect::<Vec<_>>()
        };
        assert_eq!(watched(world, "bob"), watched(world, "nobody"));
    });
}

#[test]
fn an_account_sees_itself_whatever_it_shows() {
    World::each(PAIR, |world| {
        world.quietly("bob2: add; bob: connect; bob2: connect; bob: settings presence=nobody");
        world.check("bob: watch bob", &["bob: bob hidden"]);
        world.check("bob2: active", &["bob: bob online"]);
    });
}

// [M-24.3]
#[test]
fn a_connection_watches_no_more_than_it_may() {
    World::each(PAIR, |world| {
        world.quietly("ann: connect; bob: connect");
        let watch = |world: &mut World, from: usize, count: usize| {
            let session = world.session("ann");
            let users = (from..from + count).map(|user| UserId(1 << 50 | user as u64));
            world.say(Command::Watch {
                session,
                address: world.devices["ann"],
                request: REQUEST,
                on: true,
                users: users.collect(),
            });
            world.take_seen().len()
        };
        for from in (0..WATCHED_MAX - WATCH_USERS_MAX).step_by(WATCH_USERS_MAX) {
            assert_eq!(watch(world, from, WATCH_USERS_MAX), WATCH_USERS_MAX);
        }
        let last = WATCHED_MAX - WATCH_USERS_MAX;
        assert_eq!(watch(world, last, WATCH_USERS_MAX - 1), WATCH_USERS_MAX - 1);
        world.check(
            "ann: watch bob nobody",
            &["ann: watch refused TOO_MANY_WATCHED"],
        );
        // A refusal has changed nothing: there is room for one.
        world.check("bob: active", &[]);
        world.check("ann: watch bob", &["ann: bob online"]);
    });
}

#[test]
fn presence_alone_writes_nothing_within_a_minute_and_then_a_row_for_each() {
    World::each(THREE, |world| {
        world.quietly("ann: connect; bob: connect; cid: connect; ann: watch bob cid");
        let before = world.commits();
        for _ in 0..590 {
            world.quietly("bob: active; cid: active; bob: away; cid: away");
            world.wait(100);
        }
        assert_eq!(world.commits(), before, "59 seconds of coming and going");
        world.forget();
        for _ in 0..2 {
            world.wait(61_000);
        }
        assert_eq!(world.rows(KeyTag::LastSeen), 2);
        let written = world.commits();
        assert!(written - before <= 2, "each row was written once");
        // Not again before five minutes have passed.
        for _ in 0..200 {
            world.quietly("bob: active; bob: away");
            world.wait(1_000);
        }
        assert_eq!(world.commits(), written);
        world.crash();
        world.quietly("ann: connect");
        world.check("ann: watch cid", &["ann: cid seen at 58900"]);
    });
}

#[test]
fn when_somebody_was_seen_is_written_beside_what_is_written_anyway() {
    World::each(PAIR, |world| {
        world.quietly("ann: connect; bob: connect; bob: active; bob: away");
        let before = world.commits();
        assert_eq!(world.rows(KeyTag::LastSeen), 0);
        // The turn that delivers the message is of bob's shard.
        world.quietly("ann: send m1 bob");
        assert_eq!(world.rows(KeyTag::LastSeen), 1);
        assert_eq!(world.commits(), before + 1);
        world.crash();
        world.quietly("ann: connect");
        world.check("ann: watch bob", &["ann: bob seen at 0"]);
    });
}

// [M-24.9]
#[test]
fn typing_is_told_to_every_connection_of_whoever_may_know() {
    World::each(THREE, |world| {
        world.quietly("bob2: add; ann: connect; bob: connect; bob2: connect; cid: connect");
        world.check("ann: type bob", &["bob: ann types", "bob2: ann types"]);
        world.check("ann: type nobody", &[]);
        world.check("ann: type ann", &[]);
        // Not when either of them hides, and never from somebody who is blocked.
        world.quietly("ann: settings presence=contacts");
        world.check("ann: type bob", &[]);
        world.quietly("ann: befriend bob");
        world.check("ann: type bob", &["bob: ann types", "bob2: ann types"]);
        world.quietly("bob: settings presence=nobody");
        world.check("ann: type bob", &[]);
        world.quietly("bob: settings presence=everyone; bob: block ann");
        world.check("ann: type bob", &[]);
        world.check("bob: type ann", &[]);
        // Not from a stranger to somebody who takes strangers as requests.
        world.quietly("bob: forget ann; bob: settings strangers=requests");
        world.check("ann: type bob", &[]);
        world.quietly("bob: befriend ann");
        world.check("ann: type bob", &["bob: ann types", "bob2: ann types"]);
        assert_eq!(world.rows(KeyTag::LastSeen), 0);
    });
}

#[test]
fn ten_thousand_watchers_cost_a_frame_for_each_and_no_row() {
    let mut world = World::new(1, PAIR);
    world.quietly("ann: connect; bob: connect");
    let (bob, commits) = (world.devices["bob"].user, world.commits());
    for _ in 0..10_000 {
        let session = world.next_session();
        world.say(Command::Observe {
            target: world.topology.shard_of_user(bob),
            session,
            watcher: world.devices["ann"].user,
            users: vec![(bob, true)],
        });
    }
    let told = |world: &mut World, step: &str| {
        let presences = world.effects_of(step);
        let of_bob = presences.iter().filter(|it: &&Presence| it.user == bob);
        of_bob.count()
    };
    assert_eq!(told(&mut world, "bob: active"), 10_000);
    assert_eq!(told(&mut world, "bob: away; bob: active; bob: away"), 0);
    world.pass(1_000);
    assert_eq!(told(&mut world, "tick: 0"), 10_000);
    assert_eq!(world.commits(), commits);
}
