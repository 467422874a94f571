//! Servers that are wrong on purpose: each must be caught, or the oracle watches nothing.

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
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 10] = [
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
    ];
}
