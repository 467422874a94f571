//! What people do and what breaks, until all heals.

use crate::net;
use crate::oracle::Witness;
use crate::plan::HANDLES;
use crate::schedule::Event;
use crate::world::World;

impl World {
    /// The power may go before any step of the server that has something to lose: while turns wait
    /// for their sync, or when they are synced and nobody has been told.
    pub(crate) fn burn(&mut self, event: &Event) {
        let is_step = matches!(
            event,
            Event::Turn { .. } | Event::Synced { .. } | Event::Page { .. }
        );
        let is_exposed = is_step && self.server.unsynced() > 0;
        let Some(fuse) = self.fuse.as_mut().filter(|_| is_exposed) else {
            return;
        };
        if *fuse > 0 {
            *fuse -= 1;
            return;
        }
        self.fuse = None;
        let env = &mut self.env;
        self.server.crash(env);
        let ms = env.rng.between(1, 3_000);
        env.plan_in_us(ms * 1_000, Event::ServerUp);
    }

    pub(crate) fn plan_user(&mut self, device: usize) {
        let us = self.env.rng.between(1, 2 * self.plan.pause_ms) * 1_000;
        self.env.plan_in_us(us, Event::User { device });
    }

    pub(crate) fn user(&mut self, device: usize) {
        if !self.env.is_stormy {
            return;
        }
        self.plan_user(device);
        let own = self.account_of(device);
        let env = &mut self.env;
        let client = &mut self.devices[device];
        if own >= self.plan.accounts || !client.is_in_use(env) {
            return;
        }
        if self.plan.has_groups && env.rng.one_in(3) {
            let people = &HANDLES[..self.plan.accounts];
            return client.be_in_groups(env, people);
        }
        let others = (0..self.plan.accounts).filter(|account| *account != own);
        let others: Vec<usize> = others.collect();
        let to = others[env.rng.index(others.len())];
        if env.rng.one_in(8) {
            return client.show_itself(env, HANDLES[to]);
        }
        match env.rng.below(24) {
            0..=10 => {
                for _ in 0..1 + env.rng.below(4) {
                    client.write(env, (HANDLES[to], Some(to)));
                }
            }
            11..=16 => client.read(env),
            17 => client.ask(env),
            18 => client.write(env, ("nobody", None)),
            19..=22 => client.touch(env, (HANDLES[to], to)),
            _ => {
                client.read(env);
                client.read(env);
            }
        }
    }

    pub(crate) fn plan_fault(&mut self) {
        let us = self.env.rng.between(1, 2 * self.plan.peace_ms) * 1_000;
        self.env.plan_in_us(us, Event::Fault);
    }

    pub(crate) fn fault(&mut self) {
        if !self.env.is_stormy {
            return;
        }
        self.plan_fault();
        let witness = Witness::of(self.server.durable());
        let env = &mut self.env;
        env.ledger
            .check_bounds(&witness, self.plan.limits.inbox_rows_max);
        let device = env.rng.index(self.devices.len());
        let conns = env.net.living();
        match env.rng.below(12) {
            0..=2 => self.fuse = Some(env.rng.below(12)),
            3..=6 => {
                let calls = env.rng.below(60);
                self.devices[device].light(calls);
            }
            // What has come it has not taken: it is pushed again.
            7 => self.devices[device].dies_next = true,
            8 if !conns.is_empty() => {
                env.counters.cuts += 1;
                let conn = conns[env.rng.index(conns.len())];
                net::cut(env, conn);
            }
            9 if !conns.is_empty() => {
                env.counters.half_opens += 1;
                let conn = conns[env.rng.index(conns.len())];
                net::sever(env, conn);
            }
            10 | 11 => {
                env.counters.absences += 1;
                let ms = env.rng.between(500, 20_000);
                self.devices[device].leave(env, ms);
            }
            _ => {}
        }
    }
}
