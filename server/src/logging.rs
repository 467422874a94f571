//! Where log lines go and what they look like, and what a panic does.

use std::backtrace::Backtrace;
use std::io::{self, IsTerminal};
use std::panic;
use std::process;
use std::str::FromStr;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::config::ConfigError;
use crate::config::log::{Log, LogFormat};

/// Sends log lines to standard error from now on. Content, keys and tokens are logged nowhere.
///
/// # Errors
/// When the level is not a filter.
pub fn start(log: &Log) -> Result<(), ConfigError> {
    let filter = filter(log)?;
    let text = match log.format {
        LogFormat::Text => true,
        LogFormat::Json => false,
        LogFormat::Auto => io::stderr().is_terminal(),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // Or a line that cannot be written, because the disk of the log is full or its reader is
        // gone, would be complained about on standard error, where complaining panics.
        .log_internal_errors(false)
        .with_writer(io::stderr);
    if text {
        builder.with_ansi(io::stderr().is_terminal()).init();
    } else {
        builder.json().flatten_event(true).init();
    }
    Ok(())
}

/// Whether the level is a filter.
///
/// # Errors
/// When it is not.
pub fn check(log: &Log) -> Result<(), ConfigError> {
    filter(log).map(|_| ())
}

fn filter(log: &Log) -> Result<EnvFilter, ConfigError> {
    let invalid = || ConfigError::LogFilterInvalid(log.level.clone());
    // A lone word that is no level would be the name of a target, and everything else silent.
    let is_level = |part: &str| !part.is_empty() && LevelFilter::from_str(part).is_ok();
    let is_meant = |part: &str| part.contains(['=', '[']) || is_level(part);
    if !log.level.split(',').all(|part| is_meant(part.trim())) {
        return Err(invalid());
    }
    EnvFilter::try_new(&log.level).map_err(|_| invalid())
}

/// Makes a panic in any thread end the process: a reactor that died would leave its shards
/// without an owner, while a restart recovers them.
pub fn abort_on_panic() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string);
        let message = info.payload_as_str().unwrap_or("without a message");
        let backtrace = Backtrace::force_capture().to_string();
        tracing::error!(event = "panic", place, message, backtrace);
        process::abort();
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_level(level: &str) -> Result<(), ConfigError> {
        check(&Log {
            level: level.to_owned(),
            ..Log::default()
        })
    }

    #[test]
    fn a_word_that_is_no_level_is_refused_and_not_taken_for_silence() {
        for level in [
            "info",
            "WARN",
            "off",
            "info,martlet_server=debug",
            "martlet_store=trace",
        ] {
            assert!(check_level(level).is_ok(), "{level}");
        }
        for level in ["", "loud", "warning", "info,loud", "martlet_server=loud"] {
            assert!(check_level(level).is_err(), "{level:?}");
        }
    }
}
