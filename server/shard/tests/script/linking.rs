//! Linking: a new device and the one that waits for it find each other, and nobody else does.

use crate::world::World;

const PAIR: &[&str] = &["ann", "bob"];
const MINUTE_MS: u64 = 60_000;

fn listed(world: &mut World) {
    world.quietly("ann: connect; bob: connect; bob: publish; bob: upload 1-10");
}

#[test]
fn a_new_device_that_knows_the_ticket_is_linked() {
    World::each(PAIR, |world| {
        listed(world);
        world.check("bob: link 2 ticket=7", &["bob: link opened"]);
        world.check(
            "bob2: join 2 ticket=7 offer=hello",
            &["bob: device 2 offers hello"],
        );
        world.check(
            "bob: publish +bob2 answer=welcome",
            &["bob: published 2", "bob2: linked welcome"],
        );
    });
}

#[test]
fn whoever_does_not_know_the_ticket_finds_nobody() {
    World::each(PAIR, |world| {
        listed(world);
        let refused = ["bob2: link_join refused LINK_UNKNOWN"];
        world.check("bob2: join 2 ticket=7", &refused);
        world.quietly("bob: link 2 ticket=7");
        world.check("bob2: join 2 ticket=8", &refused);
        world.check("bob2: join 3 ticket=7", &refused);
        world.check(
            "ann2: join 2 ticket=7",
            &["ann2: link_join refused LINK_UNKNOWN"],
        );
        world.check(
            "eve2: join 2 ticket=7",
            &["eve2: link_join refused LINK_UNKNOWN"],
        );
        // None of it was seen by the device that waits.
        world.check(
            "bob2: join 2 ticket=7 offer=hello",
            &["bob: device 2 offers hello"],
        );
    });
}

#[test]
fn a_link_is_for_the_next_device() {
    World::each(PAIR, |world| {
        listed(world);
        for device in [1, 3] {
            world.check(
                &format!("bob: link {device} ticket=7"),
                &["bob: link_open refused LIST_CONFLICT"],
            );
        }
        // Before the first list as well.
        world.check("ann: link 2 ticket=7", &["ann: link opened"]);
        // The other device adds one first: this link leads nowhere any more.
        world.quietly("bob2: add; bob2: connect; bob2: link 3 ticket=1; bob2: link 3 ticket=2");
        world.check(
            "bob3: join 3 ticket=1",
            &["bob3: link_join refused LINK_UNKNOWN"],
        );
        world.check(
            "bob3: join 3 ticket=2 offer=x",
            &["bob2: device 3 offers x"],
        );
    });
}

#[test]
fn a_newer_link_takes_the_place_of_an_older_one() {
    World::each(PAIR, |world| {
        listed(world);
        world.quietly("bob: link 2 ticket=7; bob2: join 2 ticket=7");
        world.check(
            "bob: link 2 ticket=8",
            &["bob: link opened", "bob2: link_join refused LINK_UNKNOWN"],
        );
        world.check("bob: publish +bob2 answer=welcome", &["bob: published 2"]);
    });
}

#[test]
fn a_link_ends_after_ten_minutes() {
    World::each(PAIR, |world| {
        listed(world);
        world.quietly("bob: link 2 ticket=7");
        world.pass(10 * MINUTE_MS - 1);
        world.check("bob2: join 2 ticket=7 offer=x", &["bob: device 2 offers x"]);
        world.pass(1);
        world.check(
            "bob3: join 2 ticket=7",
            &["bob3: link_join refused LINK_UNKNOWN"],
        );
        // Whoever waits is told with the next sweep.
        world.wait(MINUTE_MS + 1_000);
        world.check(
            "ann: ping 1",
            &["ann: pong 1", "bob2: link_join refused LINK_UNKNOWN"],
        );
        world.check("bob: publish +bob2 answer=late", &["bob: published 2"]);
    });
}

#[test]
fn the_first_one_that_knows_the_ticket_has_the_link() {
    World::each(PAIR, |world| {
        listed(world);
        world.quietly("bob: link 2 ticket=7; bob2: join 2 ticket=7 offer=one");
        // Somebody else has seen the code.
        let late = ["bob3: link_join refused LINK_UNKNOWN"];
        world.check("bob3: join 2 ticket=7 offer=two", &late);
        world.check(
            "bob: publish +bob2 answer=welcome",
            &["bob: published 2", "bob2: linked welcome"],
        );
        // With the list the link is over.
        world.check("bob3: join 2 ticket=7 offer=two", &late);
        world.check("bob: publish +bob3 answer=again", &["bob: published 3"]);
    });
}

#[test]
fn whoever_waits_is_told_at_once_that_the_link_is_closed() {
    World::each(PAIR, |world| {
        listed(world);
        world.quietly("bob: link 2 ticket=7; bob2: join 2 ticket=7");
        // It means another link, which is over or never was: this one stays.
        world.check("bob: close ticket=8", &["bob: link closed"]);
        world.check("ann: close ticket=7", &["ann: link closed"]);
        world.check(
            "bob: close ticket=7",
            &["bob: link closed", "bob2: link_join refused LINK_UNKNOWN"],
        );
        world.check(
            "bob2: join 2 ticket=7",
            &["bob2: link_join refused LINK_UNKNOWN"],
        );
        world.check("bob: close ticket=7", &["bob: link closed"]);
        world.check("bob: publish +bob2 answer=never", &["bob: published 2"]);
    });
}

#[test]
fn a_place_in_a_link_belongs_to_an_offer_and_to_no_connection() {
    World::each(PAIR, |world| {
        listed(world);
        world.quietly("bob: link 2 ticket=7; bob2: join 2 ticket=7 offer=mine");
        world.check("bob2: abandon", &["bob: device 2 is gone"]);
        // Somebody else has seen the code, and the place is free.
        world.check(
            "bob4: join 2 ticket=7 offer=hers",
            &["bob4: link_join refused LINK_UNKNOWN"],
        );
        let back = ["bob: device 2 offers mine"];
        world.check("bob2: join 2 ticket=7 offer=mine", &back);
        // It is back before its loss is noticed: the late notice changes nothing.
        world.check(
            "bob3: join 2 ticket=7 offer=mine",
            &[back[0], "bob2: link_join refused LINK_UNKNOWN"],
        );
        world.check("bob2: abandon", &[]);
        world.check(
            "bob: publish +bob2 answer=welcome",
            &["bob: published 2", "bob3: linked welcome"],
        );
    });
}

#[test]
fn an_answer_that_was_missed_is_there_for_the_same_offer() {
    World::each(PAIR, |world| {
        listed(world);
        world.quietly("bob: link 2 ticket=7; bob2: join 2 ticket=7 offer=mine; bob2: abandon");
        // The loss and the list have crossed.
        world.check("bob: publish +bob2 answer=welcome", &["bob: published 2"]);
        world.check(
            "bob3: join 2 ticket=7 offer=hers",
            &["bob3: link_join refused LINK_UNKNOWN"],
        );
        for _ in 0..2 {
            world.check(
                "bob2: join 2 ticket=7 offer=mine",
                &["bob2: linked welcome"],
            );
        }
        // It lasts no longer than the link would have.
        world.pass(10 * MINUTE_MS);
        world.check(
            "bob2: join 2 ticket=7 offer=mine",
            &["bob2: link_join refused LINK_UNKNOWN"],
        );
    });
}

#[test]
fn an_empty_offer_is_none() {
    World::each(PAIR, |world| {
        listed(world);
        world.quietly("bob: link 2 ticket=7");
        world.check(
            "bob2: join 2 ticket=7 offer=",
            &["bob2: link_join refused LINK_UNKNOWN"],
        );
        world.check("bob2: join 2 ticket=7 offer=x", &["bob: device 2 offers x"]);
    });
}

#[test]
fn a_link_outlives_the_connection_that_opened_it() {
    World::each(PAIR, |world| {
        listed(world);
        world.quietly("bob: link 2 ticket=7; bob2: join 2 ticket=7 offer=one; bob: leave");
        // Nothing is lost of it on the next connection, however often: it costs no quota.
        for _ in 0..20 {
            world.quietly("bob: connect");
            world.check(
                "bob: link 2 ticket=7",
                &["bob: link opened", "bob: device 2 offers one"],
            );
            world.quietly("bob: leave");
        }
        // What comes or goes in the meantime is told as it is in the end.
        world.check("bob2: abandon", &[]);
        world.quietly("bob: connect");
        world.check("bob: link 2 ticket=7", &["bob: link opened"]);
        world.quietly("bob: leave");
        world.check("bob2: join 2 ticket=7 offer=one", &[]);
        world.quietly("bob: connect");
        // A connection that has not said that it waits hears of no offer.
        world.check("bob2: abandon", &[]);
        world.check("bob2: join 2 ticket=7 offer=one", &[]);
        world.check(
            "bob: link 2 ticket=7",
            &["bob: link opened", "bob: device 2 offers one"],
        );
        world.check(
            "bob: publish +bob2 answer=welcome",
            &["bob: published 2", "bob2: linked welcome"],
        );
    });
}

#[test]
fn a_link_that_is_moved_ends_when_it_would_have_ended() {
    World::each(PAIR, |world| {
        listed(world);
        world.quietly("bob: link 2 ticket=7; bob2: join 2 ticket=7");
        world.pass(9 * MINUTE_MS);
        world.quietly("bob: leave; bob: connect; bob: link 2 ticket=7");
        world.wait(2 * MINUTE_MS + 1_000);
        world.check(
            "ann: ping 1",
            &["ann: pong 1", "bob2: link_join refused LINK_UNKNOWN"],
        );
    });
}

#[test]
fn with_the_device_that_opened_it_a_link_leaves_the_account() {
    World::each(PAIR, |world| {
        listed(world);
        world.quietly("bob2: add; bob2: connect; bob: link 3 ticket=7; bob3: join 3 ticket=7");
        world.check(
            "bob2: publish -bob",
            &[
                "bob: closed DEVICE_GONE",
                "bob2: published 3",
                "bob3: link_join refused LINK_UNKNOWN",
            ],
        );
    });
}

#[test]
fn links_are_opened_ten_at_once_and_then_one_a_minute() {
    World::each(PAIR, |world| {
        listed(world);
        for ticket in 1..=10 {
            world.check(
                &format!("bob: link 2 ticket={ticket}"),
                &["bob: link opened"],
            );
        }
        world.check(
            "bob: link 2 ticket=11",
            &["bob: link_open refused RATE_LIMITED for 60000"],
        );
        // The last one stands.
        world.check(
            "bob2: join 2 ticket=10 offer=x",
            &["bob: device 2 offers x"],
        );
        world.check("ann: link 2 ticket=1", &["ann: link opened"]);
        world.wait(MINUTE_MS);
        world.check(
            "bob: link 2 ticket=12",
            &["bob: link opened", "bob2: link_join refused LINK_UNKNOWN"],
        );
    });
}

#[test]
fn nobody_is_linked_before_the_list_is_durable() {
    for commits in 0..3 {
        let mut world = World::new(2, PAIR);
        listed(&mut world);
        world.quietly("bob: link 2 ticket=7; bob2: join 2 ticket=7");
        world.crash_after(commits, "bob: publish +bob2 answer=welcome");
        let is_linked = world.had_heard("bob2", "linked welcome");
        assert_eq!(is_linked, commits > 0);
        world.quietly("ann: connect");
        let lists = if is_linked { "2-2 of 2" } else { "1-1 of 1" };
        world.check(
            "ann: devices of bob",
            &[&format!("ann: lists {lists} of bob")],
        );
    }
}
