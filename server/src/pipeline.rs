//! Effects that wait until what they speak of is durable.

use std::collections::VecDeque;

/// The number of one batch of one reactor, dense, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

impl Ticket {
    /// The ticket of the next batch.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Effects in the order of the turns that made them, each turn with the batch it waits for.
///
/// Invariant: `durable ≤ submitted`, and nothing is released whose ticket is above `durable`. So
/// "SENT before durable" cannot be written by accident.
#[derive(Debug)]
pub struct Pipeline<E> {
    submitted: Ticket,
    durable: Ticket,
    waiting: VecDeque<(Ticket, Vec<E>)>,
    /// How many effects `waiting` holds.
    held: usize,
    /// Emptied lists, so that a turn allocates none.
    spare: Vec<Vec<E>>,
}

impl<E> Default for Pipeline<E> {
    fn default() -> Self {
        Self {
            submitted: Ticket::default(),
            durable: Ticket::default(),
            waiting: VecDeque::new(),
            held: 0,
            spare: Vec::new(),
        }
    }
}

impl<E> Pipeline<E> {
    /// The ticket under which the next batch must be submitted.
    pub fn next_ticket(&self) -> Ticket {
        self.submitted.next()
    }

    /// The batch with `ticket` is on its way.
    pub fn submitted(&mut self, ticket: Ticket) {
        assert!(ticket > self.submitted, "tickets go backwards");
        self.submitted = ticket;
    }

    /// Queues a turn's effects behind every batch submitted so far, this turn's included. Takes
    /// the effects and leaves an empty list.
    pub fn hold(&mut self, effects: &mut Vec<E>) {
        if effects.is_empty() {
            return;
        }
        let empty = self.spare.pop().unwrap_or_default();
        let effects = std::mem::replace(effects, empty);
        self.held += effects.len();
        self.waiting.push_back((self.submitted, effects));
    }

    /// Every batch up to `ticket` is durable.
    pub fn durable(&mut self, ticket: Ticket) {
        assert!(ticket >= self.durable, "the log went backwards");
        assert!(ticket <= self.submitted, "the log is ahead of its batches");
        self.durable = ticket;
    }

    /// Moves the effects that need not wait any longer to `released`, in order.
    pub fn release(&mut self, released: &mut Vec<E>) {
        while let Some((ticket, _)) = self.waiting.front() {
            if *ticket > self.durable {
                break;
            }
            let Some((_, mut effects)) = self.waiting.pop_front() else {
                break;
            };
            self.held -= effects.len();
            released.append(&mut effects);
            if self.spare.len() < SPARE_MAX {
                self.spare.push(effects);
            }
        }
    }

    /// How many effects wait. They are what clients can make a reactor hold while the disk stands
    /// still.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Whether everything is durable and released.
    pub fn is_idle(&self) -> bool {
        self.durable == self.submitted && self.waiting.is_empty()
    }
}

/// Turns that are in flight at once in practice: one being synced, one queued, one being filled.
const SPARE_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn release(pipeline: &mut Pipeline<&'static str>) -> Vec<&'static str> {
        let mut released = Vec::new();
        pipeline.release(&mut released);
        released
    }

    #[test]
    fn a_sender_is_not_told_sent_before_the_write_is_durable() {
        let mut pipeline = Pipeline::default();
        pipeline.submitted(Ticket(1));
        pipeline.hold(&mut vec!["SENT"]);
        assert!(release(&mut pipeline).is_empty());
        pipeline.durable(Ticket(1));
        assert_eq!(release(&mut pipeline), ["SENT"]);
        assert!(pipeline.is_idle());
    }

    #[test]
    fn effects_without_a_batch_of_their_own_wait_for_the_batches_before_them() {
        let mut pipeline = Pipeline::default();
        pipeline.submitted(Ticket(1));
        pipeline.hold(&mut vec!["SENT"]);
        pipeline.hold(&mut vec!["STATE"]);
        assert!(release(&mut pipeline).is_empty());
        pipeline.durable(Ticket(1));
        assert_eq!(release(&mut pipeline), ["SENT", "STATE"]);
    }

    #[test]
    fn effects_leave_in_the_order_of_their_turns() {
        let mut pipeline = Pipeline::default();
        for (number, effect) in [(1, "a"), (2, "b"), (3, "c")] {
            pipeline.submitted(Ticket(number));
            pipeline.hold(&mut vec![effect]);
        }
        pipeline.durable(Ticket(2));
        assert_eq!(pipeline.held(), 3);
        assert_eq!(release(&mut pipeline), ["a", "b"]);
        assert_eq!(pipeline.held(), 1);
        assert!(!pipeline.is_idle());
        pipeline.durable(Ticket(3));
        assert_eq!(release(&mut pipeline), ["c"]);
    }

    #[test]
    fn without_a_batch_in_flight_nothing_waits() {
        let mut pipeline = Pipeline::default();
        pipeline.hold(&mut vec!["PONG"]);
        assert_eq!(release(&mut pipeline), ["PONG"]);
    }

    #[test]
    #[should_panic(expected = "ahead of its batches")]
    fn a_commit_nobody_asked_for_is_a_programming_error() {
        Pipeline::<&str>::default().durable(Ticket(1));
    }
}
