//! `martletd` as a process, killed and started again at one address.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicU8, Ordering};

use super::PATIENCE;
use super::process::Running;

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
    process: Option<Running>,
    arguments: Vec<String>,
    listen: SocketAddr,
}

impl Server {
    /// Starts one for development, with its data in `dir`.
    pub fn dev(dir: &Path) -> Self {
        let data = dir.join("data").display().to_string();
        Self::start(own_loopback(), &["serve", "--dev", "-d", &data])
    }

    /// As [`dev`](Self::dev), and logs everything that it can.
    pub fn dev_talkative(dir: &Path) -> Self {
        let data = dir.join("data").display().to_string();
        let arguments = ["serve", "--dev", "-d", &data, "--log-level", "trace"];
        Self::start(own_loopback(), &arguments)
    }

    /// As [`dev`](Self::dev), with TLS, and at an address that `localhost` leads to.
    pub fn dev_tls(dir: &Path, certificate: &Path, key: &Path) -> Self {
        let [data, certificate, key] =
            [&dir.join("data"), certificate, key].map(|path| path.display().to_string());
        let tls = ["--tls-cert", &certificate, "--tls-key", &key];
        let arguments = [&["serve", "--dev", "-d", &data], &tls[..]].concat();
        Self::start(Ipv4Addr::LOCALHOST, &arguments)
    }

    /// Starts one with this configuration file.
    pub fn configured(file: &Path) -> Self {
        let file = file.display().to_string();
        Self::start(own_loopback(), &["serve", "-c", &file])
    }

    fn start(host: Ipv4Addr, arguments: &[&str]) -> Self {
        let mut server = Self {
            process: None,
            arguments: arguments.iter().map(|&text| text.to_owned()).collect(),
            listen: SocketAddr::new(IpAddr::V4(host), 0),
        };
        server.restart();
        server
    }

    /// Starts it where it was, if it was anywhere, and waits until it is ready.
    pub fn restart(&mut self) {
        assert!(self.process.is_none(), "the server runs already");
        let mut command = Command::new(martletd());
        command.args(&self.arguments);
        command.args(["--listen", &self.address()]);
        let process = Running::start(&mut command);
        let Some(ready) = process.line_within(PATIENCE) else {
            let errors = process.end().stderr;
            panic!("no server: {}", String::from_utf8_lossy(&errors));
        };
        self.listen = ready
            .strip_prefix("martletd ready: listening on ")
            .and_then(|rest| rest.split(' ').next())
            .and_then(|address| address.parse().ok())
            .unwrap_or_else(|| panic!("not the line of a server that is ready: {ready}"));
        self.process = Some(process);
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(&mut self) {
        self.process.take().expect("the server runs").kill();
    }

    /// Asks it to end (SIGTERM), and returns how it did.
    pub fn terminate(&mut self) -> ExitStatus {
        let process = self.process.take().expect("the server runs");
        process.terminate().status
    }

    /// As [`terminate`](Self::terminate), and returns what it has logged.
    pub fn log(&mut self) -> Vec<u8> {
        let process = self.process.take().expect("the server runs");
        process.terminate().stderr
    }

    /// Where it listens, or has listened: `HOST:PORT`.
    pub fn address(&self) -> String {
        self.listen.to_string()
    }

    /// The port of that.
    pub fn port(&self) -> u16 {
        self.listen.port()
    }
}

/// A loopback address that no other server of a test uses. Connections leave from 127.0.0.1, so
/// none of them can take it while the server is down: it can always come back.
fn own_loopback() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(2);
    let [first, second, ..] = std::process::id().to_le_bytes();
    Ipv4Addr::new(127, first | 1, second, NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The server's program. Another package builds it, into the directory of `martlet`.
fn martletd() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_martlet")).with_file_name("martletd");
    assert!(
        program.exists(),
        "{} is missing: run `cargo build --release --workspace`",
        program.display()
    );
    program
}
