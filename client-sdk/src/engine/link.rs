//! The connection as the engine sees it: one state, one struct.

use martlet_protocol::auth::KEY_BYTES;
use martlet_protocol::frame::{CaughtUp, Credit, Ready};
use martlet_protocol::limits::{CREDIT_BYTES_MAX, CREDIT_MESSAGES_MAX};
use martlet_protocol::{Millis, Position};

use super::pulse::Pulse;
use crate::local::ParkedId;

/// How many stream items this client lets the server send ahead of what it has stored. One
/// transaction stores whatever has arrived, so a larger window saves nothing.
pub(super) const WINDOW: Credit = Credit {
    messages: 256,
    bytes: CREDIT_BYTES_MAX,
};

/// How long a connection may take until it is ready, in milliseconds: the server's own limit is
/// usually 10 seconds.
pub(super) const HANDSHAKE_MS_MAX: u64 = 15_000;

/// How long a home that joins an account waits for the device that shows the code, in
/// milliseconds: a little longer than the server does.
pub(super) const JOIN_MS_MAX: u64 = 11 * 60 * 1_000;

const _: () = assert!(WINDOW.messages <= CREDIT_MESSAGES_MAX);

/// ```text
///  Down ──► Dialing ──► Greeting ──► [Registering, Joining] ──► Proving ──► Ready
///   ▲          │            │                  │                   │          │
///   └──────────┴────────────┴───────────── Closing ◄───────────────┴──────────┘
/// ```
#[derive(Debug)]
pub(super) enum Link {
    /// No connection, none asked for.
    Down,
    /// The driver was asked for one.
    Dialing,
    /// HELLO is out.
    Greeting(Greeting),
    /// REGISTER is out.
    Registering(Challenged),
    /// LINK_JOIN is out.
    Joining {
        /// From before.
        challenged: Challenged,
        /// When the patience ends.
        deadline: Millis,
    },
    /// AUTH is out.
    Proving {
        /// When the patience ends.
        deadline: Millis,
    },
    /// READY has come.
    Ready(Live),
    /// CLOSE is out or has come: the driver is to end the transport.
    Closing,
}

/// The state after HELLO.
#[derive(Clone, Copy, Debug)]
pub(super) struct Greeting {
    /// What the TLS session gives to sign.
    pub(super) binding: [u8; KEY_BYTES],
    /// When the patience ends.
    pub(super) deadline: Millis,
}

/// The state after CHALLENGE.
#[derive(Clone, Copy, Debug)]
pub(super) struct Challenged {
    /// From before.
    pub(super) greeting: Greeting,
    /// What the server gives to sign.
    pub(super) nonce: [u8; KEY_BYTES],
}

/// The state after READY.
#[derive(Debug)]
pub(super) struct Live {
    /// The position that the next stream item must have.
    pub(super) next: Position,
    /// The position that was acknowledged last.
    pub(super) acked: Position,
    /// Whether the backlog is over.
    pub(super) caught_up: bool,
    /// What the server still takes.
    pub(super) allowance: Allowance,
    /// What the server has sent since the last grant.
    pub(super) spent: Credit,
    /// Keep-alive.
    pub(super) pulse: Pulse,
    /// The end of the backlog, while messages of it wait to be opened.
    pub(super) backlog: Option<Backlog>,
    /// GOAWAY has come: no new requests, and the connection ends then at the latest.
    pub(super) leaving: Option<Millis>,
}

impl Live {
    pub(super) fn new(now: Millis, ready: &Ready) -> Self {
        Self {
            next: ready.cursor.next(),
            acked: ready.cursor,
            caught_up: false,
            backlog: None,
            allowance: Allowance::new(ready.credit),
            spent: Credit::default(),
            pulse: Pulse::new(now, ready.idle_ms),
            leaving: None,
        }
    }

    /// What to grant the server, once half of the window is spent [M-12.8].
    pub(super) fn grant(&mut self) -> Option<Credit> {
        let half =
            self.spent.messages >= WINDOW.messages / 2 || self.spent.bytes >= WINDOW.bytes / 2;
        half.then(|| core::mem::take(&mut self.spent))
    }
}

/// A backlog that has come and of which the application has not been shown everything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backlog {
    /// What the server has said of it.
    pub(super) end: CaughtUp,
    /// The last message that was parked when it ended.
    pub(super) parked: ParkedId,
    /// How long the application waits for those that are parked.
    pub(super) until: Millis,
    /// The PING behind the questions for their authors, once it is written.
    pub(super) proof: Option<u64>,
}

/// Credit that the server has granted for SENDs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    messages: u64,
    /// May fall below zero by one frame [M-12.4].
    bytes: i64,
}

impl Allowance {
    fn new(credit: Credit) -> Self {
        let mut allowance = Self {
            messages: 0,
            bytes: 0,
        };
        allowance.add(credit);
        allowance
    }

    /// More than the maximum counts as the maximum [M-12.7].
    pub(super) fn add(&mut self, credit: Credit) {
        let bytes = i64::try_from(credit.bytes.min(CREDIT_BYTES_MAX)).unwrap_or(i64::MAX);
        self.messages = self
            .messages
            .saturating_add(credit.messages)
            .min(CREDIT_MESSAGES_MAX);
        self.bytes = self
            .bytes
            .saturating_add(bytes)
            .min(CREDIT_BYTES_MAX.cast_signed());
    }

    /// Whether a frame may be sent, whatever its size [M-12.4].
    pub(super) const fn is_open(&self) -> bool {
        self.messages > 0 && self.bytes > 0
    }

    /// Takes what one frame of this size costs.
    pub(super) fn spend(&mut self, frame_bytes: usize) {
        self.messages = self.messages.saturating_sub(1);
        let bytes = i64::try_from(frame_bytes).unwrap_or(i64::MAX);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_frame_passes_alone_and_the_next_waits_for_the_debt() {
        let mut allowance = Allowance::new(Credit {
            messages: 2,
            bytes: 100,
        });
        assert!(allowance.is_open());
        allowance.spend(300);
        assert!(!allowance.is_open());
        allowance.add(Credit {
            messages: 0,
            bytes: 200,
        });
        assert!(!allowance.is_open());
        allowance.add(Credit {
            messages: 0,
            bytes: 1,
        });
        assert!(allowance.is_open());
        allowance.spend(1);
        assert!(!allowance.is_open());
    }
}
