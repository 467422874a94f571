//! A device cannot store an item: it comes again, and after five times it is set aside.

use martlet_protocol::frame::GapReason;
use martlet_protocol::limits::REFUSALS_MAX;
use martlet_protocol::{Address, CloseCode, Kind, Millis, Position, State as MessageState};
use martlet_store::keys::cursor;

use crate::account::Page;
use crate::command::SessionId;
use crate::handle::attach::device_mut;
use crate::handle::expire;
use crate::inbox;
use crate::limits::REFUSAL_PAUSE_MS;
use crate::state::State;
use crate::stream;
use crate::turn::Turn;

/// Counts a refusal and rewinds the stream to before the item. Counts are durable: a device that
/// reconnects after each refusal would otherwise block its queue for ever.
pub(crate) fn refuse(
    state: &mut State,
    turn: &mut Turn<'_>,
    session: SessionId,
    address: Address,
    position: Position,
) {
    let Some(device) = device_mut(state, turn, address) else {
        return;
    };
    let cursor = device.cursor;
    let Some(live) = device.session_mut(session) else {
        return;
    };
    // A refusal that crossed the rewind of an earlier one.
    if live.paused_until.is_some() && position > cursor {
        return;
    }
    let is_message = live
        .in_flight
        .iter()
        .any(|item| item.position == position && item.kind == Kind::EVENT);
    if !is_message {
        return turn.close(session, CloseCode::BAD_ACK);
    }
    let before = Position(position.0 - 1);
    live.in_flight.retain(|item| item.position <= before);
    live.pushed = before;
    if live.page == Page::Awaited {
        live.page = Page::Outdated;
    }

    let key = cursor::refusal_key(state.id, address, position);
    let count = 1 + state.fresh.get(turn.view, &key).map_or(0, |value| value[0]);
    if count < REFUSALS_MAX {
        state
            .fresh
            .put(turn, &key, |out| out.extend_from_slice(&[count]));
        state.dirty = true;
        device_mut(state, turn, address)
            .expect("it is connected")
            .has_refusals = true;
        let until = turn.now.plus(REFUSAL_PAUSE_MS * u64::from(count));
        pause(state, turn, session, address, until);
    } else {
        turn.batch.delete(&key);
        hold(state, turn, address, position);
        let device = device_mut(state, turn, address).expect("it is connected");
        stream::advance(address, device, turn);
    }
}

fn pause(state: &mut State, turn: &Turn<'_>, session: SessionId, address: Address, until: Millis) {
    state.paused.insert((until, address), session);
    let device = device_mut(state, turn, address).expect("it is connected");
    let live = device.session_mut(session).expect("it has just refused");
    live.paused_until = Some(until);
}

/// Sets an item aside: a copy is kept for the operator, the device gets a gap, the sender HELD.
fn hold(state: &mut State, turn: &mut Turn<'_>, address: Address, position: Position) {
    let reason = GapReason::HELD;
    let row = inbox::replace_by_gap(state.id, address, position, reason, turn)
        .expect("an item in flight has its row");
    let key = inbox::held_key(state.id, address, position);
    turn.put_with(&key, |out| row.encode(out));
    expire::end_row(state, turn, address, &row, MessageState::HELD);
}

/// Goes on pushing where a pause has ended.
pub(crate) fn resume_due(state: &mut State, turn: &mut Turn<'_>) {
    let now = turn.now;
    while let Some(entry) = state.paused.first_entry() {
        let (until, address) = *entry.key();
        if until > now {
            break;
        }
        let session = entry.remove();
        let Some(device) = device_mut(state, turn, address) else {
            continue;
        };
        if let Some(live) = device.session_mut(session) {
            live.paused_until = None;
            stream::advance(address, device, turn);
        }
    }
}
