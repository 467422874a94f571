//! The bare limit program (L2): the least that relaying a durable direct message can cost.
//!
//! One thread relays with epoll and speaks the protocol's frames; another writes all records that
//! have queued to a pre-written, recycled log and syncs it (natural group commit). There is no
//! tokio, no RocksDB, no TLS, no inbox and no recovery, and signatures are not checked: it is the
//! denominator of the budgets, not a server. With `--no-sync` it is the bare relay (L1).
//!
//! `limit --log /data/limit.log --cpu 1`, then `load --server 127.0.0.1:7401 --pid PID`.
#![allow(
    clippy::print_stdout,
    reason = "the ready line and the summary are its output"
)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use martlet_bench::output::print_line;
use martlet_bench::relay::{Options, Relay};
use martlet_bench::sys;

/// Bare relay of direct messages over one synced log: what a durable message costs at least.
#[derive(Debug, Parser)]
struct Arguments {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:7401")]
    listen: SocketAddr,
    /// The log file. It is overwritten.
    #[arg(long, required_unless_present = "no_sync")]
    log: Option<PathBuf>,
    /// Size of the log file in MiB; it is written in full before the first connection.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    log_mib: u16,
    /// Relay only: nothing is logged, SENT and receipts promise nothing.
    #[arg(long, conflicts_with = "log")]
    no_sync: bool,
    /// Bind the process to this CPU.
    #[arg(long)]
    cpu: Option<usize>,
    /// End after this many seconds without a connection.
    #[arg(long, default_value_t = 60)]
    linger: u64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(cpu) = arguments.cpu {
        sys::pin_to_cpu(cpu).with_context(|| format!("bind to CPU {cpu}"))?;
    }
    sys::raise_file_limit().context("raise the limit of open files")?;
    let relay = Relay::open(&Options {
        listen: arguments.listen,
        log: arguments.log,
        log_bytes: usize::from(arguments.log_mib) << 20,
        linger: Duration::from_secs(arguments.linger),
    })?;
    print_line(format_args!(
        "limit: listening on {} (pid {})",
        relay.address()?,
        std::process::id()
    ))?;
    let summary = relay.run()?;
    print_line(format_args!(
        "limit: {} messages, {} turns, {} syncs",
        summary.messages, summary.turns, summary.syncs
    ))
}
