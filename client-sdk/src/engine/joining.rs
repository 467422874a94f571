//! A home that becomes a further device of an account, with the code that another device shows.

use martlet_protocol::frame::{Frame, LinkJoin, Linked};
use martlet_protocol::{CloseCode, Millis, NackCode};

use super::dial::Dial;
use super::link::{Challenged, JOIN_MS_MAX, Link};
use super::machine::Engine;
use super::notices::Answer;
use super::state::{Core, Fault, UNEXPECTED};
use crate::crypto::device::DeviceKeys;
use crate::crypto::identity::is_device_name;
use crate::crypto::link::{LinkCode, Offer};
use crate::error::{LinkError, StoreError};
use crate::keys::{DeviceKey, KeySeed};
use crate::local::{IdentityRow, Joining, OwnKeys, Stage, Standing, StreamPlace, Tx};

/// How to join an account.
#[derive(Clone, Debug)]
pub struct Linking<'a> {
    /// What the account's device shows.
    pub code: &'a str,
    /// What to call this device, at most 40 bytes.
    pub name: &'a str,
    /// Certificates to trust, as PEM, instead of the system's.
    pub trust: Option<&'a str>,
    /// Entropy for the device's key.
    pub key_seed: KeySeed,
}

impl Engine {
    /// Joins the account that the code names. The answer is an [`Answer`]. It goes on after a
    /// restart, until it is cancelled or refused; with the same code it goes on as well, with the
    /// keys and the name that were offered first.
    ///
    /// # Errors
    /// [`LinkError`]: nothing will happen.
    pub fn link(&mut self, now: Millis, linking: &Linking<'_>) -> Result<(), LinkError> {
        let code = LinkCode::parse(linking.code)?;
        if !is_device_name(linking.name) {
            return Err(LinkError::DeviceNameInvalid);
        }
        let is_joining = self.core.joining.is_some();
        if let Some(known) = self.core.identity.as_ref().filter(|_| !is_joining)
            && known.address.is_some()
        {
            return Err(LinkError::AlreadyRegistered {
                handle: known.handle.clone(),
            });
        }
        if self.is_joining_with(&code, linking.trust) {
            return Ok(self.turn(now, |core, _| {
                if matches!(core.link, Link::Down) {
                    core.dial = Dial::new(now);
                }
                Ok(())
            })?);
        }
        let identity = IdentityRow {
            server: code.server().to_owned(),
            trust: linking.trust.map(str::to_owned),
            handle: String::new(),
            key_seed: linking.key_seed,
            address: Some(code.address()),
            place: StreamPlace::default(),
            clock_offset_ms: 0,
            standing: Standing::Accepted,
        };
        let keys = OwnKeys {
            account_key: *code.account_key(),
            account: None,
            names: None,
            name: String::new(),
            device: DeviceKeys::random(),
            stage: Stage::Joining,
            rotated_at: now,
        };
        self.turn(now, |core, tx| {
            tx.put_identity(&identity)?;
            tx.put_own_keys(&keys)?;
            core.key = Some(DeviceKey::new(&identity.key_seed));
            core.stored = identity.place;
            core.identity = Some(identity);
            core.keys = Some(keys);
            let offer = core.make_offer(&code, linking.name);
            let joining = Joining { code, offer };
            tx.put_joining(&joining)?;
            core.joining = Some(joining);
            core.registration = None;
            core.dial = Dial::new(now);
            core.hang_up();
            Ok(())
        })?;
        Ok(())
    }

    /// Whether the way to the account is already this one: a second offer would come too late
    /// [M-21.13].
    fn is_joining_with(&self, code: &LinkCode, trust: Option<&str>) -> bool {
        let Core {
            joining, identity, ..
        } = &self.core;
        let is_same = |joining: &Joining| joining.code.to_text() == code.to_text();
        joining.as_ref().is_some_and(is_same)
            && identity
                .as_ref()
                .is_some_and(|identity| identity.trust.as_deref() == trust)
    }

    /// The server that a code leads to.
    ///
    /// # Errors
    /// [`LinkError::CodeInvalid`].
    pub fn server_of(code: &str) -> Result<String, LinkError> {
        Ok(LinkCode::parse(code)?.server().to_owned())
    }

    /// Gives up to join an account, unless this home is listed already.
    ///
    /// # Errors
    /// [`StoreError`]: the engine is of no use any more.
    pub fn cancel_link(&mut self, now: Millis) -> Result<(), StoreError> {
        if self.core.joining.is_none() {
            return Ok(());
        }
        self.turn(now, |core, tx| core.forget_joining(tx))
    }
}

impl Core {
    /// This device's keys for the one that shows the code.
    fn make_offer(&self, code: &LinkCode, name: &str) -> Vec<u8> {
        let this = self.listed(code.address(), "");
        code.seal_offer(&Offer {
            signing_key: this.signing_key,
            identity_key: this.identity_key,
            proof: this.proof,
            name: name.to_owned(),
        })
    }

    /// Shows the account's device that this one has the code.
    pub(super) fn join(&mut self, now: Millis, challenged: Challenged) {
        let (Some(joining), Some(address)) = (&self.joining, self.own_address()) else {
            return self.say_goodbye();
        };
        let frame = Frame::LinkJoin(LinkJoin {
            address,
            ticket: joining.code.ticket(),
            offer: &joining.offer,
        });
        let mut out = core::mem::take(&mut self.output);
        martlet_protocol::codec::encode(&frame, &mut out);
        self.output = out;
        self.link = Link::Joining {
            challenged,
            deadline: now.plus(JOIN_MS_MAX),
        };
    }

    /// The account's device has listed this one.
    pub(super) fn on_linked(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        linked: &Linked<'_>,
    ) -> Result<(), Fault> {
        let Link::Joining { challenged, .. } = self.link else {
            return Err(UNEXPECTED);
        };
        let code = self.joining.as_ref().map(|joining| &joining.code);
        let answer = code.and_then(|code| code.open_answer(linked.answer).ok());
        let (Some(answer), Some(keys), Some(identity)) =
            (answer, self.keys.as_mut(), self.identity.as_mut())
        else {
            // Only the server can have changed it.
            self.answers.push_back(Answer::LinkInvalid);
            self.forget_joining(tx)?;
            return Err(Fault::Violation(CloseCode::BAD_FRAME));
        };
        keys.names = Some(answer.names_key);
        tx.put_own_keys(keys)?;
        identity.handle = answer.handle;
        tx.put_identity(identity)?;
        self.authenticate(&challenged, now);
        Ok(())
    }

    /// LINK_JOIN was refused. A device that was listed and has missed the answer is accepted
    /// nevertheless.
    pub(super) fn on_join_refused(&mut self, now: Millis, challenged: &Challenged, code: NackCode) {
        self.join_refusal = Some(code);
        self.authenticate(challenged, now);
    }

    /// This home is not the account's device.
    pub(super) fn on_join_failed(&mut self, tx: &Tx<'_>, code: NackCode) -> Result<(), StoreError> {
        let code = self.join_refusal.take().unwrap_or(code);
        self.answers.push_back(match code {
            NackCode::LINK_UNKNOWN => Answer::LinkEnded,
            code => Answer::LinkRefused { code },
        });
        self.forget_joining(tx)
    }

    /// The server has accepted this device: it is listed.
    pub(super) fn finish_joining(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        if self.joining.take().is_none() {
            return Ok(());
        }
        tx.drop_joining()?;
        self.join_refusal = None;
        self.become_listed(tx)?;
        self.announce();
        if let Some(identity) = &self.identity
            && let Some(address) = identity.address
        {
            if identity.handle.is_empty() {
                // It came with the answer that was missed.
                self.lookups
                    .want(super::lookups::Query::User(address.user), false);
            } else {
                let handle = identity.handle.clone();
                self.learn(tx, address.user, &handle)?;
            }
            self.lists.demand(address.user);
        }
        Ok(())
    }

    fn forget_joining(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        tx.drop_identity()?;
        self.joining = None;
        self.join_refusal = None;
        self.keys = None;
        self.key = None;
        self.identity = None;
        self.hang_up();
        Ok(())
    }
}
