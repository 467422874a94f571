//! Messages of devices that are in no list known here: they wait, in their order, for the list.

use martlet_protocol::frame::EventKind;
use martlet_protocol::{Address, DeviceId, MessageId, Timestamp, UserId};
use rusqlite::Row;

use super::db::{Tx, from_sql, to_sql};
use super::messages::read_id;
use crate::error::StoreError;

/// A message's number among the parked ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ParkedId(pub i64);

/// A message as it came, unopened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// Whether it is for this account, or a copy of what another own device sent.
    pub kind: EventKind,
    /// The device that wrote it.
    pub sender: Address,
    /// The other account of the conversation.
    pub peer: UserId,
    /// Its sender's id for it.
    pub id: MessageId,
    /// Its place in the conversation.
    pub timestamp: Timestamp,
    /// What all devices got.
    pub envelope: Vec<u8>,
    /// What this device got.
    pub part: Vec<u8>,
}

impl Tx<'_> {
    /// Parks a message behind all others.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn park(&self, parcel: &Parcel) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO parked (kind, user, device, peer, id, timestamp, envelope, part)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            (
                parcel.kind.0,
                to_sql(parcel.sender.user.0),
                parcel.sender.device.0,
                to_sql(parcel.peer.0),
                parcel.id.0.as_slice(),
                to_sql(parcel.timestamp.0),
                parcel.envelope.as_slice(),
                parcel.part.as_slice(),
            ),
        )?;
        Ok(())
    }

    /// Whether a message of this device waits: then those that follow it wait as well.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn has_parked(&self, sender: Address) -> Result<bool, StoreError> {
        let found = self.first(
            "SELECT 1 FROM parked WHERE user = ?1 AND device = ?2 LIMIT 1",
            (to_sql(sender.user.0), sender.device.0),
            |_| Ok(()),
        )?;
        Ok(found.is_some())
    }

    /// Whether this message waits.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_parked(&self, sender: Address, id: MessageId) -> Result<bool, StoreError> {
        let found = self.first(
            "SELECT 1 FROM parked WHERE user = ?1 AND device = ?2 AND id = ?3 LIMIT 1",
            (to_sql(sender.user.0), sender.device.0, id.0.as_slice()),
            |_| Ok(()),
        )?;
        Ok(found.is_some())
    }

    /// The oldest parked message of an account that stands behind `after`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn next_parked(
        &self,
        user: UserId,
        after: ParkedId,
    ) -> Result<Option<(ParkedId, Parcel)>, StoreError> {
        self.first(
            "SELECT number, kind, user, device, peer, id, timestamp, envelope, part FROM parked
             WHERE user = ?1 AND number > ?2 ORDER BY number LIMIT 1",
            (to_sql(user.0), after.0),
            |row| Ok((ParkedId(row.get(0)?), read_parcel(row)?)),
        )
    }

    /// Takes a message out: it is dealt with.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn unpark(&self, number: ParkedId) -> Result<(), StoreError> {
        self.execute("DELETE FROM parked WHERE number = ?1", [number.0])?;
        Ok(())
    }

    /// The number of the newest one; 0 when none waits.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn newest_parked(&self) -> Result<ParkedId, StoreError> {
        let sql = "SELECT coalesce(max(number), 0) FROM parked";
        let newest = self.first(sql, (), |row| row.get(0))?;
        Ok(ParkedId(newest.unwrap_or(0)))
    }

    /// Whether one up to this number waits.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_parked_up_to(&self, last: ParkedId) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM parked WHERE number <= ?1 LIMIT 1";
        Ok(self.first(sql, [last.0], |_| Ok(()))?.is_some())
    }

    /// Who wrote the messages up to this number of which nobody was told yet, one entry for each;
    /// now somebody is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn tell_parked(&self, last: ParkedId) -> Result<Vec<Address>, StoreError> {
        let senders = self.all(
            "SELECT user, device FROM parked WHERE number <= ?1 AND told = 0 ORDER BY number",
            [last.0],
            |row| {
                Ok(Address {
                    user: UserId(from_sql(row.get(0)?)),
                    device: DeviceId(row.get(1)?),
                })
            },
        )?;
        let sql = "UPDATE parked SET told = 1 WHERE number <= ?1";
        self.execute(sql, [last.0])?;
        Ok(senders)
    }

    /// The accounts whose messages wait.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn parked_users(&self) -> Result<Vec<UserId>, StoreError> {
        let sql = "SELECT DISTINCT user FROM parked ORDER BY user";
        self.all(sql, (), |row| row.get(0).map(|user| UserId(from_sql(user))))
    }
}

fn read_parcel(row: &Row<'_>) -> rusqlite::Result<Parcel> {
    Ok(Parcel {
        kind: EventKind(row.get(1)?),
        sender: Address {
            user: UserId(from_sql(row.get(2)?)),
            device: DeviceId(row.get(3)?),
        },
        peer: UserId(from_sql(row.get(4)?)),
        id: read_id(row, 5)?,
        timestamp: Timestamp(from_sql(row.get(6)?)),
        envelope: row.get(7)?,
        part: row.get(8)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::Db;
    use super::*;
    use crate::crypto::store_key::StoreKey;

    #[test]
    fn parked_messages_come_back_as_they_were_in_their_order() {
        let mut db = Db::memory(&StoreKey::random()).unwrap();
        let tx = db.begin().unwrap();
        let parcel = |mark: u8| Parcel {
            kind: EventKind::INCOMING,
            sender: Address {
                user: UserId(7),
                device: DeviceId(2),
            },
            peer: UserId(7),
            id: MessageId([mark; 16]),
            timestamp: Timestamp(500),
            envelope: vec![mark],
            part: vec![mark, mark],
        };
        tx.park(&parcel(1)).unwrap();
        tx.park(&parcel(2)).unwrap();
        assert!(tx.has_parked(parcel(1).sender).unwrap());
        assert_eq!(tx.parked_users().unwrap(), [UserId(7)]);
        let (first, one) = tx.next_parked(UserId(7), ParkedId(0)).unwrap().unwrap();
        let (second, two) = tx.next_parked(UserId(7), first).unwrap().unwrap();
        assert_eq!((one, two), (parcel(1), parcel(2)));
        assert_eq!(tx.newest_parked().unwrap(), second);
        assert_eq!(tx.tell_parked(first).unwrap(), [parcel(1).sender]);
        assert_eq!(tx.tell_parked(second).unwrap(), [parcel(2).sender]);
        tx.unpark(first).unwrap();
        assert!(!tx.is_parked_up_to(first).unwrap());
        assert!(tx.is_parked_up_to(second).unwrap());
        tx.unpark(second).unwrap();
        assert_eq!(tx.newest_parked().unwrap(), ParkedId(0));
        assert!(!tx.has_parked(parcel(1).sender).unwrap());
    }
}
