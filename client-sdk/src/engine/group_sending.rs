//! Messages to groups: who has to have the sender key first, what is encrypted with it, and the
//! server's answers.

use std::collections::BTreeSet;

use martlet_protocol::frame::{Frame, GroupSend, GroupSent};
use martlet_protocol::{Address, GroupId, MessageId, Millis, NackCode, Timestamp, codec};
use zeroize::Zeroizing;

use super::outbox::{Departure, Recipient};
use super::prepare::addresses;
use super::state::Core;
use crate::content::{Content, SenderKey};
use crate::crypto::chain::SendChain;
use crate::crypto::group_log::VerifiedGroup;
use crate::crypto::group_payload::GroupPayload;
use crate::crypto::group_ratchet::OutboundKey;
use crate::crypto::payload::kind;
use crate::error::StoreError;
use crate::local::{
    ContactId, Control, GroupRow, Made, MessageRow, Outbound, OutboxEntry, Queued, Tx,
};

/// Whether a message to a group can be encrypted.
enum Readiness {
    Ready,
    /// When the questions are answered and the shares are placed.
    NotYet,
    /// Never, and why.
    Pointless(NackCode),
}

const KEY_INVALID: StoreError = StoreError::RowInvalid {
    column: "group_own_keys.data",
};

impl Core {
    pub(super) fn send_to_group(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        departure: &Departure,
        group_id: GroupId,
    ) -> Result<(), StoreError> {
        let entry = &departure.entry;
        let mut outbound = tx.outbound(entry)?;
        // What was sent before and may have been accepted is repeated byte for byte.
        let may_be_placed = outbound.made.is_some() && departure.is_uncertain;
        if !may_be_placed && !self.make_for_group(tx, now, departure, &mut outbound)? {
            return Ok(());
        }
        let Some(made) = &outbound.made else {
            return Ok(());
        };
        if !self
            .outbox
            .joins(departure, (made.to_version, made.own_version))
        {
            return Ok(());
        }
        let frame = Frame::GroupSend(GroupSend {
            message_id: entry.id,
            group: group_id,
            version: made.to_version,
            roster: made.own_version,
            ttl_ms: outbound.ttl_ms,
            envelope: &made.envelope,
        });
        let start = self.output.len();
        codec::encode(&frame, &mut self.output);
        let frame_bytes = self.output.len() - start;
        if let Some(live) = self.live() {
            live.allowance.spend(frame_bytes);
        }
        Ok(())
    }

    /// Makes a message for the group as it is, if it was not made so before. Returns whether it can
    /// be sent now.
    fn make_for_group(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        departure: &Departure,
        outbound: &mut Outbound,
    ) -> Result<bool, StoreError> {
        let entry = &departure.entry;
        if outbound.made.is_none() && self.is_too_old(now, entry) {
            self.give_up(tx, now, entry, NackCode::MESSAGE_ID_TOO_OLD)?;
            return Ok(false);
        }
        let row = Self::group_row(tx, entry.contact)?;
        let readiness = self.group_readiness(tx, now, &row)?;
        let known = self.group_of(tx, entry.contact)?;
        let group = match (readiness, known) {
            (Readiness::Ready, Some(group)) => group,
            (Readiness::Ready, None) | (Readiness::NotYet, _) => {
                self.outbox.unprepared(departure);
                return Ok(false);
            }
            // The server may wait for one that it has refused: it has the last word.
            (Readiness::Pointless(_), _) if outbound.made.is_some() => return Ok(true),
            (Readiness::Pointless(code), _) => {
                self.give_up(tx, now, entry, code)?;
                return Ok(false);
            }
        };
        let versions = (group.head().version, row.roster);
        if !self.outbox.joins(departure, versions) {
            return Ok(false);
        }
        let is_current = |made: &Made| (made.to_version, made.own_version) == versions;
        if !outbound.made.as_ref().is_some_and(is_current) {
            outbound.made = Some(self.seal_for_group(tx, entry, outbound, (&group, &row))?);
        }
        Ok(true)
    }

    /// Whether every device of every member has the present sender key; asks for what is missing
    /// and sends the key to whom it is missing.
    fn group_readiness(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        row: &GroupRow,
    ) -> Result<Readiness, StoreError> {
        let contact = row.contact;
        if row.is_gone {
            return Ok(Readiness::Pointless(NackCode::GROUP_UNKNOWN));
        }
        let (Some(group), Some(own)) = (self.group_of(tx, contact)?, self.own_address()) else {
            if !self.groups.drafts.contains_key(&contact) {
                self.groups.want(row.group);
            }
            return Ok(Readiness::NotYet);
        };
        if row.roster == 0 {
            self.groups.demand(row.group);
        }
        if self.groups.blocks(row.group) {
            return Ok(Readiness::NotYet);
        }
        let roster = group.roster();
        if !roster.rights.send.allows(roster.role(own.user)) {
            return Ok(Readiness::Pointless(NackCode::GROUP_FORBIDDEN));
        }
        let is_due = self.is_key_due(tx, now, contact)?;
        let versions = (roster.version, row.roster);
        if !is_due && self.groups.ready.get(&contact) == Some(&versions) {
            return Ok(Readiness::Ready);
        }
        let Some(audience) = self.audience(tx, contact, own)? else {
            return Ok(Readiness::NotYet);
        };
        let shares = tx.shares(contact)?;
        let has_left = shares.iter().any(|share| !audience.contains(&share.to));
        if is_due || has_left {
            let key = OutboundKey::new();
            tx.put_own_key(contact, &key.to_bytes(), self.server_time(now))?;
            tx.drop_shares(contact)?;
        }
        let shares = tx.shares(contact)?;
        let (mut is_ready, mut has_all) = (true, true);
        for device in audience {
            let gave_up = self.claims.gave_up(device) && !tx.has_session(device)?;
            let share = shares.iter().find(|share| share.to == device);
            if share.is_none() && !gave_up {
                self.share_key(tx, now, contact, device)?;
            }
            // One that has no keys at all does not hold up the others: it asks once it has.
            let is_placed = share.is_some_and(|share| share.is_placed);
            is_ready &= gave_up || is_placed;
            has_all &= is_placed;
        }
        if !is_ready {
            return Ok(Readiness::NotYet);
        }
        if has_all {
            self.groups.ready.insert(contact, versions);
        }
        Ok(Readiness::Ready)
    }

    /// The devices of all members by their verified lists, this one left out; `None` while a list
    /// is missing, or a person has to accept a key.
    fn audience(
        &mut self,
        tx: &Tx<'_>,
        contact: ContactId,
        own: Address,
    ) -> Result<Option<BTreeSet<Address>>, StoreError> {
        let mut audience = BTreeSet::new();
        let mut is_complete = true;
        for member in tx.members(contact)? {
            let list = self.list_of(tx, member.user)?;
            // An account that does not exist, or has no list yet, has no devices. If the server
            // only says so, its devices ask for what they cannot open.
            if list.is_none() && member.list_version == 0 {
                continue;
            }
            let list = list.filter(|list| list.version() >= member.list_version);
            let Some(list) = list else {
                self.lists.demand(member.user);
                is_complete = false;
                continue;
            };
            let row = tx.list(member.user)?;
            let is_blocked = row.is_some_and(|row| row.is_blocked);
            is_complete &= !is_blocked && !self.lists.blocks(member.user);
            audience.extend(addresses(&list));
        }
        audience.remove(&own);
        Ok(is_complete.then_some(audience))
    }

    fn is_key_due(&self, tx: &Tx<'_>, now: Millis, contact: ContactId) -> Result<bool, StoreError> {
        let Some(row) = tx.own_key(contact)? else {
            return Ok(true);
        };
        let key = OutboundKey::from_bytes(&row.data).map_err(|_| KEY_INVALID)?;
        Ok(key.is_due(self.server_time(now).since(row.made_at)))
    }

    /// Sends the present sender key to a device.
    fn share_key(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        contact: ContactId,
        to: Address,
    ) -> Result<(), StoreError> {
        let Some(row) = tx.own_key(contact)? else {
            return Ok(());
        };
        let key = OutboundKey::from_bytes(&row.data).map_err(|_| KEY_INVALID)?;
        let share = key.share();
        let share = share.as_slice().try_into().map_err(|_| KEY_INVALID)?;
        let shared = SenderKey {
            group: Self::group_row(tx, contact)?.group,
            share: Zeroizing::new(share),
            info: tx.group_info(contact)?.unwrap_or_default(),
        };
        let id = self.send_control(tx, now, to, &shared.encode(), false)?;
        tx.put_share(contact, to, id)
    }

    /// A device has no key to open what this one writes.
    pub(super) fn share_again(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        contact: ContactId,
        to: Address,
    ) -> Result<(), StoreError> {
        let list = self.list_of(tx, to.user)?;
        if list.is_some_and(|list| list.device(to.device).is_some()) {
            self.share_key(tx, now, contact, to)?;
        }
        Ok(())
    }

    /// The message with a sender key is at the server, or will never be.
    pub(super) fn on_share_ended(
        &mut self,
        tx: &Tx<'_>,
        entry: &OutboxEntry,
        is_placed: bool,
    ) -> Result<(), StoreError> {
        if let Some(contact) = tx.shared_by(entry.id)? {
            tx.end_share(entry.id, is_placed)?;
            let group = Self::group_row(tx, contact)?.group;
            self.outbox.group_prepared(group);
        }
        Ok(())
    }

    /// A message with a sender key has ended on its way to a device.
    pub(super) fn on_share_lost(&mut self, tx: &Tx<'_>, id: MessageId) -> Result<(), StoreError> {
        if let Some(contact) = tx.shared_by(id)? {
            tx.end_share(id, false)?;
            self.groups.ready.remove(&contact);
        }
        Ok(())
    }

    /// Encrypts a message with the present key. Its payload is made once: what stands behind it in
    /// the chain names its hash. After a refusal it is encrypted anew, for whoever has come since
    /// has the key from a later place on.
    fn seal_for_group(
        &self,
        tx: &Tx<'_>,
        entry: &OutboxEntry,
        outbound: &Outbound,
        (group, row): (&VerifiedGroup, &GroupRow),
    ) -> Result<Made, StoreError> {
        let contact = row.contact;
        let kept = outbound.made.as_ref().and_then(|made| made.body.clone());
        let payload = match kept {
            Some(payload) => payload,
            None => self.group_payload(tx, entry, (group, row))?,
        };
        let kept = tx.own_key(contact)?.ok_or(KEY_INVALID)?;
        let mut key = OutboundKey::from_bytes(&kept.data).map_err(|_| KEY_INVALID)?;
        let sealed = key.encrypt(&payload).map_err(|_| KEY_INVALID)?;
        tx.put_own_key(contact, &key.to_bytes(), kept.made_at)?;
        let made = Made {
            to_version: group.head().version,
            own_version: row.roster,
            body: Some(payload),
            envelope: sealed.envelope,
        };
        tx.put_made(entry, &made)?;
        Ok(made)
    }

    fn group_payload(
        &self,
        tx: &Tx<'_>,
        entry: &OutboxEntry,
        (group, row): (&VerifiedGroup, &GroupRow),
    ) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let sender = self.own_address().ok_or(StoreError::RowInvalid {
            column: "identity.user",
        })?;
        let content = tx.queued_content(entry)?;
        let mut chain = match tx.group_chain(row.contact, sender)? {
            Some(bytes) => SendChain::from_bytes(&bytes).map_err(|_| StoreError::RowInvalid {
                column: "group_chains.data",
            })?,
            None => SendChain::default(),
        };
        let (counter, previous) = chain.next();
        let payload = GroupPayload {
            kind: content.kind,
            message_id: entry.id,
            sender,
            group: row.group,
            head: group.head(),
            counter,
            previous,
            contents: &content.data,
        };
        let payload = payload.encode();
        chain.advance(&payload);
        tx.put_group_chain(row.contact, sender, &chain.to_bytes())?;
        Ok(payload)
    }

    /// Tells the members what the group is called.
    pub(super) fn tell_info(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        contact: ContactId,
        info: Vec<u8>,
    ) -> Result<(), StoreError> {
        let group = Self::group_row(tx, contact)?.group;
        let content = Content {
            kind: kind::GROUP_INFO,
            data: info,
        };
        let id = self.ids.next(self.server_time(now), self.rng.bytes());
        let entry = tx.queue(&Queued {
            id,
            contact,
            after: Timestamp(0),
            ttl_ms: 0,
            control: Some(Control {
                device: None,
                content: &content,
                is_fresh: false,
            }),
        })?;
        self.outbox.push(entry, Some(Recipient::Group(group)));
        Ok(())
    }

    pub(super) fn on_group_sent(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        sent: &GroupSent,
    ) -> Result<(), StoreError> {
        let Some(entry) = self.outbox.landed(now, sent.message_id) else {
            return Ok(());
        };
        tx.dequeue(entry.slot)?;
        match tx.own_message(entry.id)? {
            Some(mut row) => self.accept_in_group(tx, &mut row, sent.sequence, sent.timestamp),
            None => Ok(()),
        }
    }

    /// The server has an own message. Other members may have it already.
    pub(super) fn accept_in_group(
        &mut self,
        tx: &Tx<'_>,
        row: &mut MessageRow,
        sequence: u64,
        timestamp: Timestamp,
    ) -> Result<(), StoreError> {
        tx.set_sequence(row.seq, sequence)?;
        self.accept(tx, row, timestamp, 0)?;
        self.settle_group_states(tx, row.contact, timestamp.millis())
    }
}
