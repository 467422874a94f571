//! The states of a message, as the wire numbers them.

use core::fmt;

/// Where a message stands. States only move forward:
///
/// ```text
///                ┌──────────► READ
///                │              ▲
///  SENT ────► DELIVERED ────────┘
///    │
///    └──► EXPIRED · OVERFLOW · HELD · DEVICE_GONE   (terminal, per device)
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State(pub u8);

impl State {
    /// In the recipient's inbox, on synced storage.
    pub const SENT: Self = Self(1);
    /// A device of the recipient has stored it and acknowledged its stream past it.
    pub const DELIVERED: Self = Self(2);
    /// The recipient has read the conversation up to it or further.
    pub const READ: Self = Self(3);
    /// Its time to live or the retention ended before a device took it.
    pub const EXPIRED: Self = Self(4);
    /// The device's inbox was full.
    pub const OVERFLOW: Self = Self(5);
    /// The device refused it five times; it is set aside.
    pub const HELD: Self = Self(6);
    /// The device was removed before it took it.
    pub const DEVICE_GONE: Self = Self(7);
    /// The own account has read it at another device. Told to the reader alone; no message of the
    /// own account is ever in this state.
    pub const SEEN: Self = Self(8);

    /// Whether this is one of the states version 1 knows.
    #[must_use]
    pub const fn is_known(self) -> bool {
        matches!(self.0, 1..=8)
    }

    /// Whether the message ends here for the device in question.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self.0, 4..=7)
    }

    /// The name users see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            1 => "sent",
            2 => "delivered",
            3 => "read",
            4 => "expired",
            5 => "overflow",
            6 => "held",
            7 => "device_gone",
            8 => "seen",
            _ => "unknown",
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}
