//! The server is killed under load, again and again, also with the power: the ledger finds nothing.
#![allow(
    clippy::print_stdout,
    reason = "what a run has judged is worth seeing, and shown only on failure or when asked for"
)]

mod shim;
mod support;

use std::process::Command;
use std::time::Duration;

use shim::Cut;
use support::crowd::Crowd;
use support::ledger::judge;
use support::random::{self, Random};
use support::site::{Server, Site, martletd};
use support::verdict::Verdict;

const PEOPLE: usize = 20;
/// How often the server is killed in one run, unless `MARTLET_TEST_KILLS` asks for more.
const KILLS: usize = 50;

/// EX_IOERR: the exit code after an I/O error, and of a store that is not whole.
const EXIT_IO: i32 = 74;

fn kills() -> usize {
    let asked = std::env::var("MARTLET_TEST_KILLS").ok();
    asked.map_or(KILLS, |text| text.parse().expect("a number of kills"))
}

/// Kills the server [`kills`] times under the load of a crowd, does `after_kill`, checks the data
/// directory and starts the server again. Returns what the ledger says in the end.
fn kill_under_load(
    site: &mut Site,
    program: impl Fn() -> Command,
    after_kill: impl Fn(),
) -> Verdict {
    let seed = random::seed();
    let mut random = Random::new(seed);
    let mut server = site.start(program());
    let mut crowd = Crowd::gather(server.address(), PEOPLE, seed);
    let mut flying_min = u64::MAX;
    for _ in 0..kills() {
        crowd.wait_for_answers(random.below(400));
        std::thread::sleep(Duration::from_millis(random.below(100)));
        flying_min = flying_min.min(crowd.wait_for_flying());
        server.kill();
        after_kill();
        site.verify(program());
        if random.chance(25) {
            // Killed in its recovery, before or after it gets ready.
            let after = Duration::from_millis(random.below(100));
            site.start_and_kill(program(), after);
            after_kill();
            site.verify(program());
        }
        server = site.start(program());
    }
    println!("every kill hit at least {flying_min} messages under way");
    assert!((1..u64::MAX).contains(&flying_min), "a kill hit nothing");
    crowd.settle();
    let verdict = judge(&crowd.disperse());
    end(site, server, program());
    verdict
}

/// An orderly end, after which the data directory is whole as well.
fn end(site: &Site, server: Server, program: Command) {
    server.terminate();
    let status = server.wait();
    assert!(status.success(), "SIGTERM: {status}\n{}", site.log_tail());
    site.verify(program);
}

/// A clean verdict about nothing would prove nothing.
fn assert_not_vacuous(verdict: &Verdict) {
    let counts = verdict.counts;
    println!("{counts:?}");
    assert_eq!(counts.messages, counts.sent);
    assert!(counts.messages > 1_000, "{counts:?}");
    assert!(counts.retries > KILLS, "{counts:?}");
    assert!(counts.repeats_answered > 0, "{counts:?}");
    assert!(counts.receipts > 0 && counts.states > 0, "{counts:?}");
    assert!(counts.connections > KILLS * PEOPLE / 2, "{counts:?}");
}

#[test]
fn nothing_is_lost_or_doubled_when_the_server_is_killed_fifty_times() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(home.path().join("data"), home.path().join("log"));
    let verdict = kill_under_load(&mut site, martletd, || {});
    verdict.assert_clean();
    assert_not_vacuous(&verdict);
}

#[test]
fn nothing_is_lost_or_doubled_when_the_server_is_drained_under_load() {
    let seed = random::seed();
    let home = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(home.path().join("data"), home.path().join("log"));
    let mut server = site.start(martletd());
    let mut crowd = Crowd::gather(server.address(), PEOPLE, seed);
    for _ in 0..5 {
        crowd.wait_for_answers(200);
        end(&site, server, martletd());
        server = site.start(martletd());
    }
    crowd.settle();
    let verdict = judge(&crowd.disperse());
    verdict.assert_clean();
    assert!(
        verdict.counts.connections > 3 * PEOPLE,
        "{:?}",
        verdict.counts
    );
}

#[test]
fn nothing_acknowledged_is_lost_when_the_power_is_cut_fifty_times() {
    let cut = Cut::new();
    let mut site = Site::new(cut.data(), cut.beside("log"));
    let program = || cut.command(martletd().get_program().as_ref());
    let verdict = kill_under_load(&mut site, program, || cut.discard_unsynced());
    verdict.assert_clean();
    assert_not_vacuous(&verdict);
}

/// Lets a crowd talk to a server whose syncs lie for `files`, while half of it is offline, so that
/// messages wait; then cuts the power.
fn talk_to_a_liar(cut: &Cut, site: &mut Site, files: &str) -> Crowd {
    let honest = || cut.command(martletd().get_program().as_ref());
    let seed = random::seed();
    let server = site.start(honest());
    let mut crowd = Crowd::gather(server.address(), PEOPLE, seed);
    crowd.wait_for_answers(200);
    // At the next start everything so far is moved to synced table files: the accounts stay.
    server.kill();
    cut.discard_unsynced();
    let mut lying = honest();
    lying.env("MARTLET_POWERCUT_NOSYNC", files);
    let server = site.start(lying);
    crowd.set_half_asleep(true);
    crowd.wait_for_answers(500);
    server.kill();
    cut.discard_unsynced();
    crowd
}

#[test]
fn the_ledger_notices_what_a_server_without_syncs_loses() {
    let cut = Cut::new();
    let mut site = Site::new(cut.data(), cut.beside("log"));
    let mut crowd = talk_to_a_liar(&cut, &mut site, ".log:MARK");
    let _server = site.start(cut.command(martletd().get_program().as_ref()));
    crowd.set_half_asleep(false);
    crowd.drain();
    let verdict = judge(&crowd.disperse());
    println!("{:?}, lost {}", verdict.counts, verdict.lost());
    assert!(
        verdict.lost() > 0,
        "the control run lost nothing: {:?}",
        verdict.counts
    );
}

#[test]
fn a_server_that_lost_its_log_refuses_to_start_and_says_what_is_missing() {
    let cut = Cut::new();
    let mut site = Site::new(cut.data(), cut.beside("log"));
    let crowd = talk_to_a_liar(&cut, &mut site, ".log");
    let honest = || cut.command(martletd().get_program().as_ref());
    let ended = site
        .try_start(honest())
        .expect_err("it lost what it had acknowledged");
    assert_eq!(ended.status.code(), Some(EXIT_IO), "{}", ended.log);
    assert!(ended.log.contains("commit"), "{}", ended.log);
    // It has not made things worse: the second attempt says the same.
    let again = site.try_start(honest()).expect_err("nothing has come back");
    assert_eq!(again.status.code(), Some(EXIT_IO), "{}", again.log);
    crowd.disperse();
}

#[test]
fn a_failed_sync_ends_the_server_and_no_message_is_called_failed() {
    let cut = Cut::new();
    let mut site = Site::new(cut.data(), cut.beside("log"));
    let program = || cut.command(martletd().get_program().as_ref());
    let seed = random::seed();
    let mut random = Random::new(seed);
    let server = site.start(program());
    let mut crowd = Crowd::gather(server.address(), PEOPLE, seed);
    crowd.wait_for_answers(100);
    server.kill();
    let mut failed_commits = 0;
    for round in 0..8 {
        // The first rounds hit the start of the server, the others its commits.
        let nth = 1 + random.below(50 << round);
        let mut failing = program();
        failing.env("MARTLET_POWERCUT_FAIL_SYNC_AFTER", nth.to_string());
        let status = match site.try_start(failing) {
            Ok(server) => {
                failed_commits += 1;
                server.wait()
            }
            Err(ended) => ended.status,
        };
        assert_eq!(
            status.code(),
            Some(EXIT_IO),
            "sync {nth}\n{}",
            site.log_tail()
        );
        cut.discard_unsynced();
        site.verify(program());
    }
    let server = site.start(program());
    crowd.settle();
    let verdict = judge(&crowd.disperse());
    verdict.assert_clean();
    assert!(failed_commits > 0 && verdict.counts.retries > 0);
    end(&site, server, program());
}
