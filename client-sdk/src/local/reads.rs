//! How far conversations are read here, and the READs that the server may not have.

use martlet_protocol::{DeviceId, MessageId, Millis, Timestamp};

use super::contacts::ContactId;
use super::db::{Tx, to_sql};
use super::messages::read_id;
use crate::error::StoreError;

/// A READ to send until the server has it; of each conversation only the newest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingRead {
    /// The conversation.
    pub contact: ContactId,
    /// The device that wrote the message.
    pub device: DeviceId,
    /// Read up to and including this message.
    pub id: MessageId,
}

impl Tx<'_> {
    /// Marks everything received in the conversation up to `timestamp` read, and queues the READ.
    /// Returns whether anything was unread.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn mark_read(
        &self,
        now: Millis,
        read: &PendingRead,
        timestamp: Timestamp,
    ) -> Result<bool, StoreError> {
        let timestamp = to_sql(timestamp.0);
        self.execute(
            "UPDATE messages SET state = 3, changed_at = ?3
             WHERE contact = ?1 AND direction = 1 AND state = 2 AND timestamp <= ?2
             AND timestamp > (SELECT read_up_to FROM contacts WHERE contact = ?1)",
            (read.contact.0, timestamp, to_sql(now.0)),
        )?;
        let rose = self.execute(
            "UPDATE contacts SET read_up_to = ?2 WHERE contact = ?1 AND read_up_to < ?2",
            (read.contact.0, timestamp),
        )?;
        if rose == 0 {
            return Ok(false);
        }
        self.execute(
            "INSERT OR REPLACE INTO reads (contact, device, id) VALUES (?1, ?2, ?3)",
            (read.contact.0, read.device.0, read.id.0.as_slice()),
        )?;
        Ok(true)
    }

    /// All READs that the server may not have.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn pending_reads(&self) -> Result<Vec<PendingRead>, StoreError> {
        self.all(
            "SELECT contact, device, id FROM reads ORDER BY contact",
            (),
            |row| {
                Ok(PendingRead {
                    contact: ContactId(row.get(0)?),
                    device: DeviceId(row.get(1)?),
                    id: read_id(row, 2)?,
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
            "DELETE FROM reads WHERE contact = ?1 AND id = ?2",
            (read.contact.0, read.id.0.as_slice()),
        )?;
        Ok(())
    }
}
