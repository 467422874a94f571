//! What happens once the rows of a turn are durable.

use bytes::Bytes;
use martlet_protocol::frame::{
    Bundle, CaughtUp, Gap, LinkClosed, LinkOpened, Nack, Presence, Published, Related,
    RelationEntry, SettingsAre, StateReply, Stock, Typed,
};
use martlet_protocol::{Address, CloseCode, DeviceId, Kind, Position, UserId};

use crate::command::{Command, SessionId};
use crate::message::SentAnswer;

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
    /// A line for the operator's log, whether anybody is connected or not.
    Note(Note),
}

/// What an operator must be able to find out later: who could read an account's messages when. It
/// has ids and no keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// An account has other devices than before, or says so for the first time.
    ListPublished {
        /// The account.
        user: UserId,
        /// The version of the list.
        version: u64,
        /// How many devices are in it.
        devices: usize,
        /// The one that is new.
        added: Option<DeviceId>,
        /// Those that are gone.
        removed: Vec<DeviceId>,
    },
    /// A token has given the account to this device, which is its only one now.
    AccountReset(Address),
}

/// A frame that a shard answers with. The driver fills in what only it knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The account exists, with this device.
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
    /// Device lists: asked for, or in front of a refusal that they explain.
    DeviceLists(ListsAnswer),
    /// A PUBLISH's answer: the list is in force.
    Published(Published),
    /// What a watcher may know of an account. It may be left out under pressure.
    Presence(Presence),
    /// A person types. It may be left out under pressure.
    Typed(Typed),
    /// A RELATE's answer.
    Related(Related),
    /// Relations: asked for, or one that another device has changed.
    RelationList(RelationsAnswer),
    /// Settings: asked for, set, or changed by another device.
    SettingsAre(SettingsAre),
    /// What is left of a device's prekeys.
    Stock(Stock),
    /// A CLAIM's answer. It leaves after the commit that takes the keys away: a key that was
    /// told and is still there after a crash would be told again.
    Bundles(BundlesAnswer),
    /// A LINK_OPEN's answer.
    LinkOpened(LinkOpened),
    /// A LINK_CLOSE's answer.
    LinkClosed(LinkClosed),
    /// Somebody knows the ticket, or has left.
    LinkOffer {
        /// The device it would be.
        device: DeviceId,
        /// What it says; empty when its connection is lost.
        offer: Bytes,
    },
    /// The connection's keys are in the account's list now.
    Linked {
        /// What the device that had waited says.
        answer: Bytes,
    },
}

/// Lists of an account, as DEVICES finds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListsAnswer {
    /// The DEVICES' number, or 0.
    pub request: u64,
    /// The account.
    pub user: UserId,
    /// The newest version there is.
    pub newest: u64,
    /// Lists of consecutive versions as they were signed, oldest first.
    pub lists: Vec<Bytes>,
}

/// Prekeys, as CLAIM got them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundlesAnswer {
    /// The CLAIM's number.
    pub request: u64,
    /// The account.
    pub user: UserId,
    /// One key for each device that has any, in the order asked for.
    pub bundles: Vec<Bundle>,
}

/// Relations of an account, as RELATIONS finds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelationsAnswer {
    /// The RELATIONS' number, or 0.
    pub request: u64,
    /// Whether others are behind them.
    pub more: bool,
    /// By ascending account.
    pub relations: Vec<RelationEntry>,
}

impl RelationsAnswer {
    /// For the other devices of an account: one relation was changed.
    pub(crate) fn changed(entry: RelationEntry) -> Self {
        Self {
            request: 0,
            more: false,
            relations: vec![entry],
        }
    }
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
