//! Adding devices, on the one that has the account's key: showing a code, and listing who joins
//! with it.

use martlet_protocol::frame::{Frame, LinkClose, LinkOffer, LinkOpen, LinkOpened, TICKET_BYTES};
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
    /// The server may know of it.
    is_told: bool,
    /// The application has the code.
    is_shown: bool,
    /// The first device that has shown that it has the code. No other one gets in with it.
    offer: Option<Offer>,
    /// What is known of its connection.
    presence: Presence,
    /// A person wants that device to join.
    is_approved: bool,
    /// The device is listed: the server takes no link for its id any more.
    is_done: bool,
}

/// Whether the device that is to join waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    /// This home has no connection on which the server has said so.
    Unknown,
    Waits,
    /// It has lost its connection, and the application knows.
    Left,
}

/// A link that is over here. In memory only as well: at the server it ends by its time.
#[derive(Debug)]
pub(super) struct LinkEnd {
    ticket: [u8; TICKET_BYTES],
    /// The number of the LINK_CLOSE that has no answer.
    request: Option<u64>,
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
            core.end_link();
            core.linking = Some(OpenLink {
                code,
                with_history,
                until: now.plus(OPEN_MS),
                request: None,
                is_due: true,
                is_told: false,
                is_shown: false,
                offer: None,
                presence: Presence::Unknown,
                is_approved: false,
                is_done: false,
            });
            Ok(())
        })?;
        Ok(())
    }

    /// Lets the device that has read the code join. Whoever sees the code could have read it, so a
    /// person is to be asked before. While it has lost its connection, it joins when it is back.
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

    /// Ends the code that was shown: whoever waits with it is told at once. A device that has
    /// joined stays.
    ///
    /// # Errors
    /// [`StoreError`]: the engine is of no use any more.
    pub fn close_link(&mut self, now: Millis) -> Result<(), StoreError> {
        self.turn(now, |core, _| {
            core.end_link();
            Ok(())
        })
    }
}

impl Core {
    /// The code is of no use any more. The server is told, unless it has never heard of the link or
    /// has ended it with the list. An end that is still to be told gives way: at the server the
    /// newer link had taken the place of that one.
    pub(super) fn end_link(&mut self) {
        if let Some(link) = self.linking.take()
            && link.is_told
            && !link.is_done
        {
            self.link_end = Some(LinkEnd {
                ticket: link.code.ticket(),
                request: None,
            });
        }
    }

    /// Tells the server that a device may not join any more.
    fn pump_link_end(&mut self) {
        let request = self.key_requests + 1;
        if let Some(end) = &mut self.link_end
            && end.request.is_none()
        {
            end.request = Some(request);
            let ticket = end.ticket;
            self.key_requests = request;
            self.write(&Frame::LinkClose(LinkClose { request, ticket }));
        }
    }

    /// Tells the server that a device may join, or may not any more.
    pub(super) fn pump_link(&mut self, now: Millis) {
        self.pump_link_end();
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
        linking.is_told = true;
        let frame = Frame::LinkOpen(LinkOpen {
            request,
            device: linking.code.address().device,
            ticket: linking.code.ticket(),
        });
        self.key_requests = request;
        self.write(&frame);
    }

    /// The server tells of the link only on the connection of its LINK_OPEN [M-21.14].
    pub(super) fn link_disconnected(&mut self) {
        if let Some(linking) = &mut self.linking {
            linking.request = None;
            linking.is_due = true;
            if linking.presence == Presence::Waits {
                linking.presence = Presence::Unknown;
            }
        }
        if let Some(end) = &mut self.link_end {
            end.request = None;
        }
    }

    pub(super) fn is_linking(&self) -> bool {
        let opens = self.linking.as_ref().and_then(|linking| linking.request);
        let ends = self.link_end.as_ref().and_then(|end| end.request);
        opens.is_some() || ends.is_some()
    }

    /// The server knows that the link is over.
    pub(super) fn on_link_closed(&mut self, request: u64) {
        self.link_end.take_if(|end| end.request == Some(request));
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

    /// A device shows that it has the code, and a person decides whether it joins. Or it has lost
    /// its connection: then nothing is signed before it shows the same again.
    pub(super) fn on_link_offer(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        offered: &LinkOffer<'_>,
    ) -> Result<(), StoreError> {
        let Some(linking) = &mut self.linking else {
            return Ok(());
        };
        let device = linking.code.address().device;
        if offered.device != device {
            return Ok(());
        }
        if offered.offer.is_empty() {
            if linking.presence == Presence::Waits {
                linking.presence = Presence::Left;
                self.answers.push_back(Answer::LinkLeft { device });
            }
            return Ok(());
        }
        // Whoever has not the code cannot make an offer that opens.
        let Ok(offer) = linking.code.open_offer(offered.offer) else {
            return Ok(());
        };
        let known = linking.offer.as_ref();
        if known.is_some_and(|known| *known != offer) {
            return Ok(());
        }
        let name = offer.name.clone();
        let is_first = linking.offer.replace(offer).is_none();
        let before = core::mem::replace(&mut linking.presence, Presence::Waits);
        // Of a loss that nobody was told of nobody has to be told the end.
        if is_first || before == Presence::Left {
            self.answers.push_back(Answer::LinkOffered { device, name });
        }
        if linking.is_approved {
            return self.approve(tx, now);
        }
        Ok(())
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
        if linking.presence != Presence::Waits {
            return Ok(());
        }
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
