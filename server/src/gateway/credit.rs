//! The window of SENDs that a client may have unanswered.

use martlet_protocol::frame::Credit;
use martlet_protocol::limits::{CREDIT_BYTES_MAX, CREDIT_MESSAGES_MAX};

/// What READY grants, and what is granted again as sends are answered.
///
/// A SEND is answered by its message id only, so its bytes are not known any more then: each
/// answer gives back an equal share of the bytes that are outstanding. The sum is exact whenever
/// nothing is outstanding, and a window needs no list.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    messages_left: u32,
    /// The last frame may take it below zero.
    bytes_left: i64,
    messages_outstanding: u32,
    bytes_outstanding: u64,
    messages_answered: u32,
    bytes_answered: u64,
}

impl Window {
    /// The grant of READY.
    pub const GRANT: Credit = Credit {
        messages: MESSAGES,
        bytes: BYTES,
    };

    /// A window with nothing outstanding.
    pub fn new() -> Self {
        Self {
            messages_left: MESSAGES as u32,
            bytes_left: BYTES as i64,
            messages_outstanding: 0,
            bytes_outstanding: 0,
            messages_answered: 0,
            bytes_answered: 0,
        }
    }

    /// A SEND of `frame_bytes` came. `false` when there was no credit for it.
    #[must_use]
    pub fn spend(&mut self, frame_bytes: u32) -> bool {
        if self.messages_left == 0 || self.bytes_left <= 0 {
            return false;
        }
        self.messages_left -= 1;
        self.bytes_left -= i64::from(frame_bytes);
        self.messages_outstanding += 1;
        self.bytes_outstanding += u64::from(frame_bytes);
        true
    }

    /// A SEND was answered. What to grant now, if it is time.
    #[must_use]
    pub fn answered(&mut self) -> Option<Credit> {
        let share = self
            .bytes_outstanding
            .checked_div(u64::from(self.messages_outstanding))?;
        self.messages_outstanding -= 1;
        self.bytes_outstanding -= share;
        self.messages_answered += 1;
        self.bytes_answered += share;
        if u64::from(self.messages_answered) < MESSAGES / 2 && self.bytes_answered < BYTES / 2 {
            return None;
        }
        let grant = Credit {
            messages: u64::from(self.messages_answered),
            bytes: self.bytes_answered,
        };
        self.messages_left += self.messages_answered;
        self.bytes_left += self.bytes_answered as i64;
        self.messages_answered = 0;
        self.bytes_answered = 0;
        Some(grant)
    }
}

impl Default for Window {
    fn default() -> Self {
        Self::new()
    }
}

/// Enough to keep a fast sender busy over a round trip; times the sessions it is what clients can
/// make the shards hold.
const MESSAGES: u64 = 256;
const BYTES: u64 = 256 * 1024;

const _: () = assert!(MESSAGES <= CREDIT_MESSAGES_MAX && BYTES <= CREDIT_BYTES_MAX);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_waits_for_answers_never_runs_dry() {
        let mut window = Window::new();
        let mut client = Window::GRANT;
        for round in 0..10_000u64 {
            let frame_bytes = (round % 300 + 50) as u32;
            assert!(client.messages > 0 && client.bytes > u64::from(frame_bytes));
            assert!(window.spend(frame_bytes));
            client.messages -= 1;
            client.bytes -= u64::from(frame_bytes);
            if let Some(grant) = window.answered() {
                client.messages += grant.messages;
                client.bytes += grant.bytes;
            }
        }
    }

    #[test]
    fn the_bytes_given_back_are_the_bytes_spent() {
        let mut window = Window::new();
        let sizes = [900u32, 64, 131_000, 3, 70_000, 12];
        let (mut spent, mut granted) = (0, 0);
        for _ in 0..200 {
            for size in sizes {
                if window.spend(size) {
                    spent += u64::from(size);
                }
            }
            for _ in sizes {
                granted += window.answered().map_or(0, |grant| grant.bytes);
            }
        }
        let kept = window.bytes_answered;
        assert_eq!(window.bytes_outstanding, 0);
        assert_eq!(spent, granted + kept);
    }

    #[test]
    fn a_message_too_many_is_noticed() {
        let mut window = Window::new();
        assert!((0..MESSAGES).all(|_| window.spend(10)));
        assert!(!window.spend(10));
    }

    #[test]
    fn the_last_frame_may_be_larger_than_what_is_left_and_none_follows() {
        let mut window = Window::new();
        assert!(window.spend(BYTES as u32 - 1));
        assert!(window.spend(100_000));
        assert!(!window.spend(1));
    }

    #[test]
    fn an_answer_to_nothing_grants_nothing() {
        assert_eq!(Window::new().answered(), None);
    }
}
