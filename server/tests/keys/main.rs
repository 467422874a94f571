//! Device lists, prekeys and links over the wire of a built server: who may say what, who gets
//! what, and what is still so after a crash.
#![allow(
    clippy::print_stdout,
    reason = "what a run has done is worth seeing, and shown only on failure or when asked for"
)]

#[allow(dead_code, reason = "other test programs use the rest of it")]
#[path = "../shim/mod.rs"]
mod shim;
#[path = "../support/mod.rs"]
mod support;

mod claims;
mod home;
mod linking;
mod lists;
mod parts;
mod prekeys;
mod removal;
