//! Why a connection ends.

use core::fmt;

/// Why a connection ends. Codes are added, never changed; an unknown one means "closed".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(pub u16);

macro_rules! close_codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal;)+) => {
        impl CloseCode {
            $($(#[doc = $doc])+ pub const $name: Self = Self($code);)+

            /// Every code of version 1 with its name.
            pub const TABLE: &'static [(Self, &'static str)] =
                &[$((Self::$name, stringify!($name))),+];
        }
    };
}

close_codes! {
    /// The peer is done.
    NORMAL = 1;
    /// A frame's checksum or contents are wrong.
    BAD_FRAME = 2;
    /// A frame is above the size limit.
    TOO_LARGE = 3;
    /// A frame type is unknown and not skippable.
    UNKNOWN_TYPE = 4;
    /// A frame is legal, but not in this state or direction.
    UNEXPECTED_FRAME = 5;
    /// No common version.
    VERSION_UNSUPPORTED = 6;
    /// The connection did not authenticate in time.
    AUTH_TIMEOUT = 7;
    /// Nothing was received for too long.
    IDLE_TIMEOUT = 8;
    /// The peer does not read what it asked for.
    SLOW_READER = 9;
    /// The peer takes too long to finish a frame.
    SLOW_FRAME = 10;
    /// The device opened another connection.
    REPLACED = 11;
    /// The peer sends or connects faster than it may.
    RATE_LIMITED = 12;
    /// Too many connections, from this address or in all.
    TOO_MANY_CONNECTIONS = 13;
    /// The peer sent more than its credit.
    CREDIT_EXCEEDED = 14;
    /// The server is shutting down.
    SHUTDOWN = 15;
    /// The device was removed from its account.
    DEVICE_GONE = 16;
    /// Authentication failed.
    AUTH_FAILED = 17;
    /// An acknowledgement or refusal names a position that was never pushed.
    BAD_ACK = 18;
    /// The server failed; the connection's state is lost, nothing acknowledged is.
    INTERNAL = 19;
}

impl CloseCode {
    /// The code's name as SPEC.md spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::TABLE
            .iter()
            .find(|(code, _)| *code == self)
            .map_or("UNKNOWN", |(_, name)| *name)
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_reasons_share_a_code() {
        for pair in CloseCode::TABLE.windows(2) {
            assert!(pair[0].0 < pair[1].0, "{:?} and {:?}", pair[0], pair[1]);
        }
    }

    // [M-14.4]
    #[test]
    fn a_code_of_a_later_version_has_no_name_and_is_no_error() {
        assert_eq!(CloseCode(60_000).name(), "UNKNOWN");
        assert_eq!(CloseCode::SHUTDOWN.name(), "SHUTDOWN");
    }
}
