//! Groups: made, joined, sent to, read; what is refused; a log that becomes a stream.

use martlet_protocol::frame::*;
use martlet_protocol::nack::NackCode;
use martlet_protocol::wire::List;
use martlet_protocol::{CloseCode, Kind, Position, State};

use super::super::builders::nack;
use super::super::groups::{CAROL, DAVES, Draft, GROUP, MEMBER, Members, Signed, record};
use super::super::people::{ALICE, ALICE_2, BOB, message_id, timestamp};
use super::*;

pub(super) fn sessions() -> Vec<Session> {
    vec![
        made(),
        joined(),
        retried(),
        stale(),
        refusals(),
        streamed(),
        resumed(),
        acknowledged_too_much(),
    ]
}

pub(super) fn change(request: u64, record: &Signed) -> Step {
    Step::new(&Frame::GroupChange(GroupChange {
        request,
        record: SignedRecord(&record.bytes),
    }))
}

pub(super) fn changed(request: u64, version: u64, sequence: u64) -> Frame<'static> {
    Frame::GroupChanged(GroupChanged {
        request,
        group: GROUP,
        version,
        sequence,
    })
}

pub(super) fn ask(request: u64, have: u64, have_roster: u64) -> Frame<'static> {
    Frame::GroupAsk(GroupAsk {
        request,
        group: GROUP,
        have,
        have_roster,
    })
}

/// How a group stands: version, roster, newest sequence.
type Stand = (u64, u64, u64);

pub(super) fn state(request: u64, at: Stand, records: &[&Signed], members: &Members) -> Step {
    let records: Vec<_> = records.iter().map(|it| SignedRecord(&it.bytes)).collect();
    let member = |(user, role): (&u64, &u8)| GroupMember {
        user: UserId(*user),
        role: Role(*role),
        list_version: 1,
    };
    let members: Vec<_> = members.iter().map(member).collect();
    state_of(request, at, &records, &members)
}

pub(super) fn state_of(
    request: u64,
    (version, roster, sequence): Stand,
    records: &[SignedRecord<'_>],
    members: &[GroupMember],
) -> Step {
    Step::new(&Frame::GroupState(GroupState {
        request,
        group: GROUP,
        version,
        roster,
        sequence,
        mode: GroupMode::INBOX,
        records: List::Slice(records),
        members: List::Slice(members),
    }))
}

/// The n-th message, for this version and roster of the group.
pub(super) fn group_send(n: u8, version: u64, roster: u64) -> GroupSend<'static> {
    GroupSend {
        message_id: message_id(n),
        group: GROUP,
        version,
        roster,
        ttl_ms: 0,
        envelope: ENVELOPES[usize::from(n)],
    }
}

pub(super) fn to_group(n: u8, version: u64, roster: u64) -> Frame<'static> {
    Frame::GroupSend(group_send(n, version, roster))
}

/// The answer to the n-th message.
pub(super) fn group_sent(n: u8, sequence: u64) -> Frame<'static> {
    Frame::GroupSent(GroupSent {
        message_id: message_id(n),
        group: GROUP,
        sequence,
        timestamp: timestamp(n),
        members: 2,
    })
}

/// The n-th message, of alice, at a place in the inbox; at 0 in the group's own stream.
pub(super) fn entry(position: u64, sequence: u64, n: u8) -> GroupEvent<'static> {
    GroupEvent {
        position: Position(position),
        group: GROUP,
        sequence,
        kind: GroupEventKind::MESSAGE,
        author: Some(ALICE.address),
        message_id: Some(message_id(n)),
        timestamp: timestamp(n),
        body: ENVELOPES[usize::from(n)],
    }
}

pub(super) fn message(position: u64, sequence: u64, n: u8) -> Frame<'static> {
    Frame::GroupEvent(entry(position, sequence, n))
}

/// A record in the inbox, at the time of the n-th message.
pub(super) fn recorded(position: u64, sequence: u64, n: u8, record: &Signed) -> Step {
    Step::new(&Frame::GroupEvent(GroupEvent {
        kind: GroupEventKind::RECORD,
        author: Some(record.draft.actor.address),
        message_id: None,
        body: &record.bytes,
        ..entry(position, sequence, n)
    }))
}

/// From here on the group's entries come in another way.
pub(super) fn mode(position: u64, sequence: u64, n: u8, mode: &'static [u8]) -> Frame<'static> {
    Frame::GroupEvent(GroupEvent {
        kind: GroupEventKind::MODE,
        author: None,
        message_id: None,
        body: mode,
        ..entry(position, sequence, n)
    })
}

pub(super) const STREAM: &[u8] = &[GroupMode::STREAM.0];
pub(super) const INBOX: &[u8] = &[GroupMode::INBOX.0];

pub(super) fn group_ack(sequence: u64) -> Frame<'static> {
    Frame::GroupAck(GroupAck {
        group: GROUP,
        sequence,
    })
}

pub(super) fn group_gap(from: u64, to: u64) -> Frame<'static> {
    Frame::GroupGap(GroupGap {
        group: GROUP,
        from,
        to,
        reason: GapReason::EXPIRED,
    })
}

pub(super) fn group_receipt(
    position: u64,
    state: State,
    members: &'static [GroupProgress],
) -> Frame<'static> {
    Frame::GroupReceipt(GroupReceipt {
        position: Position(position),
        group: GROUP,
        state,
        at: NOW.plus(1_000),
        members: List::Slice(members),
    })
}

pub(super) const fn up_to(member: Option<UserId>, up_to: u64) -> GroupProgress {
    GroupProgress { member, up_to }
}

pub(super) fn count(request: u64, sequence: u64, detail: bool) -> Frame<'static> {
    Frame::GroupCount(GroupCount {
        request,
        group: GROUP,
        sequence,
        detail,
    })
}

pub(super) fn counted(
    request: u64,
    sequence: u64,
    [members, delivered, read]: [u64; 3],
    details: &'static [GroupDetail],
) -> Frame<'static> {
    Frame::GroupCounted(GroupCounted {
        request,
        group: GROUP,
        sequence,
        members,
        delivered,
        read,
        details: List::Slice(details),
    })
}

pub(super) fn groups(request: u64, after: u64) -> Frame<'static> {
    Frame::Groups(Groups { request, after })
}

pub(super) fn group_list(request: u64, groups: &'static [ListedGroup]) -> Frame<'static> {
    Frame::GroupList(GroupList {
        request,
        more: false,
        groups: List::Slice(groups),
    })
}

fn refused(of: Kind, code: NackCode, reference: Reference) -> Frame<'static> {
    nack(of, code, 0, reference)
}

const BOB_HAS: &[GroupProgress] = &[up_to(Some(BOB.address.user), 3)];
const BOTH_HAVE: &[GroupProgress] = &[up_to(Some(BOB.address.user), 4), up_to(Some(CAROL), 4)];
const ALL_READ: &[GroupProgress] = &[up_to(None, 4)];
const DETAILS: &[GroupDetail] = &[
    GroupDetail {
        user: BOB.address.user,
        state: State::READ,
    },
    GroupDetail {
        user: CAROL,
        state: State::DELIVERED,
    },
];

fn made() -> Session {
    let about = "alice makes a group, gives it a name, writes, and sees who has what.";
    let (first, second) = (record(1), record(2));
    let members = second.draft.members.clone();
    let mut session = Session::new("group_made", about);
    session
        .live(ALICE)
        .client_step(change(1, &first), "the first record makes the group")
        .server(changed(1, 1, 1), "the first entry of its log [M-27.1]")
        .client_step(change(2, &first), "as if the answer had been lost")
        .server(changed(2, 1, 1), "the same answer [M-26.18]")
        .client_step(change(3, &second), "")
        .server(changed(3, 2, 2), "")
        .client(ask(4, 0, 0), "how far is the roster?")
        .server_step(
            state(4, (2, 2, 2), &[&second], &members),
            "the newest record and all members [M-26.19]",
        )
        .client(to_group(1, 2, 2), "")
        .client(to_group(2, 2, 2), "without waiting")
        .server(group_sent(1, 3), "for bob and carol [M-27.2]")
        .server(
            group_sent(2, 4),
            "in the order of the first sending [M-27.5]",
        )
        .server(
            group_receipt(1, State::DELIVERED, BOB_HAS),
            "bob has the first one [M-27.10]",
        )
        .server(
            group_receipt(2, State::DELIVERED, BOTH_HAVE),
            "both have both [M-27.11]",
        )
        .client(ack(2), "they are items of the inbox [M-10.1]")
        .client(count(5, 4, true), "")
        .server(counted(5, 4, [2, 2, 1], DETAILS), "by name [M-27.12]")
        .client(count(6, 4, false), "")
        .server(counted(6, 4, [2, 2, 1], &[]), "in numbers alone")
        .server(group_receipt(3, State::READ, ALL_READ), "by everybody")
        .client(ack(3), "");
    session
}

fn joined() -> Session {
    const TWO: &[ListedGroup] = &[ListedGroup {
        group: GROUP,
        version: 3,
    }];
    let about = "bob is added to a group, reads, adds somebody, and looks up what he is in.";
    let (first, second, third) = (record(1), record(2), record(3));
    let all = third.draft.members.clone();
    let typing = GroupTyping {
        group: GROUP,
        kind: TypingKind::TYPING,
    };
    let typed = GroupTyped {
        group: GROUP,
        peer: ALICE.address,
        kind: TypingKind::STOPPED,
    };
    let read = GroupRead {
        group: GROUP,
        sequence: 3,
    };
    let mut session = Session::new("group_joined", about);
    session
        .live(BOB)
        .server_step(recorded(1, 1, 1, &first), "he is a member from here on")
        .server_step(recorded(2, 2, 2, &second), "")
        .server(message(3, 3, 3), "rising sequences [M-27.7]")
        .client(ack(3), "as for any item")
        .client(Frame::GroupRead(read), "no answer")
        .client(Frame::GroupTyping(typing), "no answer, either")
        .server(Frame::GroupTyped(typed), "it costs no credit [M-12.2]")
        .client_step(change(1, &third), "everybody may add [M-26.11]")
        .server(changed(1, 3, 4), "")
        .client(ask(2, 1, 0), "what came after version 1?")
        .server_step(
            state(2, (3, 3, 4), &[&second, &third], &all),
            "oldest first",
        )
        .client(ask(3, 3, 3), "")
        .server_step(
            state(3, (3, 3, 4), &[], &Members::new()),
            "nothing is newer",
        )
        .client(groups(4, 0), "")
        .server(group_list(4, TWO), "[M-26.21]")
        .client(groups(5, GROUP.0), "")
        .server(group_list(5, &[]), "none behind it");
    session
}

fn retried() -> Session {
    let back = Resume {
        epoch: EPOCH,
        ..FRESH
    };
    let again = Frame::GroupSend(GroupSend {
        version: 5,
        roster: 9,
        ..group_send(1, 2, 2)
    });
    let other = Frame::GroupSend(GroupSend {
        envelope: b"another envelope",
        ..group_send(1, 2, 2)
    });
    let message = Reference::message(message_id(1));
    let about = "The answer to GROUP_SEND is lost; the retry gets it and appends nothing.";
    let mut session = Session::new("group_retried", about);
    session
        .live(ALICE)
        .client(to_group(1, 2, 2), "the connection is cut")
        .ready(ALICE, back)
        .server(caught_up(0, false), "")
        .client(to_group(1, 2, 2), "the same id and payload")
        .server(group_sent(1, 3), "the original answer [M-27.3]")
        .client(again, "version and roster are not part of the payload")
        .server(group_sent(1, 3), "")
        .client(other, "")
        .server(
            refused(Kind::GROUP_SEND, NackCode::CONFLICT, message),
            "one id for two payloads [M-27.3]",
        );
    session
}

fn stale() -> Session {
    let third = record(3);
    let added = [GroupMember {
        user: third.draft.actor.address.user,
        role: Role::MEMBER,
        list_version: 2,
    }];
    let message = Reference::message(message_id(1));
    let records = [SignedRecord(&third.bytes)];
    let about = "A message for an older roster is refused, and sent again for the newest one.";
    let mut session = Session::new("group_stale", about);
    session
        .live(ALICE)
        .client(to_group(1, 2, 2), "somebody was added meanwhile")
        .server(
            refused(Kind::GROUP_SEND, NackCode::GROUP_STALE, message),
            "its reference is the message id [M-13.1] [M-27.4]",
        )
        .client(ask(1, 2, 2), "")
        .server_step(
            state_of(1, (3, 4, 5), &records, &added),
            "the record, and a member with a newer list [M-26.19]",
        )
        .client(to_group(1, 3, 4), "the same id")
        .server(group_sent(1, 6), "");
    session
}

fn refusals() -> Session {
    let number = Reference::number;
    let mut forged = record(2);
    forged.bytes[100] ^= 1;
    let strangers = Draft::after(&record(2), DAVES)
        .with(&[(DAVES.address.user, MEMBER)])
        .signed();
    let read = GroupRead {
        group: GROUP,
        sequence: 1,
    };
    let group = number(GROUP.0);
    let change_refused = |code, request| refused(Kind::GROUP_CHANGE, code, number(request));
    let mut session = Session::new("group_refusals", "What a server refuses of groups.");
    session
        .live(BOB)
        .client_step(change(1, &record(2)), "there is no such group")
        .server(change_refused(NackCode::GROUP_UNKNOWN, 1), "[M-26.17]")
        .client_step(change(2, &strangers), "nor is he its actor")
        .server(change_refused(NackCode::RECORD_INVALID, 2), "")
        .client_step(change(3, &forged), "a bit was changed")
        .server(change_refused(NackCode::RECORD_INVALID, 3), "")
        .client(ask(4, 0, 0), "")
        .server(
            refused(Kind::GROUP_ASK, NackCode::GROUP_UNKNOWN, number(4)),
            "whether there is one he is not told [M-26.19]",
        )
        .client(count(5, 1, true), "")
        .server(
            refused(Kind::GROUP_COUNT, NackCode::GROUP_UNKNOWN, number(5)),
            "",
        )
        .client(Frame::GroupRead(read), "")
        .server(
            refused(Kind::GROUP_READ, NackCode::GROUP_UNKNOWN, group),
            "its reference is the group [M-13.1]",
        );
    session
}

fn streamed() -> Session {
    let about = "A group grows: from a sequence on its log is a stream, and later no more.";
    let mut session = Session::new("group_streamed", about);
    session
        .live(ALICE_2)
        .server(message(1, 70, 1), "in the inbox")
        .server(mode(2, 71, 2, STREAM), "by the log itself [M-27.6]")
        .client(ack(2), "")
        .server(message(0, 72, 3), "its own stream begins [M-27.8]")
        .server(message(0, 73, 4), "")
        .server(group_gap(74, 76), "three have expired")
        .client(group_ack(76), "everything is stored [M-27.9]")
        .server(mode(0, 77, 5, INBOX), "the group is small again")
        .client(group_ack(77), "")
        .server(message(3, 78, 6), "in the inbox [M-27.7]")
        .client(ack(3), "");
    session
}

fn resumed() -> Session {
    let back = Resume {
        epoch: EPOCH,
        cursor: 1,
        at: 1,
        tail: 1,
    };
    let about = "A stream goes on where it was acknowledged, or before: the device knows it then.";
    let mut session = Session::new("group_resumed", about);
    session
        .live(BOB)
        .server(mode(1, 71, 1, STREAM), "")
        .client(ack(1), "")
        .server(message(0, 72, 2), "")
        .server(message(0, 73, 3), "")
        .client(group_ack(73), "")
        .ready(BOB, back)
        .server(caught_up(1, false), "the inbox alone [M-10.19]")
        .client(group_ack(73), "what it has, once more")
        .server(message(0, 73, 3), "it had this one [M-27.8]")
        .server(message(0, 74, 4), "")
        .client(group_ack(74), "");
    session
}

fn acknowledged_too_much() -> Session {
    let about = "A device acknowledges what it was never given.";
    let mut session = Session::new("group_bad_ack", about);
    session
        .live(BOB)
        .server(mode(1, 71, 1, STREAM), "")
        .server(message(0, 72, 2), "")
        .client(group_ack(73), "")
        .server(close(CloseCode::BAD_ACK), "[M-27.9]");
    session
}
