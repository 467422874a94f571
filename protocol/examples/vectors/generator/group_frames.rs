//! The frames about groups with usual values and with values at the edges. Records inside them are
//! placeholders: a frame carries them unread.

use martlet_protocol::frame::*;
use martlet_protocol::limits::VARINT_MAX;
use martlet_protocol::wire::List;
use martlet_protocol::{
    Address, DeviceId, GroupId, MessageId, Millis, Position, State, Timestamp, UserId,
};

use super::frames::Cases;
use super::groups::{CAROL, GROUP};
use super::people::{ALICE, BOB, NOW, message_id, timestamp};

pub(crate) fn cases() -> Cases {
    [
        changes(),
        states(),
        messages(),
        entries(),
        progress(),
        counts(),
        lists(),
        typing(),
    ]
    .concat()
}

const LAST: GroupId = GroupId(u64::MAX);
const EDGE: Address = Address {
    user: UserId(u64::MAX),
    device: DeviceId(u16::MAX),
};

fn changes() -> Cases {
    let change = |request, record| {
        Frame::GroupChange(GroupChange {
            request,
            record: SignedRecord(record),
        })
    };
    let changed = |group, version, sequence| {
        Frame::GroupChanged(GroupChanged {
            request: 12,
            group,
            version,
            sequence,
        })
    };
    vec![
        ("GROUP_CHANGE", change(12, b"record 1")),
        ("GROUP_CHANGE without a record", change(VARINT_MAX, b"")),
        ("GROUP_CHANGED", changed(GROUP, 1, 1)),
        (
            "GROUP_CHANGED with the greatest numbers",
            changed(LAST, VARINT_MAX, VARINT_MAX),
        ),
    ]
}

fn states() -> Cases {
    const TWO: &[SignedRecord<'static>] = &[SignedRecord(b"record 2"), SignedRecord(b"record 3")];
    const EIGHT: &[SignedRecord<'static>] = &[SignedRecord(b""); 8];
    const MEMBERS: &[GroupMember] = &[
        GroupMember {
            user: ALICE.address.user,
            role: Role::OWNER,
            list_version: 3,
        },
        GroupMember {
            user: CAROL,
            role: Role::NONE,
            list_version: 16_384,
        },
    ];
    const LATER: &[GroupMember] = &[GroupMember {
        user: EDGE.user,
        role: Role(255),
        list_version: VARINT_MAX,
    }];
    let ask = |have, have_roster| {
        Frame::GroupAsk(GroupAsk {
            request: 13,
            group: GROUP,
            have,
            have_roster,
        })
    };
    let usual = GroupState {
        request: 13,
        group: GROUP,
        version: 3,
        roster: 5,
        sequence: 70,
        mode: GroupMode::INBOX,
        records: List::Slice(TWO),
        members: List::Slice(MEMBERS),
    };
    let nothing = GroupState {
        mode: GroupMode::STREAM,
        records: List::EMPTY,
        members: List::EMPTY,
        ..usual.clone()
    };
    let edge = GroupState {
        request: VARINT_MAX,
        group: LAST,
        version: VARINT_MAX,
        roster: VARINT_MAX,
        sequence: VARINT_MAX,
        mode: GroupMode(255),
        records: List::Slice(EIGHT),
        members: List::Slice(LATER),
    };
    vec![
        ("GROUP_ASK", ask(1, 2)),
        ("GROUP_ASK for everything", ask(0, 0)),
        ("GROUP_STATE", Frame::GroupState(usual)),
        ("GROUP_STATE without any news", Frame::GroupState(nothing)),
        (
            "GROUP_STATE with the greatest numbers",
            Frame::GroupState(edge),
        ),
    ]
}

fn messages() -> Cases {
    let usual = GroupSend {
        message_id: message_id(1),
        group: GROUP,
        version: 3,
        roster: 5,
        ttl_ms: 0,
        envelope: b"envelope 1",
    };
    let edge = GroupSend {
        message_id: MessageId([0xff; 16]),
        group: LAST,
        version: VARINT_MAX,
        roster: VARINT_MAX,
        ttl_ms: VARINT_MAX,
        envelope: &[0xff; 64],
    };
    let sent = GroupSent {
        message_id: message_id(1),
        group: GROUP,
        sequence: 71,
        timestamp: timestamp(1),
        members: 2,
    };
    let edge_sent = GroupSent {
        message_id: MessageId([0xff; 16]),
        group: LAST,
        sequence: VARINT_MAX,
        timestamp: Timestamp(u64::MAX),
        members: VARINT_MAX,
    };
    vec![
        ("GROUP_SEND", Frame::GroupSend(usual)),
        (
            "GROUP_SEND with a time to live and an empty envelope",
            Frame::GroupSend(GroupSend {
                ttl_ms: 60_000,
                envelope: b"",
                ..usual
            }),
        ),
        (
            "GROUP_SEND with the greatest numbers",
            Frame::GroupSend(edge),
        ),
        ("GROUP_SENT", Frame::GroupSent(sent)),
        (
            "GROUP_SENT with the greatest numbers",
            Frame::GroupSent(edge_sent),
        ),
    ]
}

fn entries() -> Cases {
    let message = GroupEvent {
        position: Position(9),
        group: GROUP,
        sequence: 71,
        kind: GroupEventKind::MESSAGE,
        author: Some(ALICE.address),
        message_id: Some(message_id(1)),
        timestamp: timestamp(1),
        body: b"envelope 1",
    };
    let in_stream = GroupEvent {
        position: Position(0),
        ..message.clone()
    };
    let record = GroupEvent {
        kind: GroupEventKind::RECORD,
        message_id: None,
        body: b"record 3",
        ..message.clone()
    };
    let mode = GroupEvent {
        kind: GroupEventKind::MODE,
        author: None,
        message_id: None,
        body: &[GroupMode::STREAM.0],
        ..message.clone()
    };
    let edge = GroupEvent {
        position: Position(VARINT_MAX),
        group: LAST,
        sequence: VARINT_MAX,
        kind: GroupEventKind(255),
        author: Some(EDGE),
        message_id: Some(MessageId([0xff; 16])),
        timestamp: Timestamp(u64::MAX),
        body: &[0xff; 64],
    };
    let gap = |group, from, to, reason| {
        Frame::GroupGap(GroupGap {
            group,
            from,
            to,
            reason,
        })
    };
    let ack = |group, sequence| Frame::GroupAck(GroupAck { group, sequence });
    vec![
        ("GROUP_EVENT in the inbox", Frame::GroupEvent(message)),
        (
            "GROUP_EVENT in the group's own stream",
            Frame::GroupEvent(in_stream),
        ),
        ("GROUP_EVENT of a record", Frame::GroupEvent(record)),
        ("GROUP_EVENT of another mode", Frame::GroupEvent(mode)),
        ("GROUP_EVENT of an unknown kind", Frame::GroupEvent(edge)),
        ("GROUP_ACK", ack(GROUP, 71)),
        ("GROUP_ACK far on", ack(LAST, VARINT_MAX)),
        ("GROUP_GAP expired", gap(GROUP, 4, 9, GapReason::EXPIRED)),
        (
            "GROUP_GAP of an unknown reason",
            gap(LAST, 0, VARINT_MAX, GapReason(255)),
        ),
    ]
}

fn progress() -> Cases {
    const TWO: &[GroupProgress] = &[
        GroupProgress {
            member: Some(BOB.address.user),
            up_to: 71,
        },
        GroupProgress {
            member: Some(CAROL),
            up_to: 63,
        },
    ];
    const ALL: &[GroupProgress] = &[GroupProgress {
        member: None,
        up_to: VARINT_MAX,
    }];
    let read = |group, sequence| Frame::GroupRead(GroupRead { group, sequence });
    let receipt = GroupReceipt {
        position: Position(10),
        group: GROUP,
        state: State::DELIVERED,
        at: NOW.plus(1_000),
        members: List::Slice(TWO),
    };
    let all = GroupReceipt {
        state: State::READ,
        members: List::Slice(ALL),
        ..receipt.clone()
    };
    let edge = GroupReceipt {
        position: Position(VARINT_MAX),
        group: LAST,
        state: State(255),
        at: Millis(u64::MAX),
        members: List::EMPTY,
    };
    vec![
        ("GROUP_READ", read(GROUP, 71)),
        ("GROUP_READ of nothing", read(LAST, 0)),
        ("GROUP_RECEIPT delivered", Frame::GroupReceipt(receipt)),
        ("GROUP_RECEIPT read by all", Frame::GroupReceipt(all)),
        (
            "GROUP_RECEIPT of an unknown state",
            Frame::GroupReceipt(edge),
        ),
    ]
}

fn counts() -> Cases {
    const TWO: &[GroupDetail] = &[
        GroupDetail {
            user: BOB.address.user,
            state: State::READ,
        },
        GroupDetail {
            user: CAROL,
            state: State::SENT,
        },
    ];
    let count = |detail| {
        Frame::GroupCount(GroupCount {
            request: 14,
            group: GROUP,
            sequence: 71,
            detail,
        })
    };
    let named = GroupCounted {
        request: 14,
        group: GROUP,
        sequence: 71,
        members: 2,
        delivered: 1,
        read: 1,
        details: List::Slice(TWO),
    };
    let many = GroupCounted {
        members: 4_999,
        delivered: 4_000,
        read: 63,
        details: List::EMPTY,
        ..named.clone()
    };
    vec![
        ("GROUP_COUNT", count(true)),
        ("GROUP_COUNT without names", count(false)),
        ("GROUP_COUNTED", Frame::GroupCounted(named)),
        ("GROUP_COUNTED without names", Frame::GroupCounted(many)),
    ]
}

fn lists() -> Cases {
    const TWO: &[ListedGroup] = &[
        ListedGroup {
            group: GROUP,
            version: 3,
        },
        ListedGroup {
            group: LAST,
            version: VARINT_MAX,
        },
    ];
    let groups = |after| Frame::Groups(Groups { request: 15, after });
    let list = |more, groups| {
        Frame::GroupList(GroupList {
            request: 15,
            more,
            groups: List::Slice(groups),
        })
    };
    vec![
        ("GROUPS", groups(0)),
        ("GROUPS behind one", groups(GROUP.0)),
        ("GROUP_LIST", list(false, TWO)),
        ("GROUP_LIST with more behind it", list(true, &TWO[..1])),
        ("GROUP_LIST of nothing", list(false, &[])),
    ]
}

fn typing() -> Cases {
    let typing = |kind| Frame::GroupTyping(GroupTyping { group: GROUP, kind });
    let typed = GroupTyped {
        group: GROUP,
        peer: ALICE.address,
        kind: TypingKind::RECORDING,
    };
    vec![
        ("GROUP_TYPING", typing(TypingKind::TYPING)),
        ("GROUP_TYPING no more", typing(TypingKind::STOPPED)),
        ("GROUP_TYPING of an unknown kind", typing(TypingKind(255))),
        ("GROUP_TYPED", Frame::GroupTyped(typed)),
    ]
}
