//! Groups while they are talked in: a place of a log means one thing for everybody, and what is
//! shown was said there, by whom it seems.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hasher as _};

use martlet_client::{Direction, Message, MessageState, NackCode, Receipt};
use martlet_protocol::frame::{GroupEvent, GroupReceipt, GroupSend, GroupSent};
use martlet_protocol::{Address, GroupId, MessageId, Position, UserId};

use super::app::rank;
use super::ledger::{Item, Ledger};
use crate::counters::Counters;

/// Something that a person says in a group.
#[derive(Clone, Debug)]
pub(crate) struct Remark {
    pub(crate) id: MessageId,
    /// The home that it was written on.
    pub(crate) author: usize,
    pub(crate) group: GroupId,
    pub(crate) text: String,
    /// Its number among all that this home has said in the group.
    pub(crate) number: u64,
}

/// What became of a remark.
#[derive(Debug)]
pub(super) struct Remarked {
    pub(super) remark: Remark,
    pub(super) state: MessageState,
    /// Why it failed.
    pub(super) refusal: Option<NackCode>,
    /// Its place in the log, as its author or a reader was told.
    pub(super) sequence: Option<u64>,
    /// Homes that were devices of their accounts when it was written.
    pub(super) present: BTreeSet<usize>,
    pub(super) arrived: BTreeSet<usize>,
    pub(super) shown: BTreeSet<usize>,
    /// Who had it, and who had read it, when its author was told that all have.
    pub(super) told: BTreeMap<MessageState, BTreeSet<usize>>,
    /// Hashes of what was sent for it, in each form.
    tries: Vec<u64>,
}

/// What a place of a group's log was seen to be.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    kind: u8,
    author: Option<Address>,
    id: Option<MessageId>,
    body: u64,
}

/// All that was seen of groups.
#[derive(Debug, Default)]
pub(super) struct Groups {
    pub(super) remarks: BTreeMap<MessageId, Remarked>,
    numbers: BTreeMap<(usize, GroupId), u64>,
    entries: BTreeMap<(GroupId, u64), Entry>,
    /// How far an account has read a group.
    pub(super) reads: BTreeMap<(GroupId, usize), u64>,
    /// Homes that were told that something of a group is missing.
    pub(super) gaps: BTreeSet<(usize, GroupId)>,
}

impl Ledger {
    /// The number of the next remark of a home in a group; it goes into the text.
    pub(crate) fn next_remark(&mut self, device: usize, group: GroupId) -> u64 {
        let number = self.groups.numbers.entry((device, group)).or_default();
        *number += 1;
        *number
    }

    /// A person has said something; it is in the outbox.
    pub(crate) fn on_remark(&mut self, remark: Remark) {
        let devices = self.devices.iter().enumerate();
        let present = devices.filter(|(_, watched)| watched.address.is_some());
        let present = present.map(|(device, _)| device).collect();
        let id = remark.id;
        let remarked = Remarked {
            remark,
            state: MessageState::Pending,
            refusal: None,
            sequence: None,
            present,
            arrived: BTreeSet::new(),
            shown: BTreeSet::new(),
            told: BTreeMap::new(),
            tries: Vec::new(),
        };
        if self.groups.remarks.insert(id, remarked).is_some() {
            self.violate(format!("{id} was made twice"));
        }
    }

    /// A GROUP_SEND reaches the server. Returns whether the remark did before.
    pub(crate) fn on_group_send(&mut self, device: usize, send: &GroupSend<'_>) -> bool {
        let id = send.message_id;
        let Some(remarked) = self.groups.remarks.get_mut(&id) else {
            // A new name, or another word of a client to the others.
            return false;
        };
        let is_right = (remarked.remark.author, remarked.remark.group) == (device, send.group);
        let is_retry = !remarked.tries.is_empty();
        remarked.tries.push(hash(send.envelope));
        if !is_right {
            self.violate(format!("{id} is sent to another group, or by another home"));
        }
        is_retry
    }

    pub(super) fn on_group_sent(&mut self, device: usize, sent: &GroupSent) {
        let (id, group, sequence) = (sent.message_id, sent.group, sent.sequence);
        let Some(remarked) = self.groups.remarks.get_mut(&id) else {
            return;
        };
        let is_author = (remarked.remark.author, remarked.remark.group) == (device, group);
        let known = *remarked.sequence.get_or_insert(sequence);
        if !is_author || known != sequence {
            self.violate(format!(
                "{id} is SENT as {sequence} of {group}, and was {known}"
            ));
        }
    }

    pub(super) fn on_group_event(
        &mut self,
        counters: &mut Counters,
        device: usize,
        event: &GroupEvent<'_>,
    ) {
        let (group, sequence) = (event.group, event.sequence);
        if event.position == Position(0) {
            counters.streamed += 1;
        } else {
            counters.fanned_out += 1;
            self.on_item(
                counters,
                device,
                event.position,
                Item::Entry { group, sequence },
            );
        }
        let entry = Entry {
            kind: event.kind.0,
            author: event.author,
            id: event.message_id,
            body: hash(event.body),
        };
        let known = self.groups.entries.entry((group, sequence));
        let known = known.or_insert_with(|| entry.clone());
        if *known != entry {
            let what = format!("{sequence} of {group} was {known:?} and is {entry:?}");
            return self.violate(what);
        }
        let author = event.author.and_then(|author| self.device_at(author));
        let Some(remarked) = event
            .message_id
            .and_then(|id| self.groups.remarks.get_mut(&id))
        else {
            return;
        };
        remarked.arrived.insert(device);
        let known = *remarked.sequence.get_or_insert(sequence);
        let is_right = remarked.remark.group == group
            && author == Some(remarked.remark.author)
            && known == sequence
            && remarked.tries.contains(&entry.body);
        if !is_right {
            let id = remarked.remark.id;
            self.violate(format!(
                "{id} comes as {sequence} of {group} and is not what was said"
            ));
        }
    }

    pub(super) fn on_group_receipt(
        &mut self,
        counters: &mut Counters,
        device: usize,
        receipt: &GroupReceipt<'_>,
    ) {
        let members = receipt.members.iter();
        let item = Item::Progress {
            group: receipt.group,
            state: receipt.state,
            members: members.map(|it| (it.member, it.up_to)).collect(),
        };
        self.on_item(counters, device, receipt.position, item);
    }

    /// What an honest client's word about groups may be refused by: it may have been overtaken.
    pub(super) fn may_refuse_in_group(code: NackCode) -> bool {
        matches!(
            code,
            NackCode::GROUP_STALE | NackCode::GROUP_UNKNOWN | NackCode::GROUP_FORBIDDEN
        )
    }

    /// A change of a group will not be made: somebody else was faster, and now it may not be.
    pub(super) fn on_group_refused(
        &mut self,
        counters: &mut Counters,
        device: usize,
        code: NackCode,
    ) {
        counters.group_refusals += 1;
        let is_legal = Self::may_refuse_in_group(code) || code == NackCode::RECORD_INVALID;
        if !is_legal {
            let name = self.name(device);
            self.violate(format!("a change of {name} is refused by {code:?}"));
        }
    }

    /// A remark is shown to a person.
    pub(super) fn on_remark_shown(
        &mut self,
        counters: &mut Counters,
        device: usize,
        shown: &Message,
    ) {
        let (id, account) = (shown.id, self.devices[device].account);
        let name = self.name(device).to_owned();
        let author_account = self.groups.remarks.get(&id).map(|it| it.remark.author);
        let author_account = author_account.map(|author| self.devices[author].account);
        let handle = author_account.map(|account| self.handle_of(account).to_owned());
        let Some(remarked) = self.groups.remarks.get_mut(&id) else {
            return self.violate(format!("{name} is shown {id}, which nobody said"));
        };
        let is_own = author_account == Some(account);
        let side = if is_own {
            Direction::Outgoing
        } else {
            Direction::Incoming
        };
        let is_right = shown.text() == remarked.remark.text
            && shown.group == Some(remarked.remark.group)
            && Some(&shown.author) == handle.as_ref()
            && shown.direction == side;
        let is_new = remarked.shown.insert(device);
        counters.remarks_shown += 1;
        if !is_right || !is_new {
            self.violate(format!(
                "{id} is shown to {name} again or changed: {shown:?}"
            ));
        }
    }

    /// A person has read a remark. Returns whether it is one.
    pub(super) fn on_remark_read(&mut self, device: usize, id: MessageId) -> bool {
        let Some(remarked) = self.groups.remarks.get(&id) else {
            return false;
        };
        let key = (remarked.remark.group, self.devices[device].account);
        let sequence = remarked.sequence.unwrap_or_default();
        let mark = self.groups.reads.entry(key).or_default();
        *mark = sequence.max(*mark);
        true
    }

    /// The author of a remark is told how far it is. Returns whether it is a remark.
    pub(super) fn on_remark_state(
        &mut self,
        counters: &mut Counters,
        device: usize,
        receipt: &Receipt,
    ) -> bool {
        let (id, state) = (receipt.id, receipt.state);
        let (devices, reads) = (&self.devices, &self.groups.reads);
        let Some(remarked) = self.groups.remarks.get_mut(&id) else {
            return false;
        };
        let is_author = remarked.remark.author == device;
        let goes_back = is_author && rank(state) <= rank(remarked.state);
        if is_author {
            remarked.state = state;
        }
        let (group, sequence) = (remarked.remark.group, remarked.sequence.unwrap_or_default());
        let who: BTreeSet<usize> = match state {
            MessageState::Delivered => {
                counters.remarks_delivered += 1;
                remarked
                    .arrived
                    .iter()
                    .map(|at| devices[*at].account)
                    .collect()
            }
            MessageState::Read => {
                counters.remarks_read += 1;
                let readers = reads
                    .iter()
                    .filter(|((of, _), up_to)| *of == group && **up_to >= sequence);
                readers.map(|((_, account), _)| *account).collect()
            }
            _ => BTreeSet::new(),
        };
        if is_author {
            remarked.told.entry(state).or_insert(who);
        }
        if goes_back {
            self.violate(format!("{id} goes back to {state}"));
        }
        true
    }

    /// The server will not take a remark. Returns whether it is one.
    pub(super) fn on_remark_failed(&mut self, id: MessageId, code: NackCode) -> bool {
        let Some(remarked) = self.groups.remarks.get_mut(&id) else {
            return false;
        };
        let is_legal = remarked.state == MessageState::Pending
            && remarked.arrived.is_empty()
            && matches!(code, NackCode::GROUP_UNKNOWN | NackCode::GROUP_FORBIDDEN);
        remarked.state = MessageState::Failed;
        remarked.refusal = Some(code);
        if !is_legal {
            self.violate(format!("{id} must not fail by {code:?}"));
        }
        true
    }

    /// The account with this id, by its place in the ledger.
    pub(super) fn place_of(&self, user: UserId) -> Option<usize> {
        self.accounts.iter().position(|(_, other)| *other == user)
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}
