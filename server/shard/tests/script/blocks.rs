//! Who is blocked cannot tell: everything it sees is what it would see of somebody who is away.

use martlet_shard::Limits;
use martlet_store::keys::KeyTag;

use crate::world::World;

const PAIR: &[&str] = &["ann", "bob"];
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// Longer than any message waits, and the sweep behind it.
const AGES_MS: u64 = 30 * DAY_MS + 10 * 60 * 1000;

/// What ann sees of a story, frame by frame: once when bob has blocked her and goes on living, and
/// once when he is away all the time.
fn both(limits: Limits, story: &[Step]) {
    for shards in [1, 2, 5] {
        let [blocked, absent] = [true, false].map(|is_blocked| {
            let mut world = World::with(shards, PAIR, limits);
            world.quietly("ann2: add; bob2: add; ann: connect; ann2: connect");
            if is_blocked {
                world.quietly("bob: connect; bob: active; bob: block ann");
            }
            tell(&mut world, story, is_blocked)
        });
        assert_eq!(blocked, absent);
        assert!(!absent.is_empty(), "the story has frames");
    }
}

#[derive(Clone, Copy)]
enum Step {
    /// Ann does it.
    Ann(&'static str),
    /// Bob does it, if he lives.
    Bob(&'static str),
    /// Something happens to bob's account, in both worlds.
    Both(&'static str),
    /// Milliseconds pass.
    Wait(u64),
}

use Step::{Ann, Bob, Both, Wait};

/// What ann's devices see after each step. Facts that are told in one go have no order among each
/// other.
fn tell(world: &mut World, story: &[Step], is_blocked: bool) -> Vec<Vec<(String, String)>> {
    let mut all = Vec::new();
    for step in story {
        match step {
            Ann(step) | Both(step) => world.run_apart(step),
            Bob(step) if is_blocked => world.run_apart(step),
            Bob(_) => {}
            Wait(ms) => {
                world.forget();
                world.wait(*ms);
            }
        }
        let mut seen = world.take_seen();
        seen.retain(|(device, _)| device.starts_with("ann"));
        // Positions count frames, and so say the same as their number.
        let strip = |line: &str| {
            line.trim_start_matches(|c: char| c.is_ascii_digit())
                .to_owned()
        };
        for (_, line) in &mut seen {
            *line = strip(line);
        }
        seen.sort();
        all.push(seen);
    }
    all
}

// [M-25.4]
#[test]
fn whatever_a_blocked_sender_does_it_sees_what_an_absent_recipient_shows() {
    both(
        Limits::default(),
        &[
            Ann("ann: send m1 bob"),
            Ann("ann: send m1 bob"),
            Ann("ann: send m1 bob text=other"),
            Ann("ann: send m2 bob ttl=5000"),
            Ann("ann: send m3 bob named=1"),
            Bob("bob: ping 1"),
            Ann("ann: status m1 of bob; ann: status m2 of bob; ann: status m3 of bob"),
            Ann("ann: status m9 of bob"),
            Ann("ann: send m4 bob to=0; ann: send m4 bob; ann: send m4 bob parts=1"),
            Ann("ann: send m5 bob scope=9"),
            Ann("ann: devices of bob; ann: lookup bob; ann: claim bob bob2"),
            Ann("ann: decline m6 bob; ann: send m7 bob; ann: send m6 bob; ann: send m7 bob"),
            Wait(4_000),
            Wait(2_000),
            Ann("ann: status m2 of bob"),
            Both("bob3: add"),
            Ann("ann: send m8 bob"),
            Both("bob2: remove"),
            Ann("ann: status m8 of bob; ann: status m1 of bob"),
            Wait(AGES_MS),
            Ann("ann: ack 4; ann2: ack 4"),
            Ann("ann: status m8 of bob; ann: status m1 of bob; ann: send m1 bob"),
        ],
    );
}

// [M-25.4]
#[test]
fn a_flood_of_a_blocked_sender_ends_where_any_flood_ends() {
    let limits = Limits {
        inbox_rows_max: 3,
        ..Limits::default()
    };
    both(
        limits,
        &[
            Ann("ann: send m1 bob; ann: send m2 bob; ann: send m3 bob"),
            Ann("ann: send m4 bob"),
            Ann("ann: send m5 bob; ann: send m4 bob"),
            Wait(AGES_MS),
            Ann("ann: send m6 bob"),
        ],
    );
}

#[test]
fn nothing_of_a_blocked_sender_is_placed_and_its_copies_are() {
    World::each(PAIR, |world| {
        world.quietly("ann2: add; ann: connect; ann2: connect; bob: connect; bob: block ann");
        world.check(
            "ann: send m1 bob",
            &["ann: sent m1 to 1", "ann2: 1 m1 copied from device 1"],
        );
        assert_eq!(world.inbox_rows("bob"), 0);
        world.crash();
        world.quietly("ann: connect at=0; bob: connect");
        world.check("ann: send m1 bob", &["ann: sent m1 to 1"]);
        world.check("ann: status m1 of bob", &["ann: m1 is sent"]);
        world.check("bob: read m1 of ann", &["bob: m1 refused NOT_DELIVERED"]);
        world.wait(AGES_MS);
        assert_eq!(world.rows(KeyTag::Partial), 0);
        assert_eq!(world.rows(KeyTag::Expiry), 0);
    });
}

// [M-25.5]
#[test]
fn of_what_was_there_before_a_blocked_sender_learns_no_more() {
    World::each(PAIR, |world| {
        world.quietly("ann: connect; bob: connect; ann: send m1 bob; ann: send m2 bob");
        world.quietly("ann: send m3 bob; bob: ack 1; bob: block ann");
        world.check("bob: read m1 of ann", &[]);
        world.check("bob: ack 3; bob: read m3 of ann", &[]);
        world.check("ann: status m1 of bob", &["ann: m1 is delivered"]);
        world.check("ann: status m2 of bob", &["ann: m2 is sent"]);
        // With the first message behind the block the watermarks tell of all that was placed.
        world.check("bob: forget ann", &["bob: related"]);
        world.check(
            "ann: send m4 bob; bob: ack 4; bob: read m4 of ann",
            &[
                "ann: sent m4 to 1",
                "bob: 4 m4 from ann",
                "ann: 2 bob delivered up to m4",
                "ann: 3 bob read up to m4",
            ],
        );
        world.check("ann: status m2 of bob", &["ann: m2 is read"]);
    });
}

// [M-25.5]
#[test]
fn the_end_of_a_block_brings_nothing_back_and_no_watermark_speaks_of_it() {
    World::each(PAIR, |world| {
        world.quietly("ann: connect; bob: connect; bob: block ann; ann: send m1 bob");
        world.quietly("ann: send m2 bob ttl=60000");
        world.check(
            "bob: forget ann",
            &[
                "bob: related",
                "ann: 1 m1 sent at bob",
                "ann: 2 m2 sent at bob",
            ],
        );
        world.check(
            "ann: send m3 bob; bob: ack 1",
            &[
                "ann: sent m3 to 1",
                "bob: 1 m3 from ann",
                "ann: 3 bob delivered up to m3",
            ],
        );
        world.check("ann: status m1 of bob", &["ann: m1 is sent"]);
        world.wait(60_000);
        world.check("ann: ping 1", &["ann: 4 m2 expired at bob", "ann: pong 1"]);
        // Blocked again and set free again: nothing is told twice.
        world.check(
            "bob: block ann; bob: befriend ann",
            &["bob: related", "bob: related"],
        );
    });
}

#[test]
fn a_block_holds_for_the_other_devices_of_both_and_for_nobody_else() {
    World::each(&["ann", "bob", "cid"], |world| {
        world.quietly("ann2: add; bob2: add; ann: connect; ann2: connect; bob: connect");
        world.quietly("bob2: connect; cid: connect; bob: block ann");
        world.check(
            "ann2: send m1 bob",
            &["ann2: sent m1 to 2", "ann: 1 m1 copied from device 2"],
        );
        world.check(
            "cid: send n1 bob",
            &[
                "cid: sent n1 to 2",
                "bob: 1 n1 from cid",
                "bob2: 1 n1 from cid",
            ],
        );
        world.check("bob: ack 1", &["cid: 1 bob delivered up to n1"]);
        // Whoever blocks may write, and is told what becomes of it.
        world.check(
            "bob: send b1 ann",
            &[
                "bob: sent b1 to 2",
                "bob2: 2 b1 copied from device 1",
                "ann: 2 b1 from bob",
                "ann2: 1 b1 from bob",
            ],
        );
        world.check(
            "ann: ack 2",
            &[
                "bob: 2 ann delivered up to b1",
                "bob2: 3 ann delivered up to b1",
            ],
        );
    });
}
