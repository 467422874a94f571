//! The account's and the device's own keys, and the list that is being published.

use martlet_protocol::Millis;
use martlet_protocol::auth::KEY_BYTES;
use rusqlite::Row;
use rusqlite::types::Type;
use zeroize::Zeroizing;

use super::db::{Tx, from_sql, to_sql};
use crate::crypto::device::DeviceKeys;
use crate::crypto::identity::{AccountKey, NamesKey};
use crate::error::StoreError;

const ACCOUNT_SEED: &str = "own_keys.account_seed";
const NAMES_KEY: &str = "own_keys.names_key";
const NAME: &str = "own_keys.name";
const DEVICE_KEYS: &str = "own_keys.device_keys";

/// What the server has yet to be told of these keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Another device of the account has yet to list this one.
    Joining,
    /// This device has yet to publish its account's first list.
    Unlisted,
    /// It is listed, and the server has no prekeys yet.
    Unstocked,
    /// Nothing: others can write to this device.
    Reachable,
}

/// The keys of this home.
#[derive(Debug)]
pub struct OwnKeys {
    /// The account's public key.
    pub account_key: [u8; KEY_BYTES],
    /// The account's key itself, on the device that signs its lists.
    pub account: Option<AccountKey>,
    /// For the names of the account's devices; a home that joins gets it with the answer.
    pub names: Option<NamesKey>,
    /// What to call this device in the account's first list; empty on one that joined.
    pub name: String,
    /// The device's keys for sessions.
    pub device: DeviceKeys,
    /// What is to be done.
    pub stage: Stage,
    /// When the last-resort key was made, by the server's clock.
    pub rotated_at: Millis,
}

/// A list that the server may not have, and what is for the device that waits to be in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The signed list.
    pub list: Vec<u8>,
    /// For the new device; empty without one.
    pub answer: Vec<u8>,
    /// The new device gets the conversations of this one.
    pub with_history: bool,
}

struct Sealed {
    account_key: [u8; KEY_BYTES],
    account_seed: Option<Vec<u8>>,
    names_key: Option<Vec<u8>>,
    device_keys: Vec<u8>,
    stage: Stage,
    rotated_at: Millis,
    name: Vec<u8>,
}

impl Tx<'_> {
    /// The keys of this home; `None` before it registers or joins.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn own_keys(&self) -> Result<Option<OwnKeys>, StoreError> {
        let found = self.first(
            "SELECT account_key, account_seed, names_key, device_keys, stage, rotated_at, name
             FROM own_keys",
            (),
            read_sealed,
        )?;
        let Some(sealed) = found else {
            return Ok(None);
        };
        let account = sealed
            .account_seed
            .map(|seed| self.unseal_key(ACCOUNT_SEED, &seed));
        let names = sealed.names_key.map(|key| self.unseal_key(NAMES_KEY, &key));
        let device = self.unseal(DEVICE_KEYS, &[], &sealed.device_keys)?;
        let name = self.unseal(NAME, &[], &sealed.name)?;
        let name = core::str::from_utf8(&name);
        Ok(Some(OwnKeys {
            account_key: sealed.account_key,
            account: account
                .transpose()?
                .map(|seed| AccountKey::from_seed(&seed)),
            names: names.transpose()?.map(|key| NamesKey::from_bytes(*key)),
            name: name
                .map_err(|_| StoreError::RowInvalid { column: NAME })?
                .to_owned(),
            device: DeviceKeys::from_bytes(&device).map_err(|_| StoreError::RowInvalid {
                column: DEVICE_KEYS,
            })?,
            stage: sealed.stage,
            rotated_at: sealed.rotated_at,
        }))
    }

    /// Stores the keys of this home. It belongs into the transaction that makes their effect
    /// visible: private keys before their public parts are uploaded, and a used one away before
    /// the message is acknowledged.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_own_keys(&self, keys: &OwnKeys) -> Result<(), StoreError> {
        let account = keys.account.as_ref();
        let account = account.map(|account| self.seal(ACCOUNT_SEED, &[], account.seed()));
        let names = keys.names.as_ref();
        let names = names.map(|names| self.seal(NAMES_KEY, &[], names.as_bytes()));
        self.execute(
            "INSERT OR REPLACE INTO own_keys
             (only, account_key, account_seed, names_key, device_keys, stage, rotated_at, name)
             VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            (
                keys.account_key.as_slice(),
                account,
                names,
                self.seal(DEVICE_KEYS, &[], &keys.device.to_bytes()),
                stage_code(keys.stage),
                to_sql(keys.rotated_at.0),
                self.seal(NAME, &[], keys.name.as_bytes()),
            ),
        )?;
        Ok(())
    }

    /// The list that is being published.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn draft(&self) -> Result<Option<Draft>, StoreError> {
        let sql = "SELECT list, answer, with_history FROM drafts";
        self.first(sql, (), |row| {
            Ok(Draft {
                list: row.get(0)?,
                answer: row.get(1)?,
                with_history: row.get(2)?,
            })
        })
    }

    /// Stores the list to publish, in place of another one: every attempt repeats its bytes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_draft(&self, draft: &Draft) -> Result<(), StoreError> {
        self.execute(
            "INSERT OR REPLACE INTO drafts (only, list, answer, with_history)
             VALUES (1, ?1, ?2, ?3)",
            (
                draft.list.as_slice(),
                draft.answer.as_slice(),
                draft.with_history,
            ),
        )?;
        Ok(())
    }

    /// Forgets the list that was to be published: the server has it, or has refused it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn drop_draft(&self) -> Result<(), StoreError> {
        self.execute("DELETE FROM drafts", ())?;
        Ok(())
    }

    fn unseal_key(
        &self,
        column: &'static str,
        sealed: &[u8],
    ) -> Result<Zeroizing<[u8; KEY_BYTES]>, StoreError> {
        let opened = self.unseal(column, &[], sealed)?;
        let key = opened.as_slice().try_into();
        key.map(Zeroizing::new)
            .map_err(|_| StoreError::RowInvalid { column })
    }
}

const fn stage_code(stage: Stage) -> u8 {
    match stage {
        Stage::Joining => 0,
        Stage::Unlisted => 1,
        Stage::Unstocked => 2,
        Stage::Reachable => 3,
    }
}

fn read_sealed(row: &Row<'_>) -> rusqlite::Result<Sealed> {
    let stage = match row.get(4)? {
        0 => Stage::Joining,
        1 => Stage::Unlisted,
        2 => Stage::Unstocked,
        3 => Stage::Reachable,
        _ => {
            let reason = "no stage".into();
            return Err(rusqlite::Error::FromSqlConversionFailure(
                4,
                Type::Integer,
                reason,
            ));
        }
    };
    Ok(Sealed {
        account_key: row.get(0)?,
        account_seed: row.get(1)?,
        names_key: row.get(2)?,
        device_keys: row.get(3)?,
        stage,
        rotated_at: Millis(from_sql(row.get(5)?)),
        name: row.get(6)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::Db;
    use super::*;
    use crate::crypto::store_key::StoreKey;

    #[test]
    fn keys_come_back_as_they_were() {
        let mut db = Db::memory(&StoreKey::random()).unwrap();
        let tx = db.begin().unwrap();
        assert!(tx.own_keys().unwrap().is_none());
        let account = AccountKey::random();
        let keys = OwnKeys {
            account_key: account.public(),
            account: Some(account),
            names: Some(NamesKey::random()),
            name: "telephone".to_owned(),
            device: DeviceKeys::random(),
            stage: Stage::Unlisted,
            rotated_at: Millis(9),
        };
        tx.put_own_keys(&keys).unwrap();
        let stored = tx.own_keys().unwrap().unwrap();
        assert_eq!(stored.account.unwrap().public(), keys.account_key);
        assert_eq!(
            stored.names.unwrap().as_bytes(),
            keys.names.as_ref().unwrap().as_bytes()
        );
        assert_eq!(stored.device.identity_key(), keys.device.identity_key());
        assert_eq!(stored.name, "telephone");
        assert_eq!(
            (stored.stage, stored.rotated_at),
            (Stage::Unlisted, Millis(9))
        );
    }

    #[test]
    fn a_home_that_joins_has_neither_the_account_key_nor_the_names() {
        let mut db = Db::memory(&StoreKey::random()).unwrap();
        let tx = db.begin().unwrap();
        let keys = OwnKeys {
            account_key: [7; KEY_BYTES],
            account: None,
            names: None,
            name: String::new(),
            device: DeviceKeys::random(),
            stage: Stage::Joining,
            rotated_at: Millis(0),
        };
        tx.put_own_keys(&keys).unwrap();
        let stored = tx.own_keys().unwrap().unwrap();
        assert!(stored.account.is_none() && stored.names.is_none());
        assert_eq!(stored.stage, Stage::Joining);
    }
}
