//! Entries of groups that wait for a device list, for a sender key or for those before them, in the
//! order of the group.

use martlet_protocol::frame::{GroupEventKind, GroupMode};
use martlet_protocol::{Address, DeviceId, MessageId, Timestamp, UserId};
use rusqlite::Row;

use super::contacts::ContactId;
use super::db::{Tx, from_sql, to_sql};
use super::messages::read_id;
use crate::error::StoreError;

/// Most entries of one group that wait; then the oldest message is given up.
pub const ENTRIES_MAX: u64 = 10_000;

/// An entry of a group's log, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the log.
    pub sequence: u64,
    /// What it is.
    pub kind: GroupEventKind,
    /// The device that wrote it; account 0 for an entry of the server.
    pub author: Address,
    /// The author's id for it, if it is a message.
    pub id: MessageId,
    /// When the server placed it.
    pub timestamp: Timestamp,
    /// Its bytes.
    pub body: Vec<u8>,
    /// How it has come.
    pub way: GroupMode,
}

impl Tx<'_> {
    /// Keeps an entry until it can be dealt with. One that `is_lined` waits for nothing that stands
    /// before it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn keep_entry(
        &self,
        contact: ContactId,
        entry: &Entry,
        is_lined: bool,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT OR IGNORE INTO group_entries
             (contact, sequence, kind, user, device, id, timestamp, body, way, lined)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            (
                contact.0,
                to_sql(entry.sequence),
                entry.kind.0,
                to_sql(entry.author.user.0),
                entry.author.device.0,
                entry.id.0.as_slice(),
                to_sql(entry.timestamp.0),
                entry.body.as_slice(),
                entry.way.0,
                is_lined,
            ),
        )?;
        Ok(())
    }

    /// The oldest entry behind `after` that stands in line and waits.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn next_entry(&self, contact: ContactId, after: u64) -> Result<Option<Entry>, StoreError> {
        self.first(
            "SELECT sequence, kind, user, device, id, timestamp, body, way FROM group_entries
             WHERE contact = ?1 AND sequence > ?2 AND lined ORDER BY sequence LIMIT 1",
            (contact.0, to_sql(after)),
            read_entry,
        )
    }

    /// The oldest entry that is not in line: one that has come this way, or any.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn unlined_entry(
        &self,
        contact: ContactId,
        way: Option<GroupMode>,
    ) -> Result<Option<Entry>, StoreError> {
        self.first(
            "SELECT sequence, kind, user, device, id, timestamp, body, way FROM group_entries
             WHERE contact = ?1 AND NOT lined AND (?2 = 0 OR way = ?2)
             ORDER BY sequence LIMIT 1",
            (contact.0, way.map_or(0, |way| way.0)),
            read_entry,
        )
    }

    /// An entry that was kept stands in line now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn line_entry(&self, contact: ContactId, sequence: u64) -> Result<(), StoreError> {
        self.execute(
            "UPDATE group_entries SET lined = 1 WHERE contact = ?1 AND sequence = ?2",
            (contact.0, to_sql(sequence)),
        )?;
        Ok(())
    }

    /// The groups of which entries are not in line.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn groups_out_of_line(&self) -> Result<Vec<ContactId>, StoreError> {
        let sql = "SELECT DISTINCT contact FROM group_entries WHERE NOT lined ORDER BY contact";
        self.all(sql, (), |row| Ok(ContactId(row.get(0)?)))
    }

    /// An entry that waits, by its place.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn kept_entry(
        &self,
        contact: ContactId,
        sequence: u64,
    ) -> Result<Option<Entry>, StoreError> {
        self.first(
            "SELECT sequence, kind, user, device, id, timestamp, body, way FROM group_entries
             WHERE contact = ?1 AND sequence = ?2",
            (contact.0, to_sql(sequence)),
            read_entry,
        )
    }

    /// An entry is dealt with.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn drop_entry(&self, contact: ContactId, sequence: u64) -> Result<(), StoreError> {
        self.execute(
            "DELETE FROM group_entries WHERE contact = ?1 AND sequence = ?2",
            (contact.0, to_sql(sequence)),
        )?;
        Ok(())
    }

    /// Whether a record waits, or a message of this device: what follows waits as well.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_held_up(&self, contact: ContactId, author: Address) -> Result<bool, StoreError> {
        let found = self.first(
            "SELECT 1 FROM group_entries WHERE contact = ?1 AND lined
             AND (kind <> 1 OR (user = ?2 AND device = ?3)) LIMIT 1",
            (contact.0, to_sql(author.user.0), author.device.0),
            |_| Ok(()),
        )?;
        Ok(found.is_some())
    }

    /// How many entries of a group wait.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn kept_entries(&self, contact: ContactId) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM group_entries WHERE contact = ?1";
        let count = self.first(sql, [contact.0], |row| row.get(0).map(from_sql))?;
        Ok(count.unwrap_or(0))
    }

    /// The groups of which entries wait.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn groups_held_up(&self) -> Result<Vec<ContactId>, StoreError> {
        let sql = "SELECT DISTINCT contact FROM group_entries ORDER BY contact";
        self.all(sql, (), |row| Ok(ContactId(row.get(0)?)))
    }
}

fn read_entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        sequence: from_sql(row.get(0)?),
        kind: GroupEventKind(row.get(1)?),
        author: Address {
            user: UserId(from_sql(row.get(2)?)),
            device: DeviceId(row.get(3)?),
        },
        id: read_id(row, 4)?,
        timestamp: Timestamp(from_sql(row.get(5)?)),
        body: row.get(6)?,
        way: GroupMode(row.get(7)?),
    })
}
