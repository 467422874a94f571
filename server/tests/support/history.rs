//! What each device did and saw, in the order in which it happened.

use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

use martlet_protocol::{
    Address, Class, CloseCode, Kind, MessageId, NackCode, Position, State, Timestamp, UserId,
};
use parking_lot::Mutex;

/// One thing that a device did or saw. What it does is noted before it is written to the socket,
/// what it sees after it was read, so that a cause always stands before its effect.
#[derive(Clone, Debug)]
pub enum Deed {
    /// Sent a message, or sent it again.
    Send {
        to: UserId,
        id: MessageId,
        digest: u64,
    },
    /// Was told that a message is durable.
    Sent { id: MessageId, timestamp: Timestamp },
    /// Was refused a request about a message.
    Refused {
        of: Kind,
        id: MessageId,
        code: NackCode,
        class: Class,
    },
    /// Connected with what it had stored of its stream, and was told where it goes on.
    Resume { stored: Place, told: Place },
    /// Was not allowed to connect.
    TurnedAway { code: CloseCode },
    /// Received a message.
    Received {
        place: Place,
        author: Address,
        id: MessageId,
        timestamp: Timestamp,
        digest: u64,
    },
    /// Was told that positions have no item.
    Gap { from: Position, to: Position },
    /// Said that its user has read what this author wrote up to then.
    Read { author: Address, up_to: Timestamp },
    /// Was told how far a device has come with what it was sent.
    Receipt {
        place: Place,
        peer: Address,
        state: State,
        up_to: Timestamp,
    },
    /// Was told the state of one message.
    Fact {
        place: Place,
        id: MessageId,
        state: State,
    },
    /// Asked where a message stands.
    Ask { id: MessageId },
    /// Was told where a message stands.
    Told { id: MessageId, state: State },
}

/// A position and the epoch that gives it meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub epoch: u64,
    pub position: Position,
}

/// Who did or saw it.
#[derive(Clone, Debug)]
pub struct Entry {
    pub device: Address,
    pub deed: Deed,
}

/// A shared list of entries; their order is the order in time.
#[derive(Clone, Debug, Default)]
pub struct History(Arc<Mutex<Vec<Entry>>>);

impl History {
    /// Appends an entry.
    pub fn note(&self, device: Address, deed: Deed) {
        self.0.lock().push(Entry { device, deed });
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// Whether one of the entries from the number `since` on is such a deed.
    pub fn has(&self, since: usize, is_such: impl Fn(&Deed) -> bool) -> bool {
        self.0.lock()[since..]
            .iter()
            .any(|entry| is_such(&entry.deed))
    }

    /// Takes out all entries.
    pub fn take(&self) -> Vec<Entry> {
        std::mem::take(&mut self.0.lock())
    }
}

/// Stands for an envelope: other bytes have another digest.
pub fn digest(envelope: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(envelope);
    hasher.finish()
}
