//! Frames that must not leave before the log is durable.

use std::collections::VecDeque;

use bytes::BytesMut;
use martlet_protocol::UserId;
use martlet_protocol::codec;
use martlet_protocol::frame::Frame;

/// The frames of turns whose sync has not come back yet, already encoded.
///
/// A frame waits for the sync that covers the turn in which it was made: nobody is told of
/// anything that a power cut could undo.
#[derive(Debug, Default)]
pub(super) struct Hold {
    /// The turn that runs now.
    current: Turn,
    waiting: VecDeque<Turn>,
    /// Emptied turns, kept for their buffers.
    spare: Vec<Turn>,
}

#[derive(Debug, Default)]
struct Turn {
    ticket: u64,
    frames: BytesMut,
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    to: UserId,
    bytes: usize,
    costs_credit: bool,
}

/// An encoded frame that may leave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Released<'a> {
    pub(super) to: UserId,
    pub(super) frame: &'a [u8],
    /// Whether it is a stream item.
    pub(super) costs_credit: bool,
}

impl Hold {
    /// A frame for `to`, made in the turn that runs now.
    pub(super) fn push(&mut self, to: UserId, frame: &Frame<'_>) {
        let before = self.current.frames.len();
        codec::encode(frame, &mut self.current.frames);
        let bytes = self.current.frames.len() - before;
        let costs_credit = matches!(frame, Frame::Event(_) | Frame::Receipt(_));
        self.current.parts.push(Part {
            to,
            bytes,
            costs_credit,
        });
    }

    /// Ends the turn: its frames wait for `ticket`.
    pub(super) fn end_turn(&mut self, ticket: u64) {
        if self.current.parts.is_empty() {
            return;
        }
        let next = self.spare.pop().unwrap_or_default();
        let mut turn = std::mem::replace(&mut self.current, next);
        turn.ticket = ticket;
        self.waiting.push_back(turn);
    }

    /// Hands every frame that waited for `durable` or an earlier ticket to `deliver`, in order.
    pub(super) fn release(&mut self, durable: u64, mut deliver: impl FnMut(Released<'_>)) {
        while let Some(mut turn) = self.waiting.pop_front_if(|turn| turn.ticket <= durable) {
            let mut rest = &turn.frames[..];
            for part in turn.parts.drain(..) {
                let (frame, behind) = rest.split_at(part.bytes);
                let Part {
                    to, costs_credit, ..
                } = part;
                deliver(Released {
                    to,
                    frame,
                    costs_credit,
                });
                rest = behind;
            }
            turn.frames.clear();
            self.spare.push(turn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use martlet_protocol::frame::Ping;

    fn released(hold: &mut Hold, durable: u64) -> Vec<(u64, usize)> {
        let mut all = Vec::new();
        hold.release(durable, |it| all.push((it.to.0, it.frame.len())));
        all
    }

    #[test]
    fn a_frame_leaves_with_the_sync_that_covers_its_turn_and_not_with_an_earlier_one() {
        let mut hold = Hold::default();
        for (turn, user) in [(1, 10), (2, 20), (3, 30)] {
            hold.push(UserId(user), &Frame::Ping(Ping { token: turn }));
            hold.end_turn(turn);
        }
        hold.push(UserId(40), &Frame::Ping(Ping { token: 4 }));
        assert_eq!(released(&mut hold, 0), []);
        assert_eq!(released(&mut hold, 2), [(10, 16), (20, 16)]);
        assert_eq!(released(&mut hold, 2), []);
        assert_eq!(
            released(&mut hold, 9),
            [(30, 16)],
            "the running turn has no ticket yet"
        );
        hold.end_turn(4);
        assert_eq!(released(&mut hold, 4), [(40, 16)]);
    }
}
