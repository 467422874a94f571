//! Sender keys of groups, this device's and the others', who has which, and where the numbering of
//! messages stands.

use martlet_protocol::{Address, DeviceId, MessageId, Millis, UserId};
use zeroize::Zeroizing;

use super::contacts::ContactId;
use super::db::{Tx, from_sql, to_sql};
use super::groups::device_key;
use crate::crypto::group_ratchet::SenderKeyId;
use crate::error::StoreError;

/// Most sender keys of one device that are kept: messages under an older one have come long ago.
const KEYS_MAX: u32 = 8;

const OWN_KEY: &str = "group_own_keys.data";
const KEY: &str = "group_keys.data";
const CHAIN: &str = "group_chains.data";

/// This device's sender key in a group.
#[derive(Debug)]
pub struct OwnKeyRow {
    /// The key as it was stored.
    pub data: Zeroizing<Vec<u8>>,
    /// When it was made, by the server's clock.
    pub made_at: Millis,
}

/// Whether a device has the present sender key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// The device.
    pub to: Address,
    /// Whether the message with the key is at the server.
    pub is_placed: bool,
}

impl Tx<'_> {
    /// This device's sender key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn own_key(&self, contact: ContactId) -> Result<Option<OwnKeyRow>, StoreError> {
        let found = self.first(
            "SELECT data, made_at FROM group_own_keys WHERE contact = ?1",
            [contact.0],
            |row| Ok((row.get::<_, Vec<u8>>(0)?, Millis(from_sql(row.get(1)?)))),
        )?;
        let Some((sealed, made_at)) = found else {
            return Ok(None);
        };
        let data = self.unseal(OWN_KEY, &contact.0.to_le_bytes(), &sealed)?;
        Ok(Some(OwnKeyRow { data, made_at }))
    }

    /// Stores it as it is after each use.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_own_key(
        &self,
        contact: ContactId,
        data: &[u8],
        made_at: Millis,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT OR REPLACE INTO group_own_keys (contact, data, made_at) VALUES (?1, ?2, ?3)",
            (
                contact.0,
                self.seal(OWN_KEY, &contact.0.to_le_bytes(), data),
                to_sql(made_at.0),
            ),
        )?;
        Ok(())
    }

    /// Who gets, or has, this device's present sender key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn shares(&self, contact: ContactId) -> Result<Vec<Share>, StoreError> {
        self.all(
            "SELECT user, device, placed FROM group_shares WHERE contact = ?1",
            [contact.0],
            |row| {
                Ok(Share {
                    to: Address {
                        user: UserId(from_sql(row.get(0)?)),
                        device: DeviceId(row.get(1)?),
                    },
                    is_placed: row.get(2)?,
                })
            },
        )
    }

    /// The sender key is on its way to a device, in this message.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_share(
        &self,
        contact: ContactId,
        to: Address,
        id: MessageId,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT OR REPLACE INTO group_shares (contact, user, device, id, placed)
             VALUES (?1, ?2, ?3, ?4, 0)",
            (contact.0, to_sql(to.user.0), to.device.0, id.0.as_slice()),
        )?;
        Ok(())
    }

    /// The group for which a message carries this device's present sender key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn shared_by(&self, id: MessageId) -> Result<Option<ContactId>, StoreError> {
        let sql = "SELECT contact FROM group_shares WHERE id = ?1";
        self.first(sql, [id.0.as_slice()], |row| Ok(ContactId(row.get(0)?)))
    }

    /// The server has the message with the sender key, or never will.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn end_share(&self, id: MessageId, is_placed: bool) -> Result<(), StoreError> {
        let sql = if is_placed {
            "UPDATE group_shares SET placed = 1 WHERE id = ?1"
        } else {
            "DELETE FROM group_shares WHERE id = ?1"
        };
        self.execute(sql, [id.0.as_slice()])?;
        Ok(())
    }

    /// Nobody has the sender key: it is another one now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn drop_shares(&self, contact: ContactId) -> Result<(), StoreError> {
        self.execute("DELETE FROM group_shares WHERE contact = ?1", [contact.0])?;
        Ok(())
    }

    /// A sender key of another device.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn sender_key(
        &self,
        contact: ContactId,
        from: Address,
        id: SenderKeyId,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let sealed = self.first(
            "SELECT data FROM group_keys
             WHERE contact = ?1 AND user = ?2 AND device = ?3 AND key = ?4",
            (
                contact.0,
                to_sql(from.user.0),
                from.device.0,
                id.0.as_slice(),
            ),
            |row| row.get::<_, Vec<u8>>(0),
        )?;
        let place = place(contact, from, id);
        let opened = sealed.map(|sealed| self.unseal(KEY, &place, &sealed));
        opened.transpose()
    }

    /// Stores a sender key of another device, and forgets the oldest one when there are many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_sender_key(
        &self,
        contact: ContactId,
        from: Address,
        id: SenderKeyId,
        data: &[u8],
    ) -> Result<(), StoreError> {
        let device = (contact.0, to_sql(from.user.0), from.device.0);
        self.execute(
            "INSERT INTO group_keys (contact, user, device, key, number, data)
             VALUES (?1, ?2, ?3, ?4,
                 1 + (SELECT coalesce(max(number), 0) FROM group_keys
                      WHERE contact = ?1 AND user = ?2 AND device = ?3), ?5)
             ON CONFLICT DO UPDATE SET data = excluded.data",
            (
                device.0,
                device.1,
                device.2,
                id.0.as_slice(),
                self.seal(KEY, &place(contact, from, id), data),
            ),
        )?;
        self.execute(
            "DELETE FROM group_keys WHERE contact = ?1 AND user = ?2 AND device = ?3
             AND number <= (SELECT max(number) FROM group_keys
                            WHERE contact = ?1 AND user = ?2 AND device = ?3) - ?4",
            (device.0, device.1, device.2, KEYS_MAX),
        )?;
        Ok(())
    }

    /// Forgets the sender keys of another device, for tests.
    ///
    /// # Errors
    /// [`StoreError`].
    #[doc(hidden)]
    pub fn forget_sender_keys(&self, contact: ContactId, from: Address) -> Result<(), StoreError> {
        self.execute(
            "DELETE FROM group_keys WHERE contact = ?1 AND user = ?2 AND device = ?3",
            (contact.0, to_sql(from.user.0), from.device.0),
        )?;
        Ok(())
    }

    /// The end of the chain of a device in a group, this one or another; `None` before its first
    /// message.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn group_chain(
        &self,
        contact: ContactId,
        of: Address,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let sealed = self.first(
            "SELECT data FROM group_chains WHERE contact = ?1 AND user = ?2 AND device = ?3",
            (contact.0, to_sql(of.user.0), of.device.0),
            |row| row.get::<_, Vec<u8>>(0),
        )?;
        let key = device_key(contact, of.user, of.device);
        let opened = sealed.map(|sealed| self.unseal(CHAIN, &key, &sealed));
        opened.transpose()
    }

    /// Forgets where the chains of an account's devices stand in a group; `None` for all but those
    /// of `own`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget_group_chains(
        &self,
        contact: ContactId,
        of: Option<UserId>,
        own: UserId,
    ) -> Result<(), StoreError> {
        self.execute(
            "DELETE FROM group_chains WHERE contact = ?1 AND iif(?2 = 0, user <> ?3, user = ?2)",
            (
                contact.0,
                of.map_or(0, |user| to_sql(user.0)),
                to_sql(own.0),
            ),
        )?;
        Ok(())
    }

    /// Stores the end of a chain.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_group_chain(
        &self,
        contact: ContactId,
        of: Address,
        data: &[u8],
    ) -> Result<(), StoreError> {
        let key = device_key(contact, of.user, of.device);
        self.execute(
            "INSERT OR REPLACE INTO group_chains (contact, user, device, data)
             VALUES (?1, ?2, ?3, ?4)",
            (
                contact.0,
                to_sql(of.user.0),
                of.device.0,
                self.seal(CHAIN, &key, data),
            ),
        )?;
        Ok(())
    }
}

fn place(contact: ContactId, from: Address, id: SenderKeyId) -> Vec<u8> {
    let mut place = device_key(contact, from.user, from.device);
    place.extend_from_slice(&id.0);
    place
}

#[cfg(test)]
mod tests {
    use super::super::Db;
    use super::*;
    use crate::crypto::store_key::StoreKey;
    use martlet_protocol::GroupId;

    const BOB: Address = Address {
        user: UserId(7),
        device: DeviceId(2),
    };

    #[test]
    fn the_newest_sender_keys_of_a_device_are_kept() {
        let mut db = Db::memory(&StoreKey::random()).unwrap();
        let tx = db.begin().unwrap();
        let contact = tx.contact_of_group(GroupId(9)).unwrap().id;
        let id = |mark: u32| SenderKeyId([u8::try_from(mark).unwrap(); 32]);
        for mark in 0..KEYS_MAX + 2 {
            tx.put_sender_key(contact, BOB, id(mark), b"a").unwrap();
            tx.put_sender_key(contact, BOB, id(mark), b"b").unwrap();
        }
        for mark in 0..KEYS_MAX + 2 {
            let found = tx.sender_key(contact, BOB, id(mark)).unwrap();
            let kept = found.as_deref().map(Vec::as_slice);
            assert_eq!(kept, (mark >= 2).then_some(b"b".as_slice()), "{mark}");
        }
    }

    #[test]
    fn a_share_counts_once_its_message_is_placed() {
        let mut db = Db::memory(&StoreKey::random()).unwrap();
        let tx = db.begin().unwrap();
        let contact = tx.contact_of_group(GroupId(9)).unwrap().id;
        let id = MessageId([1; 16]);
        let placed = |tx: &Tx<'_>| -> Vec<bool> {
            let shares = tx.shares(contact).unwrap();
            shares.iter().map(|share| share.is_placed).collect()
        };
        tx.put_share(contact, BOB, id).unwrap();
        assert_eq!(placed(&tx), [false]);
        assert_eq!(tx.shared_by(id).unwrap(), Some(contact));
        tx.end_share(id, true).unwrap();
        assert_eq!(placed(&tx), [true]);
        tx.end_share(id, false).unwrap();
        assert_eq!(placed(&tx), [false; 0]);
    }
}
