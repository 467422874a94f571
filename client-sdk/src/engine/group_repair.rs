//! Messages to groups that could not be opened are asked for again from the devices that wrote
//! them, and what others could not open is sent to them again, with the key.

use martlet_protocol::frame::{GroupEventKind, GroupMode};
use martlet_protocol::{Address, Millis, Role};

use super::repair::ATTEMPTS_MAX;
use super::state::Core;
use crate::content::{Content, GroupResent, GroupRetry};
use crate::error::StoreError;
use crate::event::SecurityKind;
use crate::local::{ContactId, Entry, HoleScope, Repair, Tx};

/// How long a message waits for its sender key before it is asked for, in milliseconds: the key is
/// on its way in the inbox, while the message may have come by the group's own stream.
const KEY_MS_MAX: u64 = 10_000;
/// How long after that to look again while the backlog may bring it, in milliseconds.
pub(super) const KEY_LOOK_MS: u64 = 500;

impl Core {
    /// A message waits for its sender key, or behind one that does: after a while it is asked for.
    pub(super) fn await_key(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        contact: ContactId,
        entry: &Entry,
    ) -> Result<(), StoreError> {
        let at = now.plus(KEY_MS_MAX);
        tx.put_repair(&self.repair_of(tx, contact, entry)?, Some(at))?;
        self.repair_at = Some(self.repair_at.map_or(at, |next| next.min(at)));
        Ok(())
    }

    /// Whether the key that a message of a group waits for may be in the backlog: that was not here
    /// while there was no connection.
    pub(super) fn may_have_key_coming(&mut self, repair: &Repair) -> bool {
        let is_first = repair.group.is_some() && repair.attempts == 0;
        is_first
            && self
                .live()
                .is_some_and(|live| !live.caught_up || live.backlog.is_some())
    }

    /// A message cannot be opened, whatever comes: it is asked for at once.
    pub(super) fn cannot_open_entry(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        (contact, entry): (ContactId, &Entry),
    ) -> Result<(), StoreError> {
        let repair = self.repair_of(tx, contact, entry)?;
        self.give_entry_up(tx, now, contact, &repair)?;
        self.ask_again(tx, now, repair)
    }

    fn repair_of(
        &self,
        tx: &Tx<'_>,
        contact: ContactId,
        entry: &Entry,
    ) -> Result<Repair, StoreError> {
        let group = Self::group_row(tx, contact)?.group;
        Ok(Repair {
            id: entry.id,
            sender: entry.author,
            peer: entry.author.user,
            group: Some((group, entry.sequence)),
            timestamp: entry.timestamp,
            attempts: 0,
        })
    }

    /// The first question for a message: from now on it does not hold up those behind it, and the
    /// application hears of it.
    fn give_entry_up(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        contact: ContactId,
        repair: &Repair,
    ) -> Result<(), StoreError> {
        // It leaves a hole in its chain that is nobody's fault.
        tx.excuse_holes(HoleScope::Device(Some(contact), repair.sender), 1)?;
        let about = (repair.sender.user, Some(repair.sender.device));
        self.secure_group(tx, now, about, (contact, SecurityKind::Undecryptable))
    }

    /// A repair in a group is due. Returns what to ask for; `None` while it only waits on.
    pub(super) fn group_question(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        repair: &Repair,
    ) -> Result<Option<Content>, StoreError> {
        let Some((group, sequence)) = repair.group else {
            return Ok(None);
        };
        let contact = tx.contact_of_group(group)?.id;
        if let Some(entry) = tx.kept_entry(contact, sequence)? {
            tx.drop_entry(contact, sequence)?;
            self.give_entry_up(tx, now, contact, repair)?;
            debug_assert_eq!(entry.id, repair.id, "a place of the log has one entry");
        }
        let id = repair.id;
        let retry = GroupRetry {
            id,
            group,
            sequence,
        };
        Ok(Some(retry.encode()))
    }

    /// Another device could not open a message of this one. It gets it again if it was for it, and
    /// the present sender key.
    pub(super) fn on_group_retry(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        asker: Address,
        data: &[u8],
    ) -> Result<(), StoreError> {
        let Ok(asked) = GroupRetry::decode(data) else {
            return Ok(());
        };
        let Some(contact) = tx.find_group(asked.group)?.map(|contact| contact.id) else {
            return Ok(());
        };
        let member = tx.member(contact, asker.user)?;
        let is_member =
            member.is_some_and(|member| member.role != Role::NONE && asked.sequence > member.since);
        let row = tx
            .own_message(asked.id)?
            .filter(|row| row.contact == contact && row.sequence == Some(asked.sequence));
        let (Some(row), true) = (row, is_member) else {
            return Ok(());
        };
        if tx.count_asked(asked.id, asker)? > ATTEMPTS_MAX {
            return Ok(());
        }
        self.share_again(tx, now, contact, asker)?;
        let Some(content) = tx.own_content(asked.id)? else {
            return Ok(());
        };
        let resent = GroupResent {
            asked,
            timestamp: row.timestamp.unwrap_or_default(),
            content,
        };
        self.send_control(tx, now, asker, &resent.encode(), false)?;
        Ok(())
    }

    /// A message that was asked for comes again. Nobody can make this home take one for which it
    /// did not ask.
    pub(super) fn on_group_resent(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        from: Address,
        data: &[u8],
    ) -> Result<(), StoreError> {
        let Ok(resent) = GroupResent::decode(data) else {
            return Ok(());
        };
        let (group, sequence) = (resent.asked.group, resent.asked.sequence);
        let repair = tx.repair(resent.asked.id, from)?;
        let repair = repair.filter(|repair| repair.group == Some((group, sequence)));
        let (Some(repair), false) = (repair, resent.content.is_control()) else {
            return Ok(());
        };
        let contact = tx.contact_of_group(group)?.id;
        let entry = Entry {
            sequence,
            kind: GroupEventKind::MESSAGE,
            author: from,
            id: repair.id,
            // Where the server has placed it, and not where its author says.
            timestamp: repair.timestamp,
            body: Vec::new(),
            way: GroupMode::INBOX,
        };
        tx.drop_entry(contact, sequence)?;
        self.keep_in_group(tx, now, (contact, &entry), &resent.content)?;
        self.pump_entries(tx, now, contact)
    }
}
