//! What the recipient's devices have said: facts about one message, watermarks about all up to one.

use martlet_protocol::{DeviceId, MessageId, Millis, Timestamp};

use super::contacts::ContactId;
use super::db::{Tx, from_sql, to_sql};
use super::messages::{Seq, read_id, read_state, state_code};
use crate::error::StoreError;
use crate::event::MessageState;

/// How far one device of a contact is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Watermark {
    /// Delivered or read.
    pub(crate) state: MessageState,
    /// When it got there.
    pub(crate) at: Millis,
}

/// How a message ended without being delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    /// On how many devices it has ended.
    pub(crate) devices: u64,
    /// How, on the last of them.
    pub(crate) state: MessageState,
    /// When, on the last of them.
    pub(crate) at: Millis,
}

impl Tx<'_> {
    /// Raises a watermark and returns whether it rose: the protocol has clients ignore one that
    /// does not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn raise_watermark(
        &self,
        contact: ContactId,
        device: DeviceId,
        state: MessageState,
        up_to: Timestamp,
        at: Millis,
    ) -> Result<bool, StoreError> {
        let changed = self.execute(
            "INSERT INTO watermarks (contact, device, state, up_to, at)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET up_to = excluded.up_to, at = excluded.at
             WHERE up_to < excluded.up_to",
            (
                contact.0,
                device.0,
                state_code(state),
                to_sql(up_to.0),
                to_sql(at.0),
            ),
        )?;
        Ok(changed > 0)
    }

    /// The watermarks that had passed a message before its SENT came, delivered before read.
    pub(crate) fn watermarks_over(
        &self,
        seq: Seq,
        contact: ContactId,
        timestamp: Timestamp,
    ) -> Result<Vec<Watermark>, StoreError> {
        self.all(
            "SELECT state, at FROM watermarks
             WHERE contact = ?1 AND up_to >= ?2 AND NOT EXISTS
                 (SELECT 1 FROM facts WHERE facts.seq = ?3)
             ORDER BY state, at",
            (contact.0, to_sql(timestamp.0), seq.0),
            |row| {
                Ok(Watermark {
                    state: read_state(row, 0)?,
                    at: Millis(from_sql(row.get(1)?)),
                })
            },
        )
    }

    /// Remembers that a FACT of this device has named the message: watermarks do not speak of it
    /// any more, those of other devices among them [M-11.8]. `ended` is the state in which it
    /// ended there, if it did.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn note_fact(
        &self,
        seq: Seq,
        device: DeviceId,
        ended: Option<MessageState>,
        at: Millis,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT OR REPLACE INTO facts (seq, device, ended, at) VALUES (?1, ?2, ?3, ?4)",
            (seq.0, device.0, ended.map_or(0, state_code), to_sql(at.0)),
        )?;
        Ok(())
    }

    /// Something is missing from the stream, and it may have been FACTs: from now on no watermark
    /// is believed about any message that is not delivered, one without an answer included. Only
    /// the server's word about each of them is. Noted as a fact of device 0, which no device is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn doubt_undelivered(&self, at: Millis) -> Result<(), StoreError> {
        self.execute(
            "INSERT OR IGNORE INTO facts (seq, device, ended, at)
             SELECT seq, 0, 0, ?1 FROM messages
             WHERE direction = 0 AND state < 3 AND state <= 1 AND sequence IS NULL",
            [to_sql(at.0)],
        )?;
        Ok(())
    }

    /// Messages in doubt that are not delivered, newest first. It begins with the doubts, of which
    /// there are few: this is asked on every connection.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn in_doubt(&self, rows_max: u32) -> Result<Vec<MessageId>, StoreError> {
        self.all(
            "SELECT id FROM facts CROSS JOIN messages USING (seq)
             WHERE facts.device = 0 AND direction = 0 AND state < 3 AND state <= 1
             ORDER BY facts.seq DESC LIMIT ?1",
            [rows_max],
            |row| read_id(row, 0),
        )
    }

    /// Messages in doubt that a watermark would move to `target`, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn in_doubt_below(
        &self,
        contact: ContactId,
        target: MessageState,
        up_to: Timestamp,
        rows_max: u32,
    ) -> Result<Vec<MessageId>, StoreError> {
        self.all(
            "SELECT id FROM messages
             WHERE contact = ?1 AND direction = 0 AND state < 3 AND state < ?2 AND timestamp <= ?3
             AND EXISTS (SELECT 1 FROM facts WHERE facts.seq = messages.seq AND facts.device = 0)
             ORDER BY seq DESC LIMIT ?4",
            (contact.0, state_code(target), to_sql(up_to.0), rows_max),
            |row| read_id(row, 0),
        )
    }

    /// On how many of the devices that had the message in their inbox it ended without being
    /// delivered, and how and when it did on the last of them. A device whose inbox was full never
    /// had it, and SENT did not count it.
    pub(crate) fn endings(&self, seq: Seq) -> Result<Option<Ending>, StoreError> {
        self.first(
            "SELECT ended, at, count(*) OVER () FROM facts
             WHERE seq = ?1 AND ended > 0 AND ended <> ?2
             ORDER BY at DESC, device DESC LIMIT 1",
            (seq.0, state_code(MessageState::Overflow)),
            |row| {
                Ok(Ending {
                    state: read_state(row, 0)?,
                    at: Millis(from_sql(row.get(1)?)),
                    devices: from_sql(row.get(2)?),
                })
            },
        )
    }
}
