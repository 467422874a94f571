//! Other people: who is there, who writes, what they are to this account, and what it lets them
//! know.

use core::fmt;

use martlet_protocol::frame;
use martlet_protocol::{Millis, UserId};

/// Whether somebody is there, as far as the account lets this one know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Presence {
    /// The server does not tell: the account does not show itself to this one, or was never there.
    Hidden,
    /// Nobody looks at any device of the account.
    Offline,
    /// A person looks at a device of the account.
    Online,
}

impl Presence {
    /// The name that people and JSON see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hidden => "hidden",
            Self::Offline => "offline",
            Self::Online => "online",
        }
    }
}

impl From<frame::PresenceState> for Presence {
    fn from(state: frame::PresenceState) -> Self {
        match state {
            frame::PresenceState::ONLINE => Self::Online,
            frame::PresenceState::OFFLINE => Self::Offline,
            // What a newer server tells says nothing to this version.
            _ => Self::Hidden,
        }
    }
}

impl fmt::Display for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a person does right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Typing {
    /// Nothing, or not any more.
    Stopped,
    /// Writes.
    Typing,
    /// Records a voice message.
    Recording,
}

impl Typing {
    /// The name that people and JSON see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Typing => "typing",
            Self::Recording => "recording",
        }
    }

    pub(crate) const fn to_wire(self) -> frame::TypingKind {
        match self {
            Self::Stopped => frame::TypingKind::STOPPED,
            Self::Typing => frame::TypingKind::TYPING,
            Self::Recording => frame::TypingKind::RECORDING,
        }
    }

    /// The kind of the wire, or `None` for one that this version does not know.
    pub(crate) const fn from_wire(kind: frame::TypingKind) -> Option<Self> {
        match kind {
            frame::TypingKind::STOPPED => Some(Self::Stopped),
            frame::TypingKind::TYPING => Some(Self::Typing),
            frame::TypingKind::RECORDING => Some(Self::Recording),
            _ => None,
        }
    }
}

impl fmt::Display for Typing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What another account is to this one, on all its devices. Nobody else is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Relation {
    /// Nothing.
    Stranger,
    /// Somebody whom this account knows: it has written to them, or has accepted what they wrote.
    Contact,
    /// Somebody from whom this account wants to hear nothing.
    Blocked,
}

impl Relation {
    /// The name that people and JSON see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stranger => "stranger",
            Self::Contact => "contact",
            Self::Blocked => "blocked",
        }
    }

    pub(crate) const fn to_wire(self) -> frame::Relation {
        match self {
            Self::Stranger => frame::Relation::NONE,
            Self::Contact => frame::Relation::CONTACT,
            Self::Blocked => frame::Relation::BLOCKED,
        }
    }

    /// The relation of the wire, or `None` for one that this version does not know.
    pub(crate) const fn from_wire(relation: frame::Relation) -> Option<Self> {
        match relation {
            frame::Relation::NONE => Some(Self::Stranger),
            frame::Relation::CONTACT => Some(Self::Contact),
            frame::Relation::BLOCKED => Some(Self::Blocked),
            _ => None,
        }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An account that is a contact, or blocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// Its handle; its user id in hexadecimal while the handle is not known.
    pub peer: String,
    /// The account.
    pub user: UserId,
    /// What it is to this one.
    pub relation: Relation,
    /// Whether the server has yet to hear of it.
    pub is_pending: bool,
}

/// Who may see whether this account is online.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Visibility {
    /// Everyone who is not blocked.
    Everyone,
    /// Contacts.
    Contacts,
    /// Nobody; and nobody's presence is seen.
    Nobody,
    /// Something that a newer client has set.
    Other(u8),
}

impl Visibility {
    /// The name that people and JSON see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Everyone => "everyone",
            Self::Contacts => "contacts",
            Self::Nobody => "nobody",
            Self::Other(_) => "other",
        }
    }

    pub(crate) const fn to_wire(self) -> frame::Visibility {
        match self {
            Self::Everyone => frame::Visibility::EVERYONE,
            Self::Contacts => frame::Visibility::CONTACTS,
            Self::Nobody => frame::Visibility::NOBODY,
            Self::Other(number) => frame::Visibility(number),
        }
    }
}

impl From<frame::Visibility> for Visibility {
    fn from(visibility: frame::Visibility) -> Self {
        match visibility {
            frame::Visibility::EVERYONE => Self::Everyone,
            frame::Visibility::CONTACTS => Self::Contacts,
            frame::Visibility::NOBODY => Self::Nobody,
            other => Self::Other(other.0),
        }
    }
}

impl fmt::Display for Visibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How messages of strangers are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Strangers {
    /// As those of contacts.
    Anyone,
    /// As requests: a stranger is told nothing until the request is accepted.
    Requests,
    /// In a way that a newer client has set.
    Other(u8),
}

impl Strangers {
    /// The name that people and JSON see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anyone => "anyone",
            Self::Requests => "requests",
            Self::Other(_) => "other",
        }
    }

    pub(crate) const fn to_wire(self) -> frame::Strangers {
        match self {
            Self::Anyone => frame::Strangers::ANYONE,
            Self::Requests => frame::Strangers::AS_REQUESTS,
            Self::Other(number) => frame::Strangers(number),
        }
    }
}

impl From<frame::Strangers> for Strangers {
    fn from(strangers: frame::Strangers) -> Self {
        match strangers {
            frame::Strangers::ANYONE => Self::Anyone,
            frame::Strangers::AS_REQUESTS => Self::Requests,
            other => Self::Other(other.0),
        }
    }
}

impl fmt::Display for Strangers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What this account lets others know, on all its devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Who may see whether it is online.
    pub presence: Visibility,
    /// Whether others are told what it has read, and it what others have read.
    pub read_receipts: bool,
    /// How it takes messages of strangers.
    pub strangers: Strangers,
}

impl Settings {
    pub(crate) const fn to_wire(self) -> frame::AccountSettings {
        frame::AccountSettings {
            presence: self.presence.to_wire(),
            read_receipts: self.read_receipts,
            strangers: self.strangers.to_wire(),
        }
    }
}

impl From<frame::AccountSettings> for Settings {
    fn from(settings: frame::AccountSettings) -> Self {
        Self {
            presence: settings.presence.into(),
            read_receipts: settings.read_receipts,
            strangers: settings.strangers.into(),
        }
    }
}

/// Settings to change; what is `None` stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SettingsChange {
    /// Who may see whether the account is online.
    pub presence: Option<Visibility>,
    /// Whether others are told what it has read, and it what others have read.
    pub read_receipts: Option<bool>,
    /// How it takes messages of strangers.
    pub strangers: Option<Strangers>,
}

impl SettingsChange {
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The settings with this change.
    #[must_use]
    pub fn applied_to(&self, settings: Settings) -> Settings {
        Settings {
            presence: self.presence.unwrap_or(settings.presence),
            read_receipts: self.read_receipts.unwrap_or(settings.read_receipts),
            strangers: self.strangers.unwrap_or(settings.strangers),
        }
    }

    /// What is left of it when `other` is done: the fields that have changed since.
    #[must_use]
    pub fn without(&self, other: Settings) -> Self {
        Self {
            presence: self.presence.filter(|wanted| *wanted != other.presence),
            read_receipts: self
                .read_receipts
                .filter(|wanted| *wanted != other.read_receipts),
            strangers: self.strangers.filter(|wanted| *wanted != other.strangers),
        }
    }

    /// Both changes; where both say something the `newer` one counts.
    #[must_use]
    pub fn and(&self, newer: &Self) -> Self {
        Self {
            presence: newer.presence.or(self.presence),
            read_receipts: newer.read_receipts.or(self.read_receipts),
            strangers: newer.strangers.or(self.strangers),
        }
    }
}

/// When somebody was last there: `None` while the server does not say.
pub(crate) fn last_seen(at: Millis) -> Option<Millis> {
    (at != Millis(0)).then_some(at)
}
