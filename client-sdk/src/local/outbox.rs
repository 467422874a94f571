//! Own messages that have no answer yet, with the sealed envelope that every retry repeats.

use martlet_protocol::{MessageId, Timestamp};

use super::contacts::ContactId;
use super::db::{Tx, from_sql, to_sql};
use super::messages::{Seq, read_id};
use crate::error::StoreError;

/// A message in the outbox without its contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxEntry {
    /// The order in which messages are sent.
    pub seq: Seq,
    /// Its id, the same for every retry.
    pub id: MessageId,
    /// Whom it is for.
    pub contact: ContactId,
}

/// What goes into SEND beside the id and the recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbound {
    /// The newest timestamp that the writer had seen in the conversation.
    pub after: Timestamp,
    /// Time to live in milliseconds, 0 for the server's.
    pub ttl_ms: u64,
    /// The sealed contents. Sealing again would give other bytes, and the server CONFLICT.
    pub envelope: Vec<u8>,
}

impl Tx<'_> {
    /// Queues a message for sending.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn queue(&self, entry: &OutboxEntry, outbound: &Outbound) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO outbox (seq, id, contact, after, ttl_ms, envelope)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (
                entry.seq.0,
                entry.id.0.as_slice(),
                entry.contact.0,
                to_sql(outbound.after.0),
                to_sql(outbound.ttl_ms),
                outbound.envelope.as_slice(),
            ),
        )?;
        Ok(())
    }

    /// Everything queued, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn queued(&self) -> Result<Vec<OutboxEntry>, StoreError> {
        self.all(
            "SELECT seq, id, contact FROM outbox ORDER BY seq",
            (),
            |row| {
                Ok(OutboxEntry {
                    seq: Seq(row.get(0)?),
                    id: read_id(row, 1)?,
                    contact: ContactId(row.get(2)?),
                })
            },
        )
    }

    /// What to send for a queued message.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn outbound(&self, seq: Seq) -> Result<Outbound, StoreError> {
        let found = self.first(
            "SELECT after, ttl_ms, envelope FROM outbox WHERE seq = ?1",
            [seq.0],
            |row| {
                Ok(Outbound {
                    after: Timestamp(from_sql(row.get(0)?)),
                    ttl_ms: from_sql(row.get(1)?),
                    envelope: row.get(2)?,
                })
            },
        )?;
        found.ok_or(StoreError::RowInvalid {
            column: "outbox.seq",
        })
    }

    /// Takes a message out of the queue: it has its answer.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn dequeue(&self, seq: Seq) -> Result<(), StoreError> {
        self.execute("DELETE FROM outbox WHERE seq = ?1", [seq.0])?;
        Ok(())
    }
}
