//! What a person does with groups.

use martlet_client::engine::{Outgoing, Post};
use martlet_client::{Group, GroupRights, MessageId, Right, Role};

use crate::device::Device;
use crate::env::Env;
use crate::oracle::Remark;
use crate::person::PAGE;

/// Most groups that a person is in before it makes no more.
const GROUPS_MAX: usize = 2;

impl Device {
    /// The person makes a group, says something in one, or changes one.
    pub(crate) fn be_in_groups(&mut self, env: &mut Env, people: &[&str]) {
        let mine = self.groups(env).into_iter();
        let mine = mine.filter(|group| group.role != Role::NONE);
        let mine: Vec<Group> = mine.collect();
        if mine.len() < GROUPS_MAX && (mine.is_empty() || env.rng.one_in(8)) {
            self.make_group(env, people);
            return;
        }
        let group = &mine[env.rng.index(mine.len())];
        if env.rng.below(4) > 0 {
            for _ in 0..1 + env.rng.below(3) {
                self.say_in_group(env, group);
            }
        } else {
            self.change_group(env, group, people);
        }
    }

    /// The groups that this home knows.
    pub(crate) fn groups(&mut self, env: &mut Env) -> Vec<Group> {
        let groups = self.call(env, "groups", |engine, _| engine.groups());
        groups.ok().and_then(Result::ok).unwrap_or_default()
    }

    /// What was said in a group, as this home shows it.
    pub(crate) fn remarks(&mut self, env: &mut Env, peer: &str) -> Vec<MessageId> {
        let page = self.call(env, "history", |engine, _| engine.history(peer, &PAGE));
        let page = page.ok().and_then(Result::ok).unwrap_or_default();
        page.iter().map(|message| message.id).collect()
    }

    fn make_group(&mut self, env: &mut Env, people: &[&str]) {
        let own = self.handle.clone();
        let others = people.iter().filter(|handle| **handle != own);
        let members: Vec<_> = others.filter(|_| env.rng.one_in(2)).copied().collect();
        let entropy = env.rng.bytes();
        let name = format!("made by {own}");
        let made = self.call(env, "create_group", |engine, now| {
            engine.create_group(now, entropy, &name, &members)
        });
        if let Ok(Ok(group)) = made {
            env.counters.groups += 1;
            env.note(format_args!("{} makes {group}", self.index));
        }
        self.pump(env);
    }

    /// The person writes to a group.
    fn say_in_group(&mut self, env: &mut Env, group: &Group) {
        let number = env.ledger.next_remark(self.index, group.id);
        let size = env.rng.index(40);
        let text = format!(
            "{number} {} in {} {:size$}",
            env.ledger.name(self.index),
            group.id,
            ""
        );
        let expires = env.ledger.rules().expires && env.rng.one_in(8);
        let ttl_ms = expires.then(|| env.rng.between(1_000, 5_000));
        let entropy = env.rng.bytes();
        let outgoing = Outgoing {
            to: &group.peer,
            what: Post::Text(text.clone()),
            ttl_ms,
        };
        let sent = self.call(env, "send", |engine, now| {
            engine.send(now, entropy, &outgoing)
        });
        if let Ok(Ok(id)) = sent {
            env.counters.remarks += 1;
            env.note(format_args!("{} writes {id} in {}", self.index, group.id));
            env.ledger.on_remark(Remark {
                id,
                author: self.index,
                group: group.id,
                text,
                number,
            });
        }
        self.pump(env);
    }

    fn change_group(&mut self, env: &mut Env, group: &Group, people: &[&str]) {
        let peer = group.peer.as_str();
        let is_in = |handle: &str| group.members.iter().any(|it| it.handle == handle);
        let outside = people.iter().filter(|handle| !is_in(handle));
        let outside: Vec<&str> = outside.copied().collect();
        let others = group.members.iter().filter(|it| it.handle != self.handle);
        let others: Vec<&str> = others.map(|it| it.handle.as_str()).collect();
        let pick = |env: &mut Env, from: &[&str]| {
            let index = env.rng.index(from.len().max(1));
            from.get(index).map(|it| (*it).to_owned())
        };
        let (newcomer, other) = (pick(env, &outside), pick(env, &others));
        let what = env.rng.below(10);
        let number = env.rng.below(1_000);
        let done = self.call(env, "change_group", |engine, now| {
            match (what, newcomer, other) {
                (0..=3, Some(name), _) => engine.add_members(now, peer, &[&name]),
                (4 | 5, _, Some(name)) => engine.remove_members(now, peer, &[&name]),
                (6, _, Some(name)) => engine.set_role(now, peer, &name, Role::ADMIN),
                (7, _, _) => engine.leave_group(now, peer),
                (8, _, _) => {
                    let rights = GroupRights {
                        add: Right::MEMBERS,
                        send: Right::MEMBERS,
                        change: Right::MEMBERS,
                    };
                    engine.set_rights(now, peer, rights)
                }
                _ => engine.rename_group(now, peer, &format!("name {number}"), Vec::new()),
            }
        });
        if let Ok(done) = done {
            env.note(format_args!(
                "{} changes {} by {what}: {done:?}",
                self.index, group.id
            ));
        }
        self.pump(env);
    }
}
