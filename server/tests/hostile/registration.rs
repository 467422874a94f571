//! Registration by the operator's token: whoever has none, or another's, stays out.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use martlet_protocol::frame::Registration;
use martlet_protocol::{Kind, NackCode};
use serde_json::{Value, json};

use crate::peer::{Peer, account};
use crate::server::Server;

pub(crate) struct Operator {
    key: EncodingKey,
    public: Vec<u8>,
}

impl Operator {
    pub(crate) fn new() -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        Self {
            key: EncodingKey::from_ed_der(pkcs8.as_ref()),
            public: pair.public_key().as_ref().to_vec(),
        }
    }

    fn token(&self, handle: &str, expires_in_s: i64) -> Vec<u8> {
        self.token_with(handle, expires_in_s, json!({}))
    }

    /// A token with further claims.
    pub(crate) fn token_with(&self, handle: &str, expires_in_s: i64, more: Value) -> Vec<u8> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs() as i64;
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some("2026".into());
        let mut claims = json!({ "sub": handle, "aud": "chat", "exp": now + expires_in_s });
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        encode(&header, &claims, &self.key).unwrap().into_bytes()
    }

    /// A server that trusts this operator.
    pub(crate) fn server(&self) -> Server {
        let home = tempfile::tempdir().unwrap();
        let keys = home.path().join("keys.json");
        let x = base64url(&self.public);
        let key = json!({ "kid": "2026", "kty": "OKP", "crv": "Ed25519", "x": x });
        fs::write(&keys, json!({ "keys": [key] }).to_string()).unwrap();
        let section = format!(
            "[registration]\nmode = \"token\"\naudience = \"chat\"\njwks_file = {keys:?}\n"
        );
        Server::configured(home, &section)
    }
}

fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digit = |bits: u32, at: usize| DIGITS[(bits >> (18 - 6 * at)) as usize & 63];
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk
            .iter()
            .fold(0, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        text.extend((0..=chunk.len()).map(|at| char::from(digit(bits, at))));
    }
    text
}

#[test]
fn only_the_operators_token_opens_the_door_and_only_for_its_handle() {
    let operator = Operator::new();
    let forger = Operator::new();
    let server = operator.server();
    let mut peer = Peer::connect(server.address);
    assert_eq!(peer.greet().registration, Registration::TOKEN);
    let key = Ed25519KeyPair::generate().unwrap();
    for (token, code) in [
        (Vec::new(), NackCode::TOKEN_INVALID),
        (b"not a token".to_vec(), NackCode::TOKEN_INVALID),
        (forger.token("alice", 600), NackCode::TOKEN_INVALID),
        (operator.token("bob", 600), NackCode::TOKEN_INVALID),
        (operator.token("alice", -600), NackCode::TOKEN_EXPIRED),
    ] {
        peer.send_register(&key, "alice", &token);
        peer.expect_nack(Kind::REGISTER, code);
    }
    server.check_logged("registration_refused", "TOKEN_INVALID", 4);
    server.check_logged("registration_refused", "TOKEN_EXPIRED", 1);
    peer.send_register(&key, "alice", &operator.token("alice", 600));
    assert_eq!(peer.next().expect("REGISTERED").kind, Kind::REGISTERED);
    server.check_calm();
}

#[test]
fn a_closed_server_takes_nobody_new_and_serves_those_it_has() {
    let server = Server::development();
    let alice = account(server.address, "alice");
    let server = server.restart_with("");
    let mut peer = Peer::connect(server.address);
    assert_eq!(peer.greet().registration, Registration::CLOSED);
    peer.send_register(&Ed25519KeyPair::generate().unwrap(), "bob", b"");
    peer.expect_nack(Kind::REGISTER, NackCode::REGISTRATION_CLOSED);
    Peer::ready(server.address, &alice).check_alive();
}

#[test]
fn a_key_must_be_signed_with() {
    let server = Server::development();
    let mut peer = Peer::greeted(server.address);
    // The nonce of another connection: whoever recorded a REGISTER cannot use it here.
    peer.nonce = Peer::greeted(server.address).nonce;
    peer.send_register(&Ed25519KeyPair::generate().unwrap(), "alice", b"");
    peer.expect_nack(Kind::REGISTER, NackCode::AUTH_FAILED);
    // The name was not taken by that.
    account(server.address, "alice");
}
