//! What has to be known before a message can be encrypted: both lists, and a session with every
//! device that gets a part.

use std::sync::Arc;

use martlet_protocol::frame::{Bundle, Bundles, PrekeyKind};
use martlet_protocol::{Address, DeviceId, Millis, UserId};

use super::state::Core;
use crate::crypto::device::verify_prekey;
use crate::crypto::list::{ListedDevice, SignedList};
use crate::crypto::ratchet::PeerSessions;
use crate::error::StoreError;
use crate::event::SecurityKind;
use crate::local::{Outbound, Tx};

/// The lists that a message is encrypted for.
#[derive(Clone, Debug)]
pub(super) struct Audience {
    /// The recipient's.
    pub(super) to: Arc<SignedList>,
    /// This account's.
    pub(super) own: Arc<SignedList>,
}

/// Whether a message can be encrypted.
#[derive(Debug)]
pub(super) enum Readiness {
    /// Now.
    Ready(Audience),
    /// When the questions that were asked are answered, or a person has decided.
    NotYet,
    /// Never: the device that it is for is not there any more, or has no keys.
    Pointless,
}

impl Core {
    /// Whether a message to this account can be encrypted, and asks for what is missing.
    pub(super) fn readiness(
        &mut self,
        tx: &Tx<'_>,
        to: UserId,
        outbound: &Outbound,
    ) -> Result<Readiness, StoreError> {
        let Some(own_address) = self.own_address() else {
            return Ok(Readiness::NotYet);
        };
        let (Some(own), Some(list)) = (self.own_list(tx)?, self.list_of(tx, to)?) else {
            self.want_lists(tx, own_address.user, to)?;
            return Ok(Readiness::NotYet);
        };
        let is_blocked = tx.list(to)?.is_some_and(|row| row.is_blocked);
        if is_blocked || self.lists.blocks(to) || self.lists.blocks(own_address.user) {
            return Ok(Readiness::NotYet);
        }
        let audience = Audience { to: list, own };
        match outbound.device {
            Some(device) => self.ready_for_one(tx, audience, device, outbound.is_fresh),
            None => self.ready_for_all(tx, audience, own_address),
        }
    }

    fn want_lists(&mut self, tx: &Tx<'_>, own: UserId, to: UserId) -> Result<(), StoreError> {
        if self.list_of(tx, to)?.is_none() {
            self.lists.demand(to);
        }
        // Before its first list is published this home knows that there is none.
        if self.is_listed() && self.list_of(tx, own)?.is_none() {
            self.lists.demand(own);
        }
        Ok(())
    }

    fn ready_for_one(
        &mut self,
        tx: &Tx<'_>,
        audience: Audience,
        device: DeviceId,
        is_fresh: bool,
    ) -> Result<Readiness, StoreError> {
        let user = audience.to.user();
        let peer = Address { user, device };
        if audience.to.device(device).is_none() {
            return Ok(Readiness::Pointless);
        }
        if !is_fresh && tx.has_session(peer)? {
            return Ok(Readiness::Ready(audience));
        }
        if self.claims.gave_up(peer) {
            return Ok(Readiness::Pointless);
        }
        self.claims.want(peer);
        Ok(Readiness::NotYet)
    }

    /// Every device gets a part. One that has no keys at all does not hold up the others: its part
    /// is empty, and it asks for the message once it has keys.
    fn ready_for_all(
        &mut self,
        tx: &Tx<'_>,
        audience: Audience,
        own: Address,
    ) -> Result<Readiness, StoreError> {
        let (mut is_ready, mut is_readable) = (true, false);
        for peer in addresses(&audience.to).chain(addresses(&audience.own)) {
            if peer == own {
                continue;
            }
            if tx.has_session(peer)? {
                is_readable |= peer.user == audience.to.user();
                continue;
            }
            self.claims.want(peer);
            is_ready &= self.claims.gave_up(peer);
        }
        if is_ready && is_readable {
            Ok(Readiness::Ready(audience))
        } else {
            Ok(Readiness::NotYet)
        }
    }

    pub(super) fn on_bundles(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        answer: &Bundles<'_>,
    ) -> Result<(), StoreError> {
        let Some((user, devices)) = self.claims.answered(answer.request) else {
            return Ok(());
        };
        let list = self.list_of(tx, user)?;
        for device in devices {
            let peer = Address { user, device };
            let listed = list.as_ref().and_then(|list| list.device(device));
            let Some(listed) = listed else {
                self.claims.settle(peer);
                continue;
            };
            let found = answer.bundles.iter().find(|bundle| bundle.device == device);
            let bundle = found.filter(|_| answer.user == user);
            let has_begun = match bundle {
                Some(bundle) => self.begin(tx, now, (peer, listed), &bundle)?,
                None => false,
            };
            if has_begun {
                self.claims.settle(peer);
            } else {
                self.claims.missing(now, peer, &mut self.rng);
            }
            // What waited for a new session goes through it, or through what there is.
            let contact = tx.contact_of_user(user)?.id;
            tx.freshen(contact, device)?;
        }
        self.outbox_prepared(user);
        Ok(())
    }

    /// Begins a session with a listed device. Returns whether its key was usable.
    fn begin(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        (peer, listed): (Address, &ListedDevice),
        bundle: &Bundle,
    ) -> Result<bool, StoreError> {
        let Some(keys) = &self.keys else {
            return Ok(false);
        };
        let (signing, identity) = (&listed.signing_key, &listed.identity_key);
        let mut sessions = load_sessions(tx, peer)?;
        let begun = verify_prekey(&bundle.prekey, bundle.kind, peer, signing, identity)
            .ok()
            .and_then(|key| sessions.start(&keys.device, identity, &key).ok());
        let about = (peer.user, Some(peer.device));
        if begun.is_none() {
            self.secure(tx, now, about, SecurityKind::KeyInvalid)?;
            return Ok(false);
        }
        tx.put_sessions(peer, &sessions.to_bytes())?;
        if bundle.kind == PrekeyKind::LAST_RESORT {
            self.secure(tx, now, about, SecurityKind::LastResortKey)?;
        }
        Ok(true)
    }

    /// A question for prekeys was refused.
    pub(super) fn on_claim_refused(&mut self, now: Millis, request: u64, until: Option<Millis>) {
        if let Some(until) = until {
            self.claims.refused(request, until);
            return;
        }
        let Some((user, devices)) = self.claims.answered(request) else {
            return;
        };
        for device in devices {
            self.claims
                .missing(now, Address { user, device }, &mut self.rng);
        }
        self.lists.want(user);
        self.outbox_prepared(user);
    }
}

/// The sessions with a device, or none.
pub(super) fn load_sessions(tx: &Tx<'_>, peer: Address) -> Result<PeerSessions, StoreError> {
    let Some(bytes) = tx.sessions(peer)? else {
        return Ok(PeerSessions::new());
    };
    PeerSessions::from_bytes(&bytes).map_err(|_| StoreError::RowInvalid {
        column: "sessions.data",
    })
}

/// The devices of a list.
pub(super) fn addresses(list: &SignedList) -> impl Iterator<Item = Address> {
    let user = list.user();
    let devices = list.devices().iter();
    devices.map(move |listed| Address {
        user,
        device: listed.device,
    })
}
