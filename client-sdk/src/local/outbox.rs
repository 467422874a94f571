//! What has no answer yet: own messages and control messages, with the bytes that retries repeat.

use martlet_protocol::{DeviceId, MessageId, Timestamp};
use zeroize::Zeroizing;

use super::contacts::ContactId;
use super::db::{Tx, from_sql, to_sql};
use super::messages::read_id;
use crate::content::Content;
use crate::error::StoreError;

const DATA: &str = "outbox.data";
const BODY: &str = "outbox.body";
const PAYLOAD: &str = "outbox_parts.payload";

/// The place of a message in the order of sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub i64);

/// A message in the outbox without its contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxEntry {
    /// The order in which messages are sent.
    pub slot: Slot,
    /// Its id, the same for every retry.
    pub id: MessageId,
    /// Whom it is for.
    pub contact: ContactId,
    /// Whether it is this library's own, in no table of messages, and no person's.
    pub is_control: bool,
}

/// A message to queue.
#[derive(Clone, Copy, Debug)]
pub struct Queued<'a> {
    /// Its id.
    pub id: MessageId,
    /// Whom it is for.
    pub contact: ContactId,
    /// The newest timestamp that the writer had seen in the conversation.
    pub after: Timestamp,
    /// Time to live in milliseconds, 0 for the server's.
    pub ttl_ms: u64,
    /// For a control message: what it says, and to which device. Any other message is in the
    /// table of messages, and for all devices.
    pub control: Option<Control<'a>>,
}

/// A message of this library, to one device most often.
#[derive(Clone, Copy, Debug)]
pub struct Control<'a> {
    /// The only device that gets it; `None` in a group, for all.
    pub device: Option<DeviceId>,
    /// What it says.
    pub content: &'a Content,
    /// Goes only through a session that is yet to be made: the present one may be broken.
    pub is_fresh: bool,
}

/// What goes into SEND beside the id and the recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbound {
    /// The newest timestamp that the writer had seen in the conversation.
    pub after: Timestamp,
    /// Time to live in milliseconds, 0 for the server's.
    pub ttl_ms: u64,
    /// The only device that gets it; `None` for all, and copies for the own ones.
    pub device: Option<DeviceId>,
    /// Whether it waits for a new session.
    pub is_fresh: bool,
    /// What was encrypted for it.
    pub made: Option<Made>,
}

/// What of a message is the same for all devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The version of the recipient's list that the parts are for.
    pub to_version: u64,
    /// The version of the own list that the own parts are for.
    pub own_version: u64,
    /// What each payload says of the envelope, when the contents are in it.
    pub body: Option<Zeroizing<Vec<u8>>>,
    /// The contents, sealed once for all devices, or nothing.
    pub envelope: Vec<u8>,
}

/// What one device gets. Making it again would give other bytes, and the server CONFLICT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartRow {
    /// Whether the device is of this account.
    pub own: bool,
    /// The device.
    pub device: DeviceId,
    /// The part; empty when no session with the device could be made.
    pub part: Vec<u8>,
    /// Its number among all parts for the device.
    pub number: u64,
}

impl Tx<'_> {
    /// Queues a message for sending, behind all others.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn queue(&self, queued: &Queued<'_>) -> Result<OutboxEntry, StoreError> {
        let control = queued.control.as_ref();
        let slot = self.insert(
            "INSERT INTO outbox
             (id, contact, after, ttl_ms, device, kind, data, is_fresh, to_version, own_version,
              envelope)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, 0, x'')",
            (
                queued.id.0.as_slice(),
                queued.contact.0,
                to_sql(queued.after.0),
                to_sql(queued.ttl_ms),
                control
                    .and_then(|control| control.device)
                    .map_or(0, |device| device.0),
                control.map_or(0, |control| control.content.kind),
                control.map(|control| self.seal(DATA, &queued.id.0, &control.content.data)),
                control.is_some_and(|control| control.is_fresh),
            ),
        )?;
        Ok(OutboxEntry {
            slot: Slot(slot),
            id: queued.id,
            contact: queued.contact,
            is_control: control.is_some(),
        })
    }

    /// Everything queued, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn queued(&self) -> Result<Vec<OutboxEntry>, StoreError> {
        self.all(
            "SELECT slot, id, contact, kind FROM outbox ORDER BY slot",
            (),
            |row| {
                Ok(OutboxEntry {
                    slot: Slot(row.get(0)?),
                    id: read_id(row, 1)?,
                    contact: ContactId(row.get(2)?),
                    is_control: row.get::<_, u16>(3)? != 0,
                })
            },
        )
    }

    /// What to send for a queued message.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn outbound(&self, entry: &OutboxEntry) -> Result<Outbound, StoreError> {
        let found = self.first(
            "SELECT after, ttl_ms, device, is_fresh, to_version, own_version, body, envelope
             FROM outbox WHERE slot = ?1",
            [entry.slot.0],
            |row| {
                let device: u16 = row.get(2)?;
                let made = Made {
                    to_version: from_sql(row.get(4)?),
                    own_version: from_sql(row.get(5)?),
                    body: None,
                    envelope: row.get(7)?,
                };
                let outbound = Outbound {
                    after: Timestamp(from_sql(row.get(0)?)),
                    ttl_ms: from_sql(row.get(1)?),
                    device: (device != 0).then_some(DeviceId(device)),
                    is_fresh: row.get(3)?,
                    made: (made.to_version != 0).then_some(made),
                };
                Ok((outbound, row.get::<_, Option<Vec<u8>>>(6)?))
            },
        )?;
        let (mut outbound, body) = found.ok_or(StoreError::RowInvalid {
            column: "outbox.slot",
        })?;
        if let (Some(made), Some(sealed)) = (&mut outbound.made, body) {
            made.body = Some(self.unseal(BODY, &entry.id.0, &sealed)?);
        }
        Ok(outbound)
    }

    /// What a queued message says.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn queued_content(&self, entry: &OutboxEntry) -> Result<Content, StoreError> {
        if !entry.is_control {
            return self.outgoing_content(entry.id);
        }
        let found = self.first(
            "SELECT kind, data FROM outbox WHERE slot = ?1",
            [entry.slot.0],
            |row| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?)),
        )?;
        let (kind, sealed) = found.ok_or(StoreError::RowInvalid { column: DATA })?;
        let data = self.unseal(DATA, &entry.id.0, &sealed)?.to_vec();
        Ok(Content { kind, data })
    }

    /// Stores what was encrypted for all devices, and for which lists the parts are.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_made(&self, entry: &OutboxEntry, made: &Made) -> Result<(), StoreError> {
        let body = made.body.as_ref();
        self.execute(
            "UPDATE outbox SET to_version = ?2, own_version = ?3, body = ?4, envelope = ?5
             WHERE slot = ?1",
            (
                entry.slot.0,
                to_sql(made.to_version),
                to_sql(made.own_version),
                body.map(|body| self.seal(BODY, &entry.id.0, body)),
                made.envelope.as_slice(),
            ),
        )?;
        Ok(())
    }

    /// The parts of a message, by ascending device.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn parts(&self, slot: Slot) -> Result<Vec<PartRow>, StoreError> {
        self.all(
            "SELECT own, device, part, number FROM outbox_parts WHERE slot = ?1
             ORDER BY own, device",
            [slot.0],
            |row| {
                Ok(PartRow {
                    own: row.get(0)?,
                    device: DeviceId(row.get(1)?),
                    part: row.get(2)?,
                    number: from_sql(row.get(3)?),
                })
            },
        )
    }

    /// Stores a part, over an older one if there is one. With what it encrypts it can be encrypted
    /// anew.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_part(
        &self,
        slot: Slot,
        part: &PartRow,
        payload: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        let key = part_key(slot, part.own, part.device);
        self.execute(
            "INSERT OR REPLACE INTO outbox_parts (slot, own, device, part, number, payload)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (
                slot.0,
                part.own,
                part.device.0,
                part.part.as_slice(),
                to_sql(part.number),
                payload.map(|payload| self.seal(PAYLOAD, &key, payload)),
            ),
        )?;
        Ok(())
    }

    /// What a part encrypts, if that was stored.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn part_payload(
        &self,
        slot: Slot,
        own: bool,
        device: DeviceId,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let sealed: Option<Option<Vec<u8>>> = self.first(
            "SELECT payload FROM outbox_parts WHERE slot = ?1 AND own = ?2 AND device = ?3",
            (slot.0, own, device.0),
            |row| row.get(0),
        )?;
        let key = part_key(slot, own, device);
        sealed
            .flatten()
            .map(|sealed| self.unseal(PAYLOAD, &key, &sealed))
            .transpose()
    }

    /// Drops the part of a device that is not listed any more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn drop_part(&self, slot: Slot, own: bool, device: DeviceId) -> Result<(), StoreError> {
        self.execute(
            "DELETE FROM outbox_parts WHERE slot = ?1 AND own = ?2 AND device = ?3",
            (slot.0, own, device.0),
        )?;
        Ok(())
    }

    /// The session that control messages to this device waited for is there, or cannot be had.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn freshen(&self, contact: ContactId, device: DeviceId) -> Result<(), StoreError> {
        self.execute(
            "UPDATE outbox SET is_fresh = 0 WHERE contact = ?1 AND device = ?2",
            (contact.0, device.0),
        )?;
        Ok(())
    }

    /// How many control messages of one kind to one device have no answer.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn queued_controls(
        &self,
        contact: ContactId,
        device: DeviceId,
        kind: u8,
    ) -> Result<u64, StoreError> {
        let count = self.first(
            "SELECT count(*) FROM outbox WHERE contact = ?1 AND device = ?2 AND kind = ?3",
            (contact.0, device.0, kind),
            |row| row.get(0).map(from_sql),
        )?;
        Ok(count.unwrap_or(0))
    }

    /// Takes a message out of the queue: it has its answer.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn dequeue(&self, slot: Slot) -> Result<(), StoreError> {
        self.execute("DELETE FROM outbox WHERE slot = ?1", [slot.0])?;
        Ok(())
    }
}

fn part_key(slot: Slot, own: bool, device: DeviceId) -> Vec<u8> {
    let (slot, own, device) = (
        slot.0.to_le_bytes(),
        [u8::from(own)],
        device.0.to_le_bytes(),
    );
    [&slot[..], &own, &device].concat()
}

#[cfg(test)]
mod tests {
    use super::super::Db;
    use super::*;
    use crate::crypto::store_key::StoreKey;

    #[test]
    fn what_was_made_for_a_message_is_repeated_byte_for_byte_until_it_has_its_answer() {
        let mut db = Db::memory(&StoreKey::random()).unwrap();
        let tx = db.begin().unwrap();
        let contact = tx.contact_of_handle("bob").unwrap().id;
        let content = Content {
            kind: 0x81,
            data: b"again".to_vec(),
        };
        let entry = tx
            .queue(&Queued {
                id: MessageId([1; 16]),
                contact,
                after: Timestamp(0),
                ttl_ms: 0,
                control: Some(Control {
                    device: Some(DeviceId(2)),
                    content: &content,
                    is_fresh: true,
                }),
            })
            .unwrap();
        let outbound = tx.outbound(&entry).unwrap();
        assert_eq!((outbound.device, outbound.made), (Some(DeviceId(2)), None));
        assert!(outbound.is_fresh);
        assert_eq!(tx.queued_content(&entry).unwrap(), content);
        assert_eq!(tx.queued_controls(contact, DeviceId(2), 0x81).unwrap(), 1);

        tx.freshen(contact, DeviceId(2)).unwrap();
        let made = Made {
            to_version: 3,
            own_version: 1,
            body: Some(Zeroizing::new(b"key".to_vec())),
            envelope: b"sealed".to_vec(),
        };
        let part = PartRow {
            own: false,
            device: DeviceId(2),
            part: b"part".to_vec(),
            number: 7,
        };
        let payload = |tx: &Tx<'_>| tx.part_payload(entry.slot, false, DeviceId(2)).unwrap();
        tx.put_made(&entry, &made).unwrap();
        tx.put_part(entry.slot, &part, None).unwrap();
        assert_eq!(payload(&tx), None);
        tx.put_part(entry.slot, &part, Some(b"payload")).unwrap();
        assert_eq!(payload(&tx).as_deref().unwrap().as_slice(), b"payload");
        let outbound = tx.outbound(&entry).unwrap();
        assert_eq!((outbound.made, outbound.is_fresh), (Some(made), false));
        assert_eq!(tx.parts(entry.slot).unwrap(), [part]);
        assert_eq!(tx.queued().unwrap(), [entry]);

        tx.dequeue(entry.slot).unwrap();
        assert_eq!(tx.queued().unwrap(), []);
        assert_eq!(tx.parts(entry.slot).unwrap(), []);
    }
}
