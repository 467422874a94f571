//! The two servers that are compared, each started anew for every measurement.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::account::Greeting;
use crate::sys;

/// A server to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Candidate {
    /// The bare limit program: the denominator.
    Limit,
    /// The server.
    Martletd,
}

/// Where the programs are.
#[derive(Debug)]
pub struct Programs {
    /// `limit`.
    pub limit: PathBuf,
    /// `load`.
    pub load: PathBuf,
    /// `martletd`.
    pub martletd: PathBuf,
}

/// A server that runs; it is ended when this is dropped.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) address: SocketAddr,
    child: Child,
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Limit => "limit",
            Self::Martletd => "martletd",
        })
    }
}

impl Candidate {
    /// Starts the server on `cpu`, with its data in the empty directory `data`, and waits until
    /// it answers.
    pub(super) fn start(self, programs: &Programs, data: &Path, cpu: usize) -> Result<Running> {
        let address = free_address()?;
        let mut command = match self {
            Self::Limit => {
                let mut command = Command::new(&programs.limit);
                command.arg("--listen").arg(address.to_string());
                command.arg("--log").arg(data.join("limit.log"));
                command
            }
            Self::Martletd => {
                let mut command = Command::new(&programs.martletd);
                command.args(["serve", "--dev", "--reactors", "1", "--log-level", "warn"]);
                command.arg("--listen").arg(address.to_string());
                command.arg("--data-dir").arg(data.join("martletd"));
                command
            }
        };
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let prepare = move || sys::pin_to_cpu(cpu).and_then(|()| sys::end_with_parent());
        // SAFETY: between fork and exec only two system calls are made; nothing is allocated.
        unsafe { command.pre_exec(prepare) };
        let child = command
            .spawn()
            .with_context(|| format!("start {self}: {command:?}"))?;
        let mut running = Running { address, child };
        running
            .wait_until_it_answers()
            .with_context(|| format!("wait for {self}"))?;
        Ok(running)
    }
}

impl Running {
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn wait_until_it_answers(&mut self) -> Result<()> {
        let start = Instant::now();
        loop {
            let Err(error) = Greeting::connect(self.address, None) else {
                return Ok(());
            };
            if let Some(status) = self.child.try_wait().context("look after the server")? {
                bail!("it ended at once: {status}");
            }
            if start.elapsed() > START_TIME_MAX {
                return Err(error);
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn stop(&mut self) -> Result<()> {
        sys::terminate(self.child.id()).context("end the server")?;
        let start = Instant::now();
        while self
            .child
            .try_wait()
            .context("wait for the server's end")?
            .is_none()
        {
            if start.elapsed() > STOP_TIME_MAX {
                self.child.kill().context("kill the server")?;
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A server that cannot be ended now ends with this process: see `end_with_parent`.
        let _ = self.stop();
    }
}

/// An address that nobody listens on. Another process could take it before the server does; then
/// the server says so and the run ends.
fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port")?;
    listener.local_addr().context("find a free port")
}

const START_TIME_MAX: Duration = Duration::from_secs(30);

const STOP_TIME_MAX: Duration = Duration::from_secs(10);
