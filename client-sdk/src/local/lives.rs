//! Messages that disappear: when their lives begin, and which are over.

use martlet_protocol::{Millis, Timestamp};

use super::contacts::ContactId;
use super::db::{Tx, from_sql, to_sql};
use super::messages::Seq;
use crate::content::Saying;
use crate::error::StoreError;

/// Most messages that one transaction takes away.
const EXPIRED_MAX: u32 = 256;

impl Tx<'_> {
    /// Begins the lives of the messages that were received in the conversation up to `timestamp`:
    /// they are read now. Returns whether there were any.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn begin_lives(
        &self,
        now: Millis,
        contact: ContactId,
        timestamp: Timestamp,
    ) -> Result<bool, StoreError> {
        let begun = self.execute(
            "UPDATE messages SET expires_at = ?3 + 1000 * life_s
             WHERE contact = ?1 AND timestamp <= ?2 AND direction = 1
             AND life_s > 0 AND expires_at IS NULL AND gone = 0",
            (contact.0, to_sql(timestamp.0), to_sql(now.0)),
        )?;
        Ok(begun > 0)
    }

    /// When the next life ends, by the server's clock.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn next_expiry(&self) -> Result<Option<Millis>, StoreError> {
        let sql = "SELECT min(expires_at) FROM messages WHERE expires_at IS NOT NULL";
        let at: Option<Option<i64>> = self.first(sql, (), |row| row.get(0))?;
        Ok(at.flatten().map(|at| Millis(from_sql(at))))
    }

    /// Takes away messages whose life is over, and returns which; when there are many, only some.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn expire(&self, now: Millis) -> Result<Vec<Seq>, StoreError> {
        let over = self.all(
            "SELECT seq FROM messages WHERE expires_at IS NOT NULL AND expires_at <= ?1
             ORDER BY expires_at LIMIT ?2",
            (to_sql(now.0), EXPIRED_MAX),
            |row| Ok(Seq(row.get(0)?)),
        )?;
        for seq in &over {
            self.hide(*seq)?;
        }
        Ok(over)
    }

    /// The life that the conversation gives to new messages, in seconds; 0 for none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn life_of(&self, contact: ContactId) -> Result<u32, StoreError> {
        let Some(seq) = self.newest_timer(contact)? else {
            return Ok(0);
        };
        let content = self.kept_content(seq)?;
        let saying = content.and_then(|content| Saying::decode(&content).ok().flatten());
        match saying {
            Some(Saying::Timer { seconds }) => Ok(seconds),
            _ => Err(StoreError::RowInvalid {
                column: "messages.data",
            }),
        }
    }

    /// The TIMER that counts: one that was not sent yet before all others.
    pub(super) fn newest_timer(&self, contact: ContactId) -> Result<Option<Seq>, StoreError> {
        self.first(
            "SELECT seq FROM messages WHERE contact = ?1 AND kind = 6 AND gone = 0
             AND refusal IS NULL ORDER BY timestamp DESC, id DESC LIMIT 1",
            [contact.0],
            |row| Ok(Seq(row.get(0)?)),
        )
    }
}
