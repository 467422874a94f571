//! What is told of a run, and when it does not count.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::report::{Cost, Soundness, write_latencies};
use crate::tally::{Latency, Percentiles};

/// What is sent, and to how many.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Crowding {
    /// Members of the group, all of them connected.
    pub members: usize,
    /// Most messages on their way at a time, in the closed loop.
    pub window: usize,
    /// Bytes of each payload.
    pub payload_bytes: usize,
    /// Intended messages per second of the open loop; none = closed loop.
    pub rate: Option<f64>,
}

/// What the generator counted.
#[derive(Debug)]
pub(super) struct FanoutTally {
    /// From the intended time to GROUP_SENT.
    pub(super) sent: Latency,
    /// To the first member that has it.
    pub(super) first: Latency,
    /// To the last one.
    pub(super) last: Latency,
    /// To the moment the frame was handed over.
    pub(super) lateness: Latency,
    /// Messages on their way, or waiting to leave, when the run gave up on them.
    pub(super) unfinished: u64,
    /// Whether the group's entries came by its own stream.
    pub(super) is_streamed: bool,
}

/// One measured run. Latencies are from the time a message was meant to leave.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct FanoutReport {
    /// What was sent.
    pub crowding: Crowding,
    /// Whether by the group's own stream (fan-out on read) or by the inboxes (on write).
    pub is_streamed: bool,
    /// Length of the measurement in seconds.
    pub seconds: f64,
    /// Messages that came to a member other than their author.
    pub deliveries: u64,
    /// The same per second.
    pub deliveries_per_second: f64,
    /// Deliveries for each second of CPU time of the server process, user and system.
    pub deliveries_per_cpu_second: Option<f64>,
    /// Share of one CPU that the generator used.
    pub generator_busy: f64,
    /// To GROUP_SENT at the author.
    pub sent: Percentiles,
    /// To the first member.
    pub first: Percentiles,
    /// To the last member.
    pub last: Percentiles,
    /// What of the above is the generator's.
    pub lateness: Percentiles,
    /// Messages that some member had not long after the end.
    pub unfinished: u64,
    /// Share of the machine's CPU time that the hypervisor gave to others.
    pub steal: f64,
    /// Why this run does not count; empty = it does.
    pub void: Vec<String>,
}

impl FanoutTally {
    pub(super) fn new() -> Self {
        Self {
            sent: Latency::new(),
            first: Latency::new(),
            last: Latency::new(),
            lateness: Latency::new(),
            unfinished: 0,
            is_streamed: false,
        }
    }
}

impl FanoutReport {
    pub(super) fn new(crowding: Crowding, cost: Cost, tally: &FanoutTally, steal_max: f64) -> Self {
        let seconds = cost.elapsed.as_secs_f64();
        let deliveries = cost.messages as f64;
        let cpu_seconds = cost.server_cpu.map(|cpu| cpu.as_secs_f64());
        let mut report = Self {
            crowding,
            is_streamed: tally.is_streamed,
            seconds,
            deliveries: cost.messages,
            deliveries_per_second: deliveries / seconds,
            deliveries_per_cpu_second: cpu_seconds
                .filter(|cpu| *cpu > 0.0)
                .map(|cpu| deliveries / cpu),
            generator_busy: cost.generator_cpu.as_secs_f64() / seconds,
            sent: tally.sent.percentiles(),
            first: tally.first.percentiles(),
            last: tally.last.percentiles(),
            lateness: tally.lateness.percentiles(),
            unfinished: tally.unfinished,
            steal: cost.steal.as_secs_f64() / (seconds * cost.cpus as f64),
            void: Vec::new(),
        };
        let lateness = crowding.rate.map(|_| (report.lateness, report.last));
        let soundness = Soundness {
            count: report.deliveries,
            unfinished: report.unfinished,
            steal: report.steal,
            lateness,
        };
        report.void = soundness.void_reasons(steal_max);
        report
    }
}

impl fmt::Display for FanoutReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pace = match self.crowding.rate {
            Some(rate) => format!("open loop, {rate} messages/s intended"),
            None => format!("closed loop, window {}", self.crowding.window),
        };
        let way = if self.is_streamed {
            "its own stream"
        } else {
            "the inboxes"
        };
        writeln!(
            f,
            "{} members by {way}, {} B, {pace}, {:.1} s",
            self.crowding.members, self.crowding.payload_bytes, self.seconds
        )?;
        writeln!(
            f,
            "deliveries        {:>12} {:>10.0}/s",
            self.deliveries, self.deliveries_per_second
        )?;
        match self.deliveries_per_cpu_second {
            Some(each) => writeln!(
                f,
                "server CPU        {each:>12.0} deliveries per second of it"
            )?,
            None => writeln!(
                f,
                "server CPU             unknown: give its process with --pid"
            )?,
        }
        writeln!(
            f,
            "generator         {:>12.0} % of a CPU",
            self.generator_busy * 100.0
        )?;
        write_latencies(
            f,
            &[
                ("SENT", self.sent),
                ("first", self.first),
                ("last", self.last),
                ("lateness", self.lateness),
            ],
        )?;
        write!(f, "unfinished {}", self.unfinished)?;
        for reason in &self.void {
            write!(f, "\nVOID: {reason}")?;
        }
        Ok(())
    }
}
