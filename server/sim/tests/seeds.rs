//! The search for a seed that breaks a promise, and beside it the one to put such a seed into.
#![allow(missing_docs, reason = "a test binary has no public interface")]

use martlet_sim::{Counters, Report, run};

/// Seeds of one run of the tests. `sim --seeds N --from S` plays any others.
const SEEDS: u64 = 400;

/// Plays a seed. If the run panics, the last line before it says which seed it was.
#[expect(clippy::print_stdout, reason = "only shown when the test fails")]
fn play(seed: u64) -> Report {
    println!("seed {seed}");
    run(seed)
}

#[test]
fn no_seed_breaks_a_promise_and_all_that_can_go_wrong_goes_wrong() {
    let mut total = Counters::default();
    let mut broken = Vec::new();
    for seed in 0..SEEDS {
        let report = play(seed);
        total.add(&report.counters);
        if !report.violations.is_empty() {
            broken.push(report.to_string());
        }
    }
    let shown: String = broken.iter().take(3).map(String::as_str).collect();
    assert!(
        broken.is_empty(),
        "{} of {SEEDS} seeds broke a promise\n{shown}",
        broken.len()
    );
    for (name, count) in total.list() {
        assert!(count > 0, "in no run there was any of {name}");
    }
    // Of what matters most there is plenty.
    assert!(total.crashes_with_unsynced_turns > SEEDS / 10);
    assert!(total.crashes_with_untold_turns > SEEDS / 10);
    assert!(total.retries > SEEDS);
    // A client takes all that it gets, so only what a crash or a cut swallowed is pushed again.
    assert!(total.redeliveries > SEEDS / 10);
    assert!(total.made_anew > SEEDS);
    assert!(total.joined > SEEDS);
}

/// After a failure, insert the seed here.
#[test]
fn replay_one_seed() {
    let report = play(0);
    assert!(report.violations.is_empty(), "{report}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in [3, 11, 17, 240] {
        let (first, second) = (play(seed), play(seed));
        assert!(first.trace_lines > 100, "hardly anything happened");
        assert_eq!(first, second);
    }
    assert_ne!(play(3).trace_hash, play(4).trace_hash);
}
