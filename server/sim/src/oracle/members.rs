//! Groups in the balance: who was a member when something was said has it, in the order of the
//! log, and nobody else has; all members see one group.

use std::collections::{BTreeMap, BTreeSet};

use martlet_client::{Group, MessageState};
use martlet_protocol::group_record::{GroupRecord, Role};
use martlet_protocol::{GroupId, MessageId, UserId};
use martlet_store::keys::group::{self, GroupMessageRow, GroupRow, RecordRow};
use martlet_store::keys::message;

use super::groups::Remarked;
use super::ledger::Ledger;

/// What the rows at the homes of groups say.
#[derive(Debug, Default)]
pub(crate) struct GroupRows {
    /// The newest version of each group.
    versions: BTreeMap<GroupId, u64>,
    /// Who has which role from which place of the log on.
    records: BTreeMap<(GroupId, u64), Vec<(UserId, Role)>>,
    /// Where each message stands.
    placed: BTreeMap<MessageId, (GroupId, u64)>,
}

impl GroupRows {
    pub(super) fn group(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let row = GroupRow::decode(value).ok()?;
        self.versions.insert(group::group_of(key)?, row.version);
        Some(())
    }

    pub(super) fn record(&mut self, value: &[u8]) -> Option<()> {
        let row = RecordRow::decode(value).ok()?;
        let record = GroupRecord::decode(row.record).ok()?;
        let changes = record.changes.iter().map(|it| (it.user, it.role));
        let place = (record.group, row.sequence);
        self.records.insert(place, changes.collect());
        Some(())
    }

    pub(super) fn message(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let row = GroupMessageRow::decode(value).ok()?;
        let id = message::origin_of(key)?.message_id;
        self.placed.insert(id, (row.group, row.sequence));
        Some(())
    }

    /// Everybody in a group before this place of its log.
    fn members_at(&self, group: GroupId, sequence: u64) -> BTreeMap<UserId, Role> {
        let mut members = BTreeMap::new();
        for (_, changes) in self.records.range((group, 0)..(group, sequence)) {
            for (user, role) in changes {
                if *role == Role::NONE {
                    members.remove(user);
                } else {
                    members.insert(*user, *role);
                }
            }
        }
        members
    }

    /// Who was in a group at this place, and has been ever since.
    fn faithful(&self, group: GroupId, sequence: u64) -> BTreeSet<UserId> {
        let mut members: BTreeSet<_> = self.members_at(group, sequence).into_keys().collect();
        for (_, changes) in self.records.range((group, sequence)..=(group, u64::MAX)) {
            for (user, role) in changes {
                if *role == Role::NONE {
                    members.remove(user);
                }
            }
        }
        members
    }
}

impl Ledger {
    /// What was promised of groups has come.
    pub(super) fn check_groups(&self, rows: &GroupRows, problems: &mut Vec<String>) {
        for (id, remarked) in &self.groups.remarks {
            let author = self.name(remarked.remark.author);
            let what = format!("{id} ({} of {author})", remarked.remark.number);
            match rows.placed.get(id) {
                Some((_, sequence)) => {
                    if remarked.sequence.is_some_and(|known| known != *sequence) {
                        problems.push(format!("{what} has another place on the disk"));
                    }
                    if remarked.state == MessageState::Failed {
                        problems.push(format!("{what} was placed and has failed"));
                    }
                    self.check_readers(rows, &what, remarked, *sequence, problems);
                    self.check_told(rows, &what, remarked, *sequence, problems);
                }
                None => {
                    let is_over = remarked.state == MessageState::Failed;
                    if !is_over && !self.was_removed(remarked.remark.author) {
                        problems.push(format!("{what} is lost: it is {}", remarked.state));
                    }
                    if !remarked.arrived.is_empty() || !remarked.shown.is_empty() {
                        problems.push(format!("{what} was placed nowhere and has come"));
                    }
                }
            }
        }
    }

    /// Each device of each member has it, and no other one.
    fn check_readers(
        &self,
        rows: &GroupRows,
        what: &str,
        remarked: &Remarked,
        sequence: u64,
        problems: &mut Vec<String>,
    ) {
        let group = remarked.remark.group;
        let members = rows.members_at(group, sequence);
        let faithful = rows.faithful(group, sequence);
        for (device, watched) in self.devices.iter().enumerate() {
            let Some(address) = watched.address else {
                continue;
            };
            let name = &watched.name;
            let has_it = remarked.shown.contains(&device);
            if has_it && !members.contains_key(&address.user) {
                problems.push(format!("{what} is shown to {name}, who was no member"));
            }
            if remarked.arrived.contains(&device) && !members.contains_key(&address.user) {
                problems.push(format!("{what} was given to {name}, who was no member"));
            }
            let is_owed = remarked.present.contains(&device)
                && device != remarked.remark.author
                && faithful.contains(&address.user)
                && !self.was_removed(device);
            let is_excused = watched.has_gap
                || self.groups.gaps.contains(&(device, group))
                || self.was_removed(remarked.remark.author);
            if is_owed && !is_excused && !has_it {
                problems.push(format!(
                    "{what} at {sequence} of {group} never came to {name}"
                ));
            }
        }
    }

    /// What its author was told of all members was true of those who stayed.
    fn check_told(
        &self,
        rows: &GroupRows,
        what: &str,
        remarked: &Remarked,
        sequence: u64,
        problems: &mut Vec<String>,
    ) {
        let author = self.devices[remarked.remark.author].account;
        let faithful = rows.faithful(remarked.remark.group, sequence);
        let others = faithful.iter().filter_map(|user| self.place_of(*user));
        // What was lost in a gap lies below the watermark as well.
        let has_lost = |account: usize| {
            let mut homes = self.devices.iter().enumerate();
            homes.any(|(device, watched)| {
                let group = remarked.remark.group;
                let is_told = self.groups.gaps.contains(&(device, group));
                watched.account == account && (watched.has_gap || is_told)
            })
        };
        let others = others.filter(|account| *account != author && !has_lost(*account));
        let others: BTreeSet<usize> = others.collect();
        for (state, who) in &remarked.told {
            let says_all = matches!(state, MessageState::Delivered | MessageState::Read);
            if says_all && let Some(account) = others.difference(who).next() {
                let handle = self.handle_of(*account);
                problems.push(format!("{what} is told {state}, and is not at {handle}"));
            }
        }
    }

    /// What a home knows of a group in the end.
    pub(crate) fn check_group(&mut self, rows: &GroupRows, device: usize, group: &Group) {
        let Some(version) = rows.versions.get(&group.id) else {
            return;
        };
        let members = rows.members_at(group.id, u64::MAX);
        let own = self.devices[device].address.map(|address| address.user);
        let name = self.name(device).to_owned();
        let Some(role) = own.and_then(|own| members.get(&own)) else {
            if group.role != Role::NONE {
                self.violate(format!("{name} still believes to be in {}", group.id));
            }
            return;
        };
        let known = group.members.iter().map(|it| (it.user, it.role));
        let known: BTreeMap<UserId, Role> = known.collect();
        if group.version != *version || known != members || group.role != *role {
            let what = format!(
                "{name} has version {} of {} with {known:?}, and it is {version} with {members:?}",
                group.version, group.id
            );
            self.violate(what);
        }
    }

    /// Remarks as a home shows them, oldest first, stand in the order of the log.
    pub(crate) fn check_remarks(&mut self, device: usize, group: GroupId, shown: &[MessageId]) {
        let name = self.name(device).to_owned();
        let mut newest = 0;
        let mut found = BTreeSet::new();
        for id in shown {
            let remarked = self.groups.remarks.get(id);
            let Some(remarked) = remarked.filter(|it| it.remark.group == group) else {
                return self.violate(format!(
                    "{name} has {id} in {group}, which nobody said there"
                ));
            };
            if !found.insert(*id) {
                return self.violate(format!("{name} has {id} twice"));
            }
            let Some(sequence) = remarked.sequence else {
                continue;
            };
            if sequence <= newest {
                return self.violate(format!("{name} has {id} at {sequence} behind {newest}"));
            }
            newest = sequence;
        }
        let lost = self.groups.remarks.iter().find(|(id, remarked)| {
            remarked.shown.contains(&device)
                && remarked.remark.group == group
                && !found.contains(id)
        });
        if let Some((id, _)) = lost {
            let what = format!("{name} was shown {id}, and it is not there any more");
            self.violate(what);
        }
    }
}
