//! Membership rows at the shard of the members: which of its accounts are in which group.
//!
//! ```text
//! local group key   = prefix · group u64                                        (big-endian)
//! local group value = mode u8
//! local member key  = prefix · group u64 · user u64
//! local member value = joined varint                                         (little-endian)
//! user group key    = prefix · user u64 · group u64 · value empty
//! ```

use bytes::BytesMut;
use martlet_protocol::frame::GroupMode;
use martlet_protocol::wire::{Reader, Writer};
use martlet_protocol::{DecodeError, GroupId, UserId};

use super::group::numbered_key;
use super::{KeyTag, key_prefix};
use crate::ShardId;

/// The key of what a shard with members knows of a group.
pub fn local_key(shard: ShardId, group: GroupId) -> [u8; 11] {
    let mut key = [0; 11];
    key[..3].copy_from_slice(&key_prefix(shard, KeyTag::LocalGroup));
    key[3..].copy_from_slice(&group.0.to_be_bytes());
    key
}

/// The value of such a row.
pub const fn local_value(mode: GroupMode) -> [u8; 1] {
    [mode.0]
}

/// How the group's messages reach the members.
///
/// # Errors
/// What is wrong with the row.
pub fn mode_of(value: &[u8]) -> Result<GroupMode, DecodeError> {
    let mut reader = Reader::new(value);
    let mode = GroupMode(reader.u8()?);
    reader.finish()?;
    Ok(mode)
}

/// The key of a member at its own shard.
pub fn member_key(shard: ShardId, group: GroupId, user: UserId) -> [u8; 19] {
    numbered_key(shard, KeyTag::LocalMember, group, user.0)
}

/// Appends the value of a member: the sequence of the record by which it joined.
pub fn encode_joined(joined: u64, out: &mut BytesMut) {
    Writer::new(out).varint(joined);
}

/// The sequence of the record by which a member joined.
///
/// # Errors
/// What is wrong with the row.
pub fn joined_of(value: &[u8]) -> Result<u64, DecodeError> {
    let mut reader = Reader::new(value);
    let joined = reader.varint()?;
    reader.finish()?;
    Ok(joined)
}

/// The key that lists a group among those of an account.
pub fn user_group_key(shard: ShardId, user: UserId, group: GroupId) -> [u8; 19] {
    let mut key = [0; 19];
    key[..3].copy_from_slice(&key_prefix(shard, KeyTag::UserGroup));
    key[3..11].copy_from_slice(&user.0.to_be_bytes());
    key[11..].copy_from_slice(&group.0.to_be_bytes());
    key
}

/// The group of a stored key of [`user_group_key`].
pub fn group_of(key: &[u8]) -> Option<GroupId> {
    let bytes: &[u8; 8] = key.get(11..)?.try_into().ok()?;
    Some(GroupId(u64::from_be_bytes(*bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memberships_read_back() {
        let mut value = BytesMut::new();
        encode_joined(70, &mut value);
        assert_eq!(joined_of(&value), Ok(70));
        assert_eq!(
            mode_of(&local_value(GroupMode::STREAM)),
            Ok(GroupMode::STREAM)
        );
        let key = user_group_key(ShardId(1), UserId(2), GroupId(3));
        assert_eq!(group_of(&key), Some(GroupId(3)));
        assert_eq!(group_of(&key[..12]), None);
    }
}
