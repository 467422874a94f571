//! Messages to groups: their places in the logs.

use martlet_protocol::{DeviceId, MessageId};

use super::contacts::ContactId;
use super::db::{Tx, from_sql, to_sql};
use super::messages::{MessageRow, Seq, read_row, state_code};
use crate::error::StoreError;
use crate::event::MessageState;

impl Tx<'_> {
    /// As [`Tx::own_below`], of a group, up to a sequence.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn own_below_in_group(
        &self,
        contact: ContactId,
        target: MessageState,
        up_to: u64,
    ) -> Result<Vec<MessageRow>, StoreError> {
        self.all(
            "SELECT seq, id, contact, state, timestamp, devices, kind, life_s, sequence
             FROM messages
             WHERE contact = ?1 AND direction = 0 AND state < 3
             AND state BETWEEN 1 AND ?2 AND sequence BETWEEN 1 AND ?3
             ORDER BY timestamp",
            (
                contact.0,
                state_code(target).saturating_sub(1),
                to_sql(up_to),
            ),
            read_row,
        )
    }

    /// Writes which place an own message has in the log of its group.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_sequence(&self, seq: Seq, sequence: u64) -> Result<(), StoreError> {
        let sql = "UPDATE messages SET sequence = ?2 WHERE seq = ?1";
        self.execute(sql, (seq.0, to_sql(sequence)))?;
        Ok(())
    }

    /// The place of a message in the log of its group; `None` for one that has none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn sequence_of(
        &self,
        contact: ContactId,
        device: DeviceId,
        id: MessageId,
    ) -> Result<Option<u64>, StoreError> {
        let sequence: Option<Option<i64>> = self.first(
            "SELECT max(sequence) FROM messages WHERE id = ?1 AND contact = ?2 AND device = ?3",
            (id.0.as_slice(), contact.0, device.0),
            |row| row.get(0),
        )?;
        Ok(sequence.flatten().map(from_sql))
    }
}
