//! The Martlet client: send and receive messages that survive every crash.
//!
//! # Three minutes
//!
//! A [`Client`] owns a *home*: a directory with one SQLite database that holds the device's key,
//! the history and everything not yet sent. Opening it starts a thread that connects, resumes
//! where the last run ended, and keeps connecting; the handle is cheap to clone and to await.
//!
//! ```no_run
//! use martlet_client::{Client, Config, Event, MessageState, SendOptions};
//!
//! # async fn tour() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::open("/home/alice/.martlet", Config::default()).await?;
//! if client.identity().await?.is_none() {
//!     client.register("127.0.0.1:7400", "alice", None).await?;
//! }
//!
//! // Durable here when this returns; sent, and sent again, until the server has it.
//! let id = client.send("bob", "hello", SendOptions::default()).await?;
//! let message = client.wait_for(id, MessageState::Delivered).await?;
//! println!("{id} is {}", message.state);
//!
//! loop {
//!     match client.next_event().await? {
//!         Event::Message(message) => {
//!             println!("{}: {}", message.peer, message.text());
//!             client.mark_read(&message.peer, message.id).await?;
//!         }
//!         Event::Receipt(receipt) => println!("{} {}", receipt.id, receipt.state),
//!         Event::CaughtUp { .. } => break,
//!         _ => {}
//!     }
//! }
//! client.close().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What it promises
//!
//! - A message is in the local database before [`Client::send`] returns, and leaves the outbox
//!   only when the server has answered. Every retry carries the same id, so it arrives once.
//! - What arrives is committed, with the place in the stream, before it is acknowledged. The
//!   server deletes nothing that this home could still lose.
//! - Each event is handed out at most once, also across restarts; what was received and never
//!   handed out comes first at the next start. A process that dies between taking an event and
//!   showing it finds the message in [`Client::history`], which has everything.
//! - The states of a message only move forward, and each step is one [`Event::Receipt`].
//!
//! # How it is built
//!
//! [`engine`] is the whole protocol as a state machine without sockets, clock or randomness: it
//! runs the same in the simulator. [`local`] is the database below it. [`seal`] is the one place
//! where texts become envelopes. `net` (feature `net`, on by default) is the thread that moves
//! bytes between a socket and the engine, and [`Client`] the handle on it. Without the feature
//! nothing here depends on an async runtime.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod address;
#[cfg(feature = "net")]
pub mod client;
pub mod config;
pub mod engine;
pub mod error;
pub mod event;
pub mod keys;
pub mod local;
#[cfg(feature = "net")]
mod net;
pub mod seal;

#[cfg(feature = "net")]
pub use client::Client;
pub use config::{Config, History, SendOptions};
pub use error::{ClientError, OpenError, RegisterError, SendError, StoreError};
pub use event::{
    Body, Direction, Event, GapReason, Identity, Message, MessageState, OfflineCause, Receipt,
};
pub use martlet_protocol::{
    CloseCode, DeviceId, MessageId, Millis, NackCode, Position, Timestamp, UserId,
};
