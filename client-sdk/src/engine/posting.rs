//! What people write: stored with its place in the outbox, in one step.

use martlet_protocol::frame::Relation;
use martlet_protocol::limits::{TTL_MS_MAX, TTL_MS_MIN};
use martlet_protocol::{MessageId, Millis, handle};

use super::changes::{DELETE_MS_MAX, EDIT_MS_MAX};
use super::lookups::Query;
use super::machine::Engine;
use super::outbox::Recipient;
use crate::content::{
    Content, EMOJI_BYTES_MAX, MessageName, QUOTE_BYTES_MAX, Saying, TEXT_BYTES_MAX,
};
use crate::crypto::payload::kind;
use crate::error::{ClientError, SendError, StoreError};
use crate::event::{ContactCard, Location};
use crate::local::{self, Contact, Queued, Seq, Target, Tx};

/// A message to send.
#[derive(Clone, Debug)]
pub struct Outgoing<'a> {
    /// The recipient's handle; for what concerns a message, the name of the conversation with it.
    pub to: &'a str,
    /// What it says.
    pub what: Post,
    /// Time to live in milliseconds; `None` for the server's own.
    pub ttl_ms: Option<u64>,
}

/// What can be said.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Post {
    /// Text.
    Text(String),
    /// An answer to another message.
    Reply {
        /// Which one.
        to: MessageId,
        /// The answer.
        text: String,
    },
    /// A reaction to a message, in place of an earlier one.
    React {
        /// Which message.
        to: MessageId,
        /// A sign of at most 64 bytes; empty to take the reaction back.
        emoji: String,
    },
    /// Another text for an own message, up to 24 hours after it was sent.
    Edit {
        /// Which message.
        of: MessageId,
        /// The text.
        text: String,
    },
    /// An own message is deleted for everyone, up to 48 hours after it was sent.
    Delete {
        /// Which message.
        of: MessageId,
    },
    /// Messages of both sides disappear from now on.
    Timer {
        /// So many seconds after they were read; 0: they stay.
        seconds: u32,
    },
    /// How to reach somebody.
    Contact(ContactCard),
    /// A place.
    Location(Location),
}

/// What goes into the table.
struct Worded {
    content: Content,
    changes: Option<Seq>,
    life_s: u32,
}

impl Post {
    /// The message that it is about.
    const fn about(&self) -> Option<MessageId> {
        match self {
            Self::Reply { to, .. } | Self::React { to, .. } => Some(*to),
            Self::Edit { of, .. } | Self::Delete { of } => Some(*of),
            Self::Text(_) | Self::Timer { .. } | Self::Contact(_) | Self::Location(_) => None,
        }
    }

    /// Checks what needs no database.
    fn check(&self) -> Result<(), SendError> {
        let text_bytes = match self {
            Self::Text(text) | Self::Reply { text, .. } | Self::Edit { text, .. } => text.len(),
            _ => 0,
        };
        if text_bytes > TEXT_BYTES_MAX {
            let bytes_max = TEXT_BYTES_MAX;
            return Err(SendError::TextTooLong { bytes_max });
        }
        let is_sound = match self {
            Self::React { emoji, .. } => emoji.len() <= EMOJI_BYTES_MAX,
            Self::Contact(card) => Saying::Contact(card.clone()).is_sound(),
            Self::Location(place) => Saying::Location(place.clone()).is_sound(),
            _ => true,
        };
        if is_sound {
            Ok(())
        } else {
            Err(SendError::ContentInvalid)
        }
    }

    /// The contents to store. Those of a modification do not name the message: its row does.
    fn content(&self, about: Option<(MessageName, String)>) -> Content {
        let unnamed = |kind, text: &str| Content {
            kind,
            data: text.as_bytes().to_vec(),
        };
        match self {
            Self::Reply { text, .. } => match about {
                Some((to, mut quote)) => {
                    quote.truncate(quote.floor_char_boundary(QUOTE_BYTES_MAX));
                    let text = text.clone();
                    Saying::Reply { to, quote, text }.encode()
                }
                None => Content::text(text),
            },
            Self::Text(text) => Content::text(text),
            Self::React { emoji, .. } => unnamed(kind::REACTION, emoji),
            Self::Edit { text, .. } => unnamed(kind::EDIT, text),
            Self::Delete { .. } => unnamed(kind::DELETE, ""),
            Self::Timer { seconds } => Saying::Timer { seconds: *seconds }.encode(),
            Self::Contact(card) => Saying::Contact(card.clone()).encode(),
            Self::Location(place) => Saying::Location(place.clone()).encode(),
        }
    }
}

impl Engine {
    /// Stores a message and sends it as soon as that is possible. `entropy` makes its id.
    ///
    /// # Errors
    /// [`SendError`]: nothing was stored.
    pub fn send(
        &mut self,
        now: Millis,
        entropy: [u8; 10],
        outgoing: &Outgoing<'_>,
    ) -> Result<MessageId, SendError> {
        let identity = self.member()?;
        let device = identity.address.ok_or(ClientError::NotRegistered)?.device;
        if outgoing.to == identity.handle {
            return Err(SendError::SelfAddressed);
        }
        outgoing.what.check()?;
        let is_ttl = |ttl_ms| (TTL_MS_MIN..=TTL_MS_MAX).contains(&ttl_ms);
        if outgoing.ttl_ms.is_some_and(|ttl_ms| !is_ttl(ttl_ms)) {
            return Err(SendError::TtlInvalid);
        }
        if self.core.outbox.is_full() {
            return Err(SendError::OutboxFull);
        }
        let is_to_group = self.may_write_to(outgoing.to)?;
        let about = match outgoing.what.about() {
            Some(id) => Some(self.about(now, outgoing, id)?),
            None if is_to_group || handle::is_valid(outgoing.to) => None,
            None => return Err(SendError::HandleInvalid),
        };
        let id = self.turn(now, |core, tx| {
            let written_at = core.server_time(now);
            let contact = contact_of(tx, outgoing.to, about.as_ref())?;
            let worded = word(tx, &contact, &outgoing.what, about)?;
            let id = core.ids.next(written_at, entropy);
            tx.insert_outgoing(&local::Outgoing {
                id,
                contact: contact.id,
                device,
                written_at,
                content: &worded.content,
                target: worded.changes,
                life_s: worded.life_s,
                is_to_group: contact.group.is_some(),
            })?;
            let entry = tx.queue(&Queued {
                id,
                contact: contact.id,
                after: contact.newest,
                ttl_ms: outgoing.ttl_ms.unwrap_or(0),
                control: None,
            })?;
            let to = Recipient::of(&contact);
            core.outbox.push(entry, to);
            if let Some(to) = to {
                core.people.typings.sent(to);
            }
            if to.is_none() {
                core.lookups
                    .want(Query::Handle(outgoing.to.to_owned()), false);
            }
            Ok(id)
        })?;
        Ok(id)
    }

    /// The message of the conversation that is meant, if it can be answered or changed like this.
    fn about(
        &mut self,
        now: Millis,
        outgoing: &Outgoing<'_>,
        id: MessageId,
    ) -> Result<Target, SendError> {
        let server_now = self.core.server_time(now);
        let tx = self.db.begin()?;
        let contact = tx.find_contact(outgoing.to)?;
        let contact = contact.ok_or(ClientError::UnknownPeer)?.id;
        let target = tx.target_of(contact, id)?;
        let is_message = |target: &Target| !kind::is_modification(target.kind);
        let target = target.filter(is_message);
        let target = target.ok_or(ClientError::UnknownMessage)?;
        let ms_max = match outgoing.what {
            Post::Edit { .. } => EDIT_MS_MAX,
            Post::Delete { .. } => DELETE_MS_MAX,
            _ => u64::MAX,
        };
        let is_change = !matches!(outgoing.what, Post::Reply { .. });
        let is_own_change = ms_max < u64::MAX;
        let is_text = matches!(target.kind, kind::TEXT | kind::REPLY);
        if is_own_change && !target.own {
            return Err(SendError::NotOwn);
        }
        if target.is_gone()
            || target.is_refused
            || (is_change && target.kind == kind::TIMER)
            || (matches!(outgoing.what, Post::Edit { .. }) && !is_text)
        {
            return Err(SendError::NotChangeable);
        }
        let sent_at = target.timestamp.map(|timestamp| timestamp.millis());
        if sent_at.is_some_and(|at| server_now.since(at) > ms_max) {
            return Err(SendError::TooLate);
        }
        Ok(target)
    }

    /// Checks that there is a recipient of this name who may be written to, or that there may be
    /// one. Returns whether it is a group.
    fn may_write_to(&mut self, peer: &str) -> Result<bool, SendError> {
        let tx = self.db.begin()?;
        let Some(contact) = tx.find_contact(peer)? else {
            return Ok(false);
        };
        let is_group = contact.group.is_some();
        if is_group && tx.group(contact.id)?.is_none_or(|row| row.is_gone) {
            return Err(SendError::NotMember);
        }
        if let Some(user) = contact.user
            && tx.relation(user)? == Relation::BLOCKED
        {
            return Err(SendError::Blocked);
        }
        if has_changed(&tx, &contact)? {
            return Err(SendError::IdentityChanged);
        }
        // Nothing is written, and still it is an end that can fail.
        tx.commit()?;
        Ok(is_group)
    }
}

/// Whether a verified key of this contact, or of a member of this group, has changed, and nobody
/// has accepted the new one.
fn has_changed(tx: &Tx<'_>, contact: &Contact) -> Result<bool, StoreError> {
    let members = tx.members(contact.id)?;
    let members = members.iter().map(|member| member.user);
    for user in members.chain(contact.user) {
        if tx.list(user)?.is_some_and(|row| row.is_blocked) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn contact_of(tx: &Tx<'_>, to: &str, about: Option<&Target>) -> Result<Contact, StoreError> {
    match about {
        Some(target) => tx.contact(target.contact),
        None => match tx.find_contact(to)? {
            Some(contact) if contact.group.is_some() => Ok(contact),
            _ => tx.contact_of_handle(to),
        },
    }
}

fn word(
    tx: &Tx<'_>,
    contact: &Contact,
    what: &Post,
    about: Option<Target>,
) -> Result<Worded, StoreError> {
    let (named, changes) = match (what, about) {
        (Post::Reply { .. }, Some(target)) => {
            let quote = tx.shown(target.seq)?.text().to_owned();
            (Some((tx.name_of_message(&target)?, quote)), None)
        }
        (_, about) => (None, about.map(|target| target.seq)),
    };
    let content = what.content(named);
    let life_s = if kind::may_be_limited(content.kind) {
        tx.life_of(contact.id)?
    } else {
        0
    };
    Ok(Worded {
        content,
        changes,
        life_s,
    })
}
