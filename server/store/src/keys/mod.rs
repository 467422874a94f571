//! The persisted key tags, their column families, and the prefix that every key starts with.
//!
//! ```text
//! key = shard u16 · tag u8 · fields of the tag, fixed width, big-endian
//! ```
//!
//! Big-endian, so that byte order is numeric order; the shard first, so that a shard's rows are
//! neighbours; the tag second, so that each family of rows is one contiguous range.

use crate::ShardId;

pub mod account;
pub mod commit;
pub mod cursor;
pub mod device_list;
pub mod group;
pub mod group_log;
pub mod inbox;
pub mod membership;
pub mod message;
pub mod prekey;
pub mod relation;
pub mod relay;

/// Bytes of the part that all keys share: shard and tag.
pub const PREFIX_BYTES: usize = 3;

/// What a row is. The number is persisted: it never changes and is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum KeyTag {
    /// A stream item waiting for a device.
    Inbox = 1,
    /// An item waiting for another shard.
    Outbox = 2,
    /// An entry of a group's log.
    GroupLog = 3,
    /// An account and its devices.
    Account = 16,
    /// A handle and the account that owns it.
    Handle = 17,
    /// How far a device has acknowledged its inbox.
    Cursor = 18,
    /// Where a message went, and its payload hash: the idempotency record.
    Message = 19,
    /// How far a reader has read a conversation.
    ReadMark = 20,
    /// When a message with a short life ends, in time order.
    Expiry = 21,
    /// How often a device has refused a stream item.
    Refusal = 22,
    /// A message that was set aside after too many refusals.
    Held = 23,
    /// A message that ended at one device and waits for another: outside the watermarks.
    Partial = 24,
    /// The newest outbox sequence applied from another shard.
    Applied = 25,
    /// The newest time that a shard has given out.
    Clock = 26,
    /// A message whose own copies are placed.
    Copied = 27,
    /// A version of an account's device list.
    DeviceList = 28,
    /// What a device has left of its prekeys, and its last-resort key.
    DeviceKeys = 29,
    /// A one-time prekey that nobody has claimed.
    OneTimeKey = 30,
    /// A group, at its home.
    Group = 31,
    /// A signed change of a group.
    GroupRecord = 32,
    /// A member of a group, at the group's home.
    GroupMember = 33,
    /// What a message to a group was answered.
    GroupMessage = 34,
    /// What a shard with members knows of a group.
    LocalGroup = 35,
    /// A member of a group, at its own shard.
    LocalMember = 36,
    /// A group of an account.
    UserGroup = 37,
    /// How far a device has acknowledged a group's own stream.
    GroupCursor = 38,
    /// What an account lets others know, and how many relations it has.
    Person = 40,
    /// What one account is to another one.
    Relation = 41,
    /// When an account was last seen.
    LastSeen = 42,
    /// The store's ring of commits.
    Commit = 64,
}

impl KeyTag {
    /// All tags, in the order of their numbers.
    pub const ALL: [Self; 30] = [
        Self::Inbox,
        Self::Outbox,
        Self::GroupLog,
        Self::Account,
        Self::Handle,
        Self::Cursor,
        Self::Message,
        Self::ReadMark,
        Self::Expiry,
        Self::Refusal,
        Self::Held,
        Self::Partial,
        Self::Applied,
        Self::Clock,
        Self::Copied,
        Self::DeviceList,
        Self::DeviceKeys,
        Self::OneTimeKey,
        Self::Group,
        Self::GroupRecord,
        Self::GroupMember,
        Self::GroupMessage,
        Self::LocalGroup,
        Self::LocalMember,
        Self::UserGroup,
        Self::GroupCursor,
        Self::Person,
        Self::Relation,
        Self::LastSeen,
        Self::Commit,
    ];

    /// The tag with this number, if it is known.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|tag| tag.number() == number)
    }

    /// The tag of a stored key, if it is long enough to have one and the tag is known.
    pub fn of(key: &[u8]) -> Option<Self> {
        key.get(PREFIX_BYTES - 1)
            .copied()
            .and_then(Self::from_number)
    }

    /// The persisted number.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The column family that holds such rows.
    pub const fn family(self) -> Family {
        match self {
            Self::Inbox | Self::Outbox | Self::GroupLog => Family::Queue,
            Self::Account
            | Self::Handle
            | Self::Cursor
            | Self::Message
            | Self::ReadMark
            | Self::Expiry
            | Self::Refusal
            | Self::Held
            | Self::Partial
            | Self::Applied
            | Self::Clock
            | Self::Copied
            | Self::DeviceList
            | Self::DeviceKeys
            | Self::OneTimeKey
            | Self::Group
            | Self::GroupRecord
            | Self::GroupMember
            | Self::GroupMessage
            | Self::LocalGroup
            | Self::LocalMember
            | Self::UserGroup
            | Self::GroupCursor
            | Self::Person
            | Self::Relation
            | Self::LastSeen
            | Self::Commit => Family::State,
        }
    }
}

/// A column family: rows with one pattern of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Rows that are appended in order, read in pages and removed from the front by range.
    Queue,
    /// Rows that are read one by one and may be rewritten.
    State,
}

/// The first bytes of every key of `tag` in `shard`.
pub fn key_prefix(shard: ShardId, tag: KeyTag) -> [u8; PREFIX_BYTES] {
    let [high, low] = shard.0.to_be_bytes();
    [high, low, tag.number()]
}

/// The first key behind every key of `tag` in `shard`: the end of a range over all of them.
pub fn key_prefix_end(shard: ShardId, tag: KeyTag) -> [u8; PREFIX_BYTES] {
    let [high, low] = shard.0.to_be_bytes();
    [high, low, tag.number() + 1]
}

/// The shard of a stored key, if it is long enough to have one.
pub fn shard_of(key: &[u8]) -> Option<ShardId> {
    key.first_chunk()
        .map(|bytes| ShardId(u16::from_be_bytes(*bytes)))
}

/// The column family of a key that this process made.
///
/// # Panics
/// When the key has no known tag: a row in the wrong family would never be found again.
pub fn family_of(key: &[u8]) -> Family {
    assert!(
        KeyTag::of(key).is_some(),
        "a key without a known tag: {key:02x?}"
    );
    KeyTag::of(key).map_or(Family::State, KeyTag::family)
}

/// Asserts that `from..to` is a range of one tag of one shard, which is all that a store serves.
pub(crate) fn assert_range(from: &[u8], to: &[u8]) {
    assert!(
        from <= to,
        "a range that ends before it starts: {from:02x?}..{to:02x?}"
    );
    let tag = KeyTag::of(from);
    let shard = shard_of(from);
    let end = tag
        .zip(shard)
        .map(|(tag, shard)| key_prefix_end(shard, tag));
    assert!(
        end.is_some_and(|end| to <= end.as_slice()),
        "a range over more than one tag: {from:02x?}..{to:02x?}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn persisted_tags_keep_their_numbers() {
        let numbers = KeyTag::ALL.map(KeyTag::number);
        assert_eq!(
            numbers,
            [
                1, 2, 3, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33,
                34, 35, 36, 37, 38, 40, 41, 42, 64
            ]
        );
        for tag in KeyTag::ALL {
            assert_eq!(KeyTag::from_number(tag.number()), Some(tag));
        }
        assert_eq!(KeyTag::from_number(0), None);
    }

    #[test]
    fn a_key_tells_its_shard_tag_and_family() {
        let key = key_prefix(ShardId(0x0102), KeyTag::Outbox);
        assert_eq!(key, [1, 2, 2]);
        assert_eq!(shard_of(&key), Some(ShardId(0x0102)));
        assert_eq!(KeyTag::of(&key), Some(KeyTag::Outbox));
        assert_eq!(family_of(&key), Family::Queue);
        assert_eq!(
            family_of(&key_prefix(ShardId(0), KeyTag::Message)),
            Family::State
        );
        assert_eq!(KeyTag::of(&key[..2]), None);
    }

    #[test]
    fn a_range_may_end_where_its_tag_ends() {
        let from = key_prefix(ShardId(7), KeyTag::Inbox);
        assert_range(&from, &key_prefix_end(ShardId(7), KeyTag::Inbox));
    }

    #[test]
    #[should_panic(expected = "more than one tag")]
    fn a_range_over_two_tags_is_a_programming_error() {
        let from = key_prefix(ShardId(7), KeyTag::Inbox);
        assert_range(&from, &key_prefix_end(ShardId(7), KeyTag::Outbox));
    }
}
