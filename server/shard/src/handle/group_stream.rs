//! A group's own stream: members read its log with a cursor of their own, and no inbox has a row.
//!
//! Entries that went to the inboxes are in the log as well, and are passed over. A device that is
//! caught up gets an entry from memory as it comes; else pages are loaded as credit allows.

use bytes::Bytes;
use martlet_protocol::frame::{GapReason, GroupEvent, GroupGap, GroupMode};
use martlet_protocol::limits::HEADER_BYTES;
use martlet_protocol::{Address, CloseCode, DeviceId, GroupId, Kind, Millis, Position, UserId};
use martlet_store::View;
use martlet_store::keys::group_log::LogRow;
use martlet_store::keys::membership;

use crate::account::{GroupStream, Session};
use crate::command::SessionId;
use crate::effect::{Effect, Reply};
use crate::group::{LocalGroup, LocalMember, entry_of};
use crate::handle::attach::device_mut;
use crate::handle::{group_entry, group_progress};
use crate::limits::{GROUP_CURSOR_ENTRIES, PAGE_BYTES_MAX, PAGE_ROWS_MAX};
use crate::state::State;
use crate::turn::Turn;

/// A device is connected: it goes on in each group that has a stream, behind what it has.
pub(crate) fn attach(state: &mut State, turn: &mut Turn<'_>, address: Address) {
    for group in group_entry::groups_of(state, turn, address.user) {
        let Some(local) = state.local_group(turn.view, group) else {
            continue;
        };
        let (row, member) = (local.row, local.members.get(&address.user).copied());
        let Some(member) = member.filter(|_| row.stream_last > 0) else {
            continue;
        };
        let stored = stored_cursor(state, turn.view, address, group);
        let behind = member.row.joined.max(row.stream_first) - 1;
        let stream = GroupStream::new(stored.max(behind));
        let device = device_mut(state, turn, address);
        if let Some(live) = device.and_then(|device| device.session.as_deref_mut()) {
            live.groups.insert(group, stream);
            if 0 < stored && stored < behind {
                // It was removed, and joined again before it had read all up to that.
                tell_gap(live, group, (stored + 1, behind), turn);
            }
        }
        // The home may not know it: what is told of a stream is told lazily.
        if stored > 0 {
            group_progress::delivered(state, turn, address.user, (group, stored));
        }
    }
    advance(state, turn, address);
}

/// A device leaves: how far it has come is written.
pub(crate) fn detach(state: &State, turn: &mut Turn<'_>, address: Address, session: &Session) {
    for (group, stream) in &session.groups {
        if stream.acked > stream.stored {
            store_cursor(state, turn, address, *group, stream.acked);
        }
    }
}

fn stored_cursor(state: &State, view: &dyn View, address: Address, group: GroupId) -> u64 {
    let key = membership::cursor_key(state.id, address, group);
    let value = state.fresh.get(view, &key);
    value.map_or(0, |value| {
        membership::cursor_of(&value).expect("a group cursor row is ours")
    })
}

fn store_cursor(
    state: &State,
    turn: &mut Turn<'_>,
    address: Address,
    group: GroupId,
    sequence: u64,
) {
    let key = membership::cursor_key(state.id, address, group);
    turn.put_with(&key, |out| membership::encode_cursor(sequence, out));
}

/// A device is new in its account: of each stream it gets what follows.
pub(crate) fn begin(state: &mut State, turn: &mut Turn<'_>, address: Address) {
    for group in group_entry::groups_of(state, turn, address.user) {
        let local = state.local_group(turn.view, group);
        let newest = local.map_or(0, |local| local.row.stream_last);
        if newest > 0 {
            store_cursor(state, turn, address, group, newest);
        }
    }
}

/// An account joins, or joins again: its devices read the stream from there.
pub(crate) fn begin_anew(state: &mut State, turn: &Turn<'_>, user: UserId, group: GroupId) {
    if let Some(account) = state.account(turn.view, user) {
        for device in account.devices.values_mut() {
            if let Some(session) = device.session.as_deref_mut() {
                session.groups.remove(&group);
            }
        }
    }
}

/// Pushes an entry to the connected devices of a member that have all before it.
pub(crate) fn push(
    state: &mut State,
    turn: &mut Turn<'_>,
    (user, author): (UserId, Option<Address>),
    (group, sequence, before): (GroupId, u64, u64),
    row: &LogRow,
) {
    let Some(account) = state.account(turn.view, user) else {
        return;
    };
    for (device_id, device) in &mut account.devices {
        let Some(session) = device.session.as_deref_mut() else {
            continue;
        };
        let is_own = author == Some(address(user, *device_id));
        // Whoever is connected when the stream begins, or joins, has nothing of it to catch up.
        let stream = session.groups.entry(group);
        let stream = *stream.or_insert_with(|| GroupStream::new(sequence - 1));
        if stream.is_loading || stream.pushed < before {
            continue;
        }
        if !is_own {
            if !session.may_push() {
                continue;
            }
            push_entry(session, row, turn);
        }
        if let Some(stream) = session.groups.get_mut(&group) {
            stream.pushed = sequence;
        }
    }
}

fn push_entry(session: &mut Session, row: &LogRow, turn: &mut Turn<'_>) {
    // The position is 0, of one byte.
    session.charge(HEADER_BYTES + 1 + row.body.len());
    turn.effects.push(Effect::Event {
        session: session.id,
        position: Position(0),
        kind: Kind::GROUP_EVENT,
        body_crc: row.body_crc,
        body: row.body.clone(),
    });
}

/// Asks for the next page of each stream that has something for the device, while it has credit.
pub(crate) fn advance(state: &mut State, turn: &mut Turn<'_>, address: Address) {
    let Some(account) = state.accounts.get_mut(&address.user) else {
        return;
    };
    let device = account.devices.get_mut(&address.device);
    let Some(session) = device.and_then(|device| device.session.as_deref_mut()) else {
        return;
    };
    if session.groups.is_empty() || !session.may_push() {
        return;
    }
    let id = session.id;
    for (group, stream) in &mut session.groups {
        let local = state.locals.get(group);
        let last = local.map_or(0, |local| last_for(local, address.user));
        if stream.is_loading || stream.pushed >= last {
            continue;
        }
        stream.is_loading = true;
        turn.effects.push(Effect::LoadEntries {
            session: id,
            address,
            group: *group,
            from: stream.pushed + 1,
            rows_max: PAGE_ROWS_MAX,
            bytes_max: PAGE_BYTES_MAX,
        });
    }
}

/// The last entry of a stream that an account gets.
fn last_for(local: &LocalGroup, user: UserId) -> u64 {
    let last = local.row.stream_last;
    match local.members.get(&user).map(|member| member.row.until) {
        None => 0,
        Some(0) => last,
        Some(until) => last.min(until),
    }
}

/// Pushes what a page holds, as far as the credit goes.
pub(crate) fn entries(
    state: &mut State,
    turn: &mut Turn<'_>,
    (session, address): (SessionId, Address),
    (group, from): (GroupId, u64),
    rows: &[(u64, Bytes)],
) {
    let Some(local) = state.local_group(turn.view, group) else {
        return;
    };
    let (first, last) = (local.row.stream_first, last_for(local, address.user));
    let device = device_mut(state, turn, address);
    let Some(live) = device.and_then(|device| device.session_mut(session)) else {
        return;
    };
    let Some(mut stream) = live.groups.get(&group).copied() else {
        return;
    };
    stream.is_loading = false;
    // Entries in front of the first row have fallen off.
    let oldest = rows.first().map_or(last + 1, |(sequence, _)| *sequence);
    if from >= first && oldest > from && live.may_push() {
        tell_gap(live, group, (from, (oldest - 1).min(last)), turn);
        stream.pushed = (oldest - 1).min(last);
    }
    for (sequence, value) in rows {
        if *sequence > last {
            break;
        }
        let row = LogRow::decode(value).expect("a log row is ours");
        let is_for_device = row.way == GroupMode::STREAM && !is_by(&entry_of(&row), address);
        if is_for_device {
            if !live.may_push() {
                break;
            }
            if row.expires_at != Millis(0) && row.expires_at <= turn.now {
                tell_gap(live, group, (*sequence, *sequence), turn);
            } else {
                push_entry(live, &row, turn);
            }
        }
        stream.pushed = *sequence;
    }
    live.groups.insert(group, stream);
    advance(state, turn, address);
}

fn is_by(entry: &GroupEvent<'_>, address: Address) -> bool {
    entry.message_id.is_some() && entry.author == Some(address)
}

fn tell_gap(session: &mut Session, group: GroupId, (from, to): (u64, u64), turn: &mut Turn<'_>) {
    let gap = GroupGap {
        group,
        from,
        to,
        reason: GapReason::EXPIRED,
    };
    session.charge(HEADER_BYTES + 8 + 8 + 8 + 1);
    turn.reply(session.id, Reply::GroupGap(gap));
}

/// A device has stored a stream up to here.
pub(crate) fn ack(
    state: &mut State,
    turn: &mut Turn<'_>,
    (session, address): (SessionId, Address),
    (group, sequence): (GroupId, u64),
) {
    let device = device_mut(state, turn, address);
    let Some(live) = device.and_then(|device| device.session_mut(session)) else {
        return;
    };
    let Some(stream) = live.groups.get_mut(&group) else {
        // It was removed, and has said so before it knew.
        return;
    };
    if sequence > stream.pushed {
        return turn.close(session, CloseCode::BAD_ACK);
    }
    if sequence <= stream.acked {
        return;
    }
    stream.acked = sequence;
    let is_due = sequence >= stream.stored + GROUP_CURSOR_ENTRIES;
    if is_due {
        stream.stored = sequence;
        store_cursor(state, turn, address, group, sequence);
    }
    group_progress::delivered(state, turn, address.user, (group, sequence));
    let local = state.local_group(turn.view, group);
    let until = local.and_then(|local| local.members.get(&address.user));
    if until.is_some_and(|member| member.row.until > 0 && member.row.until <= sequence) {
        store_cursor(state, turn, address, group, sequence);
        forget_if_done(state, turn, address.user, group);
    }
}

/// Forgets a member that was removed, once each of its devices has what there was for it.
fn forget_if_done(state: &mut State, turn: &mut Turn<'_>, user: UserId, group: GroupId) {
    let local = state.local_group(turn.view, group);
    let member = local.and_then(|local| local.members.get(&user).copied());
    let Some(LocalMember { row, .. }) = member else {
        return;
    };
    let devices = match state.account(turn.view, user) {
        None => Vec::new(),
        Some(account) => account.devices.iter().map(acked_of(group)).collect(),
    };
    let is_done = devices.iter().all(|(device, acked)| {
        let stored = stored_cursor(state, turn.view, address(user, *device), group);
        stored.max(*acked) >= row.until
    });
    if is_done {
        group_entry::forget_member(state, turn, user, group);
    }
}

fn acked_of(group: GroupId) -> impl Fn((&DeviceId, &crate::account::Device)) -> (DeviceId, u64) {
    move |(id, device)| {
        let session = device.session.as_deref();
        let stream = session.and_then(|session| session.groups.get(&group));
        (*id, stream.map_or(0, |stream| stream.acked))
    }
}

const fn address(user: UserId, device: DeviceId) -> Address {
    Address { user, device }
}
