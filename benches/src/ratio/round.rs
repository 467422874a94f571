//! One measurement: a fresh server, the generator against it, its report.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::candidate::{Candidate, Programs};
use crate::report::Report;

/// What is measured, how often, and where.
#[derive(Debug)]
pub struct Plan {
    /// The programs.
    pub programs: Programs,
    /// A directory on the disk to be measured; each measurement gets an empty one in it.
    pub data: PathBuf,
    /// Pairs of accounts.
    pub pairs: u32,
    /// Bytes of each payload.
    pub payload_bytes: usize,
    /// Seconds of each measurement.
    pub seconds: f64,
    /// Seconds before each measurement.
    pub warmup: f64,
    /// Percent of stolen CPU time above which a measurement is void.
    pub steal_max: f64,
    /// The server's CPU.
    pub server_cpu: usize,
    /// The generator's CPU.
    pub load_cpu: usize,
}

/// How fast messages are sent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub enum Pace {
    /// Closed loop: so many messages of a pair on their way at a time.
    Window(usize),
    /// Open loop: so many messages per second, all pairs together.
    Rate(f64),
}

impl Pace {
    fn arguments(self) -> [String; 2] {
        match self {
            Self::Window(window) => ["--window".to_owned(), window.to_string()],
            Self::Rate(rate) => ["--rate".to_owned(), rate.to_string()],
        }
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Window(window) => write!(f, "window {window}"),
            Self::Rate(rate) => write!(f, "{rate} messages/s"),
        }
    }
}

/// What one candidate did in one round at one pace.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Which round.
    pub round: usize,
    /// Which server.
    pub candidate: Candidate,
    /// What the generator reported.
    pub report: Report,
}

/// Runs one candidate once.
pub fn measure(plan: &Plan, round: usize, pace: Pace, candidate: Candidate) -> Result<Sample> {
    let data = plan.data.join(candidate.to_string());
    fs::create_dir_all(&data).with_context(|| format!("create {}", data.display()))?;
    let server = candidate.start(&plan.programs, &data, plan.server_cpu)?;
    let output = Command::new(&plan.programs.load)
        .args(["--server", &server.address.to_string()])
        .args(["--pid", &server.pid().to_string()])
        .args(["--pairs", &plan.pairs.to_string()])
        .args(pace.arguments())
        .args(["--payload", &plan.payload_bytes.to_string()])
        .args(["--seconds", &plan.seconds.to_string()])
        .args(["--warmup", &plan.warmup.to_string()])
        .args(["--steal-max", &plan.steal_max.to_string()])
        .args(["--cpu", &plan.load_cpu.to_string()])
        .arg("--json")
        .stderr(Stdio::inherit())
        .output()
        .context("start the generator")?;
    drop(server);
    fs::remove_dir_all(&data).with_context(|| format!("remove {}", data.display()))?;
    if output.stdout.is_empty() {
        bail!("the generator failed against {candidate} at {pace}");
    }
    // A void run ends with status 1 and a report that says why.
    let report = serde_json::from_slice(&output.stdout).context("understand the generator")?;
    Ok(Sample {
        round,
        candidate,
        report,
    })
}
