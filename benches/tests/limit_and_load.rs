//! The generator against the limit program, both whole: what is counted adds up.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use martlet_bench::load::{Settings, run};
use martlet_bench::relay::{Options, Relay, Summary};
use martlet_bench::report::{Report, Workload};
use martlet_bench::watch::{Length, Plan};

/// Runs the limit program beside `drive` and waits until it ends by itself.
fn with_limit<T>(log: Option<PathBuf>, drive: impl FnOnce(SocketAddr) -> T) -> (T, Summary) {
    let relay = Relay::open(&Options {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        log,
        log_bytes: 1 << 20,
        linger: Duration::from_millis(500),
    });
    let relay = relay.unwrap();
    let address = relay.address().unwrap();
    let server = thread::spawn(|| relay.run().unwrap());
    (drive(address), server.join().unwrap())
}

fn settings(server: SocketAddr, window: usize, rate: Option<f64>) -> Settings {
    Settings {
        server,
        workload: Workload {
            pairs: 5,
            window,
            payload_bytes: 256,
            rate,
        },
        plan: Plan {
            warmup: Duration::from_millis(50),
            length: Length::Messages(2000),
            pid: Some(std::process::id()),
        },
        seed: 1,
        threads: 2,
        steal_max: 1.0,
        accounts: None,
    }
}

fn check(report: &Report) {
    assert!(report.messages >= 2000, "{report}");
    assert_eq!(report.unfinished, 0, "{report}");
    // Every message measured is seen at all three ends.
    let counts = [report.sent.count, report.event.count, report.receipt.count];
    assert!(
        counts.iter().all(|count| *count == report.lateness.count),
        "{report}"
    );
    assert!(
        report.sent.p50_us > 0.0 && report.receipt.p50_us > report.sent.p50_us,
        "{report}"
    );
    assert!(
        report.server_cpu_us.is_some_and(|cpu| cpu >= 0.0),
        "{report}"
    );
}

#[test]
fn every_message_of_a_closed_loop_is_synced_delivered_and_receipted() {
    let directory = tempfile::tempdir().unwrap();
    let log = Some(directory.path().join("log"));
    let (report, summary) = with_limit(log, |server| run(&settings(server, 8, None)).unwrap());
    check(&report);
    assert!(summary.messages >= report.messages);
    assert!(summary.syncs > 0 && summary.syncs <= summary.turns);
}

#[test]
fn an_open_loop_sends_as_much_as_was_planned() {
    let plan = |server| run(&settings(server, 64, Some(4000.0))).unwrap();
    let (report, summary) = with_limit(None, plan);
    check(&report);
    assert_eq!(summary.syncs, 0);
    // 2,000 messages at 4,000 a second take half a second, give or take five deviations; a busy
    // machine takes longer.
    assert!((0.43..1.5).contains(&report.seconds), "{report}");
}

#[test]
fn accounts_are_kept_in_their_file_and_used_again() {
    let directory = tempfile::tempdir().unwrap();
    let accounts = directory.path().join("accounts");
    let (files, _) = with_limit(None, |server| {
        let run_once = || {
            let with_file = Some(accounts.clone());
            check(
                &run(&Settings {
                    accounts: with_file,
                    ..settings(server, 1, None)
                })
                .unwrap(),
            );
            std::fs::read(&accounts).unwrap()
        };
        [run_once(), run_once()]
    });
    assert!(!files[0].is_empty());
    assert_eq!(files[0], files[1]);
}

#[test]
fn a_server_that_is_not_there_is_an_error_and_not_a_figure() {
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
    let error = run(&settings(nobody, 1, None)).unwrap_err();
    assert!(
        error.to_string().contains("connect to 127.0.0.1:1"),
        "{error}"
    );
}
