//! The end of a turn: what was merged during it becomes rows.

use martlet_protocol::State as MessageState;
use martlet_store::keys::{cursor, relay};

use crate::handle::presence;
use crate::inbox;
use crate::state::State;
use crate::turn::Turn;

/// Writes receipts into inboxes, one outbox row for all that other shards are owed, and one cursor
/// row for each device that moved.
pub(crate) fn seal(state: &mut State, turn: &mut Turn<'_>) {
    let id = state.id;
    let (ours, theirs): (Vec<_>, Vec<_>) = state
        .owed
        .take()
        .partition(|item| state.topology.shard_of_user(item.to()) == id);
    for item in ours {
        state.told.push(item);
    }
    tell(state, turn);
    if !theirs.is_empty() {
        let topology = state.topology;
        state.outbox.append(id, &topology, theirs.into_iter(), turn);
    }

    state.applied_moved.sort_unstable();
    state.applied_moved.dedup();
    for source in state.applied_moved.drain(..) {
        let sequence = state.applied[&source].to_le_bytes();
        turn.batch.put(&relay::applied_key(id, source), &sequence);
    }

    let mut moved = std::mem::take(&mut state.moved);
    moved.sort_unstable();
    moved.dedup();
    for address in moved.drain(..) {
        let device = state
            .accounts
            .get(&address.user)
            .and_then(|account| account.devices.get(&address.device));
        // A device that was removed in the turn in which it moved has no cursor any more.
        if let Some(device) = device {
            turn.put_with(&cursor::key(id, address), |out| {
                device.cursor_row().encode(out)
            });
        }
    }
    state.moved = moved;
    if !turn.batch.is_empty() {
        presence::save_beside(state, turn);
    }
    state.placed.clear();
    state.fresh.clear();
    state.expiry_fresh = None;
    state.dirty = false;
}

/// Puts what was told into the inboxes of the devices it is for.
fn tell(state: &mut State, turn: &mut Turn<'_>) {
    let (id, limits) = (state.id, state.limits);
    for told in state.told.take() {
        let item = inbox::relay_item(&told);
        let Some(account) = state.account(turn.view, told.to()) else {
            continue;
        };
        // Who does not tell what it has read is not told either.
        if told.state() == MessageState::READ && !account.person.settings.read_receipts {
            continue;
        }
        let reader = (told.state() == MessageState::SEEN).then(|| told.peer().device);
        for (device_id, device) in &mut account.devices {
            if reader == Some(*device_id) {
                continue;
            }
            let address = inbox::address(told.to(), *device_id);
            if inbox::has_room(device, item.body.len() as u64, &limits) {
                inbox::append(id, address, device, &item, turn);
            } else {
                inbox::overflow(id, address, device, turn);
            }
        }
    }
}
