//! What the server works with: flags over the file over defaults, complete and consistent.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;

use crate::config::limits::Limits;
use crate::config::log::{Log, LogFormat};
use crate::config::registration::{self, Mode};
use crate::config::server::Store;
use crate::config::units::Span;
use crate::config::{ConfigError, File};

/// Everything the server needs to know, complete and consistent.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address to accept clients on.
    pub listen: SocketAddr,
    /// What the bytes on the socket are.
    pub transport: Transport,
    /// Directory of the durable state.
    pub data_dir: PathBuf,
    /// Reactor threads, at least one.
    pub reactors: u16,
    /// Over which time clients are told to come back when the server stops.
    pub drain_time: Span,
    /// Who may create an account.
    pub registration: Registration,
    /// Bounds against clients.
    pub limits: Limits,
    /// Caps and lives of what waits for devices, the sizes of groups, and the quotas of accounts.
    pub shard: martlet_shard::Limits,
    /// The data directory's own settings.
    pub store: Store,
    /// How to log.
    pub log: Log,
}

/// What the command line sets. It wins over the file.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// Address to accept clients on.
    pub listen: Option<SocketAddr>,
    /// Directory of the durable state.
    pub data_dir: Option<PathBuf>,
    /// Reactor threads.
    pub reactors: Option<u16>,
    /// Whether plain TCP is accepted beyond loopback.
    pub insecure_plaintext: bool,
    /// Certificate chain (PEM).
    pub tls_cert: Option<PathBuf>,
    /// Private key (PEM).
    pub tls_key: Option<PathBuf>,
    /// Least severe log level.
    pub log_level: Option<String>,
    /// The form of log lines.
    pub log_format: Option<LogFormat>,
}

/// What the bytes on the socket are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Frames.
    Plain,
    /// Frames inside TLS 1.3.
    Tls {
        /// Certificate chain (PEM).
        certificate_file: PathBuf,
        /// Private key (PEM).
        key_file: PathBuf,
    },
}

/// Who may create an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Nobody.
    Closed,
    /// Anyone: development only.
    Open,
    /// Whoever brings a token of the operator.
    Token {
        /// The operator's public keys.
        jwks_file: PathBuf,
        /// What `aud` must name.
        audience: String,
    },
}

impl Config {
    /// The configuration of `martletd serve --dev`.
    ///
    /// # Errors
    /// When flags contradict each other.
    pub fn development(flags: &Flags) -> Result<Self, ConfigError> {
        let mut file = File::default();
        file.server.data_dir = Some(PathBuf::from("martlet-data"));
        file.limits.loopback_exempt = true;
        file.limits.sends_per_second = 0;
        file.limits.frames_per_second = 0;
        file.limits.new_conversations_time = Span::from_secs(0);
        file.server.drain_time = Span::from_secs(1);
        let mut config = Self::build(file, flags)?;
        if !config.listen.ip().is_loopback() {
            return Err(ConfigError::DevelopmentBeyondLoopback(config.listen));
        }
        config.registration = Registration::Open;
        Ok(config)
    }

    /// The configuration of a file with flags over it.
    ///
    /// # Errors
    /// When the settings contradict each other or are not enough.
    pub fn build(file: File, flags: &Flags) -> Result<Self, ConfigError> {
        let listen = flags.listen.unwrap_or(file.server.listen);
        let plaintext = flags.insecure_plaintext || file.server.insecure_plaintext;
        let certificate = flags.tls_cert.clone().or(file.tls.certificate_file);
        let key = flags.tls_key.clone().or(file.tls.key_file);
        let mut log = file.log;
        if let Some(level) = &flags.log_level {
            log.level.clone_from(level);
        }
        log.format = flags.log_format.unwrap_or(log.format);
        if file.store.shards == 0 || file.store.shards > SHARDS_MAX {
            return Err(ConfigError::ShardsOutOfRange(file.store.shards));
        }
        if let Some((name, least)) = file.limits.senseless() {
            return Err(ConfigError::LimitSenseless { name, least });
        }
        let reactors = flags.reactors.or(file.server.reactors);
        let shard = file.limits.quotas(file.inbox.limits()?);
        Ok(Self {
            listen,
            transport: transport(listen, plaintext, certificate, key)?,
            data_dir: flags
                .data_dir
                .clone()
                .or(file.server.data_dir)
                .filter(|path| !path.as_os_str().is_empty())
                .ok_or(ConfigError::DataDirMissing)?,
            reactors: reactors.unwrap_or_else(cores).clamp(1, REACTORS_MAX),
            drain_time: file.server.drain_time,
            registration: registration(file.registration)?,
            shard: file.groups.limits(shard)?,
            limits: file.limits,
            store: file.store,
            log,
        })
    }
}

fn transport(
    listen: SocketAddr,
    plaintext: bool,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
) -> Result<Transport, ConfigError> {
    match (certificate, key) {
        (Some(_), None) | (None, Some(_)) => Err(ConfigError::CertificateIncomplete),
        (Some(certificate_file), Some(key_file)) => Ok(Transport::Tls {
            certificate_file,
            key_file,
        }),
        (None, None) if listen.ip().is_loopback() || plaintext => Ok(Transport::Plain),
        (None, None) => Err(ConfigError::PlaintextBeyondLoopback(listen)),
    }
}

fn registration(section: registration::Registration) -> Result<Registration, ConfigError> {
    match (section.mode, section.jwks_file, section.audience) {
        (Mode::Closed, None, None) => Ok(Registration::Closed),
        (Mode::Closed, ..) => Err(ConfigError::TokenSettingsUnused),
        (Mode::Token, Some(jwks_file), Some(audience)) if !audience.is_empty() => {
            Ok(Registration::Token {
                jwks_file,
                audience,
            })
        }
        (Mode::Token, ..) => Err(ConfigError::TokenSettingsMissing),
    }
}

fn cores() -> u16 {
    thread::available_parallelism().map_or(1, |n| u16::try_from(n.get()).unwrap_or(REACTORS_MAX))
}

/// A session id has 16 bits for its reactor; a machine has fewer cores than this.
const REACTORS_MAX: u16 = 256;

/// More shards than this only cost memory: each is a share of one machine's accounts.
const SHARDS_MAX: u16 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn build(text: &str) -> Result<Config, ConfigError> {
        Config::build(
            File::parse("martlet.toml".as_ref(), text)?,
            &Flags::default(),
        )
    }

    fn refusal(text: &str) -> String {
        build(text)
            .expect_err("the configuration is wrong")
            .to_string()
    }

    #[test]
    fn a_small_file_is_enough() {
        let config = build("[server]\ndata_dir = \"/var/lib/martlet\"\n").unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:7400");
        assert_eq!(config.transport, Transport::Plain);
        assert_eq!(config.registration, Registration::Closed);
    }

    #[test]
    fn an_empty_path_is_no_data_directory() {
        assert!(refusal("[server]\ndata_dir = \"\"\n").contains("data_dir"));
    }

    #[test]
    fn plain_tcp_beyond_loopback_must_be_asked_for() {
        let file = "[server]\nlisten = \"0.0.0.0:7400\"\ndata_dir = \"d\"\n";
        assert!(refusal(file).contains("certificate_file"));
        let asked = file.to_owned() + "insecure_plaintext = true\n";
        assert_eq!(build(&asked).unwrap().transport, Transport::Plain);
    }

    #[test]
    fn half_a_certificate_is_refused() {
        let text = "[server]\ndata_dir = \"d\"\n[tls]\nkey_file = \"k\"\n";
        assert!(refusal(text).contains("certificate_file"));
    }

    #[test]
    fn token_registration_needs_keys_and_an_audience() {
        let text = "[server]\ndata_dir = \"d\"\n[registration]\nmode = \"token\"\n";
        assert!(refusal(text).contains("jwks_file"));
        assert!(refusal(&text.replace("token", "open")).contains("closed"));
    }

    #[test]
    fn development_stays_on_loopback() {
        let mut flags = Flags::default();
        assert_eq!(
            Config::development(&flags).unwrap().registration,
            Registration::Open
        );
        flags.listen = Some("0.0.0.0:7400".parse().unwrap());
        flags.insecure_plaintext = true;
        assert!(Config::development(&flags).is_err());
    }

    #[test]
    fn limits_that_nobody_could_keep_are_refused() {
        let with = |line: &str| refusal(&format!("[server]\ndata_dir = \"d\"\n{line}\n"));
        assert!(with("[limits]\nidle_time = \"0s\"").contains("idle_time"));
        assert!(with("[limits]\noutbound_max = \"1KiB\"").contains("384KiB"));
        assert!(with("[limits]\nconnections_max = 0").contains("connections_max"));
        assert!(with("[inbox]\nretention = \"90days\"").contains("30days"));
        assert!(with("[inbox]\nmessages_max = 0").contains("messages_max"));
        assert!(with("[inbox]\nbytes_max = \"64KiB\"").contains("128KiB"));
        assert!(with("[groups]\nmembers_max = 1").contains("members_max"));
        assert!(with("[groups]\nmembers_max = 5001").contains("5000"));
        assert!(with("[store]\nshards = 0").contains("shards"));
    }

    #[test]
    fn the_example_is_what_the_defaults_are() {
        let text = include_str!("../../martlet.toml");
        let given: String = text
            .lines()
            .map(|line| line.strip_prefix("#= ").unwrap_or(line))
            .flat_map(|line| [line, "\n"])
            .collect();
        let example = File::parse("martlet.toml".as_ref(), &given).unwrap();
        let mut defaults = File::default();
        defaults.server.data_dir = Some("/var/lib/martlet".into());
        assert_eq!(format!("{example:?}"), format!("{defaults:?}"));
        assert!(build(text).is_ok(), "the example is good as it is");
    }

    #[test]
    fn a_flag_wins_over_the_file() {
        let text = "[server]\ndata_dir = \"d\"\nlisten = \"127.0.0.1:1\"\n[log]\nlevel = \"warn\"";
        let flags = Flags {
            listen: Some("127.0.0.1:2".parse().unwrap()),
            log_level: Some("debug".into()),
            ..Flags::default()
        };
        let config = Config::build(File::parse("f.toml".as_ref(), text).unwrap(), &flags).unwrap();
        assert_eq!(config.listen.port(), 2);
        assert_eq!(config.log.level, "debug");
    }
}
