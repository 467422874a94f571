//! Why the server does not start or ends, and the exit code of each reason.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use martlet_store::rocks::StoreError;

use crate::config::ConfigError;

/// Why a command ended without success.
#[derive(Debug)]
pub enum StartError {
    /// The configuration is wrong.
    Config(ConfigError),
    /// The data directory cannot be created or inspected.
    DataDir {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system gives so few descriptors that nobody could connect.
    DescriptorsMissing {
        /// How many it gives.
        given: u32,
        /// How many are needed for one connection.
        least: u32,
    },
    /// Rows of the store contradict each other.
    InvariantsBroken {
        /// How many rows or pairs of rows.
        count: usize,
    },
    /// The address cannot be listened on.
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A thread or its runtime cannot be created.
    Runtime(io::Error),
    /// The store cannot be opened, or is damaged.
    Store(StoreError),
}

impl StartError {
    /// The exit code, after sysexits: a supervisor tells from it whether a restart can help.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Config(_) => EXIT_CONFIG,
            Self::DataDir { source, .. } | Self::Listen { source, .. }
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                EXIT_PERMISSION
            }
            Self::DataDir { .. } | Self::InvariantsBroken { .. } => EXIT_IO,
            Self::DescriptorsMissing { .. } | Self::Listen { .. } | Self::Runtime(_) => {
                EXIT_FAILURE
            }
            Self::Store(error) => store_code(error),
        })
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::DataDir { path, source } if source.kind() == io::ErrorKind::AlreadyExists => {
                write!(
                    f,
                    "cannot use data directory {}: it is a file: choose another path",
                    path.display()
                )
            }
            Self::DataDir { path, source } => write!(
                f,
                "cannot use data directory {}: {source}: check the path and its permissions",
                path.display()
            ),
            Self::DescriptorsMissing { given, least } => write!(
                f,
                "the system gives {given} file descriptors, which leaves none for connections: \
                 allow {least} or more (ulimit -n, LimitNOFILE)"
            ),
            Self::InvariantsBroken { count } => write!(
                f,
                "{count} invariants do not hold: restore the data directory from a backup"
            ),
            Self::Listen { address, source } if source.kind() == io::ErrorKind::AddrInUse => {
                write!(
                    f,
                    "cannot listen on {address}: another process does: stop it, or choose another \
                     address with --listen HOST:PORT"
                )
            }
            Self::Listen { address, source } => write!(
                f,
                "cannot listen on {address}: {source}: choose another address with --listen"
            ),
            Self::Runtime(source) => write!(f, "cannot start a thread: {source}"),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(error) => error.source(),
            _ => None,
        }
    }
}

impl From<ConfigError> for StartError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn store_code(error: &StoreError) -> u8 {
    match error {
        StoreError::Locked { .. } => EXIT_TRY_LATER,
        StoreError::ShardsDiffer { .. } => EXIT_CONFIG,
        StoreError::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
            EXIT_PERMISSION
        }
        _ => EXIT_IO,
    }
}

/// A runtime failure.
const EXIT_FAILURE: u8 = 1;
/// I/O error, or a store that is damaged.
pub const EXIT_IO: u8 = 74;
/// The data directory is in use by another process.
const EXIT_TRY_LATER: u8 = 75;
/// The operating system forbids it.
const EXIT_PERMISSION: u8 = 77;
/// The configuration is wrong.
const EXIT_CONFIG: u8 = 78;
