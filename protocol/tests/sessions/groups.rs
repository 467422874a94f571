//! Groups, their records and their messages: SPEC.md §26 and §27.

use std::collections::{BTreeMap, BTreeSet};

use martlet_protocol::frame::{
    Frame, GroupAck, GroupAsk, GroupChanged, GroupCount, GroupCounted, GroupEvent, GroupEventKind,
    GroupGap, GroupList, GroupMode, GroupReceipt, GroupSend, GroupSent, GroupState, Nack,
    Reference,
};
use martlet_protocol::limits::{GROUP_PAGE_MAX, GROUP_RECORDS_MAX, TTL_MS_MAX, TTL_MS_MIN};
use martlet_protocol::{GroupId, GroupRecord, Kind, MessageId, State, Timestamp, UserId};

use crate::inbox::Verdict;
use crate::requests::check_class;

/// What one connection after the other has told of groups, and what is open on this one.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    known: BTreeMap<GroupId, Known>,
    /// Where each record that was accepted stands.
    records: BTreeMap<(GroupId, u64), u64>,
    accepted: BTreeMap<MessageId, (Payload, GroupSent)>,
    sent_before: BTreeSet<MessageId>,
    times: BTreeMap<(GroupId, u64), Timestamp>,
    modes: BTreeMap<GroupId, GroupMode>,
    in_inbox: BTreeMap<GroupId, u64>,
    /// How far the device has each group, by GROUP_ACK or by the entry that changed the mode.
    has: BTreeMap<GroupId, u64>,
    pushed_max: BTreeMap<GroupId, u64>,
    watermarks: BTreeMap<(GroupId, Option<UserId>, State), u64>,
    on: Open,
}

/// The newest that was told of a group.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    version: u64,
    roster: u64,
    sequence: u64,
}

/// What a message is by SPEC.md: a retry has the same.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Payload {
    group: GroupId,
    ttl_ms: u64,
    envelope: Vec<u8>,
}

/// A GROUP_SEND under way.
#[derive(Debug)]
struct Pending {
    payload: Payload,
    stale: bool,
    /// Which step it was.
    at: usize,
    first: bool,
}

#[derive(Debug, Default)]
struct Open {
    asked: Vec<(Kind, u64)>,
    changes: BTreeMap<u64, Vec<u8>>,
    states: BTreeMap<u64, GroupAsk>,
    counts: BTreeMap<u64, GroupCount>,
    lists: BTreeMap<u64, u64>,
    reads: Vec<GroupId>,
    sends: Vec<(MessageId, Pending)>,
    /// The accepted ones of this connection: group, step of the GROUP_SEND, sequence.
    order: Vec<(GroupId, usize, u64)>,
    /// The end of each own stream as it was pushed.
    pushed: BTreeMap<GroupId, u64>,
}

impl Groups {
    pub(crate) fn connection_begins(&mut self) {
        self.on = Open::default();
    }

    pub(crate) fn client(&mut self, frame: &Frame<'_>) {
        match frame {
            Frame::GroupChange(change) => {
                self.on.asked.push((frame.kind(), change.request));
                let record = change.record.0.to_vec();
                self.on.changes.insert(change.request, record);
            }
            Frame::GroupAsk(ask) => {
                self.on.asked.push((frame.kind(), ask.request));
                self.on.states.insert(ask.request, *ask);
            }
            Frame::GroupCount(count) => {
                self.on.asked.push((frame.kind(), count.request));
                self.on.counts.insert(count.request, *count);
            }
            Frame::Groups(groups) => {
                self.on.asked.push((frame.kind(), groups.request));
                self.on.lists.insert(groups.request, groups.after);
            }
            Frame::GroupRead(read) => self.on.reads.push(read.group),
            _ => {}
        }
    }

    pub(crate) fn server(&mut self, frame: &Frame<'_>) -> Verdict {
        match frame {
            Frame::GroupChanged(changed) => self.changed(changed),
            Frame::GroupState(state) => self.state(state),
            Frame::GroupSent(sent) => self.sent(sent),
            Frame::GroupCounted(counted) => self.counted(counted),
            Frame::GroupList(list) => self.list(list),
            Frame::GroupGap(gap) => self.gap(gap),
            _ => Ok(()),
        }
    }

    /// A NACK, if it is of one of these frames.
    pub(crate) fn refused(&mut self, nack: &Nack) -> Option<Verdict> {
        let number = nack.reference.as_number();
        let known = match nack.of {
            Kind::GROUP_SEND => self.answered(nack.reference.as_message()).is_some(),
            Kind::GROUP_READ => {
                self.on.reads.contains(&GroupId(number))
                    && nack.reference == Reference::number(number)
            }
            Kind::GROUP_CHANGE | Kind::GROUP_ASK | Kind::GROUP_COUNT | Kind::GROUPS => {
                self.on.asked.contains(&(nack.of, number))
                    && nack.reference == Reference::number(number)
            }
            Kind::GROUP_ACK | Kind::GROUP_TYPING => false,
            _ => return None,
        };
        let verdict = if known {
            check_class(nack)
        } else {
            Err("M-13.1")
        };
        Some(verdict)
    }

    fn changed(&mut self, changed: &GroupChanged) -> Verdict {
        let record = self.on.changes.get(&changed.request).ok_or("M-26.18")?;
        let record = GroupRecord::decode(record).map_err(|_| "M-26.17")?;
        if (record.group, record.version) != (changed.group, changed.version) {
            return Err("M-26.18");
        }
        let place = (changed.group, changed.version);
        let before = *self.records.entry(place).or_insert(changed.sequence);
        if before != changed.sequence {
            return Err("M-26.18");
        }
        let known = self.known.entry(changed.group).or_default();
        if known.version > 0 && ![known.version, known.version + 1].contains(&record.version) {
            return Err("M-26.10");
        }
        known.version = known.version.max(record.version);
        known.sequence = known.sequence.max(changed.sequence);
        if (changed.version == 1) == (changed.sequence == 1) {
            Ok(())
        } else {
            Err("M-27.1")
        }
    }

    fn state(&mut self, state: &GroupState<'_>) -> Verdict {
        const WRONG: &str = "M-26.19";
        let ask = self.on.states.get(&state.request).ok_or(WRONG)?;
        let known = self.known.entry(state.group).or_default();
        let falls = state.version < known.version
            || state.roster < known.roster
            || state.sequence < known.sequence;
        if ask.group != state.group || falls {
            return Err(WRONG);
        }
        *known = Known {
            version: state.version,
            roster: state.roster,
            sequence: state.sequence,
        };
        let first = if ask.have == 0 {
            state.version
        } else {
            ask.have + 1
        };
        let due = (state.version + 1).saturating_sub(first);
        if state.records.len() as u64 != due.min(GROUP_RECORDS_MAX as u64) {
            return Err(WRONG);
        }
        for (bytes, version) in state.records.iter().zip(first..) {
            let record = GroupRecord::decode(bytes.0).map_err(|_| WRONG)?;
            if (record.group, record.version) != (state.group, version) {
                return Err(WRONG);
            }
        }
        let members = state.members.iter().map(|member| member.user);
        let ascend = members.is_sorted_by(|a, b| a < b);
        ascend.then_some(()).ok_or(WRONG)
    }

    /// A GROUP_SEND at step `at`.
    pub(crate) fn send(&mut self, send: &GroupSend<'_>, at: usize) {
        let known = self.known.get(&send.group).copied().unwrap_or_default();
        let pending = Pending {
            payload: Payload {
                group: send.group,
                ttl_ms: send.ttl_ms,
                envelope: send.envelope.to_vec(),
            },
            stale: send.version < known.version || send.roster < known.roster,
            at,
            first: self.sent_before.insert(send.message_id),
        };
        self.on.sends.push((send.message_id, pending));
    }

    fn answered(&mut self, id: MessageId) -> Option<Pending> {
        let mut sends = self.on.sends.iter();
        let index = sends.position(|(pending, _)| *pending == id)?;
        Some(self.on.sends.remove(index).1)
    }

    fn sent(&mut self, sent: &GroupSent) -> Verdict {
        let pending = self.answered(sent.message_id).ok_or("M-27.2")?;
        if pending.payload.group != sent.group {
            return Err("M-27.2");
        }
        if let Some((payload, answer)) = self.accepted.get(&sent.message_id) {
            let same = *payload == pending.payload && answer == sent;
            return same.then_some(()).ok_or("M-27.3");
        }
        let ttl_ms = pending.payload.ttl_ms;
        if ttl_ms != 0 && !(TTL_MS_MIN..=TTL_MS_MAX).contains(&ttl_ms) {
            return Err("M-9.11");
        }
        if pending.stale {
            return Err("M-27.4");
        }
        if pending.first {
            let wrong = |(group, at, sequence): &(GroupId, usize, u64)| {
                *group == sent.group && (*at < pending.at) != (*sequence < sent.sequence)
            };
            if self.on.order.iter().any(wrong) {
                return Err("M-27.5");
            }
            self.on.order.push((sent.group, pending.at, sent.sequence));
        }
        self.place(sent.group, sent.sequence, sent.timestamp)?;
        self.accepted
            .insert(sent.message_id, (pending.payload, *sent));
        Ok(())
    }

    /// An entry of the log: its time lies between those of its neighbours.
    fn place(&mut self, group: GroupId, sequence: u64, time: Timestamp) -> Verdict {
        let known = self.known.entry(group).or_default();
        known.sequence = known.sequence.max(sequence);
        let place = (group, sequence);
        let mut before = self.times.range((group, 0)..place);
        let mut behind = self.times.range((group, sequence + 1)..=(group, u64::MAX));
        let early = before.next_back().is_some_and(|(_, other)| *other >= time);
        let late = behind.next().is_some_and(|(_, other)| *other <= time);
        let other = self.times.insert(place, time);
        if early || late || other.is_some_and(|other| other != time) {
            Err("M-27.5")
        } else {
            Ok(())
        }
    }

    /// An entry, wherever it comes.
    fn entry(&mut self, event: &GroupEvent<'_>) -> Verdict {
        if event.sequence == 0 || (event.sequence == 1 && event.kind != GroupEventKind::RECORD) {
            return Err("M-27.1");
        }
        self.place(event.group, event.sequence, event.timestamp)?;
        match (event.kind, event.body) {
            (GroupEventKind::RECORD, body) => {
                let record = GroupRecord::decode(body).map_err(|_| "M-26.17")?;
                let known = self.known.entry(event.group).or_default();
                known.version = known.version.max(record.version);
            }
            (GroupEventKind::MODE, [mode]) => {
                self.modes.insert(event.group, GroupMode(*mode));
                self.has.insert(event.group, event.sequence);
                // A stream that ends, or begins again, goes on behind it.
                self.on.pushed.remove(&event.group);
            }
            (GroupEventKind::MODE, _) => return Err("M-27.6"),
            _ => {}
        }
        Ok(())
    }

    fn has_mode(&self, group: GroupId, mode: GroupMode) -> bool {
        self.modes.get(&group).is_none_or(|known| *known == mode)
    }

    /// An entry in the inbox; `first` unless it was told before.
    pub(crate) fn in_inbox(&mut self, event: &GroupEvent<'_>, first: bool) -> Verdict {
        if !first {
            return Ok(());
        }
        if !self.has_mode(event.group, GroupMode::INBOX) {
            return Err("M-27.6");
        }
        let before = self.in_inbox.insert(event.group, event.sequence);
        if before.is_some_and(|before| event.sequence <= before) {
            return Err("M-27.7");
        }
        self.entry(event)
    }

    /// An entry of the group's own stream.
    pub(crate) fn in_stream(&mut self, event: &GroupEvent<'_>) -> Verdict {
        if !self.has_mode(event.group, GroupMode::STREAM) {
            return Err("M-27.6");
        }
        self.take(event.group, event.sequence, event.sequence)?;
        self.entry(event)
    }

    fn gap(&mut self, gap: &GroupGap) -> Verdict {
        self.take(gap.group, gap.from, gap.to)
    }

    fn take(&mut self, group: GroupId, from: u64, to: u64) -> Verdict {
        let right = match (self.on.pushed.insert(group, to), self.has.get(&group)) {
            (Some(pushed), _) => from == pushed + 1,
            (None, Some(has)) => from <= has + 1,
            (None, None) => true,
        };
        let newest = self.pushed_max.entry(group).or_default();
        *newest = to.max(*newest);
        right.then_some(()).ok_or("M-27.8")
    }

    /// Whether the server must answer by CLOSE(BAD_ACK).
    pub(crate) fn ack(&mut self, ack: &GroupAck) -> bool {
        let pushed = self.pushed_max.get(&ack.group).copied();
        let has = self.has.entry(ack.group).or_default();
        if ack.sequence > pushed.unwrap_or_default().max(*has) {
            return true;
        }
        *has = ack.sequence.max(*has);
        false
    }

    /// Watermarks in the inbox; `first` unless they were told before.
    pub(crate) fn receipt(&mut self, receipt: &GroupReceipt<'_>, first: bool) -> Verdict {
        let watermark = [State::DELIVERED, State::READ].contains(&receipt.state);
        if receipt.state.is_known() && !watermark {
            return Err("M-27.10");
        }
        let members = receipt.members.iter().map(|it| it.member);
        if !members.is_sorted_by(|a, b| a < b) {
            return Err("M-27.11");
        }
        for progress in &receipt.members {
            let key = (receipt.group, progress.member, receipt.state);
            let before = self.watermarks.insert(key, progress.up_to);
            if first && before.is_some_and(|before| progress.up_to <= before) {
                return Err("M-27.11");
            }
        }
        Ok(())
    }

    fn counted(&self, counted: &GroupCounted<'_>) -> Verdict {
        const WRONG: &str = "M-27.12";
        let count = self.on.counts.get(&counted.request).ok_or(WRONG)?;
        let due = match count.detail && counted.members <= GROUP_PAGE_MAX as u64 {
            true => counted.members,
            false => 0,
        };
        let named = counted.details.iter().map(|detail| detail.user);
        let right = (count.group, count.sequence) == (counted.group, counted.sequence)
            && counted.read <= counted.delivered
            && counted.delivered <= counted.members
            && counted.details.len() as u64 == due
            && named.is_sorted_by(|a, b| a < b);
        right.then_some(()).ok_or(WRONG)
    }

    fn list(&self, list: &GroupList<'_>) -> Verdict {
        let after = self.on.lists.get(&list.request).ok_or("M-26.21")?;
        let ids = list.groups.iter().map(|it| it.group);
        let behind = list.groups.iter().all(|it| it.group.0 > *after);
        let right = behind && ids.is_sorted_by(|a, b| a < b);
        right.then_some(()).ok_or("M-26.21")
    }
}
