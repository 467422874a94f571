//! The bare limit program: what relaying a durable message costs at least on this machine.

mod book;
mod core;
mod hold;
mod log;
mod record;
mod server;

pub use log::{SyncedLog, prewritten};
pub use server::{Options, Relay, Summary};
