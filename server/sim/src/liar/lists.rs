//! Lies about devices and their keys.

use bytes::{Bytes, BytesMut};
use martlet_protocol::auth::proof_message;
use martlet_protocol::device_list::PREVIOUS_NONE;
use martlet_protocol::limits::{DEVICE_LISTS_MAX, DEVICES_MAX};
use martlet_protocol::wire::List;
use martlet_protocol::{Address, DeviceId, DeviceList, ListedDevice, Millis, UserId};
use martlet_shard::{BundlesAnswer, ListsAnswer};

use super::{Liar, Scene, account};
use crate::lie::Lie;
use crate::net::ConnId;
use crate::signatures::hash_of;

impl Liar {
    /// Changes an answer, and returns about whom it lies now.
    pub(super) fn change_lists(
        &mut self,
        scene: &Scene<'_>,
        conn: ConnId,
        to: Address,
        answer: &mut ListsAnswer,
    ) -> Option<Address> {
        let user = answer.user;
        if self.lie == Lie::ListForked {
            // Whoever sees the second list sees it always, and so do the other devices.
            let is_misled = to.user < user && self.owners.contains_key(&user);
            let count = answer.lists.len();
            let is_changed = is_misled && count > 0 && self.fork(scene, answer).is_some();
            return is_changed.then(|| account(user));
        }
        // What nobody has asked for may be ignored.
        let have = self.asked.get(&(conn, answer.request)).copied()?;
        if answer.request == 0 {
            return None;
        }
        let changed = match self.lie {
            Lie::ListedKeySwapped => {
                let last = answer.lists.last()?;
                let list = self.with_other_key(last)?;
                let mut lists = answer.lists.clone();
                *lists.last_mut()? = list;
                ListsAnswer {
                    lists,
                    ..answer.clone()
                }
            }
            Lie::DeviceAdded => {
                let newest = scene.list(user, answer.newest)?;
                let list = self.with_device(&newest)?;
                let mut lists = answer.lists.clone();
                let is_whole = lists.len() < DEVICE_LISTS_MAX;
                lists.extend(is_whole.then_some(list));
                ListsAnswer {
                    newest: answer.newest + 1,
                    lists,
                    ..*answer
                }
            }
            Lie::OldList => {
                let newest = have.checked_sub(1).filter(|newest| *newest > 0)?;
                ListsAnswer {
                    newest,
                    lists: scene.list(user, newest).into_iter().collect(),
                    ..*answer
                }
            }
            _ => return None,
        };
        self.is_tempted(scene, to, user).then(|| {
            *answer = changed;
            account(user)
        })
    }

    /// Changes the first prekey, and returns whose it was.
    pub(super) fn change_keys(
        &mut self,
        scene: &Scene<'_>,
        to: Address,
        answer: &mut BundlesAnswer,
    ) -> Option<Address> {
        let is_meant = self.lie == Lie::KeySwapped && !answer.bundles.is_empty();
        if !is_meant || !self.is_tempted(scene, to, answer.user) {
            return None;
        }
        let (user, other) = (answer.user, self.key.public());
        let bundle = answer.bundles.first_mut()?;
        let prekey = &mut bundle.prekey;
        match self.rng.below(3) {
            0 => prekey.key = other,
            1 => prekey.signature = self.key.sign(&prekey.key),
            // As well signed as a key can be, but by somebody else.
            _ => {
                let owner = Address {
                    user,
                    device: bundle.device,
                };
                let message = martlet_protocol::auth::prekey_message(
                    bundle.kind,
                    owner,
                    &other,
                    prekey.id,
                    &other,
                );
                prekey.key = other;
                prekey.signature = self.key.sign(&message);
            }
        }
        Some(Address {
            user,
            device: bundle.device,
        })
    }

    /// The list with another key for its first device, as if that had agreed to it.
    fn with_other_key(&self, bytes: &[u8]) -> Option<Bytes> {
        let list = DeviceList::decode(bytes).ok()?;
        let mut devices: Vec<_> = list.devices.iter().collect();
        let first = devices.first_mut()?;
        first.identity_key = self.key.public();
        Some(self.sign(list, &devices))
    }

    /// The next list, with a device of the server.
    fn with_device(&self, bytes: &[u8]) -> Option<Bytes> {
        let list = DeviceList::decode(bytes).ok()?;
        let mut devices: Vec<_> = list.devices.iter().collect();
        if devices.len() == DEVICES_MAX {
            return None;
        }
        let (device, key) = (list.next_device, self.key.public());
        let address = Address {
            user: list.user,
            device,
        };
        devices.push(ListedDevice {
            device,
            signing_key: key,
            identity_key: key,
            proof: self
                .key
                .sign(&proof_message(address, &list.account_key, &key)),
            name: b"",
        });
        let next = DeviceList {
            version: list.version + 1,
            previous: hash_of(&list),
            next_device: DeviceId(device.0.checked_add(1)?),
            ..list
        };
        Some(self.sign(next, &devices))
    }

    /// Signed by the only key that the server has.
    fn sign(&self, list: DeviceList<'_>, devices: &[ListedDevice<'_>]) -> Bytes {
        let mut list = DeviceList {
            devices: List::Slice(devices),
            ..list
        };
        list.signature = self.key.sign(&list.signed_bytes());
        encoded(&list)
    }

    /// Replaces each list by the other one of its version.
    fn fork(&mut self, scene: &Scene<'_>, answer: &mut ListsAnswer) -> Option<()> {
        for version in 1..=answer.newest {
            self.fork_of(scene, answer.user, version)?;
        }
        for list in &mut answer.lists {
            let version = DeviceList::decode(list).ok()?.version;
            *list = self.forks.get(&(answer.user, version))?.0.clone();
        }
        Some(())
    }

    /// Makes the other list of a version. Its devices and their keys are the same, so that only
    /// the hashes tell: the most careful liar there can be.
    fn fork_of(&mut self, scene: &Scene<'_>, user: UserId, version: u64) -> Option<()> {
        if self.forks.contains_key(&(user, version)) {
            return Some(());
        }
        let previous = match version {
            1 => PREVIOUS_NONE,
            _ => self.forks.get(&(user, version - 1))?.1,
        };
        let bytes = scene.list(user, version)?;
        let genuine = DeviceList::decode(&bytes).ok()?;
        let mut list = DeviceList {
            previous,
            issued_at: Millis(genuine.issued_at.0 + 1),
            ..genuine
        };
        list.signature = self.owners.get(&user)?.sign(&list.signed_bytes());
        let fork = (encoded(&list), hash_of(&list));
        self.forks.insert((user, version), fork);
        Some(())
    }
}

fn encoded(list: &DeviceList<'_>) -> Bytes {
    let mut out = BytesMut::new();
    list.encode(&mut out);
    out.freeze()
}
