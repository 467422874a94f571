//! What may be missing, and what may come again, without anybody's fault.

use martlet_protocol::{Address, DeviceId, Timestamp, UserId};
use rusqlite::Transaction;

use super::contacts::ContactId;
use super::db::{Tx, from_sql, to_sql};
use crate::error::StoreError;

/// Where messages may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoleScope {
    /// Wherever: something of the inbox has not come.
    Inbox,
    /// In a group: something of its own stream has not come.
    Group(ContactId),
    /// Among those of a device, to this account or to one group: one could not be read.
    Device(Option<ContactId>, Address),
}

/// The row, in a new database.
pub(super) fn create(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    transaction.execute("INSERT INTO excuses (only, repeats) VALUES (1, 0)", ())?;
    Ok(())
}

impl HoleScope {
    const NOBODY: Address = Address {
        user: UserId(0),
        device: DeviceId(0),
    };

    /// All that may have taken a message of a device, the narrowest first.
    fn around(group: Option<ContactId>, author: Address) -> impl Iterator<Item = Self> {
        let device = Self::Device(group, author);
        let group = group.map(Self::Group);
        [Some(device), group, Some(Self::Inbox)]
            .into_iter()
            .flatten()
    }

    /// Conversation, account and device of its row; 0 for all of them.
    fn key(self) -> (i64, i64, u16) {
        let (group, author) = match self {
            Self::Inbox => (None, Self::NOBODY),
            Self::Group(group) => (Some(group), Self::NOBODY),
            Self::Device(group, author) => (group, author),
        };
        let group = group.map_or(0, |group| group.0);
        (group, to_sql(author.user.0), author.device.0)
    }
}

impl Tx<'_> {
    /// As many messages more may be missing there: the application was told.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn excuse_holes(&self, scope: HoleScope, count: u64) -> Result<(), StoreError> {
        let (contact, user, device) = scope.key();
        self.execute(
            "INSERT INTO holes (contact, user, device, count) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET count = min(count + excluded.count, ?5)",
            (
                contact,
                user,
                device,
                to_sql(count.min(EXCUSES_MAX)),
                to_sql(EXCUSES_MAX),
            ),
        )?;
        Ok(())
    }

    /// Takes excuses for `count` missing messages of a device, to this account or to a group.
    /// Returns whether there were enough; else none was taken.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn take_excuses(
        &self,
        group: Option<ContactId>,
        author: Address,
        count: u64,
    ) -> Result<bool, StoreError> {
        let (mut left, mut taken) = (count, Vec::new());
        for scope in HoleScope::around(group, author) {
            let known = self.first(
                "SELECT count FROM holes WHERE (contact, user, device) = (?1, ?2, ?3)",
                scope.key(),
                |row| row.get(0),
            )?;
            let known = known.map_or(0, from_sql).min(left);
            left -= known;
            taken.push((scope, known));
        }
        if left > 0 {
            return Ok(false);
        }
        for (scope, count) in taken {
            let (contact, user, device) = scope.key();
            self.execute(
                "UPDATE holes SET count = count - ?4
                 WHERE (contact, user, device) = (?1, ?2, ?3)",
                (contact, user, device, to_sql(count)),
            )?;
        }
        self.execute("DELETE FROM holes WHERE count = 0", ())?;
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

    const AUTHOR: Address = Address {
        user: UserId(7),
        device: DeviceId(1),
    };
    const OTHER: Address = Address {
        device: DeviceId(2),
        ..AUTHOR
    };

    #[test]
    fn an_excuse_counts_once() {
        let mut db = Db::memory(&StoreKey::random()).unwrap();
        let tx = db.begin().unwrap();
        assert!(!tx.take_excuses(None, AUTHOR, 1).unwrap());
        tx.excuse_holes(HoleScope::Inbox, 2).unwrap();
        assert!(!tx.take_excuses(None, AUTHOR, 3).unwrap());
        assert!(tx.take_excuses(None, AUTHOR, 2).unwrap());
        assert!(!tx.take_excuses(None, AUTHOR, 1).unwrap());
        for _ in 0..2 {
            tx.excuse_holes(HoleScope::Inbox, u64::MAX).unwrap();
        }
        assert!(tx.take_excuses(None, AUTHOR, EXCUSES_MAX).unwrap());
        assert!(!tx.take_excuses(None, AUTHOR, 1).unwrap());
        assert!(!tx.take_excuses(None, AUTHOR, u64::MAX).unwrap());
    }

    #[test]
    fn an_excuse_counts_where_something_is_missing_and_nowhere_else() {
        let mut db = Db::memory(&StoreKey::random()).unwrap();
        let tx = db.begin().unwrap();
        let [one, other] = [1, 2].map(|id| Some(tx.contact_of_group(GroupId(id)).unwrap().id));
        tx.excuse_holes(HoleScope::Group(one.unwrap()), 1).unwrap();
        tx.excuse_holes(HoleScope::Device(one, AUTHOR), 1).unwrap();
        tx.excuse_holes(HoleScope::Device(None, AUTHOR), 1).unwrap();
        assert!(!tx.take_excuses(None, OTHER, 1).unwrap());
        assert!(!tx.take_excuses(other, AUTHOR, 1).unwrap());
        assert!(!tx.take_excuses(one, OTHER, 2).unwrap());
        assert!(!tx.take_excuses(one, AUTHOR, 3).unwrap());
        tx.excuse_holes(HoleScope::Inbox, 1).unwrap();
        assert!(tx.take_excuses(one, AUTHOR, 3).unwrap());
        assert!(!tx.take_excuses(one, AUTHOR, 1).unwrap());
        assert!(tx.take_excuses(None, AUTHOR, 1).unwrap());
        assert!(!tx.take_excuses(None, AUTHOR, 1).unwrap());
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
