//! What a person lets others see, and sees of them, without saying anything.

use martlet_client::{Presence, Typing};

use crate::device::Device;
use crate::env::Env;
use crate::world::World;

impl Device {
    /// The person comes or goes, looks whether somebody is there, or begins to write.
    pub(crate) fn show_itself(&mut self, env: &mut Env, peer: &str) {
        match env.rng.below(6) {
            0 | 1 => {
                let is_active = env.rng.one_in(2);
                let done = self.call(env, "set_active", |engine, now| {
                    engine.set_active(now, is_active)
                });
                if done.is_ok() {
                    self.is_active = is_active;
                    env.note(format_args!("{} is active: {is_active}", self.index));
                }
            }
            2 | 3 => {
                let watched = self.call(env, "watch", |engine, now| engine.watch(now, peer));
                if let Ok(Ok(())) = watched {
                    self.watched.insert(peer.to_owned());
                    env.counters.watched += 1;
                }
            }
            4 => {
                let unwatched = self.call(env, "unwatch", |engine, now| engine.unwatch(now, peer));
                if unwatched.is_ok() {
                    self.watched.remove(peer);
                }
            }
            _ => {
                let kind = [Typing::Typing, Typing::Recording, Typing::Stopped];
                let kind = kind[env.rng.index(kind.len())];
                let groups = self.groups(env);
                let group = groups.first().filter(|_| env.rng.one_in(2));
                let peer = group.map_or(peer, |group| group.peer.as_str());
                let _ = self.call(env, "typing", |engine, now| engine.typing(now, peer, kind));
            }
        }
        self.pump(env);
    }

    /// Whether somebody is there, as this home has been told last.
    fn presence(&mut self, env: &mut Env, peer: &str) -> Option<Presence> {
        let known = self.call(env, "presence", |engine, _| engine.presence(peer));
        let known = known.ok().and_then(Result::ok).flatten();
        known.map(|(state, _)| state)
    }
}

impl World {
    /// Whoever is watched is shown as it is, once all have heard of it.
    pub(crate) fn check_presences(&mut self) {
        for index in 0..self.devices.len() {
            if !self.devices[index].is_in_use(&self.env) {
                continue;
            }
            for peer in self.devices[index].watched.clone() {
                let mut of_peer = self.devices.iter();
                let is_there =
                    of_peer.any(|it| it.handle == peer && it.is_active && it.is_in_use(&self.env));
                let shown = self.devices[index].presence(&mut self.env, &peer);
                // One that was never there, and one that hides, is hidden.
                let is_right = match shown {
                    Some(Presence::Online) => is_there,
                    Some(_) => !is_there,
                    None => false,
                };
                if !is_right {
                    let name = self.env.ledger.name(index).to_owned();
                    let what =
                        format!("{name} sees {peer} as {shown:?}, which is there: {is_there}");
                    self.env.ledger.violate(what);
                }
            }
        }
    }
}
