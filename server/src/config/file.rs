//! Reading the configuration file; every complaint names the line and what to do.

use std::fmt;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use martlet_protocol::limits::GROUP_MEMBERS_MAX;
use serde::Deserialize;

use crate::config::groups::Groups;
use crate::config::inbox::Inbox;
use crate::config::limits::Limits;
use crate::config::log::Log;
use crate::config::registration::Registration;
use crate::config::server::{Server, Store, Tls};
use crate::config::units::Span;

/// The file as it is written: one field per section.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    /// `[server]`.
    pub server: Server,
    /// `[tls]`.
    pub tls: Tls,
    /// `[registration]`.
    pub registration: Registration,
    /// `[limits]`.
    pub limits: Limits,
    /// `[inbox]`.
    pub inbox: Inbox,
    /// `[groups]`.
    pub groups: Groups,
    /// `[store]`.
    pub store: Store,
    /// `[log]`.
    pub log: Log,
}

impl File {
    /// Reads and parses a file.
    ///
    /// # Errors
    /// When it cannot be read or is not a configuration.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(path, &text)
    }

    /// Parses the text of a file; `path` is only for the complaint.
    ///
    /// # Errors
    /// When it is not a configuration.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| ConfigError::Malformed {
            path: path.to_owned(),
            line: error.span().map_or(1, |span| line_of(text, span.start)),
            message: error.message().to_owned(),
        })
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

/// What is wrong with the configuration; the text says what to do about it.
#[derive(Debug)]
pub enum ConfigError {
    /// One of certificate and key is missing.
    CertificateIncomplete,
    /// No data directory is named.
    DataDirMissing,
    /// `--dev` with an address that others can reach.
    DevelopmentBeyondLoopback(SocketAddr),
    /// No group may have so few members, or so many.
    GroupSizeOutOfRange(usize),
    /// A cap that no message fits under.
    InboxTooSmall {
        /// The setting in `[inbox]`.
        name: &'static str,
        /// Its least value, as it is written in the file.
        least: &'static str,
    },
    /// The key set cannot be used to check tokens.
    KeySetUnusable {
        /// The JWKS file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A limit that no client could keep.
    LimitSenseless {
        /// The setting in `[limits]`.
        name: &'static str,
        /// Its least value, as it is written in the file.
        least: &'static str,
    },
    /// The log filter is not one.
    LogFilterInvalid(String),
    /// Not TOML, an unknown field, or a value of the wrong form.
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// Plain TCP on an address that others can reach.
    PlaintextBeyondLoopback(SocketAddr),
    /// The retention is not one that a message may have.
    RetentionOutOfRange(Span),
    /// The number of shards is 0 or senselessly large.
    ShardsOutOfRange(u16),
    /// The certificate or its key cannot be used.
    TlsUnusable {
        /// The certificate or key file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// Token registration without keys or audience.
    TokenSettingsMissing,
    /// Keys or audience without token registration.
    TokenSettingsUnused,
    /// A file that the configuration is or names cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CertificateIncomplete => f.write_str(
                "TLS needs both certificate_file and key_file in [tls]: set the missing one",
            ),
            Self::DataDirMissing => {
                f.write_str("no data directory: set data_dir in [server] or pass --data-dir DIR")
            }
            Self::DevelopmentBeyondLoopback(listen) => write!(
                f,
                "--dev lets anyone register, so it does not listen on {listen}: \
                 use a loopback address, or a configuration file"
            ),
            Self::GroupSizeOutOfRange(members) => write!(
                f,
                "members_max = {members} in [groups]: set it to 2 or more, and {GROUP_MEMBERS_MAX} \
                 at most"
            ),
            Self::InboxTooSmall { name, least } => write!(
                f,
                "{name} in [inbox] would leave no room for a message: set it to {least} or more"
            ),
            Self::KeySetUnusable { path, message } | Self::TlsUnusable { path, message } => {
                write!(f, "{}: {message}", path.display())
            }
            Self::LimitSenseless { name, least } => write!(
                f,
                "{name} in [limits] would leave no client connected: set it to {least} or more"
            ),
            Self::LogFilterInvalid(level) => write!(
                f,
                "log level {level:?} is not one: use error, warn, info, debug or trace"
            ),
            Self::Malformed {
                path,
                line,
                message,
            } => write!(f, "{}:{line}: {message}", path.display()),
            Self::PlaintextBeyondLoopback(listen) => write!(
                f,
                "plain TCP on {listen} would show everything to the network: set \
                 certificate_file and key_file in [tls], or insecure_plaintext = true in [server] \
                 when something else protects the way"
            ),
            Self::RetentionOutOfRange(Span(retention)) => write!(
                f,
                "a retention of {}: set it in [inbox] to 1s or more, and 30days at most",
                humantime::format_duration(*retention)
            ),
            Self::ShardsOutOfRange(shards) => {
                write!(f, "{shards} shards: set shards in [store] to 1..=4096")
            }
            Self::TokenSettingsMissing => f.write_str(
                "mode = \"token\" in [registration] needs jwks_file and audience: set both",
            ),
            Self::TokenSettingsUnused => f.write_str(
                "jwks_file and audience in [registration] do nothing without mode = \"token\": \
                 set it or remove them",
            ),
            Self::Unreadable { path, source } => write!(
                f,
                "cannot read {}: {source}: check the path and its permissions",
                path.display()
            ),
        }
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(text: &str) -> String {
        File::parse("martlet.toml".as_ref(), text)
            .expect_err("the file is wrong")
            .to_string()
    }

    #[test]
    fn a_complaint_names_file_and_line() {
        let text = "[server]\n\nlisten_on = \"127.0.0.1:1\"\n";
        let complaint = complaint(text);
        assert!(complaint.starts_with("martlet.toml:3: "), "{complaint}");
        assert!(complaint.contains("listen_on"), "{complaint}");
        assert!(
            complaint.contains("`listen`"),
            "the known names are listed: {complaint}"
        );
    }

    #[test]
    fn an_unknown_section_is_refused() {
        assert!(complaint("[severs]\n").starts_with("martlet.toml:1: "));
    }

    #[test]
    fn durations_and_sizes_need_their_unit() {
        let complaint_time = complaint("[limits]\nidle_time = 180\n");
        assert!(
            complaint_time.starts_with("martlet.toml:2: "),
            "{complaint_time}"
        );
        assert!(complaint_time.contains("\"30s\""), "{complaint_time}");
        let complaint_longest = complaint("[server]\ndrain_time = \"1000y\"\n");
        assert!(complaint_longest.contains("365days"), "{complaint_longest}");
        let complaint_size = complaint("[limits]\n\n\noutbound_max = \"512\"\n");
        assert!(
            complaint_size.starts_with("martlet.toml:4: "),
            "{complaint_size}"
        );
        assert!(complaint_size.contains("\"64KiB\""), "{complaint_size}");
    }

    #[test]
    fn broken_toml_is_refused_with_its_line() {
        assert!(complaint("[server]\nlisten = \n").starts_with("martlet.toml:2: "));
    }

    #[test]
    fn a_missing_file_says_which_one() {
        let error = File::read("/nowhere/martlet.toml".as_ref()).expect_err("there is no file");
        assert!(error.to_string().contains("/nowhere/martlet.toml"));
    }
}
