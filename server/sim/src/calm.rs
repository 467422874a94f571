//! The end of a run: everything heals, and then the books are balanced.

use martlet_shard::verify::Verifier;

use crate::net;
use crate::oracle::Witness;
use crate::plan::CALM_MS_MAX;
use crate::world::World;

impl World {
    /// Everything heals; all that was promised must come now.
    pub(crate) fn calm(&mut self) {
        self.env.is_stormy = false;
        self.env.note(format_args!("all heals"));
        self.fuse = None;
        for device in &mut self.devices {
            device.heal();
        }
        for conn in self.env.net.living() {
            // A connection that is half open would heal by itself, only later.
            if self.env.rng.one_in(2) {
                net::cut(&mut self.env, conn);
            }
        }
        let deadline = self.env.now.plus_ms(CALM_MS_MAX);
        let mut calm_ms = 0;
        // Calm for a while: answers to questions may still be on their way.
        while calm_ms < 5_000 {
            if !self.env.ledger.violations().is_empty() {
                return;
            }
            if self.env.now >= deadline {
                let witness = Witness::of(self.server.durable());
                let late = (0..self.devices.len()).find(|index| !self.is_done(&witness, *index));
                let name = late.map_or("the server", |index| self.env.ledger.name(index));
                let address = late.and_then(|index| self.devices[index].address());
                let was_removed = address.is_some_and(|it| !witness.is_listed(it));
                let what = if was_removed {
                    format!("{name} was removed and has its connection")
                } else {
                    format!("{name} does not come to rest")
                };
                return self.env.ledger.violate(what);
            }
            self.give_up_joining();
            let is_calm = self.lay_ghosts() && self.is_calm();
            calm_ms = if is_calm { calm_ms + 1_000 } else { 0 };
            self.run_for(1_000);
        }
        self.check_rows();
        self.check_presences();
        self.check_histories();
        let witness = Witness::of(self.server.durable());
        self.check_groups(&witness);
        self.env
            .ledger
            .check_bounds(&witness, self.plan.limits.inbox_rows_max);
        self.env.ledger.close(&witness, self.plan.topology.shards);
    }

    fn is_calm(&self) -> bool {
        let witness = Witness::of(self.server.durable());
        self.server.is_quiet() && (0..self.devices.len()).all(|it| self.is_done(&witness, it))
    }

    fn is_done(&self, witness: &Witness, index: usize) -> bool {
        let device = &self.devices[index];
        match device.address() {
            // Nobody's device, and it wants to be none.
            None => device.is_up(),
            Some(address) if witness.is_listed(address) => {
                device.is_settled() && self.server.is_ready(address) && witness.is_drained(address)
            }
            Some(_) => !device.seeks_server(),
        }
    }

    /// What people find when they look at their conversations again is what they were shown, as it
    /// has become since.
    fn check_histories(&mut self) {
        for index in 0..self.devices.len() {
            if !self.devices[index].is_in_use(&self.env) {
                continue;
            }
            let own = self.account_of(index);
            for account in (0..self.accounts.len()).filter(|account| *account != own) {
                let handle = self.accounts[account].handle;
                for id in self.env.ledger.deeds_between(own, account) {
                    if self.devices[index].has_heard(&mut self.env, id) {
                        self.env.ledger.on_known(index, id);
                    }
                }
                let history = self.devices[index].look_back(&mut self.env, handle);
                let counters = &mut self.env.counters;
                self.env
                    .ledger
                    .check_history(counters, index, account, &history);
            }
        }
    }

    /// What homes know of groups, and what was said in them as they show it.
    fn check_groups(&mut self, witness: &Witness) {
        for index in 0..self.devices.len() {
            if !self.devices[index].is_in_use(&self.env) {
                continue;
            }
            for group in self.devices[index].groups(&mut self.env) {
                let ledger = &mut self.env.ledger;
                ledger.check_group(&witness.groups, index, &group);
                let shown = self.devices[index].remarks(&mut self.env, &group.peer);
                self.env.ledger.check_remarks(index, group.id, &shown);
            }
        }
    }

    fn check_rows(&mut self) {
        let mut verifier = Verifier::new(self.plan.topology);
        for (key, value) in self.server.durable().iter() {
            verifier.row(key, value);
        }
        for problem in verifier.finish().1 {
            self.env.ledger.violate(problem);
        }
    }
}
