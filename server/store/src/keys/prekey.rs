//! Prekey rows: what a device has uploaded and nobody has used yet.
//!
//! ```text
//! stock key      = prefix · user u64 · device u16                              (big-endian)
//! stock value    = taken_up_to u64 · claimed_up_to u64 · one_time varint · last_resort u8 ·
//!                  of last_resort 1: id u64 · key 32 · signature 64 · uses varint
//! one-time key   = prefix · user u64 · device u16 · id u64                     (big-endian)
//! one-time value = key 32 · signature 64
//! ```
//! One-time keys are handed out by ascending id, so the ids that are left lie between two numbers
//! of the stock row: whoever looks for the oldest one starts behind all that are gone.

use bytes::BytesMut;
use martlet_protocol::frame::Prekey;
use martlet_protocol::wire::{Element, Reader, Writer};
use martlet_protocol::{Address, DecodeError};

use super::{KeyTag, key_prefix};
use crate::ShardId;

/// The key of a device's stock.
pub fn key(shard: ShardId, address: Address) -> [u8; 13] {
    let mut key = super::cursor::key(shard, address);
    key[2] = KeyTag::DeviceKeys.number();
    key
}

/// The device of a stored stock key.
pub fn address_of(key: &[u8]) -> Option<Address> {
    super::cursor::address_of(key)
}

/// The key of a one-time key.
pub fn one_time_key(shard: ShardId, address: Address, id: u64) -> [u8; 21] {
    let mut one_time = [0; 21];
    one_time[..13].copy_from_slice(&key(shard, address));
    one_time[..3].copy_from_slice(&key_prefix(shard, KeyTag::OneTimeKey));
    one_time[13..].copy_from_slice(&id.to_be_bytes());
    one_time
}

/// The first key behind every one-time key of a device: the end of a range over all of them.
pub fn one_time_end(shard: ShardId, address: Address) -> [u8; 22] {
    let mut end = [0; 22];
    end[..21].copy_from_slice(&one_time_key(shard, address, u64::MAX));
    end
}

/// The device and the id of a stored one-time key.
pub fn one_time_of(key: &[u8]) -> Option<(Address, u64)> {
    let (device, id) = key.split_at_checked(13)?;
    let id: &[u8; 8] = id.try_into().ok()?;
    Some((address_of(device)?, u64::from_be_bytes(*id)))
}

/// Appends the value of a one-time key; its id is in the key.
pub fn encode_one_time(prekey: &Prekey, out: &mut BytesMut) {
    let mut writer = Writer::new(out);
    writer.raw(&prekey.key);
    writer.raw(&prekey.signature);
}

/// Reads the value of a one-time key.
///
/// # Errors
/// What is wrong with the row.
pub fn decode_one_time(id: u64, value: &[u8]) -> Result<Prekey, DecodeError> {
    let mut reader = Reader::new(value);
    let prekey = Prekey {
        id,
        key: reader.array()?,
        signature: reader.array()?,
    };
    reader.finish()?;
    Ok(prekey)
}

/// A device's stock. Invariant: one-time keys have ids in `claimed_up_to + 1 ..= taken_up_to`, and
/// there are `one_time` of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StockRow {
    /// The highest id that the device has uploaded: what is not above it is known or used.
    pub taken_up_to: u64,
    /// The highest id that was handed out.
    pub claimed_up_to: u64,
    /// How many one-time keys are left.
    pub one_time: u64,
    /// The key for when none is left.
    pub last_resort: Option<LastResort>,
}

/// A key that is handed out when no one-time key is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastResort {
    /// The key.
    pub prekey: Prekey,
    /// How often it was handed out.
    pub uses: u64,
}

impl StockRow {
    /// Appends the stored value.
    pub fn encode(&self, out: &mut BytesMut) {
        let mut writer = Writer::new(out);
        writer.u64(self.taken_up_to);
        writer.u64(self.claimed_up_to);
        writer.varint(self.one_time);
        match &self.last_resort {
            None => writer.u8(0),
            Some(LastResort { prekey, uses }) => {
                writer.u8(1);
                prekey.write(&mut writer);
                writer.varint(*uses);
            }
        }
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// What is wrong with the row.
    pub fn decode(value: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(value);
        let row = Self {
            taken_up_to: reader.u64()?,
            claimed_up_to: reader.u64()?,
            one_time: reader.varint()?,
            last_resort: match reader.u8()? {
                0 => None,
                1 => Some(LastResort {
                    prekey: Prekey::read(&mut reader)?,
                    uses: reader.varint()?,
                }),
                _ => return Err(DecodeError::FieldValueForbidden),
            },
        };
        reader.finish()?;
        Ok(row)
    }
}

#[cfg(test)]
mod tests {
    use martlet_protocol::{DeviceId, UserId};

    use super::*;

    const ADDRESS: Address = Address {
        user: UserId(9),
        device: DeviceId(2),
    };

    const PREKEY: Prekey = Prekey {
        id: 41,
        key: [1; 32],
        signature: [2; 64],
    };

    #[test]
    fn a_stock_reads_back_whole_or_not_at_all() {
        let last_resort = Some(LastResort {
            prekey: PREKEY,
            uses: 70,
        });
        let full = StockRow {
            taken_up_to: 1 << 40,
            claimed_up_to: 300,
            one_time: 100,
            last_resort,
        };
        for row in [StockRow::default(), full] {
            let mut value = BytesMut::new();
            row.encode(&mut value);
            assert_eq!(StockRow::decode(&value), Ok(row));
            for end in 0..value.len() {
                assert!(StockRow::decode(&value[..end]).is_err());
            }
        }
        assert_eq!(address_of(&key(ShardId(1), ADDRESS)), Some(ADDRESS));
    }

    #[test]
    fn a_one_time_key_reads_back_and_sorts_by_its_id() {
        let mut value = BytesMut::new();
        encode_one_time(&PREKEY, &mut value);
        assert_eq!(decode_one_time(41, &value), Ok(PREKEY));
        assert!(decode_one_time(41, &value[1..]).is_err());
        let at = |id| one_time_key(ShardId(1), ADDRESS, id);
        assert!(at(255) < at(256));
        assert!(at(u64::MAX)[..] < one_time_end(ShardId(1), ADDRESS)[..]);
        assert_eq!(one_time_of(&at(256)), Some((ADDRESS, 256)));
        assert_eq!(one_time_of(&at(256)[..13]), None);
    }
}
