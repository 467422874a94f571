//! Both sides of flow control: what a peer may still send to us, and what we may send to it.

use martlet_protocol::frame::Credit;
use martlet_protocol::limits::{CREDIT_BYTES_MAX, CREDIT_MESSAGES_MAX};

/// The receiving side: grants as much as the protocol allows and grants again at half.
#[derive(Debug)]
pub struct Granted {
    spent: Credit,
}

/// The sending side: what is left of the peer's grants.
#[derive(Debug, Default)]
pub struct Purse {
    messages: u64,
    /// Below zero after a frame that was larger than what was left.
    bytes: i64,
}

/// The peer sent a frame that it had no credit for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded;

impl Granted {
    /// The grant that AUTH or READY carries.
    pub const WINDOW: Credit = Credit {
        messages: CREDIT_MESSAGES_MAX,
        bytes: CREDIT_BYTES_MAX,
    };

    /// The whole window is open.
    pub fn new() -> Self {
        Self {
            spent: Credit {
                messages: 0,
                bytes: 0,
            },
        }
    }

    /// A frame that costs credit has come.
    pub fn spend(&mut self, frame_bytes: usize) -> Result<(), Exceeded> {
        let window = Self::WINDOW;
        // One byte of credit is enough for a frame of any size.
        if self.spent.messages >= window.messages || self.spent.bytes >= window.bytes {
            return Err(Exceeded);
        }
        self.spent.messages += 1;
        self.spent.bytes += frame_bytes as u64;
        Ok(())
    }

    /// The CREDIT to send now, once half of the window is spent. All that came is dealt with at
    /// once here, so everything spent is granted again.
    pub fn refill(&mut self) -> Option<Credit> {
        let window = Self::WINDOW;
        let half =
            self.spent.messages * 2 >= window.messages || self.spent.bytes * 2 >= window.bytes;
        half.then(|| std::mem::take(&mut self.spent))
    }
}

impl Default for Granted {
    fn default() -> Self {
        Self::new()
    }
}

impl Purse {
    /// The peer granted more; what is above the protocol's window does not count.
    pub fn add(&mut self, credit: Credit) {
        self.messages = self
            .messages
            .saturating_add(credit.messages)
            .min(CREDIT_MESSAGES_MAX);
        let bytes = i64::try_from(credit.bytes).unwrap_or(i64::MAX);
        self.bytes = self
            .bytes
            .saturating_add(bytes)
            .min(CREDIT_BYTES_MAX as i64);
    }

    /// Pays for a frame, unless there is no credit left.
    #[must_use]
    pub fn spend(&mut self, frame_bytes: usize) -> bool {
        if self.messages == 0 || self.bytes <= 0 {
            return false;
        }
        self.messages -= 1;
        self.bytes -= frame_bytes as i64;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_granted_again_when_half_of_it_is_spent() {
        let mut granted = Granted::new();
        for _ in 0..511 {
            granted.spend(100).unwrap();
            assert_eq!(granted.refill(), None);
        }
        granted.spend(100).unwrap();
        assert_eq!(
            granted.refill(),
            Some(Credit {
                messages: 512,
                bytes: 51_200
            })
        );
        assert_eq!(granted.refill(), None);
        granted.spend(128 * 1024).unwrap();
        assert_eq!(
            granted.refill(),
            Some(Credit {
                messages: 1,
                bytes: 128 * 1024
            })
        );
    }

    #[test]
    fn a_peer_that_sends_without_credit_is_noticed() {
        let mut granted = Granted::new();
        (0..1024).for_each(|_| granted.spend(1).unwrap());
        assert_eq!(granted.spend(1), Err(Exceeded));
        let mut granted = Granted::new();
        granted.spend(256 * 1024).unwrap();
        assert_eq!(granted.spend(1), Err(Exceeded));
    }

    #[test]
    fn the_last_byte_of_credit_pays_for_a_frame_of_any_size_but_only_for_one() {
        let mut purse = Purse::default();
        assert!(!purse.spend(1));
        purse.add(Credit {
            messages: 10,
            bytes: 1,
        });
        assert!(purse.spend(1000));
        assert!(!purse.spend(1));
        purse.add(Credit {
            messages: 0,
            bytes: 999,
        });
        assert!(!purse.spend(1), "999 of 1000 bytes are paid back");
        purse.add(Credit {
            messages: 0,
            bytes: 1,
        });
        assert!(purse.spend(1));
    }

    #[test]
    fn an_immoderate_grant_counts_as_the_largest_allowed() {
        let mut purse = Purse::default();
        purse.add(Credit {
            messages: u64::MAX,
            bytes: u64::MAX,
        });
        assert_eq!((0..2000).filter(|_| purse.spend(1)).count(), 1024);
    }
}
