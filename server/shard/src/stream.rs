//! The pushing side of a stream: live items from memory, a backlog in pages, never out of order.
//!
//! ```text
//!        append                        Page
//!          │                            │
//!   pushed = tail - 1                pushed < tail
//!   and credit? ── push         push while credit lasts
//!          │ no                         │
//!   it stays in the inbox        more? ── LoadPage  ·  none left? ── CAUGHT_UP, once
//! ```
//! Credit, acknowledgements and the end of a pause call [`advance`], which asks for the next page.

use bytes::Bytes;
use martlet_protocol::frame::{CaughtUp, Gap};
use martlet_protocol::limits::HEADER_BYTES;
use martlet_protocol::wire::varint_bytes;
use martlet_protocol::{Address, Kind, Position};

use crate::account::{Device, InFlight, Item, Session};
use crate::command::SessionId;
use crate::effect::{Effect, Reply};
use crate::inbox::{StoredMessage, decode};
use crate::limits::{IN_FLIGHT_MAX, PAGE_BYTES_MAX, PAGE_ROWS_MAX};
use crate::turn::Turn;

/// Pushes the item at the new tail, if the device has everything before it and credit for it.
pub(crate) fn push_live(
    device: &mut Device,
    position: Position,
    total_bytes: u64,
    item: &Item,
    turn: &mut Turn<'_>,
) {
    let Some(session) = device.session.as_deref_mut() else {
        return;
    };
    if session.pushed.next() == position && !session.loading && session.may_push() {
        let in_flight = InFlight {
            position,
            total_bytes,
            message: item.message,
        };
        push(
            session,
            in_flight,
            item.kind,
            item.body_crc,
            item.body.clone(),
            turn,
        );
    }
}

/// Asks for the next page of the backlog, or tells the device that there is none.
pub(crate) fn advance(address: Address, device: &mut Device, turn: &mut Turn<'_>) {
    let tail = device.tail;
    let Some(session) = device.session.as_deref_mut() else {
        return;
    };
    if session.loading {
        return;
    }
    if session.pushed == tail {
        if !session.caught_up {
            session.caught_up = true;
            let trimmed = std::mem::take(&mut session.trimmed);
            turn.reply(
                session.id,
                Reply::CaughtUp(CaughtUp {
                    position: tail,
                    trimmed,
                }),
            );
        }
        return;
    }
    let (rows_max, bytes_max) = if session.pushed < session.stored {
        // These rows are only looked at: the device has them.
        (PAGE_ROWS_MAX, PAGE_BYTES_MAX)
    } else if session.may_push() {
        let credit = usize::try_from(session.credit_messages).unwrap_or(usize::MAX);
        let room = IN_FLIGHT_MAX - session.in_flight.len();
        (PAGE_ROWS_MAX.min(credit).min(room), PAGE_BYTES_MAX)
    } else {
        return;
    };
    session.loading = true;
    let from = session.pushed.next();
    turn.effects.push(Effect::LoadPage {
        session: session.id,
        address,
        from,
        rows_max,
        bytes_max,
    });
}

/// Pushes what a page holds, as far as the credit goes.
pub(crate) fn on_page(
    device: &mut Device,
    session: SessionId,
    rows: Vec<(Position, Bytes)>,
    turn: &mut Turn<'_>,
) {
    let Some(session) = device.session_mut(session) else {
        return;
    };
    session.loading = false;
    if session.paused_until.is_some() {
        return;
    }
    for (position, value) in rows {
        // A page may have been asked for before a refusal rewound the stream.
        if position <= session.pushed {
            continue;
        }
        let row = decode(&value);
        let is_stored = position <= session.stored;
        if !is_stored && !session.may_push() {
            break;
        }
        if let Some(gap) = row.as_gap(position).expect("a gap row is ours") {
            let from = gap.from.max(session.pushed.next());
            assert!(from == session.pushed.next(), "a hole before {gap:?}");
            push_gap(session, Gap { from, ..gap }, row.total_bytes, turn);
            continue;
        }
        assert!(
            position == session.pushed.next(),
            "a hole in a stream: {position} follows {}",
            session.pushed
        );
        let message = StoredMessage::of(&row).and_then(|message| message.incoming());
        let in_flight = InFlight {
            position,
            total_bytes: row.total_bytes,
            message,
        };
        if is_stored {
            session.pushed = position;
            session.in_flight.push_back(in_flight);
        } else {
            push(session, in_flight, row.kind, row.body_crc, row.body, turn);
        }
    }
}

fn push(
    session: &mut Session,
    in_flight: InFlight,
    kind: Kind,
    body_crc: u32,
    body: Bytes,
    turn: &mut Turn<'_>,
) {
    let position = in_flight.position;
    session.charge(HEADER_BYTES + varint_bytes(position.0) + body.len());
    session.pushed = position;
    session.in_flight.push_back(in_flight);
    let session = session.id;
    turn.effects.push(Effect::Event {
        session,
        position,
        kind,
        body_crc,
        body,
    });
}

fn push_gap(session: &mut Session, gap: Gap, total_bytes: u64, turn: &mut Turn<'_>) {
    let position = gap.to;
    session.pushed = position;
    session.in_flight.push_back(InFlight {
        position,
        total_bytes,
        message: None,
    });
    if position > session.stored {
        tell_gap(session, gap, turn);
    }
}

/// Tells a device of positions without items; it costs credit like an item.
pub(crate) fn tell_gap(session: &mut Session, gap: Gap, turn: &mut Turn<'_>) {
    let bytes = HEADER_BYTES + varint_bytes(gap.from.0) + varint_bytes(gap.to.0) + 1;
    session.charge(bytes);
    session.trimmed = true;
    turn.reply(session.id, Reply::Gap(gap));
}
