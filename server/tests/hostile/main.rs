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
#[allow(
    dead_code,
    unreachable_pub,
    reason = "other test programs use the rest of it"
)]
#[path = "../support/household.rs"]
mod household;
mod keys;
mod peer;
mod people;
mod registration;
mod requests;
mod reset;
mod server;
mod slow;
mod tls;
