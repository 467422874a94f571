//! Opening messages to groups: from an entry to what a person reads, or to what is wrong.

use martlet_protocol::{Address, Millis, UserId};

use super::changes::Tell;
use super::group_stream::Dealt;
use super::lives::life_end;
use super::outbox::Recipient;
use super::state::Core;
use crate::content::{Content, SenderKey};
use crate::crypto::chain::{ChainVerdict, ReceiveChain};
use crate::crypto::group_payload::GroupPayload;
use crate::crypto::group_ratchet::{GroupOpenError, InboundKey, SenderKeyId};
use crate::crypto::payload::kind;
use crate::error::StoreError;
use crate::event::{MessageState, SecurityKind};
use crate::local::{ContactId, Entry, HoleScope, Incoming, Notice, Tx};

/// Most groups that are known only because somebody has shared a key for them: their records are on
/// the way.
const UNKNOWN_MAX: u64 = 1_000;

impl Core {
    /// Opens a message, or finds that it has to wait.
    pub(super) fn open_entry(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        contact: ContactId,
        entry: &Entry,
    ) -> Result<Dealt, StoreError> {
        let row = Self::group_row(tx, contact)?;
        if Some(entry.author) == self.own_address() {
            self.on_own_entry(tx, contact, entry)?;
            return Ok(Dealt::Done);
        }
        let Some(group) = self.group_of(tx, contact)? else {
            self.groups.want(row.group);
            return Ok(Dealt::Waits);
        };
        // The records may be known further on than the entries have come.
        let is_behind = row.seen < group.head().version;
        let is_author = match tx.member(contact, entry.author.user)? {
            Some(member) => {
                member.until == 0 || member.until > row.seen || entry.sequence < member.left_at
            }
            None => is_behind,
        };
        if !is_author {
            self.secure_entry(tx, now, (contact, entry), SecurityKind::ContextMismatch)?;
            return Ok(Dealt::Done);
        }
        let Ok(id) = SenderKeyId::of_envelope(&entry.body) else {
            self.cannot_open_entry(tx, now, (contact, entry))?;
            return Ok(Dealt::Done);
        };
        let Some(key) = tx.sender_key(contact, entry.author, id)? else {
            return Ok(Dealt::Waits);
        };
        let mut key = InboundKey::from_bytes(&key).map_err(|_| StoreError::RowInvalid {
            column: "group_keys.data",
        })?;
        match key.decrypt(&entry.body) {
            Ok(opened) => {
                // The key as it is now is stored with what it opens.
                tx.put_sender_key(contact, entry.author, id, &key.to_bytes())?;
                self.read_entry(tx, now, (contact, entry), &opened.plain)?;
            }
            Err(GroupOpenError::Replayed { .. }) => {
                self.secure_entry(tx, now, (contact, entry), SecurityKind::Replayed)?;
            }
            Err(_) => self.cannot_open_entry(tx, now, (contact, entry))?,
        }
        Ok(Dealt::Done)
    }

    fn read_entry(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        (contact, entry): (ContactId, &Entry),
        plain: &[u8],
    ) -> Result<(), StoreError> {
        let group = Self::group_row(tx, contact)?.group;
        let payload = GroupPayload::decode(plain).ok().filter(|payload| {
            payload.message_id == entry.id
                && payload.sender == entry.author
                && payload.group == group
                && !kind::is_control(payload.kind)
        });
        let Some(payload) = payload else {
            tx.excuse_holes(HoleScope::Device(Some(contact), entry.author), 1)?;
            return self.secure_entry(tx, now, (contact, entry), SecurityKind::ContextMismatch);
        };
        self.hear_of_record(tx, now, contact, payload.head)?;
        if !self.follow_in_group(tx, now, (contact, entry), (&payload, plain))? {
            return Ok(());
        }
        let content = Content {
            kind: payload.kind,
            data: payload.contents.to_vec(),
        };
        self.keep_in_group(tx, now, (contact, entry), &content)
    }

    /// Puts a payload into its chain and tells what the chain shows. Returns whether it is to be
    /// kept.
    fn follow_in_group(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        (contact, entry): (ContactId, &Entry),
        (payload, bytes): (&GroupPayload<'_>, &[u8]),
    ) -> Result<bool, StoreError> {
        let stored = tx.group_chain(contact, entry.author)?;
        let mut chain = match &stored {
            Some(bytes) => ReceiveChain::from_bytes(bytes).map_err(|_| StoreError::RowInvalid {
                column: "group_chains.data",
            })?,
            None => ReceiveChain::default(),
        };
        let verdict = chain.check(payload.counter, &payload.previous, bytes);
        tx.put_group_chain(contact, entry.author, &chain.to_bytes())?;
        let told = match verdict {
            ChainVerdict::InOrder => None,
            ChainVerdict::Late => Some(SecurityKind::Reordered),
            // Whoever joins sees each chain from somewhere on.
            ChainVerdict::Missing { .. } if stored.is_none() => None,
            ChainVerdict::Missing { count }
                if tx.take_excuses(Some(contact), entry.author, count)? =>
            {
                None
            }
            ChainVerdict::Missing { .. } => Some(SecurityKind::Missing),
            ChainVerdict::Broken => Some(SecurityKind::ChainBroken),
            ChainVerdict::Repeated => Some(SecurityKind::Replayed),
        };
        if let Some(kind) = told {
            self.secure_entry(tx, now, (contact, entry), kind)?;
        }
        Ok(verdict != ChainVerdict::Repeated)
    }

    /// Stores a message for the person.
    pub(super) fn keep_in_group(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        (contact, entry): (ContactId, &Entry),
        content: &Content,
    ) -> Result<(), StoreError> {
        tx.drop_repair(entry.id, entry.author)?;
        if content.kind == kind::GROUP_INFO {
            return self.take_info(tx, contact, entry.author.user, &content.data);
        }
        let own = self.is_own(entry.author.user);
        tx.see(contact, entry.timestamp)?;
        let (content, life_s) = content.clone().unlimited();
        let sent_at = entry.timestamp.millis();
        let message = Incoming {
            id: entry.id,
            contact,
            device: entry.author.device,
            author: if own { UserId(0) } else { entry.author.user },
            sequence: Some(entry.sequence),
            own,
            timestamp: entry.timestamp,
            content: &content,
            life_s,
            expires_at: (own && life_s > 0).then(|| life_end(sent_at, life_s)),
            state: if own {
                MessageState::Sent
            } else {
                MessageState::Delivered
            },
        };
        let Some(seq) = tx.insert_incoming(now, &message)? else {
            return Ok(());
        };
        let author = tx.contact_of_user(entry.author.user)?;
        self.introduce(now, &author);
        let group = Self::group_row(tx, contact)?.group;
        self.has_written(Recipient::Group(group), entry.author.user);
        if message.expires_at.is_some() {
            self.reload_lives(tx)?;
        }
        if self.on_kept(tx, seq, &content, Tell::Changes)? {
            self.notices.store(tx, &Notice::Message(seq))?;
        }
        Ok(())
    }

    /// What this device has sent comes back in the group's own stream: a proof that the server has
    /// it, whatever became of GROUP_SENT.
    fn on_own_entry(
        &mut self,
        tx: &Tx<'_>,
        contact: ContactId,
        entry: &Entry,
    ) -> Result<(), StoreError> {
        match tx.own_message(entry.id)? {
            Some(mut row) if row.contact == contact && row.state == MessageState::Pending => {
                self.accept_in_group(tx, &mut row, entry.sequence, entry.timestamp)
            }
            _ => Ok(()),
        }
    }

    /// A device gives this one its sender key.
    pub(super) fn on_sender_key(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        from: Address,
        data: &[u8],
    ) -> Result<(), StoreError> {
        let Ok(shared) = SenderKey::decode(data) else {
            return Ok(());
        };
        let Ok(mut key) = InboundKey::from_share(shared.share.as_slice()) else {
            return Ok(());
        };
        let is_known = tx.find_group(shared.group)?.is_some();
        if !is_known && tx.groups_without_record()? >= UNKNOWN_MAX {
            return Ok(());
        }
        let contact = tx.contact_of_group(shared.group)?.id;
        let id = key.id();
        if let Some(known) = tx.sender_key(contact, from, id)? {
            key = InboundKey::from_bytes(&known).map_err(|_| StoreError::RowInvalid {
                column: "group_keys.data",
            })?;
            if key.take(shared.share.as_slice()).is_err() {
                return self.secure(
                    tx,
                    now,
                    (from.user, Some(from.device)),
                    SecurityKind::KeyInvalid,
                );
            }
        }
        tx.put_sender_key(contact, from, id, &key.to_bytes())?;
        if !shared.info.is_empty() {
            self.take_info(tx, contact, from.user, &shared.info)?;
        }
        self.pump_entries(tx, now, contact)
    }

    pub(super) fn secure_entry(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        (contact, entry): (ContactId, &Entry),
        kind: SecurityKind,
    ) -> Result<(), StoreError> {
        let about = (entry.author.user, Some(entry.author.device));
        self.secure_group(tx, now, about, (contact, kind))
    }
}
