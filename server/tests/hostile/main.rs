//! Clients that are broken, greedy or hostile: each gets its typed refusal, once in the log, and
//! the clients beside it notice nothing.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "shared functions of a test program"
)]

mod bystanders;
mod bytes;
mod crowds;
mod draining;
mod peer;
mod registration;
mod requests;
mod server;
mod slow;
mod tls;
