//! A whole run: accounts, the group, warm-up, measurement, report.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result, anyhow};

use super::found::found;
use super::report::{Crowding, FanoutReport};
use super::worker::Worker;
use crate::clock::Clock;
use crate::mark::{self, RunMark};
use crate::progress::Progress;
use crate::roster;
use crate::schedule::Poisson;
use crate::watch::{Plan, watch};

/// How a run goes.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server.
    pub server: SocketAddr,
    /// What is sent, to how many.
    pub crowding: Crowding,
    /// Its phases.
    pub plan: Plan,
    /// Seed of the open loop's schedule.
    pub seed: u64,
    /// Share of stolen CPU time above which the run is void.
    pub steal_max: f64,
    /// A file to take accounts from and to keep new ones in.
    pub accounts: Option<PathBuf>,
}

/// Registers the members, makes the group, connects, runs, and reports.
///
/// # Errors
/// When the server refuses something, is lost, or breaks a promise.
pub fn run(settings: &Settings) -> Result<FanoutReport> {
    let crowding = settings.crowding;
    let accounts = roster::open(
        settings.server,
        crowding.members,
        settings.accounts.as_deref(),
    )?;
    let founded = found(settings.server, &accounts)?;
    let (sessions, ping_interval) = roster::connect(settings.server, &accounts)?;
    let (clock, progress) = (Clock::start(), Arc::new(Progress::new()));
    let worker = Worker::new(
        (clock, Arc::clone(&progress)),
        founded,
        (sessions, ping_interval),
        (RunMark::random()?, mark::payload(crowding.payload_bytes)),
        crowding
            .rate
            .map(|rate| Poisson::new(settings.seed, rate, crowding.members))
            .ok_or(crowding.window),
    )?;
    let thread = thread::Builder::new().name("fanout".to_owned());
    let worker = thread.spawn(|| worker.run());
    let workers = [worker.context("start the generator's thread")?];
    let watched = watch(&settings.plan, clock, &progress, &workers);
    let [worker] = workers;
    let tally = worker.join();
    let tally = tally.map_err(|_| anyhow!("the generator's thread panicked"))??;
    let report = FanoutReport::new(crowding, watched?, &tally, settings.steal_max);
    Ok(report)
}
