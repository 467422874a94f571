//! Groups at the model server: records by the rules, one log for each group, inboxes or streams.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use martlet_client::crypto::list::SignedList;
use martlet_protocol::frame::{
    Frame, GapReason, GroupAsk, GroupChange, GroupChanged, GroupEvent, GroupEventKind, GroupGap,
    GroupList, GroupMember, GroupMode, GroupSent, GroupState, Groups, ListedGroup, Reference,
    SignedRecord,
};
use martlet_protocol::limits::GROUP_RECORDS_MAX;
use martlet_protocol::wire::List;
use martlet_protocol::{
    Address, GroupId, GroupRecord, Kind, MessageId, NackCode, Position, Role, Roster, Timestamp,
    UserId, group_rules,
};

use super::account::Item;
use super::{Model, Session, verify};

/// When the own streams of groups come on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Streams {
    /// Before the inbox.
    First,
    /// When the inbox is empty.
    #[default]
    Last,
    /// One entry after each word of the client.
    Slowly,
    Never,
}

/// A group as the server has it.
pub(crate) struct Group {
    pub(super) roster: Roster,
    /// Grows with records and with the members' lists.
    pub(super) number: u64,
    pub(crate) records: Vec<Vec<u8>>,
    pub(crate) log: Vec<Entry>,
    pub(crate) mode: GroupMode,
    /// What was ever pushed to whom of the own stream.
    pub(super) pushed: BTreeMap<Address, u64>,
    pub(super) members: BTreeMap<UserId, Member>,
    pub(super) accepted: BTreeMap<(Address, MessageId), (Vec<u8>, GroupSent)>,
    pub(super) cursors: BTreeMap<Address, u64>,
    /// Members of whom only the server speaks.
    pub(crate) false_members: Vec<GroupMember>,
    /// Whether the newest record is not told.
    pub(crate) hides_newest: bool,
    /// Entries that are told as a gap.
    pub(crate) lost: Vec<u64>,
}

pub(super) struct Member {
    pub(super) role: Role,
    /// The roster with which it has changed.
    changed: u64,
    /// The sequence of the record that has added it.
    pub(super) since: u64,
    pub(super) delivered: u64,
    pub(super) read: u64,
}

/// What stands in the log.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) kind: GroupEventKind,
    pub(crate) author: Option<Address>,
    pub(crate) id: Option<MessageId>,
    pub(crate) timestamp: u64,
    pub(crate) body: Vec<u8>,
    /// The mode when it was placed.
    mode: GroupMode,
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let hash = digest::digest(&digest::SHA256, bytes);
    hash.as_ref().try_into().unwrap()
}

impl Model {
    pub(crate) fn group(&mut self, group: GroupId) -> &mut Group {
        self.groups.get_mut(&group).expect("the group exists")
    }

    pub(super) fn on_group_frame(
        &mut self,
        session: &mut Session,
        from: Address,
        frame: Frame<'_>,
    ) {
        match frame {
            Frame::GroupChange(change) => self.change_group(session, from, &change),
            Frame::GroupAsk(ask) => self.group_state(session, from, &ask),
            Frame::Groups(asked) => self.list_groups(session, from, &asked),
            Frame::GroupSend(send) => self.send_to_group(session, from, &send),
            Frame::GroupRead(read) => self.read_group(from, &read),
            Frame::GroupAck(ack) => self.acknowledge_group(from, &ack),
            Frame::GroupCount(count) => self.count(session, from, &count),
            other => panic!("not of a client: {other:?}"),
        }
    }

    fn change_group(&mut self, session: &mut Session, from: Address, change: &GroupChange<'_>) {
        let reference = Reference::number(change.request);
        let bytes = change.record.0;
        let record = GroupRecord::decode(bytes).expect("a client signs what can be read");
        assert_eq!(record.actor, from, "a client signs for itself");
        let lists = &self.account(from.user).lists;
        let list = &lists[usize::try_from(record.actor_list).unwrap() - 1];
        let list = SignedList::verify(list, from.user).unwrap();
        let listed = list.device(from.device).expect("the list has the device");
        verify(
            &listed.signing_key,
            &record.signed_bytes(),
            &record.signature,
        );
        let group = record.group;
        let known = self.groups.get(&group);
        if let Some(known) = known
            && known.records.last().map(Vec::as_slice) == Some(bytes)
        {
            let sequence = known.log.len() as u64;
            return session.write(&Frame::GroupChanged(GroupChanged {
                request: change.request,
                group,
                version: record.version,
                sequence,
            }));
        }
        let checked = if known.is_some() && record.version == 1 {
            Err(NackCode::GROUP_TAKEN)
        } else if self.group_refusals > 0 {
            self.group_refusals -= 1;
            Err(NackCode::RATE_LIMITED)
        } else {
            let before = known.map(|known| &known.roster);
            group_rules::check(before, &record, sha256).map_err(group_rules::RuleError::code)
        };
        let after = match checked {
            Ok(after) => after,
            Err(code) => return session.refuse(Kind::GROUP_CHANGE, code, reference),
        };
        let sequence = self.take_group_record(from, bytes, after);
        session.write(&Frame::GroupChanged(GroupChanged {
            request: change.request,
            group,
            version: record.version,
            sequence,
        }));
    }

    /// Makes a record the newest one, whatever it says.
    pub(crate) fn take_group_record(&mut self, from: Address, bytes: &[u8], after: Roster) -> u64 {
        let group = after.group;
        let known = self.groups.entry(group).or_insert_with(|| Group {
            roster: after.clone(),
            number: 0,
            records: Vec::new(),
            log: Vec::new(),
            mode: GroupMode::INBOX,
            pushed: BTreeMap::new(),
            members: BTreeMap::new(),
            accepted: BTreeMap::new(),
            cursors: BTreeMap::new(),
            false_members: Vec::new(),
            hides_newest: false,
            lost: Vec::new(),
        });
        known.number += 1;
        known.records.push(bytes.to_vec());
        let (number, sequence) = (known.number, known.log.len() as u64 + 1);
        for (user, role) in &after.members {
            let member = known.members.entry(*user).or_insert(Member {
                role: Role::NONE,
                changed: number,
                since: sequence,
                delivered: sequence,
                read: sequence,
            });
            if member.role == Role::NONE {
                member.since = sequence;
                (member.delivered, member.read) = (sequence, sequence);
            }
            if member.role != *role {
                (member.role, member.changed) = (*role, number);
            }
        }
        let mut gone = Vec::new();
        for (user, member) in &mut known.members {
            if member.role != Role::NONE && after.role(*user) == Role::NONE {
                (member.role, member.changed) = (Role::NONE, number);
                gone.push(*user);
            }
        }
        known.roster = after;
        let sequence = self.append(
            group,
            GroupEventKind::RECORD,
            (Some(from), None),
            bytes.to_vec(),
        );
        // Whoever is removed gets the record that does so.
        let item = self.item(group, sequence);
        for user in gone {
            self.tell(user, &item);
        }
        sequence
    }

    /// Appends an entry and places it.
    pub(crate) fn append(
        &mut self,
        group: GroupId,
        kind: GroupEventKind,
        (author, id): (Option<Address>, Option<MessageId>),
        body: Vec<u8>,
    ) -> u64 {
        self.clock = (self.clock + 10).max(self.now.timestamp().0);
        let timestamp = self.clock;
        let known = self.group(group);
        known.log.push(Entry {
            kind,
            author,
            id,
            timestamp,
            body,
            mode: known.mode,
        });
        let sequence = known.log.len() as u64;
        if known.mode == GroupMode::STREAM {
            return sequence;
        }
        let members: Vec<UserId> = known.roster.members.keys().copied().collect();
        let item = self.item(group, sequence);
        for user in members {
            for (device, inbox) in &mut self.account(user).inboxes {
                let this = Address {
                    user,
                    device: *device,
                };
                if kind != GroupEventKind::MESSAGE || author != Some(this) {
                    inbox.stream.push(item.clone());
                }
            }
        }
        sequence
    }

    fn item(&mut self, group: GroupId, sequence: u64) -> Item {
        let entry = &self.group(group).log[usize::try_from(sequence).unwrap() - 1];
        Item::GroupEvent {
            group,
            sequence,
            entry: entry.clone(),
        }
    }

    /// The entries that follow come in another way.
    pub(crate) fn switch(&mut self, group: GroupId, mode: GroupMode) {
        self.append(group, GroupEventKind::MODE, (None, None), vec![mode.0]);
        self.group(group).mode = mode;
    }

    /// A list of a member is published: the roster grows.
    pub(super) fn grow_rosters(&mut self, user: UserId) {
        for group in self.groups.values_mut() {
            if let Some(member) = group.members.get_mut(&user)
                && member.role != Role::NONE
            {
                group.number += 1;
                member.changed = group.number;
            }
        }
    }

    /// The roster of a group grows for no reason.
    pub(crate) fn grow_rosters_of(&mut self, group: GroupId) {
        self.group(group).number += 1;
    }

    /// The group, if the account is a member.
    pub(super) fn group_for(&self, group: GroupId, user: UserId) -> Option<&Group> {
        let group = self.groups.get(&group)?;
        group.roster.members.contains_key(&user).then_some(group)
    }

    fn group_state(&mut self, session: &mut Session, from: Address, ask: &GroupAsk) {
        if self.group_for(ask.group, from.user).is_none() {
            let reference = Reference::number(ask.request);
            return session.refuse(Kind::GROUP_ASK, NackCode::GROUP_UNKNOWN, reference);
        }
        let versions: BTreeMap<UserId, u64> = self
            .accounts
            .iter()
            .zip(1..)
            .map(|(account, number)| (UserId(number), account.version()))
            .collect();
        let group = self.group(ask.group);
        let told = group.records.len() - usize::from(group.hides_newest);
        let have = usize::try_from(ask.have).unwrap();
        let from = match have {
            0 => told - 1,
            have => have.min(told),
        };
        let records: Vec<_> = group.records[from..told]
            .iter()
            .take(GROUP_RECORDS_MAX)
            .map(|record| SignedRecord(record))
            .collect();
        let changed = group.members.iter().filter(|(_, member)| {
            let is_new = member.changed > ask.have_roster;
            if ask.have_roster == 0 {
                member.role != Role::NONE
            } else {
                is_new
            }
        });
        let mut members: Vec<_> = changed
            .map(|(user, member)| GroupMember {
                user: *user,
                role: member.role,
                list_version: versions[user],
            })
            .collect();
        members.extend(&group.false_members);
        members.sort_by_key(|member| member.user);
        session.write(&Frame::GroupState(GroupState {
            request: ask.request,
            group: ask.group,
            version: told as u64,
            roster: group.number,
            sequence: group.log.len() as u64,
            mode: group.mode,
            records: List::Slice(&records),
            members: List::Slice(&members),
        }));
    }

    fn list_groups(&self, session: &mut Session, from: Address, asked: &Groups) {
        let groups = self.groups.iter().filter(|(id, group)| {
            id.0 > asked.after && group.roster.members.contains_key(&from.user)
        });
        // A page has one group, so that pages are turned.
        let mut listed: Vec<_> = groups
            .map(|(group, known)| ListedGroup {
                group: *group,
                version: known.roster.version,
            })
            .collect();
        let more = listed.len() > 1;
        listed.truncate(1);
        session.write(&Frame::GroupList(GroupList {
            request: asked.request,
            more,
            groups: List::Slice(&listed),
        }));
    }

    /// A new device gets of each stream what follows.
    pub(super) fn begin_streams(&mut self, address: Address) {
        for group in self.groups.values_mut() {
            let entries = group.log.iter().zip(1..);
            let streamed = entries.filter(|(entry, _)| entry.mode == GroupMode::STREAM);
            if let Some((_, newest)) = streamed.last() {
                group.cursors.insert(address, newest);
            }
        }
    }

    /// Pushes what is new in own streams.
    pub(super) fn push_streams(&mut self, session: &mut Session, address: Address) {
        let Self {
            groups, streams, ..
        } = self;
        let mut is_told = false;
        for (id, group) in groups.iter_mut() {
            let Some(member) = group.members.get(&address.user) else {
                continue;
            };
            if member.role == Role::NONE {
                continue;
            }
            let cursor = group.cursors.get(&address).copied().unwrap_or(0);
            let begin = cursor.max(member.since - 1);
            let pushed = *session.streams.entry(*id).or_insert(begin);
            for (entry, sequence) in group.log.iter().zip(1..) {
                if sequence <= pushed || entry.mode != GroupMode::STREAM {
                    continue;
                }
                if *streams == Streams::Slowly && is_told {
                    break;
                }
                is_told = true;
                session.streams.insert(*id, sequence);
                let ever = group.pushed.entry(address).or_insert(0);
                *ever = (*ever).max(sequence);
                if group.lost.contains(&sequence) {
                    session.write(&Frame::GroupGap(GroupGap {
                        group: *id,
                        from: sequence,
                        to: sequence,
                        reason: GapReason::EXPIRED,
                    }));
                    continue;
                }
                session.write(&entry.frame(Position(0), *id, sequence));
            }
        }
    }
}

impl Entry {
    pub(super) fn frame(&self, position: Position, group: GroupId, sequence: u64) -> Frame<'_> {
        Frame::GroupEvent(GroupEvent {
            position,
            group,
            sequence,
            kind: self.kind,
            author: self.author,
            message_id: self.id,
            timestamp: Timestamp(self.timestamp),
            body: &self.body,
        })
    }
}
