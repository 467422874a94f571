//! What `/proc` says about a process and the machine: CPU time, memory, steal.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::sys;

/// The CPU time a process has used, user and system, of all its threads, living and ended.
///
/// The kernel keeps the sum over the threads in the process's own `stat`; adding up
/// `task/*/stat` instead would lose threads that ended and round each one to a tick.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let ticks = cpu_ticks(&text).with_context(|| format!("understand {path}"))?;
    Ok(ticks_to_time(ticks))
}

/// A process's memory in bytes, from `/proc/PID/smaps_rollup`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Resident pages.
    pub rss_bytes: u64,
    /// Resident pages, those shared with other processes counted in part.
    pub pss_bytes: u64,
}

/// The memory of `pid` now.
pub fn memory(pid: u32) -> Result<Memory> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    parse_memory(&text).with_context(|| format!("understand {path}"))
}

/// Time that the hypervisor gave to others while this machine wanted to run, all CPUs together.
pub fn steal_time() -> Result<Duration> {
    let path = Path::new("/proc/stat");
    let text = fs::read_to_string(path).context("read /proc/stat")?;
    let ticks = steal_ticks(&text).context("understand /proc/stat")?;
    Ok(ticks_to_time(ticks))
}

fn cpu_ticks(stat: &str) -> Option<u64> {
    // The second field is the command in parentheses and may hold spaces and parentheses
    // itself, so fields are counted from the last one: state is field 3, utime 14, stime 15.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    user.checked_add(system)
}

fn steal_ticks(stat: &str) -> Option<u64> {
    // cpu  user nice system idle iowait irq softirq steal guest guest_nice
    let line = stat.lines().find(|line| line.starts_with("cpu "))?;
    line.split_ascii_whitespace().nth(8)?.parse().ok()
}

fn parse_memory(rollup: &str) -> Option<Memory> {
    let bytes = |name: &str| {
        let line = rollup.lines().find(|line| line.starts_with(name))?;
        let kilobytes: u64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
        kilobytes.checked_mul(1024)
    };
    Some(Memory {
        rss_bytes: bytes("Rss:")?,
        pss_bytes: bytes("Pss:")?,
    })
}

fn ticks_to_time(ticks: u64) -> Duration {
    Duration::from_nanos(ticks.saturating_mul(1_000_000_000 / sys::ticks_per_second()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_time_of_a_command_with_spaces_and_parentheses_is_found() {
        let stat = "12 (a ) b) (c) R 1 2 3 4 5 6 7 8 9 10 1500 250 0 0 20 0";
        assert_eq!(cpu_ticks(stat), Some(1750));
        assert_eq!(cpu_ticks("12 (short) R 1 2"), None);
    }

    #[test]
    fn threads_that_ended_still_count_as_cpu_time() {
        let pid = std::process::id();
        let target = cpu_time(pid).unwrap() + Duration::from_millis(50);
        let burn = move || while cpu_time(pid).unwrap() < target {};
        std::thread::spawn(burn).join().unwrap();
        assert!(cpu_time(pid).unwrap() >= target);
    }

    #[test]
    fn steal_is_the_eighth_figure_of_the_summary_line() {
        let stat = "cpu  1 2 3 4 5 6 7 88 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\n";
        assert_eq!(steal_ticks(stat), Some(88));
    }

    #[test]
    fn memory_is_read_in_bytes_and_pss_is_not_taken_for_its_parts() {
        let rollup = "55-7f ---p [rollup]\nRss:  2048 kB\nPss_Dirty: 7 kB\nPss:   1024 kB\n";
        let expected = Memory {
            rss_bytes: 2048 << 10,
            pss_bytes: 1024 << 10,
        };
        assert_eq!(parse_memory(rollup), Some(expected));
        assert!(memory(std::process::id()).unwrap().rss_bytes > 100 << 10);
    }
}
