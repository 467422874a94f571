//! Groups over the wire of a built server: large ones, growing ones, and a server that is killed
//! while it fans out.
#![allow(
    clippy::print_stdout,
    reason = "what a run has done is worth seeing, and shown only on failure or when asked for"
)]

#[path = "../support/mod.rs"]
mod support;

mod circle;
mod copies;
mod kills;
mod large;
mod member;
mod progress;
mod rules;
mod switch;
