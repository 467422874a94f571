//! Presence, typing, blocks and settings over the wire of a built server: who is told what, what
//! survives a crash, and what presence costs the disk.

#[allow(dead_code, reason = "other test programs use the rest of it")]
#[path = "../support/mod.rs"]
mod support;

mod blocks;
mod people;
mod presence;
