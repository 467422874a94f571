//! Presence, relations and settings: SPEC.md §24 and §25.

use std::collections::BTreeMap;

use martlet_protocol::frame::{
    AccountSettings, Frame, Nack, Presence, PresenceState, Relation, RelationList, SettingsAre,
    Watch,
};
use martlet_protocol::limits::WATCHED_MAX;
use martlet_protocol::{Kind, Millis, UserId};

use crate::inbox::Verdict;

/// What is open on one connection: nothing outlives it.
#[derive(Debug, Default)]
pub(crate) struct People {
    asked: Vec<(Kind, u64)>,
    watched: BTreeMap<UserId, Watched>,
    /// What each WATCH has added, for its refusal.
    watches: BTreeMap<u64, Vec<UserId>>,
    lists: BTreeMap<u64, u64>,
    set: BTreeMap<u64, Option<AccountSettings>>,
}

#[derive(Debug, Default)]
struct Watched {
    told: Option<(PresenceState, Millis)>,
    /// It is watched no longer: what is under way may still come.
    is_over: bool,
}

impl People {
    pub(crate) fn connection_begins(&mut self) {
        *self = Self::default();
    }

    /// Whether this request is open, for a NACK.
    pub(crate) fn has_asked(&self, kind: Kind, request: u64) -> bool {
        self.asked.contains(&(kind, request))
    }

    /// A refused WATCH has added nothing.
    pub(crate) fn refused(&mut self, nack: &Nack) {
        let added = self.watches.remove(&nack.reference.as_number());
        if nack.of == Kind::WATCH {
            for user in added.unwrap_or_default() {
                self.watched.remove(&user);
            }
        }
    }

    pub(crate) fn client(&mut self, frame: &Frame<'_>) {
        match frame {
            Frame::Watch(watch) => self.watch(watch),
            Frame::Relate(relate) => self.asked.push((Kind::RELATE, relate.request)),
            Frame::Relations(ask) => {
                self.asked.push((Kind::RELATIONS, ask.request));
                self.lists.insert(ask.request, ask.after);
            }
            Frame::Settings(settings) => {
                self.asked.push((Kind::SETTINGS, settings.request));
                self.set.insert(settings.request, settings.set);
            }
            _ => {}
        }
    }

    pub(crate) fn server(&mut self, frame: &Frame<'_>) -> Verdict {
        match frame {
            Frame::Presence(presence) => self.presence(presence),
            Frame::Related(related) => self
                .has_asked(Kind::RELATE, related.request)
                .then_some(())
                .ok_or("M-25.1"),
            Frame::RelationList(list) => self.list(list),
            Frame::SettingsAre(are) => self.settings(are),
            _ => Ok(()),
        }
    }

    fn watch(&mut self, watch: &Watch<'_>) {
        self.asked.push((Kind::WATCH, watch.request));
        let mut added = Vec::new();
        for user in &watch.users {
            if watch.on {
                let watched = self.watched.entry(user).or_default();
                if std::mem::take(&mut watched.is_over) || watched.told.is_none() {
                    watched.told = None;
                    added.push(user);
                }
            } else if let Some(watched) = self.watched.get_mut(&user) {
                watched.is_over = true;
            }
        }
        self.watches.insert(watch.request, added);
    }

    fn presence(&mut self, presence: &Presence) -> Verdict {
        let since = presence.last_seen;
        match presence.state {
            PresenceState::HIDDEN if since != Millis(0) => return Err("M-24.8"),
            PresenceState::ONLINE if since != Millis(0) => return Err("M-24.6"),
            PresenceState::OFFLINE if since == Millis(0) => return Err("M-24.6"),
            _ => {}
        }
        let live = self.watched.values().filter(|it| !it.is_over);
        if live.count() > WATCHED_MAX {
            return Err("M-24.3");
        }
        let watched = self.watched.get_mut(&presence.user).ok_or("M-24.4")?;
        let now = Some((presence.state, since));
        if watched.told == now && !watched.is_over {
            return Err("M-24.4");
        }
        watched.told = now;
        Ok(())
    }

    fn list(&self, list: &RelationList<'_>) -> Verdict {
        if list.request == 0 {
            let one = list.relations.len() == 1 && !list.more;
            return one.then_some(()).ok_or("M-25.3");
        }
        let after = *self.lists.get(&list.request).ok_or("M-25.2")?;
        let users: Vec<u64> = list.relations.iter().map(|entry| entry.user.0).collect();
        let strangers = list
            .relations
            .iter()
            .any(|entry| entry.relation == Relation::NONE);
        let ascends = users
            .iter()
            .try_fold(after, |before, user| (*user > before).then_some(*user));
        (ascends.is_some() && !strangers)
            .then_some(())
            .ok_or("M-25.2")
    }

    fn settings(&self, are: &SettingsAre) -> Verdict {
        if are.request == 0 {
            return Ok(());
        }
        let set = self.set.get(&are.request).ok_or("M-25.6")?;
        let as_set = set.is_none_or(|set| set == are.settings);
        as_set.then_some(()).ok_or("M-25.6")
    }
}
