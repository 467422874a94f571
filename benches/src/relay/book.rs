//! Who the limit program knows, and where each of them stands in its stream.

use std::collections::{HashMap, VecDeque};

use bytes::BytesMut;
use martlet_protocol::frame::Credit;
use martlet_protocol::{Position, Timestamp, UserId};

use crate::credit::{Granted, Purse};

/// All accounts, numbered from 1 in the order of their registration. In memory only.
#[derive(Debug, Default)]
pub(super) struct Book {
    users: HashMap<String, UserId>,
    seats: Vec<Seat>,
}

/// One account: its connection and its stream.
#[derive(Debug, Default)]
pub(super) struct Seat {
    /// The connection that is authenticated as this account.
    pub(super) connection: Option<usize>,
    /// What the account may still send.
    pub(super) granted: Granted,
    /// The last position given to a stream item.
    pub(super) tail: Position,
    /// The last position acknowledged. Invariant: `cursor ≤ tail`.
    pub(super) cursor: Position,
    /// Events behind the cursor, oldest first.
    pending: VecDeque<Pending>,
    /// What may still be pushed to the account.
    purse: Purse,
    /// Stream items that wait for credit, oldest first.
    parked: VecDeque<Vec<u8>>,
}

#[derive(Debug)]
struct Pending {
    position: Position,
    author: UserId,
    timestamp: Timestamp,
}

/// A receipt due to `author`: everything up to `up_to` was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) author: UserId,
    pub(super) up_to: Timestamp,
}

impl Book {
    /// The account called `handle`, made now if there was none.
    pub(super) fn register(&mut self, handle: &str) -> UserId {
        if let Some(user) = self.users.get(handle) {
            return *user;
        }
        self.seats.push(Seat::default());
        let user = UserId(self.seats.len() as u64);
        self.users.insert(handle.to_owned(), user);
        user
    }

    /// The account with this number.
    pub(super) fn seat(&mut self, user: UserId) -> Option<&mut Seat> {
        let index = usize::try_from(user.0.checked_sub(1)?).ok()?;
        self.seats.get_mut(index)
    }
}

impl Seat {
    /// The account is on this connection from now on, and grants `credit`.
    pub(super) fn connect(&mut self, slot: usize, credit: Credit) {
        self.connection = Some(slot);
        self.granted = Granted::new();
        self.purse = Purse::default();
        self.purse.add(credit);
        self.parked.clear();
    }

    /// Appends a stream item to `output`, or keeps it until there is credit for it.
    pub(super) fn push_item(&mut self, frame: &[u8], output: &mut BytesMut) {
        if self.parked.is_empty() && self.purse.spend(frame.len()) {
            output.extend_from_slice(frame);
        } else {
            self.parked.push_back(frame.to_vec());
        }
    }

    /// The account granted more: appends what this pays for to `output`.
    pub(super) fn refill(&mut self, credit: Credit, output: &mut BytesMut) {
        self.purse.add(credit);
        while self
            .parked
            .front()
            .is_some_and(|frame| self.purse.spend(frame.len()))
        {
            output.extend_from_slice(&self.parked.pop_front().unwrap_or_default());
        }
    }

    /// The place of the next item in this account's stream.
    pub(super) fn next_position(&mut self) -> Position {
        self.tail = self.tail.next();
        self.tail
    }

    /// The place of an event that `author` shall get a receipt for.
    pub(super) fn next_event(&mut self, author: UserId, timestamp: Timestamp) -> Position {
        let position = self.next_position();
        self.pending.push_back(Pending {
            position,
            author,
            timestamp,
        });
        position
    }

    /// Moves the cursor and collects the receipts that this makes due, one for each author.
    /// An acknowledgement beyond the tail is refused, one at or behind the cursor changes nothing.
    pub(super) fn acknowledge(&mut self, position: Position, due: &mut Vec<Due>) -> bool {
        if position > self.tail {
            return false;
        }
        self.cursor = self.cursor.max(position);
        while let Some(event) = self
            .pending
            .pop_front_if(|event| event.position <= position)
        {
            match due
                .iter_mut()
                .find(|receipt| receipt.author == event.author)
            {
                Some(receipt) => receipt.up_to = receipt.up_to.max(event.timestamp),
                None => due.push(Due {
                    author: event.author,
                    up_to: event.timestamp,
                }),
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_keeps_its_number() {
        let mut book = Book::default();
        assert_eq!(book.register("ann"), UserId(1));
        assert_eq!(book.register("bob"), UserId(2));
        assert_eq!(book.register("ann"), UserId(1));
        assert!(book.seat(UserId(2)).is_some());
        assert!(book.seat(UserId(0)).is_none() && book.seat(UserId(3)).is_none());
    }

    #[test]
    fn one_acknowledgement_makes_one_receipt_for_each_author() {
        let (mut seat, mut due) = (Seat::default(), Vec::new());
        let (ann, bob) = (UserId(1), UserId(2));
        seat.next_event(ann, Timestamp(10));
        seat.next_event(bob, Timestamp(11));
        seat.next_position();
        seat.next_event(ann, Timestamp(12));
        seat.next_event(ann, Timestamp(13));
        assert!(seat.acknowledge(Position(4), &mut due));
        let expected = [
            Due {
                author: ann,
                up_to: Timestamp(12),
            },
            Due {
                author: bob,
                up_to: Timestamp(11),
            },
        ];
        assert_eq!(due, expected);
    }

    #[test]
    fn items_without_credit_wait_and_keep_their_order() {
        let (mut seat, mut output) = (Seat::default(), BytesMut::new());
        seat.connect(
            0,
            Credit {
                messages: 1,
                bytes: 100,
            },
        );
        for item in [b"a", b"b", b"c"] {
            seat.push_item(item, &mut output);
        }
        assert_eq!(&output[..], b"a");
        seat.refill(
            Credit {
                messages: 1,
                bytes: 0,
            },
            &mut output,
        );
        assert_eq!(&output[..], b"ab");
        seat.push_item(b"d", &mut output);
        seat.refill(
            Credit {
                messages: 9,
                bytes: 0,
            },
            &mut output,
        );
        assert_eq!(&output[..], b"abcd");
    }

    #[test]
    fn an_acknowledgement_of_what_was_never_pushed_is_refused() {
        let (mut seat, mut due) = (Seat::default(), Vec::new());
        seat.next_event(UserId(1), Timestamp(10));
        assert!(!seat.acknowledge(Position(2), &mut due));
        assert!(seat.acknowledge(Position(1), &mut due));
        assert!(seat.acknowledge(Position(0), &mut due));
        assert_eq!((due.len(), seat.cursor), (1, Position(1)));
    }
}
