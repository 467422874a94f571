//! What people do with messages: answer, react, edit, delete, and let them disappear.

use martlet_protocol::MessageId;

use super::Client;
use crate::config::SendOptions;
use crate::engine::Post;
use crate::error::SendError;
use crate::event::{ContactCard, Location};
use crate::net::Command;

impl Client {
    /// Answers a message of the conversation with `peer`. The beginning of its text goes along.
    /// Otherwise as [`send`](Self::send).
    ///
    /// # Errors
    /// [`SendError`]: nothing was stored.
    pub async fn reply(
        &self,
        peer: &str,
        to: MessageId,
        text: &str,
        options: SendOptions,
    ) -> Result<MessageId, SendError> {
        let text = text.to_owned();
        self.post(peer, Post::Reply { to, text }, options).await
    }

    /// Puts a sign of at most 64 bytes, an emoji most often, to a message of the conversation with
    /// `peer`, in place of an earlier one of this account; empty takes it back. Returns the id
    /// of the reaction, which has states as any message.
    ///
    /// # Errors
    /// [`SendError`]: nothing was stored.
    pub async fn react(
        &self,
        peer: &str,
        to: MessageId,
        emoji: &str,
    ) -> Result<MessageId, SendError> {
        let emoji = emoji.to_owned();
        let options = SendOptions::default();
        self.post(peer, Post::React { to, emoji }, options).await
    }

    /// Gives an own message another text, on all devices of both sides, up to 24 hours after it
    /// was sent. The earlier text is not kept. Returns the id of the edit.
    ///
    /// # Errors
    /// [`SendError`]: nothing was stored.
    pub async fn edit(
        &self,
        peer: &str,
        of: MessageId,
        text: &str,
    ) -> Result<MessageId, SendError> {
        let text = text.to_owned();
        let options = SendOptions::default();
        self.post(peer, Post::Edit { of, text }, options).await
    }

    /// Deletes an own message on all devices of both sides, up to 48 hours after it was sent; what
    /// stays is that it was deleted. Returns the id of the deletion. Whoever has read the message
    /// may have kept it elsewhere.
    ///
    /// # Errors
    /// [`SendError`]: nothing was stored.
    pub async fn delete_for_everyone(
        &self,
        peer: &str,
        of: MessageId,
    ) -> Result<MessageId, SendError> {
        let options = SendOptions::default();
        self.post(peer, Post::Delete { of }, options).await
    }

    /// From now on messages of both sides disappear so many seconds after they were read, on the
    /// author's devices after they were sent; with 0 they stay. Both sides see it in the
    /// conversation, and either can change it.
    ///
    /// # Errors
    /// [`SendError`]: nothing was stored.
    pub async fn set_timer(&self, to: &str, seconds: u32) -> Result<MessageId, SendError> {
        let options = SendOptions::default();
        self.post(to, Post::Timer { seconds }, options).await
    }

    /// Sends how to reach somebody. [`lookup`](Self::lookup) has the account of a handle.
    ///
    /// # Errors
    /// [`SendError`]: nothing was stored.
    pub async fn send_contact(
        &self,
        to: &str,
        card: ContactCard,
        options: SendOptions,
    ) -> Result<MessageId, SendError> {
        self.post(to, Post::Contact(card), options).await
    }

    /// Sends a place.
    ///
    /// # Errors
    /// [`SendError`]: nothing was stored.
    pub async fn send_location(
        &self,
        to: &str,
        place: Location,
        options: SendOptions,
    ) -> Result<MessageId, SendError> {
        self.post(to, Post::Location(place), options).await
    }

    pub(super) async fn post(
        &self,
        to: &str,
        what: Post,
        options: SendOptions,
    ) -> Result<MessageId, SendError> {
        let to = to.to_owned();
        self.ask(|reply| Command::Send {
            to,
            what,
            options,
            reply,
        })
        .await?
    }
}
