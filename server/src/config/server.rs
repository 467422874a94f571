//! `[server]`, `[tls]` and `[store]`: where the server listens and keeps its state.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;

use crate::config::units::Span;

/// Where clients come in and how many threads serve them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Address to accept clients on.
    pub listen: SocketAddr,
    /// Directory of the durable state.
    pub data_dir: Option<PathBuf>,
    /// Reactor threads; none is one per core.
    pub reactors: Option<u16>,
    /// Whether plain TCP is accepted beyond loopback.
    pub insecure_plaintext: bool,
    /// Over which time clients are told to come back when the server stops.
    pub drain_time: Span,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)),
            data_dir: None,
            reactors: None,
            insecure_plaintext: false,
            drain_time: Span::from_secs(3),
        }
    }
}

/// The certificate; without one the server speaks plain TCP.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// Certificate chain (PEM).
    pub certificate_file: Option<PathBuf>,
    /// Private key (PEM).
    pub key_file: Option<PathBuf>,
}

/// The data directory's own settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// Logical partitions of a new data directory. An existing one keeps its number, and refuses
    /// to start with another.
    pub shards: u16,
}

impl Default for Store {
    fn default() -> Self {
        Self { shards: 64 }
    }
}

const PORT: u16 = 7400;
