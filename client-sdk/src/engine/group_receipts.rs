//! How far messages to groups are: what members have and have read, and what is read here.

use martlet_protocol::frame::{Frame, GroupCount, GroupCounted, GroupReceipt};
use martlet_protocol::{MessageId, Millis, NackCode, State};

use super::notices::Answer;
use super::state::{Core, Fault};
use crate::error::StoreError;
use crate::event::{GroupReceipts, MessageState};
use crate::local::{ContactId, Tx};

impl Core {
    pub(super) fn on_group_receipt(
        &mut self,
        tx: &Tx<'_>,
        receipt: &GroupReceipt<'_>,
    ) -> Result<(), Fault> {
        if !self.step(receipt.position, receipt.position)? {
            return Ok(());
        }
        let state = match receipt.state {
            State::DELIVERED => MessageState::Delivered,
            State::READ => MessageState::Read,
            // Of a newer version: acknowledged and skipped [M-3.7].
            _ => return Ok(()),
        };
        let Some(contact) = tx.find_group(receipt.group)?.map(|contact| contact.id) else {
            return Ok(());
        };
        for progress in &receipt.members {
            tx.raise_member(contact, progress.member, state, progress.up_to)?;
        }
        self.settle_group_states(tx, contact, receipt.at)?;
        Ok(())
    }

    /// A message is delivered when all other members have it, and read when all have read it.
    pub(super) fn settle_group_states(
        &mut self,
        tx: &Tx<'_>,
        contact: ContactId,
        at: Millis,
    ) -> Result<(), StoreError> {
        let Some(own) = self.own_address() else {
            return Ok(());
        };
        let Some((delivered, read)) = tx.slowest_members(contact, own.user)? else {
            return Ok(());
        };
        for (state, up_to) in [
            (MessageState::Delivered, delivered),
            (MessageState::Read, read),
        ] {
            for mut row in tx.own_below_in_group(contact, state, up_to)? {
                self.advance(tx, &mut row, state, at)?;
            }
        }
        Ok(())
    }

    /// Asks how far an own message is at each member.
    pub(super) fn ask_count(&mut self, tx: &Tx<'_>, id: MessageId) -> Result<(), StoreError> {
        let row = tx.own_message(id)?;
        let placed = row.and_then(|row| Some((row.contact, row.sequence?)));
        let Some((contact, sequence)) = placed.filter(|(_, sequence)| *sequence > 0) else {
            self.answers
                .push_back(Answer::GroupReceipts { id, receipts: None });
            return Ok(());
        };
        let group = Self::group_row(tx, contact)?.group;
        let request = self.next_key_request();
        self.groups.counts.insert(request, id);
        self.write(&Frame::GroupCount(GroupCount {
            request,
            group,
            sequence,
            detail: true,
        }));
        Ok(())
    }

    pub(super) fn on_group_counted(
        &mut self,
        tx: &Tx<'_>,
        counted: &GroupCounted<'_>,
    ) -> Result<(), StoreError> {
        let Some(id) = self.groups.counts.remove(&counted.request) else {
            return Ok(());
        };
        let mut details = Vec::new();
        for detail in &counted.details {
            if let Some(state) = MessageState::from_wire(detail.state) {
                details.push((tx.name_of(detail.user)?, state));
            }
        }
        let receipts = Some(GroupReceipts {
            id,
            members: counted.members,
            delivered: counted.delivered,
            read: counted.read,
            details,
        });
        self.answers
            .push_back(Answer::GroupReceipts { id, receipts });
        Ok(())
    }

    pub(super) fn on_count_refused(&mut self, (request, _): (u64, NackCode)) {
        if let Some(id) = self.groups.counts.remove(&request) {
            self.answers
                .push_back(Answer::GroupReceipts { id, receipts: None });
        }
    }
}
