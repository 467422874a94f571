//! Presence, typing, blocks and settings over the wire of a built server: who is told what, what
//! survives a crash, and what presence costs the disk.

#![allow(
    clippy::print_stdout,
    reason = "what a run has done is worth seeing, and shown only on failure or when asked for"
)]

#[allow(dead_code, reason = "other test programs use the rest of it")]
#[path = "../keys/home.rs"]
mod home;
#[path = "../support/mod.rs"]
mod support;

mod blocks;
mod devices;
mod load;
mod people;
mod presence;
