//! Messages to groups at the model server, and how far their members are.

use martlet_protocol::frame::{
    Credit, Frame, GroupAck, GroupCount, GroupCounted, GroupDetail, GroupEventKind, GroupProgress,
    GroupRead, GroupSend, GroupSent, Reference,
};
use martlet_protocol::wire::List;
use martlet_protocol::{Address, Class, GroupId, Kind, NackCode, Role, State, Timestamp, UserId};

use super::account::Item;
use super::{Model, Session};

impl Model {
    pub(super) fn send_to_group(
        &mut self,
        session: &mut Session,
        from: Address,
        send: &GroupSend<'_>,
    ) {
        session.write(&Frame::Credit(Credit {
            messages: 1,
            bytes: session.frame_bytes as u64,
        }));
        let reference = Reference::message(send.message_id);
        let key = (from, send.message_id);
        let payload = [&send.ttl_ms.to_le_bytes(), send.envelope].concat();
        let known = self.groups.get(&send.group);
        if let Some((accepted, sent)) = known.and_then(|group| group.accepted.get(&key)) {
            if *accepted != payload {
                return session.refuse(Kind::GROUP_SEND, NackCode::CONFLICT, reference);
            }
            let sent = *sent;
            return session.write(&Frame::GroupSent(sent));
        }
        if let Some(code) = self.group_refusal(session, from, send) {
            let first = session.refused_in_group.get(&send.group).copied();
            if code.class() != Class::NEVER {
                session
                    .refused_in_group
                    .entry(send.group)
                    .or_insert(send.message_id);
            } else if first == Some(send.message_id) {
                session.refused_in_group.remove(&send.group);
            }
            return session.refuse(Kind::GROUP_SEND, code, reference);
        }
        session.refused_in_group.remove(&send.group);
        let author = (Some(from), Some(send.message_id));
        let body = send.envelope.to_vec();
        let sequence = self.append(send.group, GroupEventKind::MESSAGE, author, body);
        let group = self.group(send.group);
        let sent = GroupSent {
            message_id: send.message_id,
            group: send.group,
            sequence,
            timestamp: Timestamp(group.log.last().unwrap().timestamp),
            members: group.roster.members.len() as u64 - 1,
        };
        group.accepted.insert(key, (payload, sent));
        session.write(&Frame::GroupSent(sent));
    }

    fn group_refusal(
        &mut self,
        session: &Session,
        from: Address,
        send: &GroupSend<'_>,
    ) -> Option<NackCode> {
        let first = session.refused_in_group.get(&send.group);
        if first.is_some_and(|first| *first != send.message_id) {
            return Some(NackCode::OUT_OF_ORDER);
        }
        if self.refusals > 0 {
            self.refusals -= 1;
            return Some(NackCode::RATE_LIMITED);
        }
        let Some(group) = self.group_for(send.group, from.user) else {
            return Some(NackCode::GROUP_UNKNOWN);
        };
        let told = group.records.len() as u64 - u64::from(group.hides_newest);
        if (send.version, send.roster) != (told, group.number) {
            return Some(NackCode::GROUP_STALE);
        }
        let may_send = group
            .roster
            .rights
            .send
            .allows(group.roster.role(from.user));
        (!may_send).then_some(NackCode::GROUP_FORBIDDEN)
    }

    pub(super) fn read_group(&mut self, reader: Address, read: &GroupRead) {
        self.progress(read.group, reader.user, (State::READ, read.sequence));
    }

    pub(super) fn acknowledge_group(&mut self, from: Address, ack: &GroupAck) {
        if self.group_for(ack.group, from.user).is_none() {
            return;
        }
        let group = self.group(ack.group);
        let pushed = group.pushed.get(&from).copied().unwrap_or(0);
        assert!(ack.sequence <= pushed, "acknowledged before it was pushed");
        let cursor = group.cursors.entry(from).or_insert(0);
        *cursor = (*cursor).max(ack.sequence);
        self.progress(ack.group, from.user, (State::DELIVERED, ack.sequence));
    }

    /// A member has everything up to a sequence, or has read it: the authors are told.
    pub(super) fn progress(&mut self, group: GroupId, user: UserId, (state, up_to): (State, u64)) {
        let Some(known) = self.groups.get_mut(&group) else {
            return;
        };
        let Some(member) = known.members.get_mut(&user) else {
            return;
        };
        // Read beyond what was delivered is as far as that.
        let from = match state {
            State::READ => {
                let from = member.read;
                member.read = from.max(up_to.min(member.delivered));
                from + 1..=member.read
            }
            _ => {
                let from = member.delivered;
                member.delivered = from.max(up_to);
                from + 1..=member.delivered
            }
        };
        let up_to = *from.end();
        let mut authors: Vec<UserId> = from
            .filter_map(|sequence| {
                let entry = &known.log[usize::try_from(sequence).unwrap() - 1];
                let author = entry.author.map(|author| author.user)?;
                (entry.kind == GroupEventKind::MESSAGE && author != user).then_some(author)
            })
            .collect();
        authors.sort_unstable();
        authors.dedup();
        let at = self.now;
        for author in authors {
            let item = Item::GroupReceipt {
                group,
                state,
                at,
                members: vec![GroupProgress {
                    member: Some(user),
                    up_to,
                }],
            };
            self.tell(author, &item);
        }
    }

    pub(super) fn count(&mut self, session: &mut Session, from: Address, count: &GroupCount) {
        let group = self.group(count.group);
        let members = group.members.iter().filter(|(user, member)| {
            **user != from.user && member.role != Role::NONE && member.since < count.sequence
        });
        let details: Vec<_> = members
            .map(|(user, member)| GroupDetail {
                user: *user,
                state: if member.read >= count.sequence {
                    State::READ
                } else if member.delivered >= count.sequence {
                    State::DELIVERED
                } else {
                    State::SENT
                },
            })
            .collect();
        let of = |states: &[State]| {
            let counted = details.iter().filter(|it| states.contains(&it.state));
            counted.count() as u64
        };
        session.write(&Frame::GroupCounted(GroupCounted {
            request: count.request,
            group: count.group,
            sequence: count.sequence,
            members: details.len() as u64,
            delivered: of(&[State::DELIVERED, State::READ]),
            read: of(&[State::READ]),
            details: List::Slice(&details),
        }));
    }
}
