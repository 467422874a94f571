//! Opening the database, and the transaction through which everything is read and written.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, Row, Transaction};
use zeroize::Zeroizing;

use super::breaker::Breaker;
use super::vault::{self, Secret};
use super::{excuses, schema};
use crate::crypto::store_key::{StoreKey, Vault};
use crate::error::StoreError;

/// How many prepared statements are kept: more than this crate has.
const STATEMENTS_MAX: usize = 128;

/// How long a commit waits for another program, such as a backup, that looks at the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);

/// An open database. One process has it at a time; [`Home`](super::Home) sees to that.
#[derive(Debug)]
pub struct Db {
    connection: Connection,
    sync: Sync,
    vault: Vault,
}

/// What a commit waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sync {
    /// The disk: it survives a power cut.
    Disk,
    /// The operating system: it survives the end of the process, and with the next commit that
    /// waits for the disk also a power cut.
    System,
}

/// A transaction. Dropped without [`Tx::commit`] it changes nothing.
#[derive(Debug)]
pub struct Tx<'db> {
    transaction: Transaction<'db>,
    vault: &'db Vault,
}

impl Db {
    /// Opens or creates the database file. A new one can be opened with the same secret only, from
    /// then on.
    ///
    /// # Errors
    /// [`StoreError`]; a file of another program or another format is left untouched.
    pub fn open(file: &Path, secret: Secret<'_>) -> Result<Self, StoreError> {
        Self::prepare(Connection::open(file)?, secret)
    }

    /// A database in memory, for simulations: it lives as long as this value, so dropping the
    /// engine above it and opening another one is a crash.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn memory(key: &StoreKey) -> Result<Self, StoreError> {
        Self::prepare(Connection::open_in_memory()?, Secret::Key(key))
    }

    fn prepare(mut connection: Connection, secret: Secret<'_>) -> Result<Self, StoreError> {
        let transaction = connection.transaction()?;
        if schema::prepare(&transaction)? {
            excuses::create(&transaction)?;
        }
        let vault = vault::unlock(&transaction, secret)?;
        transaction.commit()?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        // Else a statement whose parameter might decide about a partial index is prepared anew
        // each time it runs. The queries here say by constants which index they mean.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        // The other mode than the one wanted, so that it is set.
        let mut db = Self {
            connection,
            sync: Sync::System,
            vault,
        };
        db.wait_for(Sync::Disk)?;
        Ok(db)
    }

    /// Begins a transaction. It takes no lock and costs no sync unless something is written.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn begin(&mut self) -> Result<Tx<'_>, StoreError> {
        self.wait_for(Sync::Disk)?;
        Ok(Tx {
            transaction: self.connection.transaction()?,
            vault: &self.vault,
        })
    }

    /// Begins a transaction that a power cut may undo, though not the end of the process. Its
    /// commit does not wait for the disk.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn begin_unsynced(&mut self) -> Result<Tx<'_>, StoreError> {
        self.wait_for(Sync::System)?;
        Ok(Tx {
            transaction: self.connection.transaction()?,
            vault: &self.vault,
        })
    }

    /// Undoes the rest of a transaction whose process has died, be it a simulated one: of a real
    /// one SQLite does so when the file is opened again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn undo_unfinished(&mut self) -> Result<(), StoreError> {
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK")?;
        }
        Ok(())
    }

    /// What makes this database fail inside a call, for tests.
    ///
    /// # Errors
    /// [`StoreError`].
    #[doc(hidden)]
    pub fn breaker(&mut self) -> Result<Breaker, StoreError> {
        Ok(Breaker::install(&mut self.connection)?)
    }

    /// In WAL mode FULL syncs with every commit, NORMAL only with a checkpoint.
    fn wait_for(&mut self, sync: Sync) -> Result<(), StoreError> {
        if self.sync != sync {
            let mode = match sync {
                Sync::Disk => "FULL",
                Sync::System => "NORMAL",
            };
            self.connection.pragma_update(None, "synchronous", mode)?;
            self.sync = sync;
        }
        Ok(())
    }
}

impl Tx<'_> {
    /// Makes everything durable, as far as the beginning has said.
    ///
    /// # Errors
    /// [`StoreError`]: nothing of the transaction has happened.
    pub fn commit(self) -> Result<(), StoreError> {
        Ok(self.transaction.commit()?)
    }

    /// Seals a value for its place: a column, and the row that `key` names.
    pub(super) fn seal(&self, column: &str, key: &[u8], value: &[u8]) -> Vec<u8> {
        self.vault.seal(&place(column, key), value)
    }

    /// Opens a value that was sealed for its place.
    ///
    /// # Errors
    /// [`StoreError::RowInvalid`]: the key was proven when the database was opened, so the value
    /// was damaged, or put here from elsewhere.
    pub(super) fn unseal(
        &self,
        column: &'static str,
        key: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let opened = self.vault.open(&place(column, key), sealed);
        opened.map_err(|_| StoreError::RowInvalid { column })
    }

    pub(super) fn prepare(&self, sql: &str) -> Result<CachedStatement<'_>, StoreError> {
        Ok(self.transaction.prepare_cached(sql)?)
    }

    /// Runs a statement and returns how many rows it changed.
    pub(super) fn execute(&self, sql: &str, params: impl Params) -> Result<usize, StoreError> {
        Ok(self.prepare(sql)?.execute(params)?)
    }

    /// Inserts a row and returns its number.
    pub(super) fn insert(&self, sql: &str, params: impl Params) -> Result<i64, StoreError> {
        Ok(self.prepare(sql)?.insert(params)?)
    }

    /// The first row, or `None`.
    pub(super) fn first<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.prepare(sql)?.query_row(params, read).optional()?)
    }

    /// All rows.
    pub(super) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.prepare(sql)?;
        let rows = statement.query_map(params, read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

/// The associated data of a sealed value: it opens at its own place only.
fn place(column: &str, key: &[u8]) -> Vec<u8> {
    [column.as_bytes(), &[0], key].concat()
}

/// SQLite's integers are signed; ours are not. The bits stay the same.
pub(super) const fn to_sql(value: u64) -> i64 {
    value.cast_signed()
}

/// The inverse of [`to_sql`].
pub(super) const fn from_sql(value: i64) -> u64 {
    value.cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::super::schema::FORMAT;
    use super::*;
    use crate::config::Passphrase;

    #[test]
    fn a_dropped_transaction_never_was() {
        let mut db = Db::memory(&StoreKey::random()).unwrap();
        let tx = db.begin().unwrap();
        tx.contact_of_handle("bob").unwrap();
        drop(tx);
        let tx = db.begin().unwrap();
        assert_eq!(tx.find_contact("bob").unwrap(), None);
    }

    #[test]
    fn another_format_and_a_foreign_file_are_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("martlet.db");
        let key = StoreKey::random();
        drop(Db::open(&file, Secret::Key(&key)).unwrap());
        assert!(Db::open(&file, Secret::Key(&key)).is_ok());

        let set_format = |format: i64| {
            let raw = Connection::open(&file).unwrap();
            raw.pragma_update(None, "user_version", format).unwrap();
        };
        set_format(FORMAT + 1);
        let error = Db::open(&file, Secret::Key(&key)).unwrap_err();
        assert!(error.to_string().contains("newer version"), "{error}");
        set_format(FORMAT - 1);
        let error = Db::open(&file, Secret::Key(&key)).unwrap_err();
        assert!(error.to_string().contains("new home"), "{error}");

        let file = dir.path().join("other.db");
        let raw = Connection::open(&file).unwrap();
        raw.execute_batch("CREATE TABLE theirs (x)").unwrap();
        drop(raw);
        let opened = Db::open(&file, Secret::Key(&key));
        assert!(matches!(opened, Err(StoreError::NotOurs)));
    }

    #[test]
    fn only_the_secret_with_which_it_was_made_opens_a_database() {
        let dir = tempfile::tempdir().unwrap();
        let (by_key, by_phrase) = (dir.path().join("key.db"), dir.path().join("phrase.db"));
        let key = StoreKey::random();
        let other_key = StoreKey::random();
        let phrase = Passphrase::new("correct horse");
        let is_wrong =
            |file: &Path, secret| matches!(Db::open(file, secret), Err(StoreError::WrongKey));
        drop(Db::open(&by_key, Secret::Key(&key)).unwrap());
        drop(Db::open(&by_phrase, Secret::Passphrase(&phrase)).unwrap());
        assert!(Db::open(&by_key, Secret::Key(&key)).is_ok());
        assert!(Db::open(&by_phrase, Secret::Passphrase(&phrase)).is_ok());

        assert!(is_wrong(&by_key, Secret::Key(&other_key)));
        assert!(is_wrong(&by_key, Secret::Passphrase(&phrase)));
        assert!(is_wrong(&by_phrase, Secret::Key(&key)));
        let other = Passphrase::new("battery staple");
        assert!(is_wrong(&by_phrase, Secret::Passphrase(&other)));
    }

    #[test]
    fn a_sealed_value_opens_at_its_own_place_only() {
        let mut db = Db::memory(&StoreKey::random()).unwrap();
        let tx = db.begin().unwrap();
        let sealed = tx.seal("t.c", b"1", b"secret");
        assert_eq!(
            tx.unseal("t.c", b"1", &sealed).unwrap().as_slice(),
            b"secret"
        );
        assert!(tx.unseal("t.c", b"2", &sealed).is_err());
        assert!(tx.unseal("t.d", b"1", &sealed).is_err());
    }
}
