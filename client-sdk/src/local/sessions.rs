//! Ratchets, one row for each device that this one talks to.

use martlet_protocol::Address;
use zeroize::Zeroizing;

use super::db::{Tx, from_sql, to_sql};
use crate::error::StoreError;

const DATA: &str = "sessions.data";

impl Tx<'_> {
    /// The sessions with a device.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn sessions(&self, peer: Address) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let found = self.first(
            "SELECT data FROM sessions WHERE user = ?1 AND device = ?2",
            (to_sql(peer.user.0), peer.device.0),
            |row| row.get::<_, Vec<u8>>(0),
        )?;
        found
            .map(|sealed| self.unseal(DATA, &key(peer), &sealed))
            .transpose()
    }

    /// Whether there is a session with a device.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn has_session(&self, peer: Address) -> Result<bool, StoreError> {
        let found = self.first(
            "SELECT 1 FROM sessions WHERE user = ?1 AND device = ?2",
            (to_sql(peer.user.0), peer.device.0),
            |_| Ok(()),
        )?;
        Ok(found.is_some())
    }

    /// Stores the sessions with a device. It belongs into the transaction that makes what they
    /// encrypted visible, or that stores what they decrypted: a ratchet never goes back.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_sessions(&self, peer: Address, data: &[u8]) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO sessions (user, device, data) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET data = excluded.data",
            (
                to_sql(peer.user.0),
                peer.device.0,
                self.seal(DATA, &key(peer), data),
            ),
        )?;
        Ok(())
    }

    /// How many parts were made for a device with which there are sessions.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn parts_made(&self, peer: Address) -> Result<u64, StoreError> {
        let parts = self.first(
            "SELECT parts FROM sessions WHERE user = ?1 AND device = ?2",
            (to_sql(peer.user.0), peer.device.0),
            |row| row.get(0).map(from_sql),
        )?;
        Ok(parts.unwrap_or(0))
    }

    /// One more part was made for the device. Returns its number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn count_part(&self, peer: Address) -> Result<u64, StoreError> {
        self.execute(
            "UPDATE sessions SET parts = parts + 1 WHERE user = ?1 AND device = ?2",
            (to_sql(peer.user.0), peer.device.0),
        )?;
        self.parts_made(peer)
    }
}

fn key(peer: Address) -> Vec<u8> {
    [&peer.user.0.to_le_bytes()[..], &peer.device.0.to_le_bytes()].concat()
}
