//! What the application asks about other people, and what it tells of the person here.

use martlet_protocol::limits::WATCHED_MAX;
use martlet_protocol::{Millis, UserId};

use super::machine::Engine;
use crate::error::{ClientError, PeopleError, StoreError};
use crate::event::{Presence, Related, Relation, Settings, SettingsChange, Typing};
use crate::local::{RelationRow, group_of_peer};

impl Engine {
    /// Asks whether somebody is there, from now on:
    /// [`Event::Presence`](crate::Event::Presence) tells. Not stored: a new process watches nobody.
    ///
    /// # Errors
    /// [`PeopleError::TooManyWatched`], or [`ClientError::UnknownPeer`] for whom this home does not
    /// know.
    pub fn watch(&mut self, now: Millis, peer: &str) -> Result<(), PeopleError> {
        self.member()?;
        let user = self.account(peer)?;
        let has_room = self.turn(now, |core, _| Ok(core.people.presences.watch(user)))?;
        if has_room {
            Ok(())
        } else {
            let accounts_max = WATCHED_MAX;
            Err(PeopleError::TooManyWatched { accounts_max })
        }
    }

    /// Asks no more whether somebody is there.
    ///
    /// # Errors
    /// [`ClientError::UnknownPeer`], or the database's.
    pub fn unwatch(&mut self, now: Millis, peer: &str) -> Result<(), PeopleError> {
        let user = self.account(peer)?;
        self.turn(now, |core, _| {
            core.people.presences.unwatch(user);
            Ok(())
        })?;
        Ok(())
    }

    /// Whether somebody who is watched is there, and when they were last, as the server has told on
    /// this connection; `None` while it has not, and when it will not.
    ///
    /// # Errors
    /// As [`unwatch`](Self::unwatch).
    pub fn presence(
        &mut self,
        peer: &str,
    ) -> Result<Option<(Presence, Option<Millis>)>, PeopleError> {
        let user = self.account(peer)?;
        Ok(self.core.people.presences.of(user))
    }

    /// Tells others, as the settings let them know it, whether a person looks at this device. A new
    /// process begins without one.
    ///
    /// # Errors
    /// [`StoreError`]: the engine is of no use any more.
    pub fn set_active(&mut self, now: Millis, is_active: bool) -> Result<(), StoreError> {
        self.turn(now, |core, _| {
            core.people.presences.set_active(is_active);
            Ok(())
        })
    }

    /// Tells the other side of a conversation, or the members of a group, what the person here
    /// does. To be called as often as something is typed: the server hears of it every four seconds
    /// while it lasts, and at once when it ends. Without a connection nobody hears of it, then or
    /// later.
    ///
    /// # Errors
    /// [`ClientError::UnknownPeer`], or the database's.
    pub fn typing(&mut self, now: Millis, peer: &str, kind: Typing) -> Result<(), PeopleError> {
        self.registered()?;
        let tx = self.db.begin()?;
        let contact = tx.find_contact(peer)?.ok_or(ClientError::UnknownPeer)?;
        drop(tx);
        if contact.user.is_some_and(|user| self.core.is_own(user)) {
            return Err(PeopleError::SelfAddressed);
        }
        self.turn(now, |core, tx| core.tell_typing(tx, now, &contact, kind))?;
        Ok(())
    }

    /// Makes an account something else to this one, on all its devices: durable here when this
    /// returns, and told to the server until it has it.
    /// [`Event::RelationRefused`](crate::Event::RelationRefused) tells when it will not have it.
    ///
    /// # Errors
    /// [`PeopleError`]: nothing was stored.
    pub fn relate(
        &mut self,
        now: Millis,
        peer: &str,
        relation: Relation,
    ) -> Result<(), PeopleError> {
        self.member()?;
        let user = self.account(peer)?;
        if self.core.is_own(user) {
            return Err(PeopleError::SelfAddressed);
        }
        let relation = relation.to_wire();
        self.turn(now, |core, tx| {
            if tx.relation(user)? == relation && !is_by_itself(tx.relation_row(user)?) {
                return Ok(());
            }
            core.relate(tx, user, relation, false)
        })?;
        Ok(())
    }

    /// The contacts and the blocked accounts, by account.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn relations(&mut self) -> Result<Vec<Related>, ClientError> {
        self.registered()?;
        let tx = self.db.begin()?;
        let mut relations = Vec::new();
        for row in tx.relation_rows()? {
            // The others are nothing, or something of a newer version.
            if let Some(relation @ (Relation::Contact | Relation::Blocked)) =
                Relation::from_wire(row.relation())
            {
                relations.push(Related {
                    peer: tx.name_of(row.user)?,
                    user: row.user,
                    relation,
                    is_pending: row.wanted.is_some(),
                });
            }
        }
        relations.sort_by_key(|related| related.user);
        Ok(relations)
    }

    /// What an account is to this one.
    ///
    /// # Errors
    /// [`PeopleError`].
    pub fn relation(&mut self, peer: &str) -> Result<Relation, PeopleError> {
        let user = self.account(peer)?;
        let relation = self.db.begin()?.relation(user)?;
        Ok(Relation::from_wire(relation).unwrap_or(Relation::Stranger))
    }

    /// What this account lets others know; `None` while the server has not told it to this home.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn settings(&mut self) -> Result<Option<Settings>, ClientError> {
        self.registered()?;
        Ok(self.db.begin()?.people()?.settings())
    }

    /// Changes what this account lets others know: durable here when this returns, and told to the
    /// server until it has it. [`Event::SettingsRefused`](crate::Event::SettingsRefused) tells when
    /// it will not have it.
    ///
    /// # Errors
    /// [`ClientError`]: nothing was stored.
    pub fn set_settings(
        &mut self,
        now: Millis,
        change: &SettingsChange,
    ) -> Result<(), ClientError> {
        self.member()?;
        self.turn(now, |core, tx| core.want_settings(tx, change))?;
        Ok(())
    }

    /// The account with this name.
    fn account(&mut self, peer: &str) -> Result<UserId, PeopleError> {
        self.registered()?;
        if group_of_peer(peer).is_some() {
            return Err(PeopleError::IsGroup);
        }
        let user = self.db.begin()?.account_named(peer)?;
        Ok(user.ok_or(ClientError::UnknownPeer)?)
    }
}

/// Whether the relation is one that this home wants without having been asked.
fn is_by_itself(row: Option<RelationRow>) -> bool {
    row.is_some_and(|row| row.wanted.is_some() && row.is_by_itself)
}
