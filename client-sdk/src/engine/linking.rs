//! Adding devices, on the one that has the account's key: showing a code, and listing who joins
//! with it.

use martlet_protocol::frame::{Frame, LinkOffer, LinkOpen, LinkOpened};
use martlet_protocol::limits::DEVICES_MAX;
use martlet_protocol::{Address, Millis, NackCode};

use super::machine::Engine;
use super::notices::Answer;
use super::state::Core;
use crate::crypto::link::{self, LinkCode, Offer};
use crate::crypto::list::{ListedDevice, SignedList, Step};
use crate::error::{DevicesError, StoreError};
use crate::local::{Draft, Tx};

/// How long the server waits for a device with the code, in milliseconds.
const OPEN_MS: u64 = 10 * 60 * 1_000;

/// In an answer to a link: the history will follow.
const FLAG_HISTORY: u8 = 1;

/// A link that waits for the new device. It is in memory only: with this process its code ends.
#[derive(Debug)]
pub(super) struct OpenLink {
    code: LinkCode,
    with_history: bool,
    until: Millis,
    /// The number of the LINK_OPEN that has no answer.
    request: Option<u64>,
    /// The server has to be told, on this connection.
    is_due: bool,
    /// The application has the code.
    is_shown: bool,
    /// The first device that has shown that it has the code. No other one gets in with it.
    offer: Option<Offer>,
    /// A person wants that device to join.
    is_approved: bool,
    /// The device is listed: the server takes no link for its id any more.
    is_done: bool,
}

impl Engine {
    /// Begins to link a device. The code to show there comes as [`Answer::LinkOpened`],
    /// [`Answer::LinkOffered`] when a device has read it, and after
    /// [`approve_link`](Self::approve_link) [`Answer::DeviceLinked`] when it has joined. An earlier
    /// code ends.
    ///
    /// # Errors
    /// [`DevicesError`]: nothing will happen.
    pub fn open_link(&mut self, now: Millis, with_history: bool) -> Result<(), DevicesError> {
        let list = self.signers_list()?;
        if list.devices().len() >= DEVICES_MAX {
            return Err(DevicesError::Full {
                devices_max: DEVICES_MAX,
            });
        }
        let server = self.registered()?.server.clone();
        let address = Address {
            user: list.user(),
            device: list.next_device(),
        };
        let code = LinkCode::new(address, *list.account_key(), &server);
        self.turn(now, |core, _| {
            core.linking = Some(OpenLink {
                code,
                with_history,
                until: now.plus(OPEN_MS),
                request: None,
                is_due: true,
                is_shown: false,
                offer: None,
                is_approved: false,
                is_done: false,
            });
            Ok(())
        })?;
        Ok(())
    }

    /// Lets the device that has read the code join. Whoever sees the code could have read it, so a
    /// person is to be asked before.
    ///
    /// # Errors
    /// [`DevicesError::NobodyJoined`] when no device has shown that it has the code, or the
    /// database's.
    pub fn approve_link(&mut self, now: Millis) -> Result<(), DevicesError> {
        let linking = self.core.linking.as_ref();
        if linking.is_none_or(|linking| linking.offer.is_none()) {
            return Err(DevicesError::NobodyJoined);
        }
        self.turn(now, |core, tx| core.approve(tx, now))?;
        Ok(())
    }

    /// Ends the code that was shown. A device that has joined stays.
    ///
    /// # Errors
    /// [`StoreError`]: the engine is of no use any more.
    pub fn close_link(&mut self, now: Millis) -> Result<(), StoreError> {
        self.turn(now, |core, _| {
            core.linking = None;
            Ok(())
        })
    }
}

impl Core {
    /// Tells the server that a device may join.
    pub(super) fn pump_link(&mut self, now: Millis) {
        let request = self.key_requests + 1;
        let Some(linking) = &mut self.linking else {
            return;
        };
        if linking.until <= now {
            self.linking = None;
            return;
        }
        // A list that is on its way may be the one for this link.
        let waits = self.upkeep.has_draft() || linking.is_done;
        if waits || !core::mem::take(&mut linking.is_due) {
            return;
        }
        linking.request = Some(request);
        let frame = Frame::LinkOpen(LinkOpen {
            request,
            device: linking.code.address().device,
            ticket: linking.code.ticket(),
        });
        self.key_requests = request;
        self.write(&frame);
    }

    /// The server knows the link of this connection only.
    pub(super) const fn link_disconnected(&mut self) {
        if let Some(linking) = &mut self.linking {
            linking.request = None;
            linking.is_due = true;
        }
    }

    pub(super) const fn is_linking(&self) -> bool {
        matches!(&self.linking, Some(linking) if linking.request.is_some())
    }

    pub(super) fn on_link_opened(&mut self, opened: &LinkOpened) {
        let Some(linking) = &mut self.linking else {
            return;
        };
        if linking.request == Some(opened.request) {
            linking.request = None;
            if !core::mem::replace(&mut linking.is_shown, true) {
                let code = linking.code.to_text();
                self.answers.push_back(Answer::LinkOpened { code });
            }
        }
    }

    /// LINK_OPEN was refused.
    pub(super) fn on_link_refused(&mut self, request: u64, code: NackCode) {
        let is_ours = |linking: &&OpenLink| linking.request == Some(request);
        if self.linking.as_ref().filter(is_ours).is_some() {
            self.linking = None;
            self.answers.push_back(Answer::DevicesRefused { code });
        }
    }

    /// A device shows that it has the code. A person decides whether it joins; when it shows the
    /// same again, because it has lost its connection, nobody is asked again.
    pub(super) fn on_link_offer(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        offered: &LinkOffer<'_>,
    ) -> Result<(), StoreError> {
        let Some(linking) = &mut self.linking else {
            return Ok(());
        };
        // Whoever has not the code cannot make an offer that opens.
        let Ok(offer) = linking.code.open_offer(offered.offer) else {
            return Ok(());
        };
        let device = linking.code.address().device;
        if offered.device != device {
            return Ok(());
        }
        match &linking.offer {
            Some(known) if *known != offer => Ok(()),
            Some(_) if linking.is_approved => self.approve(tx, now),
            Some(_) => Ok(()),
            None => {
                let name = offer.name.clone();
                linking.offer = Some(offer);
                self.answers.push_back(Answer::LinkOffered { device, name });
                Ok(())
            }
        }
    }

    /// Lists the device that has the code. What it has to know goes along.
    fn approve(&mut self, tx: &Tx<'_>, now: Millis) -> Result<(), StoreError> {
        if self.upkeep.has_draft() {
            return Ok(());
        }
        let Some(linking) = &mut self.linking else {
            return Ok(());
        };
        linking.is_approved = true;
        let (address, offer) = (linking.code.address(), linking.offer.clone());
        let (Some(offer), Some(known)) = (offer, self.own_list(tx)?) else {
            return Ok(());
        };
        let Some(list) = self.list_with(now, &known, address, &offer) else {
            return Ok(());
        };
        let answer = self.link_answer();
        let linking = self.linking.as_ref();
        let with_history = linking.is_some_and(|linking| linking.with_history);
        let draft = Draft {
            list,
            answer,
            with_history,
        };
        self.put_draft(tx, &draft)
    }

    /// The list with the new device; the same one again when it has missed the answer.
    fn list_with(
        &self,
        now: Millis,
        known: &SignedList,
        address: Address,
        offer: &Offer,
    ) -> Option<Vec<u8>> {
        let keys = self.keys.as_ref()?;
        if let Some(listed) = known.device(address.device) {
            let is_same = listed.signing_key == offer.signing_key
                && listed.identity_key == offer.identity_key;
            return is_same.then(|| known.bytes().to_vec());
        }
        let name = keys.names.as_ref()?.seal(address, &offer.name);
        let device = ListedDevice {
            device: address.device,
            signing_key: offer.signing_key,
            identity_key: offer.identity_key,
            proof: offer.proof,
            name,
        };
        let issued_at = self.server_time(now);
        let list = known.with_device(keys.account.as_ref()?, device, issued_at);
        list.ok().map(|list| list.bytes().to_vec())
    }

    fn link_answer(&self) -> Vec<u8> {
        let names = self.keys.as_ref().and_then(|keys| keys.names.clone());
        let (Some(linking), Some(identity), Some(names_key)) =
            (&self.linking, &self.identity, names)
        else {
            return Vec::new();
        };
        linking.code.seal_answer(&link::Answer {
            names_key,
            handle: identity.handle.clone(),
            flags: if linking.with_history {
                FLAG_HISTORY
            } else {
                0
            },
        })
    }

    /// The account's new list is published: who was added gets what it needs.
    pub(super) fn on_own_devices(
        &mut self,
        tx: &Tx<'_>,
        step: &Step,
        with_history: bool,
    ) -> Result<(), StoreError> {
        for device in &step.added {
            // It stays for a device that has missed the answer and shows its offer again.
            if let Some(linking) = &mut self.linking {
                linking.is_done = true;
            }
            self.begin_sync(tx, *device, with_history)?;
            let device = *device;
            self.answers.push_back(Answer::DeviceLinked { device });
        }
        for device in &step.removed {
            let device = *device;
            self.answers.push_back(Answer::DeviceRevoked { device });
        }
        Ok(())
    }
}
