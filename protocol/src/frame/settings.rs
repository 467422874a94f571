//! SETTINGS and SETTINGS_ARE: what an account lets others know.

use crate::error::DecodeError;
use crate::wire::{Reader, Writer};

/// Who may see an account's presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visibility(pub u8);

impl Visibility {
    /// Everyone who is not blocked.
    pub const EVERYONE: Self = Self(1);
    /// The account's contacts.
    pub const CONTACTS: Self = Self(2);
    /// Nobody.
    pub const NOBODY: Self = Self(3);
}

/// How an account takes messages of strangers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strangers(pub u8);

impl Strangers {
    /// Like those of contacts.
    pub const ANYONE: Self = Self(1);
    /// As requests: a stranger is told nothing until the owner makes it a contact.
    pub const AS_REQUESTS: Self = Self(2);
}

/// What an account lets others know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountSettings {
    /// Who may see its presence.
    pub presence: Visibility,
    /// Whether others are told what it has read, and it what others have read.
    pub read_receipts: bool,
    /// How it takes messages of strangers.
    pub strangers: Strangers,
}

impl Default for AccountSettings {
    fn default() -> Self {
        Self {
            presence: Visibility::EVERYONE,
            read_receipts: true,
            strangers: Strangers::ANYONE,
        }
    }
}

impl AccountSettings {
    /// Whether version 1 knows each of the values.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        matches!(self.presence.0, 1..=3) && matches!(self.strangers.0, 1..=2)
    }

    /// Takes the fields off the front: presence u8 · read_receipts u8 · strangers u8.
    ///
    /// # Errors
    /// What is wrong with a field.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            presence: Visibility(reader.u8()?),
            read_receipts: reader.flag()?,
            strangers: Strangers(reader.u8()?),
        })
    }

    /// Appends the fields.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        writer.u8(self.presence.0);
        writer.flag(self.read_receipts);
        writer.u8(self.strangers.0);
    }
}

/// Wire: request varint · set u8 · presence u8 · read_receipts u8 · strangers u8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Comes back in the answer.
    pub request: u64,
    /// What they are from now on; `None` only asks.
    pub set: Option<AccountSettings>,
}

impl Settings {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (request, set) = (reader.varint()?, reader.flag()?);
        let settings = AccountSettings::decode(reader)?;
        Ok(Self {
            request,
            set: set.then_some(settings),
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.varint(self.request);
        writer.flag(self.set.is_some());
        self.set.unwrap_or_default().encode(writer);
    }
}

/// Wire: request varint · presence u8 · read_receipts u8 · strangers u8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettingsAre {
    /// The SETTINGS' number, or 0 when another device of the account has changed them.
    pub request: u64,
    /// What they are, on synced storage.
    pub settings: AccountSettings,
}

impl SettingsAre {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            request: reader.varint()?,
            settings: AccountSettings::decode(reader)?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.varint(self.request);
        self.settings.encode(writer);
    }
}
