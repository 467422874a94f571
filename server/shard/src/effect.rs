//! What happens once the rows of a turn are durable.

use bytes::Bytes;
use martlet_protocol::frame::{CaughtUp, Gap, Nack, StateReply};
use martlet_protocol::{Address, CloseCode, Kind, Position, UserId};

use crate::command::{Command, SentAnswer, SessionId};

/// Something for the driver to do.
///
/// **All effects wait for the commit that covers every batch submitted up to their turn.** An
/// effect released earlier could tell a sender SENT, or push a position, that a crash takes back;
/// the position would then be given to another message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A frame for a connection.
    Frame {
        /// The connection; nothing happens when it has ended.
        session: SessionId,
        /// The frame.
        reply: Reply,
    },
    /// A stream item for a connection: a frame of type `kind` whose payload is the position and
    /// then `body`.
    Event {
        /// The connection.
        session: SessionId,
        /// The item's place in the stream.
        position: Position,
        /// EVENT, RECEIPT or FACT.
        kind: Kind,
        /// CRC of `body`, to be combined with the head's.
        body_crc: u32,
        /// What follows the position, shared between the devices it goes to.
        body: Bytes,
    },
    /// The connection is to be closed.
    Close {
        /// The connection.
        session: SessionId,
        /// Why.
        code: CloseCode,
    },
    /// A command for another shard, or for this one: apply it at its home.
    Forward(Command),
    /// Read a page of a backlog outside the reactor and answer with [`Command::Page`].
    LoadPage {
        /// The connection that drains.
        session: SessionId,
        /// Whose inbox.
        address: Address,
        /// The first position wanted.
        from: Position,
        /// Most rows.
        rows_max: usize,
        /// Most bytes.
        bytes_max: usize,
    },
}

/// A frame that a shard answers with. The driver fills in what only it knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The account exists: its first device.
    Registered(Address),
    /// The device is attached; its stream goes on behind `cursor`.
    Ready {
        /// The stream's epoch.
        epoch: u64,
        /// The position behind which the server pushes.
        cursor: Position,
        /// The newest position.
        tail: Position,
    },
    /// A PING's answer: what its sender said before is durable.
    Pong {
        /// The PING's token.
        token: u64,
    },
    /// A LOOKUP's answer.
    Found(LookupAnswer),
    /// The message is durable wherever it has to be.
    Sent(SentAnswer),
    /// A request is refused.
    Nack(Nack),
    /// A STATUS's answer.
    State(StateReply),
    /// Positions without items.
    Gap(Gap),
    /// The backlog ends.
    CaughtUp(CaughtUp),
}

/// Account and handle, as a LOOKUP finds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupAnswer {
    /// The LOOKUP's number.
    pub request: u64,
    /// The account.
    pub user: UserId,
    /// Its handle.
    pub handle: String,
}
