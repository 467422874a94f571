//! Groups as an application sees them: who is in them, and who has changed what.

use martlet_protocol::group_record::GroupRights;
use martlet_protocol::{GroupId, MessageId, Millis, Role, UserId};

use super::MessageState;

/// A group of this account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// What names it among peers: `#` and the id in hexadecimal.
    pub peer: String,
    /// What its members call it; `None` while no one has told this home.
    pub name: Option<String>,
    /// Where its picture is, as whoever has set it says; empty without one.
    pub picture: Vec<u8>,
    /// What this account is in it; [`Role::NONE`] when it has left or was removed.
    pub role: Role,
    /// Who may do what.
    pub rights: GroupRights,
    /// The version of its newest record; 0 while the server has not taken the first one.
    pub version: u64,
    /// Everyone in it, this account among them, by ascending account.
    pub members: Vec<Member>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The account.
    pub user: UserId,
    /// Its handle; its user id in hexadecimal while the handle is not known.
    pub handle: String,
    /// What it may do.
    pub role: Role,
}

/// Somebody has changed a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupUpdate {
    /// Which group.
    pub group: GroupId,
    /// Its name among peers.
    pub peer: String,
    /// The handle of who has changed it; empty where that is not known.
    pub by: String,
    /// When, by the clock of that device; 0 for a new name, which no record tells.
    pub at: Millis,
    /// What has changed.
    pub changes: Vec<GroupStep>,
}

/// One change of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupStep {
    /// Somebody is a member.
    Added {
        /// The handle,
        handle: String,
        /// and what it may do.
        role: Role,
    },
    /// Somebody is no member any more: removed, or gone by itself.
    Removed {
        /// The handle.
        handle: String,
    },
    /// A member may do more, or less.
    RoleChanged {
        /// The handle,
        handle: String,
        /// and what it may do now.
        role: Role,
    },
    /// Members have other rights.
    RightsChanged(GroupRights),
    /// It has another name or picture.
    InfoChanged {
        /// The name.
        name: String,
    },
    /// This account is no member any more. The server says so; the record of it is lost.
    Gone,
    /// This home knows the group from here on, and what came before it does not.
    Joined,
}

/// How far a message to a group is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupReceipts {
    /// Which message.
    pub id: MessageId,
    /// How many members it is for.
    pub members: u64,
    /// How many of them have it.
    pub delivered: u64,
    /// How many of these have read it.
    pub read: u64,
    /// Where it stands at each of them, by handle; empty when there are more than 256.
    pub details: Vec<(String, MessageState)>,
}
