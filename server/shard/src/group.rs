//! A group in memory: at its home, and at a shard that has members of it.

use std::collections::{BTreeMap, BTreeSet};

use martlet_protocol::frame::{GroupEvent, GroupMode};
use martlet_protocol::group_record::Role;
use martlet_protocol::wire::Reader;
use martlet_protocol::{GroupId, Position, UserId};
use martlet_store::keys::group::{self, GroupRow, MemberRow};
use martlet_store::keys::group_log::{self, LogRow};
use martlet_store::keys::{group as rows, membership};
use martlet_store::{ShardId, View};

use crate::limits::AUTHORS_MAX;
use crate::topology::Topology;

/// A group at its home.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) row: GroupRow,
    /// The members of now.
    pub(crate) members: BTreeMap<UserId, MemberRow>,
    /// The newest place in the log.
    pub(crate) newest: u64,
    /// Who wrote the newest messages, by their places. The rest is read from the log.
    authors: BTreeMap<u64, UserId>,
}

/// What a shard knows of a group that has members among its accounts.
#[derive(Debug)]
pub(crate) struct LocalGroup {
    pub(crate) mode: GroupMode,
    pub(crate) members: BTreeMap<UserId, LocalMember>,
}

/// A member at its own shard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalMember {
    /// What its devices have acknowledged, as far as this was seen since the start; it begins with
    /// the record by which the member joined.
    pub(crate) delivered: u64,
}

impl Group {
    /// A group without members, records or entries.
    pub(crate) const fn new(row: GroupRow) -> Self {
        Self {
            row,
            members: BTreeMap::new(),
            newest: 0,
            authors: BTreeMap::new(),
        }
    }

    /// Reads a group with its members.
    pub(crate) fn load(shard: ShardId, group: GroupId, view: &dyn View) -> Option<Self> {
        let value = view.get(&rows::key(shard, group))?;
        let row = GroupRow::decode(&value).expect("a group row is ours");
        let first = group::member_key(shard, group, UserId(0));
        let last = group::member_key(shard, group, UserId(u64::MAX));
        let members = view.scan(&first, &last, usize::MAX, usize::MAX);
        let members = members.into_iter().map(|(key, value)| {
            let user = group::member_of(&key).expect("a member key holds an account");
            (
                user,
                MemberRow::decode(&value).expect("a member row is ours"),
            )
        });
        let first = group_log::key(shard, group, 0);
        let last = group_log::key(shard, group, u64::MAX);
        let newest = view.last(&first, &last).map_or(0, |(key, _)| {
            let (_, sequence) = group_log::place_of(&key).expect("a log key holds a place");
            sequence
        });
        Some(Self {
            row,
            members: members.filter(|(_, row)| row.role != Role::NONE).collect(),
            newest,
            authors: BTreeMap::new(),
        })
    }

    /// The shards that have a member.
    pub(crate) fn shards(&self, topology: &Topology) -> BTreeSet<ShardId> {
        let members = self.members.keys();
        members.map(|user| topology.shard_of_user(*user)).collect()
    }

    /// Notes who wrote the message at a place.
    pub(crate) fn note_author(&mut self, sequence: u64, author: UserId) {
        self.authors.insert(sequence, author);
        if self.authors.len() > AUTHORS_MAX {
            self.authors.pop_first();
        }
    }

    /// Who wrote the messages at `from + 1 ..= to`, each of them once.
    pub(crate) fn authors(
        &self,
        shard: ShardId,
        group: GroupId,
        view: &dyn View,
        (from, to): (u64, u64),
    ) -> BTreeSet<UserId> {
        let known = self.authors.keys().next().copied();
        let known_from = known.unwrap_or(self.newest + 1);
        let remembered = self.authors.range(from + 1..=to);
        let mut authors: BTreeSet<_> = remembered.map(|(_, author)| *author).collect();
        if from + 1 < known_from {
            let first = group_log::key(shard, group, from + 1);
            let behind = group_log::key(shard, group, (to + 1).min(known_from));
            let stored = view.scan(&first, &behind, usize::MAX, usize::MAX);
            authors.extend(stored.iter().filter_map(|(_, value)| {
                let row = LogRow::decode(value).expect("a log row is ours");
                let entry = entry_of(&row);
                entry.message_id.and(entry.author).map(|author| author.user)
            }));
        }
        authors
    }
}

impl LocalMember {
    /// A member since the record at `joined`.
    pub(crate) const fn new(joined: u64) -> Self {
        Self { delivered: joined }
    }
}

impl LocalGroup {
    /// A group without members, whose messages go to inboxes.
    pub(crate) const fn new() -> Self {
        Self {
            mode: GroupMode::INBOX,
            members: BTreeMap::new(),
        }
    }

    /// Reads a group with the members among the shard's accounts.
    pub(crate) fn load(shard: ShardId, group: GroupId, view: &dyn View) -> Option<Self> {
        let value = view.get(&membership::local_key(shard, group))?;
        let mode = membership::mode_of(&value).expect("a local group row is ours");
        let first = membership::member_key(shard, group, UserId(0));
        let last = membership::member_key(shard, group, UserId(u64::MAX));
        let members = view.scan(&first, &last, usize::MAX, usize::MAX);
        let members = members.into_iter().map(|(key, value)| {
            let user = group::member_of(&key).expect("a member key holds an account");
            let joined = membership::joined_of(&value).expect("a local member row is ours");
            (user, LocalMember::new(joined))
        });
        Some(Self {
            mode,
            members: members.collect(),
        })
    }
}

/// What a row of a group's log says.
pub(crate) fn entry_of(row: &LogRow) -> GroupEvent<'_> {
    let mut reader = Reader::new(&row.body);
    let entry = GroupEvent::decode_body(Position(0), &mut reader);
    entry.expect("a log row is ours and the store checks its bytes")
}
