//! Groups: what the server is asked about them, and its answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use martlet_protocol::frame::{
    Frame, GroupAck, GroupAsk, GroupList, GroupMode, GroupState, Groups as GroupsFrame,
};
use martlet_protocol::{GroupId, Millis, NackCode, Role, UserId};

use super::group_records::Took;
use super::rng::Rng;
use super::state::Core;
use crate::crypto::group_log::VerifiedGroup;
use crate::error::StoreError;
use crate::event::SecurityKind;
use crate::local::{ContactId, GroupRow, Tx};

/// Most questions for groups under way.
const ASKED_MAX: usize = 16;

/// Most groups in memory.
const CACHED_MAX: usize = 64;

/// The first pause after an answer that did not help, in milliseconds; it doubles,
const PAUSE_MS_MIN: u64 = 1_000;
/// up to this one.
const PAUSE_MS_MAX: u64 = 5 * 60 * 1_000;

/// A question for the state of a group.
#[derive(Clone, Copy, Debug, Default)]
struct Open {
    request: Option<u64>,
    not_before: Millis,
    /// How many answers did not help.
    tries: u32,
    /// Messages to the group wait for the answer.
    blocks: bool,
    /// The account whose list has to be known first.
    awaits: Option<UserId>,
}

#[derive(Debug, Default)]
pub(super) struct Groups {
    cache: BTreeMap<ContactId, Arc<VerifiedGroup>>,
    /// Version and roster for which every device has the present sender key.
    pub(super) ready: BTreeMap<ContactId, (u64, u64)>,
    open: BTreeMap<GroupId, Open>,
    asked: BTreeMap<u64, GroupId>,
    /// Version and roster that the server called stale, and how often it did.
    stalled: BTreeMap<GroupId, ((u64, u64), u32)>,
    /// What was told of groups in this run.
    pub(super) told: BTreeSet<(GroupId, SecurityKind)>,
    /// Whether the server is to be asked for all groups, and the question that is under way.
    pub(super) searches: bool,
    searching: Option<u64>,
    search_after: u64,
    /// Changes to make, and not before when.
    pub(super) drafts: BTreeMap<ContactId, Millis>,
    /// Why the last change of this run was not made, unless another one was wished since.
    pub(super) refused: BTreeMap<ContactId, NackCode>,
    /// Changes that are under way.
    pub(super) changing: BTreeMap<u64, ContactId>,
    /// Groups of which something is missing that may have said how their entries come.
    pub(super) holes: BTreeSet<GroupId>,
    /// The groups that the account has, as far as the server has told.
    listed: BTreeSet<GroupId>,
    /// What is to be acknowledged of own streams.
    pub(super) acks: BTreeMap<GroupId, u64>,
    /// The last sequence of each own stream on this connection; `false` where an entry has ended
    /// the stream, which may begin again further on.
    pub(super) streams: BTreeMap<GroupId, (u64, bool)>,
    /// Questions how far messages are, and whose.
    pub(super) counts: BTreeMap<u64, martlet_protocol::MessageId>,
}

impl Groups {
    /// Asks for the state of a group, unless it is asked already.
    pub(super) fn want(&mut self, group: GroupId) {
        self.open.entry(group).or_default();
    }

    /// As [`Groups::want`]; nothing is sent to the group before the answer.
    pub(super) fn demand(&mut self, group: GroupId) {
        let open = self.open.entry(group).or_default();
        open.blocks = true;
    }

    /// The server has refused what was made for this version and roster. If it says so again and
    /// again, and gives no newer state, the pauses grow.
    pub(super) fn demand_after(
        &mut self,
        now: Millis,
        group: GroupId,
        made: (u64, u64),
        rng: &mut Rng,
    ) {
        let stalled = self.stalled.entry(group).or_default();
        let times = if stalled.0 == made { stalled.1 } else { 0 };
        *stalled = (made, times + 1);
        self.demand(group);
        if let Some(open) = self.open.get_mut(&group)
            && times > 0
        {
            open.not_before = now.plus(pause(times - 1, rng));
        }
    }

    /// Whether nothing may be sent to the group until a question is answered.
    pub(super) fn blocks(&self, group: GroupId) -> bool {
        self.open.get(&group).is_some_and(|open| open.blocks)
    }

    /// Whether a question for the group is open.
    pub(super) fn asks_for(&self, group: GroupId) -> bool {
        self.open.contains_key(&group)
    }

    fn ask(&mut self, now: Millis, request: u64) -> Option<GroupId> {
        if self.asked.len() >= ASKED_MAX {
            return None;
        }
        let is_due =
            |open: &Open| open.request.is_none() && open.awaits.is_none() && open.not_before <= now;
        let (group, open) = self.open.iter_mut().find(|(_, open)| is_due(open))?;
        open.request = Some(request);
        self.asked.insert(request, *group);
        Some(*group)
    }

    pub(super) fn answered(&mut self, request: u64) -> Option<GroupId> {
        let group = self.asked.remove(&request)?;
        if let Some(open) = self.open.get_mut(&group) {
            open.request = None;
        }
        Some(group)
    }

    /// A question that is open is asked again, and not before.
    pub(super) fn put_off(&mut self, group: GroupId, until: Millis) {
        if let Some(open) = self.open.get_mut(&group) {
            open.not_before = until;
        }
    }

    pub(super) fn settle(&mut self, group: GroupId) {
        self.open.remove(&group);
    }

    /// The answer did not help: the same question later.
    fn again(&mut self, now: Millis, group: GroupId, rng: &mut Rng) {
        let open = self.open.entry(group).or_default();
        open.not_before = now.plus(pause(open.tries, rng));
        open.tries += 1;
    }

    /// Something is known of an account: what waited for it is asked again.
    pub(super) fn heard_of(&mut self, user: UserId) {
        for open in self.open.values_mut() {
            if open.awaits == Some(user) {
                open.awaits = None;
            }
        }
    }

    /// All open questions are asked again on the next connection.
    pub(super) fn disconnected(&mut self) {
        self.asked.clear();
        self.streams.clear();
        self.acks.clear();
        self.changing.clear();
        self.counts.clear();
        self.searching = None;
        self.search_after = 0;
        self.listed.clear();
        for open in self.open.values_mut() {
            open.request = None;
            open.awaits = None;
        }
        for not_before in self.drafts.values_mut() {
            *not_before = Millis(0);
        }
    }

    /// Whether the server owes an answer.
    pub(super) fn is_asking(&self) -> bool {
        !self.asked.is_empty() || !self.changing.is_empty() || self.searching.is_some()
    }

    /// When the next question may be repeated.
    pub(super) fn due(&self, now: Millis) -> Option<Millis> {
        let waiting = self.open.values();
        let waiting = waiting.filter(|open| open.request.is_none() && open.awaits.is_none());
        let asks = waiting.map(|open| open.not_before);
        let times = asks.chain(self.drafts.values().copied());
        times.filter(|at| *at > now).min()
    }
}

fn pause(tries: u32, rng: &mut Rng) -> u64 {
    let pause = PAUSE_MS_MIN << tries.min(16);
    rng.stretch(pause.min(PAUSE_MS_MAX))
}

impl Core {
    /// What an earlier run has left to do.
    pub(super) fn load_groups(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        self.groups.searches = tx.searches_groups()?;
        for contact in tx.group_drafts()? {
            self.groups.drafts.insert(contact, Millis(0));
        }
        for contact in tx.groups_held_up()? {
            if let Some(row) = tx.group(contact)? {
                self.groups.want(row.group);
            }
        }
        Ok(())
    }

    /// A group as its newest verified record left it.
    pub(super) fn group_of(
        &mut self,
        tx: &Tx<'_>,
        contact: ContactId,
    ) -> Result<Option<Arc<VerifiedGroup>>, StoreError> {
        if let Some(group) = self.groups.cache.get(&contact) {
            return Ok(Some(Arc::clone(group)));
        }
        let Some(group) = tx.verified_group(contact)? else {
            return Ok(None);
        };
        Ok(Some(self.cache_group(contact, group)))
    }

    pub(super) fn cache_group(
        &mut self,
        contact: ContactId,
        group: VerifiedGroup,
    ) -> Arc<VerifiedGroup> {
        if self.groups.cache.len() >= CACHED_MAX {
            self.groups.cache.clear();
        }
        let group = Arc::new(group);
        self.groups.cache.insert(contact, Arc::clone(&group));
        group
    }

    /// Asks the server which groups the account has: this home may have missed one.
    pub(super) fn search_groups(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        self.groups.searches = true;
        tx.search_groups(true)
    }

    /// After READY: what is stored of own streams.
    pub(super) fn resume_streams(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        for row in tx.groups()? {
            let is_read = row.mode == GroupMode::STREAM && row.cursor > 0;
            // One beyond what the server has would end the connection [M-27.18].
            if is_read && !row.is_gone && !row.is_restored {
                self.groups.acks.insert(row.group, row.cursor);
            }
        }
        Ok(())
    }

    /// Writes what is to be asked and changed.
    pub(super) fn pump_groups(&mut self, tx: &Tx<'_>, now: Millis) -> Result<(), StoreError> {
        if self.groups.searches && self.groups.searching.is_none() {
            let request = self.next_key_request();
            self.groups.searching = Some(request);
            let after = self.groups.search_after;
            self.write(&Frame::Groups(GroupsFrame { request, after }));
        }
        self.pump_group_drafts(tx, now)?;
        while let Some(group) = self.groups.ask(now, self.key_requests + 1) {
            let request = self.next_key_request();
            let contact = tx.contact_of_group(group)?.id;
            let version = self
                .group_of(tx, contact)?
                .map_or(0, |it| it.head().version);
            let roster = tx.group(contact)?.map_or(0, |row| row.roster);
            self.write(&Frame::GroupAsk(GroupAsk {
                request,
                group,
                have: version,
                have_roster: if version == 0 { 0 } else { roster },
            }));
        }
        Ok(())
    }

    /// Writes the acknowledgements of own streams. They stand behind the transaction, as ACK does.
    pub(super) fn write_group_acks(&mut self) {
        for (group, sequence) in core::mem::take(&mut self.groups.acks) {
            self.write(&Frame::GroupAck(GroupAck { group, sequence }));
        }
    }

    pub(super) fn on_group_list(
        &mut self,
        tx: &Tx<'_>,
        list: &GroupList<'_>,
    ) -> Result<(), StoreError> {
        if self.groups.searching != Some(list.request) {
            return Ok(());
        }
        self.groups.searching = None;
        let mut last = self.groups.search_after;
        for listed in &list.groups {
            last = last.max(listed.group.0);
            self.groups.listed.insert(listed.group);
            let contact = tx.contact_of_group(listed.group)?.id;
            let known = self.group_of(tx, contact)?;
            if known.is_none_or(|known| known.head().version != listed.version) {
                self.groups.want(listed.group);
            }
        }
        if list.more && last > self.groups.search_after {
            self.groups.search_after = last;
            return Ok(());
        }
        self.groups.search_after = 0;
        self.groups.searches = false;
        // What says that the account was removed from a group may be missing as well.
        let listed = core::mem::take(&mut self.groups.listed);
        for row in tx.groups()? {
            let is_own = self.groups.drafts.contains_key(&row.contact);
            if row.is_known && !row.is_gone && !is_own && !listed.contains(&row.group) {
                self.groups.want(row.group);
            }
        }
        tx.search_groups(false)
    }

    pub(super) fn on_groups_refused(&mut self, request: u64) {
        if self.groups.searching == Some(request) {
            // The next connection asks again.
            self.groups.searches = false;
            self.groups.searching = None;
        }
    }

    pub(super) fn on_group_state(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        answer: &GroupState<'_>,
    ) -> Result<(), StoreError> {
        let Some(group) = self.groups.answered(answer.request) else {
            return Ok(());
        };
        if group != answer.group {
            self.groups.again(now, group, &mut self.rng);
            return Ok(());
        }
        let contact = tx.contact_of_group(group)?.id;
        let took = self.take_records(tx, now, contact, answer)?;
        let known = self.group_of(tx, contact)?;
        let version = known.as_ref().map_or(0, |known| known.head().version);
        match took {
            Took::Waits(user) => {
                if let Some(open) = self.groups.open.get_mut(&group) {
                    open.awaits = Some(user);
                }
                return Ok(());
            }
            _ if answer.version < version => {
                self.tell_of_group(tx, now, contact, SecurityKind::GroupRolledBack)?;
                self.groups.again(now, group, &mut self.rng);
                return Ok(());
            }
            // There are more records than fit into one answer.
            Took::New if answer.version > version => return Ok(()),
            _ if answer.version > version => {
                self.groups.again(now, group, &mut self.rng);
                return Ok(());
            }
            _ => {}
        }
        self.take_roster(tx, now, contact, answer)?;
        self.check_group_claim(tx, now, contact)?;
        self.groups.settle(group);
        self.groups.ready.remove(&contact);
        self.on_draft_state(tx, now, contact)?;
        self.outbox.group_prepared(group);
        self.close_hole(tx, now, contact)?;
        self.pump_entries(tx, now, contact)
    }

    fn take_records(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        contact: ContactId,
        answer: &GroupState<'_>,
    ) -> Result<Took, StoreError> {
        let mut took = Took::Known;
        for record in &answer.records {
            let members = answer.members.iter();
            let members = members.map(|member| (member.user, member.role)).collect();
            let floor = answer.sequence;
            let next = self.take_record(tx, now, contact, (record.0, Some(members), floor))?;
            match next {
                Took::New => took = Took::New,
                Took::Known => {}
                other => return Ok(other),
            }
        }
        Ok(took)
    }

    /// The server says who has which list. Of whom no record speaks, nothing is believed.
    fn take_roster(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        contact: ContactId,
        answer: &GroupState<'_>,
    ) -> Result<(), StoreError> {
        let Some(known) = self.group_of(tx, contact)? else {
            return Ok(());
        };
        let row = tx.group(contact)?;
        let before = row.map_or(0, |row| row.roster);
        if answer.roster < before {
            self.tell_of_group(tx, now, contact, SecurityKind::GroupRolledBack)?;
            return Ok(());
        }
        let mut is_wrong = false;
        for member in &answer.members {
            is_wrong |= known.roster().role(member.user) != member.role;
            if member.role != Role::NONE {
                tx.set_list_version(contact, member.user, member.list_version)?;
            }
        }
        if is_wrong {
            self.tell_of_group(tx, now, contact, SecurityKind::GroupMembersInvalid)?;
        }
        tx.set_roster(contact, answer.roster, answer.mode)
    }

    /// Tells of a group, once in each run.
    pub(super) fn tell_of_group(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        contact: ContactId,
        kind: SecurityKind,
    ) -> Result<(), StoreError> {
        let (Some(row), Some(own)) = (tx.group(contact)?, self.own_address()) else {
            return Ok(());
        };
        if self.groups.told.insert((row.group, kind)) {
            self.secure_group(tx, now, (own.user, None), (contact, kind))?;
        }
        Ok(())
    }

    /// The groups whose row is as it is.
    pub(super) fn group_row(tx: &Tx<'_>, contact: ContactId) -> Result<GroupRow, StoreError> {
        tx.group(contact)?.ok_or(StoreError::RowInvalid {
            column: "groups.contact",
        })
    }
}
