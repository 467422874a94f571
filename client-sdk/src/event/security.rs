//! What touches the security of a conversation, and how to tell whether it is somebody's fault.

use core::fmt;

use martlet_protocol::DeviceId;

/// What a person should know about the keys of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityNotice {
    /// The handle of the account that it is about: a contact, or this account itself.
    pub peer: String,
    /// The device of that account, where one is meant.
    pub device: Option<DeviceId>,
    /// What has happened.
    pub kind: SecurityKind,
}

/// What has happened. Some of it a server or an attacker has done, some of it is what happens to
/// honest people: the text says how to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SecurityKind {
    /// The account has another key: its owner began anew, or somebody is in between. Compare the
    /// safety numbers.
    IdentityChanged,
    /// As above, and the old key had been verified: nothing is sent to the account until the new
    /// one is verified or accepted.
    VerifiedIdentityChanged,
    /// The account's owner has added or removed devices.
    DevicesChanged,
    /// There are two device lists of one version: the server shows different people different
    /// devices.
    ListForked,
    /// The server offers an older device list than one that is known to exist.
    ListRolledBack,
    /// The server gave a device list that the account did not sign.
    ListInvalid,
    /// The server gave a key that the device did not sign.
    KeyInvalid,
    /// A session began with a key that others may have used as well: its first messages are as
    /// secret as all, but not each for itself.
    LastResortKey,
    /// A message could not be opened. It is asked for again, or, where the server has not shown its
    /// author's device yet, that.
    Undecryptable,
    /// A message came a second time.
    Replayed,
    /// A message came behind a later one.
    Reordered,
    /// A message is missing, and nothing explains it: the server may withhold it.
    Missing,
    /// A message does not follow the one before it: one of the two devices has lost its memory, or
    /// somebody writes in its name.
    ChainBroken,
    /// A message was delivered as another one than its writer wrote. It is not shown.
    ContextMismatch,
}

impl SecurityKind {
    /// Every kind. A kind's number in the database is its place here, counted from 1.
    const ALL: [Self; 14] = [
        Self::IdentityChanged,
        Self::VerifiedIdentityChanged,
        Self::DevicesChanged,
        Self::ListForked,
        Self::ListRolledBack,
        Self::ListInvalid,
        Self::KeyInvalid,
        Self::LastResortKey,
        Self::Undecryptable,
        Self::Replayed,
        Self::Reordered,
        Self::Missing,
        Self::ChainBroken,
        Self::ContextMismatch,
    ];

    /// The name that people and JSON see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IdentityChanged => "identity_changed",
            Self::VerifiedIdentityChanged => "verified_identity_changed",
            Self::DevicesChanged => "devices_changed",
            Self::ListForked => "list_forked",
            Self::ListRolledBack => "list_rolled_back",
            Self::ListInvalid => "list_invalid",
            Self::KeyInvalid => "key_invalid",
            Self::LastResortKey => "last_resort_key",
            Self::Undecryptable => "undecryptable",
            Self::Replayed => "replayed",
            Self::Reordered => "reordered",
            Self::Missing => "missing",
            Self::ChainBroken => "chain_broken",
            Self::ContextMismatch => "context_mismatch",
        }
    }

    pub(crate) fn number(self) -> u8 {
        let place = Self::ALL.iter().zip(1..).find(|(kind, _)| **kind == self);
        place.map_or(0, |(_, number)| number)
    }

    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }
}

impl fmt::Display for SecurityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_security_notice_has_its_own_number() {
        for kind in SecurityKind::ALL {
            assert_eq!(
                SecurityKind::from_number(kind.number()),
                Some(kind),
                "{kind}"
            );
        }
        assert_eq!(SecurityKind::from_number(0), None);
        assert_eq!(SecurityKind::from_number(15), None);
    }
}
