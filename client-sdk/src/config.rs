//! What an application may choose.

use std::path::PathBuf;

use martlet_protocol::MessageId;

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
    /// Opens the home without connecting: for history and local states.
    pub offline: bool,
    /// How long registration may take, in milliseconds.
    pub register_timeout_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            agent: concat!("martlet-client/", env!("CARGO_PKG_VERSION")).to_owned(),
            allow_plaintext: false,
            ca_file: None,
            offline: false,
            register_timeout_ms: 15_000,
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
