//! Who watches an account, and what each watcher was told: in memory alone.

use std::collections::BTreeMap;

use martlet_protocol::frame::{Presence, PresenceState};
use martlet_protocol::{Millis, UserId};

use crate::command::SessionId;
use crate::effect::Reply;
use crate::limits::PRESENCE_QUIET_MS;
use crate::turn::Turn;

/// The presence of an account, made when somebody first asks for it or looks at a device.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    watchers: BTreeMap<SessionId, Watcher>,
    /// One of the account's connections is active.
    is_online: bool,
    /// When it was last online; 0 when nobody knows.
    last_seen: Millis,
    /// Nothing is told before this time: something was told less than a second ago.
    quiet_until: Millis,
    /// Something will be told then.
    is_due: bool,
}

/// One connection that watches.
#[derive(Clone, Copy, Debug)]
struct Watcher {
    user: UserId,
    /// The watcher shows itself to the account.
    shows: bool,
    /// The account shows itself to the watcher.
    is_shown: bool,
    told: (PresenceState, Millis),
}

/// When a change is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Telling {
    /// It was told, or will be with another one that waits.
    Settled,
    /// The account wants to be called at this time.
    At(Millis),
}

impl Watchers {
    pub(crate) fn seen_at(last_seen: Millis) -> Self {
        Self {
            last_seen,
            ..Self::default()
        }
    }

    pub(crate) const fn last_seen(&self) -> Millis {
        self.last_seen
    }

    pub(crate) const fn is_online(&self) -> bool {
        self.is_online
    }

    /// The account went online or offline.
    pub(crate) fn set_online(&mut self, is_online: bool, now: Millis) {
        if self.is_online && !is_online {
            self.last_seen = now;
        }
        self.is_online = is_online;
    }

    /// Adds a watcher and tells it what it may know, or notes that one is shown more or less.
    /// Returns whether something is to be told later.
    pub(crate) fn watch(
        &mut self,
        turn: &mut Turn<'_>,
        of: UserId,
        (session, user): (SessionId, UserId),
        (shows, is_shown): (bool, bool),
    ) -> bool {
        if let Some(known) = self.watchers.get_mut(&session) {
            (known.shows, known.is_shown) = (shows, is_shown);
            return true;
        }
        let mut watcher = Watcher {
            user,
            shows,
            is_shown,
            told: HIDDEN,
        };
        watcher.told = self.for_watcher(&watcher);
        tell(turn, session, of, watcher.told);
        self.watchers.insert(session, watcher);
        false
    }

    pub(crate) fn unwatch(&mut self, session: SessionId) {
        self.watchers.remove(&session);
    }

    /// Judges anew whom the account shows itself to: all, or the one that is named.
    pub(crate) fn reconsider(&mut self, one: Option<UserId>, is_shown: impl Fn(UserId) -> bool) {
        for watcher in self.watchers.values_mut() {
            if one.is_none_or(|one| one == watcher.user) {
                watcher.is_shown = is_shown(watcher.user);
            }
        }
    }

    /// Tells a change now, or says when.
    pub(crate) fn changed(&mut self, turn: &mut Turn<'_>, of: UserId) -> Telling {
        if self.is_due || self.watchers.is_empty() {
            return Telling::Settled;
        }
        if turn.now < self.quiet_until {
            self.is_due = true;
            return Telling::At(self.quiet_until);
        }
        self.tell_all(turn, of);
        Telling::Settled
    }

    /// The time has come.
    pub(crate) fn tell_due(&mut self, turn: &mut Turn<'_>, of: UserId) {
        self.is_due = false;
        self.tell_all(turn, of);
    }

    fn tell_all(&mut self, turn: &mut Turn<'_>, of: UserId) {
        let mut watchers = std::mem::take(&mut self.watchers);
        for (session, watcher) in &mut watchers {
            let shown = self.for_watcher(watcher);
            if watcher.told != shown {
                watcher.told = shown;
                tell(turn, *session, of, shown);
                self.quiet_until = turn.now.plus(PRESENCE_QUIET_MS);
            }
        }
        self.watchers = watchers;
    }

    /// What a watcher may know.
    fn for_watcher(&self, watcher: &Watcher) -> (PresenceState, Millis) {
        if !(watcher.shows && watcher.is_shown) {
            HIDDEN
        } else if self.is_online {
            (PresenceState::ONLINE, Millis(0))
        } else if self.last_seen == Millis(0) {
            // An account that nobody has ever seen: whoever hides might be one.
            HIDDEN
        } else {
            (PresenceState::OFFLINE, self.last_seen)
        }
    }
}

/// What is told of whoever must not be seen, was never seen, or does not exist.
pub(crate) const HIDDEN: (PresenceState, Millis) = (PresenceState::HIDDEN, Millis(0));

pub(crate) fn tell(
    turn: &mut Turn<'_>,
    session: SessionId,
    user: UserId,
    (state, last_seen): (PresenceState, Millis),
) {
    let presence = Presence {
        user,
        state,
        last_seen,
    };
    turn.reply(session, Reply::Presence(presence));
}
