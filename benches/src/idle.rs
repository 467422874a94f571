//! What an idle connection costs the server in memory: the slope over several counts.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::account::{Account, Greeting, dial};
use crate::proc;
use crate::roster;

/// How the connections are opened.
#[derive(Debug)]
pub struct Settings {
    /// The server.
    pub server: SocketAddr,
    /// The server's process.
    pub pid: u32,
    /// How many connections.
    pub connections: usize,
    /// Into how many steps they are divided; memory is read after each.
    pub steps: usize,
    /// Connect and say nothing, instead of authenticating an account on each.
    pub silent: bool,
    /// A file to take accounts from and to keep new ones in.
    pub accounts: Option<PathBuf>,
    /// How long the server may settle before its memory is read.
    pub settle: Duration,
}

/// The server's memory over the number of its connections.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct IdleReport {
    /// Whether the connections said nothing, not even HELLO.
    pub silent: bool,
    /// Connections that the server had closed at the end; more than none voids the run.
    pub closed: usize,
    /// One reading before the first connection and one after each step.
    pub points: Vec<Point>,
    /// Resident bytes per connection.
    pub rss_bytes_each: f64,
    /// Proportional bytes per connection.
    pub pss_bytes_each: f64,
}

/// One reading.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Point {
    /// Connections that the server holds open.
    pub connections: usize,
    /// Resident bytes of the server.
    pub rss_bytes: u64,
    /// Proportional bytes of the server.
    pub pss_bytes: u64,
}

/// Registers the accounts, then opens the connections step by step, reads the memory after each
/// step, and closes them all. What the server remembers of an account is not counted as memory of
/// its connection.
pub fn run(settings: &Settings) -> Result<IdleReport> {
    let count = if settings.silent {
        0
    } else {
        settings.connections
    };
    let accounts = roster::open(settings.server, count, settings.accounts.as_deref())?;
    thread::sleep(settings.settle);
    let mut open = Vec::with_capacity(settings.connections);
    let mut points = vec![read_point(settings.pid, 0)?];
    for step in 1..=settings.steps {
        while open.len() < settings.connections * step / settings.steps {
            let index = open.len();
            let stream = connect(settings.server, index, accounts.get(index))
                .with_context(|| format!("open connection {index}"))?;
            open.push(stream);
        }
        thread::sleep(settings.settle);
        points.push(read_point(settings.pid, count_alive(&open))?);
    }
    Ok(IdleReport::new(
        settings.silent,
        settings.connections,
        points,
    ))
}

fn connect(server: SocketAddr, index: usize, account: Option<&Account>) -> Result<TcpStream> {
    let source = Some(source_address(index)).filter(|_| server.ip().is_loopback());
    match account {
        Some(account) => Ok(account
            .authenticate(Greeting::connect(server, source)?)?
            .stream),
        None => Ok(dial(server, source)?),
    }
}

/// 127.0.0.2, 127.0.0.3 and so on: one address has not enough ports towards one server.
fn source_address(index: usize) -> IpAddr {
    let host = 2 + index / CONNECTIONS_PER_SOURCE;
    IpAddr::V4(Ipv4Addr::new(
        127,
        0,
        (host / 256) as u8,
        (host % 256) as u8,
    ))
}

/// How many connections the server has not closed: a limit of its own must not pass for thrift.
fn count_alive(open: &[TcpStream]) -> usize {
    open.iter()
        .filter(|stream| is_alive(stream).unwrap_or(false))
        .count()
}

fn is_alive(stream: &TcpStream) -> io::Result<bool> {
    stream.set_nonblocking(true)?;
    // All that came is taken, so that only the end of the stream can follow it.
    let mut reader = stream;
    let mut buffer = [0; 1024];
    loop {
        match io::Read::read(&mut reader, &mut buffer) {
            Ok(0) => return Ok(false),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(error) => return Err(error),
        }
    }
}

fn read_point(pid: u32, connections: usize) -> Result<Point> {
    let memory = proc::memory(pid)?;
    let (rss_bytes, pss_bytes) = (memory.rss_bytes, memory.pss_bytes);
    Ok(Point {
        connections,
        rss_bytes,
        pss_bytes,
    })
}

impl IdleReport {
    fn new(silent: bool, opened: usize, points: Vec<Point>) -> Self {
        // The first reading is left out: before any connection the server has not yet touched
        // what all connections share.
        let line = |bytes: &dyn Fn(&Point) -> u64| {
            let points = points.iter().skip(1);
            slope(points.map(|point| (point.connections as f64, bytes(point) as f64)))
        };
        let rss_bytes_each = line(&|point| point.rss_bytes);
        let pss_bytes_each = line(&|point| point.pss_bytes);
        let closed = opened - points.last().map_or(0, |point| point.connections);
        Self {
            silent,
            closed,
            points,
            rss_bytes_each,
            pss_bytes_each,
        }
    }
}

impl fmt::Display for IdleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:>12} {:>12} {:>12}",
            "connections", "RSS KiB", "PSS KiB"
        )?;
        for point in &self.points {
            let (rss, pss) = (point.rss_bytes / 1024, point.pss_bytes / 1024);
            writeln!(f, "{:>12} {rss:>12} {pss:>12}", point.connections)?;
        }
        let kind = if self.silent {
            "silent"
        } else {
            "authenticated"
        };
        let (rss, pss) = (self.rss_bytes_each, self.pss_bytes_each);
        write!(
            f,
            "{rss:.0} B of RSS, {pss:.0} B of PSS per {kind} connection"
        )?;
        if self.closed > 0 {
            write!(
                f,
                "\nVOID: the server closed {} of the connections",
                self.closed
            )?;
        }
        Ok(())
    }
}

/// The slope of the least-squares line through `points`.
fn slope(points: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let count = points.clone().count().max(1) as f64;
    let x_mean = points.clone().map(|(x, _)| x).sum::<f64>() / count;
    let y_mean = points.clone().map(|(_, y)| y).sum::<f64>() / count;
    let covariance: f64 = points
        .clone()
        .map(|(x, y)| (x - x_mean) * (y - y_mean))
        .sum();
    let variance: f64 = points.map(|(x, _)| (x - x_mean).powi(2)).sum();
    if variance > 0.0 {
        covariance / variance
    } else {
        0.0
    }
}

/// The kernel's default range has 28,232 ports, gives connections that name their address every
/// second one first, and keeps ports of closed connections back for a while.
const CONNECTIONS_PER_SOURCE: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    const fn point(connections: usize, rss_bytes: u64) -> Point {
        Point {
            connections,
            rss_bytes,
            pss_bytes: rss_bytes / 2,
        }
    }

    #[test]
    fn the_cost_of_a_connection_is_the_slope_and_not_the_start() {
        let points = vec![
            point(0, 100),
            point(10, 51_000),
            point(20, 52_000),
            point(30, 53_000),
        ];
        let report = IdleReport::new(false, 30, points);
        assert_eq!(
            (report.rss_bytes_each, report.pss_bytes_each),
            (100.0, 50.0)
        );
    }

    #[test]
    fn one_reading_has_no_slope_and_closed_connections_void_the_run() {
        let report = IdleReport::new(false, 7, vec![point(0, 1), point(5, 9)]);
        assert_eq!((report.rss_bytes_each, report.closed), (0.0, 2));
        assert!(
            report
                .to_string()
                .ends_with("VOID: the server closed 2 of the connections")
        );
    }

    #[test]
    fn a_connection_that_the_server_closed_does_not_count() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let open = [dial(address, None).unwrap(), dial(address, None).unwrap()];
        let (first, _kept) = (listener.accept().unwrap().0, listener.accept().unwrap().0);
        assert_eq!(count_alive(&open), 2);
        drop(first);
        while count_alive(&open) > 1 {}
        assert_eq!(count_alive(&open), 1);
    }

    #[test]
    fn no_source_address_gets_more_connections_than_it_has_ports() {
        assert_eq!(source_address(0).to_string(), "127.0.0.2");
        assert_eq!(source_address(9_999).to_string(), "127.0.0.2");
        assert_eq!(source_address(10_000).to_string(), "127.0.0.3");
        assert_eq!(source_address(10_000 * 254).to_string(), "127.0.1.0");
    }
}
