//! Registration with the operator's tokens: the right one opens, every other is refused with why.
#![allow(
    clippy::unwrap_used,
    reason = "a test binary has no callers to give errors to"
)]

mod support;

use std::fs;
use std::path::Path;
use std::process::Output;

use aws_lc_rs::signature::Ed25519KeyPair;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};
use support::server::Server;
use support::{Person, complaint, succeeded};

const AUDIENCE: &str = "chat.example.org";
const KEY_ID: &str = "2026-11";

/// Who gives out tokens, or pretends to.
struct Operator(EncodingKey);

impl Operator {
    fn new() -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        Self(EncodingKey::from_ed_der(
            pair.to_pkcs8v1().unwrap().as_ref(),
        ))
    }

    fn key_set(&self) -> Value {
        let mut key = Jwk::from_encoding_key(&self.0, Algorithm::EdDSA).unwrap();
        key.common.key_id = Some(KEY_ID.to_owned());
        json!({ "keys": [key] })
    }

    fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(KEY_ID.to_owned());
        encode(&header, claims, &self.0).unwrap()
    }
}

fn claims(handle: &str) -> Value {
    json!({ "sub": handle, "aud": AUDIENCE, "exp": get_current_timestamp() + 600 })
}

/// A server that accepts the tokens of this operator.
fn server_of(operator: &Operator, dir: &Path) -> Server {
    let keys = dir.join("keys.json");
    fs::write(&keys, operator.key_set().to_string()).unwrap();
    let keys = keys.display();
    let mode = format!("mode = \"token\"\njwks_file = \"{keys}\"\naudience = \"{AUDIENCE}\"");
    configured(dir, &mode)
}

fn configured(dir: &Path, registration: &str) -> Server {
    let file = dir.join("martlet.toml");
    let data = dir.join("data");
    let text = format!(
        "[server]\ndata_dir = \"{}\"\n[registration]\n{registration}\n",
        data.display()
    );
    fs::write(&file, text).unwrap();
    Server::configured(&file)
}

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
    let server = server_of(&operator, dir.path());
    // Editors end a file with a newline, which is no part of the token.
    let token = operator.sign(&claims("alice")) + "\n";
    succeeded(&register(dir.path(), &server, "alice", Some(&token)));
    let token = operator.sign(&claims("bob"));
    succeeded(&register(dir.path(), &server, "bob", Some(&token)));
    let alice = Person::new(dir.path().join("alice"));
    succeeded(&alice.run(&["send", "bob", "we are in"]));
}

#[test]
fn every_other_token_is_refused_with_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let operator = Operator::new();
    let server = server_of(&operator, dir.path());
    let with = |name: &str, value: Value| {
        let mut claims = claims("alice");
        claims[name] = value;
        operator.sign(&claims)
    };
    let expired = with("exp", json!(get_current_timestamp() - 600));
    let invalid = "no valid token for this name";
    for (token, said) in [
        (Some(expired), "token has expired"),
        (Some(Operator::new().sign(&claims("alice"))), invalid),
        (Some(operator.sign(&claims("bob"))), invalid),
        (Some(with("aud", json!("mail.example.org"))), invalid),
        (Some("let me in".to_owned()), invalid),
        (None, "--token FILE"),
    ] {
        let refused = register(dir.path(), &server, "alice", token.as_deref());
        let line = complaint(&refused);
        assert!(line.contains(said), "{said}, for {token:?}: {line}");
    }
    // Neither the handle nor the home was spoilt by that.
    let token = operator.sign(&claims("alice"));
    succeeded(&register(dir.path(), &server, "alice", Some(&token)));
}

#[test]
fn a_closed_server_takes_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let server = configured(dir.path(), "mode = \"closed\"");
    let token = Operator::new().sign(&claims("alice"));
    for token in [None, Some(token.as_str())] {
        let line = complaint(&register(dir.path(), &server, "alice", token));
        assert!(line.contains("takes no registrations"), "{line}");
    }
}
