//! Entries of groups: by the inbox or by the group's own stream, each once and in its order.

use martlet_protocol::frame::{GroupEvent, GroupEventKind, GroupGap, GroupMode};
use martlet_protocol::{Address, CloseCode, DeviceId, MessageId, Millis, Position, UserId};

use super::group_records::Took;
use super::state::{Core, Fault, UNEXPECTED};
use crate::crypto::group_log::RecordName;
use crate::error::StoreError;
use crate::event::SecurityKind;
use crate::local::{ContactId, ENTRIES_MAX, Entry, GroupNotice, GroupRow, Notice, Tx};

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
            self.step_stream(&row, event.sequence, event.sequence)?;
        }
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
        };
        if entry.sequence <= row.sequence {
            if is_own_stream {
                // A server that has forgotten how far this device is begins further back.
                self.groups.acks.insert(event.group, row.sequence);
            } else if entry.kind == GroupEventKind::MESSAGE && !tx.may_repeat(entry.timestamp)? {
                self.secure_entry(tx, now, (contact, &entry), SecurityKind::Replayed)?;
            }
            return Ok(());
        }
        tx.set_entry(contact, entry.sequence, is_own_stream)?;
        if is_own_stream {
            self.groups.acks.insert(event.group, entry.sequence);
        }
        if tx.is_held_up(contact, entry.author)? {
            return Ok(self.keep_entry(tx, now, contact, &entry)?);
        }
        match self.deal_with(tx, now, contact, &entry)? {
            Dealt::Done => Ok(()),
            Dealt::Waits => Ok(self.keep_entry(tx, now, contact, &entry)?),
        }
    }

    /// Entries of an own stream come in their order on one connection, and no further on than
    /// behind what this device has [M-27.8]. Of a group that is new here it has nothing.
    fn step_stream(&mut self, row: &GroupRow, from: u64, to: u64) -> Result<(), Fault> {
        self.live().ok_or(UNEXPECTED)?;
        let last = self.groups.streams.insert(row.group, to).unwrap_or(0);
        let has = last.max(row.sequence);
        if to < from || from <= last || (has > 0 && from > has + 1) {
            return Err(Fault::Violation(CloseCode::UNEXPECTED_FRAME));
        }
        Ok(())
    }

    pub(super) fn on_group_gap(&mut self, tx: &Tx<'_>, gap: &GroupGap) -> Result<(), Fault> {
        let contact = tx.contact_of_group(gap.group)?.id;
        let row = Self::group_row(tx, contact)?;
        self.step_stream(&row, gap.from, gap.to)?;
        if gap.to <= row.sequence {
            self.groups.acks.insert(gap.group, row.sequence);
            return Ok(());
        }
        tx.set_entry(contact, gap.to, true)?;
        self.groups.acks.insert(gap.group, gap.to);
        let what = GroupNotice::Gap {
            from: gap.from,
            to: gap.to,
            reason: gap.reason.into(),
        };
        self.notices.store(tx, &Notice::Group { contact, what })?;
        tx.excuse_holes(gap.to - gap.from + 1)?;
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
        if tx.kept_entries(contact)? >= ENTRIES_MAX
            && let Some(oldest) = tx.next_entry(contact, 0)?
        {
            tx.drop_entry(contact, oldest.sequence)?;
            self.cannot_open_entry(tx, now, (contact, &oldest))?;
        }
        tx.keep_entry(contact, entry)?;
        if entry.kind == GroupEventKind::MESSAGE {
            self.await_key(tx, now, contact, entry)?;
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
                self.groups.demand(group);
                self.on_draft_state(tx, now, contact)?;
            }
            Took::Known | Took::Wrong => {}
        }
        if let Ok(name) = RecordName::read(&entry.body)
            && took != Took::Wrong
        {
            tx.set_seen(contact, name.head.version)?;
        }
        Ok(Dealt::Done)
    }
}
