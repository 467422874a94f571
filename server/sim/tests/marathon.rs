//! Ten thousand messages while clients die at each step in turn, connections break and the server's
//! power goes: all decrypt, none comes twice.
#![allow(missing_docs, reason = "a test binary has no public interface")]

use martlet_sim::{MESSAGES, run_marathon};

/// Steps of a client, before each of which it must have died.
const STEPS: [&str; 11] = [
    "bytes",
    "connected",
    "timeout",
    "send",
    "mark_read",
    "poll_transmit",
    // The bytes are polled and have not left.
    "write",
    "poll_close",
    "poll_connect",
    "poll_answer",
    "poll_event",
];

/// Steps that change the database with every message: the process must often have died inside.
const CHANGES: [&str; 4] = ["bytes", "send", "mark_read", "poll_event"];

#[test]
fn ten_thousand_messages_all_decrypt_and_none_comes_twice() {
    let marathon = run_marathon(0);
    // The ledger has called each message at each device that is to have it: it is there once, as
    // it was written, and its state is what people have done with it.
    assert!(marathon.report.violations.is_empty(), "{marathon}");
    let counters = &marathon.report.counters;
    assert!(counters.messages >= MESSAGES, "{marathon}");
    // Each is on the device that wrote it and on at least one of the recipient.
    assert!(marathon.present >= 2 * counters.messages, "{marathon}");
    assert!(marathon.read > counters.messages / 2, "{marathon}");
    assert!(marathon.large > counters.messages / 5, "{marathon}");

    // It was not repair that made it so, and nobody was warned of anything.
    for (count, what) in [
        (marathon.controls, "messages that were asked for again"),
        (counters.failed, "messages that failed"),
        (counters.gaps_expired + counters.gaps_overflow, "gaps"),
        (counters.facts_terminal, "messages that ended elsewhere"),
        (counters.devices_changed, "warnings of other devices"),
        (counters.last_resorts_told, "warnings of last-resort keys"),
        (counters.poison_told, "warnings of what nobody can open"),
    ] {
        assert_eq!(count, 0, "there are {what}\n{marathon}");
    }

    // All that can go wrong went wrong, often.
    for step in STEPS {
        assert!(marathon.deaths_before(step) > 0, "{step}\n{marathon}");
    }
    for step in CHANGES {
        assert!(marathon.deaths_in(step) > 100, "{step}\n{marathon}");
    }
    for (count, least, what) in [
        (counters.client_crashes, 3_000, "crashes of clients"),
        (marathon.deaths_inside(), 1_500, "of them inside a call"),
        (counters.client_crashes_with_output, 30, "with output"),
        (marathon.writes_whole, 30, "messages stored behind a crash"),
        (marathon.writes_undone, 300, "messages undone by a crash"),
        (counters.server_crashes, 50, "crashes of the server"),
        (counters.cuts + counters.half_opens, 100, "connections lost"),
        (counters.absences, 50, "absences"),
        (marathon.connections, 2_000, "connections"),
        (counters.retries, 1_000, "retries"),
        (counters.redeliveries, 1_000, "redeliveries"),
        (marathon.overtaken, 1_000, "messages that overtook others"),
    ] {
        assert!(count > least, "{count} {what}\n{marathon}");
    }
    // What a process took and showed to nobody, as it may: it died while it took it.
    assert!(marathon.untold > 0, "{marathon}");
    assert!(
        marathon.untold <= marathon.deaths_in("poll_event"),
        "{marathon}"
    );
}
