//! What a device says of groups, and what it is told of them: between gate and shards.

use bytes::Bytes;
use martlet_protocol::frame::{
    Frame, GroupChange, GroupCounted, GroupList, GroupSend, GroupState, SignedRecord,
};
use martlet_protocol::group_record::GroupRecord;
use martlet_protocol::wire::List;
use martlet_protocol::{Address, Kind};
use martlet_shard::{Command, GroupSendRequest, Reply};

use crate::desk::Desk;
use crate::gate::Gate;
use crate::signatures::is_signed;

impl Gate {
    /// The command of a frame about groups, if it is one.
    pub(crate) fn on_groups(
        &mut self,
        desk: &mut Desk<'_>,
        address: Address,
        frame: &Frame<'_>,
        frame_bytes: u64,
    ) -> Option<Command> {
        let session = self.session();
        Some(match frame {
            Frame::GroupSend(send) => self.on_group_send(desk, address, send, frame_bytes),
            Frame::GroupChange(change) => return self.on_group_change(desk, address, change),
            Frame::GroupAsk(ask) => Command::GroupAsk {
                session,
                from: address.user,
                request: ask.request,
                group: ask.group,
                have: ask.have,
                have_roster: ask.have_roster,
            },
            Frame::GroupAck(ack) => Command::GroupAck {
                session,
                address,
                group: ack.group,
                sequence: ack.sequence,
            },
            Frame::GroupRead(read) => Command::GroupRead {
                session,
                address,
                group: read.group,
                sequence: read.sequence,
            },
            Frame::GroupCount(count) => Command::GroupCount {
                session,
                from: address,
                request: count.request,
                group: count.group,
                sequence: count.sequence,
                has_detail: count.detail,
                is_told_reads: desk.is_told_reads(address),
            },
            Frame::Groups(groups) => Command::Groups {
                session,
                user: address.user,
                request: groups.request,
                after: groups.after,
            },
            Frame::GroupTyping(typing) => Command::GroupTyping {
                from: address,
                group: typing.group,
                kind: typing.kind,
            },
            _ => return None,
        })
    }

    fn on_group_send(
        &mut self,
        desk: &mut Desk<'_>,
        from: Address,
        send: &GroupSend<'_>,
        frame_bytes: u64,
    ) -> Command {
        self.spend(desk, from, frame_bytes);
        let env = &mut *desk.env;
        let is_retry = env.ledger.on_group_send(self.device, send);
        env.counters.group_retries += u64::from(is_retry);
        Command::GroupSend {
            session: self.session(),
            from,
            request: Box::new(GroupSendRequest {
                message_id: send.message_id,
                group: send.group,
                version: send.version,
                roster: send.roster,
                ttl_ms: send.ttl_ms,
                envelope: Bytes::copy_from_slice(send.envelope),
            }),
        }
    }

    fn on_group_change(
        &self,
        desk: &mut Desk<'_>,
        address: Address,
        change: &GroupChange<'_>,
    ) -> Option<Command> {
        let record = GroupRecord::decode(change.record.0).ok();
        let record = record.filter(|record| record.actor == address);
        let key = desk.device_key(address);
        let is_genuine = record.as_ref().zip(key).is_some_and(|(record, key)| {
            is_signed(&key, &record.signed_bytes(), &record.signature)
        });
        let Some(record) = record.filter(|_| is_genuine) else {
            // One that was removed a moment ago has yet to be told.
            if !desk.env.ledger.is_removed(address) {
                let what = format!("{address} signs a record that is not genuine");
                desk.env.ledger.violate(what);
            }
            return None;
        };
        Some(Command::GroupChange {
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
            Reply::GroupSent(sent) => {
                self.write(&Frame::GroupSent(*sent));
                self.answered();
            }
            Reply::GroupChanged(changed) => self.write(&Frame::GroupChanged(*changed)),
            Reply::GroupGap(gap) => self.write(&Frame::GroupGap(*gap)),
            Reply::GroupTyped(typed) => self.write(&Frame::GroupTyped(*typed)),
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
            _ => return false,
        }
        true
    }

    /// Whether the answer to such a frame gives credit back.
    pub(crate) const fn has_credit(of: Kind) -> bool {
        matches!(of, Kind::SEND | Kind::GROUP_SEND)
    }
}
