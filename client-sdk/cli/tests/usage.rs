//! The program as a shell sees it, without a server: statuses, and one line that says what to do.

use std::path::Path;
use std::process::{Command, Output};

fn martlet(home: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_martlet"))
        .arg("--home")
        .arg(home)
        .args(arguments)
        .output()
        .expect("the program was built with this test")
}

/// The only line on standard error of a command that failed.
fn complaint(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(errors.starts_with("martlet: "), "{errors}");
    errors.into_owned()
}

#[test]
fn wrong_usage_has_status_2_and_a_failure_has_status_1() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(martlet(dir.path(), &["send", "bob"]).status.code(), Some(2));
    assert_eq!(
        martlet(dir.path(), &["listen", "--timeout", "soon"])
            .status
            .code(),
        Some(2)
    );
    assert_eq!(martlet(dir.path(), &["listen"]).status.code(), Some(1));
    assert_eq!(martlet(dir.path(), &["--help"]).status.code(), Some(0));
}

#[test]
fn a_home_without_an_account_says_how_to_get_one_and_is_not_created() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("nobody");
    for command in [
        &["listen"][..],
        &["send", "bob", "hi"],
        &["history", "bob"],
        &["chat", "bob"],
    ] {
        let line = complaint(&martlet(&home, command));
        assert!(
            line.contains("is not registered") && line.contains("register --server"),
            "{line}"
        );
    }
    assert!(!home.exists());
}

#[test]
fn a_server_that_cannot_be_reached_fails_the_registration_at_once() {
    let dir = tempfile::tempdir().unwrap();
    // Bound and dropped: nobody listens there now.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let server = format!("127.0.0.1:{port}");
    let output = martlet(
        dir.path(),
        &["register", "--server", &server, "--name", "alice"],
    );
    assert_eq!(output.status.code(), Some(1));
    let line = complaint(&output);
    assert!(
        line.contains("cannot reach the server") && line.contains(&server),
        "{line}"
    );
}

#[test]
fn plain_tcp_to_another_machine_needs_the_flag_that_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let arguments = [
        "register",
        "--server",
        "tcp://192.0.2.1:7400",
        "--name",
        "alice",
    ];
    let line = complaint(&martlet(dir.path(), &arguments));
    assert!(line.contains("plain TCP"), "{line}");
}

#[test]
fn a_name_or_a_file_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let server = ["register", "--server", "127.0.0.1:1", "--name"];
    let with = |rest: &[&str]| complaint(&martlet(dir.path(), &[&server[..], rest].concat()));
    assert!(with(&["Alice"]).contains("lower-case"));
    assert!(with(&["alice", "--token", "/nowhere/token"]).contains("/nowhere/token"));
    assert!(with(&["alice", "--ca", "/nowhere/ca.pem"]).contains("/nowhere/ca.pem"));
}

#[test]
fn a_home_that_cannot_be_used_is_told_once_and_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "not a home").unwrap();
    let line = complaint(&martlet(&file, &["history", "bob"]));
    assert_eq!(line.matches("not a directory").count(), 1, "{line}");
    std::fs::write(dir.path().join("store.key"), "00".repeat(32)).unwrap();
    std::fs::write(dir.path().join("martlet.db"), "not a database, but long").unwrap();
    let line = complaint(&martlet(dir.path(), &["history", "bob"]));
    assert_eq!(line.matches("not a database").count(), 1, "{line}");
    assert!(line.contains("restore the home"), "{line}");
}
