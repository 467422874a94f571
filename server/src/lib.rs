//! The server: reactors, connections, TLS, and the life of the process.
//!
//! ```text
//!  socket ─► gateway/conn ─► gateway/session ─► driver ─► shard
//!                                                 │ rows        effects │
//!                                                 ▼                     ▼
//!                                             committer ─ durable ─► pipeline ─► reactor/effects
//! ```
//!
//! The tour: `serve` starts everything and waits for a signal; `reactor` is one core's thread, and
//! `reactor/turn.rs` is what it does over and over; `gateway` is one connection; `driver` feeds the
//! shards and `pipeline` keeps their effects until they are durable; `overlay` shows shards the
//! rows that are on their way to the disk.

#![forbid(unsafe_code)]

pub mod admission;
pub mod args;
pub mod clock;
pub mod config;
pub mod driver;
pub mod error;
pub mod gateway;
pub mod logging;
pub mod mailbox;
pub mod overlay;
pub mod pipeline;
pub mod random;
pub mod rate;
pub mod reactor;
pub mod restored;
pub mod serve;
pub mod shared;
pub mod token;
pub mod verify;
