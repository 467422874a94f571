//! The deterministic heart of the server: one [`Shard`] owns accounts, inboxes and message states.
//!
//! A command goes in with the time; rows and effects come out. There is no clock, no I/O, no
//! thread and no randomness here, and nothing is iterated in random order: the same commands give
//! the same rows and the same effects, so a log of them can be replayed, simulated and replicated.
//!
//! The tour: [`Shard`] dispatches a [`Command`] to one file of `handle/`, which works on the
//! private `State`: accounts with their devices (`account.rs`), the appending side of inboxes
//! (`inbox.rs`), the pushing side (`stream.rs`), what is owed to other shards (`outbox.rs`), and
//! what is told to senders (`merged.rs`). [`Effect`] says what happens once the rows are durable.
//! The shard is also the directory of its accounts: device lists (`handle/devices.rs`), prekeys
//! (`handle/prekeys.rs`) and the linking of new devices (`handle/link.rs`). It verifies no
//! signature: that is the driver's part, before a command is made. What an account is to another
//! one, and what it lets others know, is decided in `person.rs`; who watches whom is in memory
//! alone (`watchers.rs`).
//!
//! ```text
//!            Send                 Accepted                      Frame(Sent)
//!  A ─────► shard of B ─Forward─► shard of A ────────────────────────────► A
//!              │  rows: inbox of B, message                    (each arrow waits for the
//!              └─Event─► B ──Ack──► shard of B ─Relayed─► shard of A ─► A    commit behind it)
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod account;
mod clock;
mod command;
mod effect;
mod fresh;
mod group;
mod handle;
mod inbox;
mod limits;
mod links;
mod merged;
mod message;
mod newest;
mod outbox;
mod person;
mod quota;
mod shard;
mod state;
mod stream;
mod topology;
mod turn;
pub mod verify;
mod watchers;

pub use command::{Command, GroupCommand, Publication, SessionId};
pub use effect::{
    BundlesAnswer, Effect, GroupCountAnswer, GroupListAnswer, GroupStateAnswer, ListsAnswer,
    LookupAnswer, Note, RelationsAnswer, Reply,
};
pub use limits::Limits;
pub use martlet_store::keys::relay::RelayItem;
pub use message::{
    Addressing, Copy, DevicePart, GroupSendRequest, OwnDevices, SendRequest, SentAnswer,
};
pub use quota::Quota;
pub use shard::{DeviceIdentity, Shard};
pub use topology::Topology;
