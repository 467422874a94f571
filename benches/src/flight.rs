//! The messages of one pair that are on their way, and when each of them is complete.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;

use martlet_protocol::Timestamp;

use crate::clock::Nanos;

/// A promise that the server broke; one is enough to void a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// An answer names a message that was never sent, or answers it a second time.
    AnswerUnknown,
    /// More stream items came than were granted.
    CreditExceeded,
    /// A member of a group was not given an entry that it should have.
    EntryMissing,
    /// An entry of a group has another place at another member.
    EntryMoved,
    /// The recipient was given a message out of order, or twice.
    EventOutOfOrder,
    /// A stream item does not stand right behind the one before.
    PositionNotNext,
    /// A receipt covers a message that the recipient has not been given.
    ReceiptBeforeEvent,
    /// A message's timestamp is not later than that of the message before.
    TimestampNotLater,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server broke a promise: {self:?}")
    }
}

impl Error for Violation {}

/// The messages from A to B between SEND and the receipt that covers them.
///
/// Receipts are watermarks: one with `up_to` completes every message whose SENT timestamp is at
/// or before it. SENT and the receipt may come in either order when A and B live on different
/// shards, and so may the answers to two messages: a message completes with whichever comes last.
/// Invariant: `first ≤ given ≤ issued`, and `messages` holds `first..issued`.
#[derive(Debug, Default)]
pub struct Flight {
    messages: VecDeque<Message>,
    /// The sequence of `messages[0]`.
    first: u64,
    /// How many messages the recipient was given.
    given: u64,
    /// How many of `messages` are not complete.
    open: usize,
    delivered_up_to: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Message {
    intended: Nanos,
    /// Known from SENT on.
    timestamp: Option<Timestamp>,
    complete: bool,
}

impl Flight {
    /// How many messages are on their way.
    pub fn open(&self) -> usize {
        self.open
    }

    /// How many messages were issued: the sequence of the next one.
    pub fn issued(&self) -> u64 {
        self.first + self.messages.len() as u64
    }

    /// A message that was meant to leave at `intended`; gives its sequence, counted from 0.
    pub fn issue(&mut self, intended: Nanos) -> u64 {
        let sequence = self.issued();
        self.messages.push_back(Message {
            intended,
            timestamp: None,
            complete: false,
        });
        self.open += 1;
        sequence
    }

    /// The recipient was given the message. Gives the time it was meant to leave.
    pub fn event(&mut self, sequence: u64) -> Result<Nanos, Violation> {
        if sequence != self.given {
            return Err(Violation::EventOutOfOrder);
        }
        let index = self.index(sequence).ok_or(Violation::AnswerUnknown)?;
        self.given += 1;
        Ok(self.messages[index].intended)
    }

    /// SENT. Gives the time the message was meant to leave; when the receipt was first, the
    /// message completes now and its time is also appended to `completed`.
    pub fn sent(
        &mut self,
        sequence: u64,
        timestamp: Timestamp,
        completed: &mut Vec<Nanos>,
    ) -> Result<Nanos, Violation> {
        let index = self.index(sequence).ok_or(Violation::AnswerUnknown)?;
        let message = self.messages[index];
        if message.timestamp.is_some() {
            return Err(Violation::AnswerUnknown);
        }
        let before = self
            .messages
            .range(..index)
            .rev()
            .find_map(|message| message.timestamp);
        let after = self
            .messages
            .range(index + 1..)
            .find_map(|message| message.timestamp);
        if before.is_some_and(|before| before >= timestamp)
            || after.is_some_and(|after| after <= timestamp)
        {
            return Err(Violation::TimestampNotLater);
        }
        self.messages[index].timestamp = Some(timestamp);
        self.complete(completed)?;
        Ok(message.intended)
    }

    /// A receipt for everything up to `up_to`. Appends the intended times of the messages that
    /// it completes.
    pub fn receipt(&mut self, up_to: Timestamp, done: &mut Vec<Nanos>) -> Result<(), Violation> {
        self.delivered_up_to = self.delivered_up_to.max(up_to);
        self.complete(done)
    }

    fn complete(&mut self, completed: &mut Vec<Nanos>) -> Result<(), Violation> {
        for (sequence, message) in (self.first..).zip(&mut self.messages) {
            let Some(timestamp) = message.timestamp else {
                continue;
            };
            if timestamp > self.delivered_up_to {
                // Timestamps ascend with the sequence: nothing behind this one is covered.
                break;
            }
            if sequence >= self.given {
                return Err(Violation::ReceiptBeforeEvent);
            }
            if !std::mem::replace(&mut message.complete, true) {
                self.open -= 1;
                completed.push(message.intended);
            }
        }
        while self
            .messages
            .pop_front_if(|message| message.complete)
            .is_some()
        {
            self.first += 1;
        }
        Ok(())
    }

    fn index(&self, sequence: u64) -> Option<usize> {
        let index = usize::try_from(sequence.checked_sub(self.first)?).ok()?;
        (index < self.messages.len()).then_some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(micros: u64) -> Timestamp {
        Timestamp(micros)
    }

    /// Three messages, meant for 10, 20 and 30 ns, all given to the recipient.
    fn three_delivered() -> Flight {
        let mut flight = Flight::default();
        for sequence in 0..3 {
            assert_eq!(flight.issue(Nanos(10 * (sequence + 1))), sequence);
            flight.event(sequence).unwrap();
        }
        flight
    }

    #[test]
    fn one_receipt_completes_every_message_at_or_before_it_and_none_behind_it() {
        let (mut flight, mut done) = (three_delivered(), Vec::new());
        for sequence in 0..3 {
            flight
                .sent(sequence, at(100 + sequence), &mut done)
                .unwrap();
        }
        assert!(done.is_empty());
        flight.receipt(at(101), &mut done).unwrap();
        assert_eq!(done, [Nanos(10), Nanos(20)]);
        assert_eq!(flight.open(), 1);
        flight.receipt(at(102), &mut done).unwrap();
        assert_eq!(done, [Nanos(10), Nanos(20), Nanos(30)]);
        assert_eq!(flight.open(), 0);
    }

    #[test]
    fn an_older_or_repeated_receipt_completes_nothing_twice() {
        let (mut flight, mut done) = (three_delivered(), Vec::new());
        for sequence in 0..3 {
            flight
                .sent(sequence, at(100 + sequence), &mut done)
                .unwrap();
        }
        for up_to in [101, 101, 99] {
            flight.receipt(at(up_to), &mut done).unwrap();
        }
        assert_eq!(done.len(), 2);
    }

    #[test]
    fn a_receipt_ahead_of_sent_completes_the_message_when_sent_comes() {
        let (mut flight, mut done) = (three_delivered(), Vec::new());
        flight.receipt(at(100), &mut done).unwrap();
        assert!(done.is_empty());
        assert_eq!(flight.sent(0, at(100), &mut done), Ok(Nanos(10)));
        assert_eq!(done, [Nanos(10)]);
        assert_eq!(flight.sent(1, at(101), &mut done), Ok(Nanos(20)));
        assert_eq!((done.len(), flight.open()), (1, 2));
    }

    #[test]
    fn answers_in_another_order_complete_each_message_once() {
        let (mut flight, mut done) = (three_delivered(), Vec::new());
        flight.sent(1, at(101), &mut done).unwrap();
        flight.receipt(at(102), &mut done).unwrap();
        assert_eq!(done, [Nanos(20)]);
        flight.sent(2, at(102), &mut done).unwrap();
        flight.sent(0, at(100), &mut done).unwrap();
        assert_eq!(done, [Nanos(20), Nanos(30), Nanos(10)]);
        assert_eq!(flight.open(), 0);
        assert_eq!(
            flight.sent(0, at(100), &mut done),
            Err(Violation::AnswerUnknown)
        );
    }

    #[test]
    fn a_message_is_not_complete_before_its_recipient_has_it() {
        let (mut flight, mut done) = (Flight::default(), Vec::new());
        flight.issue(Nanos(1));
        flight.sent(0, at(5), &mut done).unwrap();
        assert_eq!(
            flight.receipt(at(5), &mut done),
            Err(Violation::ReceiptBeforeEvent)
        );
        assert!(done.is_empty());
    }

    #[test]
    fn duplicates_and_disorder_and_strangers_are_noticed() {
        let mut flight = Flight::default();
        for time in 0..3 {
            flight.issue(Nanos(time));
        }
        assert_eq!(flight.event(1), Err(Violation::EventOutOfOrder));
        assert_eq!(flight.event(0), Ok(Nanos(0)));
        assert_eq!(flight.event(0), Err(Violation::EventOutOfOrder));
        let mut done = Vec::new();
        flight.sent(1, at(7), &mut done).unwrap();
        assert_eq!(
            flight.sent(1, at(8), &mut done),
            Err(Violation::AnswerUnknown)
        );
        assert_eq!(
            flight.sent(9, at(9), &mut done),
            Err(Violation::AnswerUnknown)
        );
        assert_eq!(
            flight.sent(0, at(7), &mut done),
            Err(Violation::TimestampNotLater)
        );
        assert_eq!(
            flight.sent(2, at(6), &mut done),
            Err(Violation::TimestampNotLater)
        );
    }
}
