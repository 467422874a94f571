//! Servers that lie: the client that is lied to says so, by the name that the documentation gives
//! it, and nothing else goes wrong. The ledger checks all that it always checks: nothing that
//! nobody wrote is shown, nothing is changed, nothing comes twice, and all comes to rest.
#![allow(missing_docs, reason = "a test binary has no public interface")]

use martlet_sim::{Lie, run, run_liar};

/// Seeds of each lie.
const SEEDS: u64 = 16;

/// Plays a lie and says what was wrong. `told` counts the seeds in which a client could know.
#[expect(clippy::print_stdout, reason = "only shown when the test fails")]
fn problems_of(lie: Lie) -> Vec<String> {
    let (mut problems, mut told) = (Vec::new(), 0);
    for seed in 0..SEEDS {
        println!("{lie:?}, seed {seed}");
        let report = run_liar(seed, lie);
        told += u64::from(report.lies_evident > 0);
        if !report.violations.is_empty() || report.lies_named != report.lies_evident {
            problems.push(format!("{lie:?}: {report}"));
        }
    }
    println!("{lie:?} was told in {told} seeds");
    if told <= SEEDS / 2 {
        problems.push(format!("{lie:?} was told in {told} of {SEEDS} seeds"));
    }
    problems
}

fn check(lies: &[Lie]) {
    let problems: Vec<_> = lies.iter().copied().flat_map(problems_of).collect();
    let shown: Vec<_> = problems.iter().take(3).map(String::as_str).collect();
    let (count, shown) = (problems.len(), shown.join("\n"));
    assert!(problems.is_empty(), "{count} problems\n{shown}");
}

#[test]
fn lies_about_devices_and_keys_are_called_by_their_names() {
    check(&Lie::ALL[..5]);
}

#[test]
fn lies_about_messages_are_called_by_their_names() {
    check(&Lie::ALL[5..]);
}

#[test]
fn an_honest_server_is_not_called_a_liar() {
    for seed in 0..SEEDS {
        let report = run(seed);
        assert!(report.violations.is_empty(), "{report}");
        assert_eq!((report.lies_evident, report.lies_named), (0, 0));
    }
}
