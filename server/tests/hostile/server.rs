//! `martletd` as a child process with its log.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tempfile::TempDir;

/// How long anything may take on a slow and busy machine. Only a failing test waits this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running server. Dropping it kills it.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<Vec<serde_json::Value>>>,
    home: Option<TempDir>,
}

impl Server {
    /// A server that anyone on loopback may use.
    pub(crate) fn development() -> Self {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("data");
        Self::start(home, |command| {
            command
                .args(["serve", "--dev", "-a", "127.0.0.1:0", "-d"])
                .arg(data);
        })
    }

    /// As [`Self::development`], with at most `count` descriptors.
    pub(crate) fn development_with_descriptors(count: u32) -> Self {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("data");
        let mut shell = Command::new("sh");
        shell
            .args(["-c", "ulimit -n \"$0\"; exec \"$@\""])
            .arg(count.to_string())
            .arg(env!("CARGO_BIN_EXE_martletd"))
            .args(["serve", "--dev", "-a", "127.0.0.1:0", "-d"])
            .arg(data);
        Self::spawn(home, shell)
    }

    /// The same data directory under a configuration of its own. `sections` follow `[server]`.
    pub(crate) fn restart_with(mut self, sections: &str) -> Self {
        let home = self.home.take().unwrap();
        drop(self);
        Self::configured(home, sections)
    }

    /// A new data directory under a configuration of its own.
    pub(crate) fn configured(home: TempDir, sections: &str) -> Self {
        let file = home.path().join("martlet.toml");
        let data = home.path().join("data");
        let server = format!("[server]\nlisten = \"127.0.0.1:0\"\ndata_dir = {data:?}\n");
        fs::write(&file, format!("{server}drain_time = \"1s\"\n{sections}")).unwrap();
        Self::start(home, |command| {
            command.args(["serve", "-c"]).arg(file);
        })
    }

    fn start(home: TempDir, arguments: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_martletd"));
        arguments(&mut command);
        Self::spawn(home, command)
    }

    fn spawn(home: TempDir, mut command: Command) -> Self {
        let mut child = command
            .args(["--reactors", "2", "--log-format", "json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let sink = Arc::clone(&log);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or_else(|_| line.into());
                sink.lock().push(line);
            }
        });
        let (sender, ready) = mpsc::channel();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            let mut line = String::new();
            let _ = out.read_line(&mut line);
            let _ = sender.send(line);
        });
        let line = ready.recv_timeout(PATIENCE).unwrap();
        let address = line
            .split_whitespace()
            .find_map(|word| word.parse().ok())
            .unwrap_or_else(|| panic!("no ready line: {line:?}, log {:?}", log.lock()));
        Self {
            child,
            address,
            log,
            home: Some(home),
        }
    }

    /// The directory that holds data and configuration.
    pub(crate) fn home(&self) -> &Path {
        self.home.as_ref().unwrap().path()
    }

    /// Log lines with this event so far, and these values in their fields.
    pub(crate) fn logged(&self, event: &str, fields: &[(&str, &str)]) -> usize {
        let has = |line: &serde_json::Value, (name, value): (&str, &str)| line[name] == value;
        let log = self.log.lock();
        log.iter()
            .filter(|line| has(line, ("event", event)))
            .filter(|line| fields.iter().all(|field| has(line, *field)))
            .count()
    }

    /// Asserts that exactly `count` lines with this event and code are logged, after a moment.
    pub(crate) fn check_logged(&self, event: &str, code: &str, count: usize) {
        let logged = || self.logged(event, &[("code", code)]);
        wait_until(&format!("{count} lines {event} {code}"), || {
            logged() >= count
        });
        assert_eq!(logged(), count, "{event} {code}: {:?}", self.log.lock());
    }

    /// Asserts that nothing was logged that a human must look at.
    pub(crate) fn check_calm(&self) {
        let log = self.log.lock();
        let loud: Vec<_> = log
            .iter()
            .filter(|line| line["level"] != "INFO" && line["level"] != "DEBUG")
            .collect();
        assert!(loud.is_empty(), "{loud:?}");
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status();
        assert!(status.unwrap().success());
    }

    /// Takes descriptors away from the running process.
    pub(crate) fn limit_descriptors(&self, count: u64) {
        let id = Pid::from_raw(self.child.id().try_into().unwrap());
        let limit = Rlimit {
            current: Some(count),
            maximum: Some(count),
        };
        prlimit(id, Resource::Nofile, limit).unwrap();
    }

    /// Waits for the end of the process.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the server does not end");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Open descriptors of the process.
    pub(crate) fn descriptors(&self) -> usize {
        let list = format!("/proc/{}/fd", self.child.id());
        fs::read_dir(list).unwrap().count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `done` says so.
pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
