//! The device list of an account: who its devices are, signed by the account's key.
//!
//! Versions of a list form a chain: each names the hash of the one before it, so that whoever has
//! seen two lists knows whether one grew out of the other. This crate writes and reads the bytes;
//! hashing and verifying are the caller's.

use bytes::{BufMut, BytesMut};

use crate::auth::{KEY_BYTES, SIGNATURE_BYTES};
use crate::error::DecodeError;
use crate::id::{DeviceId, Millis, UserId};
use crate::limits::{DEVICE_NAME_BYTES_MAX, DEVICES_MAX};
use crate::wire::{Element, List, Reader, Writer};

/// Bytes of a list's hash, SHA-256.
pub const HASH_BYTES: usize = 32;
/// `previous` of the first list.
pub const PREVIOUS_NONE: [u8; HASH_BYTES] = [0; HASH_BYTES];

const FORMAT: u8 = 1;
const SIGNED_CONTEXT: &[u8] = b"martlet devices v1\0";
const HASHED_CONTEXT: &[u8] = b"martlet list v1\0";

/// One device in a list. Wire: device u16 · signing_key 32 · identity_key 32 · proof 64 · name
/// bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedDevice<'a> {
    /// Its id.
    pub device: DeviceId,
    /// Its Ed25519 key, which AUTH uses.
    pub signing_key: [u8; KEY_BYTES],
    /// Its Curve25519 key, with which sessions begin.
    pub identity_key: [u8; KEY_BYTES],
    /// By the signing key over [`proof_message`](crate::auth::proof_message).
    pub proof: [u8; SIGNATURE_BYTES],
    /// Its name, sealed for the account's own devices.
    pub name: &'a [u8],
}

impl<'a> Element<'a> for ListedDevice<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            device: reader.device()?,
            signing_key: reader.array()?,
            identity_key: reader.array()?,
            proof: reader.array()?,
            name: reader.bytes(DEVICE_NAME_BYTES_MAX)?,
        })
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.device(self.device);
        writer.raw(&self.signing_key);
        writer.raw(&self.identity_key);
        writer.raw(&self.proof);
        writer.bytes(self.name);
    }
}

/// Wire: format u8 · user u64 · account_key 32 · version varint · previous 32 · issued_at u64 ·
/// next_device u16 · devices list · signature 64.
///
/// Each list has exactly one spelling, so encoding what was decoded gives the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceList<'a> {
    /// Whose devices.
    pub user: UserId,
    /// The account's Ed25519 key, which signs every list.
    pub account_key: [u8; KEY_BYTES],
    /// Counted from 1.
    pub version: u64,
    /// The hash of the list before, [`PREVIOUS_NONE`] for the first.
    pub previous: [u8; HASH_BYTES],
    /// When it was signed, by the signer's clock.
    pub issued_at: Millis,
    /// The id that the next new device will have; above every id that was ever listed.
    pub next_device: DeviceId,
    /// By ascending id; at least one.
    pub devices: List<'a, ListedDevice<'a>>,
    /// By the account key over [`signed_bytes`](Self::signed_bytes).
    pub signature: [u8; SIGNATURE_BYTES],
}

impl<'a> DeviceList<'a> {
    /// Reads a list; nothing may follow it.
    ///
    /// # Errors
    /// [`DecodeError::FieldValueForbidden`] for another format, version 0, and devices that are
    /// missing, not ascending, or not below `next_device`; or what is wrong with a field.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != FORMAT {
            return Err(DecodeError::FieldValueForbidden);
        }
        let list = Self {
            user: reader.user()?,
            account_key: reader.array()?,
            version: reader.varint()?,
            previous: reader.array()?,
            issued_at: reader.millis()?,
            next_device: reader.device()?,
            devices: reader.list(DEVICES_MAX)?,
            signature: reader.array()?,
        };
        reader.finish()?;
        let ids = list.devices.iter().map(|listed| listed.device);
        if list.version == 0 || list.devices.is_empty() || !ids.is_sorted_by(|a, b| a < b) {
            return Err(DecodeError::FieldValueForbidden);
        }
        if list.devices.iter().any(|it| it.device >= list.next_device) {
            return Err(DecodeError::FieldValueForbidden);
        }
        Ok(list)
    }

    /// Appends the list.
    pub fn encode(&self, out: &mut BytesMut) {
        self.encode_unsigned(out);
        out.put_slice(&self.signature);
    }

    /// What the account key signs. It does not depend on `signature`.
    #[must_use]
    pub fn signed_bytes(&self) -> Vec<u8> {
        self.behind(SIGNED_CONTEXT)
    }

    /// What the list's hash is of, which the next list names as `previous`. It does not depend on
    /// `signature`: an Ed25519 signature can be made in more than one way, a list's hash cannot.
    #[must_use]
    pub fn hashed_bytes(&self) -> Vec<u8> {
        self.behind(HASHED_CONTEXT)
    }

    /// The listed device with this id.
    #[must_use]
    pub fn device(&self, device: DeviceId) -> Option<ListedDevice<'a>> {
        self.devices.iter().find(|listed| listed.device == device)
    }

    fn behind(&self, context: &[u8]) -> Vec<u8> {
        let mut out = BytesMut::from(context);
        self.encode_unsigned(&mut out);
        out.to_vec()
    }

    fn encode_unsigned(&self, out: &mut BytesMut) {
        let mut writer = Writer::new(out);
        writer.u8(FORMAT);
        writer.user(self.user);
        writer.raw(&self.account_key);
        writer.varint(self.version);
        writer.raw(&self.previous);
        writer.millis(self.issued_at);
        writer.device(self.next_device);
        writer.list(&self.devices);
    }
}
