//! Persons and their devices: a code is carried from one to the other, a device is let in, another
//! one is removed.

use martlet_client::engine::Answer;
use martlet_protocol::{Address, DeviceId, UserId};

use crate::oracle::Witness;
use crate::schedule::Event;
use crate::world::World;

/// Somebody with an account.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) handle: &'static str,
    pub(crate) user: UserId,
    /// The home on which the account was made, and homes that may join it.
    pub(crate) homes: Vec<usize>,
}

impl Account {
    /// The home that has the account's key.
    pub(crate) fn first(&self) -> usize {
        self.homes[0]
    }
}

impl World {
    /// What the engines have answered: persons look at it.
    pub(crate) fn hear_answers(&mut self) {
        while let Some((device, answer)) = self.env.answers.pop_front() {
            self.hear(device, answer);
        }
    }

    fn hear(&mut self, device: usize, answer: Answer) {
        let us = self.env.rng.between(100_000, 3_000_000);
        match answer {
            Answer::LinkOpened { code } => {
                let Some(device) = self.waiting(self.account_of(device)) else {
                    return;
                };
                let code = code.to_string();
                self.env.plan_in_us(us, Event::Scan { device, code });
            }
            Answer::LinkOffered { .. } => self.env.plan_in_us(us, Event::Approve { device }),
            Answer::Registered { device: id, .. } => {
                self.env.counters.joined += u64::from(id != DeviceId(1));
                self.env.note(format_args!("{device} can be written to"));
            }
            Answer::LinkInvalid | Answer::RegistrationRefused { .. } => {
                let name = self.env.ledger.name(device).to_owned();
                self.env
                    .ledger
                    .violate(format!("{name} is told {answer:?}"));
            }
            _ => {}
        }
    }

    pub(crate) fn account_of(&self, device: usize) -> usize {
        let mut accounts = self.accounts.iter();
        let found = accounts.position(|account| account.homes.contains(&device));
        found.expect("every home is somebody's")
    }

    /// A home that could join the account.
    fn waiting(&self, account: usize) -> Option<usize> {
        let mut homes = self.accounts[account].homes.iter().copied();
        homes.find(|home| self.devices[*home].address().is_none())
    }

    /// A person does something about the account's devices.
    pub(crate) fn change_devices(&mut self, account: usize) {
        if !self.env.is_stormy {
            return;
        }
        self.plan_change(account);
        if self.env.rng.one_in(4) {
            self.remove_some(account);
        } else if self.waiting(account).is_some() {
            self.open_link(account);
        }
    }

    pub(crate) fn plan_change(&mut self, account: usize) {
        let us = self.env.rng.between(1_000, 2 * self.plan.change_ms) * 1_000;
        self.env.plan_in_us(us, Event::Devices { account });
    }

    pub(crate) fn open_link(&mut self, account: usize) {
        let with_history = self.env.rng.one_in(2);
        let first = self.accounts[account].first();
        self.devices[first].open_link(&mut self.env, with_history);
    }

    pub(crate) fn scan(&mut self, device: usize, code: &str) {
        let env = &mut self.env;
        env.counters.links += 1;
        env.note(format_args!("{device} reads a code"));
        self.devices[device].join(env, code);
    }

    /// Removes one of the devices that joined, whatever it is doing.
    fn remove_some(&mut self, account: usize) {
        let Account { user, homes, .. } = &self.accounts[account];
        let joined = homes[1..].iter().filter_map(|home| {
            let address = self.devices[*home].address()?;
            (!self.env.ledger.is_removed(address)).then_some(address)
        });
        let joined: Vec<Address> = joined.collect();
        if joined.is_empty() {
            return;
        }
        let Address { device, .. } = joined[self.env.rng.index(joined.len())];
        let first = self.accounts[account].first();
        debug_assert_eq!(*user, joined[0].user);
        let is_done = self.devices[first].revoke(&mut self.env, device);
        self.env.counters.revoked += u64::from(is_done);
    }

    /// Once all is calm nobody joins any more: whoever has not, gives up.
    pub(crate) fn give_up_joining(&mut self) {
        for device in 0..self.devices.len() {
            if self.devices[device].address().is_none() {
                self.devices[device].cancel_join(&mut self.env);
            }
        }
    }

    /// A device that was listed although its home had given up is removed. Returns whether there
    /// is none.
    pub(crate) fn lay_ghosts(&mut self) -> bool {
        let witness = Witness::of(self.server.durable());
        let mut is_clean = true;
        for account in 0..self.accounts.len() {
            let Account { user, homes, .. } = &self.accounts[account];
            if !homes.iter().all(|home| self.devices[*home].is_up()) {
                // A process that has died cannot say which device it is.
                is_clean = false;
                continue;
            }
            let living: Vec<_> = homes
                .iter()
                .filter_map(|home| self.devices[*home].address())
                .map(|address| address.device)
                .collect();
            let listed = witness.devices_of(*user);
            let ghost = listed.iter().find(|device| !living.contains(device));
            let Some(ghost) = ghost.copied() else {
                continue;
            };
            is_clean = false;
            let first = self.accounts[account].first();
            if self.devices[first].revoke(&mut self.env, ghost) {
                self.env.counters.ghosts += 1;
            }
        }
        is_clean
    }
}
