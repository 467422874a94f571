//! Coarse timers: one wheel of one-second slots for all connections of a reactor.

use martlet_shard::SessionId;

use crate::clock::Seconds;

/// Which connections to look at in which second.
///
/// A connection is not re-slotted when it shows life: when its slot comes up, it is asked, and it
/// says when to ask again. So a frame costs the wheel nothing, and a deadline is up to one second
/// late.
#[derive(Debug)]
pub(super) struct Wheel {
    slots: Vec<Vec<SessionId>>,
    /// The last second whose slot was emptied.
    emptied: Seconds,
}

impl Wheel {
    /// An empty wheel.
    pub(super) fn new(now: Seconds) -> Self {
        Self {
            slots: (0..SLOTS).map(|_| Vec::new()).collect(),
            emptied: now,
        }
    }

    /// Asks for `session` to come up at `at`, or when the wheel has turned once if that is sooner.
    /// Returns when it will.
    pub(super) fn insert(&mut self, session: SessionId, at: Seconds) -> Seconds {
        let at = at.clamp(self.emptied.plus(1), self.emptied.plus(SLOTS - 1));
        self.slots[slot_of(at)].push(session);
        at
    }

    /// Appends what has come up until `now`, with its second, to `due`.
    pub(super) fn advance(&mut self, now: Seconds, due: &mut Vec<(SessionId, Seconds)>) {
        // After a long stop of the process each slot is emptied once, not once per missed second.
        let first = self
            .emptied
            .plus(1)
            .max(Seconds(now.0.saturating_sub(SLOTS - 1)));
        for second in first.0..=now.0 {
            let second = Seconds(second);
            let slot = &mut self.slots[slot_of(second)];
            due.extend(slot.drain(..).map(|session| (session, second)));
            if slot.capacity() > SLOT_CAPACITY_KEPT {
                slot.shrink_to(SLOT_CAPACITY_KEPT);
            }
        }
        self.emptied = self.emptied.max(now);
    }
}

fn slot_of(second: Seconds) -> usize {
    (second.0 % SLOTS) as usize
}

/// Longer than the default idle time, so that a quiet connection comes up once in it.
const SLOTS: u32 = 256;

/// What a slot keeps after a burst: a wave of connections would leave its peak in every slot.
const SLOT_CAPACITY_KEPT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn advance(wheel: &mut Wheel, now: u32) -> Vec<u64> {
        let mut due = Vec::new();
        wheel.advance(Seconds(now), &mut due);
        due.into_iter().map(|(session, _)| session.0).collect()
    }

    #[test]
    fn a_session_comes_up_in_its_second_and_once() {
        let mut wheel = Wheel::new(Seconds(100));
        assert_eq!(wheel.insert(SessionId(1), Seconds(105)), Seconds(105));
        wheel.insert(SessionId(2), Seconds(103));
        assert!(advance(&mut wheel, 102).is_empty());
        assert_eq!(advance(&mut wheel, 105), [2, 1]);
        assert!(advance(&mut wheel, 2_000).is_empty());
    }

    #[test]
    fn a_time_that_has_passed_comes_up_next() {
        let mut wheel = Wheel::new(Seconds(100));
        assert_eq!(wheel.insert(SessionId(1), Seconds(7)), Seconds(101));
        assert_eq!(advance(&mut wheel, 101), [1]);
    }

    #[test]
    fn a_time_beyond_the_wheel_comes_up_early_and_says_so() {
        let mut wheel = Wheel::new(Seconds(0));
        let at = wheel.insert(SessionId(1), Seconds(10_000));
        assert_eq!(at, Seconds(SLOTS - 1));
        assert!(advance(&mut wheel, SLOTS - 2).is_empty());
        assert_eq!(advance(&mut wheel, SLOTS - 1), [1]);
    }

    #[test]
    fn after_a_long_stop_everything_comes_up_once() {
        let mut wheel = Wheel::new(Seconds(0));
        for second in 1..200 {
            wheel.insert(SessionId(u64::from(second)), Seconds(second));
        }
        let mut came = advance(&mut wheel, 1_000_000);
        came.sort_unstable();
        assert_eq!(came, (1..200).collect::<Vec<u64>>());
    }
}
