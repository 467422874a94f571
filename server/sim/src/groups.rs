//! What a device says of groups, and what it is told of them: between gate and shards.

use bytes::Bytes;
use martlet_protocol::frame::{
    Frame, GroupChange, GroupCount, GroupCounted, GroupList, GroupSend, GroupState, Reference,
    SignedRecord,
};
use martlet_protocol::wire::List;
use martlet_protocol::{Address, GroupRecord, Kind, NackCode};
use martlet_shard::{GroupCommand, GroupSendRequest, Reply};

use crate::desk::Desk;
use crate::gate::Gate;
use crate::signatures::is_signed;

impl Gate {
    /// The command of a frame about groups, if it is one and the gate does not refuse it.
    pub(crate) fn on_groups(
        &mut self,
        desk: &mut Desk<'_>,
        address: Address,
        frame: &Frame<'_>,
        frame_bytes: u64,
    ) -> Option<GroupCommand> {
        let session = self.session();
        Some(match frame {
            Frame::GroupAsk(ask) => GroupCommand::Ask {
                session,
                from: address.user,
                request: ask.request,
                group: ask.group,
                have: ask.have,
                have_roster: ask.have_roster,
            },
            Frame::GroupChange(change) => return self.on_group_change(desk, address, change),
            Frame::GroupSend(send) => {
                self.spend(desk, address, frame_bytes);
                let env = &mut *desk.env;
                let is_retry = env.ledger.on_group_send(self.device, send);
                env.counters.group_retries += u64::from(is_retry);
                GroupCommand::Send {
                    session,
                    from: address,
                    request: Box::new(group_send(send)),
                }
            }
            Frame::GroupAck(ack) => GroupCommand::Ack {
                session,
                address,
                group: ack.group,
                sequence: ack.sequence,
            },
            Frame::GroupRead(read) => GroupCommand::Read {
                session,
                address,
                group: read.group,
                sequence: read.sequence,
            },
            Frame::GroupCount(GroupCount {
                request,
                group,
                sequence,
                detail,
            }) => GroupCommand::Count {
                session,
                from: address,
                request: *request,
                group: *group,
                sequence: *sequence,
                has_detail: *detail,
                is_told_reads: desk.is_told_reads(address),
            },
            Frame::Groups(groups) => GroupCommand::List {
                session,
                user: address.user,
                request: groups.request,
                after: groups.after,
            },
            Frame::GroupTyping(typing) => GroupCommand::Typing {
                from: address,
                group: typing.group,
                kind: typing.kind,
            },
            _ => return None,
        })
    }

    /// An honest client signs its records itself, as the device that it is.
    fn on_group_change(
        &mut self,
        desk: &mut Desk<'_>,
        address: Address,
        change: &GroupChange<'_>,
    ) -> Option<GroupCommand> {
        let record = GroupRecord::decode(change.record.0).ok();
        let record = record.filter(|record| record.actor == address);
        let key = desk.device_key(address);
        let genuine = record.filter(|record| {
            key.is_some_and(|key| is_signed(&key, &record.signed_bytes(), &record.signature))
        });
        let Some(record) = genuine else {
            // One that was removed a moment ago has yet to be told.
            if key.is_some() || !desk.env.ledger.is_removed(address) {
                let what = format!("{address} says a record that is not its own");
                desk.env.ledger.violate(what);
            }
            let reference = Reference::number(change.request);
            self.refuse(Kind::GROUP_CHANGE, NackCode::RECORD_INVALID, reference, 0);
            return None;
        };
        Some(GroupCommand::Change {
            session: self.session(),
            address,
            request: change.request,
            group: record.group,
            record: Bytes::copy_from_slice(change.record.0),
        })
    }

    /// Writes an answer about groups. Returns whether it is one.
    pub(crate) fn reply_about_groups(&mut self, reply: &Reply) -> bool {
        match reply {
            Reply::GroupChanged(changed) => self.write(&Frame::GroupChanged(*changed)),
            Reply::GroupSent(sent) => {
                self.write(&Frame::GroupSent(*sent));
                self.answered();
            }
            Reply::GroupGap(gap) => self.write(&Frame::GroupGap(*gap)),
            Reply::GroupTyped(typed) => self.write(&Frame::GroupTyped(*typed)),
            Reply::GroupState(answer) => {
                let records = answer.records.iter().map(|record| SignedRecord(record));
                let records: Vec<_> = records.collect();
                self.write(&Frame::GroupState(GroupState {
                    request: answer.request,
                    group: answer.group,
                    version: answer.version,
                    roster: answer.roster,
                    sequence: answer.sequence,
                    mode: answer.mode,
                    records: List::Slice(&records),
                    members: List::Slice(&answer.members),
                }));
            }
            Reply::GroupList(answer) => self.write(&Frame::GroupList(GroupList {
                request: answer.request,
                more: answer.more,
                groups: List::Slice(&answer.groups),
            })),
            Reply::GroupCounted(answer) => self.write(&Frame::GroupCounted(GroupCounted {
                request: answer.request,
                group: answer.group,
                sequence: answer.sequence,
                members: answer.members,
                delivered: answer.delivered,
                read: answer.read,
                details: List::Slice(&answer.details),
            })),
            _ => return false,
        }
        true
    }
}

fn group_send(send: &GroupSend<'_>) -> GroupSendRequest {
    GroupSendRequest {
        message_id: send.message_id,
        group: send.group,
        version: send.version,
        roster: send.roster,
        ttl_ms: send.ttl_ms,
        envelope: Bytes::copy_from_slice(send.envelope),
    }
}
