//! Messages that could not be opened here, and those that others could not open and asked for.

use martlet_protocol::{Address, DeviceId, GroupId, MessageId, Millis, Timestamp, UserId};
use rusqlite::Row;

use super::db::{Tx, from_sql, to_sql};
use super::messages::read_id;
use crate::error::StoreError;

/// A message that this home could not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repair {
    /// Its sender's id for it.
    pub id: MessageId,
    /// The device that wrote it.
    pub sender: Address,
    /// The other account of the conversation; in a group, the author's.
    pub peer: UserId,
    /// The group and the place in its log, if it was written to one.
    pub group: Option<(GroupId, u64)>,
    /// Its place in the conversation, as the server said.
    pub timestamp: Timestamp,
    /// How often it was asked for again.
    pub attempts: u32,
}

impl Tx<'_> {
    /// The repair of a message that could not be opened.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn repair(&self, id: MessageId, sender: Address) -> Result<Option<Repair>, StoreError> {
        self.first(
            "SELECT id, user, device, peer, timestamp, attempts, group_id, sequence FROM repairs
             WHERE id = ?1 AND user = ?2 AND device = ?3 AND asked = 0",
            (id.0.as_slice(), to_sql(sender.user.0), sender.device.0),
            read_repair,
        )
    }

    /// Stores a repair, and when to ask again; `None` for never.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_repair(&self, repair: &Repair, again_at: Option<Millis>) -> Result<(), StoreError> {
        self.execute(
            "INSERT OR REPLACE INTO repairs
             (id, user, device, asked, peer, timestamp, attempts, again_at, group_id, sequence)
             VALUES (?1, ?2, ?3, 0, ?4, ?5, ?6, ?7, ?8, ?9)",
            (
                repair.id.0.as_slice(),
                to_sql(repair.sender.user.0),
                repair.sender.device.0,
                to_sql(repair.peer.0),
                to_sql(repair.timestamp.0),
                repair.attempts,
                again_at.map_or(i64::MAX, |at| to_sql(at.0)),
                repair.group.map_or(0, |(group, _)| to_sql(group.0)),
                repair.group.map_or(0, |(_, sequence)| to_sql(sequence)),
            ),
        )?;
        Ok(())
    }

    /// The message has come after all.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn drop_repair(&self, id: MessageId, sender: Address) -> Result<(), StoreError> {
        self.execute(
            "DELETE FROM repairs WHERE id = ?1 AND user = ?2 AND device = ?3 AND asked = 0",
            (id.0.as_slice(), to_sql(sender.user.0), sender.device.0),
        )?;
        Ok(())
    }

    /// The repair to make next, and when.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn next_repair(&self) -> Result<Option<(Millis, Repair)>, StoreError> {
        self.first(
            "SELECT id, user, device, peer, timestamp, attempts, group_id, sequence, again_at
             FROM repairs
             WHERE asked = 0 AND again_at < ?1 ORDER BY again_at, id LIMIT 1",
            [i64::MAX],
            |row| Ok((Millis(from_sql(row.get(8)?)), read_repair(row)?)),
        )
    }

    /// Counts that a device has asked for an own message again, and returns how often it has.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn count_asked(&self, id: MessageId, asker: Address) -> Result<u32, StoreError> {
        let key = (id.0.as_slice(), to_sql(asker.user.0), asker.device.0);
        self.execute(
            "INSERT INTO repairs (id, user, device, asked, peer, timestamp, attempts, again_at)
             VALUES (?1, ?2, ?3, 1, 0, 0, 1, 0)
             ON CONFLICT DO UPDATE SET attempts = attempts + 1",
            key,
        )?;
        let attempts = self.first(
            "SELECT attempts FROM repairs
             WHERE id = ?1 AND user = ?2 AND device = ?3 AND asked = 1",
            key,
            |row| row.get(0),
        )?;
        Ok(attempts.unwrap_or(0))
    }
}

fn read_repair(row: &Row<'_>) -> rusqlite::Result<Repair> {
    Ok(Repair {
        id: read_id(row, 0)?,
        sender: Address {
            user: UserId(from_sql(row.get(1)?)),
            device: DeviceId(row.get(2)?),
        },
        peer: UserId(from_sql(row.get(3)?)),
        timestamp: Timestamp(from_sql(row.get(4)?)),
        attempts: row.get(5)?,
        group: match from_sql(row.get(6)?) {
            0 => None,
            group => Some((GroupId(group), from_sql(row.get(7)?))),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::super::Db;
    use super::*;
    use crate::crypto::store_key::StoreKey;

    #[test]
    fn a_repair_is_due_until_it_is_done_or_given_up() {
        let mut db = Db::memory(&StoreKey::random()).unwrap();
        let tx = db.begin().unwrap();
        let sender = Address {
            user: UserId(7),
            device: DeviceId(2),
        };
        let mut repair = Repair {
            id: MessageId([1; 16]),
            sender,
            peer: UserId(7),
            group: Some((GroupId(9), 3)),
            timestamp: Timestamp(500),
            attempts: 1,
        };
        tx.put_repair(&repair, Some(Millis(90))).unwrap();
        assert_eq!(tx.next_repair().unwrap(), Some((Millis(90), repair)));
        assert_eq!(tx.count_asked(repair.id, sender).unwrap(), 1);
        assert_eq!(tx.count_asked(repair.id, sender).unwrap(), 2);
        repair.attempts = 3;
        tx.put_repair(&repair, None).unwrap();
        assert_eq!(tx.next_repair().unwrap(), None);
        assert_eq!(tx.repair(repair.id, sender).unwrap(), Some(repair));
        tx.drop_repair(repair.id, sender).unwrap();
        assert_eq!(tx.repair(repair.id, sender).unwrap(), None);
    }
}
