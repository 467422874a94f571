//! Members of groups: what each may do, which devices it has, and how far it is.

use martlet_protocol::{Role, UserId};

use super::contacts::ContactId;
use super::db::{Tx, from_sql, to_sql};
use crate::error::StoreError;
use crate::event::MessageState;

/// A member, or one who was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberRow {
    /// The account.
    pub user: UserId,
    /// What it may do.
    pub role: Role,
    /// The version of the record that has removed it; 0 for a member.
    pub until: u64,
    /// The place of that record in the log; 0 for a member, and while the entry has not come.
    pub left_at: u64,
    /// The version of its device list, as the server says; 0 before it has.
    pub list_version: u64,
    /// What stands up to here in the log is not for it.
    pub since: u64,
    /// Up to where it has everything.
    pub delivered: u64,
    /// Up to where it has read everything.
    pub read: u64,
}

impl Tx<'_> {
    /// An account in a group, now or once.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn member(
        &self,
        contact: ContactId,
        user: UserId,
    ) -> Result<Option<MemberRow>, StoreError> {
        self.first(
            "SELECT user, role, until, left_at, list_version, since, delivered, read
             FROM group_members
             WHERE contact = ?1 AND user = ?2",
            (contact.0, to_sql(user.0)),
            read_member,
        )
    }

    /// A member was added by the record with this place, which was thought to stand further on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_since(
        &self,
        contact: ContactId,
        user: UserId,
        sequence: u64,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE group_members SET
             delivered = iif(delivered = since, ?3, delivered),
             read = iif(read = since, ?3, read),
             since = ?3
             WHERE contact = ?1 AND user = ?2 AND role > 0 AND since > ?3",
            (contact.0, to_sql(user.0), to_sql(sequence)),
        )?;
        Ok(())
    }

    /// Whoever is no member was removed by the record with this place.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_left(
        &self,
        contact: ContactId,
        user: UserId,
        sequence: u64,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE group_members SET left_at = ?3 WHERE contact = ?1 AND user = ?2 AND role = 0",
            (contact.0, to_sql(user.0), to_sql(sequence)),
        )?;
        Ok(())
    }

    /// The members of a group, by account.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn members(&self, contact: ContactId) -> Result<Vec<MemberRow>, StoreError> {
        let mut members = self.all(
            "SELECT user, role, until, left_at, list_version, since, delivered, read
             FROM group_members
             WHERE contact = ?1 AND role > 0",
            [contact.0],
            read_member,
        )?;
        members.sort_by_key(|member| member.user);
        Ok(members)
    }

    /// Whether an account is in a group, as far as its records say.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_member(&self, contact: ContactId, user: UserId) -> Result<bool, StoreError> {
        let found = self.first(
            "SELECT 1 FROM group_members WHERE contact = ?1 AND user = ?2 AND role > 0",
            (contact.0, to_sql(user.0)),
            |_| Ok(()),
        )?;
        Ok(found.is_some())
    }

    /// The server says which list a member has.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_list_version(
        &self,
        contact: ContactId,
        user: UserId,
        version: u64,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE group_members SET list_version = ?3 WHERE contact = ?1 AND user = ?2",
            (contact.0, to_sql(user.0), to_sql(version)),
        )?;
        Ok(())
    }

    /// A member, or each of them, has everything of this account up to a sequence, or has read it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn raise_member(
        &self,
        contact: ContactId,
        user: Option<UserId>,
        state: MessageState,
        up_to: u64,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE group_members SET delivered = max(delivered, ?3),
             read = iif(?4, max(read, ?3), read)
             WHERE contact = ?1 AND (?2 = 0 OR user = ?2)",
            (
                contact.0,
                user.map_or(0, |user| to_sql(user.0)),
                to_sql(up_to),
                state == MessageState::Read,
            ),
        )?;
        Ok(())
    }

    /// Up to where all other members have everything, and have read everything; `None` without
    /// any.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn slowest_members(
        &self,
        contact: ContactId,
        own: UserId,
    ) -> Result<Option<(u64, u64)>, StoreError> {
        self.first(
            "SELECT min(delivered), min(read) FROM group_members
             WHERE contact = ?1 AND role > 0 AND user <> ?2 HAVING count(*) > 0",
            (contact.0, to_sql(own.0)),
            |row| Ok((from_sql(row.get(0)?), from_sql(row.get(1)?))),
        )
    }
}

fn read_member(row: &rusqlite::Row<'_>) -> rusqlite::Result<MemberRow> {
    Ok(MemberRow {
        user: UserId(from_sql(row.get(0)?)),
        role: Role(row.get(1)?),
        until: from_sql(row.get(2)?),
        left_at: from_sql(row.get(3)?),
        list_version: from_sql(row.get(4)?),
        since: from_sql(row.get(5)?),
        delivered: from_sql(row.get(6)?),
        read: from_sql(row.get(7)?),
    })
}
