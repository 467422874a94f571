//! Who is online, and who is told.
//!
//! ```text
//!            Watch                 Observe (users, and whether A shows itself to them)
//!  A ─────► shard of A ─Forward──► shard of B ──PRESENCE──► A
//!            A's connection          B's watchers
//!            knows whom it watches   know what A was told
//! ```
//! Nothing of it is stored but when an account was last seen, and that lazily.

use std::collections::BTreeMap;

use martlet_protocol::frame::Reference;
use martlet_protocol::limits::WATCHED_MAX;
use martlet_protocol::{Address, Kind, Millis, NackCode, UserId};
use martlet_store::ShardId;
use martlet_store::keys::relation;

use crate::account::{Account, Session};
use crate::command::{Command, SessionId};
use crate::effect::Effect;
use crate::handle::attach::device_mut;
use crate::limits::{LAST_SEEN_MS, LAST_SEEN_PER_TURN, LAST_SEEN_WAIT_MS};
use crate::person::{relation_of, shows};
use crate::state::State;
use crate::turn::Turn;
use crate::watchers::{self, HIDDEN, Telling, Watchers};

/// At the watcher's shard: begins or ends to watch.
pub(crate) fn watch(
    state: &mut State,
    turn: &mut Turn<'_>,
    (session, address, request): (SessionId, Address, u64),
    on: bool,
    users: Vec<UserId>,
) {
    let device = device_mut(state, turn, address);
    let Some(live) = device.and_then(|device| device.session_mut(session)) else {
        return;
    };
    let mut changed = Vec::new();
    for user in users {
        let is_new = if on {
            live.watched.insert(user)
        } else {
            live.watched.remove(&user)
        };
        if is_new {
            changed.push(user);
        }
    }
    if live.watched.len() > WATCHED_MAX {
        for user in changed {
            live.watched.remove(&user);
        }
        let reference = Reference::number(request);
        return turn.refuse(session, Kind::WATCH, NackCode::TOO_MANY_WATCHED, reference);
    }
    if on {
        observe(state, turn, (session, address.user), changed);
    } else {
        forget(state, turn, session, changed);
    }
}

/// Tells the shards of these accounts that a connection watches them, and whether its account
/// shows itself to each.
fn observe(
    state: &mut State,
    turn: &mut Turn<'_>,
    (session, watcher): (SessionId, UserId),
    users: Vec<UserId>,
) {
    let mut targets: BTreeMap<ShardId, Vec<(UserId, bool)>> = BTreeMap::new();
    for user in users {
        let shown = is_shown(state, turn, watcher, user);
        let target = state.topology.shard_of_user(user);
        targets.entry(target).or_default().push((user, shown));
    }
    for (target, users) in targets {
        turn.effects.push(Effect::Forward(Command::Observe {
            target,
            session,
            watcher,
            users,
        }));
    }
}

fn forget(
    state: &State,
    turn: &mut Turn<'_>,
    session: SessionId,
    users: impl IntoIterator<Item = UserId>,
) {
    let mut targets: BTreeMap<ShardId, Vec<UserId>> = BTreeMap::new();
    for user in users {
        let target = state.topology.shard_of_user(user);
        targets.entry(target).or_default().push(user);
    }
    for (target, users) in targets {
        turn.effects.push(Effect::Forward(Command::Unobserve {
            target,
            session,
            users,
        }));
    }
}

/// Whether an account of this shard shows itself to another one.
pub(crate) fn is_shown(state: &mut State, turn: &Turn<'_>, owner: UserId, peer: UserId) -> bool {
    if owner == peer {
        return true;
    }
    let Some(account) = state.account(turn.view, owner) else {
        return false;
    };
    let person = account.person;
    let relation = relation_of(&state.fresh, turn.view, state.id, (owner, peer)).relation;
    shows(&person, relation)
}

/// At the shard of the watched: each watcher is told what it may know. An account that does not
/// exist looks like one that hides.
pub(crate) fn observed(
    state: &mut State,
    turn: &mut Turn<'_>,
    (session, watcher): (SessionId, UserId),
    users: Vec<(UserId, bool)>,
) {
    for (user, watcher_shows) in users {
        let shown = is_shown(state, turn, user, watcher);
        let Some(known) = watchers_mut(state, turn, user) else {
            watchers::tell(turn, session, user, HIDDEN);
            continue;
        };
        if known.watch(turn, user, (session, watcher), (watcher_shows, shown)) {
            changed(state, turn, user);
        }
    }
}

/// At the shard of the watched: a connection watches no longer.
pub(crate) fn unobserved(state: &mut State, session: SessionId, users: &[UserId]) {
    for user in users {
        let account = state.accounts.get_mut(user);
        if let Some(known) = account.and_then(|account| account.watchers.as_deref_mut()) {
            known.unwatch(session);
        }
    }
}

/// A person looks at a device, or looks away.
pub(crate) fn active(
    state: &mut State,
    turn: &mut Turn<'_>,
    (session, address): (SessionId, Address),
    active: bool,
) {
    let device = device_mut(state, turn, address);
    let Some(live) = device.and_then(|device| device.session_mut(session)) else {
        return;
    };
    if live.active != active {
        live.active = active;
        look(state, turn, address.user);
    }
}

/// A connection has ended, with all that it watched.
pub(crate) fn left(state: &mut State, turn: &mut Turn<'_>, user: UserId, ended: &Session) {
    forget(state, turn, ended.id, ended.watched.iter().copied());
    if ended.active {
        look(state, turn, user);
    }
}

/// Looks whether the account is online, and tells those who watch.
fn look(state: &mut State, turn: &mut Turn<'_>, user: UserId) {
    let now = turn.now;
    let Some(account) = state.account(turn.view, user) else {
        return;
    };
    let mut sessions = account.devices.values().flat_map(|it| &it.session);
    let is_online = sessions.any(|session| session.active);
    let Some(known) = watchers_mut(state, turn, user) else {
        return;
    };
    let was_online = known.is_online();
    if was_online == is_online {
        return;
    }
    known.set_online(is_online, now);
    if was_online {
        let account = state.accounts.get_mut(&user).expect("it was there above");
        if let Some(save_at) = account.last_seen_is_unsaved(now) {
            state.unsaved.insert((save_at, user));
        }
    }
    changed(state, turn, user);
}

/// What watchers of an account may know has changed.
fn changed(state: &mut State, turn: &mut Turn<'_>, user: UserId) {
    let account = state.accounts.get_mut(&user);
    let Some(known) = account.and_then(|account| account.watchers.as_deref_mut()) else {
        return;
    };
    if let Telling::At(due) = known.changed(turn, user) {
        state.presence_due.insert((due, user));
    }
}

/// An account shows itself to others than before: to anybody, or to the one that is named. Then
/// it sees others than before, too.
pub(crate) fn reconsider(
    state: &mut State,
    turn: &mut Turn<'_>,
    owner: UserId,
    one: Option<UserId>,
) {
    let id = state.id;
    let account = state.accounts.get_mut(&owner).expect("the caller has it");
    let person = account.person;
    let watching: Vec<_> = account
        .devices
        .values()
        .flat_map(|device| &device.session)
        .map(|session| {
            let affected = session.watched.iter().copied();
            let affected = affected.filter(|user| one.is_none_or(|one| one == *user));
            (session.id, affected.collect::<Vec<_>>())
        })
        .collect();
    if let Some(known) = account.watchers.as_deref_mut() {
        let (fresh, view) = (&state.fresh, turn.view);
        known.reconsider(one, |peer| {
            let relation = relation_of(fresh, view, id, (owner, peer)).relation;
            peer == owner || shows(&person, relation)
        });
    }
    changed(state, turn, owner);
    for (session, users) in watching {
        observe(state, turn, (session, owner), users);
    }
}

/// Tells what was held back for a second.
pub(crate) fn tell_due(state: &mut State, turn: &mut Turn<'_>) {
    while let Some((due, user)) = state.presence_due.first().copied() {
        if due > turn.now {
            return;
        }
        state.presence_due.pop_first();
        let account = state.accounts.get_mut(&user);
        if let Some(known) = account.and_then(|account| account.watchers.as_deref_mut()) {
            known.tell_due(turn, user);
        }
    }
}

/// Writes when accounts were last seen, in a turn that writes anyway.
pub(crate) fn save_beside(state: &mut State, turn: &mut Turn<'_>) {
    let now = turn.now;
    save(state, turn, now, LAST_SEEN_PER_TURN);
}

/// Writes when accounts were last seen of which no turn has done it beside its own rows.
pub(crate) fn save_late(state: &mut State, turn: &mut Turn<'_>) {
    let before = Millis(turn.now.0.saturating_sub(LAST_SEEN_WAIT_MS));
    save(state, turn, before, usize::MAX);
}

fn save(state: &mut State, turn: &mut Turn<'_>, before: Millis, count: usize) {
    for _ in 0..count {
        match state.unsaved.first().copied() {
            Some((save_at, user)) if save_at <= before => {
                state.unsaved.pop_first();
                let account = state.accounts.get_mut(&user).expect("it is kept for good");
                let last_seen = account.save_last_seen(turn.now);
                let key = relation::seen_key(state.id, user);
                turn.batch.put(&key, &last_seen.0.to_le_bytes());
            }
            _ => return,
        }
    }
}

/// The presence of an account; `None` when there is no such account.
fn watchers_mut<'s>(
    state: &'s mut State,
    turn: &Turn<'_>,
    user: UserId,
) -> Option<&'s mut Watchers> {
    let id = state.id;
    let account = state.account(turn.view, user)?;
    if account.watchers.is_none() {
        let row = turn.view.get(&relation::seen_key(id, user));
        let last_seen = row.map_or(Millis(0), |row| {
            relation::seen_at(&row).expect("a last-seen row is ours")
        });
        account.watchers = Some(Box::new(Watchers::seen_at(last_seen)));
    }
    account.watchers.as_deref_mut()
}

impl Account {
    /// Notes that it was just seen. When that is to be written, unless it is noted already.
    fn last_seen_is_unsaved(&mut self, now: Millis) -> Option<Millis> {
        if std::mem::replace(&mut self.is_unsaved, true) {
            return None;
        }
        Some(now.max(self.last_seen_saved.plus(LAST_SEEN_MS)))
    }

    /// What is to be written.
    fn save_last_seen(&mut self, now: Millis) -> Millis {
        self.is_unsaved = false;
        self.last_seen_saved = now;
        let known = self.watchers.as_deref();
        known.map_or(Millis(0), Watchers::last_seen)
    }
}
