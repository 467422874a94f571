//! What an application sees: messages, their states, and what happens to the connection.

mod group;
mod message;
mod people;
mod security;

use core::fmt;

use martlet_protocol::{
    CloseCode, DeviceId, GroupId, MessageId, Millis, NackCode, Position, State, UserId, frame,
};

pub use group::{Group, GroupReceipts, GroupStep, GroupUpdate, Member};
pub use message::{Body, Change, ContactCard, Location, Message, Quote, Reaction};
pub(crate) use people::last_seen;
pub use people::{
    Presence, Related, Relation, Settings, SettingsChange, Strangers, Typing, Visibility,
};
pub use security::{SecurityKind, SecurityNotice};

/// Something that happened. Messages, what changes, receipts, failures, gaps, security notices and
/// what other devices of the account have done wait in the database until they are taken; what
/// concerns the connection, presence and typing is told only while it is true.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A message for this account, or one that another device of it has sent.
    Message(Message),
    /// The contents of a message have changed, or are gone.
    Changed {
        /// Which message.
        id: MessageId,
        /// The handle of the other side of the conversation, or the name of the group.
        peer: String,
        /// What has become of it.
        change: Change,
    },
    /// An own message reached a state.
    Receipt(Receipt),
    /// The server will not take an own message; its state is now [`MessageState::Failed`].
    Failed {
        /// Which message.
        id: MessageId,
        /// Its recipient's handle, or the name of the group.
        to: String,
        /// Why.
        code: NackCode,
    },
    /// Something is missing from the stream, and will not come.
    Gap {
        /// The first missing position,
        from: Position,
        /// and the last one.
        to: Position,
        /// Why.
        reason: GapReason,
    },
    /// Entries of a group are missing, and will not come.
    GroupGap {
        /// Which group.
        group: GroupId,
        /// Its name among peers.
        peer: String,
        /// The first missing place of its log,
        from: u64,
        /// and the last one.
        to: u64,
        /// Why.
        reason: GapReason,
    },
    /// Somebody has changed a group, this account among them; or this account is in a new one.
    GroupChanged(GroupUpdate),
    /// What this home wanted to change of a group will not be.
    GroupRefused {
        /// Which group.
        group: GroupId,
        /// Its name among peers.
        peer: String,
        /// Why.
        code: NackCode,
    },
    /// Something touches the security of a conversation, or of this account.
    Security(SecurityNotice),
    /// Another device of this account has read the conversation.
    Seen {
        /// The handle of the other side.
        peer: String,
        /// What came up to then, by [`Message::at`], is read.
        up_to: Millis,
    },
    /// On another device of this account somebody has become something else to it.
    RelationChanged {
        /// The handle of the account.
        peer: String,
        /// What it is now.
        relation: Relation,
    },
    /// The server will not have this relation; it stays what it was.
    RelationRefused {
        /// The handle of the account.
        peer: String,
        /// What it was to become.
        relation: Relation,
        /// Why.
        code: NackCode,
    },
    /// Another device of this account has changed what it lets others know.
    SettingsChanged(Settings),
    /// The server will not have these settings; they stay what they were.
    SettingsRefused {
        /// Why.
        code: NackCode,
    },
    /// Somebody who is watched is there, or is not: once after
    /// [`watch`](crate::engine::Engine::watch), again after each [`Event::Online`], and with each
    /// change. While there is no connection nothing is known.
    Presence {
        /// The handle of the account.
        peer: String,
        /// Whether a person is there.
        state: Presence,
        /// When one was last there, if the server says so.
        last_seen: Option<Millis>,
    },
    /// The server will not have this account watched.
    WatchRefused {
        /// The handle of the account.
        peer: String,
        /// Why.
        code: NackCode,
    },
    /// Somebody begins or stops to write to this account or to a group of it. It ends by itself:
    /// when nothing is heard of it for six seconds, when a message of theirs comes, and when the
    /// connection ends.
    Typing {
        /// The handle of the other side of the conversation, or the name of the group.
        peer: String,
        /// The handle of who writes.
        by: String,
        /// What they do.
        kind: Typing,
    },
    /// All that waited at the server has arrived, and each message of it has been shown or, by
    /// [`Event::Security`], told of; once for each connection. It waits up to ten seconds for
    /// messages of devices that this home does not know yet.
    CaughtUp {
        /// The last position of the backlog.
        position: Position,
        /// Whether a gap was in it.
        trimmed: bool,
    },
    /// The server has accepted this device's connection.
    Online {
        /// Its address.
        server: String,
    },
    /// There is no connection.
    Offline {
        /// Why.
        cause: OfflineCause,
        /// When the next attempt is made; `None` when only a person can help.
        retry_at: Option<Millis>,
    },
}

/// A step that an own message made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Which message.
    pub id: MessageId,
    /// The state it reached.
    pub state: MessageState,
    /// The handle of the other side of the conversation; the name of the group when all its members
    /// have reached it.
    pub by: String,
    /// When, by the server's clock.
    pub at: Millis,
}

/// Which side wrote a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The other side.
    Incoming,
    /// This account, on this device or another one.
    Outgoing,
}

/// Where a message stands. It only moves forward:
///
/// ```text
///  Pending ──► Sent ──► Delivered ──► Read
///     │          ├────────────────────►│
///     │          └──► Expired · Overflow · Held · DeviceGone
///     └──► Failed
/// ```
///
/// With several devices on the other side a message is delivered as soon as one has it, and ends
/// as expired, overflowed, held or gone only when that is so on all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageState {
    /// In the local outbox.
    Pending,
    /// Durable at the server.
    Sent,
    /// On a device of the recipient.
    Delivered,
    /// Seen by the recipient.
    Read,
    /// Its time to live ended before a device took it.
    Expired,
    /// The recipient's devices were full.
    Overflow,
    /// The recipient's devices could not open it; it is set aside.
    Held,
    /// The recipient's devices were removed before they took it.
    DeviceGone,
    /// The server refused it for good.
    Failed,
}

impl MessageState {
    /// The name that people and JSON see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Expired => "expired",
            Self::Overflow => "overflow",
            Self::Held => "held",
            Self::DeviceGone => "device_gone",
            Self::Failed => "failed",
        }
    }

    /// Whether no other state can follow.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::Sent | Self::Delivered)
    }

    /// Whether a message in this state has come as far as `wanted`: what is read was delivered.
    #[must_use]
    pub fn reached(self, wanted: Self) -> bool {
        match self {
            Self::Pending | Self::Sent | Self::Delivered | Self::Read => self >= wanted,
            Self::Failed => wanted == self || wanted == Self::Pending,
            _ => wanted == self || wanted <= Self::Sent,
        }
    }

    /// Whether a message in this state may go to `next`.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        match self {
            Self::Pending => matches!(next, Self::Sent | Self::Failed),
            Self::Sent => !matches!(next, Self::Pending | Self::Sent | Self::Failed),
            Self::Delivered => matches!(next, Self::Read),
            _ => false,
        }
    }

    /// The state of the wire, or `None` for one that this version does not know.
    #[must_use]
    pub const fn from_wire(state: State) -> Option<Self> {
        match state {
            State::SENT => Some(Self::Sent),
            State::DELIVERED => Some(Self::Delivered),
            State::READ => Some(Self::Read),
            State::EXPIRED => Some(Self::Expired),
            State::OVERFLOW => Some(Self::Overflow),
            State::HELD => Some(Self::Held),
            State::DEVICE_GONE => Some(Self::DeviceGone),
            _ => None,
        }
    }
}

impl fmt::Display for MessageState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why something is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GapReason {
    /// Its time to live, or the server's retention, ended.
    Expired,
    /// The inbox was full.
    Overflow,
    /// This device refused it five times.
    Held,
    /// The stream, or this home, was restored from an older copy.
    Restored,
    /// A reason of a newer server.
    Other(u8),
}

impl GapReason {
    /// The name that people and JSON see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Overflow => "overflow",
            Self::Held => "held",
            Self::Restored => "restored",
            Self::Other(_) => "other",
        }
    }

    /// The reason as the wire numbers it.
    #[must_use]
    pub const fn to_wire(self) -> frame::GapReason {
        match self {
            Self::Expired => frame::GapReason::EXPIRED,
            Self::Overflow => frame::GapReason::OVERFLOW,
            Self::Held => frame::GapReason::HELD,
            Self::Restored => frame::GapReason::RESTORED,
            Self::Other(number) => frame::GapReason(number),
        }
    }
}

impl From<frame::GapReason> for GapReason {
    fn from(reason: frame::GapReason) -> Self {
        match reason {
            frame::GapReason::EXPIRED => Self::Expired,
            frame::GapReason::OVERFLOW => Self::Overflow,
            frame::GapReason::HELD => Self::Held,
            frame::GapReason::RESTORED => Self::Restored,
            other => Self::Other(other.0),
        }
    }
}

impl fmt::Display for GapReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OfflineCause {
    /// No connection could be made, or its security was not as it must be.
    Unreachable {
        /// What the operating system or TLS says.
        reason: String,
    },
    /// The connection ended without a word.
    Lost,
    /// The server sent nothing for too long, not even the answer to a PING.
    Silent,
    /// The server closed it.
    ClosedByServer {
        /// Why.
        code: CloseCode,
    },
    /// The server sent something that the protocol forbids, and this client closed.
    ServerMisbehaved {
        /// With this code.
        code: CloseCode,
    },
    /// The server refused the device, or was busy.
    Refused {
        /// Why.
        code: NackCode,
    },
    /// The server announced that it goes away.
    ServerLeaving,
}

impl fmt::Display for OfflineCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { reason } => write!(f, "cannot reach the server: {reason}"),
            Self::Lost => f.write_str("the connection was lost"),
            Self::Silent => f.write_str("the server does not answer"),
            Self::ClosedByServer {
                code: CloseCode::DEVICE_GONE,
            } => f.write_str("this device was removed from its account"),
            Self::ClosedByServer { code } => write!(f, "the server closed: {}", code.name()),
            Self::ServerMisbehaved { code } => {
                write!(f, "the server broke the protocol: {}", code.name())
            }
            Self::Refused { code } => write!(f, "the server refused: {}", code.name()),
            Self::ServerLeaving => f.write_str("the server goes away"),
        }
    }
}

/// A device of this account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its id within the account.
    pub device: DeviceId,
    /// What its owner calls it; `None` while this home cannot read the name.
    pub name: Option<String>,
    /// Whether it is this home.
    pub is_this: bool,
    /// Whether it has the account's key: it alone can add, rename and remove devices.
    pub has_account_key: bool,
}

/// Who this home is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The server's address as it was given to register.
    pub server: String,
    /// The account's name.
    pub handle: String,
    /// The account.
    pub user: UserId,
    /// This device of it.
    pub device: DeviceId,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [MessageState; 9] = [
        MessageState::Pending,
        MessageState::Sent,
        MessageState::Delivered,
        MessageState::Read,
        MessageState::Expired,
        MessageState::Overflow,
        MessageState::Held,
        MessageState::DeviceGone,
        MessageState::Failed,
    ];

    #[test]
    fn a_final_state_has_no_successor_and_every_other_has_one() {
        for state in ALL {
            let successors = ALL.iter().filter(|next| state.may_become(**next)).count();
            assert_eq!(state.is_final(), successors == 0, "{state}");
        }
    }

    #[test]
    fn whoever_waits_for_a_state_is_woken_by_it_and_by_what_implies_it() {
        assert!(MessageState::Read.reached(MessageState::Delivered));
        assert!(MessageState::Expired.reached(MessageState::Sent));
        assert!(!MessageState::Expired.reached(MessageState::Delivered));
        assert!(!MessageState::Failed.reached(MessageState::Sent));
        assert!(!MessageState::Sent.reached(MessageState::Delivered));
    }
}
