//! SEND: placed once, answered the same way every time, in order for each pair.

use martlet_shard::Limits;

use crate::world::World;

const PAIR: &[&str] = &["ann", "bob"];

fn connected(world: &mut World) {
    world.quietly("ann: connect; bob: connect");
}

#[test]
fn a_message_is_pushed_to_its_recipient_and_answered() {
    World::each(PAIR, |world| {
        connected(world);
        world.check(
            "ann: send m1 bob",
            &["ann: sent m1 to 1", "bob: 1 m1 from ann"],
        );
    });
}

#[test]
fn a_retry_gets_the_first_answer_and_places_nothing() {
    World::each(PAIR, |world| {
        connected(world);
        world.quietly("ann: send m1 bob");
        world.check("ann: send m1 bob", &["ann: sent m1 to 1"]);
        world.quietly("bob: ack 1");
        world.check("ann: send m1 bob after=m1", &["ann: sent m1 to 1"]);
        world.crash();
        world.quietly("ann: connect");
        world.check(
            "bob: connect; ann: send m1 bob",
            &[
                "bob: ready 0/1",
                "bob: gap 1-1 restored",
                "bob: caught up 1 trimmed",
                "ann: sent m1 to 1",
            ],
        );
    });
}

#[test]
fn two_tries_in_one_turn_are_one_message() {
    World::each(PAIR, |world| {
        connected(world);
        world.check(
            "ann: send m1 bob + ann: send m1 bob",
            &[
                "ann: sent m1 to 1",
                "ann: sent m1 to 1",
                "bob: 1 m1 from ann",
            ],
        );
    });
}

#[test]
fn the_same_id_with_another_payload_conflicts_and_changes_nothing() {
    World::each(&["ann", "bob", "cid"], |world| {
        connected(world);
        world.quietly("ann: send m1 bob");
        for other in ["text=other", "ttl=5000"] {
            world.check(
                &format!("ann: send m1 bob {other}"),
                &["ann: m1 refused CONFLICT"],
            );
        }
        world.check("ann: send m1 bob", &["ann: sent m1 to 1"]);
    });
}

#[test]
fn an_id_is_scoped_to_the_sending_device() {
    World::each(&["ann", "bob", "cid"], |world| {
        world.quietly("ann: connect; bob: connect; cid: connect; ann: send m1 bob");
        world.check(
            "cid: status m1 of bob",
            &["cid: m1 refused UNKNOWN_MESSAGE"],
        );
        world.check(
            "cid: send m2 bob; ann: status m1 of bob",
            &["cid: sent m2 to 1", "bob: 2 m2 from cid", "ann: m1 is sent"],
        );
    });
}

#[test]
fn an_id_must_tell_a_time_that_can_be_true() {
    World::each(PAIR, |world| {
        connected(world);
        world.check(
            "ann: send bad bob",
            &["ann: bad refused MESSAGE_ID_INVALID"],
        );
        world.check(
            "ann: send old bob",
            &["ann: old refused MESSAGE_ID_TOO_OLD"],
        );
        world.check(
            "ann: send early bob",
            &["ann: early refused MESSAGE_ID_AHEAD"],
        );
        world.check(
            "ann: send aged bob",
            &["ann: sent aged to 1", "bob: 1 aged from ann"],
        );
    });
}

#[test]
fn a_time_to_live_outside_its_range_is_refused() {
    World::each(PAIR, |world| {
        connected(world);
        for ttl in [1, 999, 2_592_000_001_u64] {
            world.check(
                &format!("ann: send m1 bob ttl={ttl}"),
                &["ann: m1 refused TTL_INVALID"],
            );
        }
        for (message, ttl) in [("m2", 1_000), ("m3", 2_592_000_000_u64)] {
            world.check(
                &format!("bob: send {message} ann ttl={ttl}"),
                &[
                    &format!("bob: sent {message} to 1"),
                    &format!(
                        "ann: {} {message} from bob",
                        &message[1..].parse::<u8>().unwrap() - 1
                    ),
                ],
            );
        }
    });
}

#[test]
fn a_message_comes_after_what_its_sender_has_seen() {
    World::each(PAIR, |world| {
        connected(world);
        world.quietly("ann: send m1 bob; bob: send m2 ann after=m1; ann: send m3 bob after=m2");
        let at = |name: &str| world.messages[name].timestamp.unwrap();
        assert!(at("m1") < at("m2") && at("m2") < at("m3"));
    });
}

#[test]
fn nobody_drags_a_conversation_into_the_future() {
    World::each(PAIR, |world| {
        connected(world);
        let ahead = "ann: send m1 bob after=@60001";
        world.check(ahead, &["ann: m1 refused AFTER_AHEAD"]);
        world.check(
            "ann: send m2 bob after=@60000",
            &["ann: sent m2 to 1", "bob: 1 m2 from ann"],
        );
        // Not even in steps: what was allowed once does not move the limit.
        world.check(
            "ann: send m3 bob after=@60001",
            &["ann: m3 refused AFTER_AHEAD"],
        );
        // What the shard has given out itself is always allowed.
        world.check(
            "ann: send m4 bob after=m2",
            &["ann: sent m4 to 1", "bob: 2 m4 from ann"],
        );
    });
}

#[test]
fn a_stranger_and_oneself_are_no_recipients() {
    World::each(PAIR, |world| {
        connected(world);
        world.check(
            "ann: send m1 nobody",
            &["ann: m1 refused UNKNOWN_RECIPIENT"],
        );
        world.check("ann: send m2 ann", &["ann: m2 refused SELF_ADDRESSED"]);
    });
}

#[test]
fn a_retry_is_answered_even_when_the_devices_that_got_it_are_gone() {
    World::each(PAIR, |world| {
        world.quietly("ann: connect; bob: connect; ann: send m1 bob; bob2: add; bob: remove");
        world.check("ann: send m1 bob", &["ann: sent m1 to 1"]);
        world.check("ann: send m2 bob", &["ann: sent m2 to 1"]);
        assert_eq!(world.inbox_rows("bob2"), 1);
    });
}

#[test]
fn what_follows_a_refused_message_waits_for_it() {
    let limits = Limits {
        inbox_rows_max: 2,
        ..Limits::default()
    };
    World::each_with(limits, &["ann", "bob", "cid"], |world| {
        world.quietly("ann: connect; cid: connect; ann: send m1 bob; ann: send m2 bob");
        world.check(
            "ann: send m3 bob; ann: send m4 bob",
            &[
                "ann: m3 refused INBOX_FULL for 30000",
                "ann: m4 refused OUT_OF_ORDER",
            ],
        );
        // The others' order is their own, and so is that of another conversation.
        world.check(
            "cid: send n1 bob; ann: send n2 cid",
            &[
                "cid: n1 refused INBOX_FULL for 30000",
                "ann: sent n2 to 1",
                "cid: 1 n2 from ann",
            ],
        );
        // Room alone does not let m4 overtake.
        world.quietly("bob: connect; bob: ack 2");
        world.check("ann: send m4 bob", &["ann: m4 refused OUT_OF_ORDER"]);
        // A retry of what was accepted is answered as ever.
        world.check("ann: send m1 bob", &["ann: sent m1 to 1"]);
        world.check(
            "ann: send m3 bob; ann: send m4 bob",
            &[
                "ann: sent m3 to 1",
                "ann: sent m4 to 1",
                "bob: 3 m3 from ann",
                "bob: 4 m4 from ann",
            ],
        );
    });
}

#[test]
fn what_the_server_cannot_take_now_keeps_its_place() {
    World::each(PAIR, |world| {
        world.quietly("ann: connect; ann: send m1 bob");
        world.check(
            "ann: decline m1 bob; ann: decline m2 bob; ann: send m3 bob",
            &[
                "ann: m1 refused RATE_LIMITED for 1000",
                "ann: m2 refused OUT_OF_ORDER",
                "ann: m3 refused OUT_OF_ORDER",
            ],
        );
        // It had been accepted before: a retry says so, and the others may follow.
        world.check(
            "ann: send m1 bob; ann: send m2 bob; ann: decline m4 bob",
            &[
                "ann: sent m1 to 1",
                "ann: sent m2 to 1",
                "ann: m4 refused RATE_LIMITED for 1000",
            ],
        );
        // A refusal for good lets the others pass as well.
        world.check(
            "ann: send m4 bob ttl=1; ann: send m5 bob",
            &["ann: m4 refused TTL_INVALID", "ann: sent m5 to 1"],
        );
    });
}

#[test]
fn who_gives_a_refused_message_up_starts_anew_with_a_new_connection() {
    let limits = Limits {
        inbox_rows_max: 1,
        ..Limits::default()
    };
    World::each_with(limits, PAIR, |world| {
        world.quietly("ann: connect; ann: send m1 bob; ann: send m2 bob; ann: leave");
        world.quietly("bob: connect; bob: ack 1; ann: connect at=1");
        world.check(
            "ann: send m3 bob",
            &["ann: sent m3 to 1", "bob: 2 m3 from ann"],
        );
    });
}
