//! Messages that change other messages: reactions, edits, deletions. What they do is written to the
//! message that they change, and nothing of it is left in their own rows.

use martlet_protocol::{Address, DeviceId, MessageId, Timestamp, UserId};
use rusqlite::Row;

use super::contacts::ContactId;
use super::db::{Tx, from_sql, to_sql};
use super::messages::{DELETED, Name, OVER, RECEIVED, SENT_HERE, Seq, UNANSWERED, author, read_id};
use crate::content::{Content, MessageName, Saying};
use crate::error::StoreError;

/// Most modifications of a conversation that wait for their messages.
const WAITING_MAX: u32 = 1_024;

const EMOJI: &str = "reactions.emoji";

/// Where a modification stands among others of its kind: the newest one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Order {
    /// Its timestamp,
    pub timestamp: Timestamp,
    /// and its id where that is the same.
    pub id: MessageId,
}

/// A message that others may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its number here.
    pub seq: Seq,
    /// The conversation.
    pub contact: ContactId,
    /// Its id.
    pub id: MessageId,
    /// Whether this account wrote it.
    pub own: bool,
    /// Who did, when that is another member of a group; else account 0.
    pub author: UserId,
    /// The device that wrote it.
    pub device: DeviceId,
    /// Its place in the conversation, once the server has given it one.
    pub timestamp: Option<Timestamp>,
    /// What kind of contents it has.
    pub kind: u8,
    /// 1: it was deleted, 2: it is over.
    pub(super) gone: u8,
    /// Whether it was written here, and not on another own device.
    pub is_made_here: bool,
    /// Whether the server has refused it.
    pub is_refused: bool,
    /// The newest edit of it; `None` while there is none.
    pub edited: Option<Order>,
}

impl Target {
    /// Whether nothing of it is left to be changed.
    #[must_use]
    pub const fn is_gone(&self) -> bool {
        self.gone != 0
    }

    /// Whether it was deleted for everyone.
    #[must_use]
    pub const fn is_deleted(&self) -> bool {
        self.gone == DELETED
    }
}

/// Which message a modification is for, as the rows name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The modification.
    pub seq: Seq,
    /// The conversation.
    pub contact: ContactId,
    /// The id of the message,
    pub id: MessageId,
    /// whether this account wrote it,
    pub own: bool,
    /// or which other member of a group; else account 0,
    pub author: UserId,
    /// and on which device.
    pub device: DeviceId,
}

/// A message as its row has it.
pub(super) struct Stored {
    pub(super) target: Target,
    direction: u8,
    sealed: Vec<u8>,
    /// The message that it changes.
    pub(super) changes: Option<Seq>,
    pub(super) life_s: u32,
    pub(super) expires_at: Option<i64>,
}

pub(super) const STORED: &str =
    "SELECT seq, contact, id, direction, device, timestamp, kind, gone, refusal,
                      edited_at, edited_by, data, target, life_s, expires_at, author FROM messages";

impl Tx<'_> {
    /// The account of this home; user 0 when it has none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn own_user(&self) -> Result<UserId, StoreError> {
        let user = self.first("SELECT user FROM identity", (), |row| row.get(0))?;
        Ok(UserId(from_sql(user.unwrap_or(0))))
    }

    /// A message by its number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn target(&self, seq: Seq) -> Result<Option<Target>, StoreError> {
        Ok(self.stored(seq)?.map(|stored| stored.target))
    }

    /// A message that a modification names.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn target_named(&self, name: &Waiting) -> Result<Option<Target>, StoreError> {
        let sql = format!(
            "{STORED} WHERE id = ?1 AND contact = ?2 AND device = ?3 AND author = ?5
             AND iif(?4, direction IN (0, 2), direction = 1)"
        );
        let key = (
            name.id.0.as_slice(),
            name.contact.0,
            name.device.0,
            name.own,
            to_sql(name.author.0),
        );
        let found = self.first(&sql, key, read_stored)?;
        Ok(found.map(|stored| stored.target))
    }

    /// A message of a conversation by its id; an own one before a received one with the same id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn target_of(
        &self,
        contact: ContactId,
        id: MessageId,
    ) -> Result<Option<Target>, StoreError> {
        let sql = format!("{STORED} WHERE id = ?1 AND contact = ?2 ORDER BY direction = 1 LIMIT 1");
        let found = self.first(&sql, (id.0.as_slice(), contact.0), read_stored)?;
        Ok(found.map(|stored| stored.target))
    }

    /// The message that a modification changes, or was made for here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn changed_by(&self, modification: Seq) -> Result<Option<Target>, StoreError> {
        let sql = format!("{STORED} WHERE seq = (SELECT target FROM messages WHERE seq = ?1)");
        let found = self.first(&sql, [modification.0], read_stored)?;
        Ok(found.map(|stored| stored.target))
    }

    /// A modification that has not done what it does: its row, and what it says if that can be
    /// read.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn modification(&self, seq: Seq) -> Result<Option<(Target, Option<Saying>)>, StoreError> {
        let Some(stored) = self.stored(seq)? else {
            return Ok(None);
        };
        let Some(content) = self.raw(&stored)? else {
            return Ok(None);
        };
        let saying = match stored.changes {
            Some(target) => self.own_wording(&stored, target)?,
            None => Saying::decode(&content).ok().flatten(),
        };
        Ok(Some((stored.target, saying)))
    }

    /// Replaces the text of a message.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn edit(&self, target: &Target, text: &str, order: Order) -> Result<(), StoreError> {
        let Some(stored) = self.stored(target.seq)? else {
            return Ok(());
        };
        let Some(content) = self.raw(&stored)? else {
            return Ok(());
        };
        let data = with_text(&content, text).data;
        self.execute(
            "UPDATE messages SET data = ?2, edited_at = ?3, edited_by = ?4 WHERE seq = ?1",
            (
                target.seq.0,
                self.seal_data(stored.name(), &data),
                to_sql(order.timestamp.0),
                order.id.0.as_slice(),
            ),
        )?;
        Ok(())
    }

    /// Puts the reaction of one account to a message, unless there is a newer one. Returns whether
    /// it did.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn react(
        &self,
        target: Seq,
        (own, author): (bool, UserId),
        emoji: &str,
        order: Order,
    ) -> Result<bool, StoreError> {
        let changed = self.execute(
            "INSERT INTO reactions (seq, own, author, emoji, timestamp, id)
             VALUES (?1, ?2, ?6, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET emoji = excluded.emoji, timestamp = excluded.timestamp,
                 id = excluded.id
             WHERE (timestamp, id) < (excluded.timestamp, excluded.id)",
            (
                target.0,
                own,
                self.seal(EMOJI, &reaction_key(target, own, author), emoji.as_bytes()),
                to_sql(order.timestamp.0),
                order.id.0.as_slice(),
                to_sql(author.0),
            ),
        )?;
        Ok(changed > 0)
    }

    /// The reaction of one account to a message: the emoji, which may be empty, and the id of the
    /// REACTION.
    pub(super) fn reaction(
        &self,
        target: Seq,
        by: (bool, UserId),
    ) -> Result<Option<(String, MessageId)>, StoreError> {
        let (own, author) = by;
        let found = self.first(
            "SELECT emoji, id FROM reactions WHERE seq = ?1 AND own = ?2 AND author = ?3",
            (target.0, own, to_sql(author.0)),
            |row| Ok((row.get::<_, Vec<u8>>(0)?, read_id(row, 1)?)),
        )?;
        let Some((sealed, id)) = found else {
            return Ok(None);
        };
        let emoji = self.unseal(EMOJI, &reaction_key(target, own, author), &sealed)?;
        Ok(Some((read_text(&emoji, EMOJI)?, id)))
    }

    /// Who has reacted to a message: others first, the own account last.
    pub(super) fn reacting(&self, target: Seq) -> Result<Vec<(bool, UserId)>, StoreError> {
        let sql = "SELECT own, author FROM reactions WHERE seq = ?1 ORDER BY own, author";
        self.all(sql, [target.0], |row| {
            Ok((row.get(0)?, UserId(from_sql(row.get(1)?))))
        })
    }

    /// A message is deleted for everyone: nothing but that is left of it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn delete_contents(&self, target: Seq) -> Result<(), StoreError> {
        self.empty(target, DELETED)
    }

    /// A message is not for people, any more or at all. It is kept to know it again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn hide(&self, seq: Seq) -> Result<(), StoreError> {
        self.empty(seq, OVER)
    }

    fn empty(&self, seq: Seq, gone: u8) -> Result<(), StoreError> {
        self.execute(
            "UPDATE messages SET data = x'', gone = ?2, edited_at = 0, edited_by = x'',
             expires_at = iif(?2 = 1, expires_at, NULL) WHERE seq = ?1",
            (seq.0, gone),
        )?;
        self.execute("DELETE FROM reactions WHERE seq = ?1", [seq.0])?;
        Ok(())
    }

    /// A modification has done what it can: of its contents nothing is left.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn finish_modification(&self, seq: Seq, target: Seq) -> Result<(), StoreError> {
        self.execute(
            "UPDATE messages SET data = x'', target = ?2 WHERE seq = ?1",
            (seq.0, target.0),
        )?;
        Ok(())
    }

    /// Keeps a modification until its message has come. When too many of the conversation wait,
    /// the oldest one is dropped.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn wait(&self, waiting: &Waiting) -> Result<(), StoreError> {
        self.execute(
            "INSERT OR REPLACE INTO waiting (seq, contact, id, own, device, author)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (
                waiting.seq.0,
                waiting.contact.0,
                waiting.id.0.as_slice(),
                waiting.own,
                waiting.device.0,
                to_sql(waiting.author.0),
            ),
        )?;
        let dropped = self.first(
            "SELECT seq FROM waiting WHERE contact = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2",
            (waiting.contact.0, WAITING_MAX),
            |row| Ok(Seq(row.get(0)?)),
        )?;
        if let Some(seq) = dropped {
            self.execute("DELETE FROM waiting WHERE seq = ?1", [seq.0])?;
            self.hide(seq)?;
        }
        Ok(())
    }

    /// Takes out the modifications that wait for a message, in the order in which they came.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn take_waiting(&self, target: &Target) -> Result<Vec<Seq>, StoreError> {
        let key = (
            target.contact.0,
            target.id.0.as_slice(),
            target.own,
            target.device.0,
            to_sql(target.author.0),
        );
        let found = self.all(
            "SELECT seq FROM waiting WHERE contact = ?1 AND id = ?2 AND own = ?3 AND device = ?4
             AND author = ?5 ORDER BY seq",
            key,
            |row| Ok(Seq(row.get(0)?)),
        )?;
        for seq in &found {
            self.execute("DELETE FROM waiting WHERE seq = ?1", [seq.0])?;
        }
        Ok(found)
    }

    /// Modifications that were made here and have not done what they do, oldest first: the person
    /// sees them at once.
    pub(super) fn unfinished(&self, target: Seq) -> Result<Vec<Saying>, StoreError> {
        let sql = format!("{STORED} WHERE target = ?1 AND data <> x'' ORDER BY seq");
        let found = self.all(&sql, [target.0], read_stored)?;
        let mut sayings = Vec::new();
        for stored in found {
            sayings.extend(self.own_wording(&stored, target)?);
        }
        Ok(sayings)
    }

    pub(super) fn stored(&self, seq: Seq) -> Result<Option<Stored>, StoreError> {
        self.first(&format!("{STORED} WHERE seq = ?1"), [seq.0], read_stored)
    }

    /// The contents as they are stored.
    pub(super) fn raw(&self, stored: &Stored) -> Result<Option<Content>, StoreError> {
        if stored.sealed.is_empty() {
            return Ok(None);
        }
        Ok(Some(Content {
            kind: stored.target.kind,
            data: self.unseal_data(stored.name(), &stored.sealed)?,
        }))
    }

    /// What names a message to other devices.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn name_of_message(&self, target: &Target) -> Result<MessageName, StoreError> {
        let user = if target.own {
            self.own_user()?
        } else if target.author != UserId(0) {
            target.author
        } else {
            self.contact(target.contact)?.user.unwrap_or(UserId(0))
        };
        Ok(MessageName {
            id: target.id,
            author: Address {
                user,
                device: target.device,
            },
        })
    }
}

impl Stored {
    const fn name(&self) -> Name {
        let by = author(self.target.author, self.target.device);
        (self.target.id, self.direction, by)
    }
}

/// The contents of a TEXT or REPLY with another text.
fn with_text(content: &Content, text: &str) -> Content {
    match Saying::decode(content) {
        Ok(Some(Saying::Reply { to, quote, .. })) => {
            let text = text.to_owned();
            Saying::Reply { to, quote, text }.encode()
        }
        _ => Content::text(text),
    }
}

fn reaction_key(target: Seq, own: bool, author: UserId) -> Vec<u8> {
    let (target, author) = (target.0.to_le_bytes(), author.0.to_le_bytes());
    [&target[..], &[own.into()], &author].concat()
}

pub(super) fn read_text(bytes: &[u8], column: &'static str) -> Result<String, StoreError> {
    let text = str::from_utf8(bytes).map_err(|_| StoreError::RowInvalid { column })?;
    Ok(text.to_owned())
}

pub(super) fn read_stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let (timestamp, edited_at): (i64, i64) = (row.get(5)?, row.get(9)?);
    let (direction, gone): (u8, u8) = (row.get(3)?, row.get(7)?);
    let edited = match edited_at {
        0 => None,
        at => Some(Order {
            timestamp: Timestamp(from_sql(at)),
            id: read_id(row, 10)?,
        }),
    };
    let target = Target {
        seq: Seq(row.get(0)?),
        contact: ContactId(row.get(1)?),
        id: read_id(row, 2)?,
        own: direction != RECEIVED,
        author: UserId(from_sql(row.get(15)?)),
        device: DeviceId(row.get(4)?),
        timestamp: (timestamp != UNANSWERED).then(|| Timestamp(from_sql(timestamp))),
        kind: row.get(6)?,
        gone,
        is_made_here: direction == SENT_HERE,
        is_refused: row.get::<_, Option<u16>>(8)?.is_some(),
        edited,
    };
    Ok(Stored {
        target,
        direction,
        sealed: row.get(11)?,
        changes: row.get::<_, Option<i64>>(12)?.map(Seq),
        life_s: row.get(13)?,
        expires_at: row.get(14)?,
    })
}
