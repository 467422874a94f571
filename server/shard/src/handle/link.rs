//! A new device finds the one of its account that waits for it.
//!
//! ```text
//!  LINK_OPEN ──► Free ──LINK_JOIN, LINK_OFFER──► Offered ──PUBLISH, LINKED──► Listed
//!                  │                             │  ▲ the same offer            │
//!                  │                   it is lost└──┘                           │
//!                  └── ten minutes, LINK_CLOSE, another LINK_OPEN, a reset ─────┴──► over
//! ```

use bytes::Bytes;
use martlet_protocol::frame::{LinkClosed, LinkOpened, Reference, TICKET_BYTES};
use martlet_protocol::{Address, DeviceId, Kind, NackCode, UserId};

use crate::command::SessionId;
use crate::effect::Reply;
use crate::limits::{LINK_MS, LINKS};
use crate::links::{Link, Place};
use crate::state::State;
use crate::turn::Turn;

/// Remembers for a while what a new device must know. An account has one such link. The same one
/// again is the opener on a new connection: whoever waits goes on waiting, and the time stays.
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
    if let Some(link) = state.links.open.get_mut(&user)
        && link.until > turn.now
        && (link.opener, link.device) == (address.device, device)
        && is_same(&link.ticket, &ticket)
    {
        link.session = session;
        turn.reply(session, Reply::LinkOpened(LinkOpened { request }));
        if let Place::Offered {
            offer,
            joiner: Some(_),
        } = &link.place
        {
            let offer = offer.clone();
            turn.reply(session, Reply::LinkOffer { device, offer });
        }
        return;
    }
    if let Err(retry_after_ms) = LINKS.take(&mut state.links.spent, user, 1, turn.now) {
        let code = NackCode::RATE_LIMITED;
        return turn.refuse_for(session, Kind::LINK_OPEN, code, reference, retry_after_ms);
    }
    let link = Link {
        opener: address.device,
        session,
        device,
        ticket,
        until: turn.now.plus(LINK_MS),
        place: Place::Free,
    };
    if let Some(replaced) = state.links.open.insert(user, link) {
        turn_away(turn, replaced.place.joiner());
    }
    turn.reply(session, Reply::LinkOpened(LinkOpened { request }));
}

/// Brings a connection that knows the ticket together with the device that waits for it. The first
/// offer has the place: whoever has seen the code as well comes too late. The same offer again is
/// the same device, whose connection is lost, noticed here or not. While the opener's connection is
/// lost, the offer waits for its next one.
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
    // An empty offer says to the opener that nobody waits.
    let link = link.filter(|link| !offer.is_empty() && is_same(&link.ticket, &ticket));
    let Some(link) = link else {
        return turn_away(turn, Some(session));
    };
    match &mut link.place {
        Place::Offered { offer: first, .. } | Place::Listed { offer: first, .. }
            if *first != offer =>
        {
            return turn_away(turn, Some(session));
        }
        Place::Free => {
            link.place = Place::Offered {
                offer: offer.clone(),
                joiner: Some(session),
            };
        }
        Place::Offered { joiner, .. } => turn_away(turn, joiner.replace(session)),
        Place::Listed { answer, .. } => {
            let answer = answer.clone();
            return turn.reply(session, Reply::Linked { answer });
        }
    }
    turn.reply(link.session, Reply::LinkOffer { device, offer });
}

/// A connection that waits is lost. The opener is told, so that it signs no device that nobody
/// waits to be.
pub(crate) fn leave(state: &mut State, turn: &mut Turn<'_>, session: SessionId, user: UserId) {
    if let Some(link) = state.links.open.get_mut(&user)
        && let Place::Offered { joiner, .. } = &mut link.place
        && joiner.take_if(|waits| *waits == session).is_some()
    {
        let (device, offer) = (link.device, Bytes::new());
        turn.reply(link.session, Reply::LinkOffer { device, offer });
    }
}

/// Ends the link with this ticket. One that is over already is as good.
pub(crate) fn close(
    state: &mut State,
    turn: &mut Turn<'_>,
    (session, address, request): (SessionId, Address, u64),
    ticket: &[u8; TICKET_BYTES],
) {
    let user = address.user;
    let link = state.links.open.get(&user);
    if link.is_some_and(|link| is_same(&link.ticket, ticket)) {
        forget(state, turn, user);
    }
    turn.reply(session, Reply::LinkClosed(LinkClosed { request }));
}

/// Compares in a time that does not tell how much of a guess is right.
fn is_same(ticket: &[u8; TICKET_BYTES], guess: &[u8; TICKET_BYTES]) -> bool {
    let pairs = ticket.iter().zip(guess);
    pairs.fold(0, |differences, (a, b)| differences | (a ^ b)) == 0
}

/// A list has added a device: whoever waits to be it is told, once the list is durable. One whose
/// connection is lost is told when it comes again, while the link would have lasted.
pub(crate) fn added(state: &mut State, turn: &mut Turn<'_>, user: UserId, answer: Bytes) {
    let Some(mut link) = state.links.open.remove(&user) else {
        return;
    };
    if let Place::Offered { offer, joiner } = link.place {
        if let Some(joiner) = joiner {
            let answer = answer.clone();
            turn.reply(joiner, Reply::Linked { answer });
        }
        link.place = Place::Listed { offer, answer };
        state.links.open.insert(user, link);
    }
}

/// Devices have left the account: a link that one of them has opened, or joined by, is over.
pub(crate) fn removed(state: &mut State, turn: &mut Turn<'_>, user: UserId, gone: &[DeviceId]) {
    let link = state.links.open.get(&user);
    if link.is_some_and(|link| gone.contains(&link.opener) || gone.contains(&link.device)) {
        forget(state, turn, user);
    }
}

/// The link is over: whoever waits waits for nothing.
pub(crate) fn forget(state: &mut State, turn: &mut Turn<'_>, user: UserId) {
    if let Some(link) = state.links.open.remove(&user) {
        turn_away(turn, link.place.joiner());
    }
}

/// Forgets links whose time is over.
pub(crate) fn forget_old(state: &mut State, turn: &mut Turn<'_>) {
    let now = turn.now;
    state.links.spent.forget_whole(now);
    let old = state.links.open.extract_if(.., |_, link| link.until <= now);
    for (_, link) in old {
        turn_away(turn, link.place.joiner());
    }
}

fn turn_away(turn: &mut Turn<'_>, joiner: Option<SessionId>) {
    if let Some(session) = joiner {
        let (code, reference) = (NackCode::LINK_UNKNOWN, Reference::default());
        turn.refuse(session, Kind::LINK_JOIN, code, reference);
    }
}
