//! Message ids: UUIDs of version 7 that ascend within this device.

use martlet_protocol::{MessageId, Millis};

/// How far the last id may be ahead before its time counts as a mistake of the clock. It must stay
/// well below what the server tolerates.
const AHEAD_MS_MAX: u64 = 60 * 1_000;

/// The low 62 bits of an id, which are random and can be counted up.
const COUNTER_MASK: u64 = (1 << 62) - 1;

/// Makes ids that are above all earlier ones, so that the order of ids is the order of writing
/// even when the clock stands still or goes back a little.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ids {
    last: Option<MessageId>,
}

impl Ids {
    /// Continues behind `last`.
    pub(super) const fn after(last: Option<MessageId>) -> Self {
        Self { last }
    }

    /// The next id, for a message written at `now` by the server's clock [M-8.4].
    pub(super) fn next(&mut self, now: Millis, entropy: [u8; 10]) -> MessageId {
        let fresh = MessageId::new(now, entropy);
        let id = match self.last {
            Some(last) if fresh <= last && is_near(last, now) => successor(last, entropy),
            _ => fresh,
        };
        self.last = Some(id);
        id
    }
}

fn is_near(last: MessageId, now: Millis) -> bool {
    last.time()
        .is_some_and(|time| time <= now.plus(AHEAD_MS_MAX))
}

fn successor(last: MessageId, entropy: [u8; 10]) -> MessageId {
    let [.., l0, l1, l2, l3, l4, l5, l6, l7] = last.0;
    let low = u64::from_be_bytes([l0, l1, l2, l3, l4, l5, l6, l7]);
    if low & COUNTER_MASK == COUNTER_MASK {
        let time = last.time().unwrap_or_default();
        return MessageId::new(time.plus(1), entropy);
    }
    let mut id = last;
    id.0[8..].copy_from_slice(&(low + 1).to_be_bytes());
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_ascend_while_the_clock_stands_still_or_steps_back() {
        let mut ids = Ids::default();
        let mut last = ids.next(Millis(1_000_000), [0xff; 10]);
        for now in [1_000_000, 1_000_000, 999_000, 1_000_001] {
            let id = ids.next(Millis(now), [3; 10]);
            assert!(id > last, "{id} after {last}");
            assert!(id.time().is_some());
            last = id;
        }
    }

    #[test]
    fn a_clock_that_was_far_ahead_does_not_spoil_later_ids() {
        let mut ids = Ids::default();
        ids.next(Millis(9_000_000), [0; 10]);
        let id = ids.next(Millis(1_000_000), [0; 10]);
        assert_eq!(id.time(), Some(Millis(1_000_000)));
    }
}
