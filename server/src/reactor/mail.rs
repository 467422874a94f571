//! What reactors send each other.

use martlet_shard::{Command, Effect};

use crate::gateway::conn::Traveller;

/// Something for another reactor.
pub enum Mail {
    /// A connection whose inbox is on that reactor.
    Arrive(Box<Traveller>),
    /// A command for one of its shards.
    Command(Command),
    /// Stop: no new connections, tell everybody, end when all is durable.
    Drain,
    /// An effect, released, for one of its connections.
    Effect(Effect),
}
