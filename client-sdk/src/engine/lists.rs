//! Questions for device lists, and the lists that were verified in this run.

use std::collections::BTreeMap;
use std::sync::Arc;

use martlet_protocol::{Millis, UserId};

use super::past::Past;
use super::rng::Rng;
use crate::crypto::list::SignedList;

/// Most questions under way.
const ASKED_MAX: usize = 16;

/// Most lists in memory. Verifying one again costs a fraction of a millisecond.
const CACHED_MAX: usize = 512;

/// The first pause after an answer that did not help, in milliseconds; it doubles,
const PAUSE_MS_MIN: u64 = 1_000;
/// up to this one.
const PAUSE_MS_MAX: u64 = 5 * 60 * 1_000;

#[derive(Clone, Copy, Debug, Default)]
struct Open {
    request: Option<u64>,
    not_before: Millis,
    /// How many answers did not help.
    tries: u32,
    /// Messages to the account wait for the answer.
    blocks: bool,
    /// The application waits for the answer.
    wanted: bool,
}

#[derive(Debug, Default)]
pub(super) struct Lists {
    open: BTreeMap<UserId, Open>,
    asked: BTreeMap<u64, UserId>,
    cache: BTreeMap<UserId, Arc<SignedList>>,
    /// The version of a list that the server called stale without giving another one, and how
    /// often it did.
    stalled: BTreeMap<UserId, (u64, u32)>,
    /// Accounts whose earlier lists were looked through, or are.
    pasts: BTreeMap<UserId, Past>,
}

impl Lists {
    /// Asks for an account's newest list, unless it is asked already.
    pub(super) fn want(&mut self, user: UserId) {
        self.open.entry(user).or_default();
    }

    /// As [`Lists::want`], for an application that waits.
    pub(super) fn ask_for(&mut self, user: UserId) {
        let open = self.open.entry(user).or_default();
        open.wanted = true;
        open.not_before = Millis(0);
    }

    /// As [`Lists::want`]; nothing is sent to the account before the answer.
    pub(super) fn demand(&mut self, user: UserId) {
        self.open.entry(user).or_default().blocks = true;
    }

    /// The server has refused what was made for version `known` of this list, the newest one here.
    /// If it says so again and again, and gives no newer list, the pauses grow.
    pub(super) fn demand_after(&mut self, now: Millis, user: UserId, known: u64, rng: &mut Rng) {
        let stalled = self.stalled.entry(user).or_default();
        let times = if stalled.0 == known { stalled.1 } else { 0 };
        *stalled = (known, times + 1);
        self.demand(user);
        if let Some(open) = self.open.get_mut(&user)
            && times > 0
        {
            open.not_before = now.plus(pause(times - 1, rng));
        }
    }

    /// Whether nothing may be sent to the account until a question is answered.
    pub(super) fn blocks(&self, user: UserId) -> bool {
        self.open.get(&user).is_some_and(|open| open.blocks)
    }

    /// A question to send now under the number `request`.
    pub(super) fn ask(&mut self, now: Millis, request: u64) -> Option<UserId> {
        if self.asked.len() >= ASKED_MAX {
            return None;
        }
        let mut due = self.open.iter_mut();
        let (user, open) =
            due.find(|(_, open)| open.request.is_none() && open.not_before <= now)?;
        open.request = Some(request);
        self.asked.insert(request, *user);
        Some(*user)
    }

    /// An answer has come: whose list was asked for. The question stays open until
    /// [`Lists::settle`] or [`Lists::again`].
    pub(super) fn answered(&mut self, request: u64) -> Option<UserId> {
        let user = self.asked.remove(&request)?;
        if let Some(open) = self.open.get_mut(&user) {
            open.request = None;
        }
        Some(user)
    }

    /// The question is answered. Returns whether the application waits for it.
    pub(super) fn settle(&mut self, user: UserId) -> bool {
        self.open.remove(&user).is_some_and(|open| open.wanted)
    }

    /// The answer was a step on the way: the same question at once.
    pub(super) fn go_on(&mut self, user: UserId) {
        if let Some(open) = self.open.get_mut(&user) {
            open.not_before = Millis(0);
        }
    }

    /// Begins to ask for the earlier lists of an account, once in each run. Returns whether it does.
    pub(super) fn look_back(&mut self, user: UserId) -> bool {
        let is_new = !self.pasts.contains_key(&user);
        if is_new {
            self.pasts.insert(user, Past::default());
            self.open.entry(user).or_default().not_before = Millis(0);
        }
        is_new
    }

    /// How far the earlier lists of an account were looked through, while they are.
    pub(super) fn past(&mut self, user: UserId) -> Option<&mut Past> {
        self.pasts.get_mut(&user).filter(|past| !past.is_over)
    }

    /// The answer did not help: the same question later.
    pub(super) fn again(&mut self, now: Millis, user: UserId, rng: &mut Rng) {
        let open = self.open.entry(user).or_default();
        open.not_before = now.plus(pause(open.tries, rng));
        open.tries += 1;
    }

    /// The server will answer later.
    pub(super) fn refused(&mut self, request: u64, until: Millis) {
        let user = self.asked.remove(&request);
        if let Some(open) = user.and_then(|user| self.open.get_mut(&user)) {
            open.request = None;
            open.not_before = until;
        }
    }

    /// All open questions are asked again on the next connection.
    pub(super) fn disconnected(&mut self) {
        self.asked.clear();
        for open in self.open.values_mut() {
            open.request = None;
        }
    }

    pub(super) fn is_asking(&self) -> bool {
        !self.asked.is_empty()
    }

    /// When the next question may be repeated.
    pub(super) fn due(&self, now: Millis) -> Option<Millis> {
        let waiting = self.open.values().filter(|open| open.request.is_none());
        waiting
            .map(|open| open.not_before)
            .filter(|at| *at > now)
            .min()
    }

    /// A list that was verified in this run.
    pub(super) fn cached(&self, user: UserId) -> Option<Arc<SignedList>> {
        self.cache.get(&user).cloned()
    }

    /// Keeps a verified list in memory.
    pub(super) fn cache(&mut self, list: SignedList) -> Arc<SignedList> {
        if self.cache.len() >= CACHED_MAX {
            self.cache.clear();
        }
        let list = Arc::new(list);
        self.cache.insert(list.user(), Arc::clone(&list));
        list
    }
}

fn pause(tries: u32, rng: &mut Rng) -> u64 {
    let pause = PAUSE_MS_MIN << tries.min(16);
    rng.stretch(pause.min(PAUSE_MS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOB: UserId = UserId(7);

    #[test]
    fn a_question_is_asked_once_until_it_is_settled() {
        let mut lists = Lists::default();
        lists.want(BOB);
        lists.demand(BOB);
        assert_eq!(lists.ask(Millis(0), 1), Some(BOB));
        assert_eq!(lists.ask(Millis(0), 2), None);
        lists.disconnected();
        assert_eq!(lists.answered(1), None);
        assert_eq!(lists.ask(Millis(0), 3), Some(BOB));
        assert_eq!(lists.answered(3), Some(BOB));
        assert!(lists.blocks(BOB));
        assert!(!lists.settle(BOB));
        assert!(!lists.blocks(BOB));
        assert_eq!(lists.ask(Millis(0), 4), None);
    }

    #[test]
    fn answers_that_do_not_help_are_asked_for_less_and_less() {
        let (mut lists, mut rng) = (Lists::default(), Rng::new(1));
        lists.want(BOB);
        let mut last = 0;
        for request in 1..12 {
            let now = lists.due(Millis(0)).unwrap_or_default();
            assert!(now.0 >= last, "the pauses grow");
            assert_eq!(lists.ask(now, request), Some(BOB));
            lists.answered(request);
            lists.again(Millis(0), BOB, &mut rng);
            last = now.0.min(PAUSE_MS_MAX);
        }
        assert!(lists.due(Millis(0)).unwrap().0 <= PAUSE_MS_MAX + PAUSE_MS_MAX / 4);
    }

    #[test]
    fn a_server_that_calls_its_own_newest_list_stale_is_asked_less_and_less() {
        let (mut lists, mut rng) = (Lists::default(), Rng::new(1));
        lists.demand_after(Millis(0), BOB, 3, &mut rng);
        assert_eq!(lists.ask(Millis(0), 1), Some(BOB));
        lists.answered(1);
        lists.settle(BOB);
        lists.demand_after(Millis(0), BOB, 3, &mut rng);
        assert_eq!(lists.ask(Millis(0), 2), None);
        assert!(lists.due(Millis(0)).is_some());
        lists.settle(BOB);
        lists.demand_after(Millis(0), BOB, 4, &mut rng);
        assert_eq!(lists.ask(Millis(0), 3), Some(BOB));
    }
}
