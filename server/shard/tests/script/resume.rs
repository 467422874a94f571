//! A device comes back: its backlog in pages, within its credit, without a hole.

use crate::world::World;

const PAIR: &[&str] = &["ann", "bob"];

fn waiting(world: &mut World, messages: usize) {
    world.quietly("ann: connect");
    for number in 1..=messages {
        world.quietly(&format!("ann: send m{number} bob"));
    }
}

fn messages(range: std::ops::RangeInclusive<usize>) -> Vec<String> {
    range
        .map(|number| format!("bob: {number} m{number} from ann"))
        .collect()
}

/// Checks a step whose lines are made from numbers.
#[track_caller]
fn check(world: &mut World, step: &str, lines: &[String]) {
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    world.check(step, &lines);
}

#[test]
fn a_long_backlog_comes_whole_and_in_order_then_caught_up_once() {
    World::each(PAIR, |world| {
        waiting(world, 300);
        let mut lines = vec!["bob: ready 0/300".to_owned()];
        lines.extend(messages(1..=300));
        lines.push("bob: caught up 300".to_owned());
        check(world, "bob: connect", &lines);
        world.check(
            "ann: send m301 bob",
            &["ann: sent m301 to 1", "bob: 301 m301 from ann"],
        );
        world.check("bob: ack 301", &["ann: 1 bob delivered up to m301"]);
    });
}

#[test]
fn an_empty_backlog_is_caught_up_at_once() {
    World::each(PAIR, |world| {
        world.check("bob: connect", &["bob: ready 0/0", "bob: caught up 0"]);
    });
}

#[test]
fn credit_in_messages_is_a_window() {
    World::each(PAIR, |world| {
        waiting(world, 5);
        let mut lines = vec!["bob: ready 0/5".to_owned()];
        lines.extend(messages(1..=2));
        check(world, "bob: connect credit=2/100000", &lines);
        // An acknowledgement is no credit.
        world.check("bob: ack 2", &["ann: 1 bob delivered up to m2"]);
        let mut lines = messages(3..=5);
        check(
            world,
            "bob: credit 1/0",
            &lines.drain(..1).collect::<Vec<_>>(),
        );
        world.check(
            "bob: credit 2/0",
            &[
                "bob: 4 m4 from ann",
                "bob: 5 m5 from ann",
                "bob: caught up 5",
            ],
        );
        // Live traffic keeps to the window as well.
        world.check("ann: send m6 bob", &["ann: sent m6 to 1"]);
        world.check("bob: credit 1/0", &["bob: 6 m6 from ann"]);
    });
}

#[test]
fn credit_in_bytes_may_be_overdrawn_by_one_frame() {
    World::each(PAIR, |world| {
        world.quietly("ann: connect; ann: send m1 bob size=5000; ann: send m2 bob size=5000");
        world.check(
            "bob: connect credit=9/1",
            &["bob: ready 0/2", "bob: 1 m1 from ann"],
        );
        // The debt is paid first.
        world.check("bob: credit 0/5000", &[]);
        world.check(
            "bob: credit 0/100",
            &["bob: 2 m2 from ann", "bob: caught up 2"],
        );
    });
}

#[test]
fn without_credit_nothing_is_pushed() {
    World::each(PAIR, |world| {
        waiting(world, 1);
        world.check("bob: connect credit=0/0", &["bob: ready 0/1"]);
        world.check("bob: credit 0/1000", &[]);
        world.check(
            "bob: credit 1/0",
            &["bob: 1 m1 from ann", "bob: caught up 1"],
        );
    });
}

#[test]
fn a_device_that_grants_without_end_gets_no_more_than_it_acknowledges() {
    World::each(PAIR, |world| {
        waiting(world, 2_050);
        let mut lines = vec!["bob: ready 0/2050".to_owned()];
        lines.extend(messages(1..=1024));
        check(world, "bob: connect", &lines);
        check(world, "bob: credit 1024/200000", &messages(1025..=2048));
        world.check("bob: credit 1024/200000", &[]);
        world.check(
            "bob: ack 1",
            &["ann: 1 bob delivered up to m1", "bob: 2049 m2049 from ann"],
        );
    });
}

#[test]
fn an_acknowledgement_that_was_lost_is_made_up_by_the_resume() {
    World::each(PAIR, |world| {
        waiting(world, 200);
        world.quietly("bob: connect; bob: leave");
        let mut lines = vec!["bob: ready 150/200".to_owned()];
        lines.extend(messages(151..=200));
        lines.push("bob: caught up 200".to_owned());
        // Pages are acknowledged one by one; the turns between them are not merged.
        lines.push("ann: 1 bob delivered up to m128".to_owned());
        lines.push("ann: 2 bob delivered up to m150".to_owned());
        check(world, "bob: connect at=150", &lines);
        world.check("ann: status m150 of bob", &["ann: m150 is delivered"]);
        world.check("ann: status m151 of bob", &["ann: m151 is sent"]);
    });
}

#[test]
fn a_resume_needs_no_credit_for_what_the_device_has() {
    World::each(PAIR, |world| {
        waiting(world, 200);
        world.check(
            "bob: connect at=200 credit=0/0",
            &[
                "bob: ready 200/200",
                "bob: caught up 200",
                "ann: 1 bob delivered up to m128",
                "ann: 2 bob delivered up to m200",
            ],
        );
    });
}

#[test]
fn a_device_that_was_restored_is_told_what_it_missed() {
    World::each(PAIR, |world| {
        waiting(world, 4);
        world.quietly("bob: connect; bob: ack 3; bob: leave");
        for epoch in ["", "epoch=0"] {
            world.check(
                &format!("bob: connect at=1 {epoch}"),
                &[
                    "bob: ready 1/4",
                    "bob: gap 2-3 restored",
                    "bob: 4 m4 from ann",
                    "bob: caught up 4 trimmed",
                ],
            );
            world.quietly("bob: leave");
        }
    });
}

#[test]
fn the_gap_of_a_restored_device_costs_credit_like_any_other() {
    World::each(PAIR, |world| {
        waiting(world, 4);
        world.quietly("bob: connect; bob: ack 3; bob: leave");
        world.check("bob: connect at=1 credit=0/0", &["bob: ready 1/4"]);
        world.check("bob: credit 1/50", &["bob: gap 2-3 restored"]);
        world.check(
            "bob: credit 1/50",
            &["bob: 4 m4 from ann", "bob: caught up 4 trimmed"],
        );
    });
}

#[test]
fn a_device_with_another_epoch_starts_behind_the_servers_cursor() {
    World::each(PAIR, |world| {
        waiting(world, 3);
        world.quietly("bob: connect; bob: ack 2; bob: leave");
        for cursor in [0, 1, 3, 9] {
            world.check(
                &format!("bob: connect at={cursor} epoch=5"),
                &["bob: ready 2/3", "bob: 3 m3 from ann", "bob: caught up 3"],
            );
            world.quietly("bob: leave");
        }
    });
}

#[test]
fn a_cursor_beyond_the_tail_is_refused_and_replaces_nobody() {
    World::each(PAIR, |world| {
        waiting(world, 3);
        world.quietly("bob: connect; bob: ack 1; bob: leave");
        world.check("bob: connect at=4", &["bob: closed BAD_ACK"]);
        world.check(
            "bob: connect at=1",
            &[
                "bob: ready 1/3",
                "bob: 2 m2 from ann",
                "bob: 3 m3 from ann",
                "bob: caught up 3",
            ],
        );
    });
}

#[test]
fn a_second_connection_replaces_the_first() {
    World::each(PAIR, |world| {
        waiting(world, 1);
        world.quietly("bob: connect");
        let first = world.session("bob");
        world.check(
            "bob: connect",
            &[
                "bob: closed REPLACED",
                "bob: ready 0/1",
                "bob: 1 m1 from ann",
                "bob: caught up 1",
            ],
        );
        // The end of the first one, told late, is not the end of the second.
        let address = world.devices["bob"];
        world.say(martlet_shard::Command::Detach {
            session: first,
            address,
        });
        world.check("bob: ack 1", &["ann: 1 bob delivered up to m1"]);
    });
}

#[test]
fn a_connection_that_was_given_up_does_not_replace_the_one_after_it() {
    World::each(PAIR, |world| {
        waiting(world, 1);
        world.quietly("bob: connect challenged=5000000");
        world.check("bob: connect challenged=4999999", &["bob: closed REPLACED"]);
        world.check("bob: ack 1", &["ann: 1 bob delivered up to m1"]);
    });
}

#[test]
fn what_arrives_while_a_page_is_read_follows_it() {
    World::each(PAIR, |world| {
        waiting(world, 2);
        world.check(
            "bob: connect | ann: send m3 bob | ann: send m4 bob",
            &[
                "bob: ready 0/2",
                "bob: 1 m1 from ann",
                "bob: 2 m2 from ann",
                "bob: 3 m3 from ann",
                "bob: 4 m4 from ann",
                "bob: caught up 4",
                "ann: sent m3 to 1",
                "ann: sent m4 to 1",
            ],
        );
    });
}

#[test]
fn receipts_wait_for_a_sender_that_is_away() {
    World::each(PAIR, |world| {
        waiting(world, 2);
        world.quietly("ann: leave; bob: connect; bob: ack 1; bob: ack 2; bob: read m2 of ann");
        world.check(
            "ann: connect",
            &[
                "ann: ready 0/3",
                "ann: 1 bob delivered up to m1",
                "ann: 2 bob delivered up to m2",
                "ann: 3 bob read up to m2",
                "ann: caught up 3",
            ],
        );
    });
}
