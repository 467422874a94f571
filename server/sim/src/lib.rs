//! The whole system in one thread: real shards and real client engines on a fake clock, network and
//! disk, from a seed.
//!
//! ```text
//!   person ─► device (engine, database) ═ net ═ gate ─► shards ─► disk
//!                │                          │              │        │
//!                └──────────────── ledger ──┴──────────────┴────────┘
//! ```
//!
//! [`run`] plays one seed to its end: people write, read and leave; the server and the clients
//! crash at any point, connections break with or without a word, the disk is slow and forgets what
//! it has not synced. Then everything heals, and the ledger (`oracle/`) says whether each promise
//! was kept. [`run_mutant`] has a fault in the server that the ledger must find, [`run_liar`] a
//! server that lies, which the clients must, and [`run_marathon`] is the long one: many messages
//! between a few devices whose processes die at each step in turn. The same seed is the same run,
//! byte for byte.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod brief;
mod calm;
mod counters;
mod desk;
mod device;
mod disk;
mod env;
mod gate;
mod groups;
mod liar;
mod lie;
mod linking;
mod marathon;
mod members;
mod mischief;
mod mutant;
mod net;
mod oracle;
mod people;
mod person;
mod plan;
mod presence;
mod replies;
mod requests;
mod rng;
mod run;
mod sabotage;
mod schedule;
mod server;
mod signatures;
mod storm;
mod sweep;
mod trace;
mod world;

pub use counters::Counters;
pub use lie::Lie;
pub use marathon::{MESSAGES, Marathon, run_marathon};
pub use mutant::Mutant;
pub use run::{LINES, Report, run, run_keeping, run_liar, run_mutant};
