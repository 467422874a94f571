//! The local database: what a device must not forget, in one SQLite file.
//!
//! | table | what | written |
//! |---|---|---|
//! | `identity` | who this home is, its key, its place in the stream | with every batch |
//! | `contacts` | user id ↔ handle, and how far each conversation is | as they appear |
//! | `messages` | every message, own and received | once, then its state |
//! | `outbox` | own messages without an answer, sealed | until the server has answered |
//! | `facts`, `watermarks` | what the recipient's devices have said | with receipts |
//! | `notices` | events that the application has not taken | until it takes them |
//! | `reads` | READs that the server may not have | until it has them |
//!
//! Everything happens in transactions ([`Db::begin`]); a transaction that is dropped never was.

mod contacts;
mod db;
mod history;
mod home;
mod identity;
mod messages;
mod notices;
mod outbox;
mod reads;
mod receipts;
mod schema;

pub use contacts::{Contact, ContactId};
pub use db::{Db, Tx};
pub use home::Home;
pub use identity::{IdentityRow, StreamPlace};
pub use messages::{Incoming, MessageRow, Outgoing, Seq};
pub use notices::{Notice, NoticeId};
pub use outbox::{Outbound, OutboxEntry};
pub use reads::PendingRead;
