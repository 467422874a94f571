//! How far the members of a group have come: told by their shards to the home, and by the home to
//! the authors.

use std::collections::BTreeSet;

use martlet_protocol::frame::{GroupMode, Reference};
use martlet_protocol::{Address, GroupId, Kind, NackCode, State as MessageState, UserId};
use martlet_store::keys::group;
use martlet_store::keys::relay::RelayItem;

use crate::command::SessionId;
use crate::group::Least;
use crate::handle::attach::device_mut;
use crate::limits::GROUP_PROGRESS_MS;
use crate::state::State;
use crate::turn::Turn;

/// At a member's shard: one of its devices has acknowledged an entry in its inbox. Its cursor is
/// durable with this turn, and so is what the home is owed.
pub(crate) fn delivered(
    state: &mut State,
    turn: &Turn<'_>,
    member: UserId,
    (group, up_to): (GroupId, u64),
) {
    if raise(state, turn, member, (group, up_to)) {
        let reached = (MessageState::DELIVERED, up_to);
        owe(state, turn, (group, member), reached);
    }
}

/// The same of an entry in the group's own stream. The home is told soon: many devices acknowledge
/// each entry. A crash before that takes the cursor as well, and the device says it again.
pub(crate) fn streamed(
    state: &mut State,
    turn: &Turn<'_>,
    member: UserId,
    (group, up_to): (GroupId, u64),
) {
    if raise(state, turn, member, (group, up_to)) {
        let newest = state.lazy.entry((group, member)).or_insert(up_to);
        *newest = up_to.max(*newest);
        let due = turn.now.plus(GROUP_PROGRESS_MS);
        state.lazy_due.get_or_insert(due);
    }
}

/// Whether no device of the member had come so far. Whoever was removed has had its last entry, and
/// tells nobody.
fn raise(
    state: &mut State,
    turn: &Turn<'_>,
    member: UserId,
    (group, up_to): (GroupId, u64),
) -> bool {
    let local = state.local_group(turn.view, group);
    let known = local.and_then(|local| local.members.get_mut(&member));
    let known = known.filter(|known| up_to > known.delivered);
    known.map(|known| known.delivered = up_to).is_some()
}

/// At a member's shard: the person has read the group up to here. It is owed at once, also of a
/// large group: the device may ask for a sign that it is durable.
pub(crate) fn read(
    state: &mut State,
    turn: &mut Turn<'_>,
    (session, address): (SessionId, Address),
    (group, up_to): (GroupId, u64),
) {
    let device = device_mut(state, turn, address);
    if device
        .and_then(|device| device.session_mut(session))
        .is_none()
    {
        return;
    }
    let local = state.local_group(turn.view, group);
    if !local.is_some_and(|local| local.is_member(address.user)) {
        let code = NackCode::GROUP_UNKNOWN;
        return turn.refuse(session, Kind::GROUP_READ, code, Reference::number(group.0));
    }
    // Who does not tell what it has read is a member that has everything and has read nothing.
    if state.accounts[&address.user].person.settings.read_receipts {
        let read = (MessageState::READ, up_to);
        owe(state, turn, (group, address.user), read);
    }
}

fn owe(
    state: &mut State,
    turn: &Turn<'_>,
    (group, member): (GroupId, UserId),
    (reached, up_to): (MessageState, u64),
) {
    state.owe(RelayItem::Progress {
        group,
        member,
        state: reached,
        up_to,
        at: turn.now,
    });
}

/// Tells the homes what has gathered.
pub(crate) fn tell_lazy(state: &mut State, turn: &Turn<'_>) {
    state.lazy_due = None;
    for ((group, member), up_to) in std::mem::take(&mut state.lazy) {
        let reached = (MessageState::DELIVERED, up_to);
        owe(state, turn, (group, member), reached);
    }
}

/// At the home: takes what a member's shard tells. Returns whether it was for a group.
pub(crate) fn take(state: &mut State, turn: &Turn<'_>, item: &RelayItem) -> bool {
    match *item {
        RelayItem::ListVersion {
            group,
            member,
            version,
        } => note_list(state, turn, (group, member), version),
        RelayItem::Progress {
            group,
            member,
            state: reached,
            up_to,
            at: _,
        } => note_progress(state, turn, (group, member), (reached, up_to)),
        _ => return false,
    }
    true
}

/// From now on a message has to be made for the member's new list: the roster says so.
fn note_list(state: &mut State, turn: &Turn<'_>, (group, member): (GroupId, UserId), version: u64) {
    let Some(home) = state.group(turn.view, group) else {
        return;
    };
    let Some(row) = home.members.get_mut(&member) else {
        return;
    };
    if row.list_version == version {
        return;
    }
    home.row.roster += 1;
    row.list_version = version;
    row.changed = home.row.roster;
    state.members_moved.insert((group, member));
    state.groups_moved.insert(group);
}

/// Raises a watermark, and tells everybody whose messages it passes.
fn note_progress(
    state: &mut State,
    turn: &Turn<'_>,
    (group, member): (GroupId, UserId),
    (reached, up_to): (MessageState, u64),
) {
    let id = state.id;
    let Some(home) = state.group(turn.view, group) else {
        return;
    };
    let newest = home.newest;
    let Some(row) = home.members.get_mut(&member) else {
        return;
    };
    let before = *row;
    let mark = match reached {
        MessageState::READ => &mut row.read,
        _ => &mut row.delivered,
    };
    *mark = up_to.min(newest).max(*mark);
    let after = *row;
    if after == before {
        return;
    }
    state.members_moved.insert((group, member));
    let home = state.groups.get(&group).expect("it was loaded above");
    if home.row.mode == GroupMode::STREAM {
        return;
    }
    let mut risen = Vec::new();
    for (reached, from, to) in [
        (MessageState::DELIVERED, before.delivered, after.delivered),
        (MessageState::READ, before.has_read(), after.has_read()),
    ] {
        let authors = home.authors(id, group, turn.view, (from, to));
        risen.extend(authors.into_iter().map(|author| (author, reached, to)));
    }
    for (author, reached, to) in risen.into_iter().filter(|(author, ..)| *author != member) {
        tell(state, turn, (group, author, Some(member)), (reached, to));
    }
}

/// Tells an author how far a member has come, or all of them.
fn tell(
    state: &mut State,
    turn: &Turn<'_>,
    (group, to, member): (GroupId, UserId, Option<UserId>),
    (reached, up_to): (MessageState, u64),
) {
    state.owe(RelayItem::GroupReceipt {
        to,
        group,
        member,
        state: reached,
        up_to,
        at: turn.now,
    });
}

/// Of a large group authors are told what all the others have, and no single one.
pub(crate) fn tell_all(state: &mut State, turn: &Turn<'_>) {
    let moved = state.members_moved.iter().map(|(group, _)| *group);
    let moved: BTreeSet<_> = moved.collect();
    for group in moved {
        let Some(home) = state.groups.get_mut(&group) else {
            continue;
        };
        let (before, after) = (home.all, home.watermarks());
        home.all = after;
        if home.row.mode == GroupMode::STREAM {
            let delivered = (before.delivered, after.delivered);
            tell_risen(state, turn, group, MessageState::DELIVERED, delivered);
            let read = (before.read, after.read);
            tell_risen(state, turn, group, MessageState::READ, read);
        }
    }
}

fn tell_risen(
    state: &mut State,
    turn: &Turn<'_>,
    group: GroupId,
    reached: MessageState,
    (before, after): (Least, Least),
) {
    let id = state.id;
    let home = state.groups.get(&group).expect("the caller has it");
    let newest = home.newest;
    let authors = |from, to: u64| home.authors(id, group, turn.view, (from, to.min(newest)));
    // An author waits for who is behind all others, unless that is itself.
    let (from, was_last) = before.first();
    let (to, is_last) = after.first();
    let lasts = [was_last, is_last];
    let mut told = Vec::new();
    for author in authors(from, to)
        .into_iter()
        .filter(|it| !lasts.contains(it))
    {
        told.push((author, to.min(newest)));
    }
    for author in BTreeSet::from(lasts) {
        let (from, to) = (before.beside(author), after.beside(author).min(newest));
        if authors(from, to).contains(&author) {
            told.push((author, to));
        }
    }
    for (author, to) in told {
        tell(state, turn, (group, author, None), (reached, to));
    }
}

/// Writes the members and groups that have moved in this turn.
pub(crate) fn store(state: &mut State, turn: &mut Turn<'_>) {
    let id = state.id;
    for (group, member) in std::mem::take(&mut state.members_moved) {
        let home = state.groups.get(&group);
        if let Some(row) = home.and_then(|home| home.members.get(&member)) {
            turn.put_with(&group::member_key(id, group, member), |out| row.encode(out));
        }
    }
    for group in std::mem::take(&mut state.groups_moved) {
        if let Some(home) = state.groups.get(&group) {
            turn.put_with(&group::key(id, group), |out| home.row.encode(out));
        }
    }
}
