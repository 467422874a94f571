//! A device has stored its stream up to a position: its messages are DELIVERED.

use std::collections::BTreeMap;

use bytes::Bytes;
use martlet_protocol::{
    Address, CloseCode, GroupId, Millis, Position, State as MessageState, Timestamp, UserId,
};
use martlet_store::keys::message::{self, Origin};
use martlet_store::keys::relation::Marks;
use martlet_store::keys::relay::RelayItem;

use crate::account::{InFlight, Subject};
use crate::command::SessionId;
use crate::effect::Reply;
use crate::handle::attach::{device_mut, trim};
use crate::handle::{group_progress, read, relate};
use crate::limits::TRIM_ROWS;
use crate::person::{hushes, is_reserved, relation_of};
use crate::state::State;
use crate::stream;
use crate::turn::Turn;

/// Moves the cursor. An acknowledgement of what was never pushed ends the connection: the client
/// is confused about its stream and must resume.
pub(crate) fn ack(
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
    // What it said at its resume that it had stored may be acknowledged again before the page is
    // here that tells what that was.
    let pushed = live.pushed;
    if position > pushed.max(live.stored) {
        return turn.close(session, CloseCode::BAD_ACK);
    }
    let position = position.min(pushed);
    if position > cursor {
        acknowledge(state, turn, address, position);
    }
}

/// Pushes a page. What the device said at its resume it had stored is acknowledged by it.
pub(crate) fn page(
    state: &mut State,
    turn: &mut Turn<'_>,
    session: SessionId,
    address: Address,
    rows: Vec<(Position, Bytes)>,
) {
    let Some(device) = device_mut(state, turn, address) else {
        return;
    };
    stream::on_page(device, session, rows, turn);
    let cursor = device.cursor;
    let Some(live) = device.session_mut(session) else {
        return;
    };
    let stored = live.stored.min(live.pushed);
    let (mut reads, mut pings) = (BTreeMap::new(), Vec::new());
    if stored == live.stored {
        std::mem::swap(&mut reads, &mut live.reads);
        std::mem::swap(&mut pings, &mut live.pings);
    }
    if stored > cursor {
        acknowledge(state, turn, address, stored);
    } else {
        stream::advance(address, device, turn);
    }
    for (author, (_, message_id)) in reads {
        read::read(state, turn, session, address, author, message_id);
    }
    for token in pings {
        turn.reply(session, Reply::Pong { token });
    }
}

fn acknowledge(state: &mut State, turn: &mut Turn<'_>, address: Address, position: Position) {
    let id = state.id;
    let account = state
        .accounts
        .get_mut(&address.user)
        .expect("its device is connected");
    let told = account.delivered;
    let person = account.person;
    let is_reserved = is_reserved(&person);
    let mut hushed = Vec::new();
    let device = account
        .devices
        .get_mut(&address.device)
        .expect("it is connected");
    let Some(session) = device.session.as_deref_mut() else {
        return;
    };
    let mut in_groups = BTreeMap::<GroupId, u64>::new();
    let passed = |item: &mut InFlight| item.position <= position;
    while let Some(item) = session.in_flight.pop_front_if(passed) {
        device.cursor_bytes = item.total_bytes;
        let (author, timestamp) = match item.subject {
            Subject::None => continue,
            Subject::Group { group, sequence } => {
                let up_to = in_groups.entry(group).or_insert(0);
                *up_to = sequence.max(*up_to);
                continue;
            }
            Subject::Message { author, timestamp } => (author, timestamp),
        };
        device.delivered = timestamp;
        account.delivered = account.delivered.max(timestamp);
        let outside = account.partial.remove(&timestamp);
        if outside.is_some() {
            turn.batch
                .delete(&message::partial_key(id, address.user, timestamp));
        }
        if is_reserved {
            let pair = (address.user, author.user);
            let row = relation_of(&state.fresh, turn.view, id, pair);
            if hushes(&person, row.relation) {
                hushed.push((author.user, row));
                continue;
            }
        }
        if outside.is_some() || timestamp > told {
            let ends = (author.user, address);
            state
                .owed
                .push(delivery(ends, outside, timestamp, turn.now));
        }
    }
    device.cursor = position;
    state.moved.push(address);
    state.dirty = true;
    trim(id, address, device, TRIM_ROWS, turn);
    stream::advance(address, device, turn);
    for (group, up_to) in in_groups {
        group_progress::delivered(state, turn, address.user, (group, up_to));
    }
    for (author, row) in hushed {
        let marks = Marks {
            delivered: told,
            read: read::read_mark(state, turn, address.user, author),
        };
        relate::hush(state, turn, (address.user, author), row, marks);
    }
}

/// What an author is told: that all its messages up to this one are there or, if this one stands
/// outside the watermarks, of it alone.
fn delivery(
    (to, peer): (UserId, Address),
    outside: Option<Origin>,
    timestamp: Timestamp,
    at: Millis,
) -> RelayItem {
    let state = MessageState::DELIVERED;
    match outside {
        Some(Origin { message_id, .. }) => RelayItem::Fact {
            to,
            peer,
            state,
            message_id,
            timestamp,
            at,
        },
        None => RelayItem::Receipt {
            to,
            peer,
            state,
            up_to: timestamp,
            at,
        },
    }
}
