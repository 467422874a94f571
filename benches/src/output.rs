//! Standard output, where a reader that has gone away is an error and not a panic.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde::Serialize;

/// Prints a line of text.
pub fn print_line(text: impl Display) -> Result<()> {
    writeln!(io::stdout(), "{text}").context("write to standard output")
}

/// Prints a report, as JSON or for people, and gives the status of a program whose run is sound or
/// not.
pub fn report(report: &(impl Display + Serialize), json: bool, is_sound: bool) -> Result<ExitCode> {
    if json {
        print_json(report)?;
    } else {
        print_line(report)?;
    }
    Ok(if is_sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Prints a value as JSON on one line.
pub fn print_json(value: &impl Serialize) -> Result<()> {
    print_line(serde_json::to_string(value).context("write the report as JSON")?)
}
