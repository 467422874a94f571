//! RocksDB behind the store: one engine, one committer thread, a few reader threads.
//!
//! ```text
//! reactors ── submit ──▶ Committer ── one synced write per commit ──▶ Engine ──▶ rows/  (RocksDB)
//!     ▲                     │                                           └─────▶ MARK
//!     └─── durable ticket ──┘        Readers ── pages ──▶ Engine
//! ```
//!
//! Invariant: `announced ≤ mark ≤ synced ≤ written`, all in commit numbers.

mod chain;
mod committer;
mod engine;
mod error;
mod fatal;
mod format;
mod log;
mod manifest;
mod mark;
mod options;
mod readers;
mod recover;
mod space;
pub mod verify;

pub use chain::CommitNumber;
pub use committer::{Committer, CommitterStats, Durable, Wake};
pub use engine::Engine;
pub use error::StoreError;
pub use fatal::OnFatal;
pub use options::Options;
pub use readers::{PageRequest, Readers};
