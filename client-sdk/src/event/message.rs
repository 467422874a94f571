//! A message as an application sees it, and what may become of its contents.

use martlet_protocol::{DeviceId, GroupId, MessageId, Millis, NackCode, UserId};

use super::{Direction, MessageState};

/// A message as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Chosen by its sender.
    pub id: MessageId,
    /// Who wrote it.
    pub direction: Direction,
    /// The handle of the other side of the conversation; its user id in hexadecimal while the
    /// handle is not known. Of a group its name among peers.
    pub peer: String,
    /// The group, if it was written to one.
    pub group: Option<GroupId>,
    /// The handle of the account that wrote it.
    pub author: String,
    /// Whether it is of a stranger who asks to be heard: the account takes messages of strangers as
    /// requests, and has not accepted this one.
    pub is_request: bool,
    /// The device that wrote it.
    pub device: DeviceId,
    /// What it says now: after the newest edit.
    pub body: Body,
    /// The message that it answers, if it is a reply.
    pub reply_to: Option<Quote>,
    /// Whether its author has changed the text.
    pub edited: bool,
    /// At most one of each account, the own one last.
    pub reactions: Vec<Reaction>,
    /// When it disappears, by the server's clock; `None` while its life has not begun, and when it
    /// has none.
    pub expires_at: Option<Millis>,
    /// Where it stands. An incoming message is delivered, then read.
    pub state: MessageState,
    /// Its place in the conversation by the server's clock, or when it was written while the
    /// server has not taken it.
    pub at: Millis,
    /// When it reached its state.
    pub changed_at: Millis,
    /// Why the server refused it for good; only with [`MessageState::Failed`].
    pub refusal: Option<NackCode>,
}

impl Message {
    /// The text, or words that stand for what is none.
    #[must_use]
    pub fn text(&self) -> &str {
        match &self.body {
            Body::Text(text) => text,
            Body::Contact(_) => "[contact]",
            Body::Location(_) => "[location]",
            Body::Timer { .. } => "[disappearing messages]",
            Body::Modification => "[change of another message]",
            Body::Deleted => "[deleted]",
            Body::Unsupported { .. } => "[unsupported content]",
        }
    }
}

/// The contents of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Body {
    /// Text.
    Text(String),
    /// How to reach somebody.
    Contact(ContactCard),
    /// A place.
    Location(Location),
    /// From here on messages of the conversation disappear.
    Timer {
        /// So many seconds after they were read; 0: they stay.
        seconds: u32,
    },
    /// A reaction, an edit or a deletion. Only [`status`](crate::engine::Engine::message) shows
    /// one: what it does is seen at the message that it changes.
    Modification,
    /// Its author has deleted it for everyone, or its life is over.
    Deleted,
    /// Written by a newer client; kept in the database for a newer version of this one.
    Unsupported {
        /// The kind of content, as the sender numbers it.
        kind: u8,
    },
}

/// What a reply says of the message that it answers. The text is what the author of the reply
/// claims to have seen: [`Engine::message`](crate::engine::Engine::message) has the message itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Which message.
    pub id: MessageId,
    /// Which side wrote it,
    pub by: Direction,
    /// and the handle of the account.
    pub author: String,
    /// How it began.
    pub text: String,
}

/// What somebody thinks of a message, in a sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaction {
    /// Whose it is.
    pub by: Direction,
    /// The handle of the account.
    pub author: String,
    /// Most often an emoji. Others choose it: show it as any text of theirs.
    pub emoji: String,
}

/// How to reach somebody, as the sender of the message knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactCard {
    /// The account.
    pub user: UserId,
    /// Its handle.
    pub handle: String,
    /// What the sender calls it; at most 128 bytes, and may be empty.
    pub name: String,
}

/// A place on the earth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Degrees north of the equator times 10^7, from -900,000,000 to 900,000,000.
    pub latitude: i32,
    /// Degrees east of Greenwich times 10^7, from -1,800,000,000 to 1,800,000,000.
    pub longitude: i32,
    /// How far off it may be, in metres.
    pub accuracy_m: u32,
    /// What the place is called; at most 128 bytes, and may be empty.
    pub label: String,
}

/// What became of a message that the application has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Its author has changed the text.
    Edited {
        /// What it says now.
        text: String,
    },
    /// There are other reactions to it.
    Reactions(Vec<Reaction>),
    /// Its author has deleted it for everyone. Nothing of it is left.
    Deleted,
    /// This device's deletion had no effect, and the message is there again.
    Restored(Box<Message>),
    /// Its life is over. It is gone, and [`history`](crate::engine::Engine::history) does not show
    /// it any more.
    Expired,
}
