//! Who runs a server and gives out tokens, or pretends to.

use std::fs;
use std::path::Path;

use aws_lc_rs::signature::Ed25519KeyPair;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};

use super::server::Server;

const AUDIENCE: &str = "chat.example.org";
const KEY_ID: &str = "2026-11";

/// An operator's key.
pub struct Operator(EncodingKey);

impl Operator {
    pub fn new() -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        Self(EncodingKey::from_ed_der(
            pair.to_pkcs8v1().unwrap().as_ref(),
        ))
    }

    /// A server that accepts the tokens of this operator.
    pub fn server(&self, dir: &Path) -> Server {
        let keys = dir.join("keys.json");
        fs::write(&keys, self.key_set().to_string()).unwrap();
        let keys = keys.display();
        let mode = format!("mode = \"token\"\njwks_file = \"{keys}\"\naudience = \"{AUDIENCE}\"");
        configured(dir, &mode)
    }

    /// What a token for this handle usually says.
    pub fn claims(handle: &str) -> Value {
        json!({ "sub": handle, "aud": AUDIENCE, "exp": get_current_timestamp() + 600 })
    }

    /// A token for a new account.
    pub fn token(&self, handle: &str) -> String {
        self.sign(&Self::claims(handle))
    }

    /// A token for an account whose key is lost.
    pub fn reset_token(&self, handle: &str) -> String {
        let mut claims = Self::claims(handle);
        claims["reset"] = true.into();
        self.sign(&claims)
    }

    pub fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(KEY_ID.to_owned());
        encode(&header, claims, &self.0).unwrap()
    }

    fn key_set(&self) -> Value {
        let mut key = Jwk::from_encoding_key(&self.0, Algorithm::EdDSA).unwrap();
        key.common.key_id = Some(KEY_ID.to_owned());
        json!({ "keys": [key] })
    }
}

/// A server whose configuration says this of registration.
pub fn configured(dir: &Path, registration: &str) -> Server {
    let file = dir.join("martlet.toml");
    let data = dir.join("data");
    let text = format!(
        "[server]\ndata_dir = \"{}\"\n[registration]\n{registration}\n",
        data.display()
    );
    fs::write(&file, text).unwrap();
    Server::configured(&file)
}
