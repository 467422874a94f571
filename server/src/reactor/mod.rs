//! One core's thread: its runtime, its connections and its shards.

mod accept;
mod connections;
mod deadlines;
mod drain;
mod effects;
mod mail;
mod replies;
mod table;
mod thread;
mod timers;
mod turn;

pub use accept::listen;
pub use mail::Mail;
pub use thread::run;

use thread::{HANDSHAKES_PER_TURN, Reactor, Shelf};
