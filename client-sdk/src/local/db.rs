//! Opening the database, and the transaction through which everything is read and written.

use std::path::Path;
use std::time::Duration;

use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, Row, Transaction};

use super::schema;
use crate::error::StoreError;

/// How many prepared statements are kept: more than this crate has.
const STATEMENTS_MAX: usize = 64;

/// How long a commit waits for another program, such as a backup, that looks at the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);

/// An open database. One process has it at a time; [`Home`](super::Home) sees to that.
#[derive(Debug)]
pub struct Db {
    connection: Connection,
    sync: Sync,
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
}

impl Db {
    /// Opens or creates the database file.
    ///
    /// # Errors
    /// [`StoreError`]; a file of another program or a newer format is left untouched.
    pub fn open(file: &Path) -> Result<Self, StoreError> {
        Self::prepare(Connection::open(file)?)
    }

    /// A database in memory, for simulations: it lives as long as this value, so dropping the
    /// engine above it and opening another one is a crash.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn memory() -> Result<Self, StoreError> {
        Self::prepare(Connection::open_in_memory()?)
    }

    fn prepare(mut connection: Connection) -> Result<Self, StoreError> {
        schema::prepare(&mut connection)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        // The other mode than the one wanted, so that it is set.
        let mut db = Self {
            connection,
            sync: Sync::System,
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
        })
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
    use super::*;

    #[test]
    fn a_dropped_transaction_never_was() {
        let mut db = Db::memory().unwrap();
        let tx = db.begin().unwrap();
        tx.contact_of_handle("bob").unwrap();
        drop(tx);
        let tx = db.begin().unwrap();
        assert_eq!(tx.find_contact("bob").unwrap(), None);
    }

    #[test]
    fn a_newer_format_and_a_foreign_file_are_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("martlet.db");
        drop(Db::open(&file).unwrap());
        assert!(Db::open(&file).is_ok());

        let raw = Connection::open(&file).unwrap();
        raw.pragma_update(None, "user_version", 2).unwrap();
        drop(raw);
        let error = Db::open(&file).unwrap_err();
        assert!(
            matches!(
                error,
                StoreError::FormatUnknown {
                    found: 2,
                    newest: 1
                }
            ),
            "{error}"
        );

        let file = dir.path().join("other.db");
        let raw = Connection::open(&file).unwrap();
        raw.execute_batch("CREATE TABLE theirs (x)").unwrap();
        drop(raw);
        assert!(matches!(Db::open(&file), Err(StoreError::NotOurs)));
    }
}
