//! A run's phases, and what it costs between the ends of its measurement.

use std::num::NonZero;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Result;

use crate::clock::{Clock, Nanos};
use crate::proc;
use crate::progress::Progress;
use crate::report::Cost;

/// When the measurement ends.
#[derive(Clone, Copy, Debug)]
pub enum Length {
    /// After so many complete messages.
    Messages(u64),
    /// After this time.
    Time(Duration),
}

/// How a run is led.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How long it runs before it is measured.
    pub warmup: Duration,
    /// How long it is measured.
    pub length: Length,
    /// The server's process.
    pub pid: Option<u32>,
}

/// Leads a run through its phases and reads what it costs at both ends of the measurement.
///
/// # Errors
/// When what a process costs cannot be read.
pub fn watch<T>(
    plan: &Plan,
    clock: Clock,
    progress: &Progress,
    workers: &[JoinHandle<T>],
) -> Result<Cost> {
    let ended = || workers.iter().any(JoinHandle::is_finished);
    let wait_until = |over: &dyn Fn() -> bool| {
        while !over() && !ended() {
            thread::sleep(WATCH_INTERVAL);
        }
    };
    let measured = (|| {
        let from = Nanos::from_start(plan.warmup);
        wait_until(&|| clock.now() >= from);
        let start = clock.now().plus(NOTICE);
        progress.measure(start);
        wait_until(&|| clock.now() >= start);
        let before = Readings::take(plan.pid)?;
        let (start, completed) = (clock.now(), progress.completed());
        wait_until(&|| match plan.length {
            Length::Messages(count) => progress.completed() - completed >= count,
            Length::Time(time) => clock.now() >= start.plus(time),
        });
        let messages = progress.completed() - completed;
        let elapsed = clock.now() - start;
        Ok(Readings::take(plan.pid)?.cost(&before, messages, elapsed))
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
