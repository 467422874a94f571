//! Messages of this library to one device: they are encrypted and sent as any other, and never
//! shown.

use martlet_protocol::{Address, MessageId, Millis, Timestamp};

use super::outbox::Recipient;
use super::state::Core;
use crate::content::Content;
use crate::crypto::payload::kind;
use crate::error::StoreError;
use crate::local::{Control, Parcel, Queued, Tx};

impl Core {
    /// Queues a control message. With `is_fresh` it goes only through a session that is yet to be
    /// made, because the present one may be the trouble.
    pub(super) fn send_control(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        to: Address,
        content: &Content,
        is_fresh: bool,
    ) -> Result<MessageId, StoreError> {
        let contact = tx.contact_of_user(to.user)?;
        self.introduce(now, &contact);
        let id = self.ids.next(self.server_time(now), self.rng.bytes());
        let entry = tx.queue(&Queued {
            id,
            contact: contact.id,
            after: Timestamp(0),
            ttl_ms: 0,
            control: Some(Control {
                device: Some(to.device),
                content,
                is_fresh,
            }),
        })?;
        self.outbox.push(entry, Some(Recipient::Account(to.user)));
        Ok(id)
    }

    /// A control message was opened. Of kinds that this version does not know it only keeps that
    /// they came.
    pub(super) fn on_control(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        parcel: &Parcel,
        content: &Content,
    ) -> Result<(), StoreError> {
        let from = parcel.sender;
        match content.kind {
            kind::RETRY => self.on_retry(tx, now, from, &content.data),
            kind::RESENT => self.on_resent(tx, now, from, &content.data),
            kind::SENDER_KEY => self.on_sender_key(tx, now, from, &content.data),
            kind::GROUP_RETRY => self.on_group_retry(tx, now, from, &content.data),
            kind::GROUP_RESENT => self.on_group_resent(tx, now, from, &content.data),
            kind::CONTACTS if self.is_own(from.user) => self.on_contacts(tx, now, &content.data),
            kind::HISTORY if self.is_own(from.user) => self.on_history(tx, now, &content.data),
            _ => Ok(()),
        }
    }
}
