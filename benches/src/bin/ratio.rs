//! What the server costs in units of the bare limit program: both, in turns, in one run.
//!
//! Every round starts each candidate anew (an empty data directory, one CPU, one reactor), drives
//! it with `load` from another CPU at each pace, and takes the ratio of the two. The order
//! within a round is drawn anew. Reported are the medians over the rounds that count, the median
//! of their ratios with its 95 % interval, the rounds that do not count and why, and beside them
//! the disk's fdatasync times from the same run. Run it on an otherwise idle machine.
//!
//! `ratio --rounds 10`, after `make build`: the programs are looked for beside this one.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use martlet_bench::output::{print_json, print_line};
use martlet_bench::ratio::{Candidate, Pace, Plan, Programs, Sample, Summary, measure, probe_sync};
use martlet_bench::schedule::Random;
use martlet_bench::tally::{Latency, Percentiles};
use serde::Serialize;

/// Measures martletd and the bare limit program in turns and reports their ratio.
#[derive(Debug, Parser)]
struct Arguments {
    /// Rounds; 10 or more for a figure to publish.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Messages of a pair on their way at a time, one measurement each.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8])]
    windows: Vec<usize>,
    /// Intended messages per second, one open-loop measurement each.
    #[arg(long, value_delimiter = ',')]
    rates: Vec<f64>,
    /// Pairs of accounts.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pairs: u32,
    /// Bytes of each message's payload.
    #[arg(long, default_value_t = 256)]
    payload: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Seconds before each measurement.
    #[arg(long, default_value_t = 2.0)]
    warmup: f64,
    /// Percent of the machine's CPU time that the hypervisor may give to others before a
    /// measurement is void.
    #[arg(long, default_value_t = 2.0)]
    steal_max: f64,
    /// The server's CPU.
    #[arg(long, default_value_t = 1)]
    server_cpu: usize,
    /// The generator's CPU.
    #[arg(long, default_value_t = 0)]
    load_cpu: usize,
    /// Directory on the disk to be measured [default: the directory for temporary files]
    #[arg(long)]
    data: Option<PathBuf>,
    /// The server [default: martletd beside this program]
    #[arg(long)]
    martletd: Option<PathBuf>,
    /// Seed of the order within the rounds.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Report as one JSON object on one line.
    #[arg(long)]
    json: bool,
}

/// The whole report.
#[derive(Serialize)]
struct Output {
    fdatasync: Percentiles,
    paces: Vec<Summary>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let data = arguments.data.clone().unwrap_or_else(env::temp_dir);
    let data = data.join(format!("martlet-ratio-{}", std::process::id()));
    let plan = plan(&arguments, data)?;
    fs::create_dir_all(&plan.data).with_context(|| format!("create {}", plan.data.display()))?;
    let output = run(&arguments, &plan);
    fs::remove_dir_all(&plan.data).with_context(|| format!("remove {}", plan.data.display()))?;
    let output = output?;
    if arguments.json {
        return print_json(&output);
    }
    let Percentiles { p50_us, p99_us, .. } = output.fdatasync;
    print_line(format_args!(
        "fdatasync of 4 KiB in a recycled file: p50 {p50_us:.0} µs, p99 {p99_us:.0} µs"
    ))?;
    for summary in &output.paces {
        print_line(format_args!("\n{summary}"))?;
    }
    Ok(())
}

fn plan(arguments: &Arguments, data: PathBuf) -> Result<Plan> {
    let here = env::current_exe().context("find this program's directory")?;
    let beside = |name: &str| here.with_file_name(name);
    let martletd = arguments
        .martletd
        .clone()
        .unwrap_or_else(|| beside("martletd"));
    let programs = Programs {
        limit: beside("limit"),
        load: beside("load"),
        martletd,
    };
    for program in [&programs.limit, &programs.load, &programs.martletd] {
        ensure!(
            program.exists(),
            "{} is missing: build it first",
            program.display()
        );
    }
    Ok(Plan {
        programs,
        data,
        pairs: arguments.pairs,
        payload_bytes: arguments.payload,
        seconds: arguments.seconds,
        warmup: arguments.warmup,
        steal_max: arguments.steal_max,
        server_cpu: arguments.server_cpu,
        load_cpu: arguments.load_cpu,
    })
}

fn run(arguments: &Arguments, plan: &Plan) -> Result<Output> {
    let mut random = Random::new(arguments.seed);
    let mut latency = Latency::new();
    let windows = arguments.windows.iter().copied().map(Pace::Window);
    let paces = windows.chain(arguments.rates.iter().copied().map(Pace::Rate));
    let mut paces: Vec<(Pace, Vec<Sample>)> = paces.map(|pace| (pace, Vec::new())).collect();
    for round in 0..usize::from(arguments.rounds) {
        probe_sync(&plan.data.join("probe"), PROBE_TIME, &mut latency)?;
        for (pace, samples) in &mut paces {
            let mut order = [Candidate::Limit, Candidate::Martletd];
            order.rotate_left(random.below(2));
            for candidate in order {
                samples.push(measure(plan, round, *pace, candidate)?);
            }
        }
    }
    let summaries = paces
        .iter()
        .map(|(pace, samples)| Summary::new(*pace, samples));
    Ok(Output {
        fdatasync: latency.percentiles(),
        paces: summaries.collect(),
    })
}

/// Per round.
const PROBE_TIME: Duration = Duration::from_secs(1);
