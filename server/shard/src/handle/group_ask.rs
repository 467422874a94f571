//! Questions about groups: their state, their members, and where a message stands.

use bytes::Bytes;
use martlet_protocol::frame::{GroupDetail, GroupMember, ListedGroup, Reference};
use martlet_protocol::limits::{GROUP_PAGE_MAX, GROUP_RECORDS_MAX};
use martlet_protocol::{Address, GroupId, Kind, NackCode, State as MessageState, UserId};
use martlet_store::keys::group::{self, MemberRow, RecordRow};

use crate::command::SessionId;
use crate::effect::{GroupCountAnswer, GroupListAnswer, GroupStateAnswer, Reply};
use crate::handle::group_entry;
use crate::state::State;
use crate::turn::Turn;

/// At the home: the group as a member may see it. Nobody else learns that it exists.
pub(crate) fn ask(
    state: &mut State,
    turn: &mut Turn<'_>,
    (session, from, request): (SessionId, UserId, u64),
    group: GroupId,
    (have, have_roster): (u64, u64),
) {
    let home = state.group(turn.view, group);
    let Some(home) = home.filter(|home| home.members.contains_key(&from)) else {
        return unknown(turn, session, Kind::GROUP_ASK, request);
    };
    let (row, sequence) = (home.row, home.newest);
    let first = match have {
        0 => row.version,
        have => have.saturating_add(1),
    };
    let last = row
        .version
        .min(first.saturating_add(GROUP_RECORDS_MAX as u64 - 1));
    let records = (first..=last).map(|version| record(state, turn, group, version).1);
    let records = records.collect();
    let members = members(state, turn, group, have_roster);
    let answer = GroupStateAnswer {
        request,
        group,
        version: row.version,
        roster: row.roster,
        sequence,
        mode: row.mode,
        records,
        members,
    };
    turn.reply(session, Reply::GroupState(Box::new(answer)));
}

/// A record that was put in force, and its place in the log.
pub(crate) fn record(state: &State, turn: &Turn<'_>, group: GroupId, version: u64) -> (u64, Bytes) {
    let key = group::record_key(state.id, group, version);
    let value = state.fresh.get(turn.view, &key);
    let value = value.expect("every version up to the newest has its row");
    let row = RecordRow::decode(&value).expect("a record row is ours");
    (row.sequence, value.slice_ref(row.record))
}

/// The members that have changed after a roster; without one, those of now.
fn members(state: &State, turn: &Turn<'_>, group: GroupId, have_roster: u64) -> Vec<GroupMember> {
    let home = state.groups.get(&group).expect("the caller has it");
    let is_news = |row: &MemberRow| row.changed > have_roster;
    let of_now = home.members.iter().map(|(user, row)| (*user, *row));
    let mut members: Vec<_> = of_now.filter(|(_, row)| is_news(row)).collect();
    if have_roster > 0 {
        members.extend(removed(state, turn, group).filter(|(_, row)| is_news(row)));
        members.sort_unstable_by_key(|(user, _)| *user);
    }
    let members = members.into_iter();
    members
        .map(|(user, row)| GroupMember {
            user,
            role: row.role,
            list_version: row.list_version,
        })
        .collect()
}

/// Members of before, as their rows say.
fn removed<'t>(
    state: &'t State,
    turn: &'t Turn<'_>,
    group: GroupId,
) -> impl Iterator<Item = (UserId, MemberRow)> + 't {
    let home = state.groups.get(&group).expect("the caller has it");
    let first = group::member_key(state.id, group, UserId(0));
    let last = group::member_key(state.id, group, UserId(u64::MAX));
    let stored = turn.view.scan(&first, &last, usize::MAX, usize::MAX);
    let stored = stored
        .into_iter()
        .map(|(key, _)| group::member_of(&key).expect("a member key holds an account"));
    let former = stored.filter(|user| !home.members.contains_key(user));
    former.filter_map(move |user| {
        let value = state
            .fresh
            .get(turn.view, &group::member_key(state.id, group, user))?;
        Some((
            user,
            MemberRow::decode(&value).expect("a member row is ours"),
        ))
    })
}

/// At an account's shard: which groups it is in. One that it has left and has not read to its end
/// is none of them.
pub(crate) fn list(
    state: &mut State,
    turn: &mut Turn<'_>,
    (session, user, request): (SessionId, UserId, u64),
    after: u64,
) {
    let mut groups = group_entry::groups_of(state, turn, user);
    groups.retain(|group| {
        let local = state.local_group(turn.view, *group);
        local.is_some_and(|local| local.is_member(user))
    });
    let mut behind = groups.into_iter().filter(|group| group.0 > after);
    let page: Vec<_> = behind.by_ref().take(GROUP_PAGE_MAX).collect();
    let more = behind.next().is_some();
    let listed = page.into_iter().map(|group| {
        let local = state.local_group(turn.view, group);
        let version = local.map_or(0, |local| local.row.version);
        ListedGroup { group, version }
    });
    let groups = listed.collect();
    turn.reply(
        session,
        Reply::GroupList(GroupListAnswer {
            request,
            more,
            groups,
        }),
    );
}

/// At the home: how many members have a message of the asker. Who has joined since then, or has
/// left, does not count.
pub(crate) fn count(
    state: &mut State,
    turn: &mut Turn<'_>,
    (session, from, request): (SessionId, Address, u64),
    (group, sequence): (GroupId, u64),
    (has_detail, is_told_reads): (bool, bool),
) {
    let id = state.id;
    let home = state.group(turn.view, group);
    let Some(home) = home.filter(|home| home.members.contains_key(&from.user)) else {
        return unknown(turn, session, Kind::GROUP_COUNT, request);
    };
    let is_own = sequence > 0
        && sequence <= home.newest
        && home
            .authors(id, group, turn.view, (sequence - 1, sequence))
            .contains(&from.user);
    if !is_own {
        let code = NackCode::UNKNOWN_MESSAGE;
        return turn.refuse(session, Kind::GROUP_COUNT, code, Reference::number(request));
    }
    let others = || {
        let members = home.members.iter();
        members.filter(|(user, row)| **user != from.user && row.joined <= sequence)
    };
    let state_of = |row: &MemberRow| {
        if is_told_reads && row.has_read() >= sequence {
            MessageState::READ
        } else if row.delivered >= sequence {
            MessageState::DELIVERED
        } else {
            MessageState::SENT
        }
    };
    let reached = |least: MessageState| {
        let reached = others().filter(|(_, row)| state_of(row).0 >= least.0);
        reached.count() as u64
    };
    let members = others().count();
    let details = others().filter(|_| has_detail && members <= GROUP_PAGE_MAX);
    let details = details.map(|(user, row)| GroupDetail {
        user: *user,
        state: state_of(row),
    });
    let answer = GroupCountAnswer {
        request,
        group,
        sequence,
        members: members as u64,
        delivered: reached(MessageState::DELIVERED),
        read: reached(MessageState::READ),
        details: details.collect(),
    };
    turn.reply(session, Reply::GroupCounted(Box::new(answer)));
}

fn unknown(turn: &mut Turn<'_>, session: SessionId, of: Kind, request: u64) {
    let reference = Reference::number(request);
    turn.refuse(session, of, NackCode::GROUP_UNKNOWN, reference);
}
