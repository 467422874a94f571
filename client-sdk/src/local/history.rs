//! Messages as people see them: one, or a page of a conversation.

use martlet_protocol::{DeviceId, MessageId, Millis, NackCode, Timestamp, UserId};
use rusqlite::Row;

use super::contacts::ContactId;
use super::db::{Tx, from_sql};
use super::messages::{Name, RECEIVED, Seq, UNANSWERED, read_id, read_state};
use crate::config::History;
use crate::content::Content;
use crate::error::StoreError;
use crate::event::{Body, Direction, Message};

impl Tx<'_> {
    /// A message to show, by its number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn shown(&self, seq: Seq) -> Result<Message, StoreError> {
        let found = self.first(&select_shown("WHERE seq = ?1"), [seq.0], read_shown)?;
        let found = found.ok_or(StoreError::RowInvalid {
            column: "notices.seq",
        })?;
        self.open_shown(found)
    }

    /// A message to show, by its id; an own one before a received one with the same id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn shown_by_id(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        let sql = select_shown("WHERE id = ?1 ORDER BY direction LIMIT 1");
        let found = self.first(&sql, [id.0.as_slice()], read_shown)?;
        found.map(|found| self.open_shown(found)).transpose()
    }

    /// A page of a conversation in its causal order, oldest first; empty when `page` ends at a
    /// message that is not in it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn history(&self, contact: ContactId, page: &History) -> Result<Vec<Message>, StoreError> {
        let end = match page.before {
            None => Some((i64::MAX, [0xff; 16], i64::MAX)),
            Some(id) => self.first(
                "SELECT timestamp, id, seq FROM messages WHERE contact = ?1 AND id = ?2",
                (contact.0, id.0.as_slice()),
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )?,
        };
        let Some((timestamp, id, seq)) = end else {
            return Ok(Vec::new());
        };
        let limit = i64::try_from(page.limit).unwrap_or(i64::MAX);
        let sealed = self.all(
            &select_shown(
                "WHERE messages.contact = ?1 AND (timestamp, id, seq) < (?2, ?3, ?4)
                 ORDER BY timestamp DESC, id DESC, seq DESC LIMIT ?5",
            ),
            (contact.0, timestamp, id, seq, limit),
            read_shown,
        )?;
        let newest_last = sealed.into_iter().rev();
        newest_last.map(|found| self.open_shown(found)).collect()
    }

    fn open_shown(&self, found: Shown) -> Result<Message, StoreError> {
        let content = Content {
            kind: found.kind,
            data: self.unseal_data(found.name, &found.sealed)?,
        };
        let mut message = found.message;
        message.body = content.into_body();
        Ok(message)
    }
}

fn select_shown(tail: &str) -> String {
    format!(
        "SELECT id, direction, handle, user, device, kind, data, state, timestamp, written_at,
         changed_at, refusal FROM messages JOIN contacts USING (contact) {tail}"
    )
}

/// A message whose contents are still sealed.
struct Shown {
    message: Message,
    name: Name,
    kind: u8,
    sealed: Vec<u8>,
}

fn read_shown(row: &Row<'_>) -> rusqlite::Result<Shown> {
    let (handle, user): (Option<String>, Option<i64>) = (row.get(2)?, row.get(3)?);
    let name = || user.map_or_else(String::new, |user| UserId(from_sql(user)).to_string());
    let timestamp: i64 = row.get(8)?;
    let at = match timestamp {
        UNANSWERED => Millis(from_sql(row.get(9)?)),
        given => Timestamp(from_sql(given)).millis(),
    };
    let (id, direction, device) = (read_id(row, 0)?, row.get(1)?, DeviceId(row.get(4)?));
    let kind = row.get(5)?;
    let message = Message {
        id,
        direction: match direction {
            RECEIVED => Direction::Incoming,
            _ => Direction::Outgoing,
        },
        peer: handle.unwrap_or_else(name),
        device,
        body: Body::Unsupported { kind },
        state: read_state(row, 7)?,
        at,
        changed_at: Millis(from_sql(row.get(10)?)),
        refusal: row.get::<_, Option<u16>>(11)?.map(NackCode),
    };
    Ok(Shown {
        message,
        name: (id, direction, device),
        kind,
        sealed: row.get(6)?,
    })
}
