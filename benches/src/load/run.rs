//! A whole run: accounts, connections, warm-up, measurement, report.

use std::net::SocketAddr;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use aws_lc_rs::rand;
use bytes::Bytes;

use super::pair::{Pair, RunMark};
use super::progress::Progress;
use super::worker::{Common, Worker};
use crate::account::{Account, Greeting, Session};
use crate::clock::{Clock, Nanos};
use crate::proc;
use crate::report::{Cost, Report, Workload};
use crate::roster;
use crate::schedule::{Poisson, Random};
use crate::tally::Tally;

/// How a run goes.
#[derive(Debug)]
pub struct Settings {
    /// The server.
    pub server: SocketAddr,
    /// What is sent, by how many.
    pub workload: Workload,
    /// How long it is measured.
    pub length: Length,
    /// How long it runs before it is measured.
    pub warmup: Duration,
    /// Seed of the open loop's schedule.
    pub seed: u64,
    /// The server's process.
    pub pid: Option<u32>,
    /// Generator threads.
    pub threads: usize,
    /// Share of stolen CPU time above which the run is void.
    pub steal_max: f64,
    /// A file to take accounts from and to keep new ones in.
    pub accounts: Option<PathBuf>,
}

/// When the measurement ends.
#[derive(Clone, Copy, Debug)]
pub enum Length {
    /// After so many complete messages.
    Messages(u64),
    /// After this time.
    Time(Duration),
}

/// Connects, runs, and reports.
pub fn run(settings: &Settings) -> Result<Report> {
    let count = settings.workload.pairs * 2;
    let accounts = roster::open(settings.server, count, settings.accounts.as_deref())?;
    let (sessions, idle_ms) = sessions(settings.server, &accounts)?;
    let mut mark = [0; 5];
    rand::fill(&mut mark).map_err(|_| anyhow!("no random bytes"))?;
    let common = Common {
        clock: Clock::start(),
        progress: Arc::new(Progress::new()),
        window: settings.workload.window,
        envelope: envelope(settings.workload.payload_bytes),
        mark: RunMark(mark),
        ping_interval: Duration::from_millis(idle_ms / 2),
    };
    let workers = start_workers(settings, &common, sessions)?;
    let watched = watch(settings, &common, &workers);
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

/// Connected pairs, and the shortest time in milliseconds that the server tolerates silence.
fn sessions(server: SocketAddr, accounts: &[Account]) -> Result<(Vec<Pair>, u64)> {
    let mut idle_ms = u64::MAX;
    let mut pairs = Vec::new();
    for pair in accounts.chunks_exact(2) {
        let mut open = |account: &Account| -> Result<Session> {
            let session = account.authenticate(Greeting::connect(server, None)?)?;
            idle_ms = idle_ms.min(session.ready.idle_ms);
            Ok(session)
        };
        let (sender, recipient) = (open(&pair[0])?, open(&pair[1])?);
        pairs.push(Pair::new(sender, recipient, &pair[1]).context("set up a pair")?);
    }
    Ok((pairs, idle_ms))
}

fn envelope(bytes: usize) -> Bytes {
    // Not all zeros: a store that compresses would look better than it is.
    let mut random = Random::new(bytes as u64);
    (0..bytes).map(|_| random.next_u64() as u8).collect()
}

fn start_workers(
    settings: &Settings,
    common: &Common,
    mut pairs: Vec<Pair>,
) -> Result<Vec<JoinHandle<Result<Tally>>>> {
    let threads = settings.threads.min(pairs.len()).max(1);
    let total = pairs.len();
    let mut workers = Vec::new();
    for index in 0..threads {
        let share = pairs.split_off(pairs.len() - pairs.len() / (threads - index));
        let schedule = settings.workload.rate.map(|rate| {
            let rate = rate * share.len() as f64 / total as f64;
            Poisson::new(settings.seed.wrapping_add(index as u64), rate, share.len())
        });
        let worker = Worker::new(common.clone(), share, schedule)?;
        let thread = thread::Builder::new().name(format!("load-{index}"));
        workers.push(
            thread
                .spawn(|| worker.run())
                .context("start a generator thread")?,
        );
    }
    Ok(workers)
}

/// Leads the run through its phases and reads what it costs at both ends of the measurement.
fn watch(
    settings: &Settings,
    common: &Common,
    workers: &[JoinHandle<Result<Tally>>],
) -> Result<Cost> {
    let (clock, progress) = (common.clock, &common.progress);
    let ended = || workers.iter().any(JoinHandle::is_finished);
    let wait_until = |over: &dyn Fn() -> bool| {
        while !over() && !ended() {
            thread::sleep(WATCH_INTERVAL);
        }
    };
    let measured = (|| {
        let from = Nanos::from_start(settings.warmup);
        wait_until(&|| clock.now() >= from);
        let start = clock.now().plus(NOTICE);
        progress.measure(start);
        wait_until(&|| clock.now() >= start);
        let before = Readings::take(settings.pid)?;
        let (start, completed) = (clock.now(), progress.completed());
        wait_until(&|| match settings.length {
            Length::Messages(count) => progress.completed() - completed >= count,
            Length::Time(time) => clock.now() >= start.plus(time),
        });
        let messages = progress.completed() - completed;
        let elapsed = clock.now() - start;
        Ok(Readings::take(settings.pid)?.cost(&before, messages, elapsed))
    })();
    // In any case: workers that are not told would run for ever.
    let now = clock.now();
    progress.stop(now, now.plus(PATIENCE));
    measured
}

struct Readings {
    server_cpu: Option<Duration>,
    generator_cpu: Duration,
    steal: Duration,
}

impl Readings {
    fn take(pid: Option<u32>) -> Result<Self> {
        Ok(Self {
            server_cpu: pid.map(proc::cpu_time).transpose()?,
            generator_cpu: proc::cpu_time(std::process::id())?,
            steal: proc::steal_time()?,
        })
    }

    fn cost(self, before: &Self, messages: u64, elapsed: Duration) -> Cost {
        let server_cpu = self.server_cpu.zip(before.server_cpu);
        Cost {
            elapsed,
            messages,
            server_cpu: server_cpu.map(|(after, before)| after.saturating_sub(before)),
            generator_cpu: self.generator_cpu.saturating_sub(before.generator_cpu),
            steal: self.steal.saturating_sub(before.steal),
            cpus: thread::available_parallelism().map_or(1, NonZero::get),
        }
    }
}

/// How long before it the workers know when the measurement begins.
const NOTICE: Duration = Duration::from_millis(20);

const WATCH_INTERVAL: Duration = Duration::from_millis(5);

/// How long after the end a message may still get its receipt.
const PATIENCE: Duration = Duration::from_secs(10);
