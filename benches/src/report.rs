//! What is told of a run, for people and as JSON, and when a run does not count.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::tally::{Percentiles, Tally};

/// One measured run of the generator against one server. Latencies are from the time a message
/// was meant to leave.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Report {
    /// Pairs of accounts.
    pub pairs: usize,
    /// Most messages of a pair on their way at a time.
    pub window: usize,
    /// Bytes of each payload.
    pub payload_bytes: usize,
    /// Intended messages per second of the open loop; none = closed loop.
    pub rate: Option<f64>,
    /// Length of the measurement in seconds.
    pub seconds: f64,
    /// Messages that were complete (SEND to receipt) in that time.
    pub messages: u64,
    /// The same per second.
    pub messages_per_second: f64,
    /// CPU time of the server process per complete message, user and system, in microseconds.
    pub server_cpu_us: Option<f64>,
    /// CPU time of the generator per complete message, in microseconds.
    pub generator_cpu_us: f64,
    /// Share of one CPU that the generator used; near its number of threads, the figures are its
    /// own and not the server's.
    pub generator_busy: f64,
    /// To SENT at the sender.
    pub sent: Percentiles,
    /// To EVENT at the recipient.
    pub event: Percentiles,
    /// To the receipt at the sender.
    pub receipt: Percentiles,
    /// To the moment the frame was handed over: what of the above is the generator's.
    pub lateness: Percentiles,
    /// The most messages that waited for a place in their pair's window at one time.
    pub waiting_max: u64,
    /// Messages without a receipt long after the end.
    pub unfinished: u64,
    /// Share of the machine's CPU time that the hypervisor gave to others.
    pub steal: f64,
    /// Why this run does not count; empty = it does.
    pub void: Vec<String>,
}

/// What one measurement window took, as read at its two ends.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Its length.
    pub elapsed: Duration,
    /// Complete messages in it.
    pub messages: u64,
    /// CPU time of the server, if its process is known.
    pub server_cpu: Option<Duration>,
    /// CPU time of the generator.
    pub generator_cpu: Duration,
    /// Stolen time of all CPUs.
    pub steal: Duration,
    /// CPUs of the machine.
    pub cpus: usize,
}

/// The workload that a report is of.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    pub pairs: usize,
    pub window: usize,
    pub payload_bytes: usize,
    pub rate: Option<f64>,
}

impl Report {
    /// Puts together what was counted and what it took, and decides whether it counts.
    /// `steal_max` is the share of stolen time above which it does not.
    pub fn new(workload: Workload, cost: Cost, tally: &Tally, steal_max: f64) -> Self {
        let per_message = |cpu: Duration| cpu.as_secs_f64() * 1e6 / cost.messages.max(1) as f64;
        let seconds = cost.elapsed.as_secs_f64();
        let mut report = Self {
            pairs: workload.pairs,
            window: workload.window,
            payload_bytes: workload.payload_bytes,
            rate: workload.rate,
            seconds,
            messages: cost.messages,
            messages_per_second: cost.messages as f64 / seconds,
            server_cpu_us: cost.server_cpu.map(per_message),
            generator_cpu_us: per_message(cost.generator_cpu),
            generator_busy: cost.generator_cpu.as_secs_f64() / seconds,
            sent: tally.sent.percentiles(),
            event: tally.event.percentiles(),
            receipt: tally.receipt.percentiles(),
            lateness: tally.lateness.percentiles(),
            waiting_max: tally.waiting_max,
            unfinished: tally.unfinished,
            steal: cost.steal.as_secs_f64() / (seconds * cost.cpus as f64),
            void: Vec::new(),
        };
        report.void = report.soundness().void_reasons(steal_max);
        report
    }

    fn soundness(&self) -> Soundness {
        // In the closed loop a message is meant to leave when there is room for it: never late.
        let lateness = self.rate.map(|_| (self.lateness, self.receipt));
        Soundness {
            count: self.messages,
            unfinished: self.unfinished,
            steal: self.steal,
            lateness,
        }
    }
}

/// What decides whether a run counts.
#[derive(Clone, Copy, Debug)]
pub struct Soundness {
    /// What was complete.
    pub count: u64,
    /// What never was.
    pub unfinished: u64,
    /// Share of the machine's CPU time that the hypervisor gave to others.
    pub steal: f64,
    /// In the open loop: how late messages left, and how long all took.
    pub lateness: Option<(Percentiles, Percentiles)>,
}

impl Soundness {
    /// Why the run does not count; empty = it does. The rules are fixed before any run: a round
    /// that breaks one counts for no candidate.
    pub fn void_reasons(&self, steal_max: f64) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.count == 0 {
            reasons.push("no message was complete".to_owned());
        }
        if self.unfinished > 0 {
            reasons.push(format!("{} messages never were complete", self.unfinished));
        }
        if self.steal > steal_max {
            reasons.push(format!(
                "{:.1} % of the CPU time was stolen",
                self.steal * 100.0
            ));
        }
        if let Some((late, all)) = self.lateness
            && late.p99_us > all.p99_us * LATENESS_MAX
        {
            let p99 = late.p99_us;
            reasons.push(format!("the generator was late (p99 {p99:.0} µs)"));
        }
        reasons
    }
}

/// Writes distributions as a table with a row each.
pub fn write_latencies(f: &mut fmt::Formatter<'_>, rows: &[(&str, Percentiles)]) -> fmt::Result {
    writeln!(
        f,
        "{:<11}{:>10}{:>10}{:>10}{:>10}{:>10}",
        "µs", "p50", "p90", "p99", "p99.9", "max"
    )?;
    for (name, points) in rows {
        writeln!(
            f,
            "{name:<11}{:>10.0}{:>10.0}{:>10.0}{:>10.0}{:>10.0}",
            points.p50_us, points.p90_us, points.p99_us, points.p999_us, points.max_us
        )?;
    }
    Ok(())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pace = match self.rate {
            Some(rate) => format!("open loop, {rate} messages/s intended"),
            None => "closed loop".to_owned(),
        };
        writeln!(
            f,
            "{} pairs, window {}, {} B, {pace}, {:.1} s",
            self.pairs, self.window, self.payload_bytes, self.seconds
        )?;
        writeln!(
            f,
            "messages          {:>12} {:>10.0}/s",
            self.messages, self.messages_per_second
        )?;
        match self.server_cpu_us {
            Some(cpu) => writeln!(f, "server CPU        {cpu:>12.2} µs per message")?,
            None => writeln!(
                f,
                "server CPU             unknown: give its process with --pid"
            )?,
        }
        writeln!(
            f,
            "generator CPU     {:>12.2} µs per message, {:.0} % of a CPU",
            self.generator_cpu_us,
            self.generator_busy * 100.0
        )?;
        write_latencies(
            f,
            &[
                ("SENT", self.sent),
                ("EVENT", self.event),
                ("receipt", self.receipt),
                ("lateness", self.lateness),
            ],
        )?;
        write!(
            f,
            "waiting {} at most, unfinished {}",
            self.waiting_max, self.unfinished
        )?;
        for reason in &self.void {
            write!(f, "\nVOID: {reason}")?;
        }
        Ok(())
    }
}

/// The generator's p99 lateness may be this share of the p99 it reports.
const LATENESS_MAX: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;

    fn report(rate: Option<f64>, change: impl FnOnce(&mut Cost, &mut Tally)) -> Report {
        let workload = Workload {
            pairs: 2,
            window: 1,
            payload_bytes: 256,
            rate,
        };
        let mut cost = Cost {
            elapsed: Duration::from_secs(2),
            messages: 1000,
            server_cpu: Some(Duration::from_millis(50)),
            generator_cpu: Duration::from_secs(1),
            steal: Duration::from_millis(40),
            cpus: 2,
        };
        let mut tally = Tally::new();
        tally.receipt.record(Duration::from_micros(1000));
        change(&mut cost, &mut tally);
        Report::new(workload, cost, &tally, 0.02)
    }

    #[test]
    fn cost_is_per_complete_message() {
        let report = report(None, |_, _| {});
        assert_eq!(report.server_cpu_us, Some(50.0));
        assert_eq!(
            (report.generator_cpu_us, report.generator_busy),
            (1000.0, 0.5)
        );
        assert_eq!((report.messages_per_second, report.steal), (500.0, 0.01));
        assert!(report.void.is_empty(), "{:?}", report.void);
    }

    #[test]
    fn a_run_with_a_lost_message_or_stolen_time_or_nothing_in_it_is_void() {
        assert_eq!(report(None, |_, tally| tally.unfinished = 1).void.len(), 1);
        let stolen = report(None, |cost, _| cost.steal = Duration::from_millis(90));
        assert_eq!(stolen.void.len(), 1);
        assert_eq!(report(None, |cost, _| cost.messages = 0).void.len(), 1);
    }

    #[test]
    fn a_late_generator_voids_the_open_loop_only() {
        let late = |_: &mut Cost, tally: &mut Tally| {
            tally.lateness.record(Duration::from_micros(150));
        };
        assert_eq!(report(Some(500.0), late).void.len(), 1);
        assert!(report(None, late).void.is_empty());
    }

    #[test]
    fn a_report_survives_the_way_through_json() {
        let report = report(Some(1000.0), |_, _| {});
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    }
}
