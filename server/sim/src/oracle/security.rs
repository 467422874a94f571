//! Warnings: in an honest world there are only those that follow from what honest people do, and
//! beside them only those that name a lie.

use std::collections::{BTreeMap, BTreeSet};

use martlet_client::{SecurityKind, SecurityNotice};
use martlet_protocol::frame::{Bundles, PrekeyKind};
use martlet_protocol::{Address, DeviceId, UserId};

use super::ledger::Ledger;
use crate::counters::Counters;

/// What may be warned of, and how often it was.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    /// One-time prekeys that were handed out, and to which home.
    given: BTreeMap<(Address, u64), usize>,
    /// Which home got a last-resort prekey of which device.
    last_resorts: BTreeSet<(usize, Address)>,
    /// How often a home was told that an account has other devices.
    changes: BTreeMap<(usize, UserId), u64>,
    /// How often a home got what it cannot open from an honest device: nothing, because that had
    /// no keys of it, or what the ratchet had left behind.
    unreadable_parts: BTreeMap<(usize, Address), u64>,
}

impl Warnings {
    /// A home gets what it may be unable to open from this device.
    pub(super) fn unreadable_part(&mut self, device: usize, author: Address) {
        *self.unreadable_parts.entry((device, author)).or_default() += 1;
    }
}

impl Ledger {
    /// Prekeys reach a client.
    pub(super) fn on_bundles(
        &mut self,
        counters: &mut Counters,
        device: usize,
        answer: &Bundles<'_>,
    ) {
        for bundle in answer.bundles.iter() {
            let owner = Address {
                user: answer.user,
                device: bundle.device,
            };
            let id = bundle.prekey.id;
            if bundle.kind == PrekeyKind::LAST_RESORT {
                counters.last_resorts += 1;
                self.warnings.last_resorts.insert((device, owner));
            } else if self.warnings.given.insert((owner, id), device).is_some() {
                self.violate(format!("prekey {id} of {owner} is handed out twice"));
            }
        }
    }

    /// A client warns its user.
    pub(super) fn on_warning(
        &mut self,
        counters: &mut Counters,
        device: usize,
        notice: &SecurityNotice,
    ) {
        let mut accounts = self.accounts.iter();
        // Before the handle is known the account stands for itself.
        let is_meant =
            |handle: &str, user: UserId| handle == notice.peer || user.to_string() == notice.peer;
        let about = accounts.find(|(handle, user)| is_meant(handle, *user));
        let user = about.map(|(_, user)| *user);
        let is_fair = user.is_some_and(|user| match notice.kind {
            SecurityKind::DevicesChanged => {
                counters.devices_changed += 1;
                let told = self.warnings.changes.entry((device, user)).or_default();
                *told += 1;
                *told <= self.lists.changes(user)
            }
            SecurityKind::LastResortKey => {
                counters.last_resorts_told += 1;
                self.used_last_resort(device, user, notice.device)
            }
            SecurityKind::Undecryptable if self.is_poisoner(user) => {
                counters.poison_told += 1;
                true
            }
            SecurityKind::Undecryptable if notice.group.is_some() && self.may_lack_key(device) => {
                true
            }
            SecurityKind::Undecryptable => self.takes_unreadable_part(device, user, notice.device),
            _ => false,
        });
        let is_lie = user.is_some_and(|user| self.lies.explain(device, user, notice.kind));
        if !is_fair && !is_lie {
            let name = self.name(device);
            let (peer, of, kind) = (&notice.peer, notice.device, notice.kind);
            let what = format!("{name} is warned of {peer} {of:?} for no reason: {kind:?}");
            self.violate(what);
        }
    }

    /// Whether one of the two got a last-resort prekey of the other one.
    fn used_last_resort(&self, device: usize, user: UserId, of: Option<DeviceId>) -> bool {
        let Some(of) = of else {
            return false;
        };
        let peer = Address { user, device: of };
        let own = self.devices.get(device).and_then(|watched| watched.address);
        let theirs = self.device_at(peer);
        let got = |home: usize, owner| self.warnings.last_resorts.contains(&(home, owner));
        got(device, peer) || theirs.zip(own).is_some_and(|(home, own)| got(home, own))
    }

    /// Whether the device has sent what cannot be opened, once for each time that it is asked.
    fn takes_unreadable_part(&mut self, device: usize, user: UserId, of: Option<DeviceId>) -> bool {
        let author = of.map(|device| Address { user, device });
        let left = author.and_then(|it| self.warnings.unreadable_parts.get_mut(&(device, it)));
        left.is_some_and(|left| {
            let has_some = *left > 0;
            *left = left.saturating_sub(1);
            has_some
        })
    }

    /// Whether a home may have no key of what was said in a group: it has lost something, which may
    /// have been the key, or is new and was not known to whoever said it.
    fn may_lack_key(&self, device: usize) -> bool {
        let watched = self.devices.get(device);
        watched.is_some_and(|watched| watched.has_gap || watched.is_late)
    }

    fn is_poisoner(&self, user: UserId) -> bool {
        !self.poison.is_empty() && self.poisoner == Some(user)
    }
}
