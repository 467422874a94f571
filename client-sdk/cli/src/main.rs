//! `martlet`, the terminal client: one process, one command, one home.
#![forbid(unsafe_code)]

mod args;
mod ask;
mod chat;
mod commands;
mod home;
mod ids;
mod output;
mod over;
mod peers;
mod stop;
mod text;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use args::Args;

fn main() -> ExitCode {
    let args = Args::parse();
    let ended = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(commands::run(args)));
    match ended {
        Ok(code) => code,
        Err(error) if output::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let line = text::one_line(&format!("martlet: {error:#}"));
            // Nobody is left to tell when standard error is closed too.
            let _ = writeln!(io::stderr(), "{line}");
            ExitCode::FAILURE
        }
    }
}
