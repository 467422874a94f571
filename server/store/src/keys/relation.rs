//! What an account says about others: settings, relations, and when it was last seen.
//!
//! ```text
//! person key     = prefix · user u64                                           (big-endian)
//! person value   = presence u8 · read_receipts u8 · strangers u8 ·
//!                  contacts varint · blocked varint                         (little-endian)
//! relation key   = prefix · owner u64 · peer u64
//! relation value = relation u8 · hushed u8 · delivered u64 · read u64
//! seen key       = prefix · user u64
//! seen value     = millis u64
//! ```
//! An account that never said anything has no row.

use bytes::BytesMut;
use martlet_protocol::frame::{AccountSettings, Relation};
use martlet_protocol::wire::{Reader, Writer};
use martlet_protocol::{DecodeError, Millis, Timestamp, UserId};

use super::{KeyTag, key_prefix};
use crate::ShardId;

/// The key of an account's settings.
pub fn person_key(shard: ShardId, user: UserId) -> [u8; 11] {
    user_key(shard, KeyTag::Person, user)
}

/// The key of when an account was last seen.
pub fn seen_key(shard: ShardId, user: UserId) -> [u8; 11] {
    user_key(shard, KeyTag::LastSeen, user)
}

fn user_key(shard: ShardId, tag: KeyTag, user: UserId) -> [u8; 11] {
    let mut key = [0; 11];
    key[..3].copy_from_slice(&key_prefix(shard, tag));
    key[3..].copy_from_slice(&user.0.to_be_bytes());
    key
}

/// The account of a stored key of its settings.
pub fn user_of(key: &[u8]) -> Option<UserId> {
    let bytes = key.get(3..)?.first_chunk()?;
    (key.len() == 11).then(|| UserId(u64::from_be_bytes(*bytes)))
}

/// The key of what `peer` is to `owner`.
pub fn key(shard: ShardId, owner: UserId, peer: UserId) -> [u8; 19] {
    let mut key = [0; 19];
    key[..3].copy_from_slice(&key_prefix(shard, KeyTag::Relation));
    key[3..11].copy_from_slice(&owner.0.to_be_bytes());
    key[11..].copy_from_slice(&peer.0.to_be_bytes());
    key
}

/// Owner and peer of a stored relation key.
pub fn pair_of(key: &[u8]) -> Option<(UserId, UserId)> {
    let (owner, rest) = key.get(3..)?.split_first_chunk::<8>()?;
    let peer: &[u8; 8] = rest.try_into().ok()?;
    Some((
        UserId(u64::from_be_bytes(*owner)),
        UserId(u64::from_be_bytes(*peer)),
    ))
}

/// An account's settings, and how many relations it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PersonRow {
    /// What it lets others know.
    pub settings: AccountSettings,
    /// How many contacts it has.
    pub contacts: u64,
    /// How many accounts it has blocked: who has blocked nobody need not look.
    pub blocked: u64,
}

impl PersonRow {
    /// Appends the stored value.
    pub fn encode(&self, out: &mut BytesMut) {
        let mut writer = Writer::new(out);
        self.settings.encode(&mut writer);
        writer.varint(self.contacts);
        writer.varint(self.blocked);
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// What is wrong with the row.
    pub fn decode(value: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(value);
        let row = Self {
            settings: AccountSettings::decode(&mut reader)?,
            contacts: reader.varint()?,
            blocked: reader.varint()?,
        };
        reader.finish()?;
        if row.settings.is_known() {
            Ok(row)
        } else {
            Err(DecodeError::FieldValueForbidden)
        }
    }
}

/// What one account is to another one, and what it was told last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelationRow {
    /// What it is.
    pub relation: Relation,
    /// From when on it has been told no receipts, if it has not.
    pub hushed: Option<Marks>,
}

/// How far an account has been told what became of its messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// No message behind this one was told as DELIVERED.
    pub delivered: Timestamp,
    /// No message behind this one was told as READ.
    pub read: Timestamp,
}

impl RelationRow {
    /// Somebody of whom there is no row.
    pub const STRANGER: Self = Self {
        relation: Relation::NONE,
        hushed: None,
    };

    /// Appends the stored value.
    pub fn encode(&self, out: &mut BytesMut) {
        let mut writer = Writer::new(out);
        writer.u8(self.relation.0);
        writer.flag(self.hushed.is_some());
        let marks = self.hushed.unwrap_or_default();
        writer.timestamp(marks.delivered);
        writer.timestamp(marks.read);
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// What is wrong with the row.
    pub fn decode(value: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(value);
        let (relation, is_hushed) = (Relation(reader.u8()?), reader.flag()?);
        let marks = Marks {
            delivered: reader.timestamp()?,
            read: reader.timestamp()?,
        };
        reader.finish()?;
        if !relation.is_known() {
            return Err(DecodeError::FieldValueForbidden);
        }
        Ok(Self {
            relation,
            hushed: is_hushed.then_some(marks),
        })
    }
}

/// Reads when an account was last seen.
///
/// # Errors
/// What is wrong with the row.
pub fn seen_at(value: &[u8]) -> Result<Millis, DecodeError> {
    let mut reader = Reader::new(value);
    let millis = reader.millis()?;
    reader.finish()?;
    Ok(millis)
}

#[cfg(test)]
mod tests {
    use martlet_protocol::frame::{Strangers, Visibility};

    use super::*;

    #[test]
    fn a_person_reads_back_whole_or_not_at_all() {
        let row = PersonRow {
            settings: AccountSettings {
                presence: Visibility::CONTACTS,
                read_receipts: false,
                strangers: Strangers::AS_REQUESTS,
            },
            contacts: 300,
            blocked: 2,
        };
        let mut value = BytesMut::new();
        row.encode(&mut value);
        assert_eq!(PersonRow::decode(&value), Ok(row));
        for end in 0..value.len() {
            assert!(PersonRow::decode(&value[..end]).is_err());
        }
        value[0] = 4;
        assert!(
            PersonRow::decode(&value).is_err(),
            "nobody can have said so"
        );
    }

    #[test]
    fn a_relation_reads_back_with_and_without_marks() {
        let marks = Marks {
            delivered: Timestamp(9),
            read: Timestamp(8),
        };
        for hushed in [None, Some(marks)] {
            let row = RelationRow {
                relation: Relation::BLOCKED,
                hushed,
            };
            let mut value = BytesMut::new();
            row.encode(&mut value);
            assert_eq!(RelationRow::decode(&value), Ok(row));
            assert!(RelationRow::decode(&value[1..]).is_err());
        }
        let key = key(ShardId(1), UserId(5), UserId(6));
        assert_eq!(pair_of(&key), Some((UserId(5), UserId(6))));
        assert_eq!(user_of(&person_key(ShardId(1), UserId(5))), Some(UserId(5)));
    }
}
