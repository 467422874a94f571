//! Accounts of the model server: their devices, lists and prekeys.

use std::collections::BTreeMap;

use martlet_protocol::frame::{
    Event, EventKind, Fact, Frame, Gap, GapReason, GroupProgress, GroupReceipt, Prekey, Receipt,
    Sent,
};
use martlet_protocol::wire::List;
use martlet_protocol::{
    Address, DeviceId, GroupId, MessageId, Millis, Position, State, Timestamp, UserId,
};

use super::groups::Entry;

pub(crate) struct Account {
    pub(super) handle: String,
    pub(crate) inboxes: BTreeMap<DeviceId, Inbox>,
    /// Every list, oldest first.
    pub(crate) lists: Vec<Vec<u8>>,
    pub(super) next_device: DeviceId,
    /// Each accepted message of each device, with the hash of its payload.
    pub(super) accepted: BTreeMap<(DeviceId, MessageId), (Vec<u8>, Sent)>,
}

/// A device: its key, its stream, its prekeys.
pub(crate) struct Inbox {
    pub(super) key: [u8; 32],
    pub(super) epoch: u64,
    pub(crate) stream: Vec<Item>,
    pub(crate) cursor: u64,
    pub(super) used_up_to: u64,
    pub(crate) one_time: BTreeMap<u64, Prekey>,
    pub(super) last_resort: Option<Prekey>,
    pub(super) last_resort_uses: u64,
}

/// What stands in a stream.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Event {
        kind: EventKind,
        /// As EVENT has it: the other account, and the device that wrote the message.
        peer: Address,
        id: MessageId,
        timestamp: u64,
        envelope: Vec<u8>,
        part: Vec<u8>,
    },
    Receipt {
        state: State,
        peer: Address,
        up_to: u64,
    },
    Fact {
        state: State,
        peer: Address,
        id: MessageId,
        timestamp: u64,
    },
    Gap,
    GroupEvent {
        group: GroupId,
        sequence: u64,
        entry: Entry,
    },
    GroupReceipt {
        group: GroupId,
        state: State,
        at: Millis,
        members: Vec<GroupProgress>,
    },
}

impl Account {
    pub(crate) fn new(handle: &str, key: [u8; 32], epoch: u64) -> Self {
        Self {
            handle: handle.to_owned(),
            inboxes: BTreeMap::from([(DeviceId(1), Inbox::new(key, epoch))]),
            lists: Vec::new(),
            next_device: DeviceId(2),
            accepted: BTreeMap::new(),
        }
    }

    pub(crate) const fn version(&self) -> u64 {
        self.lists.len() as u64
    }
}

impl Inbox {
    pub(super) const fn new(key: [u8; 32], epoch: u64) -> Self {
        Self {
            key,
            epoch,
            stream: Vec::new(),
            cursor: 0,
            used_up_to: 0,
            one_time: BTreeMap::new(),
            last_resort: None,
            last_resort_uses: 0,
        }
    }
}

impl Item {
    /// Who is told that this was delivered, and up to which timestamp.
    pub(super) fn receipt_due(&self) -> Option<(UserId, u64)> {
        match self {
            Self::Event {
                kind: EventKind::INCOMING,
                peer,
                timestamp,
                ..
            } => Some((peer.user, *timestamp)),
            _ => None,
        }
    }

    /// The group and the place in its log, if it is an entry of one.
    pub(super) const fn group_entry(&self) -> Option<(GroupId, u64)> {
        match self {
            Self::GroupEvent {
                group, sequence, ..
            } => Some((*group, *sequence)),
            _ => None,
        }
    }

    pub(super) fn frame(&self, position: Position) -> Frame<'_> {
        match self {
            Self::Event {
                kind,
                peer,
                id,
                timestamp,
                envelope,
                part,
            } => Frame::Event(Event {
                position,
                kind: *kind,
                peer: *peer,
                message_id: *id,
                timestamp: Timestamp(*timestamp),
                envelope,
                part,
            }),
            Self::Receipt { state, peer, up_to } => Frame::Receipt(Receipt {
                position,
                state: *state,
                peer: *peer,
                up_to: Timestamp(*up_to),
                at: Millis(*up_to),
            }),
            Self::Fact {
                state,
                peer,
                id,
                timestamp,
            } => Frame::Fact(Fact {
                position,
                state: *state,
                peer: *peer,
                message_id: *id,
                timestamp: Timestamp(*timestamp),
                at: Millis(*timestamp),
            }),
            Self::Gap => Frame::Gap(Gap {
                from: position,
                to: position,
                reason: GapReason::EXPIRED,
            }),
            Self::GroupEvent {
                group,
                sequence,
                entry,
            } => entry.frame(position, *group, *sequence),
            Self::GroupReceipt {
                group,
                state,
                at,
                members,
            } => Frame::GroupReceipt(GroupReceipt {
                position,
                group: *group,
                state: *state,
                at: *at,
                members: List::Slice(members),
            }),
        }
    }
}
