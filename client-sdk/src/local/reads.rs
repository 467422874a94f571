//! How far conversations are read here, and the READs that the server may not have.

use martlet_protocol::{DeviceId, MessageId, Millis, Timestamp};

use super::contacts::ContactId;
use super::db::{Tx, to_sql};
use super::messages::read_id;
use crate::error::StoreError;

/// A READ to send until the server has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingRead {
    /// The conversation.
    pub contact: ContactId,
    /// The device that wrote the message.
    pub device: DeviceId,
    /// Read up to and including this message.
    pub id: MessageId,
    /// The message was shown when later ones had been read: it speaks of this one alone. Of the
    /// others only the newest of a conversation counts.
    pub is_late: bool,
}

impl Tx<'_> {
    /// Marks everything received in the conversation up to `timestamp` read, the time of the named
    /// message, and queues the READ. A message that was repaired may stand below what was read
    /// before: then it alone is marked, and the server hears of it by name, because no watermark
    /// may speak of it. Returns the READ, if anything was unread.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn mark_read(
        &self,
        now: Millis,
        (contact, device, id): (ContactId, DeviceId, MessageId),
        timestamp: Timestamp,
    ) -> Result<Option<PendingRead>, StoreError> {
        let timestamp = to_sql(timestamp.0);
        self.execute(
            "UPDATE messages SET state = 3, changed_at = ?3
             WHERE contact = ?1 AND direction = 1 AND state = 2 AND timestamp <= ?2
             AND timestamp > (SELECT read_up_to FROM contacts WHERE contact = ?1)",
            (contact.0, timestamp, to_sql(now.0)),
        )?;
        let rose = self.execute(
            "UPDATE contacts SET read_up_to = ?2 WHERE contact = ?1 AND read_up_to < ?2",
            (contact.0, timestamp),
        )?;
        let is_late = rose == 0;
        let is_news = if is_late {
            self.execute(
                "UPDATE messages SET state = 3, changed_at = ?4
                 WHERE contact = ?1 AND device = ?2 AND id = ?3 AND direction = 1 AND state = 2",
                (contact.0, device.0, id.0.as_slice(), to_sql(now.0)),
            )? > 0
        } else {
            let sql = "DELETE FROM reads WHERE contact = ?1 AND late = 0";
            self.execute(sql, [contact.0])?;
            true
        };
        if !is_news {
            return Ok(None);
        }
        self.execute(
            "INSERT OR REPLACE INTO reads (contact, device, id, late) VALUES (?1, ?2, ?3, ?4)",
            (contact.0, device.0, id.0.as_slice(), is_late),
        )?;
        Ok(Some(PendingRead {
            contact,
            device,
            id,
            is_late,
        }))
    }

    /// Another device of the account has read the conversation up to `timestamp`. What came here
    /// up to then is read, and needs no READ of this device. Returns whether that is news.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn mark_seen(
        &self,
        now: Millis,
        contact: ContactId,
        timestamp: Timestamp,
    ) -> Result<bool, StoreError> {
        let timestamp = to_sql(timestamp.0);
        self.execute(
            "UPDATE messages SET state = 3, changed_at = ?3
             WHERE contact = ?1 AND direction = 1 AND state = 2 AND timestamp <= ?2
             AND timestamp > (SELECT read_up_to FROM contacts WHERE contact = ?1)",
            (contact.0, timestamp, to_sql(now.0)),
        )?;
        let rose = self.execute(
            "UPDATE contacts SET read_up_to = ?2 WHERE contact = ?1 AND read_up_to < ?2",
            (contact.0, timestamp),
        )?;
        if rose == 0 {
            return Ok(false);
        }
        let sql = "DELETE FROM reads WHERE contact = ?1 AND late = 0";
        self.execute(sql, [contact.0])?;
        Ok(true)
    }

    /// All READs that the server may not have.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn pending_reads(&self) -> Result<Vec<PendingRead>, StoreError> {
        self.all(
            "SELECT contact, device, id, late FROM reads ORDER BY contact, device, id",
            (),
            |row| {
                Ok(PendingRead {
                    contact: ContactId(row.get(0)?),
                    device: DeviceId(row.get(1)?),
                    id: read_id(row, 2)?,
                    is_late: row.get(3)?,
                })
            },
        )
    }

    /// Forgets a READ that the server has, or has refused, unless a newer one took its place.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn finish_read(&self, read: &PendingRead) -> Result<(), StoreError> {
        self.execute(
            "DELETE FROM reads WHERE contact = ?1 AND device = ?2 AND id = ?3",
            (read.contact.0, read.device.0, read.id.0.as_slice()),
        )?;
        Ok(())
    }
}
