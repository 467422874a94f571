//! Device lists and prekeys at the model server.

use martlet_client::crypto::device::verify_prekey;
use martlet_client::crypto::list::{SignedList, check_successor};
use martlet_protocol::frame::{
    Bundle, Bundles, Claim, DeviceLists, Devices, Frame, Prekey, PrekeyKind, Publish, Published,
    Reference, SignedList as ListBytes, Stock, Upload,
};
use martlet_protocol::limits::{DEVICE_LISTS_MAX, PREKEYS_MAX};
use martlet_protocol::wire::List;
use martlet_protocol::{Address, DeviceId, Kind, NackCode, State, UserId};

use super::account::{Inbox, Item};
use super::{Model, Session};

/// Fewer one-time keys than that, and the device is told.
const STOCK_MIN: usize = 10;

impl Model {
    /// The lists that the server shows of an account.
    pub(super) fn shown_lists(&mut self, user: UserId) -> Vec<Vec<u8>> {
        match self.false_lists.get(&user) {
            Some(lists) => lists.clone(),
            None => self.account(user).lists.clone(),
        }
    }

    pub(super) fn devices(&mut self, session: &mut Session, asked: &Devices) {
        let lists = self.shown_lists(asked.user);
        let have = usize::try_from(asked.have).unwrap();
        let from = match have {
            0 => lists.len().saturating_sub(1),
            have => have.min(lists.len()),
        };
        let answer: Vec<_> = lists[from..]
            .iter()
            .take(DEVICE_LISTS_MAX)
            .map(|list| ListBytes(list))
            .collect();
        session.write(&Frame::DeviceLists(DeviceLists {
            request: asked.request,
            user: asked.user,
            newest: lists.len() as u64,
            lists: List::Slice(&answer),
        }));
    }

    pub(super) fn publish(&mut self, session: &mut Session, from: Address, publish: &Publish<'_>) {
        let request = publish.request;
        let list = SignedList::verify(publish.list.0, from.user).expect("a client signs its lists");
        let lists = &self.account(from.user).lists;
        let newest = lists
            .last()
            .map(|list| SignedList::verify(list, from.user).unwrap());
        let is_same = newest
            .as_ref()
            .is_some_and(|newest| newest.head() == list.head());
        let version = newest.as_ref().map_or(0, SignedList::version);
        if !is_same && list.version() != version + 1 {
            let reference = Reference::number(request);
            return session.refuse(Kind::PUBLISH, NackCode::LIST_CONFLICT, reference);
        }
        if !is_same {
            if let Some(newest) = &newest {
                check_successor(newest, &list).expect("a client's list follows the one before");
            }
            self.take_list(from.user, &list);
            self.grow_rosters(from.user);
            if !publish.answer.is_empty() {
                self.answer_link(from.user, publish.answer);
            }
        }
        let version = list.version();
        session.write(&Frame::Published(Published { request, version }));
    }

    fn take_list(&mut self, user: UserId, list: &SignedList) {
        for listed in list.devices() {
            let device = listed.device;
            let is_new = !self.account(user).inboxes.contains_key(&device);
            if is_new {
                self.begin_streams(Address { user, device });
            }
        }
        let epoch = self.new_epoch();
        let account = self.account(user);
        account.lists.push(list.bytes().to_vec());
        account.next_device = list.next_device();
        for listed in list.devices() {
            let inbox = Inbox::new(listed.signing_key, epoch);
            let inbox = account.inboxes.entry(listed.device).or_insert(inbox);
            assert_eq!(
                inbox.key, listed.signing_key,
                "a listed key is the registered one"
            );
        }
        let gone: Vec<DeviceId> = account
            .inboxes
            .keys()
            .copied()
            .filter(|device| list.device(*device).is_none())
            .collect();
        for device in gone {
            self.remove(Address { user, device });
        }
    }

    /// An account gets a device with this key, and loses all others. Its lists stay until the
    /// device publishes the next one.
    pub(super) fn reset(&mut self, user: UserId, key: [u8; 32]) -> DeviceId {
        let epoch = self.new_epoch();
        let account = self.account(user);
        let gone: Vec<DeviceId> = account.inboxes.keys().copied().collect();
        let device = account.next_device;
        account.next_device = DeviceId(device.0 + 1);
        account.inboxes.insert(device, Inbox::new(key, epoch));
        for device in gone {
            self.remove(Address { user, device });
        }
        device
    }

    /// Whether the newest list of an account is still that of before it was reset.
    pub(super) fn is_reset(&mut self, user: UserId) -> bool {
        let account = self.account(user);
        let newest = account.lists.last();
        let newest = newest.map(|list| SignedList::verify(list, user).unwrap());
        newest.is_some_and(|list| {
            let mut devices = account.inboxes.keys();
            devices.any(|device| list.device(*device).is_none())
        })
    }

    /// A device is gone, and whoever wrote to it is told what it has not taken.
    fn remove(&mut self, address: Address) {
        let inbox = self.account(address.user).inboxes.remove(&address.device);
        let inbox = inbox.expect("the device exists");
        for item in inbox
            .stream
            .iter()
            .skip(usize::try_from(inbox.cursor).unwrap())
        {
            if let Item::Event {
                peer,
                id,
                timestamp,
                ..
            } = item
                && item.receipt_due().is_some()
            {
                let fact = Item::Fact {
                    state: State::DEVICE_GONE,
                    peer: address,
                    id: *id,
                    timestamp: *timestamp,
                };
                self.tell(peer.user, &fact);
            }
        }
    }

    pub(super) fn upload(&mut self, session: &mut Session, from: Address, upload: &Upload<'_>) {
        let newest = self.account(from.user).lists.last();
        let list = SignedList::verify(newest.expect("a device is listed first"), from.user);
        let list = list.unwrap();
        let listed = list.device(from.device).expect("the device is listed");
        let check = |prekey: &Prekey, kind| {
            verify_prekey(
                prekey,
                kind,
                from,
                &listed.signing_key,
                &listed.identity_key,
            )
            .expect("a client signs its prekeys");
        };
        let inbox = self.inbox(from);
        if let Some(key) = upload.last_resort {
            check(&key, PrekeyKind::LAST_RESORT);
            if inbox.last_resort.is_none_or(|known| known.id < key.id) {
                inbox.last_resort = Some(key);
                inbox.last_resort_uses = 0;
            }
        }
        for key in upload.one_time {
            check(&key, PrekeyKind::ONE_TIME);
            if key.id > inbox.used_up_to && inbox.one_time.len() < PREKEYS_MAX {
                inbox.used_up_to = key.id;
                inbox.one_time.insert(key.id, key);
            }
        }
        let stock = stock(inbox, upload.request);
        session.write(&Frame::Stock(stock));
    }

    pub(super) fn claim(&mut self, session: &mut Session, claim: &Claim<'_>) {
        self.claims += 1;
        let mut bundles = Vec::new();
        for device in claim.devices {
            let peer = Address {
                user: claim.user,
                device,
            };
            bundles.extend(self.take_key(peer));
            self.tell_stock(peer);
        }
        session.write(&Frame::Bundles(Bundles {
            request: claim.request,
            user: claim.user,
            bundles: List::Slice(&bundles),
        }));
    }

    fn take_key(&mut self, peer: Address) -> Option<Bundle> {
        let (hides, swaps) = (self.keyless == Some(peer), self.swaps_keys);
        let inbox = self.account(peer.user).inboxes.get_mut(&peer.device)?;
        if hides {
            return None;
        }
        let (kind, mut prekey) = match inbox.one_time.pop_first() {
            Some((_, key)) => (PrekeyKind::ONE_TIME, key),
            None => {
                inbox.last_resort_uses += u64::from(inbox.last_resort.is_some());
                (PrekeyKind::LAST_RESORT, inbox.last_resort?)
            }
        };
        if swaps {
            prekey.key[0] ^= 1;
        }
        Some(Bundle {
            device: peer.device,
            kind,
            prekey,
        })
    }

    /// Tells a device that its keys run out.
    pub(super) fn tell_stock(&mut self, address: Address) {
        let Some(inbox) = self.account(address.user).inboxes.get(&address.device) else {
            return;
        };
        if inbox.one_time.len() < STOCK_MIN || inbox.last_resort_uses > 0 {
            let stock = stock(inbox, 0);
            self.mail(address, &Frame::Stock(stock));
        }
    }
}

fn stock(inbox: &Inbox, request: u64) -> Stock {
    Stock {
        request,
        one_time: inbox.one_time.len() as u64,
        last_resort: inbox.last_resort.map_or(0, |key| key.id),
        last_resort_uses: inbox.last_resort_uses,
    }
}
