//! What authors learn of the members of a group.

use crate::world::World;

const TRIO: &[&str] = &["ann", "bob", "cid"];

fn in_a_group(world: &mut World) {
    world.quietly("ann: connect; bob: connect; cid: connect");
    world.quietly("ann: change g +bob +cid; ann: ack 1; bob: ack 1; cid: ack 1");
}

#[test]
fn an_author_learns_of_each_member_what_it_has_and_has_read() {
    World::each(TRIO, |world| {
        in_a_group(world);
        world.quietly("ann: post m1 g; ann: post m2 g");
        world.check("bob: ack 2", &["ann: 2 g delivered bob up to 2"]);
        world.check("cid: ack 3", &["ann: 3 g delivered cid up to 3"]);
        world.check("bob: saw g 2", &["ann: 4 g read bob up to 2"]);
        // Nothing is read before it is delivered, nothing twice, nothing backwards.
        world.check("bob: saw g 3", &[]);
        world.check("bob: saw g 2", &[]);
        world.check(
            "bob: ack 3",
            &[
                "ann: 5 g delivered bob up to 3",
                "ann: 6 g read bob up to 3",
            ],
        );
        world.check("bob: saw g 3; bob: saw g 1; bob: saw g 99", &[]);
        // What lies beyond the log is nothing that anybody could have read.
        world.quietly("ann: post m3 g");
        world.check("bob: ack 4", &["ann: 7 g delivered bob up to 4"]);
    });
}

#[test]
fn only_authors_of_what_was_passed_are_told() {
    World::each(TRIO, |world| {
        in_a_group(world);
        world.quietly("ann: post m1 g; bob: post m2 g; bob: ack 2");
        world.forget();
        // m1 and m2: one is ann's, the other bob's.
        world.check(
            "cid: ack 3",
            &[
                "ann: 4 g delivered cid up to 3",
                "bob: 3 g delivered cid up to 3",
            ],
        );
        world.quietly("ann: post m3 g; cid: ack 4");
        // Nothing of bob's was passed.
        world.check("cid: saw g 2", &["ann: 6 g read cid up to 2"]);
    });
}

#[test]
fn receipts_of_one_turn_are_merged() {
    World::each(TRIO, |world| {
        in_a_group(world);
        world.quietly("ann: post m1 g; ann: post m2 g; ann: post m3 g");
        world.check(
            "bob: ack 2 + bob: ack 3 + bob: ack 4",
            &["ann: 2 g delivered bob up to 4"],
        );
    });
}

#[test]
fn receipts_of_several_members_in_one_turn_are_one_item() {
    let mut world = World::new(1, TRIO);
    in_a_group(&mut world);
    world.quietly("ann: post m1 g");
    world.check(
        "bob: ack 2 + cid: ack 2",
        &["ann: 2 g delivered bob up to 2, cid up to 2"],
    );
}

#[test]
fn whoever_has_read_far_at_once_tells_everybody() {
    let mut world = World::new(1, TRIO);
    in_a_group(&mut world);
    let credit = "credit=2000/4000000";
    world.quietly(&format!("bob: leave; bob: connect at=1 {credit}"));
    let posts: Vec<_> = (0..300)
        .map(|number| format!("ann: post n{number} g"))
        .collect();
    world.quietly(&posts.join("; "));
    world.quietly("bob: ack 301");
    // Who wrote the oldest of them is not remembered, and too much to look up.
    world.crash();
    world.quietly(&format!(
        "ann: connect at=2; cid: connect at=1 {credit}; bob: connect at=301"
    ));
    world.forget();
    world.check(
        "bob: saw g 301",
        &[
            "ann: 3 g read bob up to 301",
            "cid: 302 g read bob up to 301",
        ],
    );
}

#[test]
fn the_first_device_of_a_member_decides() {
    World::each(TRIO, |world| {
        world.quietly("bob2: add; bob2: connect");
        in_a_group(world);
        world.quietly("bob2: ack 1; ann: post m1 g");
        world.check("bob2: ack 2", &["ann: 2 g delivered bob up to 2"]);
        world.check("bob: ack 2", &[]);
    });
}

#[test]
fn an_author_asks_how_many_have_it() {
    World::each(TRIO, |world| {
        in_a_group(world);
        world.quietly("ann: post m1 g; ann: post m2 g; bob: ack 3; bob: saw g 2; cid: ack 2");
        world.check("ann: count g 2", &["ann: g/2: 2 delivered, 1 read of 2"]);
        world.check(
            "ann: count g 3 detail",
            &["ann: g/3: 1 delivered, 0 read of 2 (bob delivered, cid sent)"],
        );
        // Nobody else may ask, and of nothing else.
        world.check(
            "bob: count g 2",
            &["bob: group_count refused UNKNOWN_MESSAGE"],
        );
        world.check(
            "ann: count g 1",
            &["ann: group_count refused UNKNOWN_MESSAGE"],
        );
        world.check(
            "ann: count g 0",
            &["ann: group_count refused UNKNOWN_MESSAGE"],
        );
        world.check(
            "ann: count g 9",
            &["ann: group_count refused UNKNOWN_MESSAGE"],
        );
    });
}

#[test]
fn what_came_before_a_member_is_not_its_to_have() {
    World::each(&["ann", "bob", "cid", "dora"], |world| {
        world.quietly("dora: connect");
        in_a_group(world);
        world.quietly("ann: post m1 g; ann: change g +dora; bob: ack 3; cid: ack 3");
        world.forget();
        world.check("ann: count g 2", &["ann: g/2: 2 delivered, 0 read of 2"]);
        // The record by which dora joined tells nobody anything.
        world.check("dora: ack 1", &[]);
        world.quietly("ann: post m2 g");
        world.check("dora: ack 2", &["ann: 5 g delivered dora up to 4"]);
    });
}

#[test]
fn who_has_left_tells_nothing_more() {
    World::each(TRIO, |world| {
        in_a_group(world);
        world.quietly("ann: post m1 g; ann: change g -bob");
        world.check("bob: ack 3", &[]);
        world.check("bob: saw g 2", &["bob: saw g refused GROUP_UNKNOWN"]);
        world.check("bob: saw h 2", &["bob: saw h refused GROUP_UNKNOWN"]);
    });
}

#[test]
fn receipts_survive_and_are_not_told_again() {
    World::each(TRIO, |world| {
        in_a_group(world);
        world.quietly("ann: post m1 g; bob: ack 2; bob: saw g 2");
        world.crash();
        world.quietly("ann: connect at=3; bob: connect at=2; cid: connect at=1");
        world.check("bob: saw g 2", &[]);
        world.check(
            "ann: count g 2 detail",
            &["ann: g/2: 1 delivered, 1 read of 2 (bob read, cid sent)"],
        );
        world.check("cid: ack 2", &["ann: 4 g delivered cid up to 2"]);
    });
}
