//! The appending side of a stream: a row for the store, and a push if the device is listening.

use bytes::BytesMut;
use martlet_protocol::frame::{Event, EventKind, Fact, GapReason, Receipt};
use martlet_protocol::wire::{Reader, Writer};
use martlet_protocol::{Address, DecodeError, Kind, MessageId, Position, Timestamp, UserId, crc};
use martlet_store::ShardId;
use martlet_store::keys::KeyTag;
use martlet_store::keys::inbox::{self, InboxRow};
use martlet_store::keys::relay::RelayItem;

use crate::account::{Device, Item};
use crate::limits::Limits;
use crate::stream;
use crate::turn::Turn;

/// Whether an item of `bytes` finds room.
pub(crate) const fn has_room(device: &Device, bytes: u64, limits: &Limits) -> bool {
    device.waiting_rows() < limits.inbox_rows_max
        && device.waiting_bytes() + bytes <= limits.inbox_bytes_max
}

/// Gives the item the next position, stores it, and pushes it if the device is caught up.
pub(crate) fn append(
    shard: ShardId,
    address: Address,
    device: &mut Device,
    item: &Item,
    turn: &mut Turn<'_>,
) -> Position {
    let position = device.tail.next();
    let row = InboxRow::new(
        item.kind,
        item.body.clone(),
        item.body_crc,
        device.tail_bytes,
    );
    turn.put_with(&inbox::key(shard, address, position), |out| row.encode(out));
    device.tail = position;
    device.tail_bytes = row.total_bytes;
    device.overflow_from = None;
    stream::push_live(device, position, row.total_bytes, item, turn);
    position
}

/// Gives the item the next position and nothing else: the device is told of the gap. Gaps that
/// follow each other are one row.
pub(crate) fn overflow(
    shard: ShardId,
    address: Address,
    device: &mut Device,
    turn: &mut Turn<'_>,
) -> Position {
    let position = device.tail.next();
    if device.overflow_from.is_some() {
        turn.batch.delete(&inbox::key(shard, address, device.tail));
    }
    let from = device.overflow_from.unwrap_or(position);
    let row = InboxRow::gap(from, GapReason::OVERFLOW, device.tail_bytes);
    turn.put_with(&inbox::key(shard, address, position), |out| row.encode(out));
    device.tail = position;
    device.overflow_from = Some(from);
    position
}

/// Replaces a stored item by a gap. Returns the item, or `None` when there is no such row.
pub(crate) fn replace_by_gap(
    shard: ShardId,
    address: Address,
    position: Position,
    reason: GapReason,
    turn: &mut Turn<'_>,
) -> Option<InboxRow> {
    let key = inbox::key(shard, address, position);
    let old = decode(&turn.view.get(&key)?);
    let gap = InboxRow::gap(position, reason, old.total_bytes);
    turn.put_with(&key, |out| gap.encode(out));
    Some(old)
}

/// The key of an item that was set aside.
pub(crate) fn held_key(
    shard: ShardId,
    address: Address,
    position: Position,
) -> [u8; inbox::KEY_BYTES] {
    let mut key = inbox::key(shard, address, position);
    key[2] = KeyTag::Held.number();
    key
}

/// Reads a stored row.
pub(crate) fn decode(value: &bytes::Bytes) -> InboxRow {
    InboxRow::decode(value).expect("an inbox row is ours and the store checks its bytes")
}

/// A message as its recipient's or its sender's own devices get it.
pub(crate) fn message_item(
    kind: EventKind,
    peer: Address,
    message_id: MessageId,
    timestamp: Timestamp,
    envelope: &[u8],
) -> Item {
    let event = Event {
        position: Position(0),
        kind,
        peer,
        message_id,
        timestamp,
        envelope,
        part: &[],
    };
    let message = (kind == EventKind::INCOMING).then_some((peer, timestamp));
    item(Kind::EVENT, message, 64 + envelope.len(), |writer| {
        event.encode_body(writer)
    })
}

/// What another shard has told, as the devices of the account get it.
pub(crate) fn relay_item(told: &RelayItem) -> Item {
    let position = Position(0);
    match *told {
        RelayItem::Receipt {
            to: _,
            peer,
            state,
            up_to,
            at,
        } => {
            let receipt = Receipt {
                position,
                state,
                peer,
                up_to,
                at,
            };
            item(Kind::RECEIPT, None, 32, |writer| {
                receipt.encode_body(writer)
            })
        }
        RelayItem::Fact {
            to: _,
            peer,
            state,
            message_id,
            timestamp,
            at,
        } => {
            let fact = Fact {
                position,
                state,
                peer,
                message_id,
                timestamp,
                at,
            };
            item(Kind::FACT, None, 48, |writer| fact.encode_body(writer))
        }
    }
}

fn item(
    kind: Kind,
    message: Option<(Address, Timestamp)>,
    bytes: usize,
    encode: impl FnOnce(&mut Writer<'_>),
) -> Item {
    let mut body = BytesMut::with_capacity(bytes);
    encode(&mut Writer::new(&mut body));
    let body = body.freeze();
    Item {
        kind,
        body_crc: crc::of_body(&body),
        body,
        message,
    }
}

/// What an EVENT row is about, without its envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoredMessage {
    pub(crate) kind: EventKind,
    pub(crate) peer: Address,
    pub(crate) message_id: MessageId,
    pub(crate) timestamp: Timestamp,
}

impl StoredMessage {
    /// The message of an EVENT row; `None` for rows of other kinds.
    pub(crate) fn of(row: &InboxRow) -> Option<Self> {
        if row.kind != Kind::EVENT {
            return None;
        }
        let read = || -> Result<Self, DecodeError> {
            let mut reader = Reader::new(&row.body);
            let event = Event::decode_body(Position(0), &mut reader)?;
            Ok(Self {
                kind: event.kind,
                peer: event.peer,
                message_id: event.message_id,
                timestamp: event.timestamp,
            })
        };
        Some(read().expect("an event row is ours and the store checks its bytes"))
    }

    /// Author and timestamp, if the message came from another account.
    pub(crate) fn incoming(&self) -> Option<(Address, Timestamp)> {
        (self.kind == EventKind::INCOMING).then_some((self.peer, self.timestamp))
    }
}

/// The address of one device of an account.
pub(crate) const fn address(user: UserId, device: martlet_protocol::DeviceId) -> Address {
    Address { user, device }
}
