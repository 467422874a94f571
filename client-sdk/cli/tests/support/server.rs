//! `martletd` as a process, killed and started again at one address.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::PATIENCE;
use super::process::Running;

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
    process: Option<Running>,
    arguments: Vec<String>,
    port: u16,
}

impl Server {
    /// Starts one for development, with its data in `dir`.
    pub fn dev(dir: &Path) -> Self {
        let data = dir.join("data").display().to_string();
        Self::start(&["serve", "--dev", "-d", &data])
    }

    /// As [`dev`](Self::dev), with TLS.
    pub fn dev_tls(dir: &Path, certificate: &Path, key: &Path) -> Self {
        let [data, certificate, key] =
            [&dir.join("data"), certificate, key].map(|path| path.display().to_string());
        let tls = ["--tls-cert", &certificate, "--tls-key", &key];
        Self::start(&[&["serve", "--dev", "-d", &data], &tls[..]].concat())
    }

    /// Starts one with this configuration file.
    pub fn configured(file: &Path) -> Self {
        Self::start(&["serve", "-c", &file.display().to_string()])
    }

    fn start(arguments: &[&str]) -> Self {
        let mut server = Self {
            process: None,
            arguments: arguments.iter().map(|&text| text.to_owned()).collect(),
            port: 0,
        };
        server.restart();
        server
    }

    /// Starts it at the port where it was, if it was anywhere, and waits until it is ready.
    pub fn restart(&mut self) {
        assert!(self.process.is_none(), "the server runs already");
        let listen = format!("127.0.0.1:{}", self.port);
        let mut command = Command::new(martletd());
        command.args(&self.arguments).args(["--listen", &listen]);
        let process = Running::start(&mut command);
        let Some(ready) = process.line_within(PATIENCE) else {
            let errors = process.end().stderr;
            panic!("no server: {}", String::from_utf8_lossy(&errors));
        };
        self.port = ready
            .strip_prefix("martletd ready: listening on 127.0.0.1:")
            .and_then(|rest| rest.split(' ').next())
            .and_then(|port| port.parse().ok())
            .unwrap_or_else(|| panic!("not the line of a server that is ready: {ready}"));
        self.process = Some(process);
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(&mut self) {
        self.process.take().expect("the server runs").kill();
    }

    /// Where it listens, or has listened.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The port of that.
    pub fn port(&self) -> u16 {
        self.port
    }
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
