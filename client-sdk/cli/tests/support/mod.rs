//! What the tests of the built programs share: a server, and people who type commands.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "every test program uses its own part of this, and a test ends at the first surprise"
)]

pub mod operator;
pub mod process;
pub mod random;
pub mod recorder;
pub mod search;
pub mod server;
pub mod typist;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use process::Running;
use server::Server;

/// How long anything may take on a slow and busy machine. Only a failing test waits this long.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// `martlet` as it was built with this test.
pub fn martlet(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_martlet"));
    command.arg("--home").arg(home).stdin(Stdio::null());
    command
}

/// Somebody with a home.
#[derive(Debug)]
pub struct Person {
    home: PathBuf,
}

impl Person {
    /// Registers `name` with a home of this name in `dir`.
    pub fn register(dir: &Path, server: &Server, name: &str) -> Self {
        let person = Self {
            home: dir.join(name),
        };
        let address = server.address();
        succeeded(&person.run(&["register", "--server", &address, "--name", name]));
        person
    }

    /// A home where nobody has registered yet.
    pub fn new(home: PathBuf) -> Self {
        Self { home }
    }

    /// Makes a home with this name in `dir` a device of this account, which calls it the same.
    /// This person's home must have the account's key.
    pub fn link(&self, dir: &Path, name: &str) -> Self {
        self.link_with(dir, name, &["--yes"])
    }

    /// As [`link`](Self::link), with these options of the command that shows the code.
    pub fn link_with(&self, dir: &Path, name: &str, options: &[&str]) -> Self {
        let showing = self.start(&[&["link"], options].concat());
        let code = showing.line();
        let device = Self {
            home: dir.join(name),
        };
        let said = succeeded(&device.run(&["link", &code, "--name", name]));
        assert!(said.ends_with(&format!("({name})\n")), "{said}");
        succeeded(&showing.end());
        device
    }

    /// The devices of this account, as `devices --json` prints them.
    pub fn devices(&self) -> Vec<Value> {
        json_lines(&succeeded(&self.run(&["devices", "--json"])))
    }

    /// The safety number with `peer`, and whether it was verified.
    pub fn safety_number(&self, peer: &str) -> (String, bool) {
        let shown = json(&succeeded(&self.run(&["safety-number", peer, "--json"])));
        let number = shown["number"].as_str().unwrap().to_owned();
        (number, shown["verified"].as_bool().unwrap())
    }

    /// The directory.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.start(arguments).end()
    }

    /// Starts a command, with pipes to it.
    pub fn start(&self, arguments: &[&str]) -> Running {
        Running::start(martlet(&self.home).args(arguments))
    }

    /// What `listen --json` prints until it has caught up, and when it is stopped then.
    pub fn catch_up(&self) -> Vec<Value> {
        let listening = self.start(&["listen", "--json"]);
        let mut lines = listening.lines_until(is_caught_up);
        lines.extend(succeeded(&listening.terminate()).lines().map(str::to_owned));
        lines.iter().map(|line| json(line)).collect()
    }

    /// What `listen --json` prints until it has printed a message with this text.
    pub fn hear_until(&self, text: &str) -> Vec<Value> {
        let listening = self.start(&["listen", "--json"]);
        let lines = listening.lines_until(|line| json(line)["text"] == text);
        succeeded(&listening.terminate());
        lines.iter().map(|line| json(line)).collect()
    }

    /// The conversation with `peer`, as `history --json` prints it.
    pub fn history(&self, peer: &str) -> Vec<Value> {
        json_lines(&succeeded(&self.run(&["history", peer, "--json"])))
    }
}

/// The output of a command that must have succeeded.
pub fn succeeded(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The one line on standard error of a command that must have failed with status 1.
pub fn complaint(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(errors.starts_with("martlet: "), "{errors}");
    errors
}

/// Every line as the JSON it must be.
pub fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(json).collect()
}

/// The line as the JSON it must be.
pub fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// Whether this line of `listen --json` says that all that had waited is printed.
pub fn is_caught_up(line: &str) -> bool {
    json(line)["event"] == "caught_up"
}

/// This field of every object.
pub fn field<'a>(objects: &'a [Value], name: &str) -> Vec<&'a str> {
    let text = |object: &'a Value| object[name].as_str();
    objects.iter().map(|object| text(object).unwrap()).collect()
}

/// The names of the object's fields, sorted.
pub fn names(object: &Value) -> Vec<&str> {
    let fields = object.as_object().unwrap();
    let mut names: Vec<_> = fields.keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}
