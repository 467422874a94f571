//! What devices that were linked have yet to get: who is who, and the history, how far each one is.

use martlet_protocol::{DeviceId, MessageId, Timestamp, UserId};
use rusqlite::Row;

use super::contacts::ContactId;
use super::db::{Tx, from_sql, to_sql};
use super::messages::{SENT_HERE, Seq, UNANSWERED, read_id, read_state};
use crate::content::Content;
use crate::error::StoreError;
use crate::event::MessageState;

/// What a device that was linked has yet to get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sync {
    /// The device that was linked.
    pub device: DeviceId,
    /// It does not know yet who is who.
    pub needs_contacts: bool,
    /// It gets the history, of which this is how far it is.
    pub with_history: bool,
    /// The conversation that is next.
    pub contact: ContactId,
    /// Where in it: everything from this message on has been sent.
    pub below: Below,
    /// How many messages of the conversation have been sent.
    pub messages: u64,
}

/// A place in the order of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Below {
    /// The message's timestamp, as the table has it.
    timestamp: i64,
    /// Its id.
    id: MessageId,
    /// Its number.
    seq: Seq,
}

impl Below {
    /// Behind the newest message that has a timestamp.
    pub const END: Self = Self {
        timestamp: UNANSWERED,
        id: MessageId([0; 16]),
        seq: Seq(0),
    };
}

/// A message of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Its id.
    pub id: MessageId,
    /// Whether this account wrote it.
    pub own: bool,
    /// The device that wrote it.
    pub device: DeviceId,
    /// Its place in the conversation.
    pub timestamp: Timestamp,
    /// Where it stands.
    pub state: MessageState,
    /// What it says.
    pub content: Content,
}

impl Tx<'_> {
    /// What is to be gone on with.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn syncs(&self) -> Result<Vec<Sync>, StoreError> {
        self.all(
            "SELECT device, needs_contacts, with_history, contact, timestamp, id, seq, messages
             FROM syncs ORDER BY device",
            (),
            |row| {
                Ok(Sync {
                    device: DeviceId(row.get(0)?),
                    needs_contacts: row.get(1)?,
                    with_history: row.get(2)?,
                    contact: ContactId(row.get(3)?),
                    below: read_below(row, 4)?,
                    messages: from_sql(row.get(7)?),
                })
            },
        )
    }

    /// Stores what a device has yet to get.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_sync(&self, sync: &Sync) -> Result<(), StoreError> {
        self.execute(
            "INSERT OR REPLACE INTO syncs
             (device, needs_contacts, with_history, contact, timestamp, id, seq, messages)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            (
                sync.device.0,
                sync.needs_contacts,
                sync.with_history,
                sync.contact.0,
                sync.below.timestamp,
                sync.below.id.0.as_slice(),
                sync.below.seq.0,
                to_sql(sync.messages),
            ),
        )?;
        Ok(())
    }

    /// A device has everything, or is gone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn drop_sync(&self, device: DeviceId) -> Result<(), StoreError> {
        self.execute("DELETE FROM syncs WHERE device = ?1", [device.0])?;
        Ok(())
    }

    /// The first conversation from `contact` on whose account is known, and that account.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn conversation_from(
        &self,
        contact: ContactId,
    ) -> Result<Option<(ContactId, UserId)>, StoreError> {
        self.first(
            "SELECT contact, user FROM contacts WHERE contact >= ?1 AND user IS NOT NULL
             ORDER BY contact LIMIT 1",
            [contact.0],
            |row| Ok((ContactId(row.get(0)?), UserId(from_sql(row.get(1)?)))),
        )
    }

    /// The newest message of a conversation below a place, and its own place.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn remembered_below(
        &self,
        contact: ContactId,
        below: &Below,
    ) -> Result<Option<(Below, Remembered)>, StoreError> {
        let found = self.first(
            "SELECT timestamp, id, seq, direction, device, state, kind, data FROM messages
             WHERE contact = ?1 AND (timestamp, id, seq) < (?2, ?3, ?4) AND refusal IS NULL
             ORDER BY timestamp DESC, id DESC, seq DESC LIMIT 1",
            (
                contact.0,
                below.timestamp,
                below.id.0.as_slice(),
                below.seq.0,
            ),
            |row| {
                let place = read_below(row, 0)?;
                let (direction, device): (u8, u16) = (row.get(3)?, row.get(4)?);
                let (state, kind) = (read_state(row, 5)?, row.get(6)?);
                Ok((
                    place,
                    direction,
                    device,
                    state,
                    kind,
                    row.get::<_, Vec<u8>>(7)?,
                ))
            },
        )?;
        let Some((place, direction, device, state, kind, sealed)) = found else {
            return Ok(None);
        };
        let device = DeviceId(device);
        let data = self.unseal_data((place.id, direction, device), &sealed)?;
        let message = Remembered {
            id: place.id,
            own: direction != super::messages::RECEIVED,
            device,
            timestamp: Timestamp(from_sql(place.timestamp)),
            state,
            content: Content { kind, data },
        };
        Ok(Some((place, message)))
    }

    /// Stores a message of another device's history, unless this home has it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn remember(&self, contact: ContactId, message: &Remembered) -> Result<(), StoreError> {
        let (id, device) = (message.id, message.device);
        let known_here = self.first(
            "SELECT 1 FROM messages WHERE id = ?1 AND direction = ?2",
            (id.0.as_slice(), SENT_HERE),
            |_| Ok(()),
        )?;
        if known_here.is_some() {
            return Ok(());
        }
        let incoming = super::Incoming {
            id,
            contact,
            device,
            own: message.own,
            timestamp: message.timestamp,
            content: &message.content,
            state: message.state,
        };
        self.insert_incoming(message.timestamp.millis(), &incoming)?;
        self.see(contact, message.timestamp)
    }
}

fn read_below(row: &Row<'_>, column: usize) -> rusqlite::Result<Below> {
    Ok(Below {
        timestamp: row.get(column)?,
        id: read_id(row, column + 1)?,
        seq: Seq(row.get(column + 2)?),
    })
}

#[cfg(test)]
mod tests {
    use super::super::Db;
    use super::*;
    use crate::crypto::store_key::StoreKey;

    #[test]
    fn a_history_is_walked_backwards_and_arrives_as_it_was() {
        let mut db = Db::memory(&StoreKey::random()).unwrap();
        let tx = db.begin().unwrap();
        let contact = tx.contact_of_user(UserId(7)).unwrap().id;
        let message = |mark: u8, own| Remembered {
            id: MessageId([mark; 16]),
            own,
            device: DeviceId(2),
            timestamp: Timestamp(1_000 * u64::from(mark)),
            state: MessageState::Read,
            content: Content::text("hi"),
        };
        tx.remember(contact, &message(1, true)).unwrap();
        tx.remember(contact, &message(2, false)).unwrap();
        tx.remember(contact, &message(2, false)).unwrap();

        let (place, newest) = tx.remembered_below(contact, &Below::END).unwrap().unwrap();
        assert_eq!(newest, message(2, false));
        let (place, oldest) = tx.remembered_below(contact, &place).unwrap().unwrap();
        assert_eq!(oldest, message(1, true));
        assert_eq!(tx.remembered_below(contact, &place).unwrap(), None);
    }

    #[test]
    fn how_far_a_history_is_survives() {
        let mut db = Db::memory(&StoreKey::random()).unwrap();
        let tx = db.begin().unwrap();
        let contact = tx.contact_of_user(UserId(7)).unwrap().id;
        let sync = Sync {
            device: DeviceId(3),
            needs_contacts: true,
            with_history: true,
            contact,
            below: Below::END,
            messages: 4,
        };
        tx.put_sync(&sync).unwrap();
        assert_eq!(tx.syncs().unwrap(), [sync]);
        let next = tx.conversation_from(contact).unwrap();
        assert_eq!(next, Some((contact, UserId(7))));
        let beyond = ContactId(contact.0 + 1);
        assert_eq!(tx.conversation_from(beyond).unwrap(), None);
        tx.drop_sync(DeviceId(3)).unwrap();
        assert_eq!(tx.syncs().unwrap(), []);
    }
}
