//! A message arrives, is made durable once, and is answered the same way every time.

use martlet_protocol::frame::EventKind;
use martlet_protocol::limits::{
    AFTER_AHEAD_US_MAX, MESSAGE_ID_AGE_MS_MAX, MESSAGE_ID_AHEAD_MS_MAX, TTL_MS_MAX, TTL_MS_MIN,
};
use martlet_protocol::{Address, Class, Kind, MessageId, NackCode, State as MessageState, UserId};
use martlet_store::hash128;
use martlet_store::keys::message::{self, MessageRow, Origin, Placement};
use martlet_store::keys::relay::RelayItem;

use crate::command::{Command, Copy, SendRequest, SentAnswer, SessionId};
use crate::effect::{Effect, Reply};
use crate::handle::expire::{self, message_row, reference};
use crate::inbox;
use crate::limits::{INBOX_FULL_RETRY_MS, REFUSED_SENDERS_MAX};
use crate::state::State;
use crate::turn::Turn;

/// At the recipient's shard: gives the message its place in every inbox of the recipient.
///
/// The message row, the inbox rows and thereby the answer are one batch, so a retry after a crash
/// finds either all of them or none.
pub(crate) fn send(
    state: &mut State,
    turn: &mut Turn<'_>,
    (session, from): (SessionId, Address),
    has_siblings: bool,
    request: SendRequest,
) {
    let origin = Origin {
        message_id: request.message_id,
        sender: from,
    };
    let accepted = check_id(turn, origin).and_then(|()| {
        // Before anything that may have changed since: a retry gets the original answer.
        let earlier = if state.newest.is_new(origin) {
            None
        } else {
            message_row(state, turn, origin)
        };
        match earlier {
            Some(row) if row.hash == payload_hash(&request) => Ok(row),
            Some(_) => Err((NackCode::CONFLICT, 0)),
            None => {
                check(state, turn, session, from, &request)?;
                place(state, turn, session, origin, &request)
            }
        }
    });
    let pair = (from, request.to);
    let is_settled = accepted.as_ref().map_or_else(is_final, |_| true);
    let waits_for = state.refused.get(&pair).map(|(_, id)| *id);
    if is_settled && waits_for == Some(request.message_id) {
        state.refused.remove(&pair);
    }
    match accepted {
        Ok(row) => answer(turn, (session, from), has_siblings, request, &row),
        Err((code, retry_after_ms)) => {
            let of = reference(request.message_id);
            turn.refuse_for(session, Kind::SEND, code, of, retry_after_ms);
        }
    }
}

type Refusal = (NackCode, u64);

/// Whether the same message will not come again: what follows it need not wait any longer.
fn is_final((code, _): &Refusal) -> bool {
    code.class() != Class::RETRY_AFTER
}

fn check_id(turn: &Turn<'_>, origin: Origin) -> Result<(), Refusal> {
    let time = origin.message_id.time();
    let time = time.ok_or((NackCode::MESSAGE_ID_INVALID, 0))?;
    if time.since(turn.now) > MESSAGE_ID_AHEAD_MS_MAX {
        return Err((NackCode::MESSAGE_ID_AHEAD, 0));
    }
    if turn.now.since(time) > MESSAGE_ID_AGE_MS_MAX {
        return Err((NackCode::MESSAGE_ID_TOO_OLD, 0));
    }
    Ok(())
}

fn check(
    state: &mut State,
    turn: &Turn<'_>,
    session: SessionId,
    from: Address,
    request: &SendRequest,
) -> Result<(), Refusal> {
    if request.to == from.user {
        return Err((NackCode::SELF_ADDRESSED, 0));
    }
    if request.ttl_ms != 0 && !(TTL_MS_MIN..=TTL_MS_MAX).contains(&request.ttl_ms) {
        return Err((NackCode::TTL_INVALID, 0));
    }
    if state
        .clock
        .is_ahead(turn.now, request.after, AFTER_AHEAD_US_MAX)
    {
        return Err((NackCode::AFTER_AHEAD, 0));
    }
    if is_out_of_order(state, session, from, request.to, request.message_id) {
        return Err((NackCode::OUT_OF_ORDER, 0));
    }
    state
        .account(turn.view, request.to)
        .filter(|account| !account.devices.is_empty())
        .map(|_| ())
        .ok_or((NackCode::UNKNOWN_RECIPIENT, 0))
}

/// Per-pair order: what follows a refused message is refused until that one comes again.
fn is_out_of_order(
    state: &State,
    session: SessionId,
    from: Address,
    to: UserId,
    message_id: MessageId,
) -> bool {
    state
        .refused
        .get(&(from, to))
        .is_some_and(|(of, id)| *of == session && *id != message_id)
}

fn note_refused(
    state: &mut State,
    session: SessionId,
    from: Address,
    to: UserId,
    message_id: MessageId,
) {
    if state.refused.len() >= REFUSED_SENDERS_MAX {
        state.refused.pop_first();
    }
    state.refused.insert((from, to), (session, message_id));
}

/// Refuses a message that the driver cannot take now. Nothing else is looked at: the same message
/// comes again, and is judged then.
pub(crate) fn decline(
    state: &mut State,
    turn: &mut Turn<'_>,
    session: SessionId,
    (from, to, message_id): (Address, UserId, MessageId),
    (code, retry_after_ms): Refusal,
) {
    let (code, retry_after_ms) = if is_out_of_order(state, session, from, to, message_id) {
        (NackCode::OUT_OF_ORDER, 0)
    } else {
        note_refused(state, session, from, to, message_id);
        (code, retry_after_ms)
    };
    turn.refuse_for(
        session,
        Kind::SEND,
        code,
        reference(message_id),
        retry_after_ms,
    );
}

fn place(
    state: &mut State,
    turn: &mut Turn<'_>,
    session: SessionId,
    origin: Origin,
    request: &SendRequest,
) -> Result<MessageRow, Refusal> {
    let (id, from, to) = (state.id, origin.sender, request.to);
    let limits = state.limits;
    let bytes = request.envelope.len() as u64;
    let account = state.account(turn.view, to).expect("checked before");
    if account
        .devices
        .values()
        .all(|device| !inbox::has_room(device, bytes, &limits))
    {
        note_refused(state, session, from, to, request.message_id);
        return Err((NackCode::INBOX_FULL, INBOX_FULL_RETRY_MS));
    }

    let timestamp = state.clock.next(id, turn, request.after);
    let envelope = &request.envelope;
    let kind = EventKind::INCOMING;
    let item = inbox::message_item(kind, from, request.message_id, timestamp, envelope);
    let account = state.accounts.get_mut(&to).expect("checked before");
    let mut placements = Vec::with_capacity(account.devices.len());
    for (device_id, device) in &mut account.devices {
        let address = inbox::address(to, *device_id);
        let has_room = inbox::has_room(device, bytes, &limits);
        let (position, fact) = if has_room {
            (inbox::append(id, address, device, &item, turn), None)
        } else {
            (
                inbox::overflow(id, address, device, turn),
                Some(MessageState::OVERFLOW),
            )
        };
        placements.push(Placement {
            device: *device_id,
            position,
            fact,
        });
    }
    let row = MessageRow {
        timestamp,
        hash: payload_hash(request),
        to,
        placements,
    };
    let key = message::key(id, request.message_id, from);
    state.fresh.put(turn, &key, |out| row.encode(out));
    state.newest.note(origin);
    state.placed.push(origin);
    state.dirty = true;
    if row
        .placements
        .iter()
        .any(|placement| placement.fact.is_some())
    {
        tell_overflow(state, turn, origin, &row);
    }
    if request.ttl_ms != 0 {
        expire::schedule(state, turn, turn.now.plus(request.ttl_ms), origin, to);
    }
    Ok(row)
}

fn tell_overflow(state: &mut State, turn: &mut Turn<'_>, origin: Origin, row: &MessageRow) {
    for placement in row
        .placements
        .iter()
        .filter(|placement| placement.fact.is_some())
    {
        state.owe(RelayItem::Fact {
            to: origin.sender.user,
            peer: inbox::address(row.to, placement.device),
            state: MessageState::OVERFLOW,
            message_id: origin.message_id,
            timestamp: row.timestamp,
            at: turn.now,
        });
    }
    expire::note_partial(state, turn, origin, row.to, row);
}

/// Tells SENT, or lets the sender's shard do so behind the copies for its other devices.
fn answer(
    turn: &mut Turn<'_>,
    (session, from): (SessionId, Address),
    has_siblings: bool,
    request: SendRequest,
    row: &MessageRow,
) {
    let sent = SentAnswer {
        message_id: request.message_id,
        timestamp: row.timestamp,
        devices: row.devices(),
    };
    if !has_siblings {
        return turn.reply(session, Reply::Sent(sent));
    }
    let copy = Copy {
        to: request.to,
        envelope: request.envelope,
    };
    turn.effects.push(Effect::Forward(Command::Accepted {
        session,
        from,
        sent,
        copy,
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
    // The sender's last other device may have been removed meanwhile.
    if state.account(turn.view, from.user).is_some() {
        place_copies(state, turn, from, sent, copy);
    }
    turn.reply(session, Reply::Sent(sent));
}

fn place_copies(
    state: &mut State,
    turn: &mut Turn<'_>,
    from: Address,
    sent: SentAnswer,
    copy: &Copy,
) {
    let (id, limits) = (state.id, state.limits);
    let key = message::copied_key(id, sent.message_id, from);
    if state.fresh.get(turn, &key).is_some() {
        return;
    }
    state.fresh.put(turn, &key, |_| {});
    state.dirty = true;
    let peer = inbox::address(copy.to, from.device);
    let kind = EventKind::OWN_COPY;
    let timestamp = sent.timestamp;
    let item = inbox::message_item(kind, peer, sent.message_id, timestamp, &copy.envelope);
    let account = state
        .accounts
        .get_mut(&from.user)
        .expect("it was loaded above");
    let siblings = account
        .devices
        .iter_mut()
        .filter(|(device, _)| **device != from.device);
    for (device_id, device) in siblings {
        let address = inbox::address(from.user, *device_id);
        if inbox::has_room(device, copy.envelope.len() as u64, &limits) {
            inbox::append(id, address, device, &item, turn);
        } else {
            inbox::overflow(id, address, device, turn);
        }
    }
}

fn payload_hash(request: &SendRequest) -> u128 {
    let to = request.to.0.to_le_bytes();
    let ttl = request.ttl_ms.to_le_bytes();
    hash128(&[&to, &ttl, &request.envelope])
}
