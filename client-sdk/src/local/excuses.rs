//! What may be missing, and what may come again, without anybody's fault.

use martlet_protocol::Timestamp;
use rusqlite::Transaction;

use super::contacts::ContactId;
use super::db::{Tx, from_sql, to_sql};
use crate::error::StoreError;

/// The one row, in a new database.
pub(super) fn create(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    transaction.execute(
        "INSERT INTO excuses (only, holes, repeats) VALUES (1, 0, 0)",
        (),
    )?;
    Ok(())
}

impl Tx<'_> {
    /// As many messages more may be missing: the application was told.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn excuse_holes(&self, count: u64) -> Result<(), StoreError> {
        self.execute(
            "UPDATE excuses SET holes = min(holes + ?1, ?2)",
            (to_sql(count.min(EXCUSES_MAX)), to_sql(EXCUSES_MAX)),
        )?;
        Ok(())
    }

    /// Takes excuses for `count` missing messages, and returns whether there were enough.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn take_excuses(&self, count: u64) -> Result<bool, StoreError> {
        let excused = self.execute(
            "UPDATE excuses SET holes = holes - ?1 WHERE holes >= ?1",
            [to_sql(count.min(EXCUSES_MAX + 1))],
        )?;
        Ok(excused > 0)
    }

    /// As many messages more of a group may be missing there: the application was told.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn excuse_holes_in(&self, contact: ContactId, count: u64) -> Result<(), StoreError> {
        self.execute(
            "UPDATE groups SET holes = min(holes + ?2, ?3) WHERE contact = ?1",
            (
                contact.0,
                to_sql(count.min(EXCUSES_MAX)),
                to_sql(EXCUSES_MAX),
            ),
        )?;
        Ok(())
    }

    /// Takes excuses for `count` missing messages of a group, those of the group first. What is
    /// missing in the inbox may be of any group. Returns whether there were enough.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn take_excuses_in(&self, contact: ContactId, count: u64) -> Result<bool, StoreError> {
        let sql = "SELECT holes FROM groups WHERE contact = ?1";
        let own = self.first(sql, [contact.0], |row| row.get(0))?;
        let own = own.map_or(0, from_sql).min(count);
        if own < count && !self.take_excuses(count - own)? {
            return Ok(false);
        }
        self.execute(
            "UPDATE groups SET holes = holes - ?2 WHERE contact = ?1",
            (contact.0, to_sql(own)),
        )?;
        Ok(true)
    }

    /// The server has begun the stream anew: what it has placed up to now may come again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn excuse_repeats(&self, up_to: Timestamp) -> Result<(), StoreError> {
        self.execute(
            "UPDATE excuses SET repeats = max(repeats, ?1)",
            [to_sql(up_to.0)],
        )?;
        Ok(())
    }

    /// Whether a message with this timestamp may come again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn may_repeat(&self, timestamp: Timestamp) -> Result<bool, StoreError> {
        let up_to = self.first("SELECT repeats FROM excuses", (), |row| row.get(0))?;
        Ok(up_to.is_some_and(|up_to| timestamp.0 <= from_sql(up_to)))
    }
}

/// A gap of more than that says that all is lost; and a count must not overflow.
const EXCUSES_MAX: u64 = 1 << 32;

#[cfg(test)]
mod tests {
    use martlet_protocol::GroupId;

    use super::super::Db;
    use super::*;
    use crate::crypto::store_key::StoreKey;

    #[test]
    fn an_excuse_counts_once() {
        let mut db = Db::memory(&StoreKey::random()).unwrap();
        let tx = db.begin().unwrap();
        assert!(!tx.take_excuses(1).unwrap());
        tx.excuse_holes(2).unwrap();
        assert!(!tx.take_excuses(3).unwrap());
        assert!(tx.take_excuses(2).unwrap());
        assert!(!tx.take_excuses(1).unwrap());
        tx.excuse_holes(u64::MAX).unwrap();
        assert!(tx.take_excuses(EXCUSES_MAX).unwrap());
        assert!(!tx.take_excuses(u64::MAX).unwrap());
    }

    #[test]
    fn a_group_has_excuses_of_its_own() {
        let mut db = Db::memory(&StoreKey::random()).unwrap();
        let tx = db.begin().unwrap();
        let [one, other] = [1, 2].map(|id| tx.contact_of_group(GroupId(id)).unwrap().id);
        tx.excuse_holes_in(one, 2).unwrap();
        assert!(!tx.take_excuses(1).unwrap());
        assert!(!tx.take_excuses_in(other, 1).unwrap());
        assert!(!tx.take_excuses_in(one, 3).unwrap());
        tx.excuse_holes(2).unwrap();
        assert!(tx.take_excuses_in(one, 3).unwrap(), "two and one");
        assert!(!tx.take_excuses_in(one, 2).unwrap());
        assert!(tx.take_excuses_in(other, 1).unwrap());
        assert!(!tx.take_excuses(1).unwrap());
        tx.excuse_holes_in(one, u64::MAX).unwrap();
        tx.excuse_holes_in(one, u64::MAX).unwrap();
        assert!(tx.take_excuses_in(one, EXCUSES_MAX).unwrap());
    }

    #[test]
    fn only_what_was_placed_before_the_stream_began_anew_may_repeat() {
        let mut db = Db::memory(&StoreKey::random()).unwrap();
        let tx = db.begin().unwrap();
        assert!(!tx.may_repeat(Timestamp(1)).unwrap());
        tx.excuse_repeats(Timestamp(500)).unwrap();
        tx.excuse_repeats(Timestamp(400)).unwrap();
        assert!(tx.may_repeat(Timestamp(500)).unwrap());
        assert!(!tx.may_repeat(Timestamp(501)).unwrap());
    }
}
