//! What a message says now, for those who get it once more: RESENT, HISTORY, and the outbox.

use martlet_protocol::MessageId;

use super::changes::{STORED, Stored, read_stored, read_text};
use super::db::{Tx, from_sql};
use super::messages::{DELETED, OVER, Seq};
use crate::content::{Content, MessageName, Saying};
use crate::crypto::payload::kind;
use crate::error::StoreError;

/// For whom a message is told again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Telling {
    /// For devices that have not opened it.
    Again,
    /// For a new device, at this time in milliseconds by the server's clock.
    Past(u64),
}

impl Tx<'_> {
    /// What a message that was written here says now; `None` when nothing of it is left.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn own_content(&self, id: MessageId) -> Result<Option<Content>, StoreError> {
        let sql = format!("{STORED} WHERE id = ?1 AND direction = 0");
        match self.first(&sql, [id.0.as_slice()], read_stored)? {
            Some(stored) => self.told(&stored, Telling::Again),
            None => Ok(None),
        }
    }

    /// What is sent of a message that was written here. When a life has ended before the server
    /// has answered, the server has it all the same, and what is sent once more does not count.
    pub(super) fn outgoing_content(&self, id: MessageId) -> Result<Content, StoreError> {
        if let Some(content) = self.own_content(id)? {
            return Ok(content);
        }
        let sql = format!("{STORED} WHERE id = ?1 AND direction = 0");
        let stored = self.first(&sql, [id.0.as_slice()], read_stored)?;
        let stored = stored.ok_or(StoreError::RowInvalid {
            column: "outbox.id",
        })?;
        let of = self.name_of_message(&stored.target)?;
        Ok(Saying::Delete { of }.encode())
    }

    /// The contents of a message as they came, whatever their kind, with its life around them if
    /// it has one; `None` when nothing of it is left.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn kept_content(&self, seq: Seq) -> Result<Option<Content>, StoreError> {
        self.content_of(seq, Telling::Again)
    }

    /// What is to be told of a message; `None` for nothing.
    pub(super) fn content_of(
        &self,
        seq: Seq,
        telling: Telling,
    ) -> Result<Option<Content>, StoreError> {
        match self.stored(seq)? {
            Some(stored) => self.told(&stored, telling),
            None => Ok(None),
        }
    }

    fn told(&self, stored: &Stored, telling: Telling) -> Result<Option<Content>, StoreError> {
        if stored.target.gone == OVER {
            return Ok(None);
        }
        if stored.target.gone == DELETED {
            let of = self.name_of_message(&stored.target)?;
            return Ok(Some(Saying::Delete { of }.encode()));
        }
        if let Some(target) = stored.changes {
            let saying = match self.own_wording(stored, target)? {
                Some(saying) => Some(saying),
                None => self.done_wording(stored, target, telling)?,
            };
            return Ok(saying.map(|saying| saying.encode()));
        }
        let Some(content) = self.raw(stored)? else {
            return Ok(None);
        };
        let life_s = match (telling, stored.expires_at) {
            (Telling::Past(now_ms), Some(at)) => left_s(from_sql(at), now_ms),
            _ => stored.life_s,
        };
        Ok(Some(content.limited(life_s)))
    }

    /// What a modification that was made here says, while it has not done it.
    pub(super) fn own_wording(
        &self,
        stored: &Stored,
        target: Seq,
    ) -> Result<Option<Saying>, StoreError> {
        let (Some(content), Some(of)) = (self.raw(stored)?, self.stored(target)?) else {
            return Ok(None);
        };
        let of = self.name_of_message(&of.target)?;
        let text = read_text(&content.data, "messages.data")?;
        Ok(wording(content.kind, of, text))
    }

    /// What a modification says that has done it: what is true now. One that a newer one has
    /// overtaken says nothing of the past.
    fn done_wording(
        &self,
        stored: &Stored,
        target: Seq,
        telling: Telling,
    ) -> Result<Option<Saying>, StoreError> {
        let Some(changed) = self.stored(target)?.filter(|it| it.target.gone != OVER) else {
            return Ok(None);
        };
        let of = self.name_of_message(&changed.target)?;
        let own = stored.target.own;
        let (text, newest) = match stored.target.kind {
            _ if changed.target.gone == DELETED => {
                let may_delete = own == changed.target.own;
                let tells = telling == Telling::Again || stored.target.kind == kind::DELETE;
                return Ok((may_delete && tells).then_some(Saying::Delete { of }));
            }
            kind::REACTION => match self.reaction(target, (own, stored.target.author))? {
                Some((emoji, id)) => (emoji, id),
                None => return Ok(None),
            },
            _ => match (self.raw(&changed)?, changed.target.edited) {
                (Some(content), Some(edit)) => (text_of(&content), edit.id),
                _ => return Ok(None),
            },
        };
        let tells = telling == Telling::Again || newest == stored.target.id;
        let saying = tells.then(|| wording(stored.target.kind, of, text));
        Ok(saying.flatten())
    }
}

/// How many seconds of a life are left, at least one.
fn left_s(expires_at_ms: u64, now_ms: u64) -> u32 {
    let left = expires_at_ms.saturating_sub(now_ms).div_ceil(1_000);
    u32::try_from(left).unwrap_or(u32::MAX).max(1)
}

/// The text of a TEXT or REPLY.
fn text_of(content: &Content) -> String {
    match Saying::decode(content) {
        Ok(Some(Saying::Text(text) | Saying::Reply { text, .. })) => text,
        _ => String::new(),
    }
}

/// What a modification of this kind says.
fn wording(kind: u8, of: MessageName, text: String) -> Option<Saying> {
    match kind {
        kind::REACTION => Some(Saying::Reaction {
            to: of,
            emoji: text,
        }),
        kind::EDIT => Some(Saying::Edit { of, text }),
        kind::DELETE => Some(Saying::Delete { of }),
        _ => None,
    }
}
