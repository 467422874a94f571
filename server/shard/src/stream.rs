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
use martlet_protocol::frame::{CaughtUp, Gap, GapReason};
use martlet_protocol::limits::HEADER_BYTES;
use martlet_protocol::wire::varint_bytes;
use martlet_protocol::{Address, Kind, Millis, Position};
use martlet_store::keys::group_log::LogRow;

use crate::account::{Device, InFlight, Item, Page, Session, Subject};
use crate::command::SessionId;
use crate::effect::{Effect, Reply};
use crate::inbox::{decode, subject_of};
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
    let is_next = session.pushed.next() == position && session.missed_from.is_none();
    if is_next && session.page == Page::None && session.may_push() {
        let in_flight = InFlight {
            position,
            kind: item.kind,
            total_bytes,
            subject: item.subject,
        };
        push(session, in_flight, item.body_crc, item.body.clone(), turn);
    }
}

/// Asks for the next page of the backlog, or tells the device that there is none.
pub(crate) fn advance(address: Address, device: &mut Device, turn: &mut Turn<'_>) {
    let tail = device.tail;
    let Some(session) = device.session.as_deref_mut() else {
        return;
    };
    if session.page != Page::None {
        return;
    }
    if let Some(from) = session.missed_from {
        if !session.may_push() {
            return;
        }
        session.missed_from = None;
        let reason = GapReason::RESTORED;
        let to = session.pushed;
        tell_gap(session, Gap { from, to, reason }, turn);
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
    session.page = Page::Awaited;
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
    if std::mem::replace(&mut session.page, Page::None) == Page::Outdated {
        return;
    }
    for (position, value) in rows {
        let row = decode(&value);
        let is_stored = position <= session.stored;
        if !is_stored && !session.may_push() {
            break;
        }
        if let Some(gap) = row.as_gap(position).expect("a gap row is ours") {
            let next = session.pushed.next();
            assert!(gap.from <= next, "a hole before {gap:?}: it follows {next}");
            // A gap may have grown since the device got its first part.
            let from = next.max(session.stored.next());
            push_gap(session, Gap { from, ..gap }, row.total_bytes, turn);
            continue;
        }
        assert!(
            position == session.pushed.next(),
            "a hole in a stream: {position} follows {}",
            session.pushed
        );
        let subject = subject_of(&row);
        let is_group = matches!(subject, Subject::Group { .. });
        let in_flight = InFlight {
            position,
            kind: if is_group {
                Kind::GROUP_EVENT
            } else {
                row.kind
            },
            total_bytes: row.total_bytes,
            subject,
        };
        if is_stored {
            session.pushed = position;
            session.in_flight.push_back(in_flight);
            continue;
        }
        if !is_group {
            push(session, in_flight, row.body_crc, row.body, turn);
            continue;
        }
        // An entry that has fallen off the group's log, or whose own time is over.
        let is_over =
            |entry: &LogRow| entry.expires_at != Millis(0) && entry.expires_at <= turn.now;
        match row.entry().filter(|entry| !is_over(entry)) {
            Some(entry) => push(session, in_flight, entry.body_crc, entry.body, turn),
            None => {
                let reason = GapReason::EXPIRED;
                let (from, to) = (position, position);
                push_gap(session, Gap { from, to, reason }, row.total_bytes, turn);
            }
        }
    }
}

fn push(
    session: &mut Session,
    in_flight: InFlight,
    body_crc: u32,
    body: Bytes,
    turn: &mut Turn<'_>,
) {
    let InFlight { position, kind, .. } = in_flight;
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
        kind: Kind::GAP,
        total_bytes,
        subject: Subject::None,
    });
    if position > session.stored {
        tell_gap(session, gap, turn);
    }
}

/// Tells a device of positions without items; it costs credit like an item.
fn tell_gap(session: &mut Session, gap: Gap, turn: &mut Turn<'_>) {
    let bytes = HEADER_BYTES + varint_bytes(gap.from.0) + varint_bytes(gap.to.0) + 1;
    session.charge(bytes);
    session.trimmed = true;
    turn.reply(session.id, Reply::Gap(gap));
}
