//! Entries of groups: by the inbox or by the group's own stream, each once and in its order.

use martlet_protocol::frame::{GroupEvent, GroupEventKind, GroupGap, GroupMode};
use martlet_protocol::{
    Address, CloseCode, DeviceId, GroupRecord, MessageId, Millis, Position, Role, UserId,
};

use super::group_records::Took;
use super::state::{Core, Fault, UNEXPECTED};
use crate::crypto::group_log::RecordName;
use crate::error::StoreError;
use crate::event::SecurityKind;
use crate::local::{ContactId, ENTRIES_MAX, Entry, GroupNotice, GroupRow, HoleScope, Notice, Tx};

/// Whether an entry is dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dealt {
    /// It is.
    Done,
    /// It waits for a list, for the group's state or for a sender key.
    Waits,
}

impl Core {
    pub(super) fn on_group_event(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        event: &GroupEvent<'_>,
    ) -> Result<(), Fault> {
        let is_own_stream = event.position == Position(0);
        if !is_own_stream && !self.step(event.position, event.position)? {
            return Ok(());
        }
        let contact = tx.contact_of_group(event.group)?.id;
        let row = Self::group_row(tx, contact)?;
        if is_own_stream {
            let goes_on = !self.ends_stream(event.kind, event.body);
            self.step_stream(&row, (event.sequence, event.sequence), goes_on)?;
        }
        let way = if is_own_stream {
            GroupMode::STREAM
        } else {
            GroupMode::INBOX
        };
        let nobody = Address {
            user: UserId(0),
            device: DeviceId(0),
        };
        let entry = Entry {
            sequence: event.sequence,
            kind: event.kind,
            author: event.author.unwrap_or(nobody),
            id: event.message_id.unwrap_or(MessageId([0; 16])),
            timestamp: event.timestamp,
            body: event.body.to_vec(),
            way,
        };
        let has = if is_own_stream { row.cursor } else { row.inbox };
        if entry.sequence <= has {
            if is_own_stream {
                self.come_again(&row, entry.sequence);
            } else if entry.kind == GroupEventKind::MESSAGE && !tx.may_repeat(entry.timestamp)? {
                self.secure_entry(tx, now, (contact, &entry), SecurityKind::Replayed)?;
            }
            return Ok(());
        }
        tx.set_come(contact, entry.sequence, way)?;
        if is_own_stream {
            self.groups.acks.insert(event.group, entry.sequence);
        }
        if !self.is_next_in_line(&row, &entry) {
            self.make_room(tx, now, contact)?;
            tx.keep_entry(contact, &entry, false)?;
            return Ok(());
        }
        self.take_next(tx, now, contact, &entry)?;
        self.line_up(tx, now, contact)?;
        Ok(())
    }

    /// A server that has forgotten how far this device is begins further back. One that was put
    /// back from a copy has nothing behind that.
    fn come_again(&mut self, row: &GroupRow, sequence: u64) {
        let known = if row.is_restored {
            sequence
        } else {
            row.cursor
        };
        self.groups.acks.insert(row.group, known);
    }

    /// Whether all before an entry have come. What comes by the inbox and what comes by the stream
    /// may come in any order [M-27.16]: behind each switch entries wait for those before it.
    fn is_next_in_line(&mut self, row: &GroupRow, entry: &Entry) -> bool {
        let is_caught_up = self.live().is_some_and(|live| live.caught_up);
        match row.way {
            // One that is late after all has nothing to wait for.
            _ if entry.sequence <= row.sequence + 1 => true,
            Some(way) => way == entry.way,
            // The first one of all. The inbox may have older ones.
            None => entry.way == GroupMode::INBOX || is_caught_up,
        }
    }

    /// An entry is the next one in line.
    fn take_next(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        contact: ContactId,
        entry: &Entry,
    ) -> Result<(), StoreError> {
        let next_way = match (entry.kind, entry.body.as_slice()) {
            (GroupEventKind::MODE, [mode]) => Some(GroupMode(*mode)),
            // Whoever comes back begins as whoever is new.
            (kind, body) if self.ends_stream(kind, body) => None,
            _ => Some(entry.way),
        };
        tx.set_lined(contact, entry.sequence, next_way)?;
        let dealt = if tx.is_held_up(contact, entry.author)? {
            Dealt::Waits
        } else {
            self.deal_with(tx, now, contact, entry)?
        };
        if dealt == Dealt::Waits {
            self.keep_entry(tx, now, contact, entry)?;
        }
        Ok(())
    }

    /// Whether what follows an entry comes another way or not at all: a mode, or the record that
    /// removes this account.
    fn ends_stream(&self, kind: GroupEventKind, body: &[u8]) -> bool {
        let own = self.own_address().map(|own| own.user);
        let removes_own = |record: GroupRecord<'_>| {
            let mut changes = record.changes.iter();
            changes.any(|change| Some(change.user) == own && change.role == Role::NONE)
        };
        match kind {
            GroupEventKind::MODE => true,
            GroupEventKind::RECORD => GroupRecord::decode(body).is_ok_and(removes_own),
            _ => false,
        }
    }

    /// Entries that have waited for those before them stand in line as far as these have come.
    fn line_up(&mut self, tx: &Tx<'_>, now: Millis, contact: ContactId) -> Result<(), StoreError> {
        while let row = Self::group_row(tx, contact)?
            && let Some(entry) = tx.unlined_entry(contact, row.way)?
        {
            tx.drop_entry(contact, entry.sequence)?;
            self.take_next(tx, now, contact, &entry)?;
        }
        Ok(())
    }

    /// The inbox is empty: whatever was before the streams in it has come, or will not. Where
    /// something is missing that said how a group's entries come, those that are here are all.
    pub(super) fn line_up_streams(&mut self, tx: &Tx<'_>, now: Millis) -> Result<(), StoreError> {
        for contact in tx.groups_out_of_line()? {
            let row = Self::group_row(tx, contact)?;
            if self.groups.holes.contains(&row.group) {
                self.groups.want(row.group);
            } else if tx
                .unlined_entry(contact, Some(GroupMode::STREAM))?
                .is_some()
            {
                tx.set_lined(contact, row.sequence, Some(GroupMode::STREAM))?;
            }
            self.line_up(tx, now, contact)?;
        }
        Ok(())
    }

    /// Something of the inbox is missing, and may have been an entry of any group.
    pub(super) fn has_hole(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        for contact in tx.groups_out_of_line()? {
            let group = Self::group_row(tx, contact)?.group;
            self.groups.holes.insert(group);
            self.groups.want(group);
        }
        Ok(())
    }

    /// The server has said what the group is now, after something of it was missing: what waits for
    /// entries that may never come goes on without them.
    pub(super) fn close_hole(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        contact: ContactId,
    ) -> Result<(), StoreError> {
        let row = Self::group_row(tx, contact)?;
        if !self.live().is_some_and(|live| live.caught_up) || !self.groups.holes.remove(&row.group)
        {
            return Ok(());
        }
        while let Some(entry) = tx.unlined_entry(contact, None)? {
            tx.drop_entry(contact, entry.sequence)?;
            self.take_next(tx, now, contact, &entry)?;
        }
        tx.set_lined(contact, row.sequence, Some(row.mode))
    }

    /// Entries of an own stream come in their order on one connection, and no further on than
    /// behind what this device has [M-27.8]. Of a group that is new here it has nothing.
    fn step_stream(
        &mut self,
        row: &GroupRow,
        (from, to): (u64, u64),
        goes_on: bool,
    ) -> Result<(), Fault> {
        self.live().ok_or(UNEXPECTED)?;
        let last = self.groups.streams.insert(row.group, (to, goes_on));
        // Where the stream begins behind what the inbox has yet to bring, nobody knows.
        let is_known = match last {
            Some((_, went_on)) => went_on,
            None => row.way == Some(GroupMode::STREAM),
        };
        let last = last.map_or(0, |(last, _)| last);
        let has = last.max(row.sequence).max(row.cursor);
        if to < from || from <= last || (is_known && has > 0 && from > has + 1) {
            return Err(Fault::Violation(CloseCode::UNEXPECTED_FRAME));
        }
        Ok(())
    }

    pub(super) fn on_group_gap(&mut self, tx: &Tx<'_>, gap: &GroupGap) -> Result<(), Fault> {
        let contact = tx.contact_of_group(gap.group)?.id;
        let row = Self::group_row(tx, contact)?;
        // What has ended the stream may be in the gap.
        self.step_stream(&row, (gap.from, gap.to), false)?;
        if gap.to <= row.cursor {
            self.come_again(&row, gap.to);
            return Ok(());
        }
        tx.set_come(contact, gap.to, GroupMode::STREAM)?;
        // While the inbox may have older ones, entries in front of the gap wait for them.
        let is_caught_up = self.live().is_some_and(|live| live.caught_up);
        if row.way == Some(GroupMode::STREAM) || (row.way.is_none() && is_caught_up) {
            tx.set_lined(contact, gap.to, Some(GroupMode::STREAM))?;
        }
        // The switch to the inbox may have been among them.
        self.groups.holes.insert(gap.group);
        self.groups.acks.insert(gap.group, gap.to);
        let what = GroupNotice::Gap {
            from: gap.from,
            to: gap.to,
            reason: gap.reason.into(),
        };
        self.notices.store(tx, &Notice::Group { contact, what })?;
        tx.excuse_holes(HoleScope::Group(contact), gap.to - gap.from + 1)?;
        // There may have been records among them.
        self.groups.want(gap.group);
        Ok(())
    }

    fn keep_entry(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        contact: ContactId,
        entry: &Entry,
    ) -> Result<(), StoreError> {
        self.make_room(tx, now, contact)?;
        tx.keep_entry(contact, entry, true)?;
        if entry.kind == GroupEventKind::MESSAGE {
            self.await_key(tx, now, contact, entry)?;
        }
        Ok(())
    }

    /// With too many entries that wait the oldest one is given up.
    fn make_room(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        contact: ContactId,
    ) -> Result<(), StoreError> {
        if tx.kept_entries(contact)? < ENTRIES_MAX {
            return Ok(());
        }
        let oldest = match tx.next_entry(contact, 0)? {
            None => tx.unlined_entry(contact, None)?,
            oldest => oldest,
        };
        if let Some(oldest) = oldest {
            tx.drop_entry(contact, oldest.sequence)?;
            self.cannot_open_entry(tx, now, (contact, &oldest))?;
        }
        Ok(())
    }

    /// What an entry waited for may be there: the entries that wait are looked at in their order.
    pub(super) fn pump_entries(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        contact: ContactId,
    ) -> Result<(), StoreError> {
        let mut after = 0;
        let mut waiting = Vec::new();
        while let Some(entry) = tx.next_entry(contact, after)? {
            after = entry.sequence;
            if waiting.contains(&entry.author) {
                continue;
            }
            match self.deal_with(tx, now, contact, &entry)? {
                Dealt::Done => tx.drop_entry(contact, entry.sequence)?,
                Dealt::Waits if entry.kind == GroupEventKind::MESSAGE => {
                    waiting.push(entry.author);
                }
                Dealt::Waits => return Ok(()),
            }
        }
        Ok(())
    }

    /// As [`Core::pump_entries`], of all groups: something is known of this account.
    pub(super) fn pump_entries_of(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        user: UserId,
    ) -> Result<(), StoreError> {
        self.groups.heard_of(user);
        for contact in tx.groups_held_up()? {
            self.pump_entries(tx, now, contact)?;
        }
        Ok(())
    }

    fn deal_with(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        contact: ContactId,
        entry: &Entry,
    ) -> Result<Dealt, StoreError> {
        match entry.kind {
            GroupEventKind::MESSAGE => self.open_entry(tx, now, contact, entry),
            GroupEventKind::RECORD => self.deal_with_record(tx, now, contact, entry),
            GroupEventKind::MODE => {
                if let [mode] = entry.body.as_slice() {
                    tx.set_group_mode(contact, GroupMode(*mode))?;
                }
                Ok(Dealt::Done)
            }
            // Of a newer version: acknowledged and skipped [M-3.7].
            _ => Ok(Dealt::Done),
        }
    }

    /// Whom a record added is owed what follows it, and whom it removed has written what stands
    /// before it.
    fn place_record(tx: &Tx<'_>, contact: ContactId, entry: &Entry) -> Result<(), StoreError> {
        let Ok(record) = GroupRecord::decode(&entry.body) else {
            return Ok(());
        };
        for change in record.changes.iter() {
            if change.role == Role::NONE {
                tx.set_left(contact, change.user, entry.sequence)?;
            } else {
                tx.set_since(contact, change.user, entry.sequence)?;
            }
        }
        Ok(())
    }

    fn deal_with_record(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        contact: ContactId,
        entry: &Entry,
    ) -> Result<Dealt, StoreError> {
        let group = Self::group_row(tx, contact)?.group;
        let took = self.take_record(tx, now, contact, (&entry.body, None, entry.sequence))?;
        match took {
            Took::Waits(_) => return Ok(Dealt::Waits),
            Took::Unfounded => {
                self.groups.want(group);
                return Ok(Dealt::Waits);
            }
            Took::New => {
                Self::place_record(tx, contact, entry)?;
                self.groups.demand(group);
                self.on_draft_state(tx, now, contact)?;
            }
            // The state of the group had it already, and does not tell its place.
            Took::Known => Self::place_record(tx, contact, entry)?,
            Took::Wrong => {}
        }
        if let Ok(name) = RecordName::read(&entry.body)
            && took != Took::Wrong
        {
            tx.set_seen(contact, name.head.version)?;
        }
        Ok(Dealt::Done)
    }
}
