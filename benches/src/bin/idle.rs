//! The memory of idle connections: opens many, reads the server's memory in steps, reports the
//! slope per connection, closes them and ends.
//!
//! Each connection authenticates an account of its own, registered before the first reading (or
//! says nothing at all, with `--silent`). Memory is read from `/proc/PID/smaps_rollup`; the
//! kernel's own memory for sockets is not in it. Connections that the server has closed by the
//! end void the run: status 1. Start a fresh server for each run: one that had more connections
//! before keeps their memory, and the slope is flat. Every 10,000 connections leave from another
//! loopback address.
//!
//! `idle --server 127.0.0.1:7400 --pid $(pidof martletd) --connections 15000`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use martlet_bench::idle::{Settings, run};
use martlet_bench::output;
use martlet_bench::sys;

/// Opens many idle connections and reports the server's memory per connection.
#[derive(Debug, Parser)]
struct Arguments {
    /// Address of the server (plain TCP).
    #[arg(long, default_value = "127.0.0.1:7400")]
    server: SocketAddr,
    /// Process of the server.
    #[arg(long)]
    pid: u32,
    /// Connections to open; server and generator need as many file descriptors each.
    #[arg(long, default_value_t = 15_000, value_parser = clap::value_parser!(u32).range(2..))]
    connections: u32,
    /// Steps in which they are opened.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(2..))]
    steps: u8,
    /// Connect only: no HELLO, no account.
    #[arg(long)]
    silent: bool,
    /// Take accounts from this file if it exists, and keep new ones in it.
    #[arg(long, conflicts_with = "silent")]
    accounts: Option<PathBuf>,
    /// Milliseconds between the last connection of a step and the reading.
    #[arg(long, default_value_t = 1000)]
    settle_ms: u64,
    /// Report as one JSON object on one line.
    #[arg(long)]
    json: bool,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    sys::raise_file_limit().context("raise the limit of open files")?;
    let report = run(&Settings {
        server: arguments.server,
        pid: arguments.pid,
        connections: arguments.connections as usize,
        steps: usize::from(arguments.steps),
        silent: arguments.silent,
        accounts: arguments.accounts,
        settle: Duration::from_millis(arguments.settle_ms),
    })?;
    output::report(&report, arguments.json, report.closed == 0)
}
