//! Receipts, facts and states: what becomes of own messages, one step at a time.

use martlet_protocol::frame::{Fact, Receipt, StateReply};
use martlet_protocol::{Millis, State, Timestamp};

use super::changes::Tell;
use super::notices::Answer;
use super::state::{Core, Fault};
use super::statuses::OPEN_MAX;
use crate::error::StoreError;
use crate::event::MessageState;
use crate::local::{MessageRow, Notice, Tx};

impl Core {
    /// Moves a message to `next` if that is forward, and tells the application.
    pub(super) fn advance(
        &mut self,
        tx: &Tx<'_>,
        row: &mut MessageRow,
        next: MessageState,
        at: Millis,
    ) -> Result<(), StoreError> {
        if !row.state.may_become(next) {
            return Ok(());
        }
        row.state = next;
        tx.set_state(row.seq, next, at)?;
        self.notices.store(
            tx,
            &Notice::Receipt {
                seq: row.seq,
                state: next,
                at,
            },
        )
    }

    /// The server has the message. Watermarks and facts may have come before this answer: then
    /// the message goes on at once.
    pub(super) fn accept(
        &mut self,
        tx: &Tx<'_>,
        row: &mut MessageRow,
        timestamp: Timestamp,
        devices: u64,
    ) -> Result<(), StoreError> {
        tx.set_placed(row.seq, timestamp, devices)?;
        tx.see(row.contact, timestamp)?;
        row.devices = devices;
        if row.life_s > 0 {
            self.reload_lives(tx)?;
        }
        self.on_placed(tx, row.seq, row.kind, Tell::Changes)?;
        self.advance(tx, row, MessageState::Sent, timestamp.millis())?;
        for watermark in tx.watermarks_over(row.seq, row.contact, timestamp)? {
            self.advance(tx, row, watermark.state, watermark.at)?;
        }
        self.end_if_ended_everywhere(tx, row)
    }

    /// A message that no device has taken and none will take has ended.
    fn end_if_ended_everywhere(
        &mut self,
        tx: &Tx<'_>,
        row: &mut MessageRow,
    ) -> Result<(), StoreError> {
        if row.devices == 0 || row.state != MessageState::Sent {
            return Ok(());
        }
        match tx.endings(row.seq)? {
            Some(ending) if ending.devices >= row.devices => {
                self.advance(tx, row, ending.state, ending.at)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn on_receipt(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        receipt: &Receipt,
    ) -> Result<(), Fault> {
        if !self.step(receipt.position, receipt.position)? {
            return Ok(());
        }
        let target = match receipt.state {
            State::DELIVERED => MessageState::Delivered,
            State::READ => MessageState::Read,
            State::SEEN => return Ok(self.on_seen(tx, now, receipt)?),
            // Of a newer version: acknowledged and skipped [M-3.7].
            _ => return Ok(()),
        };
        let (device, up_to, at) = (receipt.peer.device, receipt.up_to, receipt.at);
        let contact = tx.contact_of_user(receipt.peer.user)?.id;
        if !tx.raise_watermark(contact, device, target, up_to, at)? {
            return Ok(());
        }
        for mut row in tx.own_below(contact, target, up_to)? {
            self.advance(tx, &mut row, target, at)?;
        }
        // Where a FACT may have been missed a watermark is only a reason to ask.
        for id in tx.in_doubt_below(contact, target, up_to, OPEN_MAX)? {
            self.statuses.want(id);
        }
        Ok(())
    }

    pub(super) fn on_fact(&mut self, tx: &Tx<'_>, fact: &Fact) -> Result<(), Fault> {
        if !self.step(fact.position, fact.position)? {
            return Ok(());
        }
        let Some(state) = MessageState::from_wire(fact.state) else {
            return Ok(());
        };
        if fact.state.is_terminal() {
            // A sender key that has ended on its way is shared again before the next message.
            self.on_share_lost(tx, fact.message_id)?;
        }
        let Some(mut row) = tx.own_message(fact.message_id)? else {
            return Ok(());
        };
        // Whoever speaks of a message proves that the server has it, whatever became of SENT.
        if row.state == MessageState::Pending {
            self.accept(tx, &mut row, fact.timestamp, 0)?;
        }
        let ended = fact.state.is_terminal().then_some(state);
        tx.note_fact(row.seq, fact.peer.device, ended, fact.at)?;
        match ended {
            Some(_) => self.end_if_ended_everywhere(tx, &mut row)?,
            None => self.advance(tx, &mut row, state, fact.at)?,
        }
        Ok(())
    }

    /// The answer to STATUS: the furthest state on any device of the recipient.
    pub(super) fn on_state(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        reply: &StateReply,
    ) -> Result<(), Fault> {
        if !self.statuses.answered(reply.message_id) {
            return Ok(());
        }
        let known = tx.own_message(reply.message_id)?;
        if let (Some(mut row), Some(state)) = (known, MessageState::from_wire(reply.state)) {
            if row.state == MessageState::Pending {
                self.accept(tx, &mut row, reply.timestamp, 0)?;
            }
            // It does not say when; all that is known is that it is so now.
            self.advance(tx, &mut row, state, self.server_time(now))?;
        }
        self.answers.push_back(Answer::Status {
            id: reply.message_id,
        });
        Ok(())
    }
}
