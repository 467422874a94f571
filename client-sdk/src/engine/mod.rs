//! The protocol as a state machine: bytes and times in, bytes and events out.
//!
//! ```text
//!                 handle_connected · handle_bytes · handle_disconnected · handle_timeout
//!                                              │
//!   register · send · mark_read · … ──────► [`Engine`] ──────► poll_transmit · poll_close
//!                                           │        │         poll_connect · poll_timeout
//!                                     one transaction└───────► poll_event · poll_answer
//!                                           ▼
//!                                        [`Db`](crate::local::Db)
//! ```
//!
//! It has no socket, no clock and no randomness: time, entropy and bytes are arguments. (The
//! encryption draws keys and nonces, and nothing that is decided here depends on them.) Every call
//! is one transaction of the database, and nothing that a call decides can be polled before that
//! transaction is durable. Killing the process between any two instructions is therefore the same
//! as killing it between two calls.

mod changes;
mod claims;
mod commands;
mod control;
mod decrypt;
mod devices;
mod dial;
mod encrypt;
mod ending;
mod group_commands;
mod group_drafts;
mod group_open;
mod group_receipts;
mod group_records;
mod group_repair;
mod group_sending;
mod group_stream;
mod group_unknown;
mod groups;
mod handshake;
mod ids;
mod inbox;
mod joining;
mod keys;
mod link;
mod linking;
mod lists;
mod lives;
mod lookups;
mod machine;
mod notices;
mod outbox;
mod own_devices;
mod past;
mod people;
mod people_commands;
mod posting;
mod prepare;
mod presence;
mod pulse;
mod reads;
mod receipts;
mod refusals;
mod relations;
mod repair;
mod rng;
mod sending;
mod settings;
mod state;
mod statuses;
mod syncing;
mod timeouts;
mod typing;
mod verify;

pub use commands::Registration;
pub use joining::Linking;
pub use machine::Engine;
pub use notices::Answer;
pub use posting::{Outgoing, Post};
pub use verify::Proof;
