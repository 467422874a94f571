//! Cursor rows: how far a device has acknowledged its stream, and how far a reader has read.
//!
//! ```text
//! cursor key    = prefix · user u64 · device u16                               (big-endian)
//! cursor value  = position u64 · delivered u64 · total u64                  (little-endian)
//! read key      = prefix · reader u64 · peer u64
//! read value    = up_to u64
//! refusal key   = prefix · user u64 · device u16 · position u64
//! refusal value = count u8
//! ```
//! A message's state is where these stand: a transition moves one of them and rewrites no message.

use bytes::BytesMut;
use martlet_protocol::wire::{Reader, Writer};
use martlet_protocol::{Address, DecodeError, DeviceId, Position, Timestamp, UserId};

use super::{KeyTag, key_prefix};
use crate::ShardId;

/// The key of a device's cursor.
pub fn key(shard: ShardId, address: Address) -> [u8; 13] {
    let mut key = [0; 13];
    key[..3].copy_from_slice(&key_prefix(shard, KeyTag::Cursor));
    key[3..11].copy_from_slice(&address.user.0.to_be_bytes());
    key[11..].copy_from_slice(&address.device.0.to_be_bytes());
    key
}

/// The device of a stored cursor key.
pub fn address_of(key: &[u8]) -> Option<Address> {
    let (user, rest) = key.get(3..)?.split_first_chunk::<8>()?;
    let device: &[u8; 2] = rest.try_into().ok()?;
    Some(Address {
        user: UserId(u64::from_be_bytes(*user)),
        device: DeviceId(u16::from_be_bytes(*device)),
    })
}

/// The key of how far `reader` has read what `peer` wrote.
pub fn read_key(shard: ShardId, reader: UserId, peer: UserId) -> [u8; 19] {
    let mut key = [0; 19];
    key[..3].copy_from_slice(&key_prefix(shard, KeyTag::ReadMark));
    key[3..11].copy_from_slice(&reader.0.to_be_bytes());
    key[11..].copy_from_slice(&peer.0.to_be_bytes());
    key
}

/// The key of how often a device has refused one item.
pub fn refusal_key(shard: ShardId, address: Address, position: Position) -> [u8; 21] {
    let mut key = super::inbox::key(shard, address, position);
    key[2] = KeyTag::Refusal.number();
    key
}

/// A device's stored cursor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CursorRow {
    /// Everything up to here is stored on the device.
    pub position: Position,
    /// The newest message among it.
    pub delivered: Timestamp,
    /// The stream's running sum of bytes at `position`.
    pub total_bytes: u64,
}

impl CursorRow {
    /// Appends the stored value.
    pub fn encode(&self, out: &mut BytesMut) {
        let mut writer = Writer::new(out);
        writer.u64(self.position.0);
        writer.timestamp(self.delivered);
        writer.u64(self.total_bytes);
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// What is wrong with the row.
    pub fn decode(value: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(value);
        let row = Self {
            position: Position(reader.u64()?),
            delivered: reader.timestamp()?,
            total_bytes: reader.u64()?,
        };
        reader.finish()?;
        Ok(row)
    }
}

/// Reads a row that holds one timestamp.
///
/// # Errors
/// What is wrong with the row.
pub fn timestamp_of(value: &[u8]) -> Result<Timestamp, DecodeError> {
    let mut reader = Reader::new(value);
    let timestamp = reader.timestamp()?;
    reader.finish()?;
    Ok(timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back() {
        let row = CursorRow {
            position: Position(4),
            delivered: Timestamp(1_000),
            total_bytes: 300,
        };
        let mut value = BytesMut::new();
        row.encode(&mut value);
        assert_eq!(CursorRow::decode(&value), Ok(row));
        assert!(CursorRow::decode(&value[1..]).is_err());
        let address = Address {
            user: UserId(9),
            device: DeviceId(2),
        };
        assert_eq!(address_of(&key(ShardId(1), address)), Some(address));
    }
}
