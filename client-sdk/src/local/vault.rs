//! The key of the sealed columns: how it is found, and how a wrong one is noticed.

use rusqlite::{OptionalExtension, Transaction};

use crate::config::Passphrase;
use crate::crypto::store_key::{PASSPHRASE_SCHEME, SALT_BYTES, StoreKey, Vault, new_salt};
use crate::error::StoreError;

/// What opens the sealed columns of a database.
#[derive(Clone, Copy, Debug)]
pub enum Secret<'a> {
    /// The key itself.
    Key(&'a StoreKey),
    /// A passphrase; the salt that makes it a key is in the database.
    Passphrase(&'a Passphrase),
}

struct Row {
    scheme: Option<String>,
    salt: Option<[u8; SALT_BYTES]>,
    proof: Vec<u8>,
}

/// Opens the vault of a database, or gives a new one its key.
pub(super) fn unlock(
    transaction: &Transaction<'_>,
    secret: Secret<'_>,
) -> Result<Vault, StoreError> {
    let row = transaction
        .query_row("SELECT scheme, salt, proof FROM vault", (), |row| {
            Ok(Row {
                scheme: row.get(0)?,
                salt: row.get(1)?,
                proof: row.get(2)?,
            })
        })
        .optional()?;
    match row {
        Some(row) => open(&row, secret),
        None => create(transaction, secret),
    }
}

fn open(row: &Row, secret: Secret<'_>) -> Result<Vault, StoreError> {
    let key = match (secret, row.salt) {
        (Secret::Key(key), None) => key.clone(),
        (Secret::Passphrase(passphrase), Some(salt)) => {
            if row.scheme.as_deref() != Some(PASSPHRASE_SCHEME) {
                return Err(StoreError::RowInvalid {
                    column: "vault.scheme",
                });
            }
            StoreKey::from_passphrase(passphrase.as_str(), &salt)
                .map_err(|_| StoreError::WrongKey)?
        }
        _ => return Err(StoreError::WrongKey),
    };
    let vault = Vault::new(&key);
    vault.check(&row.proof).map_err(|_| StoreError::WrongKey)?;
    Ok(vault)
}

fn create(transaction: &Transaction<'_>, secret: Secret<'_>) -> Result<Vault, StoreError> {
    let salt = new_salt();
    let (key, scheme) = match secret {
        Secret::Key(key) => (key.clone(), None),
        Secret::Passphrase(passphrase) => {
            let key = StoreKey::from_passphrase(passphrase.as_str(), &salt)?;
            (key, Some(PASSPHRASE_SCHEME))
        }
    };
    let vault = Vault::new(&key);
    transaction.execute(
        "INSERT INTO vault (only, scheme, salt, proof) VALUES (1, ?1, ?2, ?3)",
        (
            scheme,
            scheme.map(|_| salt.as_slice()),
            vault.new_check().as_slice(),
        ),
    )?;
    Ok(vault)
}
