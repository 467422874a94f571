//! Account rows: a handle and the devices, and handle rows: who owns a name.
//!
//! ```text
//! account key   = prefix · user u64                                            (big-endian)
//! account value = next_device u16 · handle text · list · devices varint ·
//!                 devices × (device u16 · key 32 · epoch u64)               (little-endian)
//! list          = version varint · of a version above 0: hash 32 · account_key 32 · reset u8
//! handle key    = prefix · the handle's bytes
//! handle value  = user u64
//! ```

use bytes::BytesMut;
use martlet_protocol::auth::KEY_BYTES as PUBLIC_KEY_BYTES;
use martlet_protocol::device_list::HASH_BYTES;
use martlet_protocol::limits::{DEVICES_MAX, HANDLE_BYTES_MAX};
use martlet_protocol::wire::{Reader, Writer};
use martlet_protocol::{DecodeError, DeviceId, UserId};

use super::{KeyTag, key_prefix};
use crate::ShardId;

/// The key of an account.
pub fn key(shard: ShardId, user: UserId) -> [u8; 11] {
    let mut key = [0; 11];
    key[..3].copy_from_slice(&key_prefix(shard, KeyTag::Account));
    key[3..].copy_from_slice(&user.0.to_be_bytes());
    key
}

/// The account of a stored key.
pub fn user_of(key: &[u8]) -> Option<UserId> {
    let bytes = key.get(3..)?.first_chunk()?;
    (key.len() == 11).then(|| UserId(u64::from_be_bytes(*bytes)))
}

/// The key of a handle.
pub fn handle_key(shard: ShardId, handle: &str) -> Vec<u8> {
    [&key_prefix(shard, KeyTag::Handle)[..], handle.as_bytes()].concat()
}

/// The value of a handle row.
pub fn handle_value(user: UserId) -> [u8; 8] {
    user.0.to_le_bytes()
}

/// The account that a handle row names.
///
/// # Errors
/// What is wrong with the row.
pub fn handle_owner(value: &[u8]) -> Result<UserId, DecodeError> {
    let mut reader = Reader::new(value);
    let user = reader.user()?;
    reader.finish()?;
    Ok(user)
}

/// A stored account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// The account's name.
    pub handle: String,
    /// The id of the next device: ids are never used again.
    pub next_device: DeviceId,
    /// The newest device list, once there is one.
    pub list: Option<ListHead>,
    /// The devices, by ascending id.
    pub devices: Vec<DeviceRow>,
}

/// What the next device list must follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListHead {
    /// The newest list's version, from 1 on.
    pub version: u64,
    /// Its hash.
    pub hash: [u8; HASH_BYTES],
    /// The Ed25519 public key that signed it.
    pub account_key: [u8; PUBLIC_KEY_BYTES],
    /// The account has lost that key and started anew: the devices are others than those of the
    /// list, and the next list may have another key.
    pub is_reset: bool,
}

/// One device of a stored account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceRow {
    /// Its id.
    pub device: DeviceId,
    /// Its Ed25519 public key.
    pub key: [u8; PUBLIC_KEY_BYTES],
    /// The identity of its stream's history.
    pub epoch: u64,
}

impl AccountRow {
    /// Appends the stored value.
    pub fn encode(&self, out: &mut BytesMut) {
        let mut writer = Writer::new(out);
        writer.u16(self.next_device.0);
        writer.text(&self.handle);
        match &self.list {
            None => writer.varint(0),
            Some(head) => head.encode(&mut writer),
        }
        writer.varint(self.devices.len() as u64);
        for device in &self.devices {
            writer.device(device.device);
            writer.raw(&device.key);
            writer.u64(device.epoch);
        }
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// What is wrong with the row.
    pub fn decode(value: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(value);
        let next_device = DeviceId(reader.u16()?);
        let handle = reader.text(HANDLE_BYTES_MAX)?.to_owned();
        let list = ListHead::decode(&mut reader)?;
        let count = reader.varint()?;
        if count > DEVICES_MAX as u64 {
            return Err(DecodeError::FieldTooLong);
        }
        let devices = (0..count)
            .map(|_| {
                Ok(DeviceRow {
                    device: reader.device()?,
                    key: reader.array()?,
                    epoch: reader.u64()?,
                })
            })
            .collect::<Result<_, _>>()?;
        reader.finish()?;
        Ok(Self {
            handle,
            next_device,
            list,
            devices,
        })
    }
}

impl ListHead {
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.varint(self.version);
        writer.raw(&self.hash);
        writer.raw(&self.account_key);
        writer.flag(self.is_reset);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Option<Self>, DecodeError> {
        let version = reader.varint()?;
        if version == 0 {
            return Ok(None);
        }
        Ok(Some(Self {
            version,
            hash: reader.array()?,
            account_key: reader.array()?,
            is_reset: reader.flag()?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(list: Option<ListHead>) -> AccountRow {
        let device = DeviceRow {
            device: DeviceId(1),
            key: [7; 32],
            epoch: 99,
        };
        AccountRow {
            handle: "ann".into(),
            next_device: DeviceId(2),
            list,
            devices: vec![device],
        }
    }

    #[test]
    fn an_account_reads_back_whole_or_not_at_all() {
        let head = ListHead {
            version: 300,
            hash: [5; 32],
            account_key: [6; 32],
            is_reset: false,
        };
        let reset = ListHead {
            is_reset: true,
            ..head
        };
        for row in [row(None), row(Some(head)), row(Some(reset))] {
            let mut value = BytesMut::new();
            row.encode(&mut value);
            assert_eq!(AccountRow::decode(&value), Ok(row));
            for end in 0..value.len() {
                assert!(AccountRow::decode(&value[..end]).is_err());
            }
        }
        assert_eq!(user_of(&key(ShardId(1), UserId(8))), Some(UserId(8)));
    }

    #[test]
    fn an_account_without_a_list_pays_one_byte_for_it() {
        let mut value = BytesMut::new();
        row(None).encode(&mut value);
        assert_eq!(value.len(), 2 + 4 + 1 + 1 + (2 + 32 + 8));
    }
}
