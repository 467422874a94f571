//! Groups: what their rows must have in common at the home, and at a shard with members.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use martlet_protocol::crc;
use martlet_protocol::frame::GroupEventKind;
use martlet_protocol::group_record::{GroupRecord, Role, members_bytes};
use martlet_protocol::{GroupId, UserId};
use martlet_store::ShardId;
use martlet_store::keys::KeyTag;
use martlet_store::keys::group::{self, GroupMessageRow, GroupRow, MemberRow, RecordRow};
use martlet_store::keys::group_log::{self, LogRow};
use martlet_store::keys::inbox::Reference;
use martlet_store::keys::membership::{self, LocalGroupRow, LocalMemberRow};

use super::say;
use crate::group::entry_of;
use crate::handle::group_change::sha256;
use crate::topology::Topology;

/// What was seen of groups.
#[derive(Debug)]
pub(super) struct Groups {
    homes: BTreeMap<GroupId, GroupRow>,
    members: BTreeMap<GroupId, BTreeMap<UserId, Role>>,
    /// The newest record of each group: its version, its hash and its hash of the members.
    records: BTreeMap<GroupId, (u64, [u8; 32], [u8; 32])>,
    /// The newest sequence of each log.
    logs: BTreeMap<(ShardId, GroupId), u64>,
    /// Sequences that do not follow the one before, and that one.
    holes: Vec<(GroupId, u64, u64)>,
    locals: BTreeSet<(ShardId, GroupId)>,
    local_members: BTreeSet<(UserId, GroupId)>,
    user_groups: BTreeSet<(UserId, GroupId)>,
    references: BTreeMap<(ShardId, GroupId), (u64, u64)>,
}

impl Groups {
    pub(super) const fn new() -> Self {
        Self {
            homes: BTreeMap::new(),
            members: BTreeMap::new(),
            records: BTreeMap::new(),
            logs: BTreeMap::new(),
            holes: Vec::new(),
            locals: BTreeSet::new(),
            local_members: BTreeSet::new(),
            user_groups: BTreeSet::new(),
            references: BTreeMap::new(),
        }
    }

    pub(super) fn row(
        &mut self,
        topology: &Topology,
        (shard, tag): (ShardId, KeyTag),
        key: &[u8],
        value: &[u8],
    ) -> Result<(), String> {
        if tag == KeyTag::GroupMessage {
            return GroupMessageRow::decode(value).map(|_| ()).map_err(say);
        }
        let first = key.get(3..).and_then(|rest| rest.first_chunk::<8>());
        let first = u64::from_be_bytes(*first.ok_or("a key that is too short")?);
        let group = GroupId(first);
        let is_home = topology.shard_of_group(group) == shard;
        match tag {
            KeyTag::Group | KeyTag::GroupRecord | KeyTag::GroupMember if !is_home => {
                Err(format!("group {group} is on the wrong shard"))
            }
            KeyTag::Group => {
                let row = GroupRow::decode(value).map_err(say)?;
                self.homes.insert(group, row);
                Ok(())
            }
            KeyTag::GroupRecord => self.record(group, value),
            KeyTag::GroupMember => {
                let user = group::member_of(key).ok_or("a member key of another length")?;
                let row = MemberRow::decode(value).map_err(say)?;
                if row.role != Role::NONE {
                    let members = self.members.entry(group).or_default();
                    members.insert(user, row.role);
                }
                Ok(())
            }
            KeyTag::GroupLog => self.log((shard, is_home), key, value),
            KeyTag::GroupCursor => membership::cursor_of(value).map(|_| ()).map_err(say),
            KeyTag::LocalGroup => {
                LocalGroupRow::decode(value).map_err(say)?;
                self.locals.insert((shard, group));
                Ok(())
            }
            KeyTag::LocalMember => {
                let user = group::member_of(key).ok_or("a member key of another length")?;
                LocalMemberRow::decode(value).map_err(say)?;
                self.local_members.insert((user, group));
                let has_group = self.locals.contains(&(shard, group));
                has_group
                    .then_some(())
                    .ok_or_else(|| "a member of no group".into())
            }
            _ => {
                let group = membership::group_of(key).ok_or("a group key of another length")?;
                self.user_groups.insert((UserId(first), group));
                Ok(())
            }
        }
    }

    /// An item of an inbox that stands for an entry of a log.
    pub(super) fn reference(&mut self, shard: ShardId, reference: Reference) {
        let Reference {
            group, sequence, ..
        } = reference;
        let seen = self.references.entry((shard, group));
        let (first, last) = seen.or_insert((sequence, sequence));
        *first = sequence.min(*first);
        *last = sequence.max(*last);
    }

    fn record(&mut self, group: GroupId, value: &[u8]) -> Result<(), String> {
        let row = RecordRow::decode(value).map_err(say)?;
        let record = GroupRecord::decode(row.record).map_err(say)?;
        let hash = sha256(&record.hashed_bytes());
        // Rows come in the order of their versions.
        let newest = (record.version, hash, record.members_hash);
        let before = self.records.insert(group, newest);
        let (version, previous) = before.map_or((0, [0; 32]), |(version, hash, _)| (version, hash));
        if record.version != version + 1 || record.previous != previous {
            return Err(format!("record {} does not follow", record.version));
        }
        Ok(())
    }

    fn log(
        &mut self,
        (shard, is_home): (ShardId, bool),
        key: &[u8],
        value: &[u8],
    ) -> Result<(), String> {
        let (group, sequence) = group_log::place_of(key).ok_or("a log key of another length")?;
        let row = LogRow::decode(&Bytes::copy_from_slice(value)).map_err(say)?;
        if crc::of_body(&row.body) != row.body_crc {
            return Err("the entry's checksum does not match".into());
        }
        let entry = entry_of(&row);
        if (entry.group, entry.sequence) != (group, sequence) {
            return Err("an entry of another place".into());
        }
        let last = self.logs.insert((shard, group), sequence);
        // Where nobody was a member for a while the log goes on with the record that adds somebody.
        let may_begin = last.is_none() || (!is_home && entry.kind == GroupEventKind::RECORD);
        let last = last.unwrap_or_default();
        if sequence != last + 1 && !may_begin {
            self.holes.push((group, last, sequence));
        }
        Ok(())
    }

    pub(super) fn finish(&self, problems: &mut Vec<String>) {
        for (group, row) in &self.homes {
            let newest = self.records.get(group);
            let members = self.members.get(group).cloned().unwrap_or_default();
            let members_hash = sha256(&members_bytes(&members));
            if newest != Some(&(row.version, row.record_hash, members_hash)) {
                problems.push(format!("group {group} is not what its newest record says"));
            }
        }
        for (group, last, sequence) in &self.holes {
            // A directory that was put back goes on behind its floor.
            let home = self.homes.get(group);
            if home.is_none_or(|home| home.floor + 1 != *sequence) {
                let what = format!("{sequence} follows {last} in the log of group {group}");
                problems.push(what);
            }
        }
        if self.local_members != self.user_groups {
            problems.push("members at their shards and groups of accounts differ".into());
        }
        for ((shard, group), (_, last)) in &self.references {
            let newest = self.logs.get(&(*shard, *group));
            if newest.is_none_or(|newest| last > newest) {
                problems.push(format!(
                    "an inbox refers to {last} of group {group}, which is not there"
                ));
            }
        }
    }
}
