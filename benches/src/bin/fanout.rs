//! The fan-out of a group: messages to a group whose members are all connected, from GROUP_SEND to
//! the last member, against `martletd`.
//!
//! It registers the members, makes one group of them, and has them write in turn. Without `--rate`
//! the loop is closed: `--window` messages are on their way. With `--rate` it is open: messages are
//! planned by a seeded Poisson process and measured from the planned time. Each member acknowledges
//! what it gets. Whether the group's messages go through the inboxes or by a stream of its own is
//! the server's choice (`groups.inbox_members_max`); the report says which it was. A refusal, a
//! lost connection or a broken promise (one order, each message once at each member) ends the run
//! with status 1; so does a void run (see the last lines).
//!
//! `fanout --server 127.0.0.1:7400 --pid $(pidof martletd) --members 256 --cpu 0`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use clap::builder::RangedU64ValueParser;
use martlet_bench::fanout::{Crowding, Settings, run};
use martlet_bench::output;
use martlet_bench::sys;
use martlet_bench::watch::{Length, Plan};
use martlet_protocol::limits::{ENVELOPE_BYTES_MAX, GROUP_MEMBERS_MAX};

/// Sends messages to one group and reports deliveries per CPU second of the server, and latency.
#[derive(Debug, Parser)]
struct Arguments {
    /// Address of the server (plain TCP).
    #[arg(long, default_value = "127.0.0.1:7400")]
    server: SocketAddr,
    /// Members of the group; each takes one connection.
    #[arg(long, default_value_t = 256, value_parser = within(2, GROUP_MEMBERS_MAX as u64))]
    members: u64,
    /// Most messages on their way at a time, without --rate.
    #[arg(long, default_value_t = 4, value_parser = within(1, 1024), conflicts_with = "rate")]
    window: u64,
    /// Bytes of each message's payload.
    #[arg(long, default_value_t = 96, value_parser = within(0, ENVELOPE_BYTES_MAX as u64))]
    payload: u64,
    /// Length of the measurement in seconds.
    #[arg(long, default_value_t = 10, value_parser = within(1, 86_400))]
    seconds: u64,
    /// Seconds to run before the measurement.
    #[arg(long, default_value_t = 2, value_parser = within(0, 86_400))]
    warmup: u64,
    /// Open loop: planned messages per second, of all members together.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: Option<u32>,
    /// Seed of the open loop's plan.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Process of the server, to report its CPU time.
    #[arg(long)]
    pid: Option<u32>,
    /// Bind the generator to this CPU.
    #[arg(long)]
    cpu: Option<usize>,
    /// Percent of the machine's CPU time that the hypervisor may give to others before the run is
    /// void.
    #[arg(long, default_value_t = 2.0)]
    steal_max: f64,
    /// Take accounts from this file if it exists, and keep new ones in it: a server without
    /// `--dev` registers nobody.
    #[arg(long)]
    accounts: Option<PathBuf>,
    /// Report as one JSON object on one line.
    #[arg(long)]
    json: bool,
}

/// A number from `least` to `most`.
fn within(least: u64, most: u64) -> RangedU64ValueParser {
    RangedU64ValueParser::new().range(least..=most)
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(cpu) = arguments.cpu {
        sys::pin_to_cpu(cpu).with_context(|| format!("bind to CPU {cpu}"))?;
    }
    let report = run(&Settings {
        server: arguments.server,
        crowding: Crowding {
            members: arguments.members as usize,
            window: arguments.window as usize,
            payload_bytes: arguments.payload as usize,
            rate: arguments.rate.map(f64::from),
        },
        plan: Plan {
            warmup: Duration::from_secs(arguments.warmup),
            length: Length::Time(Duration::from_secs(arguments.seconds)),
            pid: arguments.pid,
        },
        seed: arguments.seed,
        steal_max: arguments.steal_max / 100.0,
        accounts: arguments.accounts,
    })?;
    output::report(&report, arguments.json, report.void.is_empty())
}
