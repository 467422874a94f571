//! What the process tests share: the server as a process, clients, people under load, a ledger.
//!
//! ```text
//!  site ──▶ martletd, killed and started again at one address
//!  wire ◀── client ◀── person ◀── crowd: twenty of them, each in its own thread
//!                         └──▶ history ──▶ ledger: judges what they saw, knows nothing else
//! ```
#![allow(
    dead_code,
    unreachable_pub,
    clippy::print_stdout,
    reason = "every test program uses its own part of this, and nothing here runs in production"
)]

pub mod client;
pub mod crowd;
pub mod history;
pub mod household;
pub mod ledger;
pub mod person;
pub mod random;
pub mod site;
pub mod verdict;
pub mod volume;
pub mod wire;

use std::time::{Duration, Instant};

/// How long anything may take on a slow and busy machine. Only a failing test waits this long.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until `done` says so.
///
/// # Panics
/// After [`PATIENCE`], with what was waited for.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
