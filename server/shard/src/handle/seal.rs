//! The end of a turn: what was merged during it becomes rows.

use std::collections::BTreeMap;

use martlet_protocol::frame::GroupProgress;
use martlet_protocol::limits::GROUP_PAGE_MAX;
use martlet_protocol::{DeviceId, GroupId, Millis, State as MessageState, UserId};
use martlet_store::ShardId;
use martlet_store::keys::relay::RelayItem;
use martlet_store::keys::{cursor, relay};

use crate::account::Item;
use crate::handle::{group_progress, presence};
use crate::inbox;
use crate::state::State;
use crate::turn::Turn;

/// Writes receipts into inboxes, one outbox row for all that other shards are owed, and one cursor
/// row for each device that moved.
pub(crate) fn seal(state: &mut State, turn: &mut Turn<'_>) {
    let id = state.id;
    let mut theirs = std::mem::take(&mut state.entries);
    theirs.extend(sort(state));
    // What members of groups have told makes receipts for authors.
    let told: Vec<_> = state.told.take().collect();
    for item in told {
        if !group_progress::take(state, turn, &item) {
            state.told.push(item);
        }
    }
    group_progress::tell_all(state, turn);
    theirs.extend(sort(state));
    tell(state, turn);
    group_progress::store(state, turn);
    if !theirs.is_empty() {
        state.outbox.append(id, theirs, turn);
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

/// What is owed to other shards; what is owed to this one is told at once.
fn sort(state: &mut State) -> Vec<(ShardId, RelayItem)> {
    let (id, topology) = (state.id, state.topology);
    let targets = state.owed.take().filter_map(|item| {
        let destination = item.destination()?;
        Some((topology.shard_of(destination), item))
    });
    let (ours, theirs): (Vec<_>, Vec<_>) = targets.partition(|(target, _)| *target == id);
    for (_, item) in ours {
        state.told.push(item);
    }
    theirs
}

/// Puts what was told into the inboxes of the devices it is for.
fn tell(state: &mut State, turn: &mut Turn<'_>) {
    let mut receipts = Receipts::new();
    for told in state.told.take() {
        match told {
            RelayItem::GroupReceipt {
                to,
                group,
                member,
                state: reached,
                up_to,
                at,
            } => {
                let members = receipts.entry((to, group, reached)).or_default();
                members.push((GroupProgress { member, up_to }, at));
            }
            RelayItem::Receipt {
                to,
                peer,
                state: reached,
                ..
            }
            | RelayItem::Fact {
                to,
                peer,
                state: reached,
                ..
            } => {
                let reader = (reached == MessageState::SEEN).then_some(peer.device);
                if let Some(item) = inbox::relay_item(&told) {
                    place(state, turn, (to, reader), (reached, &item));
                }
            }
            // Of these nobody's devices are told.
            RelayItem::Entry { .. }
            | RelayItem::Progress { .. }
            | RelayItem::ListVersion { .. } => {}
        }
    }
    for ((to, group, reached), mut members) in receipts {
        members.sort_unstable_by_key(|(progress, _)| progress.member);
        for page in members.chunks(GROUP_PAGE_MAX) {
            let item = inbox::group_receipt(group, reached, page);
            place(state, turn, (to, None), (reached, &item));
        }
    }
}

/// What an author is told of the members of a group: all of them in one item.
type Receipts = BTreeMap<(UserId, GroupId, MessageState), Vec<(GroupProgress, Millis)>>;

/// Puts an item into the inbox of each device of an account but the one that knows it.
fn place(
    state: &mut State,
    turn: &mut Turn<'_>,
    (to, knows): (UserId, Option<DeviceId>),
    (reached, item): (MessageState, &Item),
) {
    let (id, limits) = (state.id, state.limits);
    let Some(account) = state.account(turn.view, to) else {
        return;
    };
    // Who does not tell what it has read is not told either.
    if reached == MessageState::READ && !account.person.settings.read_receipts {
        return;
    }
    for (device_id, device) in &mut account.devices {
        if knows == Some(*device_id) {
            continue;
        }
        let address = inbox::address(to, *device_id);
        if inbox::has_room(device, item.body.len() as u64, &limits) {
            inbox::append(id, address, device, item, turn);
        } else {
            inbox::overflow(id, address, device, turn);
        }
    }
}
