//! Receipts that are not told: of who does not tell what it reads, and of strangers.

use crate::world::World;

const PAIR: &[&str] = &["ann", "bob"];

// [M-25.7]
#[test]
fn who_does_not_tell_what_it_reads_is_not_told_either() {
    World::each(PAIR, |world| {
        world.quietly("ann: connect; bob: connect; bob: settings reads=off");
        world.quietly("ann: send m1 bob");
        world.check("bob: ack 1", &["ann: 1 bob delivered up to m1"]);
        world.check("bob: read m1 of ann", &[]);
        world.check("ann: status m1 of bob", &["ann: m1 is delivered"]);
        // And the other way round.
        world.quietly("bob: send b1 ann; ann: ack 2");
        world.check("ann: read b1 of bob", &[]);
        world.check("bob: status b1 of ann", &["bob: b1 is delivered"]);
        // With both of them willing again the next READ tells of everything before it.
        world.quietly("bob: settings; bob: settings reads=on");
        world.check("ann: status m1 of bob", &["ann: m1 is read"]);
        world.quietly("ann: send m2 bob");
        world.check(
            "bob: ack 3; bob: read m2 of ann",
            &["ann: 3 bob delivered up to m2", "ann: 4 bob read up to m2"],
        );
    });
}

// [M-25.7]
#[test]
fn a_named_message_is_read_in_silence_too() {
    World::each(PAIR, |world| {
        world.quietly("bob2: add; ann: connect; bob: connect; bob: settings reads=off");
        world.quietly("ann: send m1 bob named=1");
        world.check("bob: ack 1", &["ann: 1 m1 delivered at bob"]);
        world.check("bob: read m1 of ann", &[]);
        world.check("ann: status m1 of bob", &["ann: m1 is delivered"]);
    });
}

// [M-25.8]
#[test]
fn a_stranger_is_told_nothing_until_it_is_a_contact_and_then_all() {
    World::each(PAIR, |world| {
        world.quietly("ann: connect; bob: connect; bob: settings strangers=requests");
        world.check(
            "ann: send m1 bob; ann: send m2 bob",
            &[
                "ann: sent m1 to 1",
                "ann: sent m2 to 1",
                "bob: 1 m1 from ann",
                "bob: 2 m2 from ann",
            ],
        );
        world.check("bob: ack 2; bob: read m1 of ann", &[]);
        world.check("ann: status m1 of bob", &["ann: m1 is sent"]);
        world.crash();
        world.quietly("ann: connect; bob: connect at=2");
        world.check("ann: status m2 of bob", &["ann: m2 is sent"]);
        world.check(
            "bob: befriend ann",
            &[
                "bob: related",
                "ann: 1 bob delivered up to m2",
                "ann: 2 bob read up to m1",
            ],
        );
        world.check("ann: status m1 of bob", &["ann: m1 is read"]);
        // Told once: what rose meanwhile is all there is to tell the next time.
        world.check(
            "bob: forget ann; bob: befriend ann",
            &["bob: related", "bob: related"],
        );
        world.quietly("bob: forget ann; ann: send m3 bob");
        world.check("bob: ack 3", &[]);
        world.check("ann: status m1 of bob", &["ann: m1 is read"]);
        world.check("ann: status m3 of bob", &["ann: m3 is sent"]);
        world.check(
            "bob: befriend ann",
            &["bob: related", "ann: 3 bob delivered up to m3"],
        );
    });
}

#[test]
fn when_strangers_are_taken_like_others_again_the_next_receipt_tells_of_all() {
    World::each(PAIR, |world| {
        world.quietly("ann: connect; bob: connect; bob: settings strangers=requests");
        world.quietly("ann: send m1 bob; bob: ack 1");
        world.check(
            "bob: settings strangers=anyone",
            &["bob: settings everyone reads anyone"],
        );
        world.check("ann: status m1 of bob", &["ann: m1 is delivered"]);
        world.quietly("ann: send m2 bob");
        world.check("bob: ack 2", &["ann: 1 bob delivered up to m2"]);
        // The marks of the first time are forgotten.
        world.quietly("bob: settings strangers=requests");
        world.check("ann: status m2 of bob", &["ann: m2 is delivered"]);
    });
}

// [M-11.17]
#[test]
fn what_one_device_reads_is_told_to_the_others_of_its_account() {
    World::each(PAIR, |world| {
        world.quietly("bob2: add; bob3: add; ann: connect; bob: connect; bob2: connect");
        world.quietly("ann: send m1 bob; ann: send m2 bob; bob: ack 2; bob2: ack 2");
        world.check(
            "bob: read m1 of ann",
            &[
                "ann: 2 bob read up to m1",
                "bob2: 3 ann seen up to m1 at device 1",
            ],
        );
        world.check("bob2: read m1 of ann", &[]);
        world.check(
            "bob2: read m2 of ann",
            &[
                "ann: 3 bob2 read up to m2",
                "bob: 3 ann seen up to m2 at device 2",
            ],
        );
        // It waits for a device that is away, and for no author's leave.
        world.quietly("bob: settings reads=off; ann: send m3 bob; bob: ack 4");
        world.check(
            "bob: read m3 of ann",
            &["bob2: 5 ann seen up to m3 at device 1"],
        );
        world.check(
            "bob3: connect",
            &[
                "bob3: ready 0/6",
                "bob3: 1 m1 from ann",
                "bob3: 2 m2 from ann",
                "bob3: 3 ann seen up to m1 at device 1",
                "bob3: 4 ann seen up to m2 at device 2",
                "bob3: 5 m3 from ann",
                "bob3: 6 ann seen up to m3 at device 1",
                "bob3: caught up 6",
            ],
        );
    });
}
