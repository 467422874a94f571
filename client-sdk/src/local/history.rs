//! Messages as people see them: one, or a page of a conversation.

use martlet_protocol::{DeviceId, GroupId, MessageId, Millis, NackCode, Timestamp, UserId};
use rusqlite::Row;

use super::contacts::{ContactId, group_peer};
use super::db::{Tx, from_sql};
use super::messages::{
    DELETED, Name, OVER, RECEIVED, Seq, UNANSWERED, author, read_id, read_state,
};
use crate::config::History;
use crate::content::{Content, MessageName, Saying};
use crate::crypto::payload::kind;
use crate::error::StoreError;
use crate::event::{Body, Direction, Message, Quote, Reaction};

impl Tx<'_> {
    /// A message to show, by its number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn shown(&self, seq: Seq) -> Result<Message, StoreError> {
        let found = self.first(&select_shown("WHERE seq = ?1"), [seq.0], read_shown)?;
        let found = found.ok_or(StoreError::RowInvalid {
            column: "notices.seq",
        })?;
        self.open_shown(found)
    }

    /// Whether a message is over, so that an application cannot be told of it any more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_over(&self, seq: Seq) -> Result<bool, StoreError> {
        Ok(self.gone(seq)? == OVER)
    }

    /// Whether a message is over or was deleted, so that it has no text and no reactions; or is
    /// shown so, because this device deletes it and the server has yet to hear of that.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_empty(&self, seq: Seq) -> Result<bool, StoreError> {
        let is_deletion = |saying: &Saying| matches!(saying, Saying::Delete { .. });
        Ok(self.gone(seq)? != 0 || self.unfinished(seq)?.iter().any(is_deletion))
    }

    fn gone(&self, seq: Seq) -> Result<u8, StoreError> {
        let sql = "SELECT gone FROM messages WHERE seq = ?1";
        let gone = self.first(sql, [seq.0], |row| row.get(0))?;
        Ok(gone.unwrap_or(OVER))
    }

    /// A message to show, by its id; an own one before a received one with the same id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn shown_by_id(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        let sql = select_shown("WHERE id = ?1 ORDER BY direction LIMIT 1");
        let found = self.first(&sql, [id.0.as_slice()], read_shown)?;
        found.map(|found| self.open_shown(found)).transpose()
    }

    /// A page of a conversation in its causal order, oldest first; empty when `page` ends at a
    /// message that is not in it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn history(&self, contact: ContactId, page: &History) -> Result<Vec<Message>, StoreError> {
        let end = match page.before {
            None => Some((i64::MAX, [0xff; 16], i64::MAX)),
            Some(id) => self.first(
                "SELECT timestamp, id, seq FROM messages WHERE contact = ?1 AND id = ?2",
                (contact.0, id.0.as_slice()),
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )?,
        };
        let Some((timestamp, id, seq)) = end else {
            return Ok(Vec::new());
        };
        let limit = i64::try_from(page.limit).unwrap_or(i64::MAX);
        let sealed = self.all(
            &select_shown(&format!(
                "WHERE messages.contact = ?1 AND (timestamp, id, seq) < (?2, ?3, ?4)
                 AND {FOR_PEOPLE} ORDER BY timestamp DESC, id DESC, seq DESC LIMIT ?5"
            )),
            (contact.0, timestamp, id, seq, limit),
            read_shown,
        )?;
        let newest_last = sealed.into_iter().rev();
        newest_last.map(|found| self.open_shown(found)).collect()
    }

    fn open_shown(&self, found: Shown) -> Result<Message, StoreError> {
        let Shown { mut message, row } = found;
        message.author = self.name_of(self.account(&row, row.own, row.name.2.user)?)?;
        message.is_request = match row.user {
            Some(user) if !row.own => self.has_to_ask(user)?,
            _ => false,
        };
        if row.gone == DELETED {
            message.body = Body::Deleted;
            return Ok(message);
        }
        if kind::is_modification(row.kind) {
            message.body = Body::Modification;
            return Ok(message);
        }
        if row.gone != 0 {
            message.body = Body::Deleted;
            return Ok(message);
        }
        let content = Content {
            kind: row.kind,
            data: self.unseal_data(row.name, &row.sealed)?,
        };
        self.fill(&mut message, &content, row.user)?;
        for by in self.reacting(row.seq)? {
            let emoji = self.reaction(row.seq, by)?.map(|(emoji, _)| emoji);
            let account = self.account(&row, by.0, by.1)?;
            let author = self.name_of(account)?;
            put_reaction(&mut message, (by.0, author), emoji.unwrap_or_default());
        }
        for saying in self.unfinished(row.seq)? {
            match saying {
                Saying::Reaction { emoji, .. } => {
                    let author = self.name_of(self.own_user()?)?;
                    put_reaction(&mut message, (true, author), emoji);
                }
                Saying::Edit { text, .. } => {
                    message.body = Body::Text(text);
                    message.edited = true;
                }
                Saying::Delete { .. } => {
                    message.body = Body::Deleted;
                    message.reply_to = None;
                    message.edited = false;
                    message.reactions.clear();
                    return Ok(message);
                }
                _ => {}
            }
        }
        Ok(message)
    }

    /// The account that a row means by its author.
    fn account(&self, row: &ShownRow, own: bool, author: UserId) -> Result<UserId, StoreError> {
        match row.user {
            _ if own => self.own_user(),
            Some(user) => Ok(user),
            None => Ok(author),
        }
    }

    /// Writes what the contents say into the message.
    fn fill(
        &self,
        message: &mut Message,
        content: &Content,
        peer: Option<UserId>,
    ) -> Result<(), StoreError> {
        message.body = match Saying::decode(content) {
            Ok(Some(Saying::Text(text))) => Body::Text(text),
            Ok(Some(Saying::Reply { to, quote, text })) => {
                message.reply_to = self.quote(to, quote, peer)?;
                Body::Text(text)
            }
            Ok(Some(Saying::Contact(card))) => Body::Contact(card),
            Ok(Some(Saying::Location(place))) => Body::Location(place),
            Ok(Some(Saying::Timer { seconds })) => Body::Timer { seconds },
            // What is broken, or of a newer version, stays as it is for that version.
            _ => Body::Unsupported { kind: content.kind },
        };
        Ok(())
    }

    /// What a reply names, if one of the two sides can have written it, or some member of a group.
    fn quote(
        &self,
        to: MessageName,
        text: String,
        peer: Option<UserId>,
    ) -> Result<Option<Quote>, StoreError> {
        let by = if to.author.user == self.own_user()? {
            Direction::Outgoing
        } else if peer.is_none_or(|peer| peer == to.author.user) {
            Direction::Incoming
        } else {
            return Ok(None);
        };
        Ok(Some(Quote {
            id: to.id,
            by,
            author: self.name_of(to.author.user)?,
            text,
        }))
    }
}

/// Replaces the reaction of one account; an empty one is none. The own one stands last.
fn put_reaction(message: &mut Message, (own, author): (bool, String), emoji: String) {
    let by = if own {
        Direction::Outgoing
    } else {
        Direction::Incoming
    };
    let is_other = |reaction: &Reaction| reaction.by != by || reaction.author != author;
    message.reactions.retain(is_other);
    if !emoji.is_empty() {
        message.reactions.push(Reaction { by, author, emoji });
    }
}

/// Leaves out what changes other messages, and what is over.
const FOR_PEOPLE: &str = "gone < 2 AND (kind NOT IN (3, 4, 5) OR gone = 1)";

fn select_shown(tail: &str) -> String {
    format!(
        "SELECT id, direction, handle, user, device, kind, data, state, timestamp, written_at,
         changed_at, refusal, seq, gone, expires_at, edited_at, group_id, author
         FROM messages JOIN contacts USING (contact) {tail}"
    )
}

/// A message whose contents are still sealed.
struct Shown {
    message: Message,
    row: ShownRow,
}

struct ShownRow {
    seq: Seq,
    name: Name,
    /// The other account; `None` in a group.
    user: Option<UserId>,
    own: bool,
    kind: u8,
    gone: u8,
    sealed: Vec<u8>,
}

fn read_shown(row: &Row<'_>) -> rusqlite::Result<Shown> {
    let (handle, user): (Option<String>, Option<i64>) = (row.get(2)?, row.get(3)?);
    let user = user.map(|user| UserId(from_sql(user)));
    let group: Option<i64> = row.get(16)?;
    let group = group.map(|group| GroupId(from_sql(group)));
    let name = || match (user, group) {
        (Some(user), _) => user.to_string(),
        (None, Some(group)) => group_peer(group),
        (None, None) => String::new(),
    };
    let timestamp: i64 = row.get(8)?;
    let at = match timestamp {
        UNANSWERED => Millis(from_sql(row.get(9)?)),
        given => Timestamp(from_sql(given)).millis(),
    };
    let (id, direction, device) = (read_id(row, 0)?, row.get(1)?, DeviceId(row.get(4)?));
    let kind = row.get(5)?;
    let message = Message {
        id,
        direction: match direction {
            RECEIVED => Direction::Incoming,
            _ => Direction::Outgoing,
        },
        peer: handle.unwrap_or_else(name),
        group,
        author: String::new(),
        is_request: false,
        device,
        body: Body::Unsupported { kind },
        reply_to: None,
        edited: row.get::<_, i64>(15)? != 0,
        reactions: Vec::new(),
        expires_at: row
            .get::<_, Option<i64>>(14)?
            .map(|at| Millis(from_sql(at))),
        state: read_state(row, 7)?,
        at,
        changed_at: Millis(from_sql(row.get(10)?)),
        refusal: row.get::<_, Option<u16>>(11)?.map(NackCode),
    };
    Ok(Shown {
        message,
        row: ShownRow {
            seq: Seq(row.get(12)?),
            name: (
                id,
                direction,
                author(UserId(from_sql(row.get(17)?)), device),
            ),
            user,
            own: direction != RECEIVED,
            kind,
            gone: row.get(13)?,
            sealed: row.get(6)?,
        },
    })
}
