//! A group in memory: at its home, and at a shard that has members of it.

use std::collections::{BTreeMap, BTreeSet};

use martlet_protocol::frame::GroupEvent;
use martlet_protocol::group_record::Role;
use martlet_protocol::wire::Reader;
use martlet_protocol::{GroupId, Position, UserId};
use martlet_store::keys::group as rows;
use martlet_store::keys::group::{self, GroupRow, MemberRow};
use martlet_store::keys::group_log::{self, LogRow};
use martlet_store::keys::membership::{self, LocalGroupRow, LocalMemberRow};
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
    /// What every member has, and has read, as far as it was told.
    pub(crate) all: Watermarks,
}

/// How far all members of a group have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Watermarks {
    pub(crate) delivered: Least,
    pub(crate) read: Least,
}

/// The two members that have come least far: an author waits for everybody but itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Least {
    first: u64,
    who: UserId,
    second: u64,
}

/// What a shard knows of a group that has members among its accounts.
#[derive(Debug)]
pub(crate) struct LocalGroup {
    pub(crate) row: LocalGroupRow,
    /// The newest entry that came here.
    pub(crate) newest: u64,
    pub(crate) members: BTreeMap<UserId, LocalMember>,
}

/// A member at its own shard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalMember {
    pub(crate) row: LocalMemberRow,
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
            all: Watermarks {
                delivered: Least::NOBODY,
                read: Least::NOBODY,
            },
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
        let mut loaded = Self::new(row);
        loaded.members = members.filter(|(_, row)| row.role != Role::NONE).collect();
        loaded.newest = newest_of(shard, group, view).max(row.floor);
        loaded.all = loaded.watermarks();
        Some(loaded)
    }

    /// What every member has, and has read.
    pub(crate) fn watermarks(&self) -> Watermarks {
        let least = |mark: fn(&MemberRow) -> u64| {
            let members = self.members.iter();
            Least::of(members.map(|(user, row)| (mark(row), *user)))
        };
        Watermarks {
            delivered: least(|row| row.delivered),
            read: least(MemberRow::has_read),
        }
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

    /// The members that wrote the messages at `from + 1 ..= to`, each of them once; everybody, when
    /// that is so long ago that it would have to be looked up in too many rows.
    pub(crate) fn authors(
        &self,
        shard: ShardId,
        group: GroupId,
        view: &dyn View,
        (from, to): (u64, u64),
    ) -> BTreeSet<UserId> {
        if to <= from {
            return BTreeSet::new();
        }
        let known = self.authors.keys().next().copied();
        let known_from = known.unwrap_or(self.newest + 1);
        let forgotten_to = (to + 1).min(known_from);
        if forgotten_to.saturating_sub(from + 1) > AUTHORS_MAX as u64 {
            return self.members.keys().copied().collect();
        }
        let remembered = self.authors.range(from + 1..=to);
        let mut authors: BTreeSet<_> = remembered.map(|(_, author)| *author).collect();
        if from + 1 < known_from {
            let first = group_log::key(shard, group, from + 1);
            let behind = group_log::key(shard, group, forgotten_to);
            let stored = view.scan(&first, &behind, usize::MAX, usize::MAX);
            authors.extend(stored.iter().filter_map(|(_, value)| {
                let row = LogRow::decode(value).expect("a log row is ours");
                let entry = entry_of(&row);
                entry.message_id.and(entry.author).map(|author| author.user)
            }));
        }
        authors.retain(|author| self.members.contains_key(author));
        authors
    }
}

impl Least {
    const NOBODY: Self = Self {
        first: 0,
        who: UserId(0),
        second: 0,
    };

    fn of(members: impl Iterator<Item = (u64, UserId)>) -> Self {
        let mut least = Self {
            first: u64::MAX,
            second: u64::MAX,
            ..Self::NOBODY
        };
        for (mark, who) in members {
            if mark < least.first {
                (least.second, least.first, least.who) = (least.first, mark, who);
            } else {
                least.second = mark.min(least.second);
            }
        }
        least
    }

    /// How far all but this member have come.
    pub(crate) fn beside(&self, author: UserId) -> u64 {
        if author == self.who {
            self.second
        } else {
            self.first
        }
    }

    /// How far all members have come, and who has come no further.
    pub(crate) const fn first(&self) -> (u64, UserId) {
        (self.first, self.who)
    }
}

impl LocalMember {
    /// A member since the record at `joined`, which may have been one before and still have
    /// something to read of that.
    pub(crate) fn new(joined: u64, before: Option<LocalMemberRow>) -> Self {
        let (missed_from, missed_to) = before.map_or((0, 0), |before| match before.missed_from {
            0 => (before.joined, before.until),
            from => (from, before.until),
        });
        Self::of(LocalMemberRow {
            joined,
            until: 0,
            missed_from,
            missed_to,
        })
    }

    const fn of(row: LocalMemberRow) -> Self {
        let delivered = row.joined;
        Self { row, delivered }
    }
}

impl LocalGroup {
    /// Whether the account is a member now.
    pub(crate) fn is_member(&self, user: UserId) -> bool {
        let member = self.members.get(&user);
        member.is_some_and(|member| member.row.until == 0)
    }

    /// A group without members, whose messages go to inboxes.
    pub(crate) const fn new() -> Self {
        Self {
            row: LocalGroupRow {
                version: 0,
                stream_first: 0,
                stream_last: 0,
            },
            newest: 0,
            members: BTreeMap::new(),
        }
    }

    /// Reads a group with the members among the shard's accounts.
    pub(crate) fn load(shard: ShardId, group: GroupId, view: &dyn View) -> Option<Self> {
        let value = view.get(&membership::local_key(shard, group))?;
        let row = LocalGroupRow::decode(&value).expect("a local group row is ours");
        let first = membership::member_key(shard, group, UserId(0));
        let last = membership::member_key(shard, group, UserId(u64::MAX));
        let members = view.scan(&first, &last, usize::MAX, usize::MAX);
        let members = members.into_iter().map(|(key, value)| {
            let user = group::member_of(&key).expect("a member key holds an account");
            let row = LocalMemberRow::decode(&value).expect("a local member row is ours");
            (user, LocalMember::of(row))
        });
        Some(Self {
            row,
            newest: newest_of(shard, group, view),
            members: members.collect(),
        })
    }
}

/// The newest place in a shard's log of a group; 0 without one.
fn newest_of(shard: ShardId, group: GroupId, view: &dyn View) -> u64 {
    let first = group_log::key(shard, group, 0);
    let last = group_log::key(shard, group, u64::MAX);
    view.last(&first, &last).map_or(0, |(key, _)| {
        let (_, sequence) = group_log::place_of(&key).expect("a log key holds a place");
        sequence
    })
}

/// What a row of a group's log says.
pub(crate) fn entry_of(row: &LogRow) -> GroupEvent<'_> {
    let mut reader = Reader::new(&row.body);
    let entry = GroupEvent::decode_body(Position(0), &mut reader);
    entry.expect("a log row is ours and the store checks its bytes")
}
