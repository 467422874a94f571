//! All rounds of one pace in a table: medians, their ratio, and how many rounds count.

use std::fmt;

use serde::Serialize;

use super::candidate::Candidate;
use super::round::{Pace, Sample};
use super::stats::{median, median_interval};
use crate::report::Report;

/// The figures of one pace.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// How fast messages were sent.
    pub pace: Pace,
    /// Rounds that count.
    pub rounds: usize,
    /// Why the others do not.
    pub void: Vec<String>,
    /// The figures, CPU per message first.
    pub rows: Vec<Row>,
}

/// One figure of both candidates.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// What it is, with its unit.
    pub name: &'static str,
    /// The limit program's median.
    pub limit: f64,
    /// The server's median.
    pub martletd: f64,
    /// The median of the ratios of each round, server to limit program.
    pub ratio: f64,
    /// The lower end of that median's 95 % interval.
    pub ratio_low: f64,
    /// And its upper end.
    pub ratio_high: f64,
}

impl Summary {
    /// Sums up the samples of one pace: one per round and candidate.
    pub fn new(pace: Pace, samples: &[Sample]) -> Self {
        let mut rounds = Vec::new();
        let mut void = Vec::new();
        let usual = median(&all(samples, Candidate::Limit, cpu));
        for (limit, martletd) in pairs(samples) {
            let reasons = void_reasons(limit, martletd, usual);
            if reasons.is_empty() {
                rounds.push((&limit.report, &martletd.report));
            } else {
                void.extend(reasons);
            }
        }
        let rows = FIGURES
            .iter()
            .map(|(name, figure)| Row::new(name, *figure, &rounds))
            .collect();
        Self {
            pace,
            rounds: rounds.len(),
            void,
            rows,
        }
    }
}

impl Summary {
    fn write_table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["", "limit", "martletd", "ratio", "95 %"];
        writeln!(
            f,
            "{:<18}{:>12}{:>12}{:>10}{:>18}",
            head[0], head[1], head[2], head[3], head[4]
        )?;
        for row in &self.rows {
            let interval = format!("{:.2} to {:.2}", row.ratio_low, row.ratio_high);
            let Row {
                name,
                limit,
                martletd,
                ratio,
                ..
            } = row;
            writeln!(
                f,
                "{name:<18}{limit:>12.2}{martletd:>12.2}{ratio:>10.2}{interval:>18}"
            )?;
        }
        Ok(())
    }
}

impl Row {
    fn new(name: &'static str, figure: Figure, rounds: &[(&Report, &Report)]) -> Self {
        let column = |value: &dyn Fn(&(&Report, &Report)) -> f64| {
            rounds.iter().map(value).collect::<Vec<f64>>()
        };
        let ratios = column(&|(limit, martletd)| figure(martletd) / figure(limit));
        let (ratio_low, ratio_high) = median_interval(&ratios);
        Self {
            name,
            limit: median(&column(&|(limit, _)| figure(limit))),
            martletd: median(&column(&|(_, martletd)| figure(martletd))),
            ratio: median(&ratios),
            ratio_low,
            ratio_high,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} rounds", self.pace, self.rounds)?;
        if self.rounds > 0 {
            self.write_table(f)?;
        }
        for reason in &self.void {
            writeln!(f, "void: {reason}")?;
        }
        Ok(())
    }
}

type Figure = fn(&Report) -> f64;

fn cpu(report: &Report) -> f64 {
    report.server_cpu_us.unwrap_or(f64::NAN)
}

const FIGURES: &[(&str, Figure)] = &[
    ("CPU µs/message", cpu),
    ("messages/s", |report| report.messages_per_second),
    ("SENT p50 µs", |report| report.sent.p50_us),
    ("SENT p99 µs", |report| report.sent.p99_us),
    ("receipt p50 µs", |report| report.receipt.p50_us),
    ("receipt p99 µs", |report| report.receipt.p99_us),
];

fn all(samples: &[Sample], candidate: Candidate, figure: Figure) -> Vec<f64> {
    let mine = samples
        .iter()
        .filter(|sample| sample.candidate == candidate);
    mine.map(|sample| figure(&sample.report)).collect()
}

/// The two samples of each round.
fn pairs(samples: &[Sample]) -> impl Iterator<Item = (&Sample, &Sample)> {
    let limits = samples
        .iter()
        .filter(|sample| sample.candidate == Candidate::Limit);
    limits.filter_map(|limit| {
        let same_round = |sample: &&Sample| {
            sample.round == limit.round && sample.candidate == Candidate::Martletd
        };
        Some((limit, samples.iter().find(same_round)?))
    })
}

/// A round counts for both candidates or for none.
fn void_reasons(limit: &Sample, martletd: &Sample, usual: f64) -> Vec<String> {
    let mut reasons = Vec::new();
    for sample in [limit, martletd] {
        for reason in &sample.report.void {
            reasons.push(format!(
                "round {}, {}: {reason}",
                sample.round, sample.candidate
            ));
        }
    }
    let off = cpu(&limit.report) / usual - 1.0;
    if off.abs() > CONTROL_OFF_MAX {
        let percent = off * 100.0;
        reasons.push(format!(
            "round {}: limit is {percent:+.0} % off its median",
            limit.round
        ));
    }
    reasons
}

/// A control further than this from its own median says that the machine was not itself.
const CONTROL_OFF_MAX: f64 = 0.15;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Cost, Workload};
    use crate::tally::Tally;
    use std::time::Duration;

    fn sample(round: usize, candidate: Candidate, cpu_us: u64) -> Sample {
        let workload = Workload {
            pairs: 1,
            window: 1,
            payload_bytes: 1,
            rate: None,
        };
        let cost = Cost {
            elapsed: Duration::from_secs(1),
            messages: 1000,
            server_cpu: Some(Duration::from_micros(cpu_us * 1000)),
            generator_cpu: Duration::ZERO,
            steal: Duration::ZERO,
            cpus: 2,
        };
        Sample {
            round,
            candidate,
            report: Report::new(workload, cost, &Tally::new(), 1.0),
        }
    }

    fn rounds(costs: &[(u64, u64)]) -> Vec<Sample> {
        let both = |(round, (limit, martletd)): (usize, &(u64, u64))| {
            // Alternating, as the driver does: samples of a round are found in any order.
            let mut two = [
                sample(round, Candidate::Limit, *limit),
                sample(round, Candidate::Martletd, *martletd),
            ];
            two.rotate_left(round % 2);
            two
        };
        costs.iter().enumerate().flat_map(both).collect()
    }

    #[test]
    fn the_ratio_is_the_median_of_the_ratios_of_rounds() {
        let summary = Summary::new(Pace::Window(1), &rounds(&[(10, 20), (11, 33), (12, 24)]));
        let row = &summary.rows[0];
        assert_eq!((row.limit, row.martletd, row.ratio), (11.0, 24.0, 2.0));
        assert_eq!((summary.rounds, summary.void.len()), (3, 0));
    }

    #[test]
    fn a_round_with_a_void_run_or_a_strange_control_counts_for_nobody() {
        let mut samples = rounds(&[(10, 20), (10, 20), (10, 90), (20, 20)]);
        samples[4].report.void.push("stolen".to_owned());
        let summary = Summary::new(Pace::Window(1), &samples);
        assert_eq!((summary.rounds, summary.void.len()), (2, 2));
        assert_eq!(
            (summary.rows[0].ratio, summary.rows[0].ratio_high),
            (2.0, 2.0)
        );
    }

    #[test]
    fn a_table_without_a_round_that_counts_says_so() {
        let mut samples = rounds(&[(10, 20)]);
        samples[0].report.void.push("stolen".to_owned());
        let text = Summary::new(Pace::Window(8), &samples).to_string();
        assert!(text.starts_with("window 8: 0 rounds\n"), "{text}");
        assert!(
            text.ends_with("rounds\nvoid: round 0, limit: stolen\n"),
            "{text}"
        );
    }
}
