//! What happens once the rows of a turn are durable.

use bytes::Bytes;
use martlet_protocol::frame::{
    Bundle, CaughtUp, Gap, GroupChanged, GroupDetail, GroupGap, GroupMember, GroupMode, GroupSent,
    GroupTyped, LinkClosed, LinkOpened, ListedGroup, Nack, Presence, Published, Related,
    RelationEntry, SettingsAre, StateReply, Stock, Typed,
};
use martlet_protocol::{Address, CloseCode, DeviceId, GroupId, Kind, Position, UserId};

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
    /// Read entries of a group's log outside the reactor and answer with
    /// [`GroupCommand::Entries`](crate::GroupCommand::Entries).
    LoadEntries {
        /// The connection that reads.
        session: SessionId,
        /// Whose shard has the log.
        address: Address,
        /// The group.
        group: GroupId,
        /// The first entry wanted.
        from: u64,
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
    /// A group has a new record.
    GroupChanged {
        /// The group.
        group: GroupId,
        /// The record's version.
        version: u64,
        /// The device that signed it.
        actor: Address,
        /// How many members there are now.
        members: usize,
    },
    /// A group has become so large, or so small, that its messages come by another way.
    GroupMode {
        /// The group.
        group: GroupId,
        /// The way from now on.
        mode: GroupMode,
        /// The entry of its log that says so, the last one by the old way.
        sequence: u64,
        /// How many members there are.
        members: usize,
    },
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
    /// A GROUP_CHANGE's answer: the record is in force.
    GroupChanged(GroupChanged),
    /// A GROUP_ASK's answer.
    GroupState(Box<GroupStateAnswer>),
    /// The message has its place in the group, durably.
    GroupSent(GroupSent),
    /// Entries of a group's own stream that are not there any more.
    GroupGap(GroupGap),
    /// Somebody writes in a group. It may be left out whenever the connection is busy.
    GroupTyped(GroupTyped),
    /// A GROUPS' answer.
    GroupList(GroupListAnswer),
    /// A GROUP_COUNT's answer.
    GroupCounted(Box<GroupCountAnswer>),
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

/// A group as GROUP_ASK finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStateAnswer {
    /// The GROUP_ASK's number.
    pub request: u64,
    /// The group.
    pub group: GroupId,
    /// The newest version.
    pub version: u64,
    /// How often the members, or their devices, have changed.
    pub roster: u64,
    /// The newest place in the log.
    pub sequence: u64,
    /// How its entries reach the members.
    pub mode: GroupMode,
    /// Records of consecutive versions as they were signed, oldest first.
    pub records: Vec<Bytes>,
    /// Who has changed, by ascending account.
    pub members: Vec<GroupMember>,
}

/// Groups of an account, as GROUPS finds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupListAnswer {
    /// The GROUPS' number.
    pub request: u64,
    /// Whether there are more behind these.
    pub more: bool,
    /// By ascending id.
    pub groups: Vec<ListedGroup>,
}

/// Where a message stands, as GROUP_COUNT finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupCountAnswer {
    /// The GROUP_COUNT's number.
    pub request: u64,
    /// The group.
    pub group: GroupId,
    /// The message's place in it.
    pub sequence: u64,
    /// Members beside the author.
    pub members: u64,
    /// How many of them have it, read or not.
    pub delivered: u64,
    /// How many have read it.
    pub read: u64,
    /// Who; empty when it was not asked for, or of a group with too many members.
    pub details: Vec<GroupDetail>,
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
