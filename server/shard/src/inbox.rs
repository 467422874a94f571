//! The appending side of a stream: a row for the store, and a push if the device is listening.

use bytes::BytesMut;
use martlet_protocol::frame::{
    Event, EventKind, Fact, GapReason, GroupProgress, GroupReceipt, Receipt,
};
use martlet_protocol::wire::{List, Reader, Writer};
use martlet_protocol::{
    Address, DecodeError, DeviceId, GroupId, Kind, MessageId, Millis, Position, State, Timestamp,
    UserId, crc,
};
use martlet_store::ShardId;
use martlet_store::keys::KeyTag;
use martlet_store::keys::inbox::{self, InboxRow, Reference};
use martlet_store::keys::relay::RelayItem;

use crate::account::{Device, Item, Subject};
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
    let (body, total) = (item.body.clone(), device.tail_bytes);
    let row = InboxRow::new(item.kind, body, item.body_crc, total);
    append_row(shard, address, device, (&row, item), turn)
}

/// Gives an entry of a group the next position and pushes it as any item. What is stored is a
/// reference: the entry is in the group's log.
pub(crate) fn append_reference(
    shard: ShardId,
    address: Address,
    device: &mut Device,
    (reference, item): (Reference, &Item),
    turn: &mut Turn<'_>,
) -> Position {
    let row = InboxRow::reference(reference, item.body.len() as u64, device.tail_bytes);
    append_row(shard, address, device, (&row, item), turn)
}

fn append_row(
    shard: ShardId,
    address: Address,
    device: &mut Device,
    (row, item): (&InboxRow, &Item),
    turn: &mut Turn<'_>,
) -> Position {
    let position = device.tail.next();
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

/// A message as one device after another of an account gets it: devices with the same part share
/// a body.
pub(crate) struct MessageItems<'a> {
    event: Event<'a>,
    newest: Option<Item>,
}

impl<'a> MessageItems<'a> {
    /// The message, without the position and the part of `event`.
    pub(crate) const fn new(event: Event<'a>) -> Self {
        Self {
            event,
            newest: None,
        }
    }

    /// What a device with this part gets.
    pub(crate) fn with(&mut self, part: &'a [u8]) -> &Item {
        if self.event.part != part {
            self.event.part = part;
            self.newest = None;
        }
        let event = &self.event;
        self.newest.get_or_insert_with(|| {
            let subject = subject(event.kind, event.peer, event.timestamp);
            let bytes = 64 + event.envelope.len() + event.part.len();
            item(Kind::EVENT, subject, bytes, |writer| {
                event.encode_body(writer);
            })
        })
    }
}

/// What a message weighs in an inbox: the bytes that its sender chose.
pub(crate) const fn weight(envelope: &[u8], part: &[u8]) -> u64 {
    (envelope.len() + part.len()) as u64
}

/// What another shard has told, as the devices of the account get it; `None` for what is not for
/// an account, or not for it alone: see [`group_receipt`].
pub(crate) fn relay_item(told: &RelayItem) -> Option<Item> {
    let position = Position(0);
    Some(match *told {
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
            item(Kind::RECEIPT, Subject::None, 32, |writer| {
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
            item(Kind::FACT, Subject::None, 48, |writer| {
                fact.encode_body(writer)
            })
        }
        RelayItem::Entry { .. }
        | RelayItem::Progress { .. }
        | RelayItem::ListVersion { .. }
        | RelayItem::GroupReceipt { .. } => return None,
    })
}

/// What an author is told of some members of a group, and when the last of it happened.
pub(crate) fn group_receipt(
    group: GroupId,
    state: State,
    members: &[(GroupProgress, Millis)],
) -> Item {
    let at = members.iter().map(|(_, at)| *at).max();
    let members: Vec<_> = members.iter().map(|(progress, _)| *progress).collect();
    let receipt = GroupReceipt {
        position: Position(0),
        group,
        state,
        at: at.unwrap_or(Millis(0)),
        members: List::Slice(&members),
    };
    let bytes = 32 + 16 * members.len();
    item(Kind::GROUP_RECEIPT, Subject::None, bytes, |writer| {
        receipt.encode_body(writer)
    })
}

fn item(kind: Kind, subject: Subject, bytes: usize, encode: impl FnOnce(&mut Writer<'_>)) -> Item {
    let mut body = BytesMut::with_capacity(bytes);
    encode(&mut Writer::new(&mut body));
    let body = body.freeze();
    Item {
        kind,
        body_crc: crc::of_body(&body),
        body,
        subject,
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

    fn subject(&self) -> Subject {
        subject(self.kind, self.peer, self.timestamp)
    }
}

fn subject(kind: EventKind, author: Address, timestamp: Timestamp) -> Subject {
    if kind == EventKind::INCOMING {
        Subject::Message { author, timestamp }
    } else {
        Subject::None
    }
}

/// What a stored row is about.
pub(crate) fn subject_of(row: &InboxRow) -> Subject {
    if let Some(Reference {
        group, sequence, ..
    }) = row.as_reference()
    {
        return Subject::Group { group, sequence };
    }
    StoredMessage::of(row).map_or(Subject::None, |message| message.subject())
}

/// The address of one device of an account.
pub(crate) const fn address(user: UserId, device: DeviceId) -> Address {
    Address { user, device }
}
