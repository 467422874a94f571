//! WATCH, PRESENCE and ACTIVE: who is online. Never stored, first to go under pressure.

use crate::error::DecodeError;
use crate::id::{Millis, UserId};
use crate::limits::WATCH_USERS_MAX;
use crate::wire::{List, Reader, Writer};

/// Wire: request varint · on u8 · users list. It has no answer but PRESENCE and NACK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch<'a> {
    /// Comes back in a refusal.
    pub request: u64,
    /// Whether the accounts are watched from now on, or no longer.
    pub on: bool,
    /// Which accounts.
    pub users: List<'a, UserId>,
}

impl<'a> Watch<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            request: reader.varint()?,
            on: reader.flag()?,
            users: reader.list(WATCH_USERS_MAX)?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.varint(self.request);
        writer.flag(self.on);
        writer.list(&self.users);
    }
}

/// What is known of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PresenceState(pub u8);

impl PresenceState {
    /// Nothing: it does not show itself, or there is no such account.
    pub const HIDDEN: Self = Self(0);
    /// Nobody looks at any of its devices.
    pub const OFFLINE: Self = Self(1);
    /// Somebody looks at one of its devices.
    pub const ONLINE: Self = Self(2);
}

/// Wire: user u64 · state u8 · last_seen u64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presence {
    /// Whose.
    pub user: UserId,
    /// What.
    pub state: PresenceState,
    /// When it was last online; 0 when that is now, or not known.
    pub last_seen: Millis,
}

impl Presence {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            user: reader.user()?,
            state: PresenceState(reader.u8()?),
            last_seen: reader.millis()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.user(self.user);
        writer.u8(self.state.0);
        writer.millis(self.last_seen);
    }
}

/// Wire: active u8. A connection begins away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Active {
    /// Whether a person looks at the device.
    pub active: bool,
}

impl Active {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            active: reader.flag()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.flag(self.active);
    }
}
