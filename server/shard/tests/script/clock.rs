//! Timestamps are unique and never go back, whatever the wall clock does.

use crate::world::{START, World};

#[test]
fn timestamps_rise_within_a_millisecond_and_across_restarts() {
    World::each(&["ann", "bob"], |world| {
        let mut newest = None;
        for number in 0..20 {
            if number % 3 == 0 {
                world.crash();
            }
            world.quietly(&format!(
                "ann: connect; ann: send m{number} bob; ann: send n{number} bob"
            ));
            for name in [format!("m{number}"), format!("n{number}")] {
                let timestamp = world.messages[&name].timestamp;
                assert!(timestamp > newest, "{name}");
                newest = timestamp;
            }
        }
    });
}

#[test]
fn timestamps_rise_although_the_wall_clock_steps_back() {
    World::each(&["ann", "bob"], |world| {
        world.wait(3_600_000);
        world.quietly("ann: connect; bob: connect; ann: send m1 bob");
        for crash in [false, true] {
            world.now = START;
            if crash {
                world.crash();
                world.quietly("ann: connect; bob: connect at=1");
            }
            let name = if crash { "m3" } else { "m2" };
            world.quietly(&format!("ann: send {name} bob after=m1"));
            assert!(world.messages[name].timestamp > world.messages["m1"].timestamp);
        }
    });
}

#[test]
fn a_timestamp_is_not_earlier_than_its_message() {
    World::each(&["ann", "bob"], |world| {
        world.wait(12_345);
        world.quietly("ann: connect; ann: send m1 bob");
        let timestamp = world.messages["m1"].timestamp.unwrap();
        assert!(timestamp >= world.now.timestamp());
        assert!(timestamp < world.now.plus(2_000).timestamp());
    });
}

#[test]
fn crashes_in_a_row_do_not_lead_the_timestamps_away_from_the_clock() {
    World::each(&["ann", "bob"], |world| {
        for number in 0..200 {
            world.crash();
            world.wait(100);
            world.quietly(&format!("ann: connect; ann: send m{number} bob"));
        }
        let timestamp = world.messages["m199"].timestamp.unwrap();
        assert!(timestamp < world.now.plus(1_000).timestamp());
    });
}
