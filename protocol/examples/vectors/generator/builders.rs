//! Frames with the values that most vectors share.

use martlet_protocol::frame::*;
use martlet_protocol::nack::NackCode;
use martlet_protocol::wire::List;
use martlet_protocol::{Address, Kind, Position, State, Timestamp, UserId};

use super::people::{BOB, NOW, message_id, timestamp};

/// The NACK for a frame of type `of` with the code's own class.
pub(crate) fn nack(
    of: Kind,
    code: NackCode,
    retry_after_ms: u64,
    reference: Reference,
) -> Frame<'static> {
    Frame::Nack(Nack {
        of,
        code,
        class: code.class(),
        retry_after_ms,
        reference,
    })
}

/// A message from a device to `to`.
pub(crate) fn send(n: u8, to: UserId, envelope: &'static [u8]) -> Send<'static> {
    Send {
        message_id: message_id(n),
        to,
        after: Timestamp(0),
        ttl_ms: 0,
        scope: SendScope::ALL,
        to_version: 0,
        own_version: 0,
        to_parts: List::EMPTY,
        own_parts: List::EMPTY,
        envelope,
    }
}

/// A message from `author` in the stream of its recipient.
pub(crate) fn incoming(
    position: u64,
    n: u8,
    author: Address,
    envelope: &'static [u8],
) -> Event<'static> {
    Event {
        position: Position(position),
        kind: EventKind::INCOMING,
        peer: author,
        message_id: message_id(n),
        timestamp: timestamp(n),
        envelope,
        part: b"",
    }
}

/// A watermark about bob's device.
pub(crate) fn receipt(position: u64, state: State, n: u8) -> Frame<'static> {
    receipt_by(BOB.address, position, state, n)
}

/// A watermark that this device has moved.
pub(crate) fn receipt_by(peer: Address, position: u64, state: State, n: u8) -> Frame<'static> {
    Frame::Receipt(Receipt {
        position: Position(position),
        state,
        peer,
        up_to: timestamp(n),
        at: NOW.plus(1_000),
    })
}

/// The state of the n-th message at bob's device.
pub(crate) fn fact(position: u64, state: State, n: u8) -> Frame<'static> {
    fact_at(BOB.address, position, state, n)
}

/// The state of the n-th message at this device.
pub(crate) fn fact_at(peer: Address, position: u64, state: State, n: u8) -> Frame<'static> {
    Frame::Fact(Fact {
        position: Position(position),
        state,
        peer,
        message_id: message_id(n),
        timestamp: timestamp(n),
        at: NOW.plus(1_000),
    })
}

/// Positions that have no item any more.
pub(crate) fn gap(from: u64, to: u64, reason: GapReason) -> Frame<'static> {
    Frame::Gap(Gap {
        from: Position(from),
        to: Position(to),
        reason,
    })
}
