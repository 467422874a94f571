//! One connection, held against the rules of streams and credit.

use martlet_protocol::frame::Credit;
use martlet_protocol::limits::{CREDIT_BYTES_MAX, CREDIT_MESSAGES_MAX};
use martlet_protocol::{Address, Position};

/// What a client knows of its connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) device: String,
    pub(crate) address: Option<Address>,
    /// The newest item pushed. `None` before READY.
    pushed: Option<Position>,
    /// The position that was refused: items above it are ignored until it comes again.
    refused: Option<Position>,
    tail: Position,
    messages: u64,
    bytes: i64,
    pub(crate) trimmed: bool,
    caught_up: bool,
}

impl Link {
    pub(crate) fn new(device: &str, address: Option<Address>, credit: Credit) -> Self {
        let mut link = Self {
            device: device.to_owned(),
            address,
            pushed: None,
            refused: None,
            tail: Position(0),
            messages: 0,
            bytes: 0,
            trimmed: false,
            caught_up: false,
        };
        link.grant(credit);
        link
    }

    pub(crate) fn grant(&mut self, credit: Credit) {
        self.messages = (self.messages + credit.messages).min(CREDIT_MESSAGES_MAX);
        let granted = self.bytes + i64::try_from(credit.bytes).expect("a test grants little");
        self.bytes = granted.min(i64::try_from(CREDIT_BYTES_MAX).expect("it is small"));
    }

    pub(crate) fn on_refuse(&mut self, position: Position) {
        self.refused = Some(position);
    }

    pub(crate) fn on_ready(&mut self, cursor: Position, tail: Position) {
        assert!(self.pushed.is_none(), "READY came twice");
        self.pushed = Some(cursor);
        self.tail = tail;
    }

    /// An item that covers `from..=to` and is `frame_bytes` long.
    pub(crate) fn on_item(&mut self, from: Position, to: Position, frame_bytes: usize) {
        let device = &self.device;
        assert!(
            self.messages >= 1 && self.bytes >= 1,
            "{device} got {from} without credit"
        );
        self.messages -= 1;
        self.bytes -= i64::try_from(frame_bytes).expect("a frame is small");
        if from == Position(0) {
            // Of a group's own stream: its place is a sequence.
            return;
        }
        let pushed = self.pushed.expect("READY comes before the first item");
        let expected = match self.refused {
            Some(refused) if refused == from => {
                self.refused = None;
                refused
            }
            Some(_) | None => pushed.next(),
        };
        assert_eq!(from, expected, "{device}: a hole in its stream");
        self.pushed = Some(to);
    }

    pub(crate) fn on_caught_up(&mut self, position: Position, trimmed: bool) {
        let device = &self.device;
        assert!(!self.caught_up, "{device}: CAUGHT_UP came twice");
        assert!(
            position >= self.tail,
            "{device}: caught up at {position} of {}",
            self.tail
        );
        assert_eq!(
            self.pushed,
            Some(position),
            "{device}: CAUGHT_UP before the last item"
        );
        assert_eq!(
            trimmed, self.trimmed,
            "{device}: whether a gap was among the items"
        );
        self.caught_up = true;
    }
}
