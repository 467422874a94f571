//! `martletd`: reads the command line, runs the command, and turns its end into an exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use martlet_server::args::{Cli, Command};
use martlet_server::error::StartError;
use martlet_server::{restored, serve, verify};
use mimalloc::MiMalloc;

/// Replies and rows are many small allocations on few threads: what mimalloc is made for.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(args) => serve::serve(&args),
        Command::CheckConfig(args) => serve::check_config(&args),
        Command::Verify(args) => verify::verify(&args),
        Command::Restored(args) => restored::restored(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // When standard error is closed there is nobody to tell.
            let _ = writeln!(io::stderr(), "martletd: {}", chain(&error));
            error.exit_code()
        }
    }
}

/// An error and its causes in one line.
fn chain(error: &StartError) -> String {
    let mut line = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        line.push_str(": ");
        line.push_str(&inner.to_string());
        cause = inner.source();
    }
    line
}
