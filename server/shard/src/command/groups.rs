//! What a shard can be told about groups.

use bytes::Bytes;
use martlet_protocol::frame::TypingKind;
use martlet_protocol::{Address, GroupId, MessageId, NackCode, UserId};
use martlet_store::ShardId;

use crate::command::{Command, SessionId};
use crate::message::GroupSendRequest;
use crate::topology::Topology;

/// Something about groups that happened, for one shard to decide about: the group's home, or the
/// shard of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupCommand {
    /// A device changes a group of this shard. The driver has verified that the record is signed by
    /// this very device.
    Change {
        /// The device's connection.
        session: SessionId,
        /// The device.
        address: Address,
        /// The client's number for the request.
        request: u64,
        /// Which group.
        group: GroupId,
        /// The record as it was signed.
        record: Bytes,
    },
    /// What is this group, and who is in it?
    Ask {
        /// Who asks.
        session: SessionId,
        /// Its account.
        from: UserId,
        /// The client's number for the question.
        request: u64,
        /// The group.
        group: GroupId,
        /// The newest version that the client has; 0 for the newest record alone.
        have: u64,
        /// The newest roster that the client has; 0 for all members.
        have_roster: u64,
    },
    /// A device sends a message to a group of this shard.
    Send {
        /// The sender's connection.
        session: SessionId,
        /// The sender.
        from: Address,
        /// The message.
        request: Box<GroupSendRequest>,
    },
    /// The driver cannot take a message to a group now. As with
    /// [`Command::Decline`](crate::Command::Decline).
    Decline {
        /// The sender's connection.
        session: SessionId,
        /// The sender.
        from: Address,
        /// The group.
        group: GroupId,
        /// The message.
        message_id: MessageId,
        /// Why; of class RETRY_AFTER.
        code: NackCode,
        /// When to try again, in milliseconds.
        retry_after_ms: u64,
    },
    /// A person has read a group up to an entry.
    Read {
        /// The reader's connection.
        session: SessionId,
        /// The reader.
        address: Address,
        /// The group.
        group: GroupId,
        /// The entry.
        sequence: u64,
    },
    /// Where does a message to a group of this shard stand?
    Count {
        /// Who asks.
        session: SessionId,
        /// The device that asks.
        from: Address,
        /// The client's number for the question.
        request: u64,
        /// The group.
        group: GroupId,
        /// The message's place in it.
        sequence: u64,
        /// Whether the members are to be named.
        has_detail: bool,
        /// As in [`Command::Status`](crate::Command::Status).
        is_told_reads: bool,
    },
    /// Which groups is an account of this shard in?
    List {
        /// Who asks.
        session: SessionId,
        /// Its account.
        user: UserId,
        /// The client's number for the question.
        request: u64,
        /// Only groups with a greater id.
        after: u64,
    },
    /// The answer to [`Effect::LoadEntries`](crate::Effect::LoadEntries): rows of the group's log
    /// in order, from the entry asked for.
    Entries {
        /// The connection they were loaded for.
        session: SessionId,
        /// The device.
        address: Address,
        /// The group.
        group: GroupId,
        /// The first entry that was asked for.
        from: u64,
        /// Places and stored values.
        rows: Vec<(u64, Bytes)>,
    },
    /// A device has stored a group's own stream up to an entry.
    Ack {
        /// Its connection.
        session: SessionId,
        /// The device.
        address: Address,
        /// The group.
        group: GroupId,
        /// Up to here.
        sequence: u64,
    },
    /// A person writes in a group of this shard right now.
    Typing {
        /// The device.
        from: Address,
        /// The group.
        group: GroupId,
        /// What the person does.
        kind: TypingKind,
    },
    /// From a group's home to a shard with members: somebody writes. Nothing of it is stored.
    Typed {
        /// This shard.
        target: ShardId,
        /// The group.
        group: GroupId,
        /// Who writes.
        peer: Address,
        /// What the person does.
        kind: TypingKind,
    },
}

impl GroupCommand {
    pub(super) fn home(&self, topology: &Topology) -> ShardId {
        match self {
            Self::Change { group, .. }
            | Self::Ask { group, .. }
            | Self::Decline { group, .. }
            | Self::Typing { group, .. }
            | Self::Count { group, .. } => topology.shard_of_group(*group),
            Self::Send { request, .. } => topology.shard_of_group(request.group),
            Self::Entries { address, .. }
            | Self::Ack { address, .. }
            | Self::Read { address, .. } => topology.shard_of_user(address.user),
            Self::List { user, .. } => topology.shard_of_user(*user),
            Self::Typed { target, .. } => *target,
        }
    }
}

impl From<GroupCommand> for Command {
    fn from(command: GroupCommand) -> Self {
        Self::Group(command)
    }
}
