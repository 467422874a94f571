//! What the judge says: which promises were broken, and how much there was to judge.

use std::collections::BTreeMap;

use martlet_protocol::{Address, CloseCode, Kind, MessageId, NackCode, Position, State};

use super::history::Place;

/// A message is known by its sender and its id.
pub type Key = (Address, MessageId);

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Arrived with other bytes.
    Altered(Key),
    /// Was answered by two different timestamps.
    AnsweredTwice(Key),
    /// Nobody sent it, or not to this device.
    Phantom { device: Address, message: Key },
    /// Arrived a second time.
    Duplicate(Key),
    /// SENT, and never arrived.
    Lost(Key),
    /// Overtook an earlier message of its sender to the same account.
    Overtaken(Key),
    /// The timestamps in one inbox do not rise, or SENT told another one than the inbox.
    TimestampWrong(Key),
    /// A position of one history was used twice, or left out.
    PositionWrong { device: Address, place: Place },
    /// The stream does not go on where the device had stored it.
    Restored {
        device: Address,
        stored: Place,
        told: Place,
    },
    /// A device was not let in.
    TurnedAway { device: Address, code: CloseCode },
    /// Positions without items although nothing expired or overflowed.
    Gap {
        device: Address,
        from: Position,
        to: Position,
    },
    /// A request was refused for good.
    Refused {
        message: Key,
        of: Kind,
        code: NackCode,
    },
    /// A message was refused for good and arrived.
    RefusedYetDelivered(Key),
    /// Was never answered.
    Unanswered(Key),
    /// A receipt or STATE tells of what had not happened.
    Untrue { device: Address, state: State },
    /// A watermark does not rise.
    ReceiptFell { device: Address, state: State },
    /// A message was in a later state before.
    StateFell {
        message: Key,
        from: State,
        to: State,
    },
    /// A message arrived (or was read), and its sender was never told.
    ReceiptMissing { message: Key, state: State },
}

/// How much there was to judge: a clean verdict over nothing proves nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Different messages sent.
    pub messages: usize,
    /// Of them answered by SENT.
    pub sent: usize,
    /// Messages received.
    pub received: usize,
    /// SENDs that were repetitions.
    pub retries: usize,
    /// SENT answers to a repetition of what had already arrived.
    pub repeats_answered: usize,
    /// Receipts.
    pub receipts: usize,
    /// Answers to STATUS.
    pub states: usize,
    /// Connections.
    pub connections: usize,
}

/// What the judge found.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// In the order of discovery.
    pub violations: Vec<Violation>,
    /// How much there was to judge.
    pub counts: Counts,
}

impl Verdict {
    /// # Panics
    /// When there is a violation.
    pub fn assert_clean(&self) {
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        for violation in &self.violations {
            let text = format!("{violation:?}");
            let name = text.split([' ', '(']).next().unwrap_or_default();
            *kinds.entry(name.to_owned()).or_default() += 1;
        }
        let first = &self.violations[..self.violations.len().min(20)];
        let counts = self.counts;
        assert!(
            first.is_empty(),
            "{kinds:?} in {counts:?}, first {first:#?}"
        );
    }

    /// The messages that were acknowledged and never arrived.
    pub fn lost(&self) -> usize {
        let is_lost = |violation: &&Violation| matches!(violation, Violation::Lost(_));
        self.violations.iter().filter(is_lost).count()
    }
}
