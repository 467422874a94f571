//! The one table of frame types: code, name, direction.

use core::fmt;

/// A frame type as it stands in the header.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(pub u8);

/// Who may send a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Either side.
    Both,
    /// Only a client.
    ToServer,
    /// Only a server.
    ToClient,
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindInfo {
    /// The type code.
    pub kind: Kind,
    /// The name in SPEC.md.
    pub name: &'static str,
    /// Who may send it.
    pub direction: Direction,
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $direction:ident;)+) => {
        impl Kind {
            $($(#[doc = $doc])+ pub const $name: Self = Self($code);)+

            /// Every frame type of version 1, by ascending code.
            pub const TABLE: &'static [KindInfo] = &[$(KindInfo {
                kind: Self::$name,
                name: stringify!($name),
                direction: Direction::$direction,
            }),+];
        }
    };
}

kinds! {
    /// First frame of a client: versions and features.
    HELLO = 0x01, ToServer;
    /// The server's answer: chosen version, nonce, registration policy.
    CHALLENGE = 0x02, ToClient;
    /// Asks for a new account.
    REGISTER = 0x03, ToServer;
    /// The new account's ids.
    REGISTERED = 0x04, ToClient;
    /// Proves who the device is and says where its stream resumes.
    AUTH = 0x05, ToServer;
    /// The device is authenticated; the stream follows.
    READY = 0x06, ToClient;
    /// Asks for a PONG.
    PING = 0x07, Both;
    /// Answers a PING.
    PONG = 0x08, Both;
    /// Grants the peer more messages and bytes.
    CREDIT = 0x09, Both;
    /// Refuses one request or one event.
    NACK = 0x0a, Both;
    /// Announces the end of the connection and where to go.
    GOAWAY = 0x0b, ToClient;
    /// Last frame of a connection: why it ends.
    CLOSE = 0x0c, Both;
    /// A message for an account.
    SEND = 0x10, ToServer;
    /// The message is durable in the recipient's inbox.
    SENT = 0x11, ToClient;
    /// A message in the stream.
    EVENT = 0x12, ToClient;
    /// A watermark in the stream: delivered or read up to.
    RECEIPT = 0x13, ToClient;
    /// The state of one message in the stream.
    FACT = 0x14, ToClient;
    /// Positions of the stream that have no item any more.
    GAP = 0x15, ToClient;
    /// The backlog ends.
    CAUGHT_UP = 0x16, ToClient;
    /// The device has stored the stream up to a position.
    ACK = 0x17, ToServer;
    /// The person has read a conversation up to a message.
    READ = 0x18, ToServer;
    /// Asks for the state of one's own message.
    STATUS = 0x19, ToServer;
    /// Answers STATUS.
    STATE = 0x1a, ToClient;
    /// Asks for the account of a handle or the handle of an account.
    LOOKUP = 0x1b, ToServer;
    /// Answers LOOKUP.
    FOUND = 0x1c, ToClient;
    /// Asks for the device lists of an account.
    DEVICES = 0x1d, ToServer;
    /// Answers DEVICES, and precedes a refusal that a newer list explains.
    DEVICE_LISTS = 0x1e, ToClient;
    /// Publishes the account's next device list.
    PUBLISH = 0x1f, ToServer;
    /// The list is durable.
    PUBLISHED = 0x20, ToClient;
    /// Prekeys of the device for others to claim.
    UPLOAD = 0x21, ToServer;
    /// How many prekeys of the device the server has.
    STOCK = 0x22, ToClient;
    /// Asks for one prekey of each named device.
    CLAIM = 0x23, ToServer;
    /// Answers CLAIM.
    BUNDLES = 0x24, ToClient;
    /// Waits for a new device that knows the ticket.
    LINK_OPEN = 0x25, ToServer;
    /// The server remembers the ticket.
    LINK_OPENED = 0x26, ToClient;
    /// A new device without an account offers its keys to the one that waits.
    LINK_JOIN = 0x27, ToServer;
    /// What the new device offers.
    LINK_OFFER = 0x28, ToClient;
    /// The new device is in the account's list.
    LINKED = 0x29, ToClient;
    /// Waits no more for a new device.
    LINK_CLOSE = 0x2a, ToServer;
    /// The server has forgotten the ticket.
    LINK_CLOSED = 0x2b, ToClient;
    /// Begins or ends to watch the presence of accounts.
    WATCH = 0x30, ToServer;
    /// Whether a watched account is online.
    PRESENCE = 0x31, ToClient;
    /// Whether a person looks at the device.
    ACTIVE = 0x32, ToServer;
    /// A person types to another account.
    TYPING = 0x33, ToServer;
    /// A person of another account types.
    TYPED = 0x34, ToClient;
    /// Says what another account is to one's own.
    RELATE = 0x35, ToServer;
    /// The relation is durable.
    RELATED = 0x36, ToClient;
    /// Asks for the relations of one's own account.
    RELATIONS = 0x37, ToServer;
    /// Answers RELATIONS, and tells of a change by another device.
    RELATION_LIST = 0x38, ToClient;
    /// Asks for the settings of one's own account, or sets them.
    SETTINGS = 0x39, ToServer;
    /// Answers SETTINGS, and tells of a change by another device.
    SETTINGS_ARE = 0x3a, ToClient;
    /// A signed change of a group, of which the first makes it.
    GROUP_CHANGE = 0x40, ToServer;
    /// The change is durable and has its place in the group's log.
    GROUP_CHANGED = 0x41, ToClient;
    /// Asks for the records and the members of a group.
    GROUP_ASK = 0x42, ToServer;
    /// Answers GROUP_ASK.
    GROUP_STATE = 0x43, ToClient;
    /// A message for a group.
    GROUP_SEND = 0x44, ToServer;
    /// The message is durable in the group's log.
    GROUP_SENT = 0x45, ToClient;
    /// An entry of a group's log, in the inbox or in the group's own stream.
    GROUP_EVENT = 0x46, ToClient;
    /// The device has stored the group's own stream up to a sequence.
    GROUP_ACK = 0x47, ToServer;
    /// The person has read the group up to a sequence.
    GROUP_READ = 0x48, ToServer;
    /// Watermarks of a group's members in the stream: delivered or read up to.
    GROUP_RECEIPT = 0x49, ToClient;
    /// Asks how many members have one's own message.
    GROUP_COUNT = 0x4a, ToServer;
    /// Answers GROUP_COUNT.
    GROUP_COUNTED = 0x4b, ToClient;
    /// Asks for the groups of the account.
    GROUPS = 0x4c, ToServer;
    /// Answers GROUPS.
    GROUP_LIST = 0x4d, ToClient;
    /// Sequences of a group's own stream that have no entry any more.
    GROUP_GAP = 0x4e, ToClient;
    /// A person is typing in a group, or has stopped.
    GROUP_TYPING = 0x4f, ToServer;
    /// Another member is typing in a group, or has stopped.
    GROUP_TYPED = 0x50, ToClient;
}

impl Kind {
    /// The first type that a peer skips when it does not know it.
    pub const SKIPPABLE_MIN: Self = Self(0xc0);

    /// Whether a peer that does not know this type skips it.
    #[must_use]
    pub const fn is_skippable(self) -> bool {
        self.0 >= Self::SKIPPABLE_MIN.0
    }

    /// The table's row, or `None` for a type that version 1 does not have.
    #[must_use]
    pub fn info(self) -> Option<&'static KindInfo> {
        Self::TABLE.iter().find(|info| info.kind == self)
    }

    /// The name in SPEC.md, for logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.info().map_or("UNKNOWN", |info| info.name)
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(0x{:02x})", self.name(), self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend_and_stay_below_the_skippable_range() {
        for pair in Kind::TABLE.windows(2) {
            assert!(pair[0].kind < pair[1].kind, "{:?}", pair[1]);
        }
        assert!(Kind::TABLE.iter().all(|info| !info.kind.is_skippable()));
    }
}
