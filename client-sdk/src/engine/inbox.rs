//! The stream: items in order, stored before they are acknowledged, shown once.

use martlet_protocol::frame::{self, EventKind};
use martlet_protocol::{CloseCode, Millis, Position};

use super::state::{Core, Fault, UNEXPECTED};
use super::statuses;
use crate::error::StoreError;
use crate::local::{Contact, Incoming, Notice, Tx};
use crate::seal;

impl Core {
    /// Checks that an item is the one that must come next, and moves past it. Returns whether it
    /// is new: an item at or below the stored cursor was stored before [M-10.2, M-10.3].
    pub(super) fn step(&mut self, from: Position, to: Position) -> Result<bool, Fault> {
        let live = self.live().ok_or(UNEXPECTED)?;
        if live.refused {
            if from != live.next {
                // Pushed before the server saw the refusal [M-10.15].
                return Ok(false);
            }
            live.refused = false;
        }
        if from != live.next || to < from {
            return Err(Fault::Violation(CloseCode::UNEXPECTED_FRAME));
        }
        live.next = to.next();
        let identity = self.identity.as_mut().ok_or(UNEXPECTED)?;
        if to <= identity.place.cursor {
            return Ok(false);
        }
        identity.place.cursor = to;
        Ok(true)
    }

    /// Takes the last step back: the item cannot be stored now.
    fn refuse(&mut self, position: Position) {
        if let Some(identity) = self.identity.as_mut() {
            identity.place.cursor = Position(position.0.saturating_sub(1));
        }
        if let Some(live) = self.live() {
            live.next = position;
            live.refused = true;
            live.refusal_due = Some(position);
        }
    }

    pub(super) fn on_event(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        event: &frame::Event<'_>,
    ) -> Result<(), Fault> {
        if !self.step(event.position, event.position)? {
            return Ok(());
        }
        // Unknown kinds of events are acknowledged and skipped [M-3.7].
        let own = event.kind == EventKind::OWN_COPY;
        if !own && event.kind != EventKind::INCOMING {
            return Ok(());
        }
        let Ok(content) = seal::open(event.envelope) else {
            self.refuse(event.position);
            return Ok(());
        };
        let contact = tx.contact_of_user(event.peer.user)?;
        tx.see(contact.id, event.timestamp)?;
        let message = Incoming {
            id: event.message_id,
            contact: contact.id,
            device: event.peer.device,
            own,
            timestamp: event.timestamp,
            content: &content,
        };
        let Some(seq) = tx.insert_incoming(now, &message)? else {
            return Ok(());
        };
        self.introduce(now, &contact);
        self.notices.store(tx, &Notice::Message(seq))?;
        Ok(())
    }

    /// Asks for the handle of an account that is not known yet.
    fn introduce(&mut self, now: Millis, contact: &Contact) {
        if let (None, Some(user)) = (&contact.handle, contact.user) {
            self.lookups.introduce(now, user);
        }
    }

    pub(super) fn on_gap(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        gap: &frame::Gap,
    ) -> Result<(), Fault> {
        if !self.step(gap.from, gap.to)? {
            return Ok(());
        }
        let notice = Notice::Gap {
            from: gap.from,
            to: gap.to,
            reason: gap.reason.into(),
        };
        self.notices.store(tx, &notice)?;
        self.doubt(tx, now)?;
        Ok(())
    }

    /// What is missing may have been receipts: the states are asked for one by one.
    pub(super) fn doubt(&mut self, tx: &Tx<'_>, now: Millis) -> Result<(), StoreError> {
        tx.doubt_undelivered(self.server_time(now))?;
        self.ask_in_doubt(tx)
    }

    /// Asks the server about messages of which no watermark is believed.
    pub(super) fn ask_in_doubt(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        for id in tx.in_doubt(statuses::OPEN_MAX)? {
            self.statuses.want(id);
        }
        Ok(())
    }
}
