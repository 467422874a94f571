//! Servers that are wrong on purpose: each must be caught, or the oracle watches nothing.

use crate::lie::Lie;

/// What is wrong with the server of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// It is right in everything.
    Nothing,
    /// It has a fault that nobody knows of: the ledger must find it.
    Mutant(Mutant),
    /// It lies, and the ledger knows: the clients must find it.
    Liar(Lie),
}

/// A way to be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Effects happen when their turn is handed to the disk, not when it is synced.
    EffectsBeforeSync,
    /// A crash takes the newest synced write as well.
    LastSyncLost,
    /// What is acknowledged is told to the sender's shard now and then, not always.
    ReceiptDropped,
    /// A receipt of delivery says that the message was read.
    ReadWithoutReading,
    /// An item is pushed twice.
    ItemPushedTwice,
    /// A gap is not told.
    GapSwallowed,
    /// SENT is told when the recipient's shard is done; the sender's own may lose its copies.
    SentBeforeCopies,
    /// A restart forgets which messages were accepted.
    RetryForgotten,
    /// Of two messages that arrive together the second is placed first.
    SendsSwapped,
    /// The recipient's message is changed on its way.
    EnvelopeChanged,
    /// A prekey that was given to one client is given to the next one as well.
    PrekeyGivenTwice,
    /// A crash brings back prekeys that were given away.
    PrekeysBack,
    /// The connection of a device that was removed stays.
    RemovedStays,
    /// What waited for a device that was removed stays.
    RemovedInboxKept,
    /// A message that was made for an old list is placed at the devices that it knows of.
    StalePlaced,
    /// Two devices of an account get each other's part of a message.
    PartsSwapped,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::EffectsBeforeSync,
        Self::LastSyncLost,
        Self::ReceiptDropped,
        Self::ReadWithoutReading,
        Self::ItemPushedTwice,
        Self::GapSwallowed,
        Self::SentBeforeCopies,
        Self::RetryForgotten,
        Self::SendsSwapped,
        Self::EnvelopeChanged,
        Self::PrekeyGivenTwice,
        Self::PrekeysBack,
        Self::RemovedStays,
        Self::RemovedInboxKept,
        Self::StalePlaced,
        Self::PartsSwapped,
    ];
}
