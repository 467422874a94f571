//! The fields of a shard, and nothing that decides.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use martlet_protocol::frame::Relation;
use martlet_protocol::{Address, GroupId, MessageId, Millis, UserId};
use martlet_store::keys::message::{Origin, expiry_key_at, expiry_of};
use martlet_store::keys::relay::{RelayItem, source_of};
use martlet_store::keys::{KeyTag, key_prefix, key_prefix_end};
use martlet_store::{ShardId, View};

use crate::account::Account;
use crate::clock::Clock;
use crate::command::SessionId;
use crate::effect::Effect;
use crate::fresh::Fresh;
use crate::group::{Group, LocalGroup};
use crate::limits::{Limits, MET_MAX, SWEEP_MS};
use crate::links::Links;
use crate::merged::Merged;
use crate::newest::Newest;
use crate::outbox::Outbox;
use crate::person::relation_of;
use crate::quota::Spent;
use crate::topology::Topology;

/// Everything a shard knows between two commands.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) id: ShardId,
    pub(crate) topology: Topology,
    pub(crate) limits: Limits,
    pub(crate) clock: Clock,
    pub(crate) accounts: BTreeMap<UserId, Account>,
    /// Groups whose home this is.
    pub(crate) groups: BTreeMap<GroupId, Group>,
    /// Groups that accounts of this shard are in.
    pub(crate) locals: BTreeMap<GroupId, LocalGroup>,
    pub(crate) fresh: Fresh,
    pub(crate) newest: Newest,
    pub(crate) outbox: Outbox,
    /// The newest outbox row applied from each other shard, and which of them moved this turn.
    pub(crate) applied: BTreeMap<ShardId, u64>,
    pub(crate) applied_moved: Vec<ShardId>,
    /// Entries of groups that this turn owes to other shards.
    pub(crate) entries: Vec<(ShardId, RelayItem)>,
    /// Members of groups of this home that have come further in this turn.
    pub(crate) members_moved: BTreeSet<(GroupId, UserId)>,
    /// What is told lazily of members that read a group's own stream, and when.
    pub(crate) lazy: BTreeMap<(GroupId, UserId), u64>,
    pub(crate) lazy_due: Option<Millis>,
    /// Groups of this home whose roster has moved in this turn.
    pub(crate) groups_moved: BTreeSet<GroupId>,
    /// What this turn owes to the accounts of other shards, and of this one.
    pub(crate) owed: Merged,
    /// What other shards have told this turn.
    pub(crate) told: Merged,
    /// Devices whose cursor moved this turn.
    pub(crate) moved: Vec<Address>,
    /// Messages that were placed this turn.
    pub(crate) placed: Vec<Origin>,
    /// The message that each sender must repeat before any other to the same recipient.
    pub(crate) refused: BTreeMap<(Address, UserId), (SessionId, MessageId)>,
    /// The same for messages to groups.
    pub(crate) group_refused: BTreeMap<(Address, GroupId), (SessionId, MessageId)>,
    /// Devices whose stream is paused after a refusal.
    pub(crate) paused: BTreeMap<(Millis, Address), SessionId>,
    /// Who has published device lists.
    pub(crate) publishers: Spent<UserId>,
    /// What each account has claimed of the prekeys of another one.
    pub(crate) claims: BTreeMap<UserId, Spent<UserId>>,
    /// Devices that wait for a new one of their account.
    pub(crate) links: Links,
    /// What each account has spent of its new conversations, and with whom it is in one.
    pub(crate) conversations: Spent<UserId>,
    pub(crate) met: BTreeMap<UserId, VecDeque<UserId>>,
    /// What each account has spent of its LOOKUPs.
    pub(crate) lookups: Spent<UserId>,
    /// Accounts whose watchers are to be told something, and when.
    pub(crate) presence_due: BTreeSet<(Millis, UserId)>,
    /// Accounts of which is to be written when they were last seen, and not before when.
    pub(crate) unsaved: BTreeSet<(Millis, UserId)>,
    /// When the next message with a short life ends, and the earliest one of this turn.
    pub(crate) expiry_due: Option<Millis>,
    pub(crate) expiry_fresh: Option<Millis>,
    /// When the next sweep is due, and the account it starts behind.
    pub(crate) sweep_due: Millis,
    pub(crate) sweep_from: UserId,
    /// Behind which group the next sweep of logs starts.
    pub(crate) sweep_groups_from: GroupId,
    /// Whether something waits for the turn to be sealed.
    pub(crate) dirty: bool,
}

impl State {
    pub(crate) fn recover(
        id: ShardId,
        topology: Topology,
        limits: Limits,
        now: Millis,
        view: &dyn View,
        effects: &mut Vec<Effect>,
    ) -> Self {
        let applied_end = key_prefix_end(id, KeyTag::Applied);
        let applied = view
            .scan(
                &key_prefix(id, KeyTag::Applied),
                &applied_end,
                usize::MAX,
                usize::MAX,
            )
            .into_iter()
            .map(|(key, value)| {
                let source = source_of(&key).expect("an applied key holds a shard");
                let bytes = value[..].try_into().expect("an applied row is a sequence");
                (source, u64::from_le_bytes(bytes))
            })
            .collect();
        let mut state = Self {
            id,
            topology,
            limits,
            clock: Clock::recover(id, view),
            accounts: BTreeMap::new(),
            groups: BTreeMap::new(),
            locals: BTreeMap::new(),
            entries: Vec::new(),
            members_moved: BTreeSet::new(),
            lazy: BTreeMap::new(),
            lazy_due: None,
            groups_moved: BTreeSet::new(),
            group_refused: BTreeMap::new(),
            fresh: Fresh::default(),
            newest: Newest::recover(id, view),
            outbox: Outbox::recover(id, view, effects),
            applied,
            applied_moved: Vec::new(),
            owed: Merged::default(),
            told: Merged::default(),
            moved: Vec::new(),
            placed: Vec::new(),
            refused: BTreeMap::new(),
            paused: BTreeMap::new(),
            publishers: Spent::default(),
            claims: BTreeMap::new(),
            links: Links::default(),
            conversations: Spent::default(),
            met: BTreeMap::new(),
            lookups: Spent::default(),
            presence_due: BTreeSet::new(),
            unsaved: BTreeSet::new(),
            expiry_due: None,
            expiry_fresh: None,
            // Shards sweep at different times.
            sweep_due: now.plus(SWEEP_MS + u64::from(id.0) * 97),
            sweep_from: UserId(0),
            sweep_groups_from: GroupId(0),
            dirty: false,
        };
        state.expiry_due = state.expiry_due_from(view, Millis(0));
        state
    }

    /// When the first message ends whose time is at `from` or later, as far as the view shows.
    pub(crate) fn expiry_due_from(&self, view: &dyn View, from: Millis) -> Option<Millis> {
        let end = key_prefix_end(self.id, KeyTag::Expiry);
        let (key, _) = view.first(&expiry_key_at(self.id, from), &end)?;
        expiry_of(&key).map(|(due, _)| due)
    }

    /// The account, read from the store when it is first needed.
    pub(crate) fn account(&mut self, view: &dyn View, user: UserId) -> Option<&mut Account> {
        match self.accounts.entry(user) {
            Entry::Occupied(known) => Some(known.into_mut()),
            Entry::Vacant(place) => Some(place.insert(Account::load(self.id, user, view)?)),
        }
    }

    /// A group of this home, read from the store when it is first needed.
    pub(crate) fn group(&mut self, view: &dyn View, group: GroupId) -> Option<&mut Group> {
        match self.groups.entry(group) {
            Entry::Occupied(known) => Some(known.into_mut()),
            Entry::Vacant(place) => Some(place.insert(Group::load(self.id, group, view)?)),
        }
    }

    /// A group with members among this shard's accounts.
    pub(crate) fn local_group(
        &mut self,
        view: &dyn View,
        group: GroupId,
    ) -> Option<&mut LocalGroup> {
        match self.locals.entry(group) {
            Entry::Occupied(known) => Some(known.into_mut()),
            Entry::Vacant(place) => Some(place.insert(LocalGroup::load(self.id, group, view)?)),
        }
    }

    /// Lets an account begin a conversation, unless it is in it already.
    ///
    /// # Errors
    /// It has begun too many; after so many milliseconds it may.
    pub(crate) fn begin_conversation(
        &mut self,
        now: Millis,
        view: &dyn View,
        from: UserId,
        to: UserId,
    ) -> Result<(), u64> {
        let is_met = |met: &VecDeque<UserId>| met.contains(&to);
        if from == to || self.met.get(&from).is_some_and(is_met) {
            return Ok(());
        }
        let row = relation_of(&self.fresh, view, self.id, (from, to));
        if row.relation != Relation::CONTACT {
            let quota = self.limits.conversations;
            quota.take(&mut self.conversations, from, 1, now)?;
        }
        let met = self.met.entry(from).or_default();
        if met.len() == MET_MAX {
            met.pop_front();
        }
        met.push_back(to);
        Ok(())
    }

    /// Notes what another account is to be told.
    pub(crate) fn owe(&mut self, item: RelayItem) {
        self.dirty = true;
        self.owed.push(item);
    }
}
