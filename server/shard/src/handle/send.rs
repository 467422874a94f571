//! A message arrives, is made durable once, and is answered the same way every time.

use std::collections::BTreeMap;

use martlet_protocol::frame::{Event, EventKind, Relation};
use martlet_protocol::limits::{
    AFTER_AHEAD_US_MAX, MESSAGE_ID_AGE_MS_MAX, MESSAGE_ID_AHEAD_MS_MAX, TTL_MS_MAX, TTL_MS_MIN,
};
use martlet_protocol::{
    Address, Class, Kind, MessageId, NackCode, Position, State as MessageState, Timestamp, UserId,
};
use martlet_store::keys::message::{self, MessageRow, Origin, Placement, Told};
use martlet_store::keys::relay::RelayItem;

use crate::account::{Account, Device};
use crate::command::SessionId;
use crate::handle::expire::{self, message_row, reference};
use crate::handle::parts::Refusal;
use crate::handle::{copies, devices, parts};
use crate::inbox::{self, MessageItems};
use crate::limits::{INBOX_FULL_RETRY_MS, Limits, REFUSED_SENDERS_MAX};
use crate::message::SendRequest;
use crate::person::relation_of;
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
            Some(row) if row.hash == request.payload_hash() => Ok(row),
            Some(_) => Err((NackCode::CONFLICT, 0)),
            None => {
                check(state, turn, (session, from), &request)?;
                place(state, turn, origin, &request)
            }
        }
    });
    match accepted {
        Ok(row) => {
            settled(state, from, &request);
            copies::answer(turn, (session, from), request, &row);
        }
        Err(refusal) => refused(state, turn, (session, from), &request, refusal),
    }
}

/// Says why a message was not placed. Unless it is over for good, it comes again, and what follows
/// it waits for it.
fn refused(
    state: &mut State,
    turn: &mut Turn<'_>,
    (session, from): (SessionId, Address),
    request: &SendRequest,
    (code, retry_after_ms): Refusal,
) {
    if is_final(code) {
        settled(state, from, request);
    } else if code != NackCode::OUT_OF_ORDER {
        let pair = (from, request.to);
        note_refused(&mut state.refused, pair, session, request.message_id);
    }
    match code {
        NackCode::STALE_RECIPIENT => devices::tell_newest(state, turn, session, request.to),
        NackCode::STALE_OWN => devices::tell_newest(state, turn, session, from.user),
        _ => {}
    }
    let of = reference(request.message_id);
    turn.refuse_for(session, Kind::SEND, code, of, retry_after_ms);
}

/// Whether the same message will not come again: what follows it need not wait any longer.
pub(crate) fn is_final(code: NackCode) -> bool {
    !matches!(code.class(), Class::RETRY_AFTER | Class::REFRESH_DEVICES)
}

/// The message will not come again as a new one: others to the same recipient may follow.
fn settled(state: &mut State, from: Address, request: &SendRequest) {
    let pair = (from, request.to);
    let waits_for = state.refused.get(&pair).map(|(_, id)| *id);
    if waits_for == Some(request.message_id) {
        state.refused.remove(&pair);
    }
}

pub(crate) fn check_id(turn: &Turn<'_>, origin: Origin) -> Result<(), Refusal> {
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
    (session, from): (SessionId, Address),
    request: &SendRequest,
) -> Result<(), Refusal> {
    if request.to == from.user && !request.is_named() {
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
    let account = state.account(turn.view, request.to);
    let account = account.ok_or((NackCode::UNKNOWN_RECIPIENT, 0))?;
    parts::check(account, from, request)
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

pub(crate) fn note_refused<K: Ord>(
    refused: &mut BTreeMap<K, (SessionId, MessageId)>,
    pair: K,
    session: SessionId,
    message_id: MessageId,
) {
    if refused.len() >= REFUSED_SENDERS_MAX {
        refused.pop_first();
    }
    refused.insert(pair, (session, message_id));
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
        note_refused(&mut state.refused, (from, to), session, message_id);
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
    origin: Origin,
    request: &SendRequest,
) -> Result<MessageRow, Refusal> {
    let (id, to, limits) = (state.id, request.to, state.limits);
    let is_blocked = is_blocked(state, turn, origin.sender.user, to);
    let account = state.account(turn.view, to).expect("checked before");
    if !has_room(account, request, is_blocked, &limits) {
        return Err((NackCode::INBOX_FULL, INBOX_FULL_RETRY_MS));
    }
    let timestamp = state.clock.next(id, turn, request.after);
    let placements = if is_blocked {
        withhold(account_of(state, to), request, &limits)
    } else {
        append(state, turn, origin.sender, timestamp, request)
    };
    let is_partial =
        request.is_named() || placements.iter().any(|placement| placement.fact.is_some());
    let row = MessageRow {
        timestamp,
        hash: request.payload_hash(),
        to,
        told: if is_partial {
            Told::ByName
        } else {
            Told::ByWatermark
        },
        placements,
    };
    let key = message::key(id, request.message_id, origin.sender);
    state.fresh.put(turn, &key, |out| row.encode(out));
    state.newest.note(origin);
    state.placed.push(origin);
    state.dirty = true;
    if is_partial {
        tell_overflow(state, turn, origin, &row);
    }
    if is_partial || is_blocked {
        expire::note_partial(state, turn, origin, to, &row);
    }
    if request.ttl_ms != 0 {
        expire::schedule(state, turn, turn.now.plus(request.ttl_ms), origin, to);
    }
    Ok(row)
}

/// Whether the recipient has blocked the sender. Most accounts have blocked nobody, and look at no
/// row.
fn is_blocked(state: &mut State, turn: &Turn<'_>, sender: UserId, to: UserId) -> bool {
    let account = state.account(turn.view, to).expect("checked before");
    let looks = account.person.blocked > 0 && sender != to;
    looks && {
        let row = relation_of(&state.fresh, turn.view, state.id, (to, sender));
        row.relation == Relation::BLOCKED
    }
}

fn account_of(state: &State, user: UserId) -> &Account {
    state.accounts.get(&user).expect("checked before")
}

/// The message goes nowhere. Where there is no room it ends as it would have, or its sender could
/// tell that it took none.
fn withhold(account: &Account, request: &SendRequest, limits: &Limits) -> Vec<Placement> {
    let addressing = request.addressing();
    let placed = account.devices.iter().filter_map(|(device_id, device)| {
        let part = addressing.part_for(*device_id)?;
        let finds_room = finds_room(account, device, true, weight(request, part), limits);
        Some(Placement {
            device: *device_id,
            position: message::NOWHERE,
            fact: (!finds_room).then_some(MessageState::OVERFLOW),
        })
    });
    placed.collect()
}

/// Whether one of the devices that get the message can take it.
fn has_room(account: &Account, request: &SendRequest, is_blocked: bool, limits: &Limits) -> bool {
    let addressing = request.addressing();
    account.devices.iter().any(|(device_id, device)| {
        let part = addressing.part_for(*device_id);
        part.is_some_and(|part| {
            finds_room(account, device, is_blocked, weight(request, part), limits)
        })
    })
}

/// Whether a device can take so many bytes. What blocked senders wrote counts against them, as it
/// would if it waited in the inbox: a flood of it ends where any other one does.
fn finds_room(
    account: &Account,
    device: &Device,
    is_blocked: bool,
    bytes: u64,
    limits: &Limits,
) -> bool {
    let withheld = if is_blocked { account.partial.len() } else { 0 };
    let rows_max = limits.inbox_rows_max.saturating_sub(withheld as u64);
    let limits = Limits {
        inbox_rows_max: rows_max,
        ..*limits
    };
    inbox::has_room(device, bytes, &limits)
}

fn weight(request: &SendRequest, part: &[u8]) -> u64 {
    inbox::weight(&request.envelope, part)
}

/// Appends the message to the inbox of each device that gets it, each with its own part.
fn append(
    state: &mut State,
    turn: &mut Turn<'_>,
    peer: Address,
    timestamp: Timestamp,
    request: &SendRequest,
) -> Vec<Placement> {
    let (id, to, limits) = (state.id, request.to, state.limits);
    let (addressing, envelope) = (request.addressing(), &request.envelope[..]);
    let mut items = MessageItems::new(Event {
        position: Position(0),
        kind: EventKind::INCOMING,
        peer,
        message_id: request.message_id,
        timestamp,
        envelope,
        part: &[],
    });
    let account = state.accounts.get_mut(&to).expect("checked before");
    let mut placements = Vec::with_capacity(account.devices.len());
    for (device_id, device) in &mut account.devices {
        let Some(part) = addressing.part_for(*device_id) else {
            continue;
        };
        let address = inbox::address(to, *device_id);
        let (position, fact) = if inbox::has_room(device, inbox::weight(envelope, part), &limits) {
            let item = items.with(part);
            (inbox::append(id, address, device, item, turn), None)
        } else {
            let position = inbox::overflow(id, address, device, turn);
            (position, Some(MessageState::OVERFLOW))
        };
        placements.push(Placement {
            device: *device_id,
            position,
            fact,
        });
    }
    placements
}

fn tell_overflow(state: &mut State, turn: &Turn<'_>, origin: Origin, row: &MessageRow) {
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
}
