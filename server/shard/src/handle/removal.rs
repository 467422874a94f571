//! A device leaves its account, or a new one comes: what becomes of the messages that wait.

use martlet_protocol::frame::EventKind;
use martlet_protocol::{CloseCode, DeviceId, Position, State as MessageState, Timestamp, UserId};
use martlet_store::keys::message::{self, Origin};
use martlet_store::keys::relay::RelayItem;
use martlet_store::keys::{cursor, inbox as inbox_rows, prekey};

use crate::handle::expire::{self, message_row};
use crate::handle::{group_stream, presence};
use crate::inbox::{self, StoredMessage};
use crate::state::State;
use crate::turn::Turn;

/// Takes a device away; the caller writes the account's row. What waited for it is told as
/// DEVICE_GONE; its stream and its prekeys are removed. Its cursor stays: what it took stays
/// delivered.
pub(crate) fn remove(state: &mut State, turn: &mut Turn<'_>, user: UserId, device: DeviceId) {
    let id = state.id;
    let address = inbox::address(user, device);
    let account = state.accounts.get_mut(&user).expect("the caller has it");
    let Some(gone) = account.devices.get_mut(&device) else {
        return;
    };
    let (from, to) = (gone.cursor.next(), gone.tail);
    if let Some(session) = gone.session.take() {
        turn.close(session.id, CloseCode::DEVICE_GONE);
        presence::left(state, turn, user, &session);
    }
    expire::end_rows(state, turn, address, (from, to), MessageState::DEVICE_GONE);
    end_withheld(state, turn, user, device);
    let account = state.accounts.get_mut(&user).expect("it was there above");
    let gone = account.devices.remove(&device).expect("it was there above");
    account.remember_gone(device, gone.cursor_row());
    turn.put_with(&cursor::key(id, address), |out| {
        gone.cursor_row().encode(out)
    });
    let (first, last) = (Position(0), Position(u64::MAX));
    let inbox_key = |position| inbox_rows::key(id, address, position);
    let held_key = |position| inbox::held_key(id, address, position);
    let refusal_key = |position| cursor::refusal_key(id, address, position);
    let one_time_key = prekey::one_time_key(id, address, 0);
    let batch = &mut turn.batch;
    batch.delete_range(&inbox_key(first), &inbox_key(last));
    batch.delete_range(&held_key(first), &held_key(last));
    batch.delete_range(&refusal_key(first), &refusal_key(last));
    batch.delete_range(&one_time_key, &prekey::one_time_end(id, address));
    batch.delete(&prekey::key(id, address));
    group_stream::end(state, turn, address);
}

/// What a blocked sender wrote is in no inbox, and ends with the device all the same: its sender
/// could tell by nothing else that it is blocked.
fn end_withheld(state: &mut State, turn: &mut Turn<'_>, user: UserId, device: DeviceId) {
    let account = state.accounts.get(&user).expect("the caller has it");
    let outside: Vec<_> = account.partial.values().copied().collect();
    for origin in outside {
        let gone = MessageState::DEVICE_GONE;
        expire::end_at(state, turn, origin, user, &[device], gone);
    }
}

/// Before a device is added: messages that no other device has taken were not made for it, and it
/// will never take them. So its progress says nothing about them, and their sender is told so by
/// name: a FACT that they are still SENT, in front of the device's first receipt.
pub(crate) fn declare_open(
    state: &mut State,
    turn: &mut Turn<'_>,
    user: UserId,
    newcomer: DeviceId,
) {
    let account = state.accounts.get(&user).expect("the caller has it");
    let known: Vec<_> = account.partial.iter().map(|(at, of)| (*at, *of)).collect();
    for (timestamp, origin) in known {
        tell_open(state, turn, (user, newcomer), (timestamp, origin));
    }
    for origin in waiting(state, turn, user) {
        let row = message_row(state, turn, origin).filter(|row| row.to == user);
        let Some(mut row) = row else { continue };
        let account = state.accounts.get_mut(&user).expect("the caller has it");
        let mut open = row
            .placements
            .iter()
            .filter(|placement| placement.fact.is_none())
            .peekable();
        let waits = open.peek().is_some() && !open.any(|placement| account.has_taken(placement));
        if !waits || account.partial.contains_key(&row.timestamp) {
            continue;
        }
        row.told = row.told.by_name(false);
        let key = message::key(state.id, origin.message_id, origin.sender);
        state.fresh.put(turn, &key, |out| row.encode(out));
        expire::note_partial(state, turn, origin, user, &row);
        tell_open(state, turn, (user, newcomer), (row.timestamp, origin));
    }
}

fn tell_open(
    state: &mut State,
    turn: &Turn<'_>,
    (user, newcomer): (UserId, DeviceId),
    (timestamp, origin): (Timestamp, Origin),
) {
    state.owe(RelayItem::Fact {
        to: origin.sender.user,
        peer: inbox::address(user, newcomer),
        state: MessageState::SENT,
        message_id: origin.message_id,
        timestamp,
        at: turn.now,
    });
}

/// The messages beyond the cursor of the device that has come furthest, also those of this turn,
/// whose rows the view does not show yet. Whatever no device has taken is among them, or outside
/// the watermarks already.
fn waiting(state: &State, turn: &Turn<'_>, user: UserId) -> Vec<Origin> {
    let account = state.accounts.get(&user).expect("the caller has it");
    let furthest = account
        .devices
        .iter()
        .max_by_key(|(_, device)| device.delivered);
    let Some((device_id, device)) = furthest else {
        return Vec::new();
    };
    let address = inbox::address(user, *device_id);
    let end = inbox_rows::key(state.id, address, device.tail.next());
    let mut start = inbox_rows::key(state.id, address, device.cursor.next()).to_vec();
    let mut origins = Vec::new();
    loop {
        let page = turn.view.scan(&start, &end, 256, usize::MAX);
        let Some((last, _)) = page.last() else { break };
        start = [last, &[0][..]].concat();
        let rows = page.iter().map(|(_, value)| inbox::decode(value));
        let messages = rows.filter_map(|row| StoredMessage::of(&row));
        let incoming = messages.filter(|message| message.kind == EventKind::INCOMING);
        origins.extend(incoming.map(|message| Origin {
            message_id: message.message_id,
            sender: message.peer,
        }));
    }
    origins.extend(&state.placed);
    origins
}
