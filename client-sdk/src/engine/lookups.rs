//! Questions who has a handle and which handle an account has.

use std::collections::BTreeMap;

use martlet_protocol::{Millis, UserId};

/// Most questions under way: a stranger who writes from many accounts must not make this client
/// run into the server's rate limit.
const ASKED_MAX: usize = 16;

/// How long the first message of an unknown account waits for its handle, in milliseconds. Then
/// it is shown under the account's number: nobody waits for a message because of a name.
const PATIENCE_MS: u64 = 5_000;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Query {
    /// Whose handle is this?
    Handle(String),
    /// Which handle has this account?
    User(UserId),
}

#[derive(Clone, Copy, Debug, Default)]
struct Open {
    request: Option<u64>,
    not_before: Millis,
    /// The application waits for the answer.
    wanted: bool,
}

#[derive(Debug, Default)]
pub(super) struct Lookups {
    open: BTreeMap<Query, Open>,
    asked: BTreeMap<u64, Query>,
    patience: BTreeMap<UserId, Millis>,
}

impl Lookups {
    /// Asks, unless it is asked already. `wanted`: the application waits for the answer.
    pub(super) fn want(&mut self, query: Query, wanted: bool) {
        self.open.entry(query).or_default().wanted |= wanted;
    }

    /// Asks for the handle of an account whose message has come.
    pub(super) fn introduce(&mut self, now: Millis, user: UserId) {
        self.want(Query::User(user), false);
        self.patience
            .entry(user)
            .or_insert_with(|| now.plus(PATIENCE_MS));
    }

    /// Whether messages of this account still wait for its handle.
    pub(super) fn holds(&self, user: UserId) -> bool {
        self.patience.contains_key(&user)
    }

    /// A question to send now under the number `request`.
    pub(super) fn ask(&mut self, now: Millis, request: u64) -> Option<Query> {
        if self.asked.len() >= ASKED_MAX {
            return None;
        }
        let mut due = self.open.iter_mut();
        let (query, open) =
            due.find(|(_, open)| open.request.is_none() && open.not_before <= now)?;
        open.request = Some(request);
        self.asked.insert(request, query.clone());
        Some(query.clone())
    }

    /// A final answer has come. Returns the question, and whether the application waits for it.
    pub(super) fn answered(&mut self, request: u64) -> Option<(Query, bool)> {
        let query = self.asked.remove(&request)?;
        let open = self.open.remove(&query)?;
        if let Query::User(user) = query {
            self.patience.remove(&user);
        }
        Some((query, open.wanted))
    }

    /// The server will answer later.
    pub(super) fn refused(&mut self, request: u64, until: Millis) {
        let query = self.asked.remove(&request);
        if let Some(open) = query.and_then(|query| self.open.get_mut(&query)) {
            open.request = None;
            open.not_before = until;
        }
    }

    /// All open questions are asked again on the next connection.
    pub(super) fn disconnected(&mut self) {
        self.asked.clear();
        for open in self.open.values_mut() {
            *open = Open {
                wanted: open.wanted,
                ..Open::default()
            };
        }
    }

    pub(super) fn is_asking(&self) -> bool {
        !self.asked.is_empty()
    }

    /// When the next refused question may be repeated.
    pub(super) fn retry_due(&self, now: Millis) -> Option<Millis> {
        let waiting = self.open.values().filter(|open| open.request.is_none());
        waiting
            .map(|open| open.not_before)
            .filter(|at| *at > now)
            .min()
    }

    /// When the patience with some account ends.
    pub(super) fn patience_due(&self) -> Option<Millis> {
        self.patience.values().min().copied()
    }

    /// Stops waiting for handles whose time is over; the questions stay open.
    pub(super) fn expire(&mut self, now: Millis) {
        self.patience.retain(|_, deadline| *deadline > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_asked_once_for_each_connection_until_it_is_answered() {
        let mut lookups = Lookups::default();
        let bob = Query::Handle("bob".to_owned());
        lookups.want(bob.clone(), false);
        lookups.want(bob.clone(), true);
        assert_eq!(lookups.ask(Millis(0), 1), Some(bob.clone()));
        assert_eq!(lookups.ask(Millis(0), 2), None);
        lookups.disconnected();
        assert_eq!(lookups.answered(1), None);
        assert_eq!(lookups.ask(Millis(0), 3), Some(bob.clone()));
        assert_eq!(lookups.answered(3), Some((bob, true)));
        assert_eq!(lookups.ask(Millis(0), 4), None);
    }

    #[test]
    fn a_stranger_is_shown_by_number_when_the_name_takes_too_long() {
        let mut lookups = Lookups::default();
        lookups.introduce(Millis(0), UserId(7));
        lookups.introduce(Millis(4_000), UserId(7));
        lookups.expire(Millis(PATIENCE_MS - 1));
        assert!(lookups.holds(UserId(7)));
        lookups.expire(Millis(PATIENCE_MS));
        assert!(!lookups.holds(UserId(7)));
        assert_eq!(lookups.ask(Millis(0), 1), Some(Query::User(UserId(7))));
    }
}
