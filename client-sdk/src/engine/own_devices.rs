//! The account's devices as a person sees and changes them: their list, their names, removals.

use martlet_protocol::{Address, DeviceId, Millis};

use super::machine::Engine;
use crate::crypto::identity::{AccountKey, is_device_name};
use crate::crypto::list::{ListError, SignedList};
use crate::error::{ClientError, DevicesError};
use crate::event::Device;
use crate::local::Draft;

impl Engine {
    /// Removes a device from the account;
    /// [`Answer::DeviceRevoked`](super::Answer::DeviceRevoked) says that it is done.
    ///
    /// # Errors
    /// [`DevicesError`]: nothing will happen.
    pub fn revoke(&mut self, now: Millis, device: DeviceId) -> Result<(), DevicesError> {
        let list = self.signers_list()?;
        if list.device(device).is_none() {
            return Err(DevicesError::UnknownDevice);
        }
        let own = self.core.own_address().ok_or(ClientError::NotRegistered)?;
        if device == own.device {
            return Err(DevicesError::ThisDevice);
        }
        self.publish_next(now, |account, issued_at| {
            list.without_device(account, device, issued_at)
        })
    }

    /// Gives a device another name, 1 to 40 bytes that only the account's own devices can read;
    /// [`Answer::DeviceRenamed`](super::Answer::DeviceRenamed) says that it is done.
    ///
    /// # Errors
    /// [`DevicesError`]: nothing will happen.
    pub fn rename(
        &mut self,
        now: Millis,
        device: DeviceId,
        name: &str,
    ) -> Result<(), DevicesError> {
        if !is_device_name(name) {
            return Err(DevicesError::NameInvalid);
        }
        let list = self.signers_list()?;
        if list.device(device).is_none() {
            return Err(DevicesError::UnknownDevice);
        }
        let user = list.user();
        let names = self.core.keys.as_ref().and_then(|keys| keys.names.as_ref());
        let names = names.expect("the device that signs lists has made the names' key");
        let sealed = names.seal(Address { user, device }, name);
        self.publish_next(now, |account, issued_at| {
            list.renamed(account, device, sealed, issued_at)
        })
    }

    /// Publishes the list that `sign` makes, with the account's key and the time.
    fn publish_next(
        &mut self,
        now: Millis,
        sign: impl FnOnce(&AccountKey, Millis) -> Result<SignedList, ListError>,
    ) -> Result<(), DevicesError> {
        if self.core.upkeep.has_draft() {
            return Err(DevicesError::Busy);
        }
        self.turn(now, |core, tx| {
            let issued_at = core.server_time(now);
            let account = core.keys.as_ref().and_then(|keys| keys.account.as_ref());
            let next = account.and_then(|key| sign(key, issued_at).ok());
            let list = next.expect("the key is here, and the change was checked");
            core.put_draft(
                tx,
                &Draft {
                    list: list.bytes().to_vec(),
                    answer: Vec::new(),
                    with_history: false,
                },
            )
        })?;
        Ok(())
    }

    /// The devices of this account, as far as this home knows; empty before their list is known.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn devices(&mut self) -> Result<Vec<Device>, ClientError> {
        self.registered()?;
        let Self { db, core, .. } = self;
        let list = core.own_list(&db.begin()?)?;
        let own = core.own_address();
        let names = core.keys.as_ref().and_then(|keys| keys.names.as_ref());
        let listed = list.iter().flat_map(|list| {
            let user = list.user();
            list.devices().iter().map(move |listed| (user, listed))
        });
        // The account's key stays on the device that made it, and that one cannot be removed. Those
        // that it adds have higher numbers.
        let holder = list.iter().flat_map(|list| list.devices()).next();
        let holder = holder.map(|listed| listed.device);
        let devices = listed.map(|(user, listed)| {
            let address = Address {
                user,
                device: listed.device,
            };
            Device {
                device: listed.device,
                name: names.and_then(|names| names.open(address, &listed.name)),
                is_this: own == Some(address),
                has_account_key: holder == Some(listed.device),
            }
        });
        Ok(devices.collect())
    }

    /// The account's list, on the device that can sign the next one.
    pub(super) fn signers_list(&mut self) -> Result<SignedList, DevicesError> {
        self.member()?;
        let Self { db, core, .. } = self;
        let has_key = core
            .keys
            .as_ref()
            .is_some_and(|keys| keys.account.is_some());
        if !has_key {
            return Err(DevicesError::NoAccountKey);
        }
        let list = core.own_list(&db.begin()?)?;
        list.map(|list| (*list).clone())
            .ok_or(DevicesError::Client(ClientError::NoAnswer))
    }
}
