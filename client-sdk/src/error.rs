//! What can go wrong, one type for each question that a caller asks.

mod group;
mod people;

use std::path::PathBuf;
use std::sync::Arc;

use martlet_protocol::NackCode;
use rusqlite::ErrorCode;

use crate::crypto::link::LinkCodeError;
use crate::crypto::safety::{CodeError, NumberInvalid};
use crate::crypto::store_key::PassphraseError;
use crate::event::OfflineCause;

pub use group::GroupError;
pub use people::PeopleError;

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
    /// The database was written before the first release.
    #[error("the database has format {found}, of a version before the first: make a new home")]
    FormatOutdated {
        /// The format found.
        found: i64,
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
    /// The passphrase cannot be used.
    #[error("{0}: choose another one")]
    PassphraseUnusable(#[from] PassphraseError),
    /// An earlier error has ended the work on this database.
    #[error("the database failed before: open the home again")]
    Stopped,
    /// The key or passphrase is not the one with which the home was made.
    #[error("{WRONG_KEY}")]
    WrongKey,
}

const WRONG_KEY: &str = "the key does not open this home: give the key or the passphrase with \
                         which it was made, nothing else opens it";

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
    /// The home was made with a key file, and the file is not there.
    #[error(
        "the key file {} is missing: put it back, or give the key or the passphrase with which \
         this home was made", path.display()
    )]
    KeyFileMissing {
        /// Where it was.
        path: PathBuf,
    },
    /// The key file is not one.
    #[error("the key file {} does not hold a key: put the right one back", path.display())]
    KeyFileInvalid {
        /// Where it is.
        path: PathBuf,
    },
    /// The database cannot be used.
    #[error(transparent)]
    Store(StoreError),
    /// The operating system gives no thread or no randomness.
    #[error("start the client: {0}")]
    System(std::io::Error),
    /// The key or passphrase is not the one with which the home was made.
    #[error("{WRONG_KEY}")]
    WrongKey,
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::WrongKey => Self::WrongKey,
            error => Self::Store(error),
        }
    }
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
    /// This device is none of its account's any more: it was removed, or the account was reset.
    /// What it has stays readable, and nothing that it writes reaches anybody.
    #[error("this device was removed from its account: link a new home to take part again")]
    DeviceRemoved,
    /// The operating system gives no randomness.
    #[error("draw a random number: {reason}")]
    EntropyMissing {
        /// What it says.
        reason: String,
    },
    /// No keys of this account are known here: nothing was sent to it yet, or it has published
    /// none.
    #[error("the keys of this contact are not known yet: try again when the server is reachable")]
    KeysUnknown,
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

const DEVICE_NAME: &str = "a device's name has 1 to 40 bytes of text on one line";

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
    /// The name for this device breaks the rules.
    #[error("{DEVICE_NAME}")]
    DeviceNameInvalid,
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
    /// This account has blocked the recipient.
    #[error("this contact is blocked: unblock it to write to it")]
    Blocked,
    /// The client cannot do it now.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// An emoji, a contact or a place is not within its limits.
    #[error("the emoji, contact or place is not one that others can read")]
    ContentInvalid,
    /// The recipient's name breaks the rules.
    #[error("the recipient's name is not a valid name")]
    HandleInvalid,
    /// The recipient's account has another key than the one that was verified.
    #[error(
        "the key of this contact was verified and has changed: verify the new one, or accept it"
    )]
    IdentityChanged,
    /// The message is of a kind that cannot be changed so, or is gone.
    #[error("this message cannot be changed like this")]
    NotChangeable,
    /// This account is not in the group, or not any more.
    #[error("this account is not in the group any more")]
    NotMember,
    /// The message was written by the other side.
    #[error("only an own message can be edited or deleted for everyone")]
    NotOwn,
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
    /// It is too long ago.
    #[error("a message can be edited for 24 hours, and deleted for everyone for 48")]
    TooLate,
    /// The time to live is out of range.
    #[error("the time to live must lie between one second and 30 days")]
    TtlInvalid,
}

impl From<StoreError> for SendError {
    fn from(error: StoreError) -> Self {
        Self::Client(error.into())
    }
}

/// This home cannot become a device of the account.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The home has an account already.
    #[error("this home belongs to {handle}: choose another home")]
    AlreadyRegistered {
        /// The account's name.
        handle: String,
    },
    /// The account's device has answered something that does not fit the code.
    #[error("the other device's answer does not fit the code: begin again with a new code")]
    AnswerInvalid,
    /// The client cannot do it now.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The code is not one.
    #[error("{0}")]
    CodeInvalid(#[from] LinkCodeError),
    /// The account's device waits for nobody with this code, or not any more; the server does not
    /// tell which.
    #[error(
        "the other device has declined, or waits no longer for this code: show a new one there"
    )]
    Ended,
    /// The name for this device breaks the rules.
    #[error("{DEVICE_NAME}")]
    DeviceNameInvalid,
    /// Plain TCP would leave this machine.
    #[error("plain TCP to another machine shows everybody who writes to whom: use tls://")]
    PlaintextForbidden,
    /// The server refused.
    #[error("the server refused: {}", .0.name())]
    Refused(NackCode),
    /// Nobody answered in time.
    #[error("the account's device did not answer in time: is it online, and does it wait?")]
    TimedOut,
    /// The server cannot be reached.
    #[error("cannot reach the server: {reason}")]
    Unreachable {
        /// What the operating system or TLS says.
        reason: String,
    },
}

impl From<StoreError> for LinkError {
    fn from(error: StoreError) -> Self {
        Self::Client(error.into())
    }
}

/// The devices of this account cannot be changed so.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DevicesError {
    /// Another change is under way.
    #[error("another change of the devices is under way: wait until it is done")]
    Busy,
    /// The client cannot do it now.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The new device was approved and has lost its connection.
    #[error("the new device has lost its connection and was not added: make a new code")]
    DeviceLost,
    /// The account has as many devices as it may have.
    #[error("the account has {devices_max} devices, and may not have more: remove one first")]
    Full {
        /// How many it may have.
        devices_max: usize,
    },
    /// Nobody has used the code in time.
    #[error("no device has joined in time: make a new code")]
    NobodyJoined,
    /// The name breaks the rules.
    #[error("{DEVICE_NAME}")]
    NameInvalid,
    /// The account's key is on another device.
    #[error("only the account's first device can add, rename or remove devices")]
    NoAccountKey,
    /// The server refused.
    #[error("the server refused: {}", .0.name())]
    Refused(NackCode),
    /// The device that has the account's key cannot go.
    #[error("this device has the account's key and cannot be removed")]
    ThisDevice,
    /// The account has no such device.
    #[error("the account has no such device")]
    UnknownDevice,
}

impl From<StoreError> for DevicesError {
    fn from(error: StoreError) -> Self {
        Self::Client(error.into())
    }
}

/// What was compared does not prove that the keys are right.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The client cannot do it now.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The scanned code is not the other side of this conversation.
    #[error("{0}")]
    CodeDiffers(#[from] CodeError),
    /// The number is another one.
    #[error("the safety number is another one: somebody may be between you, do not trust it")]
    NumberDiffers,
    /// What was given is no safety number.
    #[error("{0}")]
    NumberInvalid(#[from] NumberInvalid),
}

impl From<StoreError> for VerifyError {
    fn from(error: StoreError) -> Self {
        Self::Client(error.into())
    }
}
