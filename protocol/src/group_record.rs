//! A record of a group: one change of its members, rights or info, signed by who makes it.
//!
//! Records of a group form a chain: each names the hash of the one before it, so that whoever has
//! seen two records knows whether one grew out of the other. This crate writes and reads the
//! bytes; hashing and verifying are the caller's.

use std::collections::BTreeMap;

use bytes::{BufMut, BytesMut};

use crate::auth::SIGNATURE_BYTES;
use crate::device_list::HASH_BYTES;
use crate::error::DecodeError;
use crate::id::{Address, GroupId, Millis, UserId};
use crate::limits::GROUP_CHANGES_MAX;
use crate::wire::{Element, List, Reader, Writer};

/// `info_hash` of a group without any info.
pub const INFO_NONE: [u8; HASH_BYTES] = [0; HASH_BYTES];

const FORMAT: u8 = 1;
const SIGNED_CONTEXT: &[u8] = b"martlet group v1\0";
const HASHED_CONTEXT: &[u8] = b"martlet record v1\0";
const MEMBERS_CONTEXT: &[u8] = b"martlet members v1\0";

/// What an account is in a group. Roles are ordered by what they may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Role(pub u8);

impl Role {
    /// Not a member, or not any more.
    pub const NONE: Self = Self(0);
    /// A member with the rights that the group gives to all.
    pub const MEMBER: Self = Self(1);
    /// May add and remove members and change rights.
    pub const ADMIN: Self = Self(2);
    /// May do everything.
    pub const OWNER: Self = Self(3);

    /// Whether this is one of the roles version 1 knows.
    #[must_use]
    pub const fn is_known(self) -> bool {
        self.0 <= Self::OWNER.0
    }
}

/// Who has a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Right(pub u8);

impl Right {
    /// Every member.
    pub const MEMBERS: Self = Self(1);
    /// Admins and owners.
    pub const ADMINS: Self = Self(2);

    /// Whether an account of this role has it.
    #[must_use]
    pub fn allows(self, role: Role) -> bool {
        match self {
            Self::MEMBERS => role >= Role::MEMBER,
            Self::ADMINS => role >= Role::ADMIN,
            _ => false,
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match Self(reader.u8()?) {
            right @ (Self::MEMBERS | Self::ADMINS) => Ok(right),
            _ => Err(DecodeError::FieldValueForbidden),
        }
    }
}

/// Who may do what in a group. Wire: add u8 · send u8 · change u8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupRights {
    /// Who may add members.
    pub add: Right,
    /// Who may send messages.
    pub send: Right,
    /// Who may change the group's info.
    pub change: Right,
}

impl GroupRights {
    /// Reads the three bytes.
    ///
    /// # Errors
    /// [`DecodeError::FieldValueForbidden`] for a right that this version does not know.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            add: Right::read(reader)?,
            send: Right::read(reader)?,
            change: Right::read(reader)?,
        })
    }

    /// Appends the three bytes.
    pub fn write(self, writer: &mut Writer<'_>) {
        writer.u8(self.add.0);
        writer.u8(self.send.0);
        writer.u8(self.change.0);
    }
}

/// What becomes of an account by a record. Wire: user u64 · role u8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleChange {
    /// Who.
    pub user: UserId,
    /// What it is from then on; [`Role::NONE`] removes it.
    pub role: Role,
}

impl Element<'_> for RoleChange {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let change = Self {
            user: reader.user()?,
            role: Role(reader.u8()?),
        };
        if change.role.is_known() {
            Ok(change)
        } else {
            Err(DecodeError::FieldValueForbidden)
        }
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.user(self.user);
        writer.u8(self.role.0);
    }
}

/// Wire: format u8 · group u64 · version varint · previous 32 · issued_at u64 · actor u64 ·
/// actor_device u16 · actor_list varint · rights 3 × u8 · info_hash 32 · changes list ·
/// members_hash 32 · signature 64.
///
/// Each record has exactly one spelling, so encoding what was decoded gives the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRecord<'a> {
    /// Which group.
    pub group: GroupId,
    /// Counted from 1.
    pub version: u64,
    /// The hash of the record before,
    /// [`PREVIOUS_NONE`](crate::device_list::PREVIOUS_NONE) for the first.
    pub previous: [u8; HASH_BYTES],
    /// When it was signed, by the signer's clock.
    pub issued_at: Millis,
    /// Who changes the group, and on which device.
    pub actor: Address,
    /// The version of the actor's device list that names this device.
    pub actor_list: u64,
    /// Who may do what from then on.
    pub rights: GroupRights,
    /// The hash of the group's info, as members send it to each other; [`INFO_NONE`] without one.
    pub info_hash: [u8; HASH_BYTES],
    /// Who is added, changed or removed, by ascending user.
    pub changes: List<'a, RoleChange>,
    /// The hash of [`members_bytes`] of all who are members then.
    pub members_hash: [u8; HASH_BYTES],
    /// By the signing key of the actor's device over [`signed_bytes`](Self::signed_bytes).
    pub signature: [u8; SIGNATURE_BYTES],
}

impl<'a> GroupRecord<'a> {
    /// Reads a record; nothing may follow it.
    ///
    /// # Errors
    /// [`DecodeError::FieldValueForbidden`] for another format, version 0, list version 0, a right
    /// or a role that this version does not know, and changes that do not ascend; or what is wrong
    /// with a field.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != FORMAT {
            return Err(DecodeError::FieldValueForbidden);
        }
        let record = Self {
            group: reader.group()?,
            version: reader.varint()?,
            previous: reader.array()?,
            issued_at: reader.millis()?,
            actor: reader.address()?,
            actor_list: reader.varint()?,
            rights: GroupRights::read(&mut reader)?,
            info_hash: reader.array()?,
            changes: reader.list(GROUP_CHANGES_MAX)?,
            members_hash: reader.array()?,
            signature: reader.array()?,
        };
        reader.finish()?;
        let users = record.changes.iter().map(|change| change.user);
        if record.version == 0 || record.actor_list == 0 || !users.is_sorted_by(|a, b| a < b) {
            return Err(DecodeError::FieldValueForbidden);
        }
        Ok(record)
    }

    /// Appends the record.
    pub fn encode(&self, out: &mut BytesMut) {
        self.encode_unsigned(out);
        out.put_slice(&self.signature);
    }

    /// What the actor's device signs. It does not depend on `signature`.
    #[must_use]
    pub fn signed_bytes(&self) -> Vec<u8> {
        self.behind(SIGNED_CONTEXT)
    }

    /// What the record's hash is of, which the next record names as `previous`. It does not depend
    /// on `signature`, for the reason that a device list's does not.
    #[must_use]
    pub fn hashed_bytes(&self) -> Vec<u8> {
        self.behind(HASHED_CONTEXT)
    }

    fn behind(&self, context: &[u8]) -> Vec<u8> {
        let mut out = BytesMut::from(context);
        self.encode_unsigned(&mut out);
        out.to_vec()
    }

    fn encode_unsigned(&self, out: &mut BytesMut) {
        let mut writer = Writer::new(out);
        writer.u8(FORMAT);
        writer.group(self.group);
        writer.varint(self.version);
        writer.raw(&self.previous);
        writer.millis(self.issued_at);
        writer.address(self.actor);
        writer.varint(self.actor_list);
        self.rights.write(&mut writer);
        writer.raw(&self.info_hash);
        writer.list(&self.changes);
        writer.raw(&self.members_hash);
    }
}

/// What `members_hash` is of: every member and its role, by ascending user.
#[must_use]
pub fn members_bytes(members: &BTreeMap<UserId, Role>) -> Vec<u8> {
    let mut out = BytesMut::from(MEMBERS_CONTEXT);
    let mut writer = Writer::new(&mut out);
    writer.u32(u32::try_from(members.len()).unwrap_or(u32::MAX));
    for (user, role) in members {
        writer.user(*user);
        writer.u8(role.0);
    }
    out.to_vec()
}
