//! A new device finds the one of its account that waits for it.
//!
//! ```text
//!  LINK_OPEN ──► waits ──LINK_JOIN, LINK_OFFER──► joined ──PUBLISH, LINKED──► over
//!                  └────── ten minutes, another LINK_OPEN, a reset ──────────────┘
//! ```

use bytes::Bytes;
use martlet_protocol::frame::{LinkOpened, Reference, TICKET_BYTES};
use martlet_protocol::{Address, DeviceId, Kind, NackCode, UserId};

use crate::command::SessionId;
use crate::effect::Reply;
use crate::limits::{LINK_MS, LINKS};
use crate::links::Link;
use crate::state::State;
use crate::turn::Turn;

/// Remembers for a while what a new device must know. An account has one such link.
pub(crate) fn open(
    state: &mut State,
    turn: &mut Turn<'_>,
    (session, address, request): (SessionId, Address, u64),
    device: DeviceId,
    ticket: [u8; TICKET_BYTES],
) {
    let user = address.user;
    let account = state.account(turn.view, user);
    let account = account.filter(|account| account.devices.contains_key(&address.device));
    let Some(account) = account else {
        // It was removed while this was on its way, and is told so.
        return;
    };
    let reference = Reference::number(request);
    if device != account.next_device {
        // Another device was added, and the one that waits does not know it yet.
        let code = NackCode::LIST_CONFLICT;
        return turn.refuse(session, Kind::LINK_OPEN, code, reference);
    }
    if let Err(retry_after_ms) = LINKS.take(&mut state.links.spent, user, 1, turn.now) {
        let code = NackCode::RATE_LIMITED;
        return turn.refuse_for(session, Kind::LINK_OPEN, code, reference, retry_after_ms);
    }
    let link = Link {
        opener: address.device,
        device,
        ticket,
        until: turn.now.plus(LINK_MS),
        joiner: None,
    };
    if let Some(replaced) = state.links.open.insert(user, link) {
        turn_away(turn, replaced.joiner);
    }
    turn.reply(session, Reply::LinkOpened(LinkOpened { request }));
}

/// Brings a connection that knows the ticket together with the device that waits for it. The first
/// one has it: whoever has seen the code as well comes too late.
pub(crate) fn join(
    state: &mut State,
    turn: &mut Turn<'_>,
    session: SessionId,
    user: UserId,
    (device, ticket, offer): (DeviceId, [u8; TICKET_BYTES], Bytes),
) {
    let now = turn.now;
    let link = state.links.open.get_mut(&user);
    let link = link.filter(|link| link.until > now && link.device == device);
    let link = link.filter(|link| link.joiner.is_none() && is_same(&link.ticket, &ticket));
    let account = state.accounts.get(&user);
    let waiting = link.and_then(|link| {
        let opener = account?.devices.get(&link.opener)?;
        Some((link, opener.session.as_deref()?.id))
    });
    let Some((link, waiting)) = waiting else {
        return turn_away(turn, Some(session));
    };
    link.joiner = Some(session);
    turn.reply(waiting, Reply::LinkOffer { device, offer });
}

/// Compares in a time that does not tell how much of a guess is right.
fn is_same(ticket: &[u8; TICKET_BYTES], guess: &[u8; TICKET_BYTES]) -> bool {
    let pairs = ticket.iter().zip(guess);
    pairs.fold(0, |differences, (a, b)| differences | (a ^ b)) == 0
}

/// A list has added a device: whoever waits to be it is told, once the list is durable. A link is
/// for the next device, so it is over in any case.
pub(crate) fn added(state: &mut State, turn: &mut Turn<'_>, user: UserId, answer: Bytes) {
    let link = state.links.open.remove(&user);
    if let Some(joiner) = link.and_then(|link| link.joiner) {
        turn.reply(joiner, Reply::Linked { answer });
    }
}

/// The account starts anew: whoever waits waits for nothing.
pub(crate) fn forget(state: &mut State, turn: &mut Turn<'_>, user: UserId) {
    if let Some(link) = state.links.open.remove(&user) {
        turn_away(turn, link.joiner);
    }
}

/// Forgets links whose time is over.
pub(crate) fn forget_old(state: &mut State, turn: &mut Turn<'_>) {
    let now = turn.now;
    state.links.spent.forget_whole(now);
    let old = state.links.open.extract_if(.., |_, link| link.until <= now);
    for (_, link) in old {
        turn_away(turn, link.joiner);
    }
}

fn turn_away(turn: &mut Turn<'_>, joiner: Option<SessionId>) {
    if let Some(session) = joiner {
        let (code, reference) = (NackCode::LINK_UNKNOWN, Reference::default());
        turn.refuse(session, Kind::LINK_JOIN, code, reference);
    }
}
