//! Device lists and prekeys: what their rows must have in common with the account's.

use std::collections::BTreeMap;

use martlet_protocol::{Address, DeviceId, DeviceList, UserId};
use martlet_store::keys::account::AccountRow;
use martlet_store::keys::device_list;
use martlet_store::keys::prekey::{self, StockRow};

use super::say;

/// What was seen of the directory.
#[derive(Debug)]
pub(super) struct Directory {
    /// Without their handles.
    accounts: BTreeMap<UserId, AccountRow>,
    lists: BTreeMap<UserId, Lists>,
    stocks: BTreeMap<Address, StockRow>,
    one_time: BTreeMap<Address, OneTime>,
}

/// The lists of one account, and what the newest of them says.
#[derive(Debug)]
struct Lists {
    count: u64,
    version: u64,
    account_key: [u8; 32],
    next_device: DeviceId,
    devices: Vec<(DeviceId, [u8; 32])>,
}

/// The one-time keys of one device.
#[derive(Debug)]
struct OneTime {
    count: u64,
    first: u64,
    last: u64,
}

impl Directory {
    pub(super) const fn new() -> Self {
        Self {
            accounts: BTreeMap::new(),
            lists: BTreeMap::new(),
            stocks: BTreeMap::new(),
            one_time: BTreeMap::new(),
        }
    }

    pub(super) fn account(&mut self, user: UserId, row: AccountRow) {
        self.accounts.insert(user, row);
    }

    pub(super) fn list(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let (user, version) = device_list::version_of(key).ok_or("a list key of another length")?;
        let list = DeviceList::decode(value).map_err(say)?;
        if (list.user, list.version) != (user, version) {
            return Err(format!(
                "the list says it is {} of {}",
                list.version, list.user
            ));
        }
        let count = 1 + self.lists.get(&user).map_or(0, |known| known.count);
        let devices = list.devices.iter().map(|it| (it.device, it.signing_key));
        // Rows come in the order of their versions.
        let newest = Lists {
            count,
            version,
            account_key: list.account_key,
            next_device: list.next_device,
            devices: devices.collect(),
        };
        self.lists.insert(user, newest);
        Ok(())
    }

    pub(super) fn stock(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let address = prekey::address_of(key).ok_or("a stock key of another length")?;
        let stock = StockRow::decode(value).map_err(say)?;
        self.stocks.insert(address, stock);
        Ok(())
    }

    pub(super) fn one_time(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let (address, id) = prekey::one_time_of(key).ok_or("a prekey's key of another length")?;
        prekey::decode_one_time(id, value).map_err(say)?;
        let known = self.one_time.entry(address).or_insert(OneTime {
            count: 0,
            first: id,
            last: id,
        });
        known.count += 1;
        known.first = known.first.min(id);
        known.last = known.last.max(id);
        Ok(())
    }

    /// What does not fit together.
    pub(super) fn finish(&self, problems: &mut Vec<String>) {
        for (user, row) in &self.accounts {
            if let Some(problem) = self.list_problem(*user, row) {
                problems.push(format!("account {user}: {problem}"));
            }
        }
        for user in self.lists.keys() {
            if !self.accounts.contains_key(user) {
                problems.push(format!("a device list of {user}, who has no account"));
            }
        }
        for address in self.stocks.keys().chain(self.one_time.keys()) {
            if let Some(problem) = self.stock_problem(*address) {
                problems.push(format!("{address}: {problem}"));
            }
        }
    }

    fn list_problem(&self, user: UserId, row: &AccountRow) -> Option<&'static str> {
        let (head, lists) = match (&row.list, self.lists.get(&user)) {
            (None, None) => {
                return (row.devices.len() != 1).then_some("not one device, and no list");
            }
            (None, Some(_)) => return Some("a list that the account does not name"),
            (Some(_), None) => return Some("the newest list is missing"),
            (Some(head), Some(lists)) => (head, lists),
        };
        if (lists.version, lists.count) != (head.version, head.version) {
            return Some("not exactly the lists up to the newest");
        }
        if lists.account_key != head.account_key {
            return Some("another key than that of the newest list");
        }
        let devices = row.devices.iter().map(|row| (row.device, row.key));
        let is_listed =
            lists.devices.iter().copied().eq(devices) && lists.next_device == row.next_device;
        (!is_listed && !head.is_reset).then_some("other devices than those of the newest list")
    }

    fn stock_problem(&self, address: Address) -> Option<&'static str> {
        let Some(stock) = self.stocks.get(&address) else {
            return Some("prekeys that no stock counts");
        };
        let account = self.accounts.get(&address.user);
        let is_listed = account.is_some_and(|row| {
            let mut devices = row.devices.iter();
            row.list.is_some_and(|head| !head.is_reset)
                && devices.any(|row| row.device == address.device)
        });
        if !is_listed {
            return Some("prekeys of a device that is in no list");
        }
        let fits = match self.one_time.get(&address) {
            None => stock.one_time == 0,
            Some(keys) => {
                keys.count == stock.one_time
                    && keys.first > stock.claimed_up_to
                    && keys.last <= stock.taken_up_to
            }
        };
        (!fits || stock.claimed_up_to > stock.taken_up_to)
            .then_some("the stock does not count its prekeys")
    }
}
