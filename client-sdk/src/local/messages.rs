//! Every message of this home, own and received.

use martlet_protocol::{Address, DeviceId, MessageId, Millis, NackCode, Timestamp, UserId};
use rusqlite::Row;

use super::contacts::ContactId;
use super::db::{Tx, from_sql, to_sql};
use crate::content::Content;
use crate::error::StoreError;
use crate::event::MessageState;

/// A message's number in this database: the order in which this home learned of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub i64);

/// The timestamp of an own message that has none yet: it sorts behind all that have one, and no
/// watermark reaches it.
pub(super) const UNANSWERED: i64 = i64::MAX;

pub(super) const SENT_HERE: u8 = 0;
pub(super) const RECEIVED: u8 = 1;
pub(super) const SENT_ELSEWHERE: u8 = 2;

const DATA: &str = "messages.data";

/// A message that its author has deleted, or was told to be a deleted one.
pub(super) const DELETED: u8 = 1;
/// A message whose life is over, or that never was for people; it is kept to know it again.
pub(super) const OVER: u8 = 2;

/// What the state machine needs to know of an own message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageRow {
    /// Its number here.
    pub seq: Seq,
    /// Its id.
    pub id: MessageId,
    /// The conversation.
    pub contact: ContactId,
    /// Where it stands.
    pub state: MessageState,
    /// Its place in the conversation, once the server has given it one.
    pub timestamp: Option<Timestamp>,
    /// In how many inboxes it was placed; 0 while that is not known.
    pub devices: u64,
    /// What kind of contents it has.
    pub kind: u8,
    /// How many seconds it stays after it was sent; 0: for ever.
    pub life_s: u32,
    /// Its place in the log of its group, 0 while the server has given it none; `None`: it is to no
    /// group.
    pub sequence: Option<u64>,
}

/// A message to store that was written here.
#[derive(Clone, Debug)]
pub struct Outgoing<'a> {
    /// Its id.
    pub id: MessageId,
    /// The conversation.
    pub contact: ContactId,
    /// This device.
    pub device: DeviceId,
    /// When it was written.
    pub written_at: Millis,
    /// What it says, without what names the target.
    pub content: &'a Content,
    /// The message that it changes.
    pub target: Option<Seq>,
    /// How many seconds it stays after it was sent; 0: for ever.
    pub life_s: u32,
    /// Whether it is to a group.
    pub is_to_group: bool,
}

/// A message to store that came out of the stream.
#[derive(Clone, Debug)]
pub struct Incoming<'a> {
    /// Its author's id for it.
    pub id: MessageId,
    /// The conversation.
    pub contact: ContactId,
    /// The author's device.
    pub device: DeviceId,
    /// The author, when that is another member of a group; else account 0.
    pub author: UserId,
    /// Its place in the log of its group, if it is to one.
    pub sequence: Option<u64>,
    /// Whether another device of this account wrote it.
    pub own: bool,
    /// Its place in the conversation.
    pub timestamp: Timestamp,
    /// What it says, taken out of LIMITED.
    pub content: &'a Content,
    /// How many seconds it stays after it was read, or sent; 0: for ever.
    pub life_s: u32,
    /// When it disappears, if its life has begun.
    pub expires_at: Option<Millis>,
    /// Where it stands: delivered, or sent when another own device wrote it.
    pub state: MessageState,
}

/// What names a message, of all that never changes about it: its id, direction and author, whose
/// account is 0 where the conversation says which one it is.
pub(super) type Name = (MessageId, u8, Address);

impl Tx<'_> {
    /// Stores a message that was written here, in state pending.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn insert_outgoing(&self, message: &Outgoing<'_>) -> Result<Seq, StoreError> {
        let seq = self.insert(
            "INSERT INTO messages
             (id, contact, direction, device, timestamp, written_at, kind, data, state,
              changed_at, devices, target, life_s, sequence)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?6, 0, ?10, ?11, ?12)",
            (
                message.id.0.as_slice(),
                message.contact.0,
                SENT_HERE,
                message.device.0,
                UNANSWERED,
                to_sql(message.written_at.0),
                message.content.kind,
                self.seal_data(
                    (message.id, SENT_HERE, author(UserId(0), message.device)),
                    &message.content.data,
                ),
                state_code(MessageState::Pending),
                message.target.map(|target| target.0),
                message.life_s,
                message.is_to_group.then_some(0),
            ),
        )?;
        Ok(Seq(seq))
    }

    /// Stores a message that came, or returns `None` when this home has it: its author's device
    /// and id name it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn insert_incoming(
        &self,
        now: Millis,
        message: &Incoming<'_>,
    ) -> Result<Option<Seq>, StoreError> {
        let (id, contact) = (message.id, message.contact);
        let by = author(message.author, message.device);
        if self.find(id, contact, by, message.own)?.is_some() {
            return Ok(None);
        }
        let direction = direction_of(message.own);
        let seq = self.insert(
            "INSERT INTO messages
             (id, direction, contact, device, timestamp, written_at, kind, data, state,
              changed_at, devices, life_s, expires_at, author, sequence)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?6, 0, ?10, ?11, ?12, ?13)",
            (
                id.0.as_slice(),
                direction,
                contact.0,
                by.device.0,
                to_sql(message.timestamp.0),
                to_sql(now.0),
                message.content.kind,
                self.seal_data((id, direction, by), &message.content.data),
                state_code(message.state),
                message.life_s,
                message.expires_at.map(|at| to_sql(at.0)),
                to_sql(by.user.0),
                message.sequence.map(to_sql),
            ),
        )?;
        Ok(Some(Seq(seq)))
    }

    /// A message of another device, by what names it; the account is that of [`Incoming::author`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn find(
        &self,
        id: MessageId,
        contact: ContactId,
        by: Address,
        own: bool,
    ) -> Result<Option<Seq>, StoreError> {
        self.first(
            "SELECT seq FROM messages
             WHERE id = ?1 AND direction = ?2 AND contact = ?3 AND author = ?4 AND device = ?5",
            (
                id.0.as_slice(),
                direction_of(own),
                contact.0,
                to_sql(by.user.0),
                by.device.0,
            ),
            |row| Ok(Seq(row.get(0)?)),
        )
    }

    /// A message of another device, by the other account of its conversation.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn find_from(
        &self,
        id: MessageId,
        (peer, device): (UserId, DeviceId),
        own: bool,
    ) -> Result<Option<Seq>, StoreError> {
        self.first(
            "SELECT seq FROM messages JOIN contacts USING (contact)
             WHERE id = ?1 AND direction = ?2 AND user = ?3 AND device = ?4",
            (id.0.as_slice(), direction_of(own), to_sql(peer.0), device.0),
            |row| Ok(Seq(row.get(0)?)),
        )
    }

    pub(super) fn seal_data(&self, name: Name, data: &[u8]) -> Vec<u8> {
        self.seal(DATA, &key(name), data)
    }

    pub(super) fn unseal_data(&self, name: Name, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        Ok(self.unseal(DATA, &key(name), sealed)?.to_vec())
    }

    /// An own message by its id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn own_message(&self, id: MessageId) -> Result<Option<MessageRow>, StoreError> {
        self.first(
            "SELECT seq, id, contact, state, timestamp, devices, kind, life_s, sequence
             FROM messages WHERE id = ?1 AND direction = 0",
            [id.0.as_slice()],
            read_row,
        )
    }

    /// Own messages of a conversation in state sent, and also delivered ones when `target` is
    /// read, up to a timestamp, for which no FACT was seen and none may have been missed; oldest
    /// first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn own_below(
        &self,
        contact: ContactId,
        target: MessageState,
        up_to: Timestamp,
    ) -> Result<Vec<MessageRow>, StoreError> {
        self.all(
            "SELECT seq, id, contact, state, timestamp, devices, kind, life_s, sequence
             FROM messages
             WHERE contact = ?1 AND direction = 0 AND state < 3
             AND state BETWEEN 1 AND ?2 AND timestamp <= ?3
             AND NOT EXISTS
                 (SELECT 1 FROM facts WHERE facts.seq = messages.seq)
             ORDER BY timestamp",
            (
                contact.0,
                state_code(target).saturating_sub(1),
                to_sql(up_to.0),
            ),
            read_row,
        )
    }

    /// Writes a message's new state.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_state(&self, seq: Seq, state: MessageState, at: Millis) -> Result<(), StoreError> {
        self.execute(
            "UPDATE messages SET state = ?2, changed_at = ?3 WHERE seq = ?1",
            (seq.0, state_code(state), to_sql(at.0)),
        )?;
        Ok(())
    }

    /// Writes where the server has placed an own message.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_placed(
        &self,
        seq: Seq,
        timestamp: Timestamp,
        devices: u64,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE messages SET timestamp = ?2, devices = ?3,
             expires_at = iif(life_s > 0, ?4 + 1000 * life_s, NULL) WHERE seq = ?1",
            (
                seq.0,
                to_sql(timestamp.0),
                to_sql(devices),
                to_sql(timestamp.millis().0),
            ),
        )?;
        Ok(())
    }

    /// Stores for which devices an own message is encrypted: those with ids below these.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_audience(
        &self,
        id: MessageId,
        to_next: DeviceId,
        own_next: DeviceId,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE messages SET to_next = ?2, own_next = ?3 WHERE id = ?1 AND direction = 0",
            (id.0.as_slice(), to_next.0, own_next.0),
        )?;
        Ok(())
    }

    /// Whether an own message was encrypted for a device with this id, of the recipient or of this
    /// account. An id is never given twice, so a device that is listed now was listed then when
    /// its id is below the one that was due then.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn was_for(&self, seq: Seq, own: bool, device: DeviceId) -> Result<bool, StoreError> {
        let next = self.first(
            "SELECT CASE WHEN ?2 THEN own_next ELSE to_next END FROM messages WHERE seq = ?1",
            (seq.0, own),
            |row| row.get::<_, u16>(0),
        )?;
        Ok(next.is_some_and(|next| device.0 < next))
    }

    /// Says why the server will never place a message, and gives it the place at which it was
    /// written.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_failed(&self, seq: Seq, code: NackCode, at: Millis) -> Result<(), StoreError> {
        self.execute(
            "UPDATE messages SET timestamp = written_at * 1000, refusal = ?2,
             expires_at = iif(life_s > 0, ?3 + 1000 * life_s, NULL) WHERE seq = ?1",
            (seq.0, code.0, to_sql(at.0)),
        )?;
        self.set_state(seq, MessageState::Failed, at)
    }

    /// The id of the newest own message: new ids go on behind it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn newest_own_id(&self) -> Result<Option<MessageId>, StoreError> {
        self.first(
            "SELECT id FROM messages WHERE direction = 0 ORDER BY id DESC LIMIT 1",
            (),
            |row| read_id(row, 0),
        )
    }

    /// The author's device and the timestamp of a received message, if it is one that is shown.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn received(
        &self,
        contact: ContactId,
        id: MessageId,
    ) -> Result<Option<(DeviceId, Timestamp)>, StoreError> {
        self.first(
            "SELECT device, timestamp FROM messages
             WHERE id = ?1 AND direction = 1 AND contact = ?2
             AND gone < 2 AND (kind NOT IN (3, 4, 5) OR gone = 1)",
            (id.0.as_slice(), contact.0),
            |row| Ok((DeviceId(row.get(0)?), Timestamp(from_sql(row.get(1)?)))),
        )
    }
}

const fn direction_of(own: bool) -> u8 {
    if own { SENT_ELSEWHERE } else { RECEIVED }
}

/// The author as the rows name it.
pub(super) const fn author(user: UserId, device: DeviceId) -> Address {
    Address { user, device }
}

fn key((id, direction, by): Name) -> Vec<u8> {
    [
        &id.0[..],
        &[direction],
        &by.user.0.to_le_bytes(),
        &by.device.0.to_le_bytes(),
    ]
    .concat()
}

pub(super) fn read_row(row: &Row<'_>) -> rusqlite::Result<MessageRow> {
    let timestamp: i64 = row.get(4)?;
    Ok(MessageRow {
        seq: Seq(row.get(0)?),
        id: read_id(row, 1)?,
        contact: ContactId(row.get(2)?),
        state: read_state(row, 3)?,
        timestamp: (timestamp != UNANSWERED).then(|| Timestamp(from_sql(timestamp))),
        devices: from_sql(row.get(5)?),
        kind: row.get(6)?,
        life_s: row.get(7)?,
        sequence: row.get::<_, Option<i64>>(8)?.map(from_sql),
    })
}

pub(super) fn read_id(row: &Row<'_>, column: usize) -> rusqlite::Result<MessageId> {
    row.get(column).map(MessageId)
}

pub(super) const fn state_code(state: MessageState) -> u8 {
    match state {
        MessageState::Pending => 0,
        MessageState::Sent => 1,
        MessageState::Delivered => 2,
        MessageState::Read => 3,
        MessageState::Expired => 4,
        MessageState::Overflow => 5,
        MessageState::Held => 6,
        MessageState::DeviceGone => 7,
        MessageState::Failed => 8,
    }
}

pub(super) fn read_state(row: &Row<'_>, column: usize) -> rusqlite::Result<MessageState> {
    let code: u8 = row.get(column)?;
    Ok(match code {
        0 => MessageState::Pending,
        1 => MessageState::Sent,
        2 => MessageState::Delivered,
        3 => MessageState::Read,
        4 => MessageState::Expired,
        5 => MessageState::Overflow,
        6 => MessageState::Held,
        7 => MessageState::DeviceGone,
        8 => MessageState::Failed,
        other => {
            return Err(rusqlite::Error::IntegralValueOutOfRange(
                column,
                other.into(),
            ));
        }
    })
}
