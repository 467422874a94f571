//! What other accounts are to this one: as the server has it, and as this home wants it.

use martlet_protocol::UserId;
use martlet_protocol::frame::{Relation, Strangers};
use rusqlite::Row;

use super::db::{Tx, from_sql, to_sql};
use crate::error::StoreError;

/// What an account is to this one. Relations are as the wire numbers them: those of a newer version
/// are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelationRow {
    /// The other account.
    pub user: UserId,
    /// As the server has it, as far as it has told.
    pub known: Relation,
    /// As this home wants it, while the server may not have it.
    pub wanted: Option<Relation>,
    /// No person has asked for what is wanted: a first message makes a contact.
    pub is_by_itself: bool,
}

impl RelationRow {
    /// What holds here.
    #[must_use]
    pub fn relation(&self) -> Relation {
        self.wanted.unwrap_or(self.known)
    }
}

impl Tx<'_> {
    /// What an account is to this one; `None` for a stranger of whom nothing is wanted.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn relation_row(&self, user: UserId) -> Result<Option<RelationRow>, StoreError> {
        self.first(
            "SELECT user, relation, wanted, by_itself FROM relations WHERE user = ?1",
            [to_sql(user.0)],
            read_relation,
        )
    }

    /// What holds here of an account.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn relation(&self, user: UserId) -> Result<Relation, StoreError> {
        let row = self.relation_row(user)?;
        Ok(row.map_or(Relation::NONE, |row| row.relation()))
    }

    /// All accounts that are something to this one, or are to become it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn relation_rows(&self) -> Result<Vec<RelationRow>, StoreError> {
        let sql = "SELECT user, relation, wanted, by_itself FROM relations ORDER BY user";
        self.all(sql, (), read_relation)
    }

    /// Those of them that the server may have yet to hear of.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn wanted_relations(&self) -> Result<Vec<RelationRow>, StoreError> {
        self.all(
            "SELECT user, relation, wanted, by_itself FROM relations WHERE wanted IS NOT NULL",
            (),
            read_relation,
        )
    }

    /// Stores what an account is to this one. A stranger of whom nothing is wanted leaves no row.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_relation(&self, row: &RelationRow) -> Result<(), StoreError> {
        let user = to_sql(row.user.0);
        if row.known == Relation::NONE && row.wanted.is_none() {
            self.execute("DELETE FROM relations WHERE user = ?1", [user])?;
            return Ok(());
        }
        self.execute(
            "INSERT OR REPLACE INTO relations (user, relation, wanted, by_itself)
             VALUES (?1, ?2, ?3, ?4)",
            (
                user,
                row.known.0,
                row.wanted.map(|wanted| wanted.0),
                row.is_by_itself,
            ),
        )?;
        Ok(())
    }

    /// Whether what this account writes is a request: it is a stranger, and strangers are to ask.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn has_to_ask(&self, user: UserId) -> Result<bool, StoreError> {
        let has_to_ask = self.first(
            "SELECT coalesce(new_strangers, strangers, 0) = ?2 AND NOT EXISTS
                 (SELECT 1 FROM relations WHERE user = ?1 AND coalesce(wanted, relation) <> 0)
             FROM people",
            (to_sql(user.0), Strangers::AS_REQUESTS.0),
            |row| row.get(0),
        )?;
        Ok(has_to_ask.unwrap_or(false))
    }

    /// The account that is meant by a name that is shown for it: a handle, or its id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn account_named(&self, name: &str) -> Result<Option<UserId>, StoreError> {
        if let Some(contact) = self.find_contact(name)? {
            return Ok(contact.user);
        }
        let Some(user) = (name.len() == 16)
            .then(|| u64::from_str_radix(name, 16).ok())
            .flatten()
        else {
            return Ok(None);
        };
        // It is in no conversation, and yet in the list of contacts and blocked accounts.
        Ok(self.relation_row(UserId(user))?.map(|row| row.user))
    }
}

fn read_relation(row: &Row<'_>) -> rusqlite::Result<RelationRow> {
    Ok(RelationRow {
        user: UserId(from_sql(row.get(0)?)),
        known: Relation(row.get(1)?),
        wanted: row.get::<_, Option<u8>>(2)?.map(Relation),
        is_by_itself: row.get(3)?,
    })
}
