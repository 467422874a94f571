//! The sender's other devices see what it wrote, before it is told SENT.

use martlet_protocol::frame::{Event, EventKind};
use martlet_protocol::{Address, Position};
use martlet_store::keys::message::{self, MessageRow};

use crate::command::{Command, SessionId};
use crate::effect::{Effect, Reply};
use crate::inbox::{self, MessageItems};
use crate::message::{Copy, SendRequest, SentAnswer};
use crate::state::State;
use crate::turn::Turn;

/// At the recipient's shard: tells SENT, or lets the sender's shard do so behind the copies for its
/// other devices.
pub(crate) fn answer(
    turn: &mut Turn<'_>,
    (session, from): (SessionId, Address),
    request: SendRequest,
    row: &MessageRow,
) {
    let sent = SentAnswer {
        message_id: request.message_id,
        timestamp: row.timestamp,
        devices: row.devices(),
    };
    let parts = request.addressing.map_or_else(Vec::new, |it| it.own_parts);
    if parts.is_empty() {
        return turn.reply(session, Reply::Sent(sent));
    }
    let copy = Copy {
        to: request.to,
        parts,
        envelope: request.envelope,
    };
    turn.effects.push(Effect::Forward(Command::Accepted {
        session,
        from,
        sent,
        copy: Box::new(copy),
    }));
}

/// At the sender's shard: its other devices get a copy, then the sender is told SENT. A retry
/// comes by here again and completes what a crash left half done.
pub(crate) fn accepted(
    state: &mut State,
    turn: &mut Turn<'_>,
    session: SessionId,
    from: Address,
    sent: SentAnswer,
    copy: &Copy,
) {
    if state.account(turn.view, from.user).is_some() {
        place(state, turn, from, sent, copy);
    }
    turn.reply(session, Reply::Sent(sent));
}

/// Each device gets its own part. The list may have changed since the message was judged: a device
/// that is gone is left out, and one that is new has no part.
fn place(state: &mut State, turn: &mut Turn<'_>, from: Address, sent: SentAnswer, copy: &Copy) {
    let (id, limits) = (state.id, state.limits);
    let key = message::copied_key(id, sent.message_id, from);
    if state.fresh.get(turn.view, &key).is_some() {
        return;
    }
    state.fresh.put(turn, &key, |_| {});
    state.dirty = true;
    let mut items = MessageItems::new(Event {
        position: Position(0),
        kind: EventKind::OWN_COPY,
        peer: inbox::address(copy.to, from.device),
        message_id: sent.message_id,
        timestamp: sent.timestamp,
        envelope: &copy.envelope,
        part: &[],
    });
    let account = state
        .accounts
        .get_mut(&from.user)
        .expect("it was loaded above");
    for (device_id, device) in &mut account.devices {
        let Some(part) = copy.part_for(*device_id) else {
            continue;
        };
        let address = inbox::address(from.user, *device_id);
        if inbox::has_room(device, inbox::weight(&copy.envelope, part), &limits) {
            inbox::append(id, address, device, items.with(part), turn);
        } else {
            inbox::overflow(id, address, device, turn);
        }
    }
}
