//! Why a request is refused, and what its sender may do about it.

use core::fmt;

/// What the sender of a refused request may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class(pub u8);

impl Class {
    /// The same request is refused every time.
    pub const NEVER: Self = Self(1);
    /// The same request may succeed after the given time.
    pub const RETRY_AFTER: Self = Self(2);
    /// A device list has changed: fetch it, make the request anew for its devices, try again.
    pub const REFRESH_DEVICES: Self = Self(3);
    /// The proof of identity was not accepted: obtain a new one.
    pub const RE_AUTHENTICATE: Self = Self(4);
    /// Another server answers: connect again.
    pub const MOVED: Self = Self(5);
}

/// Why a request is refused. Codes are added, never changed; an unknown code is handled by its
/// class.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NackCode(pub u16);

macro_rules! nack_codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $class:ident;)+) => {
        impl NackCode {
            $($(#[doc = $doc])+ pub const $name: Self = Self($code);)+

            /// Every code of version 1 with its name and class.
            pub const TABLE: &'static [(Self, &'static str, Class)] =
                &[$((Self::$name, stringify!($name), Class::$class)),+];
        }
    };
}

nack_codes! {
    /// No such account.
    UNKNOWN_RECIPIENT = 1, NEVER;
    /// This message id was used with another payload.
    CONFLICT = 2, NEVER;
    /// The message id's time is beyond the retry window.
    MESSAGE_ID_TOO_OLD = 3, NEVER;
    /// The message id's time is ahead of the server's clock: correct the clock.
    MESSAGE_ID_AHEAD = 4, NEVER;
    /// The message id is not a UUID version 7.
    MESSAGE_ID_INVALID = 5, NEVER;
    /// `after` is ahead of the server's clock.
    AFTER_AHEAD = 6, NEVER;
    /// The time to live is outside its range.
    TTL_INVALID = 7, NEVER;
    /// Sender and recipient are the same account.
    SELF_ADDRESSED = 8, NEVER;
    /// Every inbox of the recipient is full.
    INBOX_FULL = 10, RETRY_AFTER;
    /// The account sends faster than it may.
    RATE_LIMITED = 11, RETRY_AFTER;
    /// The server has more to store than it may queue.
    OVERLOADED = 12, RETRY_AFTER;
    /// The server's disk is full.
    DISK_FULL = 13, RETRY_AFTER;
    /// An earlier message to this recipient was refused and must be sent first.
    OUT_OF_ORDER = 14, RETRY_AFTER;
    /// The server is shutting down.
    DRAINING = 15, MOVED;
    /// The server knows no such message between these accounts.
    UNKNOWN_MESSAGE = 20, NEVER;
    /// The message was not delivered to this device.
    NOT_DELIVERED = 21, NEVER;
    /// No account has this handle, or no such account exists.
    UNKNOWN_HANDLE = 22, NEVER;
    /// Another account has this handle.
    HANDLE_TAKEN = 30, NEVER;
    /// The handle has a length or characters that are not allowed.
    HANDLE_INVALID = 31, NEVER;
    /// This server takes no registrations.
    REGISTRATION_CLOSED = 32, NEVER;
    /// The registration token is missing, forged, or vouches for something else.
    TOKEN_INVALID = 33, RE_AUTHENTICATE;
    /// The registration token has expired.
    TOKEN_EXPIRED = 34, RE_AUTHENTICATE;
    /// The signature or the device was not accepted.
    AUTH_FAILED = 35, RE_AUTHENTICATE;
    /// The recipient's device list is another than the message was made for.
    STALE_RECIPIENT = 40, REFRESH_DEVICES;
    /// The sender's own device list is another than the message was made for.
    STALE_OWN = 41, REFRESH_DEVICES;
    /// The message's parts are not for exactly the devices that it must name.
    PARTS_MISMATCH = 42, NEVER;
    /// The device list breaks a rule, or one of its signatures is wrong.
    LIST_INVALID = 43, NEVER;
    /// Another device has published a list with this version or a later one.
    LIST_CONFLICT = 44, REFRESH_DEVICES;
    /// A prekey's id or signature is wrong, or the device is in no list.
    KEYS_INVALID = 45, NEVER;
    /// No device waits for this link, or the ticket is another.
    LINK_UNKNOWN = 46, NEVER;
    /// The connection would watch more accounts than it may.
    TOO_MANY_WATCHED = 50, NEVER;
    /// The account has as many relations as it may have.
    TOO_MANY_RELATIONS = 51, NEVER;
    /// A field has a value that this server does not know.
    VALUE_UNKNOWN = 52, NEVER;
    /// There is no such group, or the account is no member of it: which is not told.
    GROUP_UNKNOWN = 60, NEVER;
    /// The group's version or roster is another than the message was made for.
    GROUP_STALE = 61, REFRESH_DEVICES;
    /// The account's role does not allow it.
    GROUP_FORBIDDEN = 62, NEVER;
    /// The group would have more members than the server allows.
    GROUP_FULL = 63, NEVER;
    /// The record breaks a rule, or its signature is wrong.
    RECORD_INVALID = 64, NEVER;
    /// Another group has this id.
    GROUP_TAKEN = 65, NEVER;
    /// Sent by a client: it could not store this event now.
    REFUSED = 100, RETRY_AFTER;
}

impl NackCode {
    /// The one class of this code. Codes this version does not know are final.
    #[must_use]
    pub fn class(self) -> Class {
        Self::TABLE
            .iter()
            .find(|(code, _, _)| *code == self)
            .map_or(Class::NEVER, |(_, _, class)| *class)
    }

    /// The code's name as SPEC.md spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::TABLE
            .iter()
            .find(|(code, _, _)| *code == self)
            .map_or("UNKNOWN", |(_, name, _)| *name)
    }
}

impl fmt::Debug for NackCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_refusals_share_a_code() {
        for pair in NackCode::TABLE.windows(2) {
            assert!(pair[0].0 < pair[1].0, "{:?} and {:?}", pair[0], pair[1]);
        }
    }

    // [M-13.3]
    #[test]
    fn a_code_of_a_later_version_is_final() {
        assert_eq!(NackCode(60_000).class(), Class::NEVER);
        assert_eq!(NackCode(60_000).name(), "UNKNOWN");
    }
}
