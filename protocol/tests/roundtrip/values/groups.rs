//! The frames about groups with any legal values.

use martlet_protocol::frame::*;
use martlet_protocol::wire::List;
use martlet_protocol::{Address, GroupId, Kind, Millis, Position, State, Timestamp, UserId};

use super::Values;

/// Elements for the lists of these frames, as many of each.
#[derive(Clone, Debug)]
pub(crate) struct Elements {
    records: Vec<SignedRecord<'static>>,
    members: Vec<GroupMember>,
    progress: Vec<GroupProgress>,
    details: Vec<GroupDetail>,
    groups: Vec<ListedGroup>,
}

/// What one element of each list is made of: a number, a length and three more values.
type Seed = (u16, usize, (u8, u64, [u8; 32]));

impl Elements {
    pub(crate) fn of(seeds: &[Seed], bytes: &'static [u8]) -> Self {
        let record = |(_, len, _): &Seed| SignedRecord(&bytes[..*len]);
        let member = |(number, _, (role, _, _)): &Seed| GroupMember {
            user: UserId(u64::from(*number)),
            role: Role(*role),
            list_version: u64::from(*number),
        };
        let progress = |(number, _, (state, _, _)): &Seed| GroupProgress {
            member: (state % 2 == 0).then_some(UserId(u64::from(*number))),
            up_to: u64::from(*number) << 20,
        };
        let detail = |(number, _, (state, _, _)): &Seed| GroupDetail {
            user: UserId(u64::from(*number)),
            state: State(*state),
        };
        let group = |(number, len, _): &Seed| ListedGroup {
            group: GroupId(u64::from(*number)),
            version: *len as u64,
        };
        Self {
            records: seeds.iter().map(record).collect(),
            members: seeds.iter().map(member).collect(),
            progress: seeds.iter().map(progress).collect(),
            details: seeds.iter().map(detail).collect(),
            groups: seeds.iter().map(group).collect(),
        }
    }
}

impl Values {
    fn group(&self) -> GroupId {
        GroupId(self.address.user.0)
    }

    pub(crate) fn group_frame(&self) -> Frame<'_> {
        let (group, elements) = (self.group(), &self.elements.groups);
        let [request, a, b, c] = self.varints;
        match Kind::TABLE[self.which].kind {
            Kind::GROUP_CHANGE => Frame::GroupChange(GroupChange {
                request,
                record: SignedRecord(&self.data),
            }),
            Kind::GROUP_CHANGED => Frame::GroupChanged(GroupChanged {
                request,
                group,
                version: a,
                sequence: b,
            }),
            Kind::GROUP_ASK => Frame::GroupAsk(GroupAsk {
                request,
                group,
                have: a,
                have_roster: b,
            }),
            Kind::GROUP_STATE => Frame::GroupState(GroupState {
                request,
                group,
                version: a,
                roster: b,
                sequence: c,
                mode: GroupMode(self.small.0),
                records: List::Slice(&elements.records),
                members: List::Slice(&elements.members),
            }),
            Kind::GROUPS => Frame::Groups(Groups {
                request,
                after: self.fixed.0,
            }),
            Kind::GROUP_LIST => Frame::GroupList(GroupList {
                request,
                more: self.small.0 % 2 == 1,
                groups: List::Slice(&elements.groups),
            }),
            _ => self.group_message(),
        }
    }

    fn group_message(&self) -> Frame<'_> {
        let (group, message_id) = (self.group(), self.message_id());
        let ([a, b, c, sequence], timestamp) = (self.varints, Timestamp(self.fixed.0));
        match Kind::TABLE[self.which].kind {
            Kind::GROUP_SEND => Frame::GroupSend(GroupSend {
                message_id,
                group,
                version: a,
                roster: b,
                ttl_ms: c,
                envelope: &self.data,
            }),
            Kind::GROUP_SENT => Frame::GroupSent(GroupSent {
                message_id,
                group,
                sequence,
                timestamp,
                members: a,
            }),
            Kind::GROUP_EVENT => Frame::GroupEvent(GroupEvent {
                position: Position(a),
                group,
                sequence,
                kind: GroupEventKind(self.small.0),
                author: self.author(),
                message_id: Some(message_id).filter(|id| id.0 != [0; 16]),
                timestamp,
                body: &self.data,
            }),
            Kind::GROUP_ACK => Frame::GroupAck(GroupAck { group, sequence }),
            Kind::GROUP_GAP => Frame::GroupGap(GroupGap {
                group,
                from: a.min(b),
                to: a.max(b),
                reason: GapReason(self.small.0),
            }),
            Kind::GROUP_TYPING => Frame::GroupTyping(GroupTyping {
                group,
                kind: TypingKind(self.small.0),
            }),
            Kind::GROUP_TYPED => Frame::GroupTyped(GroupTyped {
                group,
                peer: self.address,
                kind: TypingKind(self.small.0),
            }),
            _ => self.group_progress(),
        }
    }

    fn author(&self) -> Option<Address> {
        (self.small.0 % 2 == 1).then_some(self.address)
    }

    fn group_progress(&self) -> Frame<'_> {
        let (group, elements) = (self.group(), &self.elements.groups);
        let [a, b, c, sequence] = self.varints;
        match Kind::TABLE[self.which].kind {
            Kind::GROUP_READ => Frame::GroupRead(GroupRead { group, sequence }),
            Kind::GROUP_RECEIPT => Frame::GroupReceipt(GroupReceipt {
                position: Position(a),
                group,
                state: State(self.small.0),
                at: Millis(self.fixed.1),
                members: List::Slice(&elements.progress),
            }),
            Kind::GROUP_COUNT => Frame::GroupCount(GroupCount {
                request: a,
                group,
                sequence,
                detail: self.small.0 % 2 == 1,
            }),
            Kind::GROUP_COUNTED => Frame::GroupCounted(GroupCounted {
                request: a,
                group,
                sequence,
                members: a,
                delivered: b,
                read: c,
                details: List::Slice(&elements.details),
            }),
            other => panic!("{other:?} has no values"),
        }
    }
}
