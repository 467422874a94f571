//! Time passed: pauses end, messages expire, old rows fall off.

use bytes::Bytes;
use martlet_protocol::frame::{Fact, GapReason, GroupReceipt, Receipt};
use martlet_protocol::wire::Reader;
use martlet_protocol::{
    Address, DeviceId, Kind, Millis, Position, State as MessageState, Timestamp, UserId,
};
use martlet_store::keys::account::{self, AccountRow};
use martlet_store::keys::inbox::{self as rows, InboxRow};
use martlet_store::keys::message::{NOWHERE, Origin};
use martlet_store::keys::{KeyTag, cursor, message};

use crate::handle::{expire, group_progress, group_sweep, link, presence, refuse};
use crate::inbox::{StoredMessage, address, decode, held_key};
use crate::limits::{MESSAGE_ROW_MS, SWEEP_ACCOUNTS, SWEEP_MS, SWEEP_ROWS};
use crate::state::State;
use crate::turn::Turn;

/// Does whatever is due.
pub(crate) fn tick(state: &mut State, turn: &mut Turn<'_>) {
    refuse::resume_due(state, turn);
    presence::tell_due(state, turn);
    if state.expiry_due.is_some_and(|due| due <= turn.now) {
        expire::expire_due(state, turn);
    }
    if state.lazy_due.is_some_and(|due| due <= turn.now) {
        group_progress::tell_lazy(state, turn);
    }
    if state.sweep_due <= turn.now {
        state.sweep_due = turn.now.plus(SWEEP_MS);
        link::forget_old(state, turn);
        forget_spenders(state, turn);
        forget_messages(state, turn);
        presence::save_late(state, turn);
        sweep(state, turn);
        group_sweep::sweep(state, turn);
    }
}

/// Forgets who has spent something of a quota, once all of it is back.
fn forget_spenders(state: &mut State, turn: &Turn<'_>) {
    state.publishers.forget_whole(turn.now);
    state.lookups.forget_whole(turn.now);
    state.conversations.forget_whole(turn.now);
    let accounts = &state.accounts;
    state.met.retain(|user, _| {
        let account = accounts.get(user);
        account.is_some_and(|it| it.devices.values().any(|it| it.session.is_some()))
    });
    state.claims.retain(|_, spent| {
        spent.forget_whole(turn.now);
        !spent.is_empty()
    });
}

/// Removes message rows that no retry, READ or STATUS can mean any more: one range each.
fn forget_messages(state: &State, turn: &mut Turn<'_>) {
    let before = Millis(turn.now.0.saturating_sub(MESSAGE_ROW_MS));
    for tag in [KeyTag::Message, KeyTag::Copied, KeyTag::GroupMessage] {
        let from = message::key_at(state.id, tag, Millis(0));
        let to = message::key_at(state.id, tag, before);
        if turn.view.first(&from, &to).is_some() {
            turn.batch.delete_range(&from, &to);
        }
    }
}

/// Looks at the oldest rows of some accounts, and at those of the next ones in the next sweep.
/// The accounts are read and not kept: most of them are asleep.
fn sweep(state: &mut State, turn: &mut Turn<'_>) {
    let from = account::key(state.id, UserId(state.sweep_from.0.saturating_add(1)));
    let end = account::key(state.id, UserId(u64::MAX));
    let accounts = turn.view.scan(&from, &end, SWEEP_ACCOUNTS, usize::MAX);
    state.sweep_from = UserId(0);
    if accounts.len() == SWEEP_ACCOUNTS {
        let last = accounts.last().and_then(|(key, _)| account::user_of(key));
        state.sweep_from = last.expect("an account key holds an account");
    }
    for (key, value) in accounts {
        let user = account::user_of(&key).expect("an account key holds an account");
        let row = AccountRow::decode(&value).expect("an account row is ours");
        for device in row.devices {
            sweep_device(state, turn, user, device.device);
            sweep_withheld(state, turn, address(user, device.device));
            forget_held(state, turn, address(user, device.device));
        }
    }
}

/// Ends the rows at the front of one inbox that are older than the retention. One gap takes their
/// place.
fn sweep_device(state: &mut State, turn: &mut Turn<'_>, user: UserId, device: DeviceId) {
    let address = address(user, device);
    // What this turn has changed is in memory alone: the view shows an older cursor.
    let cursor = match state.accounts.get(&user) {
        None => stored_cursor(state, turn, address),
        Some(account) => match account.devices.get(&device) {
            // A connected device drains; what it does not take is swept when it has left.
            Some(device) if device.session.is_some() => return,
            Some(device) => device.cursor,
            None => return,
        },
    };
    let Some(front) = old_rows(state, turn, address, cursor) else {
        return;
    };
    let (first, last) = (&front[0], &front[front.len() - 1]);
    let gap_from = first
        .1
        .as_gap(first.0)
        .expect("a gap row is ours")
        .map(|gap| gap.from);
    for (_, row) in &front {
        expire::end_row(state, turn, address, row, MessageState::EXPIRED);
    }
    let from = rows::key(state.id, address, first.0);
    let key = rows::key(state.id, address, last.0);
    turn.batch.delete_range(&from, &key);
    let gap = InboxRow::gap(
        gap_from.unwrap_or(first.0),
        GapReason::EXPIRED,
        last.1.total_bytes,
    );
    turn.put_with(&key, |out| gap.encode(out));
}

/// Ends what blocked senders wrote longer ago than the retention, as if it waited in this inbox:
/// with the same sweep, device by device, so that its sender sees no difference.
fn sweep_withheld(state: &mut State, turn: &mut Turn<'_>, address: Address) {
    let cutoff = cutoff(state, turn).timestamp();
    let from = message::partial_key(state.id, address.user, Timestamp(0));
    let to = message::partial_key(state.id, address.user, cutoff);
    let outside = turn.view.scan(&from, &to, SWEEP_ROWS, usize::MAX);
    for (_, value) in outside {
        let origin = Origin::decode(&value).expect("a partial row is ours");
        let is_withheld = expire::message_row(state, turn, origin).is_some_and(|row| {
            let mut placements = row.placements.iter();
            placements.any(|it| it.device == address.device && it.position == NOWHERE)
        });
        if is_withheld {
            let (user, expired) = (address.user, MessageState::EXPIRED);
            expire::end_at(state, turn, origin, user, &[address.device], expired);
        }
    }
}

fn stored_cursor(state: &State, turn: &Turn<'_>, address: Address) -> Position {
    let value = turn.view.get(&cursor::key(state.id, address));
    value.map_or(Position(0), |value| {
        let row = cursor::CursorRow::decode(&value).expect("a cursor row is ours");
        row.position
    })
}

/// Removes items that were set aside longer ago than the retention.
fn forget_held(state: &State, turn: &mut Turn<'_>, address: Address) {
    let cutoff = cutoff(state, turn);
    let from = held_key(state.id, address, Position(0));
    let to = held_key(state.id, address, Position(u64::MAX));
    for (key, value) in turn.view.scan(&from, &to, SWEEP_ROWS, usize::MAX) {
        if time_of(&decode(&value)).is_some_and(|time| time < cutoff) {
            turn.batch.delete(&key);
        }
    }
}

fn cutoff(state: &State, turn: &Turn<'_>) -> Millis {
    Millis(turn.now.0.saturating_sub(state.limits.retention_ms))
}

/// The rows at the front of an inbox up to the last one older than the retention. Gaps have no
/// age: they count when an old row follows.
fn old_rows(
    state: &State,
    turn: &Turn<'_>,
    address: Address,
    cursor: Position,
) -> Option<Vec<(Position, InboxRow)>> {
    let cutoff = cutoff(state, turn);
    let from = rows::key(state.id, address, cursor.next());
    let to = rows::key(state.id, address, Position(u64::MAX));
    let (_, value) = turn.view.first(&from, &to)?;
    if time_of(&decode(&value)).is_some_and(|time| time >= cutoff) {
        return None;
    }
    let read = |(key, value): (Bytes, Bytes)| {
        let position = rows::position_of(&key).expect("an inbox key holds a position");
        (position, decode(&value))
    };
    let page = turn.view.scan(&from, &to, SWEEP_ROWS, usize::MAX);
    let mut front: Vec<_> = page
        .into_iter()
        .map(read)
        .take_while(|(_, row)| time_of(row).is_none_or(|time| time < cutoff))
        .collect();
    let last_old = front.iter().rposition(|(_, row)| time_of(row).is_some())?;
    front.truncate(last_old + 1);
    Some(front)
}

/// When a row was made; gaps do not say.
fn time_of(row: &InboxRow) -> Option<Millis> {
    if let Some(reference) = row.as_reference() {
        return Some(reference.at);
    }
    let reader = &mut Reader::new(&row.body);
    let position = Position(0);
    match row.kind {
        Kind::EVENT => StoredMessage::of(row).map(|message| message.timestamp.millis()),
        Kind::RECEIPT => Receipt::decode_body(position, reader)
            .ok()
            .map(|receipt| receipt.at),
        Kind::FACT => Fact::decode_body(position, reader).ok().map(|fact| fact.at),
        Kind::GROUP_RECEIPT => GroupReceipt::decode_body(position, reader)
            .ok()
            .map(|receipt| receipt.at),
        _ => None,
    }
}
