//! Registration with the operator's tokens: the right one opens, every other is refused with why.
#![allow(
    clippy::unwrap_used,
    reason = "a test binary has no callers to give errors to"
)]

mod support;

use std::fs;
use std::path::Path;
use std::process::Output;

use jsonwebtoken::get_current_timestamp;
use serde_json::{Value, json};
use support::operator::{Operator, configured};
use support::server::Server;
use support::{Person, complaint, succeeded};

/// Registers `name`, with this token if there is one.
fn register(dir: &Path, server: &Server, name: &str, token: Option<&str>) -> Output {
    let person = Person::new(dir.join(name));
    let file = dir.join("token");
    fs::write(&file, token.unwrap_or_default()).unwrap();
    let (address, file) = (server.address(), file.display().to_string());
    let mut arguments = vec!["register", "--server", &address, "--name", name];
    if token.is_some() {
        arguments.extend(["--token", &file]);
    }
    person.run(&arguments)
}

#[test]
fn the_operators_token_opens_its_handle() {
    let dir = tempfile::tempdir().unwrap();
    let operator = Operator::new();
    let server = operator.server(dir.path());
    // Editors end a file with a newline, which is no part of the token.
    let token = operator.token("alice") + "\n";
    succeeded(&register(dir.path(), &server, "alice", Some(&token)));
    let token = operator.token("bob");
    succeeded(&register(dir.path(), &server, "bob", Some(&token)));
    let alice = Person::new(dir.path().join("alice"));
    succeeded(&alice.run(&["send", "bob", "we are in"]));
}

#[test]
fn every_other_token_is_refused_with_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let operator = Operator::new();
    let server = operator.server(dir.path());
    let with = |name: &str, value: Value| {
        let mut claims = Operator::claims("alice");
        claims[name] = value;
        operator.sign(&claims)
    };
    let expired = with("exp", json!(get_current_timestamp() - 600));
    let invalid = "no valid token for this name";
    for (token, said) in [
        (Some(expired), "token has expired"),
        (Some(Operator::new().token("alice")), invalid),
        (Some(operator.token("bob")), invalid),
        (Some(with("aud", json!("mail.example.org"))), invalid),
        (Some("let me in".to_owned()), invalid),
        (None, "--token FILE"),
    ] {
        let refused = register(dir.path(), &server, "alice", token.as_deref());
        let line = complaint(&refused);
        assert!(line.contains(said), "{said}, for {token:?}: {line}");
    }
    // Neither the handle nor the home was spoilt by that.
    let token = operator.token("alice");
    succeeded(&register(dir.path(), &server, "alice", Some(&token)));
}

#[test]
fn a_closed_server_takes_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let server = configured(dir.path(), "mode = \"closed\"");
    let token = Operator::new().token("alice");
    for token in [None, Some(token.as_str())] {
        let line = complaint(&register(dir.path(), &server, "alice", token));
        assert!(line.contains("takes no registrations"), "{line}");
    }
}
