//! An entry of a group reaches a shard with members: its place in their inboxes.

use std::collections::BTreeSet;

use martlet_protocol::frame::{GroupEvent, GroupEventKind, GroupMode};
use martlet_protocol::group_record::{GroupRecord, Role};
use martlet_protocol::{Address, GroupId, Kind, UserId};
use martlet_store::keys::group_log::{self, LogRow};
use martlet_store::keys::inbox::Reference;
use martlet_store::keys::membership;
use martlet_store::keys::relay::RelayItem;

use crate::account::{Item, Subject};
use crate::group::{LocalGroup, LocalMember, entry_of};
use crate::handle::group_stream::{self, Place};
use crate::inbox;
use crate::state::State;
use crate::turn::Turn;

/// Takes an entry that the group's home has placed. Entries of a group come in their order, each
/// once; at the home itself the row is there already.
pub(crate) fn take(
    state: &mut State,
    turn: &mut Turn<'_>,
    (group, sequence): (GroupId, u64),
    row: &LogRow,
) {
    if state.topology.shard_of_group(group) != state.id {
        let key = group_log::key(state.id, group, sequence);
        turn.put_with(&key, |out| row.encode(out));
    }
    let entry = entry_of(row);
    if entry.kind == GroupEventKind::RECORD {
        let record = GroupRecord::decode(entry.body).expect("the home has checked it");
        join(state, turn, (group, sequence), &record);
        deliver(state, turn, (group, sequence), row, &entry);
        part(state, turn, (group, sequence), &record);
    } else {
        deliver(state, turn, (group, sequence), row, &entry);
    }
    if let Some(local) = state.locals.get_mut(&group) {
        local.newest = sequence;
    }
}

/// Accounts of this shard that a record adds see the group from this record on.
fn join(
    state: &mut State,
    turn: &mut Turn<'_>,
    (group, sequence): (GroupId, u64),
    record: &GroupRecord<'_>,
) {
    for change in record.changes.iter() {
        let user = change.user;
        if change.role == Role::NONE || state.topology.shard_of_user(user) != state.id {
            continue;
        }
        if state.local_group(turn.view, group).is_none() {
            state.locals.insert(group, LocalGroup::new());
        }
        let local = state.locals.get_mut(&group).expect("it is there now");
        let known = local.members.get(&user);
        if known.is_some_and(|member| member.row.until == 0) {
            // Another role: its shard does not care.
            continue;
        }
        let member = LocalMember::new(sequence, known.map(|member| member.row));
        local.members.insert(user, member);
        let id = state.id;
        store_member(state, turn, (group, user), member);
        group_stream::begin_anew(state, turn, user, (group, member.row));
        turn.batch
            .put(&membership::user_group_key(id, user, group), &[]);
        tell_list(state, turn, group, user);
    }
}

/// The home must know of which list a message has to be made for.
fn tell_list(state: &mut State, turn: &Turn<'_>, group: GroupId, member: UserId) {
    let account = state.account(turn.view, member);
    if let Some(version) = account.map(|account| account.list_version) {
        state.owe(RelayItem::ListVersion {
            group,
            member,
            version,
        });
    }
}

/// Accounts of this shard that a record removes have had their last entry, or get it as soon as
/// they read the group's own stream.
fn part(
    state: &mut State,
    turn: &mut Turn<'_>,
    (group, sequence): (GroupId, u64),
    record: &GroupRecord<'_>,
) {
    let Some(local) = state.local_group(turn.view, group) else {
        return;
    };
    local.row.version = record.version;
    let is_streamed = local.row.stream_last > 0;
    store(state, turn, group);
    let removed = record.changes.iter().filter(|it| it.role == Role::NONE);
    for user in removed.map(|change| change.user) {
        let local = state.locals.get_mut(&group);
        let member = local.and_then(|local| local.members.get_mut(&user));
        match member {
            Some(member) if is_streamed => {
                member.row.until = sequence;
                let member = *member;
                store_member(state, turn, (group, user), member);
                group_stream::forget_if_done(state, turn, user, group);
            }
            Some(_) => forget_member(state, turn, user, group),
            None => {}
        }
    }
}

/// A member has left, and has had all there was for it.
pub(crate) fn forget_member(state: &mut State, turn: &mut Turn<'_>, user: UserId, group: GroupId) {
    let id = state.id;
    turn.batch.delete(&membership::member_key(id, group, user));
    turn.batch
        .delete(&membership::user_group_key(id, user, group));
    if let Some(account) = state.account(turn.view, user) {
        for (device_id, device) in &mut account.devices {
            let address = inbox::address(user, *device_id);
            turn.batch
                .delete(&membership::cursor_key(id, address, group));
            if let Some(session) = device.session.as_deref_mut() {
                session.groups.remove(&group);
            }
        }
    }
    let Some(local) = state.locals.get_mut(&group) else {
        return;
    };
    local.members.remove(&user);
    if local.members.is_empty() {
        state.locals.remove(&group);
        turn.batch.delete(&membership::local_key(id, group));
    }
}

fn store(state: &State, turn: &mut Turn<'_>, group: GroupId) {
    if let Some(local) = state.locals.get(&group) {
        let key = membership::local_key(state.id, group);
        turn.put_with(&key, |out| local.row.encode(out));
    }
}

fn store_member(
    state: &State,
    turn: &mut Turn<'_>,
    (group, user): (GroupId, UserId),
    member: LocalMember,
) {
    let key = membership::member_key(state.id, group, user);
    turn.put_with(&key, |out| member.row.encode(out));
}

/// Brings the entry to each device of each member. The one that wrote it has no need of it in its
/// inbox.
fn deliver(
    state: &mut State,
    turn: &mut Turn<'_>,
    (group, sequence): (GroupId, u64),
    row: &LogRow,
    entry: &GroupEvent<'_>,
) {
    let Some(local) = state.local_group(turn.view, group) else {
        return;
    };
    let of_now = local.members.keys().filter(|user| local.is_member(**user));
    let members: Vec<_> = of_now.copied().collect();
    let is_message = entry.kind == GroupEventKind::MESSAGE;
    let author = entry.author.filter(|_| is_message);
    if row.way == GroupMode::STREAM {
        let place = Place {
            group,
            sequence,
            before: local.row.stream_last,
            newest: local.newest,
        };
        if local.row.stream_first == 0 {
            local.row.stream_first = sequence;
        }
        local.row.stream_last = sequence;
        store(state, turn, group);
        for user in members {
            group_stream::push(state, turn, user, place, row);
        }
        return;
    }
    let item = Item {
        kind: Kind::GROUP_EVENT,
        body: row.body.clone(),
        body_crc: row.body_crc,
        subject: Subject::Group { group, sequence },
    };
    let reference = Reference {
        group,
        sequence,
        at: entry.timestamp.millis(),
    };
    for user in members {
        place(state, turn, user, author, (reference, &item));
    }
}

fn place(
    state: &mut State,
    turn: &mut Turn<'_>,
    user: UserId,
    author: Option<Address>,
    (reference, item): (Reference, &Item),
) {
    let (id, limits) = (state.id, state.limits);
    let Some(account) = state.account(turn.view, user) else {
        return;
    };
    for (device_id, device) in &mut account.devices {
        let address = inbox::address(user, *device_id);
        if author == Some(address) {
            continue;
        }
        if inbox::has_room(device, item.body.len() as u64, &limits) {
            inbox::append_reference(id, address, device, (reference, item), turn);
        } else {
            inbox::overflow(id, address, device, turn);
        }
    }
}

/// Every group of an account is told which device list its members must use for it.
pub(crate) fn list_changed(state: &mut State, turn: &Turn<'_>, user: UserId, version: u64) {
    for group in groups_of(state, turn, user) {
        state.owe(RelayItem::ListVersion {
            group,
            member: user,
            version,
        });
    }
}

/// The groups of an account of this shard, also those that it has joined in this turn.
pub(crate) fn groups_of(state: &State, turn: &Turn<'_>, user: UserId) -> BTreeSet<GroupId> {
    let first = membership::user_group_key(state.id, user, GroupId(0));
    let last = membership::user_group_key(state.id, user, GroupId(u64::MAX));
    let rows = turn.view.scan(&first, &last, usize::MAX, usize::MAX);
    let stored = rows.iter().map(|(key, _)| {
        let group = membership::group_of(key);
        group.expect("a user group key holds a group")
    });
    let is_known = |group: &GroupId| state.locals.contains_key(group);
    let has_user = |local: &LocalGroup| local.members.contains_key(&user);
    let known = state.locals.iter().filter(|(_, local)| has_user(local));
    stored
        .filter(|group| !is_known(group))
        .chain(known.map(|(group, _)| *group))
        .collect()
}
