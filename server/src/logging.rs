//! Where log lines go and what they look like, and what a panic does.

use std::backtrace::Backtrace;
use std::io::{self, IsTerminal};
use std::panic;
use std::process;

use tracing_subscriber::EnvFilter;

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
    EnvFilter::try_new(&log.level).map_err(|_| ConfigError::LogFilterInvalid(log.level.clone()))
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
