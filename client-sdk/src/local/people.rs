//! What the account lets others know: as the server has it, and as this home wants it.

use martlet_protocol::frame;
use rusqlite::Row;

use super::db::Tx;
use crate::error::StoreError;
use crate::event::{Settings, SettingsChange, Strangers, Visibility};

/// What this home knows of the account's own choices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeopleRow {
    /// Whether the server was asked for all relations, and has answered.
    pub has_relations: bool,
    /// The settings as the server has them; `None` before it was heard of them.
    pub known: Option<Settings>,
    /// What this home wants to change of them, while the server may not have it.
    pub wanted: SettingsChange,
}

impl PeopleRow {
    /// The settings that hold here.
    #[must_use]
    pub fn settings(&self) -> Option<Settings> {
        self.known.map(|known| self.wanted.applied_to(known))
    }
}

impl Tx<'_> {
    /// What this home knows of the account's own choices.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn people(&self) -> Result<PeopleRow, StoreError> {
        let row = self.first(
            "SELECT has_relations, presence, read_receipts, strangers,
                    new_presence, new_read_receipts, new_strangers FROM people",
            (),
            read_people,
        )?;
        Ok(row.unwrap_or_default())
    }

    /// Stores it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_people(&self, row: &PeopleRow) -> Result<(), StoreError> {
        let PeopleRow { known, wanted, .. } = row;
        self.execute(
            "INSERT OR REPLACE INTO people
             (only, has_relations, presence, read_receipts, strangers,
              new_presence, new_read_receipts, new_strangers)
             VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            (
                row.has_relations,
                known.map(|known| known.presence.to_wire().0),
                known.map(|known| known.read_receipts),
                known.map(|known| known.strangers.to_wire().0),
                wanted.presence.map(|presence| presence.to_wire().0),
                wanted.read_receipts,
                wanted.strangers.map(|strangers| strangers.to_wire().0),
            ),
        )?;
        Ok(())
    }
}

fn read_people(row: &Row<'_>) -> rusqlite::Result<PeopleRow> {
    let visibility = |column| -> rusqlite::Result<Option<Visibility>> {
        let number: Option<u8> = row.get(column)?;
        Ok(number.map(|number| frame::Visibility(number).into()))
    };
    let strangers = |column| -> rusqlite::Result<Option<Strangers>> {
        let number: Option<u8> = row.get(column)?;
        Ok(number.map(|number| frame::Strangers(number).into()))
    };
    let known = match (visibility(1)?, row.get(2)?, strangers(3)?) {
        (Some(presence), Some(read_receipts), Some(strangers)) => Some(Settings {
            presence,
            read_receipts,
            strangers,
        }),
        _ => None,
    };
    Ok(PeopleRow {
        has_relations: row.get(0)?,
        known,
        wanted: SettingsChange {
            presence: visibility(4)?,
            read_receipts: row.get(5)?,
            strangers: strangers(6)?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::super::Db;
    use super::*;
    use crate::crypto::store_key::StoreKey;

    #[test]
    fn what_is_known_and_what_is_wanted_read_back() {
        let mut db = Db::memory(&StoreKey::random()).unwrap();
        let tx = db.begin().unwrap();
        assert_eq!(tx.people().unwrap(), PeopleRow::default());
        let row = PeopleRow {
            has_relations: true,
            known: Some(Settings {
                presence: Visibility::Other(9),
                read_receipts: true,
                strangers: Strangers::Anyone,
            }),
            wanted: SettingsChange {
                presence: None,
                read_receipts: Some(false),
                strangers: Some(Strangers::Requests),
            },
        };
        tx.put_people(&row).unwrap();
        assert_eq!(tx.people().unwrap(), row);
        let settings = row.settings().unwrap();
        assert_eq!(settings.presence, Visibility::Other(9));
        assert!(!settings.read_receipts);
        assert!(row.wanted.without(settings).is_empty());
    }
}
