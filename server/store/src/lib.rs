//! Durable rows of the server: keys, batches, a memory twin and RocksDB; it decides nothing.
//!
//! A turn of the shards fills one [`Batch`]. Who executes it is exchangeable: [`Memory`] in tests
//! and in the simulator, `rocks::Committer` (feature `rocksdb`) in the server. Both are read
//! through [`View`], and `tests/twin.rs` proves that they answer alike.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod batch;
mod hash;
pub mod keys;
mod memory;
mod references;
#[cfg(feature = "rocksdb")]
pub mod rocks;
mod shard_id;
mod view;

pub use batch::{Batch, Op, Ops};
pub use hash::hash128;
pub use memory::Memory;
pub use references::resolve;
pub use shard_id::ShardId;
pub use view::{Row, View};
