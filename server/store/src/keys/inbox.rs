//! Inbox rows: the items of a device's stream, from its cursor to its tail.
//!
//! ```text
//! key   = prefix · user u64 · device u16 · position u64                         (big-endian)
//! value = kind u8 · total u64 · body_crc u32 · body                          (little-endian)
//! kind  = the frame type that pushes the item: EVENT, RECEIPT, FACT, GROUP_EVENT, GROUP_RECEIPT
//!         or GAP; 0 a reference
//! body  = the frame's payload behind the position · of a GAP: from u64 · reason u8 ·
//!         of a reference: group u64 · sequence u64 · at u64
//! ```
//! A reference stands for a GROUP_EVENT whose payload is in the group's log, once for all members
//! in the shard; it counts as many bytes as that.
//! A GAP row stands at the last position it covers. `total` is the running sum of body bytes up to
//! and including this row: the bytes that wait are the tail's total less the cursor's, without a
//! scan. The body's CRC is stored so that no push computes it again.

use bytes::{BufMut, Bytes, BytesMut};
use martlet_protocol::frame::{Gap, GapReason};
use martlet_protocol::wire::Reader;
use martlet_protocol::{Address, DecodeError, GroupId, Kind, Millis, Position, crc};

use super::group_log::LogRow;
use super::{KeyTag, key_prefix};
use crate::ShardId;

/// Bytes of a key.
pub const KEY_BYTES: usize = 3 + 8 + 2 + 8;
const HEAD_BYTES: usize = 1 + 8 + 4;
/// No frame has this type.
const REFERENCE: Kind = Kind(0);
const REFERENCE_BYTES: usize = 8 + 8 + 8;

/// The key of one item.
pub fn key(shard: ShardId, address: Address, position: Position) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    key[..3].copy_from_slice(&key_prefix(shard, KeyTag::Inbox));
    key[3..11].copy_from_slice(&address.user.0.to_be_bytes());
    key[11..13].copy_from_slice(&address.device.0.to_be_bytes());
    key[13..].copy_from_slice(&position.0.to_be_bytes());
    key
}

/// The position of a stored key.
pub fn position_of(key: &[u8]) -> Option<Position> {
    let bytes = key.get(13..)?.first_chunk()?;
    (key.len() == KEY_BYTES).then(|| Position(u64::from_be_bytes(*bytes)))
}

/// An entry of a group that waits in an inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The group.
    pub group: GroupId,
    /// The entry's place in its log.
    pub sequence: u64,
    /// When it was placed there.
    pub at: Millis,
}

/// A stored item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxRow {
    /// The frame type that pushes it.
    pub kind: Kind,
    /// Running sum of body bytes up to and including this row.
    pub total_bytes: u64,
    /// CRC of the body.
    pub body_crc: u32,
    /// What the frame has behind the position.
    pub body: Bytes,
}

impl InboxRow {
    /// A row for `body`, behind a row whose total was `total_bytes_before`.
    pub fn new(kind: Kind, body: Bytes, body_crc: u32, total_bytes_before: u64) -> Self {
        let total_bytes = total_bytes_before + body.len() as u64;
        Self {
            kind,
            total_bytes,
            body_crc,
            body,
        }
    }

    /// The row that says that `from` up to the row's own position have no item any more.
    pub fn gap(from: Position, reason: GapReason, total_bytes: u64) -> Self {
        let mut body = BytesMut::with_capacity(9);
        body.put_u64_le(from.0);
        body.put_u8(reason.0);
        let body = body.freeze();
        Self {
            kind: Kind::GAP,
            total_bytes,
            body_crc: crc::of_body(&body),
            body,
        }
    }

    /// The row of a group's entry of `bytes`, behind a row whose total was `total_bytes_before`.
    pub fn reference(reference: Reference, bytes: u64, total_bytes_before: u64) -> Self {
        let mut body = BytesMut::with_capacity(REFERENCE_BYTES);
        body.put_u64_le(reference.group.0);
        body.put_u64_le(reference.sequence);
        body.put_u64_le(reference.at.0);
        Self {
            kind: REFERENCE,
            total_bytes: total_bytes_before + bytes,
            body_crc: 0,
            body: body.freeze(),
        }
    }

    /// What this row refers to, if it is a reference.
    pub fn as_reference(&self) -> Option<Reference> {
        if self.kind != REFERENCE {
            return None;
        }
        let reader = &mut Reader::new(&self.body);
        Some(Reference {
            group: reader.group().ok()?,
            sequence: reader.u64().ok()?,
            at: reader.millis().ok()?,
        })
    }

    /// The entry of a reference that [`resolve`](crate::resolve) has found.
    pub fn entry(&self) -> Option<LogRow> {
        self.as_reference()?;
        let entry = self.body.slice(REFERENCE_BYTES..);
        LogRow::decode(&entry).ok()
    }

    /// The gap that this row at `position` stands for, if it is one.
    ///
    /// # Errors
    /// What is wrong with the row.
    pub fn as_gap(&self, position: Position) -> Result<Option<Gap>, DecodeError> {
        if self.kind != Kind::GAP {
            return Ok(None);
        }
        let mut reader = Reader::new(&self.body);
        let from = Position(reader.u64()?);
        let reason = GapReason(reader.u8()?);
        reader.finish()?;
        Ok(Some(Gap {
            from,
            to: position,
            reason,
        }))
    }

    /// Appends the stored value.
    pub fn encode(&self, out: &mut BytesMut) {
        out.reserve(HEAD_BYTES + self.body.len());
        out.put_u8(self.kind.0);
        out.put_u64_le(self.total_bytes);
        out.put_u32_le(self.body_crc);
        out.put_slice(&self.body);
    }

    /// Reads a stored value. The body shares its memory.
    ///
    /// # Errors
    /// [`DecodeError::PayloadTruncated`] when the head is not whole.
    pub fn decode(value: &Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(value);
        let (kind, total_bytes, body_crc) = (Kind(reader.u8()?), reader.u64()?, reader.u32()?);
        Ok(Self {
            kind,
            total_bytes,
            body_crc,
            body: value.slice(HEAD_BYTES..),
        })
    }
}

#[cfg(test)]
mod tests {
    use martlet_protocol::{DeviceId, UserId};

    use super::*;

    #[test]
    fn rows_and_keys_read_back() {
        let row = InboxRow::new(Kind::EVENT, Bytes::from_static(b"body"), 7, 100);
        let mut value = BytesMut::new();
        row.encode(&mut value);
        assert_eq!(InboxRow::decode(&value.freeze()), Ok(row.clone()));
        assert_eq!(row.total_bytes, 104);

        let address = Address {
            user: UserId(5),
            device: DeviceId(1),
        };
        let key = key(ShardId(3), address, Position(9));
        assert_eq!(position_of(&key), Some(Position(9)));
        assert_eq!(position_of(&key[..20]), None);
    }

    #[test]
    fn a_gap_row_covers_up_to_its_own_position() {
        let row = InboxRow::gap(Position(4), GapReason::EXPIRED, 50);
        let gap = row
            .as_gap(Position(6))
            .expect("the row is whole")
            .expect("it is a gap");
        assert_eq!((gap.from, gap.to), (Position(4), Position(6)));
        assert_eq!(row.total_bytes, 50, "a gap weighs nothing");
    }
}
