//! What this home wants to change of groups, until the server has answered.

use super::contacts::ContactId;
use super::db::Tx;
use crate::error::StoreError;

const WISH: &str = "group_drafts.wish";

/// What is to be changed of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDraft {
    /// Which group.
    pub contact: ContactId,
    /// What is wished; the engine's own encoding.
    pub wish: Vec<u8>,
    /// The record that was sent and has no answer.
    pub record: Option<Vec<u8>>,
}

impl Tx<'_> {
    /// What is to be changed of a group.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn group_draft(&self, contact: ContactId) -> Result<Option<GroupDraft>, StoreError> {
        let found = self.first(
            "SELECT wish, record FROM group_drafts WHERE contact = ?1",
            [contact.0],
            |row| {
                let wish: Vec<u8> = row.get(0)?;
                Ok((wish, row.get::<_, Option<Vec<u8>>>(1)?))
            },
        )?;
        let Some((sealed, record)) = found else {
            return Ok(None);
        };
        let wish = self.unseal(WISH, &contact.0.to_le_bytes(), &sealed)?;
        Ok(Some(GroupDraft {
            contact,
            wish: wish.to_vec(),
            record,
        }))
    }

    /// Stores what is to be changed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_group_draft(&self, draft: &GroupDraft) -> Result<(), StoreError> {
        let key = draft.contact.0.to_le_bytes();
        self.execute(
            "INSERT OR REPLACE INTO group_drafts (contact, wish, record) VALUES (?1, ?2, ?3)",
            (
                draft.contact.0,
                self.seal(WISH, &key, &draft.wish),
                draft.record.as_deref(),
            ),
        )?;
        Ok(())
    }

    /// It is done, or will not be.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn drop_group_draft(&self, contact: ContactId) -> Result<(), StoreError> {
        self.execute("DELETE FROM group_drafts WHERE contact = ?1", [contact.0])?;
        Ok(())
    }

    /// The groups that are to be changed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn group_drafts(&self) -> Result<Vec<ContactId>, StoreError> {
        let sql = "SELECT contact FROM group_drafts ORDER BY contact";
        self.all(sql, (), |row| Ok(ContactId(row.get(0)?)))
    }
}
