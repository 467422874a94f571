//! Which devices an account has, as its own devices have signed it.

use std::collections::{BTreeMap, BTreeSet};

use martlet_protocol::{Address, DeviceId, DeviceList, UserId};

use super::ledger::Ledger;
use super::witness::Witness;

/// The lists of all accounts.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// What was signed for each version. An honest account signs another list for a version only
    /// after the server has refused the first.
    signed: BTreeMap<(UserId, u64), BTreeSet<Vec<DeviceId>>>,
    /// The newest version that the server has called published.
    told: BTreeMap<UserId, u64>,
}

impl Lists {
    /// The newest version of the account that is certain to be in force.
    pub(super) fn told(&self, user: UserId) -> u64 {
        self.told.get(&user).copied().unwrap_or_default()
    }

    /// Whether a list was signed that has a higher id, or had this device before, and does not
    /// name it.
    pub(super) fn has_removed(&self, address: Address) -> bool {
        let all = (address.user, 0)..=(address.user, u64::MAX);
        let lists = self.signed.range(all);
        let mut was_named = false;
        for devices in lists.flat_map(|(_, lists)| lists) {
            let is_named = devices.contains(&address.device);
            if was_named && !is_named {
                return true;
            }
            was_named |= is_named;
        }
        false
    }

    /// How often others may be told that the account has other devices.
    pub(super) fn changes(&self, user: UserId) -> u64 {
        let all = (user, 0)..=(user, u64::MAX);
        let newest = self.signed.range(all).next_back();
        newest.map_or(0, |((_, version), _)| version.saturating_sub(1))
    }
}

impl Ledger {
    /// A device hands the server a list that is genuine.
    pub(crate) fn on_publish(&mut self, list: &DeviceList<'_>) {
        let devices = list.devices.iter().map(|listed| listed.device).collect();
        let lists = self.lists.signed.entry((list.user, list.version));
        lists.or_default().insert(devices);
    }

    /// The server says that a list is durable and in force.
    pub(crate) fn on_published(&mut self, user: UserId, version: u64) {
        let told = self.lists.told.entry(user).or_default();
        *told = version.max(*told);
    }

    /// Whether the account's owner has removed this device.
    pub(crate) fn is_removed(&self, address: Address) -> bool {
        self.lists.has_removed(address)
    }

    /// Every list on the disk is one that a device has signed, and none that was told is missing.
    pub(super) fn check_lists(&self, witness: &Witness, problems: &mut Vec<String>) {
        for ((user, version), devices) in &witness.lists {
            let signed = self.lists.signed.get(&(*user, *version));
            if !signed.is_some_and(|signed| signed.contains(devices)) {
                problems.push(format!("nobody signed list {version} of {user}"));
            }
        }
        for (user, version) in &self.lists.told {
            if !witness.lists.contains_key(&(*user, *version)) {
                problems.push(format!("list {version} of {user} is lost"));
            }
        }
        for (address, rows) in &witness.waiting {
            if !witness.is_listed(*address) {
                problems.push(format!("{address} is gone, and {rows} rows wait for it"));
            }
        }
    }
}
