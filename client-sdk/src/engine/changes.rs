//! Messages that change others: what a reaction, an edit or a deletion may do, and when.
//!
//! A modification does what it does when it and its message have both been placed by the server,
//! so that every device decides by the same timestamps. Until then it waits. One that was made here
//! shows its effect from the beginning: that is for the eye only, and undone if it is refused.

use martlet_protocol::{Timestamp, UserId};

use super::state::Core;
use crate::content::{Content, MessageName, Saying};
use crate::crypto::payload::kind;
use crate::error::StoreError;
use crate::local::{Changed, Notice, Order, Seq, Target, Tx, Waiting};

/// How long after a message its text can be changed, by the server's timestamps.
pub(super) const EDIT_MS_MAX: u64 = 24 * 60 * 60 * 1_000;
/// How long after a message it can be deleted for everyone.
pub(super) const DELETE_MS_MAX: u64 = 48 * 60 * 60 * 1_000;

/// Whether the application hears of what changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tell {
    /// It does.
    Changes,
    /// It is the past: nobody has seen these messages here.
    Nothing,
}

impl Core {
    /// A message has come and was stored. Returns whether it is one to show.
    pub(super) fn on_kept(
        &mut self,
        tx: &Tx<'_>,
        seq: Seq,
        content: &Content,
        tell: Tell,
    ) -> Result<bool, StoreError> {
        if content.kind == kind::TIMER && Saying::decode(content).is_err() {
            tx.hide(seq)?;
            return Ok(false);
        }
        self.on_placed(tx, seq, content.kind, tell)?;
        if !kind::is_modification(content.kind) {
            return Ok(true);
        }
        let kept = tx.target(seq)?;
        Ok(kept.is_some_and(|kept| kept.is_deleted()))
    }

    /// A message has its place: if it is a modification it does what it does, and what waits for
    /// it does so. To be called again for the same message is harmless.
    pub(super) fn on_placed(
        &mut self,
        tx: &Tx<'_>,
        seq: Seq,
        content_kind: u8,
        tell: Tell,
    ) -> Result<(), StoreError> {
        if kind::is_modification(content_kind) {
            self.modify(tx, seq, tell)?;
        }
        let Some(target) = tx.target(seq)? else {
            return Ok(());
        };
        for modification in tx.take_waiting(&target)? {
            self.modify(tx, modification, tell)?;
        }
        Ok(())
    }

    /// A modification that was made here will never be sent: what it showed is undone.
    pub(super) fn undo(&mut self, tx: &Tx<'_>, seq: Seq) -> Result<(), StoreError> {
        let Some((_, Some(saying))) = tx.modification(seq)? else {
            return Ok(());
        };
        let target = tx.changed_by(seq)?;
        tx.hide(seq)?;
        match (target, effect_of(&saying)) {
            (Some(target), Some(what)) if !target.is_gone() => {
                let seq = target.seq;
                self.notices.store(tx, &Notice::Changed { seq, what })
            }
            _ => Ok(()),
        }
    }

    /// A modification does what it may, or waits for its message, or is ignored [M-23.25].
    fn modify(&mut self, tx: &Tx<'_>, seq: Seq, tell: Tell) -> Result<(), StoreError> {
        let Some((row, saying)) = tx.modification(seq)? else {
            return Ok(());
        };
        let (Some(timestamp), Some(saying)) = (row.timestamp, saying) else {
            return tx.hide(seq);
        };
        let name = name_in(&saying).map(|name| waiting_for(tx, &row, name));
        let Some(waiting) = name.transpose()?.flatten() else {
            return tx.hide(seq);
        };
        let target = tx.target_named(&waiting)?;
        let Some(target) = target.filter(|it| it.timestamp.is_some()) else {
            return tx.wait(&waiting);
        };
        if target.seq == seq {
            // RESENT and HISTORY say so of a message that was deleted [M-23.32].
            return match saying {
                Saying::Delete { .. } => tx.delete_contents(seq),
                _ => tx.hide(seq),
            };
        }
        if !may_change(&row, &target, &saying, timestamp) {
            return self.ignore(tx, &row, &target, (&saying, tell));
        }
        let order = Order {
            timestamp,
            id: row.id,
        };
        let is_changed = apply(tx, &target, &saying, (&row, order))?;
        tx.finish_modification(seq, target.seq)?;
        self.has_wiped |= !matches!(saying, Saying::Reaction { .. });
        // What was made here is seen already, unless something newer has come meanwhile.
        if is_changed == row.is_made_here {
            return Ok(());
        }
        self.tell_changed(tx, &target, (&saying, tell))
    }

    /// A modification that may not do what it says does nothing.
    fn ignore(
        &mut self,
        tx: &Tx<'_>,
        row: &Target,
        target: &Target,
        said: (&Saying, Tell),
    ) -> Result<(), StoreError> {
        tx.hide(row.seq)?;
        if row.is_made_here {
            self.tell_changed(tx, target, said)?;
        }
        Ok(())
    }

    fn tell_changed(
        &mut self,
        tx: &Tx<'_>,
        target: &Target,
        (saying, tell): (&Saying, Tell),
    ) -> Result<(), StoreError> {
        match effect_of(saying) {
            Some(what) if tell == Tell::Changes && !target.is_gone() => {
                let seq = target.seq;
                self.notices.store(tx, &Notice::Changed { seq, what })
            }
            _ => Ok(()),
        }
    }
}

/// Does what a modification does that may. Returns whether that is to be seen: a newer one of its
/// kind may have come before.
fn apply(
    tx: &Tx<'_>,
    target: &Target,
    saying: &Saying,
    (row, order): (&Target, Order),
) -> Result<bool, StoreError> {
    match saying {
        _ if target.is_gone() => Ok(false),
        Saying::Reaction { emoji, .. } => tx.react(target.seq, (row.own, row.author), emoji, order),
        Saying::Edit { text, .. } if target.edited < Some(order) => {
            tx.edit(target, text, order)?;
            Ok(true)
        }
        Saying::Delete { .. } => {
            tx.delete_contents(target.seq)?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// Whether a modification is one that its author may make of this message
/// [M-23.25, M-23.28, M-23.29].
fn may_change(row: &Target, target: &Target, saying: &Saying, at: Timestamp) -> bool {
    let age_ms = target
        .timestamp
        .map(|sent| at.millis().since(sent.millis()));
    let is_within = |ms_max| age_ms.is_some_and(|age_ms| age_ms <= ms_max);
    let is_own = (row.own, row.author) == (target.own, target.author);
    // Of a message that is gone the kind may not be known any more, and nothing changes it.
    if target.is_gone() {
        return true;
    }
    let is_message = !kind::is_modification(target.kind) && target.kind != kind::TIMER;
    let is_text = matches!(target.kind, kind::TEXT | kind::REPLY);
    is_message
        && match saying {
            Saying::Reaction { .. } => true,
            Saying::Edit { .. } => is_own && is_text && is_within(EDIT_MS_MAX),
            Saying::Delete { .. } => is_own && is_within(DELETE_MS_MAX),
            _ => false,
        }
}

/// The message that a modification is for, as the rows name it; `None` when nobody in the
/// conversation can have written it.
fn waiting_for(
    tx: &Tx<'_>,
    row: &Target,
    name: MessageName,
) -> Result<Option<Waiting>, StoreError> {
    let own = name.author.user == tx.own_user()?;
    let contact = tx.contact(row.contact)?;
    let is_member = own || contact.group.is_some();
    if !is_member && contact.user != Some(name.author.user) {
        return Ok(None);
    }
    let author = if own || contact.group.is_none() {
        UserId(0)
    } else {
        name.author.user
    };
    Ok(Some(Waiting {
        seq: row.seq,
        contact: row.contact,
        id: name.id,
        own,
        author,
        device: name.author.device,
    }))
}

const fn name_in(saying: &Saying) -> Option<MessageName> {
    match saying {
        Saying::Reaction { to, .. } => Some(*to),
        Saying::Edit { of, .. } | Saying::Delete { of } => Some(*of),
        _ => None,
    }
}

const fn effect_of(saying: &Saying) -> Option<Changed> {
    match saying {
        Saying::Reaction { .. } => Some(Changed::Reactions),
        Saying::Edit { .. } => Some(Changed::Text),
        Saying::Delete { .. } => Some(Changed::Deleted),
        _ => None,
    }
}
