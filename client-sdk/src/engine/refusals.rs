//! Messages that the server does not take: for now, until they are made anew, or never.

use martlet_protocol::frame::Nack;
use martlet_protocol::{Class, GroupId, MessageId, Millis, NackCode, UserId};

use super::outbox::Recipient;
use super::state::Core;
use crate::crypto::payload::kind;
use crate::error::StoreError;
use crate::event::MessageState;
use crate::local::{ContactId, Notice, OutboxEntry, Tx};

impl Core {
    pub(super) fn on_send_refused(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        nack: &Nack,
        until: Option<Millis>,
    ) -> Result<(), StoreError> {
        let id = nack.reference.as_message();
        if let Some(until) = until {
            let is_stale = nack.class == Class::REFRESH_DEVICES;
            if is_stale {
                self.refresh(tx, now, id, nack.code)?;
            }
            // These come behind the place where a known message is recognised [M-22.9].
            let is_unplaced = is_stale || nack.code == NackCode::INBOX_FULL;
            self.outbox.refused(now, id, until, is_unplaced);
            return Ok(());
        }
        match self.outbox.landed(now, id) {
            Some(entry) => {
                self.wonder_about_group(tx, entry.contact, nack.code)?;
                self.fail(tx, now, &entry, nack.code)
            }
            None => Ok(()),
        }
    }

    /// A message was made for devices that are not the newest ones: the lists that are not known
    /// yet are asked for.
    fn refresh(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        id: MessageId,
        code: NackCode,
    ) -> Result<(), StoreError> {
        let Some((entry, to)) = self.outbox.flight(id) else {
            return Ok(());
        };
        let made = tx.outbound(&entry)?.made;
        let (to_version, own_version) =
            made.map_or((0, 0), |made| (made.to_version, made.own_version));
        let to = match to {
            Recipient::Account(to) => to,
            Recipient::Group(group) => {
                let made = (to_version, own_version);
                return self.refresh_group(tx, now, (entry.contact, group), made);
            }
        };
        if code != NackCode::STALE_OWN {
            self.refresh_list(tx, now, to, to_version)?;
        }
        if code != NackCode::STALE_RECIPIENT
            && let Some(own) = self.own_address()
        {
            self.refresh_list(tx, now, own.user, own_version)?;
        }
        Ok(())
    }

    fn refresh_group(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        (contact, group): (ContactId, GroupId),
        made: (u64, u64),
    ) -> Result<(), StoreError> {
        let known = self.group_of(tx, contact)?;
        let version = known.map_or(0, |known| known.head().version);
        let roster = Self::group_row(tx, contact)?.roster;
        // Of what was made long ago the answer is known already.
        if version <= made.0 && roster <= made.1 {
            self.groups.ready.remove(&contact);
            self.groups.demand_after(now, group, made, &mut self.rng);
        }
        Ok(())
    }

    fn refresh_list(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        user: UserId,
        used: u64,
    ) -> Result<(), StoreError> {
        let known = self.list_of(tx, user)?.map_or(0, |list| list.version());
        if known <= used {
            self.lists.demand_after(now, user, known, &mut self.rng);
        }
        Ok(())
    }

    /// A message that was about to be sent cannot be.
    pub(super) fn give_up(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        entry: &OutboxEntry,
        code: NackCode,
    ) -> Result<(), StoreError> {
        self.outbox.landed(now, entry.id);
        self.fail(tx, now, entry, code)
    }

    /// A message will never be sent.
    fn fail(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        entry: &OutboxEntry,
        code: NackCode,
    ) -> Result<(), StoreError> {
        tx.dequeue(entry.slot)?;
        self.on_share_ended(tx, entry, false)?;
        let Some(row) = tx.own_message(entry.id)? else {
            return Ok(());
        };
        // A FACT may have told that the server had taken it at an earlier attempt.
        if row.state == MessageState::Pending {
            let seq = row.seq;
            tx.set_failed(seq, code, self.server_time(now))?;
            self.notices.store(tx, &Notice::Failed { seq, code })?;
            if row.life_s > 0 {
                self.reload_lives(tx)?;
            }
            if kind::is_modification(row.kind) {
                self.undo(tx, seq)?;
            }
        }
        Ok(())
    }

    /// Nobody has this name, or the account is gone: what was written to it fails.
    pub(super) fn fail_all(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        contact: ContactId,
        code: NackCode,
    ) -> Result<(), StoreError> {
        for entry in self.outbox.abandon(contact) {
            self.fail(tx, now, &entry, code)?;
        }
        Ok(())
    }
}
