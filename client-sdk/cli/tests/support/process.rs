//! A child process whose output is read while it runs, and which ends with its owner.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::PATIENCE;

/// A running process. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    errors: Option<JoinHandle<Vec<u8>>>,
}

impl Running {
    /// Starts the command with pipes to it.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("run {command:?}: {error}"));
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut stderr = child.stderr.take().unwrap();
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines() {
                if sender.send(line.unwrap()).is_err() {
                    break;
                }
            }
        });
        // Read all the time, so that the process never waits for a full pipe.
        let errors = thread::spawn(move || {
            let mut bytes = Vec::new();
            stderr.read_to_end(&mut bytes).unwrap();
            bytes
        });
        Self {
            child,
            stdin,
            lines,
            errors: Some(errors),
        }
    }

    /// The number of the process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its standard input, for another thread to type.
    pub fn take_input(&mut self) -> ChildStdin {
        self.stdin.take().expect("the input was not ended")
    }

    /// Types one line; returns whether the process was there to read it.
    pub fn type_line(&mut self, line: &str) -> bool {
        let stdin = self.stdin.as_mut().expect("the input was not ended");
        writeln!(stdin, "{line}").is_ok()
    }

    /// Says that no more lines are typed.
    pub fn end_input(&mut self) {
        self.stdin = None;
    }

    /// The next line that it prints.
    ///
    /// # Panics
    /// When it prints none.
    pub fn line(&self) -> String {
        let line = self.lines.recv_timeout(PATIENCE);
        line.expect("the process prints another line")
    }

    /// The lines that it prints until one that `wanted` accepts, and that one.
    ///
    /// # Panics
    /// When it does not print such a line.
    pub fn lines_until(&self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = Vec::new();
        while !lines.last().is_some_and(|line: &String| wanted(line)) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => lines.push(line),
                Err(error) => panic!("{error}; it printed only {lines:#?}"),
            }
        }
        lines
    }

    /// The next line, if it prints one at all within this time.
    pub fn line_within(&self, time: Duration) -> Option<String> {
        self.lines.recv_timeout(time).ok()
    }

    /// Ends the input, and waits for the process to end; what was read already is not in the
    /// output.
    pub fn end(mut self) -> Output {
        self.end_input();
        self.end_by_itself()
    }

    /// As [`end`](Self::end), and leaves the input open.
    pub fn end_by_itself(mut self) -> Output {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "the process does not end");
            thread::sleep(Duration::from_millis(2));
        };
        self.output(status)
    }

    /// Asks it to end (SIGTERM), and waits as [`end`](Self::end) does.
    pub fn terminate(self) -> Output {
        self.signal("TERM");
        self.end()
    }

    /// Sends a signal, by its name.
    pub fn signal(&self, name: &str) {
        let kill = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status();
        assert!(kill.expect("run kill").success(), "the process is gone");
    }

    /// `kill -9`, waits until it is gone, and returns what else it has printed.
    ///
    /// # Panics
    /// When it had ended by itself.
    pub fn kill(mut self) -> Vec<String> {
        let ended = self.child.try_wait().unwrap();
        if let Some(status) = ended {
            panic!("ended by itself: {:?}", self.output(status));
        }
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.lines.iter().collect()
    }

    fn output(&mut self, status: ExitStatus) -> Output {
        let stdout: String = self.lines.iter().map(|line| line + "\n").collect();
        let errors = self.errors.take().unwrap().join();
        Output {
            status,
            stdout: stdout.into_bytes(),
            stderr: errors.unwrap(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
