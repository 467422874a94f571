//! The command line as scripts and supervisors see it: exit codes and the lines that go with them.
#![allow(clippy::unwrap_used, reason = "shared functions of a test program")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

fn martletd() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_martletd"));
    command.stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    martletd().args(arguments).output().unwrap()
}

fn check(output: &Output, code: i32, says: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{errors}");
    let said = String::from_utf8_lossy(&output.stdout) + errors;
    assert!(said.contains(says), "{says:?} is not in {said:?}");
}

/// A running server, and its ready line.
struct Running {
    child: Child,
    ready: String,
}

impl Running {
    fn start(data: &Path, listen: &str) -> Self {
        let mut child = martletd()
            .args(["serve", "--dev", "-a", listen, "-d"])
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut ready).unwrap();
        Self { child, ready }
    }

    fn address(&self) -> &str {
        let words = self.ready.split_whitespace();
        words.skip_while(|word| *word != "on").nth(1).unwrap()
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn home() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn the_ready_line_names_address_transport_and_data() {
    let home = home();
    let server = Running::start(home.path(), "127.0.0.1:0");
    assert!(
        server
            .ready
            .starts_with("martletd ready: listening on 127.0.0.1:")
    );
    assert!(server.ready.contains("(plain TCP), data in "));
    assert!(server.ready.contains(home.path().to_str().unwrap()));
}

#[test]
fn a_good_configuration_is_good_and_a_bad_one_says_where() {
    let home = home();
    let file = home.path().join("martlet.toml");
    let path = file.to_str().unwrap();
    fs::write(&file, include_str!("../martlet.toml")).unwrap();
    check(&run(&["check-config", "-c", path]), 0, "good");
    fs::write(&file, "[server]\ndata_dir = \"d\"\nport = 7400\n").unwrap();
    check(&run(&["check-config", "-c", path]), 78, "martlet.toml:3: ");
    check(&run(&["serve", "-c", path]), 78, "port");
    fs::write(
        &file,
        "[server]\ndata_dir = \"d\"\n[log]\nlevel = \"=loud=\"",
    )
    .unwrap();
    check(&run(&["check-config", "-c", path]), 78, "log level");
    check(
        &run(&["check-config", "-c", "/nowhere.toml"]),
        78,
        "/nowhere.toml",
    );
}

#[test]
fn files_that_the_configuration_names_are_checked_too() {
    let home = home();
    let file = home.path().join("martlet.toml");
    let path = file.to_str().unwrap();
    let tls = "[server]\ndata_dir = \"d\"\n[tls]\ncertificate_file = \"/c\"\nkey_file = \"/k\"\n";
    fs::write(&file, tls).unwrap();
    check(&run(&["check-config", "-c", path]), 78, "/c");
    let token = "[server]\ndata_dir = \"d\"\n[registration]\nmode = \"token\"\naudience = \"a\"\n";
    fs::write(&file, format!("{token}jwks_file = {path:?}\n")).unwrap();
    check(&run(&["check-config", "-c", path]), 78, "JSON Web Key Set");
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    check(&run(&["serve"]), 2, "<--dev|--config <FILE>>");
    check(&run(&["fly"]), 2, "fly");
}

#[test]
fn a_data_directory_has_one_server_and_an_address_too() {
    let home = home();
    let first = home.path().join("first");
    let server = Running::start(&first, "127.0.0.1:0");
    let (first, address) = (first.to_str().unwrap(), server.address());
    let same_data = ["serve", "--dev", "-a", "127.0.0.1:0", "-d", first];
    check(&run(&same_data), 75, "in use");
    let other = home.path().join("other");
    let same_address = [
        "serve",
        "--dev",
        "-a",
        address,
        "-d",
        other.to_str().unwrap(),
    ];
    check(&run(&same_address), 1, "another process");
    check(&run(&["verify", "-d", first]), 75, "in use");
}

#[test]
fn a_directory_is_verified_when_its_server_has_stopped() {
    let home = home();
    let data = home.path().join("data");
    let path = data.to_str().unwrap();
    check(&run(&["verify", "-d", path]), 74, "not a data directory");
    let mut server = Running::start(&data, "127.0.0.1:0");
    server.signal("TERM");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    check(&run(&["verify", "-d", path]), 0, "clean");
    fs::write(data.join("FORMAT"), "martlet 2\n").unwrap();
    check(&run(&["verify", "-d", path]), 74, "FORMAT");
}

#[test]
fn a_system_that_leaves_no_descriptor_for_connections_is_told() {
    let home = home();
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""])
        .arg(env!("CARGO_BIN_EXE_martletd"))
        .args(["serve", "--dev", "-a", "127.0.0.1:0", "-d"])
        .arg(home.path().join("data"))
        .output();
    check(&output.unwrap(), 1, "ulimit -n");
}

#[test]
fn a_log_that_cannot_be_written_does_not_end_the_server() {
    let home = home();
    let mut child = martletd()
        .args(["serve", "--dev", "-a", "127.0.0.1:0", "-d"])
        .arg(home.path())
        .stdout(Stdio::piped())
        .stderr(fs::File::options().write(true).open("/dev/full").unwrap())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut ready).unwrap();
    let mut server = Running { child, ready };
    server.signal("TERM");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

#[test]
fn an_interrupt_stops_the_server_cleanly() {
    let home = home();
    let mut server = Running::start(home.path(), "127.0.0.1:0");
    server.signal("INT");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}
