//! What can go wrong, one type for each question that a caller asks.

use std::path::PathBuf;
use std::sync::Arc;

use martlet_protocol::NackCode;
use rusqlite::ErrorCode;

use crate::event::OfflineCause;

/// The local database could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database was written by a newer version.
    #[error(
        "the database has format {found}, this version knows formats up to {newest}: \
         use a newer version"
    )]
    FormatUnknown {
        /// The format found.
        found: i64,
        /// The newest format that this version knows.
        newest: i64,
    },
    /// The file is a database, but of another program.
    #[error("the file is not a database of martlet: choose another home")]
    NotOurs,
    /// A stored value is outside its range.
    #[error("the database holds an impossible value in {column}: restore it from a backup")]
    RowInvalid {
        /// Table and column.
        column: &'static str,
    },
    /// SQLite reports an error.
    #[error("the database cannot be used: {}", complaint(.0))]
    Sqlite(rusqlite::Error),
    /// An earlier error has ended the work on this database.
    #[error("the database failed before: open the home again")]
    Stopped,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// What SQLite says, and what to do where that is known.
fn complaint(error: &rusqlite::Error) -> String {
    let advice = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            ": restore the home from a backup, or use another one"
        }
        Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure) => {
            ": make sure that the disk has room and works"
        }
        _ => "",
    };
    format!("{error}{advice}")
}

/// A home cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file with the certificates cannot be used.
    #[error("read certificates from {}: {reason}", path.display())]
    CertificatesInvalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The directory cannot be created or written.
    #[error("open the home {}: {reason}", path.display())]
    HomeUnusable {
        /// The directory, or the file in it.
        path: PathBuf,
        /// What the operating system says.
        reason: std::io::Error,
    },
    /// Another process has the home.
    #[error("the home is in use by {}: stop it, or choose another home", holder(*pid))]
    Locked {
        /// The process; 0 while it has not written its number yet.
        pid: u32,
    },
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The operating system gives no thread or no randomness.
    #[error("start the client: {0}")]
    System(std::io::Error),
}

fn holder(pid: u32) -> String {
    match pid {
        0 => "another process".to_owned(),
        pid => format!("process {pid}"),
    }
}

/// The client cannot do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The client was closed.
    #[error("the client is closed")]
    Closed,
    /// The operating system gives no randomness.
    #[error("draw a random number: {reason}")]
    EntropyMissing {
        /// What it says.
        reason: String,
    },
    /// The server was asked and does not answer.
    #[error("the server does not answer: try again when it is reachable")]
    NoAnswer,
    /// This home has no account.
    #[error("this home is not registered: register it first")]
    NotRegistered,
    /// The local database failed; the client has stopped and nothing acknowledged is lost.
    #[error(transparent)]
    Store(#[from] Arc<StoreError>),
    /// No message of this home has this id.
    #[error("no message has this id")]
    UnknownMessage,
    /// This home has no conversation with this name.
    #[error("no conversation with this name")]
    UnknownPeer,
}

impl From<StoreError> for ClientError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

/// Registration failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The server's address is not one.
    #[error("{address} is not an address: write HOST:PORT, tls://HOST:PORT or tcp://HOST:PORT")]
    AddressInvalid {
        /// What was given.
        address: String,
    },
    /// The home has an account already.
    #[error("this home belongs to {handle}: choose another home")]
    AlreadyRegistered {
        /// The account's name.
        handle: String,
    },
    /// The client cannot do it now.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The name breaks the rules.
    #[error(
        "the name must have 1 to 64 lower-case letters, digits, or any of _ . - +, \
         and begin with a letter, a digit or +"
    )]
    HandleInvalid,
    /// Plain TCP would leave this machine.
    #[error("plain TCP to another machine shows everybody who writes to whom: use tls://")]
    PlaintextForbidden,
    /// The server refused.
    #[error("the server refused: {}", refusal(*.0))]
    Refused(NackCode),
    /// The server did not answer in time.
    #[error("the server did not answer in time: try again")]
    TimedOut,
    /// The token is longer than the protocol allows.
    #[error("the token is too long: it may have 3072 bytes")]
    TokenTooLong,
    /// What listens there has accepted the connection and ended it instead of greeting: a server
    /// of something else, one that wants TLS, or one that takes nobody now.
    #[error("not registered: {cause}")]
    Ungreeted {
        /// How the connection ended.
        cause: OfflineCause,
    },
    /// The server cannot be reached.
    #[error("cannot reach the server: {reason}")]
    Unreachable {
        /// What the operating system or TLS says.
        reason: String,
    },
}

impl From<StoreError> for RegisterError {
    fn from(error: StoreError) -> Self {
        Self::Client(error.into())
    }
}

fn refusal(code: NackCode) -> &'static str {
    match code {
        NackCode::HANDLE_TAKEN => "the name is taken: choose another one",
        NackCode::HANDLE_INVALID => "the name is not allowed: choose another one",
        NackCode::REGISTRATION_CLOSED => "it takes no registrations: ask its operator",
        NackCode::TOKEN_INVALID => {
            "there is no valid token for this name: get one from its operator"
        }
        NackCode::TOKEN_EXPIRED => "the token has expired: get a new one from its operator",
        NackCode::RATE_LIMITED | NackCode::OVERLOADED | NackCode::DISK_FULL => {
            "it is busy: try again later"
        }
        other => other.name(),
    }
}

/// A message was not accepted by the client. Nothing was stored.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The client cannot do it now.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The recipient's name breaks the rules.
    #[error("the recipient's name is not a valid name")]
    HandleInvalid,
    /// Too many messages wait already.
    #[error("too many messages wait to be sent: go online first")]
    OutboxFull,
    /// The recipient is the sender.
    #[error("a message to oneself is not possible")]
    SelfAddressed,
    /// The text does not fit an envelope.
    #[error("the text is too long: it may have {bytes_max} bytes")]
    TextTooLong {
        /// Most bytes of UTF-8 that fit.
        bytes_max: usize,
    },
    /// The time to live is out of range.
    #[error("the time to live must lie between one second and 30 days")]
    TtlInvalid,
}

impl From<StoreError> for SendError {
    fn from(error: StoreError) -> Self {
        Self::Client(error.into())
    }
}
