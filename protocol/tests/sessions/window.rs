//! Credit of one direction, as SPEC.md §12 counts it.

use martlet_protocol::frame::Credit;
use martlet_protocol::limits::{CREDIT_BYTES_MAX, CREDIT_MESSAGES_MAX};

/// What the receiver has granted and the sender has not spent.
#[derive(Debug, Default)]
pub(crate) struct Window {
    messages: i128,
    bytes: i128,
}

impl Window {
    /// Adds a grant [M-12.6].
    pub(crate) fn grant(&mut self, credit: Credit) -> Result<(), &'static str> {
        self.messages += i128::from(credit.messages);
        self.bytes += i128::from(credit.bytes);
        let too_wide = self.messages > i128::from(CREDIT_MESSAGES_MAX)
            || self.bytes > i128::from(CREDIT_BYTES_MAX);
        if too_wide { Err("M-12.7") } else { Ok(()) }
    }

    /// Spends credit on one frame of this size [M-12.3].
    pub(crate) fn spend(&mut self, frame_bytes: usize) -> Result<(), &'static str> {
        if self.messages < 1 || self.bytes < 1 {
            return Err("M-12.4");
        }
        self.messages -= 1;
        self.bytes -= frame_bytes as i128;
        Ok(())
    }
}
