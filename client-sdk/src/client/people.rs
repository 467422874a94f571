//! Other people: whether they are there, who writes, who may reach this account, and what it lets
//! others know.

use martlet_protocol::Millis;

use super::Client;
use crate::engine::Engine;
use crate::error::{ClientError, PeopleError};
use crate::event::{Presence, Related, Relation, Settings, SettingsChange, Typing};

impl Client {
    /// Tells from now on whether somebody is there: [`Event::Presence`](crate::Event::Presence)
    /// comes as soon as the server says it, after each [`Event::Online`](crate::Event::Online), and
    /// with each change. Up to 1,024 accounts can be watched at a time. It is for this run of the
    /// client only, and nothing of it is stored.
    ///
    /// # Errors
    /// [`PeopleError::TooManyWatched`]; [`ClientError::UnknownPeer`] when nobody has the handle.
    pub async fn watch(&self, peer: &str) -> Result<(), PeopleError> {
        self.with_account(peer, |engine, now, peer| engine.watch(now, peer))
            .await
    }

    /// Tells no more whether somebody is there.
    ///
    /// # Errors
    /// [`ClientError::UnknownPeer`], or why the client has stopped.
    pub async fn unwatch(&self, peer: &str) -> Result<(), PeopleError> {
        let peer = peer.to_owned();
        self.with_engine(move |engine, now| engine.unwatch(now, &peer))
            .await
    }

    /// Whether somebody who is watched is there, and when they were last; `None` until the server
    /// has said it, and while there is no connection. Takes nothing from the stream of events.
    ///
    /// # Errors
    /// As [`unwatch`](Self::unwatch).
    pub async fn presence(
        &self,
        peer: &str,
    ) -> Result<Option<(Presence, Option<Millis>)>, PeopleError> {
        let peer = peer.to_owned();
        self.with_engine(move |engine, _| engine.presence(&peer))
            .await
    }

    /// Says whether a person looks at this device now. Others see it as the settings let them
    /// ([`Settings::presence`](crate::Settings)): an account is online while a person looks at one
    /// of its devices. A client begins without one.
    ///
    /// # Errors
    /// [`ClientError`]: why the client has stopped.
    pub async fn set_active(&self, is_active: bool) -> Result<(), ClientError> {
        self.with_engine(move |engine, now| {
            engine.set_active(now, is_active).map_err(ClientError::from)
        })
        .await
    }

    /// Tells the other side of a conversation, or the members of a group, that the person here
    /// writes, records, or has stopped. Call it with every key: the server hears of it at most
    /// every four seconds while it lasts, and at once when it ends. A message that is sent ends it.
    /// Without a connection nobody hears of it, then or later.
    ///
    /// # Errors
    /// [`ClientError::UnknownPeer`], or why the client has stopped.
    pub async fn typing(&self, peer: &str, kind: Typing) -> Result<(), PeopleError> {
        let peer = peer.to_owned();
        self.with_engine(move |engine, now| engine.typing(now, &peer, kind))
            .await
    }

    /// Blocks an account, for all devices of this one: its messages do not arrive any more, it sees
    /// nothing of this account, and it is not told. Nothing can be sent to it either. Durable when
    /// this returns, and told to the server until it has it; [`flush`](Self::flush) waits for that.
    ///
    /// # Errors
    /// [`PeopleError`]: nothing was stored.
    pub async fn block(&self, peer: &str) -> Result<(), PeopleError> {
        self.relate(peer, Relation::Blocked).await
    }

    /// Ends a block. What was sent during it does not come.
    ///
    /// # Errors
    /// [`PeopleError`]: nothing was stored.
    pub async fn unblock(&self, peer: &str) -> Result<(), PeopleError> {
        self.with_account(peer, |engine, now, peer| {
            // Only a block is ended: a contact stays one.
            match engine.relation(peer)? {
                Relation::Blocked => engine.relate(now, peer, Relation::Stranger),
                _ => Ok(()),
            }
        })
        .await
    }

    /// Makes an account a contact, so that it is a stranger no more: what it has written is no
    /// request any more ([`Message::is_request`](crate::Message)), and it is told what becomes of
    /// it. To answer does the same.
    ///
    /// # Errors
    /// [`PeopleError`]: nothing was stored.
    pub async fn accept_request(&self, peer: &str) -> Result<(), PeopleError> {
        self.relate(peer, Relation::Contact).await
    }

    /// Makes an account no contact any more. To write to it makes it one again.
    ///
    /// # Errors
    /// [`PeopleError`]: nothing was stored.
    pub async fn remove_contact(&self, peer: &str) -> Result<(), PeopleError> {
        self.with_account(peer, |engine, now, peer| match engine.relation(peer)? {
            Relation::Contact => engine.relate(now, peer, Relation::Stranger),
            _ => Ok(()),
        })
        .await
    }

    /// The contacts and the blocked accounts, as far as this home knows them.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn relations(&self) -> Result<Vec<Related>, ClientError> {
        self.with_engine(|engine, _| engine.relations()).await
    }

    /// What this account lets others know.
    ///
    /// # Errors
    /// [`ClientError::NoAnswer`] while the server has not told it to this home.
    pub async fn settings(&self) -> Result<Settings, ClientError> {
        self.with_engine(|engine, _| engine.settings()?.ok_or(ClientError::NoAnswer))
            .await
    }

    /// Changes what this account lets others know, on all its devices. Durable when this returns,
    /// and told to the server until it has it; [`flush`](Self::flush) waits for that.
    ///
    /// # Errors
    /// [`ClientError`]: nothing was stored.
    pub async fn set_settings(&self, change: SettingsChange) -> Result<(), ClientError> {
        self.with_engine(move |engine, now| engine.set_settings(now, &change))
            .await
    }

    async fn relate(&self, peer: &str, relation: Relation) -> Result<(), PeopleError> {
        self.with_account(peer, move |engine, now, peer| {
            engine.relate(now, peer, relation)
        })
        .await
    }

    /// Does something about an account. One that is new here is looked up first.
    async fn with_account<T: Send + 'static>(
        &self,
        peer: &str,
        run: impl FnOnce(&mut Engine, Millis, &str) -> Result<T, PeopleError> + Send + 'static,
    ) -> Result<T, PeopleError> {
        let name = peer.to_owned();
        let known = self
            .with_engine(move |engine, _| engine.relation(&name))
            .await;
        match known {
            Err(PeopleError::Client(ClientError::UnknownPeer)) => {
                self.lookup(peer).await?;
            }
            known => {
                known?;
            }
        }
        let peer = peer.to_owned();
        self.with_engine(move |engine, now| run(engine, now, &peer))
            .await
    }
}
