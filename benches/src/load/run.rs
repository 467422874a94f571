//! A whole run: accounts, connections, warm-up, measurement, report.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, anyhow};

use super::pair::Pair;
use super::worker::{Common, Worker};
use crate::account::{Account, Session};
use crate::clock::Clock;
use crate::mark::{self, RunMark};
use crate::progress::Progress;
use crate::report::{Report, Workload};
use crate::roster;
use crate::schedule::Poisson;
use crate::tally::Tally;
use crate::watch::{Plan, watch};

/// How a run goes.
#[derive(Debug)]
pub struct Settings {
    /// The server.
    pub server: SocketAddr,
    /// What is sent, by how many.
    pub workload: Workload,
    /// Its phases.
    pub plan: Plan,
    /// Seed of the open loop's schedule.
    pub seed: u64,
    /// Generator threads.
    pub threads: usize,
    /// Share of stolen CPU time above which the run is void.
    pub steal_max: f64,
    /// A file to take accounts from and to keep new ones in.
    pub accounts: Option<PathBuf>,
}

/// Connects, runs, and reports.
pub fn run(settings: &Settings) -> Result<Report> {
    let count = settings.workload.pairs * 2;
    let accounts = roster::open(settings.server, count, settings.accounts.as_deref())?;
    let (sessions, ping_interval) = roster::connect(settings.server, &accounts)?;
    let common = Common {
        clock: Clock::start(),
        progress: Arc::new(Progress::new()),
        window: settings.workload.window,
        envelope: mark::payload(settings.workload.payload_bytes),
        mark: RunMark::random()?,
        ping_interval,
    };
    let workers = start_workers(settings, &common, sessions, &accounts)?;
    let watched = watch(&settings.plan, common.clock, &common.progress, &workers);
    let mut tally = Tally::new();
    for worker in workers {
        tally.merge(
            &worker
                .join()
                .map_err(|_| anyhow!("a generator thread panicked"))??,
        );
    }
    Ok(Report::new(
        settings.workload,
        watched?,
        &tally,
        settings.steal_max,
    ))
}

fn start_workers(
    settings: &Settings,
    common: &Common,
    mut sessions: Vec<Session>,
    accounts: &[Account],
) -> Result<Vec<JoinHandle<Result<Tally>>>> {
    let pairs = sessions.iter().zip(accounts).collect::<Vec<_>>();
    let pairs = pairs.chunks_exact(2);
    let mut pairs: Vec<_> = pairs
        .map(|pair| Pair::new(pair[0].0.ready.credit, pair[1].1.address().user))
        .collect();
    let threads = settings.threads.min(pairs.len()).max(1);
    let total = pairs.len();
    let mut workers = Vec::new();
    for index in 0..threads {
        let share = pairs.split_off(pairs.len() - pairs.len() / (threads - index));
        let schedule = settings.workload.rate.map(|rate| {
            let rate = rate * share.len() as f64 / total as f64;
            Poisson::new(settings.seed.wrapping_add(index as u64), rate, share.len())
        });
        let sessions = sessions.split_off(sessions.len() - share.len() * 2);
        let worker = Worker::new(common.clone(), (share, sessions), schedule)?;
        let thread = thread::Builder::new().name(format!("load-{index}"));
        workers.push(
            thread
                .spawn(|| worker.run())
                .context("start a generator thread")?,
        );
    }
    Ok(workers)
}
