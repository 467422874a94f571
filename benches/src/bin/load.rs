//! The load generator: direct messages in pairs, from SEND to the receipt, against any server
//! that speaks the protocol (`martletd` or `limit`).
//!
//! It registers accounts A and B for each pair. A sends to B, B acknowledges, and the message is
//! complete when the delivery receipt is back at A. Without `--rate` the loop is closed: each pair
//! keeps `--window` messages on their way. With `--rate` it is open: messages are planned by a
//! seeded Poisson process over all pairs and measured from the planned time, however late they
//! leave. A refused SEND, a lost connection or a broken promise (order, exactly once, a receipt
//! before its event) ends the run with status 1; so does a void run (see the last lines).
//!
//! `load --server 127.0.0.1:7400 --pid $(pidof martletd) --pairs 100 --window 8 --cpu 0`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use martlet_bench::load::{Settings, run};
use martlet_bench::output;
use martlet_bench::report::Workload;
use martlet_bench::sys;
use martlet_bench::watch::{Length, Plan};
use martlet_protocol::limits::ENVELOPE_BYTES_MAX;

/// Sends direct messages between pairs of accounts and reports latency and the server's CPU time.
#[derive(Debug, Parser)]
struct Arguments {
    /// Address of the server (plain TCP).
    #[arg(long, default_value = "127.0.0.1:7400")]
    server: SocketAddr,
    /// Pairs of accounts; each takes two connections.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pairs: u32,
    /// Most messages of a pair on their way at a time [default: 1, with --rate 1024]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    window: Option<u32>,
    /// Bytes of each message's payload.
    #[arg(long, default_value_t = 256, value_parser = payload_bytes)]
    payload: usize,
    /// Length of the measurement in seconds.
    #[arg(long, default_value_t = 10.0, value_parser = seconds)]
    seconds: f64,
    /// Seconds to run before the measurement.
    #[arg(long, default_value_t = 2.0, value_parser = seconds)]
    warmup: f64,
    /// End the measurement after so many messages instead.
    #[arg(long, conflicts_with = "seconds")]
    messages: Option<u64>,
    /// Open loop: planned messages per second, all pairs together.
    #[arg(long, value_parser = rate)]
    rate: Option<f64>,
    /// Seed of the open loop's plan.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Process of the server, to report its CPU time per message.
    #[arg(long)]
    pid: Option<u32>,
    /// Bind the generator to this CPU.
    #[arg(long)]
    cpu: Option<usize>,
    /// Generator threads.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    threads: u8,
    /// Percent of the machine's CPU time that the hypervisor may give to others before the run is
    /// void.
    #[arg(long, default_value_t = 2.0)]
    steal_max: f64,
    /// Take accounts from this file if it exists, and keep new ones in it.
    #[arg(long)]
    accounts: Option<PathBuf>,
    /// Report as one JSON object on one line.
    #[arg(long)]
    json: bool,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(cpu) = arguments.cpu {
        sys::pin_to_cpu(cpu).with_context(|| format!("bind to CPU {cpu}"))?;
    }
    let window_default = if arguments.rate.is_some() { 1024 } else { 1 };
    let window = arguments.window.unwrap_or(window_default);
    let time = Duration::from_secs_f64(arguments.seconds);
    let report = run(&Settings {
        server: arguments.server,
        workload: Workload {
            pairs: arguments.pairs as usize,
            window: window as usize,
            payload_bytes: arguments.payload,
            rate: arguments.rate,
        },
        plan: Plan {
            warmup: Duration::from_secs_f64(arguments.warmup),
            length: arguments
                .messages
                .map_or(Length::Time(time), Length::Messages),
            pid: arguments.pid,
        },
        seed: arguments.seed,
        threads: usize::from(arguments.threads),
        steal_max: arguments.steal_max / 100.0,
        accounts: arguments.accounts,
    })?;
    output::report(&report, arguments.json, report.void.is_empty())
}

fn payload_bytes(text: &str) -> Result<usize, String> {
    let bytes: usize = text.parse().map_err(|_| "not a number".to_owned())?;
    if bytes > ENVELOPE_BYTES_MAX {
        return Err(format!("at most {ENVELOPE_BYTES_MAX} bytes"));
    }
    Ok(bytes)
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=86_400.0).contains(&seconds) {
        Ok(seconds)
    } else {
        Err("0 to 86400".to_owned())
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.001..=1e7).contains(&rate) {
        Ok(rate)
    } else {
        Err("0.001 to 10000000".to_owned())
    }
}
