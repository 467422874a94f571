//! Homes that a passphrase opens: it and nothing else.
#![allow(
    clippy::unwrap_used,
    reason = "a test binary has no callers to give errors to"
)]

mod support;

use std::fs;
use std::path::Path;

use support::server::Server;
use support::{Person, complaint, field, succeeded};

fn file(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn the_right_passphrase_opens_a_home_and_a_wrong_one_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let right = file(dir.path(), "right", "correct horse\n");
    let wrong = file(dir.path(), "wrong", "correct horses\n");
    let empty = file(dir.path(), "empty", "");
    let bob = Person::register(dir.path(), &server, "bob");
    let alice = Person::new(dir.path().join("alice"));
    let address = server.address();
    let register = ["register", "--server", &address, "--name", "alice"];
    succeeded(&alice.run(&[&register[..], &["--passphrase-file", &right]].concat()));
    assert!(!alice.home().join("store.key").exists());

    let send = |options: &[&str]| alice.run(&[&["send", "bob", "sealed"], options].concat());
    succeeded(&send(&["--passphrase-file", &right]));
    for (options, said) in [
        (
            &["--passphrase-file", &wrong][..],
            "does not open this home",
        ),
        (&[], "say --passphrase-file FILE"),
        (
            &["--passphrase-file", &empty],
            "does not begin with a passphrase",
        ),
        (&["--passphrase-file", "/nowhere/file"], "/nowhere/file"),
    ] {
        let line = complaint(&send(options));
        assert!(line.contains(said), "{line}");
    }
    // Nothing was spoilt by that, and no key was made beside the passphrase.
    assert!(!alice.home().join("store.key").exists());
    let history = ["history", "bob", "--passphrase-file", &right];
    assert!(succeeded(&alice.run(&history)).contains("sealed"));
    succeeded(&bob.run(&["listen", "--count", "1"]));
    assert_eq!(field(&bob.history("alice"), "text"), ["sealed"]);
}

#[test]
fn a_home_with_a_key_file_needs_that_file_and_no_passphrase() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let alice = Person::register(dir.path(), &server, "alice");
    let passphrase = file(dir.path(), "passphrase", "correct horse\n");
    let line = complaint(&alice.run(&["listen", "--passphrase-file", &passphrase]));
    assert!(line.contains("leave --passphrase-file away"), "{line}");

    let key = alice.home().join("store.key");
    let kept = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    let line = complaint(&alice.run(&["devices"]));
    assert!(line.contains("put it back"), "{line}");
    assert!(!key.exists(), "a new key would open nothing");
    fs::write(&key, kept).unwrap();
    assert_eq!(alice.devices().len(), 1);
}
