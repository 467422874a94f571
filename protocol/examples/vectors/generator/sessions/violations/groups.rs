//! What goes wrong with records of groups and with their messages.

use martlet_protocol::{GroupId, UserId};

use super::super::super::groups::{CAROL, DAVE, GROUP, Members, record};
use super::super::groups::*;
use super::*;

pub(super) const RECORDS: &[Script] = &[
    (
        "m26_10_skipped",
        "M-26.10",
        "A record is taken though one before it is missing.",
        |s| {
            s.live(ALICE)
                .client_step(change(1, &record(1)), "")
                .server(changed(1, 1, 1), "")
                .client_step(change(2, &record(3)), "")
                .server(changed(2, 3, 2), "");
        },
    ),
    (
        "m26_17_malformed",
        "M-26.17",
        "What is no record is taken.",
        |s| {
            let mut cut = record(1);
            cut.bytes.pop();
            s.live(ALICE)
                .client_step(change(1, &cut), "")
                .server(changed(1, 1, 1), "");
        },
    ),
    (
        "m26_18_not_asked",
        "M-26.18",
        "A GROUP_CHANGED that answers no GROUP_CHANGE.",
        |s| {
            s.live(ALICE).server(changed(1, 1, 1), "");
        },
    ),
    (
        "m26_18_other_version",
        "M-26.18",
        "The version of another record.",
        |s| {
            s.live(ALICE)
                .client_step(change(1, &record(1)), "")
                .server(changed(1, 2, 1), "");
        },
    ),
    (
        "m26_18_other_answer",
        "M-26.18",
        "The newest record again gets another place.",
        |s| {
            s.live(ALICE)
                .client_step(change(1, &record(2)), "")
                .server(changed(1, 2, 7), "")
                .client_step(change(2, &record(2)), "")
                .server(changed(2, 2, 8), "");
        },
    ),
    ("m26_19_back", "M-26.19", "The roster falls.", |s| {
        let second = record(2);
        let members = second.draft.members.clone();
        s.live(ALICE)
            .client(ask(1, 0, 0), "")
            .server_step(state(1, (2, 5, 9), &[&second], &members), "")
            .client(ask(2, 0, 0), "")
            .server_step(state(2, (2, 4, 9), &[&second], &members), "");
    }),
    (
        "m26_19_hole",
        "M-26.19",
        "The records after a version do not begin with the next one.",
        |s| {
            s.live(ALICE)
                .client(ask(1, 1, 0), "")
                .server_step(state(1, (3, 3, 4), &[&record(3)], &Members::new()), "");
        },
    ),
    (
        "m26_19_members",
        "M-26.19",
        "Members that do not ascend.",
        |s| {
            let member = |user| GroupMember {
                user,
                role: Role::MEMBER,
                list_version: 1,
            };
            let members = [member(DAVE), member(CAROL)];
            s.live(ALICE)
                .client(ask(1, 3, 3), "")
                .server_step(state_of(1, (3, 4, 4), &[], &members), "");
        },
    ),
    (
        "m26_21_behind",
        "M-26.21",
        "A group that was not asked for.",
        |s| {
            const ONE: &[ListedGroup] = &[ListedGroup {
                group: GROUP,
                version: 1,
            }];
            s.live(ALICE)
                .client(groups(1, GROUP.0), "")
                .server(group_list(1, ONE), "");
        },
    ),
    (
        "m26_21_descending",
        "M-26.21",
        "Groups that do not ascend.",
        |s| {
            const TWO: &[ListedGroup] = &[
                ListedGroup {
                    group: GROUP,
                    version: 1,
                },
                ListedGroup {
                    group: GroupId(1),
                    version: 1,
                },
            ];
            s.live(ALICE)
                .client(groups(1, 0), "")
                .server(group_list(1, TWO), "");
        },
    ),
];

pub(super) const SENDING: &[Script] = &[
    (
        "m27_01_first",
        "M-27.1",
        "A group whose log does not begin with its first record.",
        |s| {
            s.live(ALICE)
                .client_step(change(1, &record(1)), "")
                .server(changed(1, 1, 2), "");
        },
    ),
    (
        "m27_02_twice",
        "M-27.2",
        "A GROUP_SEND has two answers.",
        |s| {
            s.live(ALICE)
                .client(to_group(1, 1, 1), "")
                .server(group_sent(1, 2), "")
                .server(group_sent(1, 2), "");
        },
    ),
    (
        "m27_03_other_answer",
        "M-27.3",
        "A retry gets another place.",
        |s| {
            s.live(ALICE)
                .client(to_group(1, 1, 1), "")
                .server(group_sent(1, 2), "")
                .client(to_group(1, 1, 1), "")
                .server(group_sent(1, 3), "");
        },
    ),
    (
        "m27_03_no_conflict",
        "M-27.3",
        "The message id of another message is taken again.",
        |s| {
            let other = GroupSend {
                ttl_ms: 60_000,
                ..group_send(1, 1, 1)
            };
            s.live(ALICE)
                .client(to_group(1, 1, 1), "")
                .server(group_sent(1, 2), "")
                .client(Frame::GroupSend(other), "")
                .server(group_sent(1, 2), "");
        },
    ),
    (
        "m27_04_stale",
        "M-27.4",
        "A message for an older roster is taken.",
        |s| {
            let second = record(2);
            let members = second.draft.members.clone();
            s.live(ALICE)
                .client(ask(1, 0, 0), "")
                .server_step(state(1, (2, 5, 9), &[&second], &members), "")
                .client(to_group(1, 2, 4), "")
                .server(group_sent(1, 10), "");
        },
    ),
    (
        "m27_05_overtaken",
        "M-27.5",
        "A message overtakes the one before it.",
        |s| {
            s.live(ALICE)
                .client(to_group(1, 1, 1), "")
                .client(to_group(2, 1, 1), "")
                .server(group_sent(2, 2), "")
                .server(group_sent(1, 3), "");
        },
    ),
    (
        "m27_05_time",
        "M-27.5",
        "A later entry has an earlier time.",
        |s| {
            s.live(BOB)
                .server(message(1, 4, 4), "")
                .server(message(2, 5, 3), "");
        },
    ),
    (
        "m09_11_group_ttl",
        "M-9.11",
        "A message with a time to live below a second is taken.",
        |s| {
            let short = GroupSend {
                ttl_ms: 999,
                ..group_send(1, 1, 1)
            };
            s.live(ALICE)
                .client(Frame::GroupSend(short), "")
                .server(group_sent(1, 2), "");
        },
    ),
    (
        "m12_04_group",
        "M-12.4",
        "The client sends a fifth message to a group with credit for four.",
        |s| {
            s.live(ALICE);
            for n in 1..=5 {
                s.client(to_group(n, 1, 1), "");
            }
        },
    ),
    (
        "m13_01_group",
        "M-13.1",
        "The reference of a GROUP_READ is no group that was read.",
        |s| {
            let read = GroupRead {
                group: GROUP,
                sequence: 1,
            };
            let code = NackCode::GROUP_UNKNOWN;
            s.live(BOB)
                .client(Frame::GroupRead(read), "")
                .server(nack(Kind::GROUP_READ, code, 0, Reference::number(1)), "");
        },
    ),
];

pub(super) const ENTRIES: &[Script] = &[
    (
        "m10_02_group_hole",
        "M-10.2",
        "An entry of a group leaves a position out.",
        |s| {
            s.live(BOB)
                .server(message(1, 2, 1), "")
                .server(message(3, 3, 2), "");
        },
    ),
    (
        "m27_06_still_in_inbox",
        "M-27.6",
        "An entry in the inbox though the group's log is a stream.",
        |s| {
            s.live(BOB)
                .server(mode(1, 71, 1, STREAM), "")
                .server(message(2, 72, 2), "");
        },
    ),
    (
        "m27_06_still_a_stream",
        "M-27.6",
        "An entry in the stream though the group's log is none any more.",
        |s| {
            s.live(BOB)
                .server(mode(0, 71, 1, INBOX), "")
                .server(message(0, 72, 2), "");
        },
    ),
    (
        "m27_07_falls",
        "M-27.7",
        "The sequences of a group fall.",
        |s| {
            s.live(BOB)
                .server(message(1, 5, 1), "")
                .server(message(2, 4, 2), "");
        },
    ),
    (
        "m27_08_hole",
        "M-27.8",
        "An entry of the stream is left out.",
        |s| {
            s.live(BOB)
                .server(mode(1, 71, 1, STREAM), "")
                .server(message(0, 72, 2), "")
                .server(message(0, 74, 3), "");
        },
    ),
    (
        "m27_08_beginning",
        "M-27.8",
        "The stream does not begin behind the entry that began it.",
        |s| {
            s.live(BOB)
                .server(mode(1, 71, 1, STREAM), "")
                .server(message(0, 73, 2), "");
        },
    ),
    (
        "m27_08_gap",
        "M-27.8",
        "A GROUP_GAP over what was pushed.",
        |s| {
            s.live(BOB)
                .server(message(0, 72, 2), "")
                .server(group_gap(72, 75), "");
        },
    ),
    (
        "m27_09_ahead",
        "M-27.9",
        "The server goes on after a GROUP_ACK beyond the stream.",
        |s| {
            s.live(BOB)
                .server(message(0, 72, 2), "")
                .client(group_ack(73), "")
                .server(message(0, 73, 3), "");
        },
    ),
];

const fn bob_has(sequence: u64) -> GroupProgress {
    up_to(Some(BOB.address.user), sequence)
}

pub(super) const PROGRESS: &[Script] = &[
    (
        "m27_10_state",
        "M-27.10",
        "A watermark of a state that is none.",
        |s| {
            const ONE: &[GroupProgress] = &[bob_has(3)];
            s.live(ALICE)
                .server(group_receipt(1, State::EXPIRED, ONE), "");
        },
    ),
    (
        "m27_11_falls",
        "M-27.11",
        "A member's watermark does not rise.",
        |s| {
            const BEFORE: &[GroupProgress] = &[bob_has(3)];
            const BEHIND: &[GroupProgress] = &[bob_has(3), up_to(Some(CAROL), 4)];
            s.live(ALICE)
                .server(group_receipt(1, State::READ, BEFORE), "")
                .server(group_receipt(2, State::READ, BEHIND), "");
        },
    ),
    (
        "m27_11_descending",
        "M-27.11",
        "Members of a receipt that do not ascend.",
        |s| {
            const TWO: &[GroupProgress] = &[up_to(Some(CAROL), 4), bob_has(4)];
            s.live(ALICE).server(group_receipt(1, State::READ, TWO), "");
        },
    ),
    (
        "m27_12_numbers",
        "M-27.12",
        "More have read a message than have it.",
        |s| {
            s.live(ALICE)
                .client(count(1, 3, false), "")
                .server(counted(1, 3, [2, 1, 2], &[]), "");
        },
    ),
    (
        "m27_12_other_message",
        "M-27.12",
        "The numbers of another message.",
        |s| {
            s.live(ALICE)
                .client(count(1, 3, false), "")
                .server(counted(1, 4, [2, 1, 1], &[]), "");
        },
    ),
    (
        "m27_12_names",
        "M-27.12",
        "A member is not named though the names were asked for.",
        |s| {
            const ONE: &[GroupDetail] = &[GroupDetail {
                user: UserId(5),
                state: State::READ,
            }];
            s.live(ALICE)
                .client(count(1, 3, true), "")
                .server(counted(1, 3, [2, 1, 1], ONE), "");
        },
    ),
];
