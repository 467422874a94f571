//! One measurement: a fresh server, the generator against it, its report.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

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
    /// The server's CPU.
    pub server_cpu: usize,
    /// The generator's CPU.
    pub load_cpu: usize,
}

/// What one candidate did in one round at one window.
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
pub fn measure(plan: &Plan, round: usize, window: usize, candidate: Candidate) -> Result<Sample> {
    let data = plan
        .data
        .join(format!("round-{round}-window-{window}-{candidate}"));
    fs::create_dir_all(&data).with_context(|| format!("create {}", data.display()))?;
    let server = candidate.start(&plan.programs, &data, plan.server_cpu)?;
    let output = Command::new(&plan.programs.load)
        .args(["--server", &server.address.to_string()])
        .args(["--pid", &server.pid().to_string()])
        .args(["--pairs", &plan.pairs.to_string()])
        .args(["--window", &window.to_string()])
        .args(["--payload", &plan.payload_bytes.to_string()])
        .args(["--seconds", &plan.seconds.to_string()])
        .args(["--warmup", &plan.warmup.to_string()])
        .args(["--cpu", &plan.load_cpu.to_string()])
        .arg("--json")
        .stderr(Stdio::inherit())
        .output()
        .context("start the generator")?;
    drop(server);
    fs::remove_dir_all(&data).with_context(|| format!("remove {}", data.display()))?;
    if output.stdout.is_empty() {
        bail!("the generator failed against {candidate} at window {window}");
    }
    // A void run ends with status 1 and a report that says why.
    let report = serde_json::from_slice(&output.stdout).context("understand the generator")?;
    Ok(Sample {
        round,
        candidate,
        report,
    })
}
