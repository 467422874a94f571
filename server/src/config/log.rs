//! `[log]`: how much is logged and in which form.

use clap::ValueEnum;
use serde::Deserialize;

/// Where log lines go is fixed (standard error); this is what they look like.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// Least severe level, or filter directives such as `info,martlet_server=debug`.
    pub level: String,
    /// Text, JSON, or text on a terminal and JSON elsewhere.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info".into(),
            format: LogFormat::Auto,
        }
    }
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
    /// Text on a terminal, JSON elsewhere.
    Auto,
}
