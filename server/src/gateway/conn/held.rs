//! Presences that a client did not take in time: of each account the newest, until there is room.

use std::collections::BTreeMap;

use bytes::BytesMut;
use martlet_protocol::frame::{Frame, Presence};
use martlet_protocol::limits::WATCHED_MAX;
use martlet_protocol::{UserId, codec};

/// What waits. An empty one, as nearly all are, allocates nothing.
#[derive(Debug, Default)]
pub struct Held(BTreeMap<UserId, Presence>);

impl Held {
    /// Whether something waits. Then nothing newer may be written before it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps a presence in place of an older one of the same account. There are no more than a
    /// connection may watch: others are of accounts that it has ceased to watch.
    pub fn keep(&mut self, presence: Presence) {
        if self.0.len() >= WATCHED_MAX && !self.0.contains_key(&presence.user) {
            self.0.pop_first();
        }
        self.0.insert(presence.user, presence);
    }

    /// Appends what waits, and forgets it. Returns whether there was anything.
    pub fn release(&mut self, out: &mut BytesMut) -> bool {
        let held = std::mem::take(&mut self.0);
        for presence in held.values() {
            codec::encode(&Frame::Presence(*presence), out);
        }
        !held.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use martlet_protocol::Millis;
    use martlet_protocol::codec::Decoder;
    use martlet_protocol::frame::PresenceState;
    use martlet_protocol::limits::FRAME_BYTES_MAX;

    use super::*;

    fn presence(user: u64, last_seen: u64) -> Presence {
        Presence {
            user: UserId(user),
            state: PresenceState::OFFLINE,
            last_seen: Millis(last_seen),
        }
    }

    fn released(held: &mut Held) -> Vec<(u64, u64)> {
        let mut out = BytesMut::new();
        assert!(held.release(&mut out));
        let (mut input, mut decoder) = (&out[..], Decoder::new(FRAME_BYTES_MAX));
        let mut seen = Vec::new();
        while let Some(frame) = decoder.next(&mut input).unwrap() {
            let Frame::Presence(presence) = frame else {
                panic!("{frame:?}");
            };
            seen.push((presence.user.0, presence.last_seen.0));
        }
        seen
    }

    // [M-24.1] [M-24.5]
    #[test]
    fn of_each_account_the_newest_presence_waits_and_comes_once() {
        let mut held = Held::default();
        assert!(held.is_empty());
        for (user, last_seen) in [(1, 5), (2, 6), (1, 7)] {
            held.keep(presence(user, last_seen));
        }
        assert!(!held.is_empty());
        assert_eq!(released(&mut held), [(1, 7), (2, 6)]);
        assert!(held.is_empty());
        assert!(!held.release(&mut BytesMut::new()));
    }

    #[test]
    fn no_more_wait_than_a_connection_may_watch() {
        let mut held = Held::default();
        let most = u64::try_from(WATCHED_MAX).unwrap();
        for user in 1..=most + 10 {
            held.keep(presence(user, user));
        }
        held.keep(presence(most + 10, 1));
        let seen = released(&mut held);
        assert_eq!(seen.len(), WATCHED_MAX);
        assert_eq!(seen.last(), Some(&(most + 10, 1)));
    }
}
