//! Messages end at a device before it took them: their time is over, or the device is gone.

use martlet_protocol::frame::{EventKind, GapReason, Reference};
use martlet_protocol::{
    Address, DeviceId, MessageId, Millis, Position, State as MessageState, UserId,
};
use martlet_store::keys::inbox as inbox_rows;
use martlet_store::keys::message::{self, MessageRow, Origin, Placement};
use martlet_store::keys::relay::RelayItem;

use crate::account::Device;
use crate::handle::read::read_mark;
use crate::inbox::{self, StoredMessage};
use crate::limits::{EXPIRIES_PER_TICK, EXPIRY_GRACE_MS};
use crate::state::State;
use crate::turn::Turn;

/// Notes when a message of this turn ends.
pub(crate) fn schedule(
    state: &mut State,
    turn: &mut Turn<'_>,
    due: Millis,
    origin: Origin,
    to: UserId,
) {
    let key = message::expiry_key(state.id, due, origin.message_id, origin.sender);
    turn.batch.put(&key, &to.0.to_le_bytes());
    let earlier = |known: Option<Millis>| Some(known.map_or(due, |known| known.min(due)));
    state.expiry_due = earlier(state.expiry_due);
    state.expiry_fresh = earlier(state.expiry_fresh);
}

/// Ends what is due, a bounded number at a time.
pub(crate) fn expire_due(state: &mut State, turn: &mut Turn<'_>) {
    let id = state.id;
    let from = message::expiry_key_at(id, Millis(0));
    let to = message::expiry_key_at(id, turn.now.plus(1));
    let rows = turn.view.scan(&from, &to, EXPIRIES_PER_TICK, usize::MAX);
    // Whatever was noted for this turn must be forgotten at its end.
    state.dirty |= !rows.is_empty();
    for (key, value) in &rows {
        let (_, origin) = message::expiry_of(key).expect("an expiry key holds a message");
        let to = UserId(u64::from_le_bytes(
            value[..].try_into().expect("an expiry row is an account"),
        ));
        turn.batch.delete(key);
        expire_one(state, turn, origin, to);
    }
    let more = (rows.len() == EXPIRIES_PER_TICK).then_some(turn.now);
    let later = state.expiry_due_from(turn.view, turn.now.plus(1));
    state.expiry_due = [more, later, state.expiry_fresh]
        .into_iter()
        .flatten()
        .min();
}

/// Ends one message wherever no device has taken it. While it is on its way to a device it waits:
/// it must not be told as expired and shown as well.
fn expire_one(state: &mut State, turn: &mut Turn<'_>, origin: Origin, to: UserId) {
    let Some(row) = message_row(state, turn, origin) else {
        return;
    };
    let Some(account) = state.account(turn.view, to) else {
        return;
    };
    let waiting: Vec<_> = row
        .placements
        .iter()
        .filter(|placement| placement.fact.is_none() && !account.has_taken(placement))
        .filter_map(|placement| Some((placement, account.devices.get(&placement.device)?)))
        .collect();
    let is_placed = |position| position != message::NOWHERE;
    let is_under_way = |(placement, device): &(&Placement, &Device)| {
        is_placed(placement.position) && device.is_in_flight(placement.position)
    };
    if waiting.iter().any(is_under_way) {
        return schedule(state, turn, turn.now.plus(EXPIRY_GRACE_MS), origin, to);
    }
    let waiting: Vec<_> = waiting
        .iter()
        .map(|(placement, _)| (placement.device, placement.position))
        .collect();
    for (device, position) in waiting.iter().filter(|(_, position)| is_placed(*position)) {
        let address = inbox::address(to, *device);
        let reason = GapReason::EXPIRED;
        let old = inbox::replace_by_gap(state.id, address, *position, reason, turn);
        assert!(
            old.is_some(),
            "a message without a fact beyond the cursor has its row"
        );
    }
    let devices: Vec<_> = waiting.into_iter().map(|(device, _)| device).collect();
    end_at(state, turn, origin, to, &devices, MessageState::EXPIRED);
}

/// Notes that a message ended at those of some devices that had not taken it, and tells its
/// sender. From then on it stands outside the watermarks, unless another device already has it.
pub(crate) fn end_at(
    state: &mut State,
    turn: &mut Turn<'_>,
    origin: Origin,
    to: UserId,
    devices: &[DeviceId],
    fact: MessageState,
) {
    let Some(mut row) = message_row(state, turn, origin) else {
        return;
    };
    let account = state.account(turn.view, to).expect("its device is known");
    let mut ended = Vec::new();
    for placement in &mut row.placements {
        let is_open = placement.fact.is_none() && !account.has_taken(placement);
        if is_open && devices.contains(&placement.device) {
            placement.fact = Some(fact);
            ended.push(placement.device);
        }
    }
    if ended.is_empty() {
        return;
    }
    for device in ended {
        state.owe(RelayItem::Fact {
            to: origin.sender.user,
            peer: inbox::address(to, device),
            state: fact,
            message_id: origin.message_id,
            timestamp: row.timestamp,
            at: turn.now,
        });
    }
    let is_read = row.timestamp <= read_mark(state, turn, to, origin.sender.user);
    row.told = row.told.by_name(is_read);
    let key = message::key(state.id, origin.message_id, origin.sender);
    state.fresh.put(turn, &key, |out| row.encode(out));
    note_partial(state, turn, origin, to, &row);
}

/// Keeps the set of messages outside the watermarks: ended at one device, waiting for another,
/// and with none.
pub(crate) fn note_partial(
    state: &mut State,
    turn: &mut Turn<'_>,
    origin: Origin,
    to: UserId,
    row: &MessageRow,
) {
    let id = state.id;
    let account = state
        .accounts
        .get_mut(&to)
        .expect("the recipient was loaded before");
    let mut open = row
        .placements
        .iter()
        .filter(|placement| placement.fact.is_none())
        .peekable();
    let waits = open.peek().is_some() && !open.any(|placement| account.has_taken(placement));
    let key = message::partial_key(id, to, row.timestamp);
    if waits {
        account.partial.insert(row.timestamp, origin);
        turn.put_with(&key, |out| origin.encode(out));
    } else if account.partial.remove(&row.timestamp).is_some() {
        turn.batch.delete(&key);
    }
}

/// Ends every message of a device in `from ..= to` with the same fact, also those of this turn,
/// whose rows the view does not show yet. The rows are left alone.
pub(crate) fn end_rows(
    state: &mut State,
    turn: &mut Turn<'_>,
    address: Address,
    (from, to): (Position, Position),
    fact: MessageState,
) {
    let end = inbox_rows::key(state.id, address, to.next());
    let mut start = inbox_rows::key(state.id, address, from).to_vec();
    loop {
        let page = turn.view.scan(&start, &end, 256, usize::MAX);
        let Some((last, _)) = page.last() else { break };
        start = [last, &[0][..]].concat();
        for (_, value) in &page {
            end_row(state, turn, address, &inbox::decode(value), fact);
        }
    }
    for origin in state.placed.clone() {
        let row = message_row(state, turn, origin).filter(|row| row.to == address.user);
        if row.is_some() {
            end_at(state, turn, origin, address.user, &[address.device], fact);
        }
    }
}

/// Ends the message of one row at one device, if it is an incoming one.
pub(crate) fn end_row(
    state: &mut State,
    turn: &mut Turn<'_>,
    address: Address,
    row: &inbox_rows::InboxRow,
    fact: MessageState,
) {
    let Some(message) = StoredMessage::of(row) else {
        return;
    };
    if message.kind == EventKind::INCOMING {
        let origin = Origin {
            message_id: message.message_id,
            sender: message.peer,
        };
        end_at(state, turn, origin, address.user, &[address.device], fact);
    }
}

/// The row of a message that was sent to an account of this shard.
pub(crate) fn message_row(state: &State, turn: &Turn<'_>, origin: Origin) -> Option<MessageRow> {
    let key = message::key(state.id, origin.message_id, origin.sender);
    let value = state.fresh.get(turn.view, &key)?;
    Some(MessageRow::decode(&value).expect("a message row is ours"))
}

/// How a refusal names a message.
pub(crate) const fn reference(message_id: MessageId) -> Reference {
    Reference::message(message_id)
}
