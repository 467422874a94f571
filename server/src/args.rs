//! The command line of `martletd`: subcommands and flags, nothing that acts.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand};

use crate::config::Flags;
use crate::config::log::LogFormat;

/// The Martlet server: durable messages over one persistent connection.
#[derive(Clone, Debug, Parser)]
#[command(name = "martletd", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `martletd` can do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Run the server.
    Serve(ServeArgs),
    /// Read a configuration file, say what is wrong with it, and exit (0 good, 78 bad).
    CheckConfig(CheckConfigArgs),
    /// Check every invariant of a data directory that no server uses (0 good, 74 damaged).
    Verify(VerifyArgs),
    /// Say that a data directory was restored from a copy, before the server uses it again.
    Restored(RestoredArgs),
}

/// Flags of `martletd serve`. A flag wins over the file, the file over the default.
#[derive(Args, Clone, Debug, Default)]
#[command(group = ArgGroup::new("source").required(true).args(["dev", "config"]))]
pub struct ServeArgs {
    /// Development: plain TCP on loopback, anyone may register, loopback is not rate limited.
    #[arg(long)]
    pub dev: bool,
    /// The configuration file (TOML).
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address to accept clients on [default: 127.0.0.1:7400].
    #[arg(short = 'a', long, value_name = "HOST:PORT")]
    pub listen: Option<SocketAddr>,
    /// Directory of the durable state [default with --dev: martlet-data].
    #[arg(short, long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Reactor threads [default: one per core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub reactors: Option<u16>,
    /// Accept plain TCP beyond loopback, where something else protects the way (a VPN). Not behind
    /// a TLS proxy: devices sign the TLS session they see, and the server must see the same.
    #[arg(long)]
    pub insecure_plaintext: bool,
    /// Certificate chain (PEM) for TLS 1.3.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Private key (PEM) of the certificate.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Least severe log level, or filter directives [default: info].
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// How log lines are written; auto is text on a terminal and JSON elsewhere.
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

impl ServeArgs {
    /// What the flags set.
    pub fn flags(&self) -> Flags {
        let args = self.clone();
        Flags {
            listen: args.listen,
            data_dir: args.data_dir,
            reactors: args.reactors,
            insecure_plaintext: args.insecure_plaintext,
            tls_cert: args.tls_cert,
            tls_key: args.tls_key,
            log_level: args.log_level,
            log_format: args.log_format,
        }
    }
}

/// Flags of `martletd check-config`.
#[derive(Args, Clone, Debug)]
pub struct CheckConfigArgs {
    /// The configuration file (TOML).
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,
}

/// Flags of `martletd verify`.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// Directory of the durable state.
    #[arg(short, long, value_name = "DIR")]
    pub data_dir: PathBuf,
}

/// Flags of `martletd restored`.
#[derive(Args, Clone, Debug)]
pub struct RestoredArgs {
    /// Directory of the durable state.
    #[arg(short, long, value_name = "DIR")]
    pub data_dir: PathBuf,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serve_needs_a_configuration_or_dev() {
        assert!(Cli::try_parse_from(["martletd", "serve"]).is_err());
        assert!(Cli::try_parse_from(["martletd", "serve", "--dev"]).is_ok());
        assert!(Cli::try_parse_from(["martletd", "serve", "-c", "martlet.toml"]).is_ok());
        assert!(Cli::try_parse_from(["martletd", "serve", "--dev", "-c", "f"]).is_err());
    }

    #[test]
    fn a_certificate_without_its_key_is_a_usage_error() {
        assert!(Cli::try_parse_from(["martletd", "serve", "--dev", "--tls-cert", "c"]).is_err());
    }
}
