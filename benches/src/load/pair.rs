//! One pair: A sends, B acknowledges, both over their own connection.

use std::collections::VecDeque;
use std::io;

use bytes::BytesMut;
use martlet_protocol::codec;
use martlet_protocol::frame::{Ack, Credit, Event, Frame, Receipt, Send, SendScope, Sent};
use martlet_protocol::wire::List;
use martlet_protocol::{MessageId, Millis, Position, State, Timestamp, UserId};

use crate::account::{Account, Session};
use crate::clock::Nanos;
use crate::credit::{Granted, Purse};
use crate::flight::{Flight, Violation};
use crate::link::Link;

/// The names of a run's messages: a message id holds the run's mark and the sequence within its
/// pair, so an answer is matched without a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RunMark(pub(super) [u8; 5]);

/// One pair and its messages.
#[derive(Debug)]
pub(super) struct Pair {
    /// A's connection.
    pub(super) sender: End,
    /// B's connection.
    pub(super) recipient: End,
    flight: Flight,
    /// Intended times of messages that the window or the credit holds back.
    waiting: VecDeque<Nanos>,
    purse: Purse,
    to: UserId,
    /// Where SENDs are built, to know their size before they are paid for.
    frame: BytesMut,
}

/// One side's connection and stream.
#[derive(Debug)]
pub(super) struct End {
    /// The socket.
    pub(super) link: Link,
    /// Whether it waits for the end of the turn to be flushed.
    pub(super) dirty: bool,
    seen: Position,
    acknowledged: Position,
    granted: Granted,
}

impl Pair {
    /// Takes over both sides' sessions; messages go from `sender` to the account `to`.
    pub(super) fn new(sender: Session, recipient: Session, to: &Account) -> io::Result<Self> {
        let mut purse = Purse::default();
        purse.add(sender.ready.credit);
        Ok(Self {
            sender: End::new(sender)?,
            recipient: End::new(recipient)?,
            flight: Flight::default(),
            waiting: VecDeque::new(),
            purse,
            to: to.address().user,
            frame: BytesMut::new(),
        })
    }

    /// The side that a worker's token names: even for A, odd for B.
    pub(super) fn end(&mut self, token: usize) -> &mut End {
        if token.is_multiple_of(2) {
            &mut self.sender
        } else {
            &mut self.recipient
        }
    }

    /// A message that is meant to leave at `intended` joins those that wait.
    pub(super) fn enqueue(&mut self, intended: Nanos) {
        self.waiting.push_back(intended);
    }

    /// Puts the next waiting message into A's output if window and credit allow it. Gives the
    /// time it was meant to leave.
    pub(super) fn issue(&mut self, window: usize, parcel: &Parcel<'_>) -> Option<Nanos> {
        let intended = *self.waiting.front()?;
        if self.flight.open() >= window {
            return None;
        }
        let send = Send {
            message_id: parcel.mark.message_id(self.flight.issued(), parcel.now),
            to: self.to,
            after: Timestamp(0),
            ttl_ms: 0,
            scope: SendScope::ALL,
            to_version: 0,
            own_version: 0,
            to_parts: List::EMPTY,
            own_parts: List::EMPTY,
            envelope: parcel.envelope,
        };
        self.frame.clear();
        codec::encode(&Frame::Send(send), &mut self.frame);
        if !self.purse.spend(self.frame.len()) {
            return None;
        }
        self.waiting.pop_front();
        self.flight.issue(intended);
        self.sender.link.output().extend_from_slice(&self.frame);
        Some(intended)
    }

    /// How many messages are on their way or wait to leave.
    pub(super) fn unfinished(&self) -> usize {
        self.flight.open() + self.waiting.len()
    }

    /// The server granted A more.
    pub(super) fn granted(&mut self, credit: Credit) {
        self.purse.add(credit);
    }

    /// SENT at A; see [`Flight::sent`].
    pub(super) fn sent(
        &mut self,
        mark: RunMark,
        sent: &Sent,
        completed: &mut Vec<Nanos>,
    ) -> Result<Nanos, Violation> {
        let sequence = mark
            .sequence(sent.message_id)
            .ok_or(Violation::AnswerUnknown)?;
        self.flight.sent(sequence, sent.timestamp, completed)
    }

    /// EVENT at B. Gives the time its message was meant to leave, or `None` for a message of an
    /// earlier run.
    pub(super) fn event(
        &mut self,
        mark: RunMark,
        event: &Event<'_>,
        frame_bytes: usize,
    ) -> Result<Option<Nanos>, Violation> {
        self.recipient
            .item(event.position, event.position, frame_bytes)?;
        match mark.sequence(event.message_id) {
            Some(sequence) => self.flight.event(sequence).map(Some),
            None => Ok(None),
        }
    }

    /// RECEIPT at A; see [`Flight::receipt`].
    pub(super) fn receipt(
        &mut self,
        receipt: &Receipt,
        frame_bytes: usize,
        completed: &mut Vec<Nanos>,
    ) -> Result<(), Violation> {
        self.sender
            .item(receipt.position, receipt.position, frame_bytes)?;
        if receipt.state != State::DELIVERED || receipt.peer.user != self.to {
            return Ok(());
        }
        self.flight.receipt(receipt.up_to, completed)
    }
}

impl End {
    fn new(session: Session) -> io::Result<Self> {
        Ok(Self {
            link: Link::new(session.stream, session.rest)?,
            dirty: false,
            seen: session.ready.cursor,
            acknowledged: session.ready.cursor,
            granted: Granted::new(),
        })
    }

    /// A stream item came that takes the positions `from..=to`.
    pub(super) fn item(
        &mut self,
        from: Position,
        to: Position,
        frame_bytes: usize,
    ) -> Result<(), Violation> {
        if from != self.seen.next() {
            return Err(Violation::PositionNotNext);
        }
        self.seen = to;
        self.granted
            .spend(frame_bytes)
            .map_err(|_| Violation::CreditExceeded)
    }

    /// Ends the turn for this side: one ACK for all that came, and credit when half is spent.
    pub(super) fn settle(&mut self) {
        if self.seen > self.acknowledged {
            self.acknowledged = self.seen;
            codec::encode(
                &Frame::Ack(Ack {
                    position: self.seen,
                }),
                self.link.output(),
            );
        }
        if let Some(credit) = self.granted.refill() {
            codec::encode(&Frame::Credit(credit), self.link.output());
        }
    }
}

/// What every message of a turn has in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parcel<'a> {
    /// The run's mark.
    pub(super) mark: RunMark,
    /// The time of day in milliseconds.
    pub(super) now: Millis,
    /// The opaque payload.
    pub(super) envelope: &'a [u8],
}

impl RunMark {
    fn message_id(self, sequence: u64, now: Millis) -> MessageId {
        let Self([a, b, c, d, e]) = self;
        let [.., s0, s1, s2, s3, s4] = sequence.to_be_bytes();
        MessageId::new(now, [a, b, c, d, e, s0, s1, s2, s3, s4])
    }

    /// The sequence, if the id is of this run.
    fn sequence(self, id: MessageId) -> Option<u64> {
        let [_, _, _, _, _, _, _, _, _, _, _, s0, s1, s2, s3, s4] = id.0;
        let sequence = u64::from_be_bytes([0, 0, 0, s0, s1, s2, s3, s4]);
        // The version and variant bits of a UUID take the place of some of the mark's.
        (self.message_id(sequence, id.time()?) == id).then_some(sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_leads_back_to_its_sequence_and_only_in_its_own_run() {
        let (mine, other) = (RunMark([1, 2, 3, 4, 5]), RunMark([1, 2, 3, 4, 6]));
        for sequence in [0, 1, 255, 256, (1 << 40) - 1] {
            let id = mine.message_id(sequence, Millis(1_700_000_000_000));
            assert_eq!(mine.sequence(id), Some(sequence));
            assert_eq!(other.sequence(id), None);
            assert_eq!(id.time(), Some(Millis(1_700_000_000_000)));
        }
    }
}
