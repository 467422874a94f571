//! READ: only for what was delivered, only by its recipient, only forward, told once.

use crate::world::World;

fn two_messages(world: &mut World) {
    world.quietly("ann: connect; bob: connect; cid: connect");
    world.quietly("ann: send m1 bob; ann: send m2 bob");
}

const THREE: &[&str] = &["ann", "bob", "cid"];

#[test]
fn what_was_not_delivered_cannot_be_read() {
    World::each(THREE, |world| {
        two_messages(world);
        world.check("bob: read m1 of ann", &["bob: m1 refused NOT_DELIVERED"]);
        world.check(
            "bob: ack 1 + bob: read m1 of ann + bob: read m2 of ann",
            &[
                "ann: 1 bob delivered up to m1",
                "ann: 2 bob read up to m1",
                "bob: m2 refused NOT_DELIVERED",
            ],
        );
    });
}

#[test]
fn only_the_recipient_reads() {
    World::each(THREE, |world| {
        two_messages(world);
        world.quietly("bob: ack 2");
        world.check("cid: read m1 of ann", &["cid: m1 refused UNKNOWN_MESSAGE"]);
        world.check("ann: read m1 of ann", &["ann: m1 refused UNKNOWN_MESSAGE"]);
        world.check("bob: read m1 of cid", &["bob: m1 refused UNKNOWN_MESSAGE"]);
    });
}

#[test]
fn reading_goes_forward_and_is_told_once() {
    World::each(THREE, |world| {
        two_messages(world);
        world.quietly("bob: ack 2");
        world.check("bob: read m2 of ann", &["ann: 2 bob read up to m2"]);
        world.check("bob: read m2 of ann", &[]);
        world.check("bob: read m1 of ann", &[]);
        world.crash();
        world.quietly("ann: connect at=2; bob: connect at=2");
        world.check("bob: read m2 of ann", &[]);
    });
}

#[test]
fn a_pong_comes_when_what_was_said_before_is_durable() {
    World::each(THREE, |world| {
        two_messages(world);
        // Nothing that is seen comes before the commit of its turn: the harness sees to that.
        world.check(
            "bob: ack 2 + bob: ping 7 | bob: read m2 of ann | bob: ping 8",
            &[
                "ann: 1 bob delivered up to m2",
                "ann: 2 bob read up to m2",
                "bob: pong 7",
                "bob: pong 8",
            ],
        );
        world.crash();
        world.quietly("bob: connect at=2");
        world.check("bob: read m2 of ann", &[]);
    });
}

#[test]
fn a_device_reads_what_it_has_itself() {
    World::each(THREE, |world| {
        world.quietly("bob2: add; ann: connect; bob: connect; bob2: connect; ann: send m1 bob");
        world.quietly("bob: ack 1");
        world.check("bob2: read m1 of ann", &["bob2: m1 refused NOT_DELIVERED"]);
        world.quietly("bob2: ack 1");
        world.check(
            "bob2: read m1 of ann",
            &[
                "ann: 2 bob2 read up to m1",
                "bob: 2 ann seen up to m1 at device 2",
            ],
        );
        world.check("bob: read m1 of ann", &[]);
    });
}

#[test]
fn reading_one_conversation_says_nothing_about_another() {
    World::each(THREE, |world| {
        two_messages(world);
        world.quietly("cid: send n1 bob; bob: ack 3");
        world.check("bob: read n1 of cid", &["cid: 2 bob read up to n1"]);
        world.check("ann: status m2 of bob", &["ann: m2 is delivered"]);
    });
}

#[test]
fn what_a_resume_acknowledges_can_be_acknowledged_again_and_read_at_once() {
    World::each(THREE, |world| {
        two_messages(world);
        world.quietly("ann: send m3 bob; bob: leave");
        world.check(
            "bob: connect at=2 + bob: ack 2 + bob: read m1 of ann + bob: read m2 of ann \
             + bob: read m3 of ann",
            &[
                "bob: ready 2/3",
                "bob: m3 refused NOT_DELIVERED",
                "ann: 1 bob delivered up to m2",
                "ann: 2 bob read up to m2",
                "bob: 3 m3 from ann",
                "bob: caught up 3",
            ],
        );
    });
}

#[test]
fn a_pong_proves_a_read_that_waits_for_what_the_resume_acknowledges() {
    let mut proofs = 0;
    for commits in 0..8 {
        let mut world = World::new(2, THREE);
        two_messages(&mut world);
        world.quietly("bob: leave");
        let step = "bob: connect at=2 | bob: read m2 of ann + bob: ping 7";
        world.crash_after(commits, step);
        let is_proven = world.had_heard("bob", "pong 7");
        proofs += u32::from(is_proven);
        world.quietly("ann: connect");
        let expected = if is_proven { "read" } else { "sent" };
        if is_proven || commits == 0 {
            let line = format!("ann: m2 is {expected}");
            world.check("ann: status m2 of bob", &[&line]);
        }
    }
    assert!(proofs > 0, "no PONG ever came");
}
