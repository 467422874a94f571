//! Device lists that were verified, their history, and what others say of them.

use martlet_protocol::auth::KEY_BYTES;
use martlet_protocol::{Address, UserId};

use super::db::{Tx, from_sql, to_sql};
use crate::crypto::list::Head;
use crate::error::StoreError;

/// The newest list of an account, and what a person has said of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListRow {
    /// The list's bytes. They were verified before they were stored.
    pub list: Vec<u8>,
    /// The account key that a person has verified.
    pub vouched: Option<[u8; KEY_BYTES]>,
    /// Nothing is sent to the account until a person has accepted its new key.
    pub is_blocked: bool,
}

/// What somebody says of an account's newest list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its version and hash.
    pub head: Head,
    /// The account's key, where another own device says it.
    pub account_key: Option<[u8; KEY_BYTES]>,
}

/// A device that is in no list any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Former {
    /// Its key for sessions: what it wrote before may still come.
    pub identity_key: [u8; KEY_BYTES],
    /// The first version of the list without it.
    pub until: u64,
}

impl Tx<'_> {
    /// The newest verified list of an account.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn list(&self, user: UserId) -> Result<Option<ListRow>, StoreError> {
        self.first(
            "SELECT list, vouched, blocked FROM lists WHERE user = ?1",
            [to_sql(user.0)],
            |row| {
                Ok(ListRow {
                    list: row.get(0)?,
                    vouched: row.get(1)?,
                    is_blocked: row.get(2)?,
                })
            },
        )
    }

    /// Stores a newer list, and its place in the log.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_list(&self, user: UserId, head: Head, list: &[u8]) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO lists (user, list, blocked) VALUES (?1, ?2, 0)
             ON CONFLICT DO UPDATE SET list = excluded.list",
            (to_sql(user.0), list),
        )?;
        self.execute(
            "INSERT INTO list_log (user, version, hash, list) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET list = excluded.list",
            (
                to_sql(user.0),
                to_sql(head.version),
                head.hash.as_slice(),
                list,
            ),
        )?;
        Ok(())
    }

    /// Stores a list that was verified and leads to the newest one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_past_list(&self, user: UserId, head: Head, list: &[u8]) -> Result<(), StoreError> {
        self.execute(
            "INSERT OR IGNORE INTO list_log (user, version, hash, list) VALUES (?1, ?2, ?3, ?4)",
            (
                to_sql(user.0),
                to_sql(head.version),
                head.hash.as_slice(),
                list,
            ),
        )?;
        Ok(())
    }

    /// The lists of an account from this version on that are known here, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn lists_from(&self, user: UserId, version: u64) -> Result<Vec<Vec<u8>>, StoreError> {
        self.all(
            "SELECT list FROM list_log WHERE user = ?1 AND version >= ?2 AND list IS NOT NULL
             ORDER BY version",
            (to_sql(user.0), to_sql(version)),
            |row| row.get(0),
        )
    }

    /// The hash of a version that was verified.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn list_hash(&self, user: UserId, version: u64) -> Result<Option<[u8; 32]>, StoreError> {
        self.first(
            "SELECT hash FROM list_log WHERE user = ?1 AND version = ?2",
            (to_sql(user.0), to_sql(version)),
            |row| row.get(0),
        )
    }

    /// Stores which account key a person has verified, and whether the account is blocked.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn judge_list(
        &self,
        user: UserId,
        vouched: Option<[u8; KEY_BYTES]>,
        is_blocked: bool,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE lists SET vouched = ?2, blocked = ?3 WHERE user = ?1",
            (
                to_sql(user.0),
                vouched.as_ref().map(<[u8; 32]>::as_slice),
                is_blocked,
            ),
        )?;
        Ok(())
    }

    /// What somebody says an account's newest list is, as long as that is newer than what is
    /// known here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn claim(&self, user: UserId) -> Result<Option<Claim>, StoreError> {
        self.first(
            "SELECT version, hash, account_key FROM claims WHERE user = ?1",
            [to_sql(user.0)],
            |row| {
                Ok(Claim {
                    head: Head {
                        version: from_sql(row.get(0)?),
                        hash: row.get(1)?,
                    },
                    account_key: row.get(2)?,
                })
            },
        )
    }

    /// Stores a claim, in place of an older one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_claim(&self, user: UserId, claim: &Claim) -> Result<(), StoreError> {
        let account_key = claim.account_key.as_ref();
        self.execute(
            "INSERT INTO claims (user, version, hash, account_key) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET version = excluded.version, hash = excluded.hash,
             account_key = coalesce(excluded.account_key, account_key)
             WHERE version < excluded.version",
            (
                to_sql(user.0),
                to_sql(claim.head.version),
                claim.head.hash.as_slice(),
                account_key.map(<[u8; KEY_BYTES]>::as_slice),
            ),
        )?;
        Ok(())
    }

    /// Forgets a claim: the server has answered to it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn drop_claim(&self, user: UserId) -> Result<(), StoreError> {
        self.execute("DELETE FROM claims WHERE user = ?1", [to_sql(user.0)])?;
        Ok(())
    }

    /// Accounts about whose list there is a claim that the server has not answered.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn claimed(&self) -> Result<Vec<UserId>, StoreError> {
        self.all("SELECT user FROM claims ORDER BY user", (), |row| {
            row.get(0).map(|user| UserId(from_sql(user)))
        })
    }

    /// A device that was in an earlier list.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn former(&self, address: Address) -> Result<Option<Former>, StoreError> {
        self.first(
            "SELECT identity_key, until FROM former WHERE user = ?1 AND device = ?2",
            (to_sql(address.user.0), address.device.0),
            |row| {
                Ok(Former {
                    identity_key: row.get(0)?,
                    until: from_sql(row.get(1)?),
                })
            },
        )
    }

    /// Stores that a device is in no list any more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_former(&self, address: Address, former: &Former) -> Result<(), StoreError> {
        self.execute(
            "INSERT OR REPLACE INTO former (user, device, identity_key, until)
             VALUES (?1, ?2, ?3, ?4)",
            (
                to_sql(address.user.0),
                address.device.0,
                former.identity_key.as_slice(),
                to_sql(former.until),
            ),
        )?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Db;
    use super::*;
    use crate::crypto::store_key::StoreKey;

    const BOB: UserId = UserId(7);

    const fn head(version: u64, mark: u8) -> Head {
        Head {
            version,
            hash: [mark; 32],
        }
    }

    #[test]
    fn a_newer_list_replaces_the_older_one_and_keeps_what_a_person_said() {
        let mut db = Db::memory(&StoreKey::random()).unwrap();
        let tx = db.begin().unwrap();
        tx.put_list(BOB, head(1, 1), b"one").unwrap();
        tx.judge_list(BOB, Some([9; 32]), true).unwrap();
        tx.put_list(BOB, head(2, 2), b"two").unwrap();
        let row = tx.list(BOB).unwrap().unwrap();
        assert_eq!(
            (row.list.as_slice(), row.vouched),
            (&b"two"[..], Some([9; 32]))
        );
        assert!(row.is_blocked);
        assert_eq!(tx.list_hash(BOB, 1).unwrap(), Some([1; 32]));
        assert_eq!(tx.list_hash(BOB, 2).unwrap(), Some([2; 32]));
        assert_eq!(tx.list_hash(BOB, 3).unwrap(), None);
    }

    #[test]
    fn of_two_claims_the_newer_one_counts() {
        let mut db = Db::memory(&StoreKey::random()).unwrap();
        let tx = db.begin().unwrap();
        let claim = |version, key: Option<u8>| Claim {
            head: head(version, 9),
            account_key: key.map(|mark| [mark; KEY_BYTES]),
        };
        tx.put_claim(BOB, &claim(3, Some(1))).unwrap();
        tx.put_claim(BOB, &claim(2, Some(2))).unwrap();
        assert_eq!(tx.claim(BOB).unwrap(), Some(claim(3, Some(1))));
        tx.put_claim(BOB, &claim(4, None)).unwrap();
        assert_eq!(tx.claim(BOB).unwrap(), Some(claim(4, Some(1))));
        assert_eq!(tx.claimed().unwrap(), [BOB]);
        tx.drop_claim(BOB).unwrap();
        assert_eq!(tx.claim(BOB).unwrap(), None);
    }
}
