//! How much of something may happen at once, and how fast that comes back.

use std::collections::BTreeMap;

use martlet_protocol::Millis;

/// A quota of units: `burst` at once, one more every `refill_ms`.
///
/// What somebody has spent is one number: the time at which all of it has come back. So there is
/// nothing to count down, and whoever has spent nothing need not be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How many at once.
    pub burst: u64,
    /// Milliseconds until one of them is back; 0 is no limit.
    pub refill_ms: u64,
}

impl Quota {
    /// Takes `units` from what `spender` has left.
    ///
    /// # Errors
    /// Nothing is taken; after so many milliseconds it would be.
    pub(crate) fn take<K: Ord + Copy>(
        self,
        spent: &mut Spent<K>,
        spender: K,
        units: u64,
        now: Millis,
    ) -> Result<(), u64> {
        let back_at = spent.back_at.get(&spender).copied().unwrap_or(now).max(now);
        let then = back_at.plus(units * self.refill_ms);
        let limit = now.plus(self.burst * self.refill_ms);
        if then > limit {
            return Err(then.since(limit));
        }
        if units > 0 {
            spent.back_at.insert(spender, then);
        }
        Ok(())
    }
}

/// Who has spent something that is not all back.
#[derive(Debug)]
pub(crate) struct Spent<K> {
    /// When each of them has all of it back.
    back_at: BTreeMap<K, Millis>,
}

impl<K> Default for Spent<K> {
    fn default() -> Self {
        Self {
            back_at: BTreeMap::new(),
        }
    }
}

impl<K: Ord + Copy> Spent<K> {
    /// Makes room for `spender` among at most `spenders_max`: whoever has all of it back soonest
    /// is forgotten.
    pub(crate) fn make_room(&mut self, spender: K, spenders_max: usize, now: Millis) {
        if self.back_at.len() < spenders_max || self.back_at.contains_key(&spender) {
            return;
        }
        self.forget_whole(now);
        if self.back_at.len() >= spenders_max {
            let soonest = self.back_at.iter().min_by_key(|(_, back_at)| **back_at);
            if let Some(soonest) = soonest.map(|(spender, _)| *spender) {
                self.back_at.remove(&soonest);
            }
        }
    }

    /// Forgets those who have all of it back.
    pub(crate) fn forget_whole(&mut self, now: Millis) {
        self.back_at.retain(|_, back_at| *back_at > now);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.back_at.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota {
        burst: 3,
        refill_ms: 100,
    };

    #[test]
    fn a_burst_passes_at_once_and_comes_back_one_by_one() {
        let mut spent = Spent::default();
        let mut take = |units, ms| QUOTA.take(&mut spent, 7, units, Millis(ms));
        assert_eq!(take(2, 1_000), Ok(()));
        assert_eq!(take(2, 1_000), Err(100));
        assert_eq!(take(1, 1_000), Ok(()));
        assert_eq!(take(1, 1_001), Err(99));
        assert_eq!(take(1, 1_100), Ok(()));
        assert_eq!(take(3, 1_399), Err(1));
        assert_eq!(take(3, 1_400), Ok(()));
        // A clock that steps back gives nothing back, and takes nothing for ever.
        assert_eq!(take(1, 1_300), Err(200));
    }

    #[test]
    fn spenders_do_not_share_and_are_forgotten_when_they_are_whole() {
        let mut spent = Spent::default();
        assert_eq!(QUOTA.take(&mut spent, 1, 3, Millis(0)), Ok(()));
        assert_eq!(QUOTA.take(&mut spent, 2, 1, Millis(0)), Ok(()));
        // The third one takes the place of whoever is whole soonest.
        spent.make_room(3, 2, Millis(50));
        assert!(QUOTA.take(&mut spent, 1, 1, Millis(50)).is_err());
        assert_eq!(QUOTA.take(&mut spent, 2, 3, Millis(50)), Ok(()));
        spent.forget_whole(Millis(300));
        assert!(!spent.is_empty());
        spent.forget_whole(Millis(350));
        assert!(spent.is_empty());
    }
}
