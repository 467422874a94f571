//! What an application may choose.

use std::fmt;
use std::path::PathBuf;

use martlet_protocol::MessageId;
use zeroize::Zeroizing;

use crate::crypto::store_key::StoreKey;

/// How a client connects. The defaults suit an application that talks to one server.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name and version for the server's log, at most 64 bytes.
    pub agent: String,
    /// Permits `tcp://` to a host that is not this machine: only behind a tunnel that encrypts.
    pub allow_plaintext: bool,
    /// PEM file with the certificate authorities to trust instead of the system's, or with the
    /// server's own self-signed certificate, which is then accepted and no other. It is stored by
    /// [`Client::register`](crate::Client::register); later opens need not repeat it.
    pub ca_file: Option<PathBuf>,
    /// What [`Client::register`](crate::Client::register) calls this device: 1 to 40 bytes on one
    /// line, which only the account's own devices can read.
    pub device_name: String,
    /// Opens the home without connecting: for history and local states.
    pub offline: bool,
    /// How long registration, or joining an account, may take, in milliseconds.
    pub register_timeout_ms: u64,
    /// What seals the keys and the contents of messages in the home's database.
    pub store_key: StoreKeySource,
}

/// Where the key of a home's database comes from. A home can be opened with what it was made
/// with, and with nothing else.
#[derive(Clone, Debug, Default)]
pub enum StoreKeySource {
    /// A random key in the file `store.key` of the home, made with it and readable by its owner
    /// only. It protects a copy of the database alone (a backup, an upload, a file sent for
    /// support) and not one of the whole home: whoever has the directory has both.
    #[default]
    KeyFile,
    /// The application keeps the key: in the system's keychain, say.
    Key(StoreKey),
    /// A person's passphrase. Opening the home takes a fraction of a second, and so does each
    /// guess of somebody who has the home.
    Passphrase(Passphrase),
}

/// A passphrase. It is wiped when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes a passphrase.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(secret)")
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            agent: concat!("martlet-client/", env!("CARGO_PKG_VERSION")).to_owned(),
            allow_plaintext: false,
            ca_file: None,
            device_name: "first device".to_owned(),
            offline: false,
            register_timeout_ms: 15_000,
            store_key: StoreKeySource::default(),
        }
    }
}

/// What may be said about one message beside its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendOptions {
    /// Time to live in milliseconds, from one second to 30 days; `None` for the server's own.
    pub ttl_ms: Option<u64>,
}

/// Which part of a conversation to return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// At most this many messages, the newest of those that qualify.
    pub limit: usize,
    /// Only messages before this one.
    pub before: Option<MessageId>,
}

impl Default for History {
    fn default() -> Self {
        Self {
            limit: 100,
            before: None,
        }
    }
}
