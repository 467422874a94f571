//! What the committer announces is durable, in order, and nothing waits for more than it must.

#![cfg(feature = "rocksdb")]
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use martlet_store::rocks::{Committer, Durable, Engine, PageRequest, Readers};
use martlet_store::{Batch, View};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);

struct Bench {
    engine: Arc<Engine>,
    /// Removed behind the engine, which ends the process when its directory goes.
    _directory: TempDir,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let engine = Arc::new(support::open(directory.path()).unwrap());
        Self {
            engine,
            _directory: directory,
        }
    }

    /// A committer for `reactors` reactors that sends what it announces to the channel.
    fn committer(&self, reactors: usize) -> (Committer, mpsc::Receiver<Durable>) {
        let (sender, receiver) = mpsc::channel();
        let wake = Box::new(move |durable| sender.send(durable).unwrap_or_default());
        let committer = Committer::spawn(Arc::clone(&self.engine), reactors, wake).unwrap();
        (committer, receiver)
    }
}

#[test]
fn a_ticket_is_announced_only_when_its_rows_are_committed() {
    let bench = Bench::new();
    let engine = Arc::clone(&bench.engine);
    let seen = Arc::new(AtomicU64::new(0));
    let theirs = Arc::clone(&seen);
    let wake = Box::new(move |durable: Durable| {
        assert_eq!(
            support::get(&engine, durable.ticket),
            Some(support::value_of(durable.ticket))
        );
        theirs.store(durable.ticket, Ordering::SeqCst);
    });
    let committer = Committer::spawn(Arc::clone(&bench.engine), 1, wake).unwrap();
    for ticket in 1..=200 {
        committer.submit(0, ticket, &support::batch(ticket));
    }
    drop(committer);
    // Closing commits and announces all that has queued.
    assert_eq!(seen.load(Ordering::SeqCst), 200);
    support::assert_rows(&bench.engine, 200);
}

#[test]
fn reactors_share_commits_and_each_learns_its_own_tickets_in_order() {
    const REACTORS: usize = 4;
    const TURNS: u64 = 500;
    let bench = Bench::new();
    let (committer, announced) = bench.committer(REACTORS);
    std::thread::scope(|scope| {
        for reactor in 0..REACTORS {
            let committer = &committer;
            scope.spawn(move || {
                for ticket in 1..=TURNS {
                    committer.submit(reactor, ticket, &support::batch(ticket));
                }
            });
        }
    });
    let mut newest = [0; REACTORS];
    while newest != [TURNS; REACTORS] {
        let durable = announced.recv_timeout(PATIENCE).unwrap();
        assert!(
            durable.ticket > newest[durable.reactor],
            "{durable:?} after {newest:?}"
        );
        newest[durable.reactor] = durable.ticket;
    }
    let stats = committer.stats();
    let turns = TURNS * REACTORS as u64;
    assert_eq!(stats.ops, 2 * turns);
    assert!(
        stats.commits < turns / 4,
        "{} commits for {turns} turns",
        stats.commits
    );
    assert_eq!(stats.commits, bench.engine.newest().0);
    assert_eq!(committer.queued_bytes(), 0);
}

#[test]
fn a_turn_without_rows_waits_for_the_rows_before_it() {
    let bench = Bench::new();
    let (committer, announced) = bench.committer(2);
    committer.submit(0, 1, &support::batch(1));
    committer.submit(1, 1, &Batch::new());
    let mut order = Vec::new();
    for _ in 0..2 {
        let durable = announced.recv_timeout(PATIENCE).unwrap();
        assert_eq!(support::get(&bench.engine, 1), Some(support::value_of(1)));
        order.push(durable.reactor);
    }
    assert_eq!(order, [0, 1]);
    // With nothing before it, it costs no commit.
    committer.submit(1, 2, &Batch::new());
    assert_eq!(announced.recv_timeout(PATIENCE).unwrap().ticket, 2);
    assert_eq!(bench.engine.newest().0, 1);
}

#[test]
fn a_commit_is_bounded_and_a_larger_batch_still_passes() {
    let bench = Bench::new();
    let (committer, announced) = bench.committer(1);
    let mut large = Batch::new();
    for number in 0..40 {
        large.put(&support::key_of(number), &[7; 64 << 10]);
    }
    for ticket in 1..=5 {
        committer.submit(0, ticket, &large);
    }
    while announced.recv_timeout(PATIENCE).unwrap().ticket < 5 {}
    assert_eq!(committer.stats().commits, 5);
    assert_eq!(committer.stats().bytes, 5 * large.byte_len() as u64);
}

#[test]
fn readers_answer_pages_and_refuse_more_than_fits_their_queue() {
    let bench = Bench::new();
    for number in 1..=20 {
        bench.engine.commit(&support::batch(number)).unwrap();
    }
    let request = PageRequest {
        from: support::key_of(4),
        to: support::key_of(16),
        rows_max: 2,
        bytes_max: usize::MAX,
    };
    let readers = Readers::spawn(&bench.engine, 1, 2).unwrap();
    let (sender, receiver) = mpsc::channel();
    let (hold, held) = mpsc::channel::<()>();
    // The first request keeps the only thread busy while the queue fills.
    let (started, has_started) = mpsc::channel();
    assert!(readers.load(request.clone(), move |_| {
        started.send(()).unwrap();
        held.recv().unwrap_err();
    }));
    has_started.recv_timeout(PATIENCE).unwrap();
    for _ in 0..2 {
        let sender = sender.clone();
        assert!(readers.load(request.clone(), move |rows| sender.send(rows).unwrap()));
    }
    assert!(!readers.load(request.clone(), |_| panic!(
        "refused requests are never answered"
    )));
    drop(hold);
    let expected = bench.engine.scan(&request.from, &request.to, 2, usize::MAX);
    assert_eq!(expected[1].1, support::value_of(8));
    for _ in 0..2 {
        assert_eq!(receiver.recv_timeout(PATIENCE).unwrap(), expected);
    }
}
