//! Who is there: the accounts that are watched, and what the server tells of them. Nothing of it is
//! stored, and each connection begins anew.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use martlet_protocol::frame::{Active, Frame, Presence as PresenceFrame, Watch};
use martlet_protocol::limits::{WATCH_USERS_MAX, WATCHED_MAX};
use martlet_protocol::wire::List;
use martlet_protocol::{Millis, NackCode, UserId};

use super::state::Core;
use crate::error::StoreError;
use crate::event::{Event, Presence, last_seen};
use crate::local::Tx;

/// How many WATCHes that end something are remembered: they have no answer, and a server that
/// refuses one has done so before it has read so many more.
const ENDINGS_MAX: usize = 16;

/// Whether a person is there, and when one was last.
type There = (Presence, Option<Millis>);

/// What is known of an account that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The server is to be asked.
    Wanted,
    /// It was asked by the WATCH with this number, and has said nothing yet.
    Asked(u64),
    /// It has told this.
    Known(There),
    /// It will not tell.
    Refused(NackCode),
}

/// An account that is watched.
#[derive(Clone, Copy, Debug)]
struct Watched {
    stage: Stage,
    /// What the application was shown of this connection.
    shown: Option<There>,
}

/// The accounts that are watched, and whether a person is here.
#[derive(Debug, Default)]
pub(super) struct Presences {
    watched: BTreeMap<UserId, Watched>,
    /// Of these the application has not been shown the newest.
    news: BTreeSet<UserId>,
    /// Those whose watching the server has to end.
    leaving: BTreeSet<UserId>,
    /// The newest WATCHes that have ended something.
    endings: VecDeque<(u64, Vec<UserId>)>,
    /// The server takes no WATCH before.
    not_before: Millis,
    is_active: bool,
    /// What the server takes this connection for.
    is_told_active: bool,
}

impl Presences {
    /// Watches an account. Returns whether there was room for it.
    pub(super) fn watch(&mut self, user: UserId) -> bool {
        if self.watched.len() >= WATCHED_MAX {
            let is_refused = |it: &Watched| matches!(it.stage, Stage::Refused(_));
            self.watched.retain(|_, watched| !is_refused(watched));
        }
        if self.watched.len() >= WATCHED_MAX && !self.watched.contains_key(&user) {
            return false;
        }
        let watched = self.watched.entry(user).or_insert(Watched {
            stage: Stage::Wanted,
            shown: None,
        });
        watched.shown = None;
        match watched.stage {
            Stage::Known(_) => {
                self.news.insert(user);
            }
            Stage::Refused(_) => {
                watched.stage = Stage::Wanted;
                self.news.remove(&user);
            }
            Stage::Wanted | Stage::Asked(_) => {}
        }
        true
    }

    pub(super) fn unwatch(&mut self, user: UserId) {
        self.news.remove(&user);
        let watched = self.watched.remove(&user);
        let is_asked = |it: Watched| matches!(it.stage, Stage::Asked(_) | Stage::Known(_));
        if watched.is_some_and(is_asked) {
            self.leaving.insert(user);
        }
    }

    /// What the server has told of an account on this connection.
    pub(super) fn of(&self, user: UserId) -> Option<There> {
        match self.watched.get(&user)?.stage {
            Stage::Known(there) => Some(there),
            Stage::Wanted | Stage::Asked(_) | Stage::Refused(_) => None,
        }
    }

    pub(super) const fn set_active(&mut self, is_active: bool) {
        self.is_active = is_active;
    }

    /// What to tell of whether a person is here, if it is something else than the server knows.
    fn activity(&mut self) -> Option<Active> {
        let is_news = self.is_active != self.is_told_active;
        self.is_told_active = self.is_active;
        is_news.then_some(Active {
            active: self.is_active,
        })
    }

    /// The accounts for a WATCH to write now under the number `request`, and whether it begins or
    /// ends something. What ends goes first: it makes room.
    fn depart(&mut self, now: Millis, request: u64) -> Option<(bool, Vec<UserId>)> {
        if now < self.not_before {
            return None;
        }
        let mut users = Vec::new();
        while users.len() < WATCH_USERS_MAX
            && let Some(user) = self.leaving.pop_first()
        {
            users.push(user);
        }
        if !users.is_empty() {
            self.endings.truncate(ENDINGS_MAX - 1);
            self.endings.push_front((request, users.clone()));
            return Some((false, users));
        }
        let wanted = self.watched.iter_mut();
        let wanted = wanted.filter(|(_, watched)| watched.stage == Stage::Wanted);
        for (user, watched) in wanted.take(WATCH_USERS_MAX) {
            watched.stage = Stage::Asked(request);
            users.push(*user);
        }
        (!users.is_empty()).then_some((true, users))
    }

    fn told(&mut self, user: UserId, there: There) {
        // Of one that is not watched any more it was under way [M-24.3].
        if let Some(watched) = self.watched.get_mut(&user) {
            watched.stage = Stage::Known(there);
            self.news.insert(user);
        }
    }

    /// A WATCH was refused: until then, or for good.
    pub(super) fn refused(&mut self, request: u64, code: NackCode, until: Option<Millis>) {
        for (user, watched) in &mut self.watched {
            if watched.stage == Stage::Asked(request) {
                watched.stage = match until {
                    Some(_) => Stage::Wanted,
                    None => Stage::Refused(code),
                };
                if until.is_none() {
                    self.news.insert(*user);
                }
            }
        }
        let Some(until) = until else { return };
        self.not_before = self.not_before.max(until);
        let endings = self.endings.iter().position(|(of, _)| *of == request);
        if let Some((_, users)) = endings.and_then(|index| self.endings.remove(index)) {
            self.leaving.extend(users);
        }
    }

    /// A connection watches nobody at first, and nobody is there.
    pub(super) fn disconnected(&mut self) {
        for (user, watched) in &mut self.watched {
            if !matches!(watched.stage, Stage::Refused(_)) {
                watched.stage = Stage::Wanted;
                watched.shown = None;
                self.news.remove(user);
            }
        }
        self.leaving.clear();
        self.endings.clear();
        self.not_before = Millis(0);
        self.is_told_active = false;
    }

    /// When the server may be asked again.
    pub(super) fn due(&self, now: Millis) -> Option<Millis> {
        let is_wanted = |watched: &Watched| watched.stage == Stage::Wanted;
        let waits = !self.leaving.is_empty() || self.watched.values().any(is_wanted);
        (self.not_before > now && waits).then_some(self.not_before)
    }

    /// What the application has not been shown.
    pub(super) fn take(&mut self, tx: &Tx<'_>) -> Result<Option<Event>, StoreError> {
        while let Some(user) = self.news.pop_first() {
            let Some(watched) = self.watched.get_mut(&user) else {
                continue;
            };
            match watched.stage {
                Stage::Known(there) if watched.shown != Some(there) => {
                    watched.shown = Some(there);
                    let peer = tx.name_of(user)?;
                    let (state, last_seen) = there;
                    return Ok(Some(Event::Presence {
                        peer,
                        state,
                        last_seen,
                    }));
                }
                Stage::Refused(code) => {
                    self.watched.remove(&user);
                    let peer = tx.name_of(user)?;
                    return Ok(Some(Event::WatchRefused { peer, code }));
                }
                Stage::Known(_) | Stage::Wanted | Stage::Asked(_) => {}
            }
        }
        Ok(None)
    }
}

impl Core {
    pub(super) fn pump_presence(&mut self, now: Millis) {
        if let Some(active) = self.people.presences.activity() {
            self.write(&Frame::Active(active));
        }
        while let Some((on, users)) = self.people.presences.depart(now, self.key_requests + 1) {
            let request = self.next_key_request();
            self.write(&Frame::Watch(Watch {
                request,
                on,
                users: List::Slice(&users),
            }));
        }
    }

    pub(super) fn on_presence(&mut self, presence: &PresenceFrame) {
        let there = (presence.state.into(), last_seen(presence.last_seen));
        self.people.presences.told(presence.user, there);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(range: core::ops::RangeInclusive<u64>) -> Vec<UserId> {
        range.map(UserId).collect()
    }

    fn full() -> Presences {
        let mut presences = Presences::default();
        assert!(
            users(1..=1_024)
                .into_iter()
                .all(|user| presences.watch(user))
        );
        presences
    }

    #[test]
    fn as_many_accounts_are_watched_as_a_connection_may_and_a_refused_one_makes_room() {
        let mut presences = full();
        assert!(!presences.watch(UserId(2_000)));
        assert!(presences.watch(UserId(1)), "it is watched already");
        assert_eq!(presences.depart(Millis(0), 1), Some((true, users(1..=256))));
        presences.refused(1, NackCode::TOO_MANY_WATCHED, None);
        assert!(presences.watch(UserId(2_000)));
    }

    #[test]
    fn what_ends_goes_before_what_begins_and_all_of_it_in_pieces() {
        let mut presences = full();
        for request in 1..=4 {
            let (on, asked) = presences.depart(Millis(0), request).unwrap();
            assert!(on && asked.len() == 256);
        }
        assert_eq!(presences.depart(Millis(0), 5), None);
        presences.unwatch(UserId(7));
        assert!(presences.watch(UserId(2_000)));
        assert_eq!(presences.depart(Millis(0), 5), Some((false, users(7..=7))));
        let begun = Some((true, users(2_000..=2_000)));
        assert_eq!(presences.depart(Millis(0), 6), begun);
    }

    #[test]
    fn what_was_refused_for_now_is_asked_again_then_and_not_before() {
        let mut presences = Presences::default();
        presences.watch(UserId(1));
        presences.depart(Millis(0), 1);
        presences.unwatch(UserId(1));
        presences.watch(UserId(2));
        presences.depart(Millis(0), 2);
        presences.refused(2, NackCode::RATE_LIMITED, Some(Millis(50)));
        assert_eq!(presences.depart(Millis(49), 3), None);
        assert_eq!(presences.due(Millis(49)), Some(Millis(50)));
        assert_eq!(presences.depart(Millis(50), 3), Some((false, users(1..=1))));
        assert_eq!(presences.depart(Millis(50), 4), Some((true, users(2..=2))));
    }
}
