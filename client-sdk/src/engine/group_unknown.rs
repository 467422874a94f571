//! Groups that the server knows nothing of: this account may be no member any more.

use martlet_protocol::{Millis, NackCode};

use super::state::Core;
use crate::error::StoreError;
use crate::local::{ContactId, GroupNotice, Notice, Tx};

impl Core {
    /// The server knows nothing of a group, or will not tell: is this account no member any more?
    pub(super) fn wonder_about_group(
        &mut self,
        tx: &Tx<'_>,
        contact: ContactId,
        code: NackCode,
    ) -> Result<(), StoreError> {
        if code == NackCode::GROUP_UNKNOWN
            && let Some(row) = tx.group(contact)?
            && row.is_known
            && !row.is_gone
        {
            self.groups.want(row.group);
        }
        Ok(())
    }

    /// A question for a group was refused.
    pub(super) fn on_group_ask_refused(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        (request, code): (u64, NackCode),
        until: Option<Millis>,
    ) -> Result<(), StoreError> {
        let Some(group) = self.groups.answered(request) else {
            return Ok(());
        };
        if let Some(until) = until {
            self.groups.put_off(group, until);
            return Ok(());
        }
        self.groups.settle(group);
        let contact = tx.contact_of_group(group)?.id;
        let Some(row) = tx
            .group(contact)?
            .filter(|_| code == NackCode::GROUP_UNKNOWN)
        else {
            return Ok(());
        };
        if row.is_known && !row.is_gone {
            // The record that says so may have been lost in a gap. The server could say it of any
            // group; it need not let anything through to this home either.
            tx.set_group_gone(contact, true)?;
            let what = GroupNotice::Gone;
            self.notices.store(tx, &Notice::Group { contact, what })?;
        }
        if !row.is_known && !self.groups.drafts.contains_key(&contact) {
            // It was left before this home knew it: nothing of it can be understood.
            tx.set_group_gone(contact, true)?;
            while let Some(entry) = tx.next_entry(contact, 0)? {
                tx.drop_entry(contact, entry.sequence)?;
            }
            self.fail_all(tx, now, contact, code)?;
        }
        self.outbox.group_prepared(group);
        Ok(())
    }
}
