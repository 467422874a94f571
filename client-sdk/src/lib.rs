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
//! # What can be said
//!
//! Text ([`Client::send`]), answers ([`Client::reply`]), contacts and places; and of what was said,
//! reactions ([`Client::react`]), edits ([`Client::edit`]) and deletions for everyone
//! ([`Client::delete_for_everyone`]). They reach every device of both sides as [`Event::Changed`]
//! and are seen at the message itself. After [`Client::set_timer`] messages disappear some time
//! after they were read, and nothing of them is left in the home.
//!
//! # Groups
//!
//! [`Client::create_group`] makes one, and [`Client::groups`] lists them. A group is a peer like
//! any other, named by [`Group::peer`]: what sends, answers, reacts, reads and lists takes that
//! name. [`Message::author`] says who of the members wrote a message. Who is in a group and who
//! may do what stands in records that members sign ([`Client::group_history`]), so the server
//! cannot add anybody; [`Client::add_members`], [`Client::remove_members`], [`Client::set_role`],
//! [`Client::set_rights`], [`Client::rename_group`] and [`Client::leave_group`] change it, and
//! each change is told to all members as [`Event::GroupChanged`]. A message is delivered, and
//! read, when all other members have it, and have read it; [`Client::receipts`] says who has.
//!
//! # People
//!
//! [`Client::watch`] tells whether somebody is there ([`Event::Presence`]), and
//! [`Client::set_active`] tells others that a person looks at this device. [`Client::typing`] tells
//! that a person writes, and [`Event::Typing`] that somebody else does. [`Client::block`] ends what
//! an account can reach, [`Client::unblock`] lets it again, and whom this account writes to is its
//! contact from then on ([`Client::relations`]). [`Client::set_settings`] says who may know what;
//! where strangers are taken as requests, [`Message::is_request`] marks what they write until
//! [`Client::accept_request`] or an answer. All of it holds for all devices of the account.
//!
//! # What is encrypted
//!
//! Everything that a message says, from device to device, without any call for it: the server
//! sees who writes to whom, when and how much, and no word. There is no unencrypted path.
//!
//! - The account's key is made by [`Client::register`] and stays on that device. It signs the list
//!   of the account's devices, so the server cannot add one. [`Client::open_link`] and
//!   [`Client::link`] add a device, [`Client::revoke`] removes one, [`Client::rename_device`]
//!   gives one another name, and [`Client::devices`] says which there are.
//! - What a server or an attacker could try (other keys, old lists, messages that are repeated,
//!   reordered or withheld) is noticed and told as [`Event::Security`].
//! - Whether the server has put itself between two people from the beginning, only they can find
//!   out: they compare [`Client::safety_number`], or scan [`Client::safety_code`]. After
//!   [`Client::verify`] nothing is sent to the contact under another key before
//!   [`Client::accept_identity`].
//! - On the disk the keys and the contents of messages are sealed; [`StoreKeySource`] says with
//!   what. Handles, times and states are not.
//!
//! # How it is built
//!
//! [`engine`] is the whole protocol as a state machine without sockets and clock: it runs the same
//! in the simulator. [`crypto`] is the encryption as values, and [`local`] the database below the
//! engine. `net` (feature `net`, on by default) is the thread that moves bytes between a socket
//! and the engine, and [`Client`] the handle on it. Without the feature nothing here depends on an
//! async runtime.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod address;
#[cfg(feature = "net")]
pub mod client;
pub mod config;
pub mod content;
pub mod crypto;
pub mod engine;
pub mod error;
pub mod event;
pub mod keys;
pub mod local;
#[cfg(feature = "net")]
mod net;

#[cfg(feature = "net")]
pub use client::Client;
pub use config::{Config, History, Passphrase, SendOptions, StoreKeySource};
pub use crypto::safety::SafetyNumber;
pub use crypto::store_key::StoreKey;
pub use error::{
    ClientError, DevicesError, GroupError, LinkError, OpenError, PeopleError, RegisterError,
    SendError, StoreError, VerifyError,
};
pub use event::{
    Body, Change, ContactCard, Device, Direction, Event, GapReason, Group, GroupReceipts,
    GroupStep, GroupUpdate, Identity, Location, Member, Message, MessageState, OfflineCause,
    Presence, Quote, Reaction, Receipt, Related, Relation, SecurityKind, SecurityNotice, Settings,
    SettingsChange, Strangers, Typing, Visibility,
};
pub use local::group_peer;
pub use martlet_protocol::group_record::{GroupRights, Right};
pub use martlet_protocol::{
    CloseCode, DeviceId, GroupId, MessageId, Millis, NackCode, Position, Role, Timestamp, UserId,
};
