//! UPLOAD and STOCK, CLAIM and BUNDLES: keys with which a session begins while a device is away.

pub use crate::auth::PrekeyKind;
use crate::auth::{KEY_BYTES, SIGNATURE_BYTES};
use crate::error::DecodeError;
use crate::id::{DeviceId, UserId};
use crate::limits::{DEVICES_MAX, PREKEYS_MAX};
use crate::wire::{Element, List, Reader, Writer};

/// Wire: id u64 · key 32 · signature 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prekey {
    /// The device's own number for it, counted from 1 for each kind.
    pub id: u64,
    /// A Curve25519 public key.
    pub key: [u8; KEY_BYTES],
    /// Over [`prekey_message`](crate::auth::prekey_message).
    pub signature: [u8; SIGNATURE_BYTES],
}

impl Element<'_> for Prekey {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            id: reader.u64()?,
            key: reader.array()?,
            signature: reader.array()?,
        })
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.u64(self.id);
        writer.raw(&self.key);
        writer.raw(&self.signature);
    }
}

/// Wire: request varint · last_resort list · one_time list.
///
/// Repeating it changes nothing: the server knows which ids it has ever taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload<'a> {
    /// Comes back in the answer.
    pub request: u64,
    /// Replaces the one that the server has, when its id is higher.
    pub last_resort: Option<Prekey>,
    /// By ascending id.
    pub one_time: List<'a, Prekey>,
}

impl<'a> Upload<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            request: reader.varint()?,
            last_resort: reader.list(1)?.iter().next(),
            one_time: reader.list(PREKEYS_MAX)?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.varint(self.request);
        writer.list(&List::Slice(self.last_resort.as_slice()));
        writer.list(&self.one_time);
    }
}

/// Wire: request varint · one_time varint · last_resort u64 · last_resort_uses varint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stock {
    /// The UPLOAD's number, or 0 when the server speaks first because keys run out.
    pub request: u64,
    /// How many one-time keys are left.
    pub one_time: u64,
    /// The last-resort key's id, 0 when there is none.
    pub last_resort: u64,
    /// How often the last-resort key was handed out.
    pub last_resort_uses: u64,
}

impl Stock {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            request: reader.varint()?,
            one_time: reader.varint()?,
            last_resort: reader.u64()?,
            last_resort_uses: reader.varint()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.varint(self.request);
        writer.varint(self.one_time);
        writer.u64(self.last_resort);
        writer.varint(self.last_resort_uses);
    }
}

/// Wire: request varint · user u64 · devices list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim<'a> {
    /// Comes back in the answer.
    pub request: u64,
    /// Whose keys.
    pub user: UserId,
    /// For which devices of that account.
    pub devices: List<'a, DeviceId>,
}

impl<'a> Claim<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            request: reader.varint()?,
            user: reader.user()?,
            devices: reader.list(DEVICES_MAX)?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.varint(self.request);
        writer.user(self.user);
        writer.list(&self.devices);
    }
}

/// Wire: device u16 · kind u8 · prekey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// Whose key it is.
    pub device: DeviceId,
    /// Whether it was handed out before.
    pub kind: PrekeyKind,
    /// The key.
    pub prekey: Prekey,
}

impl Element<'_> for Bundle {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            device: reader.device()?,
            kind: PrekeyKind(reader.u8()?),
            prekey: Prekey::read(reader)?,
        })
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.device(self.device);
        writer.u8(self.kind.0);
        self.prekey.write(writer);
    }
}

/// Wire: request varint · user u64 · bundles list. Devices without any key are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundles<'a> {
    /// The CLAIM's number.
    pub request: u64,
    /// Whose keys.
    pub user: UserId,
    /// In the order of the CLAIM.
    pub bundles: List<'a, Bundle>,
}

impl<'a> Bundles<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            request: reader.varint()?,
            user: reader.user()?,
            bundles: reader.list(DEVICES_MAX)?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.varint(self.request);
        writer.user(self.user);
        writer.list(&self.bundles);
    }
}
