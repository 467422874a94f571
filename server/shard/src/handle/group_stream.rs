//! A group's own stream: members read its log with a cursor of their own, and no inbox has a row.
//!
//! Entries that went to the inboxes are in the log as well, and are passed over. A device that is
//! caught up gets an entry from memory as it comes; else pages are loaded as credit allows.

use bytes::{Bytes, BytesMut};
use martlet_protocol::frame::{GapReason, GroupGap, GroupMode};
use martlet_protocol::limits::HEADER_BYTES;
use martlet_protocol::{Address, CloseCode, DeviceId, GroupId, Kind, Millis, Position, UserId};
use martlet_store::View;
use martlet_store::keys::group_log::{self, LogRow};
use martlet_store::keys::membership::{self, LocalGroupRow, LocalMemberRow};

use crate::account::{GroupStream, Session};
use crate::command::SessionId;
use crate::effect::{Effect, Reply};
use crate::group::LocalGroup;
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
        let stream = match first_missed(row, member.row, stored) {
            Some(from) => GroupStream::missing(from, behind, (stored, stored)),
            None => GroupStream::new(stored.max(behind)),
        };
        let device = device_mut(state, turn, address);
        if let Some(live) = device.and_then(|device| device.session.as_deref_mut()) {
            live.groups.insert(group, stream);
        }
        // The home may not know it: what is told of a stream is told lazily.
        if stored > 0 {
            group_progress::streamed(state, turn, address.user, (group, stored));
        }
    }
    advance(state, turn, address);
}

/// A device leaves: how far it has come is written.
pub(crate) fn detach(state: &mut State, turn: &mut Turn<'_>, address: Address, session: &Session) {
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
    state: &mut State,
    turn: &mut Turn<'_>,
    address: Address,
    group: GroupId,
    sequence: u64,
) {
    let key = membership::cursor_key(state.id, address, group);
    let encode = |out: &mut BytesMut| membership::encode_cursor(sequence, out);
    state.fresh.put(turn, &key, encode);
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
pub(crate) fn begin_anew(
    state: &mut State,
    turn: &mut Turn<'_>,
    user: UserId,
    (group, row): (GroupId, LocalMemberRow),
) {
    let local = state.local_group(turn.view, group);
    let Some(of_group) = local.map(|local| local.row) else {
        return;
    };
    let Some(account) = state.account(turn.view, user) else {
        return;
    };
    for device in account.devices.values_mut() {
        let Some(session) = device.session.as_deref_mut() else {
            continue;
        };
        let Some(before) = session.groups.remove(&group) else {
            continue;
        };
        if let Some(from) = first_missed(of_group, row, before.pushed) {
            let place = (before.acked, before.stored);
            let stream = GroupStream::missing(from, row.joined - 1, place);
            session.groups.insert(group, stream);
            tell_missed(session, turn);
        }
    }
}

/// The first entry of an earlier membership that a device was not pushed before its account was
/// removed.
fn first_missed(group: LocalGroupRow, member: LocalMemberRow, pushed: u64) -> Option<u64> {
    let from = member.missed_from.max(group.stream_first).max(pushed + 1);
    (from <= member.missed_to).then_some(from)
}

/// Tells a device what it misses, where its credit allows.
fn tell_missed(session: &mut Session, turn: &mut Turn<'_>) {
    while session.may_push() {
        let mut streams = session.groups.iter_mut();
        let next = streams.find_map(|(group, stream)| {
            let from = stream.missed_from.take()?;
            Some((*group, (from, stream.pushed)))
        });
        let Some((group, place)) = next else {
            return;
        };
        tell_gap(session, group, place, GapReason::EXPIRED, turn);
    }
}

/// Where an entry of a stream stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) group: GroupId,
    pub(crate) sequence: u64,
    /// The stream's entry in front of it.
    pub(crate) before: u64,
    /// The newest entry that came here before it, by whichever way.
    pub(crate) newest: u64,
}

/// Pushes an entry to the connected devices of a member that have all before it, also to the one
/// that wrote it: a stream has no holes.
pub(crate) fn push(
    state: &mut State,
    turn: &mut Turn<'_>,
    user: UserId,
    place: Place,
    row: &LogRow,
) {
    let Place {
        group,
        sequence,
        before,
        newest,
    } = place;
    let Some(account) = state.account(turn.view, user) else {
        return;
    };
    for device in account.devices.values_mut() {
        let Some(session) = device.session.as_deref_mut() else {
            continue;
        };
        // Whoever is connected when the stream begins, or joins, has nothing of it to catch up.
        let stream = session.groups.entry(group);
        let stream = *stream.or_insert_with(|| GroupStream::new(sequence - 1));
        let is_behind = stream.is_loading || stream.pushed < before;
        if is_behind || stream.missed_from.is_some() || !session.may_push() {
            continue;
        }
        if stream.pushed <= newest && newest + 1 < sequence {
            // Only a directory that was put back goes on behind places that it has not.
            let reason = GapReason::RESTORED;
            tell_gap(session, group, (newest + 1, sequence - 1), reason, turn);
        }
        push_entry(session, row, turn);
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
    tell_missed(session, turn);
    let id = session.id;
    for (group, stream) in &mut session.groups {
        let local = state.locals.get(group);
        let last = local.map_or(0, |local| last_for(local, address.user));
        if stream.is_loading || stream.missed_from.is_some() || stream.pushed >= last {
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
    let last = last_for(local, address.user);
    let id = state.id;
    let device = device_mut(state, turn, address);
    let Some(live) = device.and_then(|device| device.session_mut(session)) else {
        return;
    };
    let Some(mut stream) = live.groups.get(&group).copied() else {
        return;
    };
    stream.is_loading = false;
    assert!(
        !rows.is_empty(),
        "the newest entry of a log never falls off"
    );
    for (sequence, value) in rows.iter().filter(|(sequence, _)| *sequence >= from) {
        // The device may have said meanwhile that it has them from before.
        if *sequence <= stream.pushed {
            continue;
        }
        let before = (*sequence - 1).min(last);
        if before > stream.pushed && live.may_push() {
            let key = group_log::key(id, group, stream.pushed);
            // Only the oldest entries of a log fall off.
            let reason = match turn.view.get(&key) {
                Some(_) => GapReason::RESTORED,
                None => GapReason::EXPIRED,
            };
            tell_gap(live, group, (stream.pushed + 1, before), reason, turn);
            stream.pushed = before;
        }
        if *sequence > last || stream.pushed < before {
            break;
        }
        let row = LogRow::decode(value).expect("a log row is ours");
        if row.way == GroupMode::STREAM {
            if !live.may_push() {
                break;
            }
            if row.expires_at != Millis(0) && row.expires_at <= turn.now {
                let place = (*sequence, *sequence);
                tell_gap(live, group, place, GapReason::EXPIRED, turn);
            } else {
                push_entry(live, &row, turn);
            }
        }
        stream.pushed = *sequence;
    }
    live.groups.insert(group, stream);
    advance(state, turn, address);
}

fn tell_gap(
    session: &mut Session,
    group: GroupId,
    (from, to): (u64, u64),
    reason: GapReason,
    turn: &mut Turn<'_>,
) {
    let gap = GroupGap {
        group,
        from,
        to,
        reason,
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
    let Some(stream) = live.groups.get(&group).copied() else {
        // It was removed, and has said so before it knew.
        return;
    };
    let Some(local) = state.local_group(turn.view, group) else {
        return;
    };
    let last = last_for(local, address.user);
    let is_member = local.is_member(address.user);
    // What is within the log was pushed, if not on this connection then on an earlier one, before
    // a crash took the cursor.
    if sequence > stream.pushed.max(last) {
        return turn.close(session, CloseCode::BAD_ACK);
    }
    if sequence <= stream.acked {
        return;
    }
    let is_end = !is_member && sequence >= last;
    let is_due = is_end || sequence >= stream.stored + GROUP_CURSOR_ENTRIES;
    let acked = GroupStream {
        pushed: sequence.max(stream.pushed),
        acked: sequence,
        stored: if is_due { sequence } else { stream.stored },
        ..stream
    };
    if let Some(device) = device_mut(state, turn, address)
        && let Some(live) = device.session_mut(session)
    {
        live.groups.insert(group, acked);
    }
    if is_due {
        store_cursor(state, turn, address, group, sequence);
    }
    group_progress::streamed(state, turn, address.user, (group, sequence));
    forget_if_done(state, turn, address.user, group);
}

/// Forgets a member that was removed, once each of its devices has what there was for it.
pub(crate) fn forget_if_done(state: &mut State, turn: &mut Turn<'_>, user: UserId, group: GroupId) {
    let Some(local) = state.local_group(turn.view, group) else {
        return;
    };
    if local.is_member(user) || !local.members.contains_key(&user) {
        return;
    }
    let (row, last) = (local.members[&user].row, last_for(local, user));
    let first = match row.missed_from {
        0 => row.joined,
        missed => missed,
    };
    let devices = match state.account(turn.view, user) {
        None => Vec::new(),
        Some(account) => account.devices.iter().map(acked_of(group)).collect(),
    };
    let is_done = devices.iter().all(|(device, acked)| {
        let stored = stored_cursor(state, turn.view, address(user, *device), group);
        stored.max(*acked) >= last
    });
    if last < first || is_done {
        group_entry::forget_member(state, turn, user, group);
    }
}

/// A device has left its account: nothing waits for it.
pub(crate) fn end(state: &mut State, turn: &mut Turn<'_>, gone: Address) {
    for group in group_entry::groups_of(state, turn, gone.user) {
        let key = membership::cursor_key(state.id, gone, group);
        turn.batch.delete(&key);
        forget_if_done(state, turn, gone.user, group);
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
