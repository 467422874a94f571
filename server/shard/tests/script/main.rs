//! Transcripts of whole conversations with the real shards: what is said, and what each device
//! then sees.
//!
//! ```text
//! world.check("ann: send m1 bob", &["ann: sent m1 to 1", "bob: 1 m1 from ann"]);
//!              ╰─ commands, parse.rs   ╰─ frames per device, in their order, print.rs
//! ```
//! `lists.rs` makes what devices publish and upload, `compose.rs` what they send.
//! `world.rs` drives the shards as the server does: turns, commits, effects after their commit.
//! `witness.rs` holds each effect against the rows that are durable when it is released, and
//! `link.rs` each connection against the rules of streams and credit; both on every step.

mod compose;
mod groups;
mod link;
mod lists;
mod parse;
mod people;
mod print;
mod witness;
mod words;
mod world;

mod ack;
mod blocks;
mod clock;
mod copies;
mod crash;
mod devices;
mod expiry;
mod group_changes;
mod group_messages;
mod group_people;
mod group_receipts;
mod group_removals;
mod group_streams;
mod linking;
mod newcomer;
mod overflow;
mod parts;
mod prekeys;
mod presence;
mod quotas;
mod read;
mod refusal;
mod registration;
mod relations;
mod relay;
mod requests;
mod reset;
mod resume;
mod send;
mod status;
mod verify;
