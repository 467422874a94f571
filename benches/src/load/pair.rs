//! One pair: A sends, B acknowledges.

use std::collections::VecDeque;

use bytes::BytesMut;
use martlet_protocol::codec;
use martlet_protocol::frame::{Credit, Event, Frame, Receipt, Send, SendScope, Sent};
use martlet_protocol::wire::List;
use martlet_protocol::{Millis, State, Timestamp, UserId};

use crate::clock::Nanos;
use crate::credit::Purse;
use crate::flight::{Flight, Violation};
use crate::mark::RunMark;

/// One pair and its messages.
#[derive(Debug)]
pub(super) struct Pair {
    flight: Flight,
    /// Intended times of messages that the window or the credit holds back.
    waiting: VecDeque<Nanos>,
    purse: Purse,
    to: UserId,
    /// Where SENDs are built, to know their size before they are paid for.
    frame: BytesMut,
}

impl Pair {
    /// Messages go to the account `to`, as far as the server's `credit` allows.
    pub(super) fn new(credit: Credit, to: UserId) -> Self {
        let mut purse = Purse::default();
        purse.add(credit);
        Self {
            flight: Flight::default(),
            waiting: VecDeque::new(),
            purse,
            to,
            frame: BytesMut::new(),
        }
    }

    /// A message that is meant to leave at `intended` joins those that wait.
    pub(super) fn enqueue(&mut self, intended: Nanos) {
        self.waiting.push_back(intended);
    }

    /// Puts the next waiting message into A's output if window and credit allow it. Gives the
    /// time it was meant to leave.
    pub(super) fn issue(
        &mut self,
        window: usize,
        parcel: &Parcel<'_>,
        output: &mut BytesMut,
    ) -> Option<Nanos> {
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
        output.extend_from_slice(&self.frame);
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
    ) -> Result<Option<Nanos>, Violation> {
        match mark.sequence(event.message_id) {
            Some(sequence) => self.flight.event(sequence).map(Some),
            None => Ok(None),
        }
    }

    /// RECEIPT at A; see [`Flight::receipt`].
    pub(super) fn receipt(
        &mut self,
        receipt: &Receipt,
        completed: &mut Vec<Nanos>,
    ) -> Result<(), Violation> {
        if receipt.state != State::DELIVERED || receipt.peer.user != self.to {
            return Ok(());
        }
        self.flight.receipt(receipt.up_to, completed)
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
