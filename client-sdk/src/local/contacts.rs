//! The other sides of conversations: a user id, a handle, or both; or a group.

use martlet_protocol::{GroupId, Timestamp, UserId};

use super::db::{Tx, from_sql, to_sql};
use crate::error::StoreError;

/// A conversation's number in this database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContactId(pub i64);

/// The other side of a conversation. Of an account at least one of the two names is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Its number here.
    pub id: ContactId,
    /// The account, once the server has said which one has the handle.
    pub user: Option<UserId>,
    /// The handle, once the server has said which one the account has.
    pub handle: Option<String>,
    /// The group, if it is one: then it has neither of both.
    pub group: Option<GroupId>,
    /// The newest timestamp seen in the conversation.
    pub newest: Timestamp,
}

/// What came of learning a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Learned {
    /// The contact that holds the conversation from now on.
    pub contact: ContactId,
    /// A contact that is not there any more: it has become that one.
    pub merged: Option<ContactId>,
}

impl Contact {
    /// The name to show: the handle, or the user id while the handle is not known; of a group the
    /// sign `#` and its id.
    #[must_use]
    pub fn name(&self) -> String {
        if let Some(group) = self.group {
            return group_peer(group);
        }
        match (&self.handle, self.user) {
            (Some(handle), _) => handle.clone(),
            (None, Some(user)) => user.to_string(),
            (None, None) => String::new(),
        }
    }
}

impl Tx<'_> {
    /// The contact with this handle, made when it is new.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn contact_of_handle(&self, handle: &str) -> Result<Contact, StoreError> {
        self.execute(
            "INSERT OR IGNORE INTO contacts (handle) VALUES (?1)",
            [handle],
        )?;
        let found = self.contact_where("SELECT * FROM contacts WHERE handle = ?1", handle)?;
        found.ok_or(StoreError::RowInvalid {
            column: "contacts.handle",
        })
    }

    /// The contact with this account, made when it is new.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn contact_of_user(&self, user: UserId) -> Result<Contact, StoreError> {
        if let Some(found) = self.find_account(user)? {
            return Ok(found);
        }
        let sql = "INSERT INTO contacts (user) VALUES (?1)";
        self.execute(sql, [to_sql(user.0)])?;
        self.find_account(user)?.ok_or(StoreError::RowInvalid {
            column: "contacts.user",
        })
    }

    /// The contact with this account, if there is one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn find_account(&self, user: UserId) -> Result<Option<Contact>, StoreError> {
        let sql = "SELECT * FROM contacts WHERE user = ?1";
        self.contact_where(sql, to_sql(user.0))
    }

    /// A contact by its number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn contact(&self, id: ContactId) -> Result<Contact, StoreError> {
        let found = self.contact_where("SELECT * FROM contacts WHERE contact = ?1", id.0)?;
        found.ok_or(StoreError::RowInvalid {
            column: "messages.contact",
        })
    }

    /// The contact of a group, made when it is new.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn contact_of_group(&self, group: GroupId) -> Result<Contact, StoreError> {
        if let Some(found) = self.find_group(group)? {
            return Ok(found);
        }
        let id = to_sql(group.0);
        let contact = self.insert("INSERT INTO contacts (group_id) VALUES (?1)", [id])?;
        self.execute("INSERT INTO groups (contact) VALUES (?1)", [contact])?;
        self.contact(ContactId(contact))
    }

    /// The contact of a group, if there is one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn find_group(&self, group: GroupId) -> Result<Option<Contact>, StoreError> {
        let sql = "SELECT * FROM contacts WHERE group_id = ?1";
        self.contact_where(sql, to_sql(group.0))
    }

    /// A contact by the name that is shown for it, handle, user id or group.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn find_contact(&self, name: &str) -> Result<Option<Contact>, StoreError> {
        if let Some(group) = group_of_peer(name) {
            return self.find_group(group);
        }
        let by_handle = self.contact_where("SELECT * FROM contacts WHERE handle = ?1", name)?;
        if by_handle.is_some() || name.len() != 16 {
            return Ok(by_handle);
        }
        let Ok(user) = u64::from_str_radix(name, 16) else {
            return Ok(None);
        };
        self.contact_where("SELECT * FROM contacts WHERE user = ?1", to_sql(user))
    }

    /// Contacts of which one name is missing: what must be looked up again after a restart.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn incomplete_contacts(&self) -> Result<Vec<Contact>, StoreError> {
        self.all(
            "SELECT * FROM contacts WHERE group_id IS NULL AND (handle IS NULL OR
             (user IS NULL AND EXISTS
                 (SELECT 1 FROM outbox WHERE outbox.contact = contacts.contact)))
             ORDER BY contact",
            (),
            read_contact,
        )
    }

    /// Learns that `user` and `handle` are the same account; a contact that knew only the account
    /// is merged into the one with the handle. A handle that was seen with another account stays
    /// with that one: two people never share a conversation.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn learn(&self, user: UserId, handle: &str) -> Result<Learned, StoreError> {
        let id = to_sql(user.0);
        let by_user = self.find_account(user)?;
        let unchanged = |contact| Learned {
            contact,
            merged: None,
        };
        if let Some(contact) = by_user.as_ref().filter(|contact| contact.handle.is_some()) {
            return Ok(unchanged(contact.id));
        }
        let by_handle = self.contact_of_handle(handle)?;
        if by_handle.user.is_some_and(|known| known != user) {
            return Ok(unchanged(self.contact_of_user(user)?.id));
        }
        let merged = by_user.map(|nameless| nameless.id);
        if let Some(nameless) = merged {
            self.merge(nameless, by_handle.id)?;
        }
        self.execute(
            "UPDATE contacts SET user = ?2 WHERE contact = ?1 AND user IS NULL",
            (by_handle.id.0, id),
        )?;
        Ok(Learned {
            contact: by_handle.id,
            merged,
        })
    }

    /// The name that is shown for an account.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn name_of(&self, user: UserId) -> Result<String, StoreError> {
        let known = self.find_account(user)?;
        Ok(known.map_or_else(|| user.to_string(), |contact| contact.name()))
    }

    /// Every contact of which account and handle are known.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn complete_contacts(&self) -> Result<Vec<Contact>, StoreError> {
        self.all(
            "SELECT * FROM contacts WHERE user IS NOT NULL AND handle IS NOT NULL
             ORDER BY contact",
            (),
            read_contact,
        )
    }

    /// Remembers that a message with this timestamp was seen in the conversation.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn see(&self, contact: ContactId, timestamp: Timestamp) -> Result<(), StoreError> {
        self.execute(
            "UPDATE contacts SET newest = ?2 WHERE contact = ?1 AND newest < ?2",
            (contact.0, to_sql(timestamp.0)),
        )?;
        Ok(())
    }

    /// Moves everything that hangs on `from`, which has no handle and so no own messages, though
    /// perhaps messages of this library.
    fn merge(&self, from: ContactId, into: ContactId) -> Result<(), StoreError> {
        let pair = (from.0, into.0);
        self.execute("UPDATE messages SET contact = ?2 WHERE contact = ?1", pair)?;
        self.execute("UPDATE outbox SET contact = ?2 WHERE contact = ?1", pair)?;
        self.execute("UPDATE waiting SET contact = ?2 WHERE contact = ?1", pair)?;
        self.execute(
            "UPDATE OR REPLACE watermarks SET contact = ?2 WHERE contact = ?1",
            pair,
        )?;
        self.execute(
            "UPDATE OR REPLACE reads SET contact = ?2 WHERE contact = ?1",
            pair,
        )?;
        self.execute(
            "UPDATE contacts SET
             newest = max(newest, (SELECT newest FROM contacts WHERE contact = ?1)),
             read_up_to = max(read_up_to, (SELECT read_up_to FROM contacts WHERE contact = ?1))
             WHERE contact = ?2",
            pair,
        )?;
        self.execute("DELETE FROM contacts WHERE contact = ?1", [from.0])?;
        Ok(())
    }

    fn contact_where(
        &self,
        sql: &str,
        value: impl rusqlite::ToSql,
    ) -> Result<Option<Contact>, StoreError> {
        self.first(sql, [value], read_contact)
    }
}

/// The name of a group among the names of peers, where no handle has such a sign.
#[must_use]
pub fn group_peer(group: GroupId) -> String {
    format!("#{:016x}", group.0)
}

/// The inverse of [`group_peer`].
#[must_use]
pub fn group_of_peer(name: &str) -> Option<GroupId> {
    let digits = name.strip_prefix('#').filter(|digits| digits.len() == 16)?;
    let group = u64::from_str_radix(digits, 16).ok()?;
    (group != 0).then_some(GroupId(group))
}

fn read_contact(row: &rusqlite::Row<'_>) -> rusqlite::Result<Contact> {
    let user: Option<i64> = row.get("user")?;
    Ok(Contact {
        id: ContactId(row.get("contact")?),
        user: user.map(|user| UserId(from_sql(user))),
        handle: row.get("handle")?,
        group: row
            .get::<_, Option<i64>>("group_id")?
            .map(|group| GroupId(from_sql(group))),
        newest: Timestamp(from_sql(row.get("newest")?)),
    })
}

#[cfg(test)]
mod tests {
    use super::super::Db;
    use super::*;
    use crate::crypto::store_key::StoreKey;

    #[test]
    fn a_stranger_who_turns_out_to_be_a_known_name_becomes_one_conversation() {
        let mut db = Db::memory(&StoreKey::random()).unwrap();
        let tx = db.begin().unwrap();
        let named = tx.contact_of_handle("bob").unwrap();
        let nameless = tx.contact_of_user(UserId(7)).unwrap();
        assert_ne!(named.id, nameless.id);
        tx.see(nameless.id, Timestamp(99)).unwrap();

        let learned = tx.learn(UserId(7), "bob").unwrap();
        assert_eq!(
            (learned.contact, learned.merged),
            (named.id, Some(nameless.id))
        );
        let merged = tx.contact_of_user(UserId(7)).unwrap();
        assert_eq!(merged.id, named.id);
        assert_eq!(merged.handle.as_deref(), Some("bob"));
        assert_eq!(merged.newest, Timestamp(99));
    }

    #[test]
    fn a_name_that_moves_to_another_account_does_not_take_the_conversation_with_it() {
        let mut db = Db::memory(&StoreKey::random()).unwrap();
        let tx = db.begin().unwrap();
        let first = tx.learn(UserId(7), "bob").unwrap().contact;
        let second = tx.learn(UserId(8), "bob").unwrap().contact;
        assert_ne!(first, second);
        assert_eq!(tx.contact(second).unwrap().handle, None);
    }

    #[test]
    fn a_conversation_is_found_by_the_name_that_was_shown() {
        let mut db = Db::memory(&StoreKey::random()).unwrap();
        let tx = db.begin().unwrap();
        let contact = tx.contact_of_user(UserId(0xabc)).unwrap();
        assert_eq!(contact.name(), "0000000000000abc");
        assert_eq!(tx.find_contact(&contact.name()).unwrap(), Some(contact));
        assert_eq!(tx.find_contact("bob").unwrap(), None);
    }
}
