//! A data directory and an address that outlive the server processes which use them.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::PATIENCE;

/// `martletd` as it was built for this test run.
pub fn martletd() -> Command {
    Command::new(env!("CARGO_BIN_EXE_martletd"))
}

/// Where a server lives: what stays when its process is killed.
#[derive(Clone, Debug)]
pub struct Site {
    data: PathBuf,
    log: PathBuf,
    listen: SocketAddr,
    log_level: &'static str,
    /// Sections of a configuration file, in place of the development mode.
    sections: Option<String>,
    sends_per_second: u32,
}

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
}

/// A server that ended instead of getting ready.
#[derive(Debug)]
pub struct Ended {
    /// How.
    pub status: ExitStatus,
    /// The end of its log.
    pub log: String,
}

impl Site {
    /// A site with this data directory; logs are appended to `log`.
    pub fn new(data: PathBuf, log: PathBuf) -> Self {
        let listen = SocketAddr::new(IpAddr::V4(own_loopback()), 0);
        let log_level = "info";
        Self {
            data,
            log,
            listen,
            log_level,
            sections: None,
            sends_per_second: 0,
        }
    }

    /// Has another configuration from the next start on: these sections, and nobody can register.
    pub fn configure(&mut self, sections: &str) {
        self.sections = Some(sections.to_owned());
    }

    /// Bounds how much an account sends, from the next start with another configuration on.
    pub fn bound_sends(&mut self, per_second: u32) {
        self.sends_per_second = per_second;
    }

    /// Logs everything from now on.
    pub fn log_all(&mut self) {
        self.log_level = "trace";
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Where the server listens, once it was started for the first time.
    pub fn address(&self) -> SocketAddr {
        assert_ne!(self.listen.port(), 0, "the server was not started yet");
        self.listen
    }

    /// Starts `program` as the server of this site and waits until it is ready.
    pub fn start(&mut self, program: Command) -> Server {
        self.try_start(program).unwrap_or_else(|ended| {
            panic!("the server did not start: {}\n{}", ended.status, ended.log)
        })
    }

    /// As [`start`](Self::start), for a server that may refuse to.
    pub fn try_start(&mut self, program: Command) -> Result<Server, Ended> {
        let mut child = self.spawn(program);
        let lines = lines_of(&mut child);
        let Some(ready) = ready_line(&lines) else {
            let status = child.wait().expect("wait for martletd");
            let log = tail_of(&self.log);
            return Err(Ended { status, log });
        };
        let address = address_in(&ready);
        self.listen = address;
        let log = self.log.clone();
        Ok(Server {
            child,
            address,
            log,
        })
    }

    /// Starts the server and kills it after this time, whether it was ready or not.
    pub fn start_and_kill(&self, program: Command, after: Duration) {
        let mut child = self.spawn(program);
        std::thread::sleep(after);
        child.kill().expect("kill martletd");
        child.wait().expect("wait for martletd");
    }

    fn spawn(&self, mut program: Command) -> Child {
        let log = File::options().create(true).append(true).open(&self.log);
        program.arg("serve");
        match &self.sections {
            None => program.arg("--dev"),
            Some(sections) => {
                let file = self.log.with_extension("toml");
                let sends = self.sends_per_second;
                let limits = format!(
                    "[limits]\nloopback_exempt = true\nsends_per_second = {sends}\n\
                     frames_per_second = 0\n"
                );
                fs::write(&file, limits + sections).expect("write a configuration");
                program.arg("--config").arg(file)
            }
        };
        program
            .args(["--log-format", "text", "--data-dir"])
            .arg(&self.data)
            .args(["--listen", &self.listen.to_string()])
            .args(["--log-level", self.log_level])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.expect("open the server's log"))
            .spawn()
            .expect("run martletd")
    }

    /// Checks the data directory, which no server may be using, and fails unless it is whole.
    pub fn verify(&self, mut program: Command) {
        let output = program
            .args(["verify", "--data-dir"])
            .arg(&self.data)
            .output()
            .expect("run martletd verify");
        assert!(
            output.status.success(),
            "verify: {}\n{}{}\nthe server's log:\n{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
            tail_of(&self.log),
        );
    }

    /// Copies the data directory, which no server may be using.
    pub fn copy_to(&self, copy: &Path) {
        copy_all(&self.data, copy);
    }

    /// Puts a copy in the place of the data directory, as an operator is told to.
    pub fn put_back(&self, copy: &Path) {
        fs::remove_dir_all(&self.data).expect("remove the directory");
        copy_all(copy, &self.data);
        let mut restored = martletd();
        let done = restored.args(["restored", "-d"]).arg(&self.data).status();
        assert!(done.expect("run martletd restored").success());
        self.verify(martletd());
    }

    /// The end of what the servers here have logged.
    pub fn log_tail(&self) -> String {
        tail_of(&self.log)
    }

    /// How many lines of the log have this word.
    pub fn logged(&self, word: &str) -> usize {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().filter(|line| line.contains(word)).count()
    }
}

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`, and waits until the process is gone. It must have been running until now.
    pub fn kill(mut self) {
        if let Some(status) = self.child.try_wait().expect("ask for martletd") {
            panic!(
                "the server ended by itself: {status}\n{}",
                tail_of(&self.log)
            );
        }
        self.child.kill().expect("kill martletd");
        self.child.wait().expect("wait for martletd");
    }

    /// Asks it to drain and end.
    pub fn terminate(&self) {
        let done = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        assert!(done.expect("run kill").success(), "cannot signal martletd");
    }

    /// Waits until it ends by itself.
    pub fn wait(mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("wait for martletd") {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "the server does not end\n{}",
                tail_of(&self.log)
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        let status = self.child.try_wait().expect("ask for martletd");
        status.is_none()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already; either way nothing of it is left behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A loopback address that no other test uses.
///
/// Connections leave from 127.0.0.1, so none of them can occupy this address while the server is
/// down: it can always listen here again, and a client never reaches itself.
fn own_loopback() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let [first, second, ..] = std::process::id().to_le_bytes();
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let last = u8::try_from(next + 2).expect("fewer than 250 sites");
    Ipv4Addr::new(127, first | 1, second, last)
}

fn lines_of(child: &mut Child) -> Receiver<String> {
    let stdout = child.stdout.take().expect("stdout is piped");
    let (lines, received) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // Read to the end even when nobody listens, so that the server never blocks on it.
            let _ = lines.send(line);
        }
    });
    received
}

/// The line that says the server is ready; `None` when it ended before.
fn ready_line(lines: &Receiver<String>) -> Option<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match lines.recv_timeout(left) {
            Ok(line) if line.contains("ready: listening on ") => return Some(line),
            Ok(_) => {}
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => panic!("the server does not get ready"),
        }
    }
}

fn address_in(ready: &str) -> SocketAddr {
    let after = ready.split("listening on ").nth(1);
    let word = after.and_then(|rest| rest.split_whitespace().next());
    word.and_then(|address| address.parse().ok())
        .unwrap_or_else(|| panic!("no address in: {ready}"))
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("create a directory");
    for entry in fs::read_dir(from).expect("list a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("its type").is_dir() {
            copy_all(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copy a file");
        }
    }
}

fn tail_of(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}
