//! What the application asks of the engine.

use martlet_protocol::limits::TOKEN_BYTES_MAX;
use martlet_protocol::{MessageId, Millis, UserId, handle};

use super::dial::{ComeBack, Dial};
use super::link::Link;
use super::lookups::Query;
use super::machine::Engine;
use super::notices::Answer;
use super::state::Core;
use crate::config::History;
use crate::crypto::device::DeviceKeys;
use crate::crypto::identity::{AccountKey, NamesKey, is_device_name};
use crate::error::{ClientError, RegisterError, StoreError};
use crate::event::{Identity, Message, OfflineCause};
use crate::keys::{DeviceKey, KeySeed};
use crate::local::{IdentityRow, OwnKeys, Stage, Standing, StreamPlace};

/// A registration to make.
#[derive(Clone, Debug)]
pub struct Registration<'a> {
    /// The server's address.
    pub server: &'a str,
    /// The name the account shall have.
    pub handle: &'a str,
    /// The operator's token, if the server asks for one.
    pub token: Option<&'a str>,
    /// Certificates to trust, as PEM, instead of the system's.
    pub trust: Option<&'a str>,
    /// Entropy for the device's key. A repeated attempt keeps the key of the first one.
    pub key_seed: KeySeed,
    /// Entropy for the account's key, which stays on this device.
    pub account_seed: KeySeed,
    /// What to call this device, 1 to 40 bytes; only the account's own devices can read it.
    pub device_name: &'a str,
}

impl Engine {
    /// Asks the server for an account. The answer is an [`Answer`], and it comes when the account's
    /// keys are at the server too, so that others can write to it. A repeat after a lost answer
    /// gives the same account.
    ///
    /// # Errors
    /// [`RegisterError`]: nothing will happen.
    pub fn register(
        &mut self,
        now: Millis,
        registration: &Registration<'_>,
    ) -> Result<(), RegisterError> {
        if !handle::is_valid(registration.handle) {
            return Err(RegisterError::HandleInvalid);
        }
        let token = registration.token.unwrap_or_default().as_bytes().to_vec();
        if token.len() > TOKEN_BYTES_MAX {
            return Err(RegisterError::TokenTooLong);
        }
        if !is_device_name(registration.device_name) {
            return Err(RegisterError::DeviceNameInvalid);
        }
        let earlier = self.core.identity.as_ref();
        let same = |known: &&IdentityRow| {
            known.server == registration.server && known.handle == registration.handle
        };
        let has_account =
            |known: &&IdentityRow| known.address.is_some() && self.core.joining.is_none();
        if let Some(known) = earlier.filter(has_account) {
            let keys = self.core.keys.as_ref();
            let is_begun = keys.is_some_and(|keys| {
                matches!(keys.stage, Stage::Unlisted | Stage::Unstocked) && keys.account.is_some()
            });
            if is_begun && same(&known) {
                self.core.announce();
                return Ok(());
            }
            return Err(RegisterError::AlreadyRegistered {
                handle: known.handle.clone(),
            });
        }
        let known_seed = earlier.filter(same).map(|known| known.key_seed);
        let kept = known_seed.and_then(|_| self.core.keys.take());
        let mut keys = kept.unwrap_or_else(|| new_keys(&registration.account_seed, now));
        registration.device_name.clone_into(&mut keys.name);
        let key_seed = known_seed.unwrap_or(registration.key_seed);
        let identity = IdentityRow {
            server: registration.server.to_owned(),
            trust: registration.trust.map(str::to_owned),
            handle: registration.handle.to_owned(),
            key_seed,
            address: None,
            place: StreamPlace::default(),
            clock_offset_ms: 0,
            standing: Standing::Accepted,
        };
        self.turn(now, |core, tx| {
            tx.drop_joining()?;
            tx.put_identity(&identity)?;
            tx.put_own_keys(&keys)?;
            core.joining = None;
            core.key = Some(DeviceKey::new(&key_seed));
            core.keys = Some(keys);
            core.stored = identity.place;
            core.identity = Some(identity);
            core.registration = Some(token);
            core.dial = Dial::new(now);
            core.hang_up();
            Ok(())
        })?;
        Ok(())
    }

    /// Gives up a registration that has no answer.
    ///
    /// # Errors
    /// [`StoreError`]: the engine is of no use any more.
    pub fn cancel_registration(&mut self, now: Millis) -> Result<(), StoreError> {
        if self.core.registration.is_none() {
            return Ok(());
        }
        self.turn(now, |core, _| {
            core.registration = None;
            core.unanswered = false;
            core.hang_up();
            Ok(())
        })
    }

    /// Marks everything from `peer` up to and including the message `id` read. The server is told
    /// until it has it.
    ///
    /// # Errors
    /// [`ClientError::UnknownPeer`], [`ClientError::UnknownMessage`], or the database's.
    pub fn mark_read(&mut self, now: Millis, peer: &str, id: MessageId) -> Result<(), ClientError> {
        self.registered()?;
        let tx = self.db.begin()?;
        let contact = tx.find_contact(peer)?.ok_or(ClientError::UnknownPeer)?.id;
        let (device, timestamp) = tx
            .received(contact, id)?
            .ok_or(ClientError::UnknownMessage)?;
        drop(tx);
        self.turn(now, |core, tx| {
            let at = core.server_time(now);
            if let Some(read) = tx.mark_read(at, (contact, device, id), timestamp)? {
                core.reads.push(read);
            }
            if tx.begin_lives(at, contact, timestamp)? {
                core.reload_lives(tx)?;
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Asks the server where an own message stands; [`Answer::Status`] says that the answer is in
    /// the database.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn ask_status(&mut self, now: Millis, id: MessageId) -> Result<(), ClientError> {
        self.registered()?;
        self.turn(now, |core, tx| {
            if tx.own_message(id)?.is_some() {
                core.statuses.want(id);
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Asks whose handle this is; the answer is [`Answer::Found`].
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn lookup(&mut self, now: Millis, handle: &str) -> Result<(), ClientError> {
        self.registered()?;
        let known = self.db.begin()?.find_contact(handle)?;
        let known = known.filter(|contact| contact.handle.as_deref() == Some(handle));
        let user: Option<UserId> = known.and_then(|contact| contact.user);
        let is_answered = user.is_some() || !handle::is_valid(handle);
        if !is_answered {
            self.member()?;
        }
        self.turn(now, |core, _| {
            if is_answered {
                core.answers.push_back(Answer::Found {
                    handle: handle.to_owned(),
                    user,
                });
            } else {
                core.lookups.want(Query::Handle(handle.to_owned()), true);
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Who this home is, once it is registered or has joined.
    #[must_use]
    pub fn identity(&self) -> Option<Identity> {
        let identity = self.registered().ok()?;
        let address = identity.address?;
        Some(Identity {
            server: identity.server.clone(),
            handle: identity.handle.clone(),
            user: address.user,
            device: address.device,
        })
    }

    /// The certificates that registration has stored.
    #[must_use]
    pub fn trust(&self) -> Option<&str> {
        self.core.identity.as_ref()?.trust.as_deref()
    }

    /// A message by its id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn message(&mut self, id: MessageId) -> Result<Option<Message>, StoreError> {
        self.db.begin()?.shown_by_id(id)
    }

    /// A page of the conversation with `peer`, oldest first; empty when there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn history(&mut self, peer: &str, page: &History) -> Result<Vec<Message>, StoreError> {
        let tx = self.db.begin()?;
        match tx.find_contact(peer)? {
            Some(contact) => tx.history(contact.id, page),
            None => Ok(Vec::new()),
        }
    }

    /// How many own messages have no answer yet.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.core.outbox.len()
    }

    /// Whether the server has everything that this home has to tell it: each own message has its
    /// answer, each mark of what was read is recorded, so is what a person has made of others and
    /// of the settings, and the devices that were linked have what they are to get, except one that
    /// has no keys yet.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let Core {
            outbox,
            reads,
            has_syncs,
            groups,
            people,
            ..
        } = &self.core;
        let is_told = outbox.is_empty() && reads.is_empty() && groups.drafts.is_empty();
        is_told && !has_syncs && people.is_told()
    }

    /// Whether the server has accepted this device's connection, or may without a person's help.
    #[must_use]
    pub fn seeks_server(&self) -> bool {
        !matches!(self.core.link, Link::Down) || self.core.dial.next_at().is_some()
    }

    /// Whether the server has said that this device is none of its account's any more.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.core.is_removed()
    }

    /// Why there is no connection; `None` while there is one, and before the first attempt ended.
    #[must_use]
    pub const fn offline_cause(&self) -> Option<&OfflineCause> {
        self.core.offline.as_ref()
    }

    /// Whether everything that waited at the server when this connection began has come.
    #[must_use]
    pub const fn is_caught_up(&self) -> bool {
        matches!(&self.core.link, Link::Ready(live) if live.caught_up)
    }

    /// Whether the server has accepted this device's connection.
    #[must_use]
    pub const fn is_online(&self) -> bool {
        matches!(self.core.link, Link::Ready(_))
    }

    /// Says goodbye and connects no more.
    ///
    /// # Errors
    /// [`StoreError`]: the engine is of no use any more.
    pub fn shutdown(&mut self, now: Millis) -> Result<(), StoreError> {
        self.turn(now, |core, tx| {
            core.end_link();
            core.settle(tx, now)?;
            core.ending = Some((OfflineCause::Lost, ComeBack::Never));
            core.dial.stop();
            core.hang_up();
            Ok(())
        })
    }

    pub(super) fn registered(&self) -> Result<&IdentityRow, ClientError> {
        let identity = self.core.identity.as_ref();
        identity
            .filter(|identity| identity.address.is_some() && self.core.joining.is_none())
            .ok_or(ClientError::NotRegistered)
    }

    /// The same for what has to reach the server.
    pub(super) fn member(&self) -> Result<&IdentityRow, ClientError> {
        match self.registered()?.standing {
            Standing::Accepted => self.registered(),
            Standing::Removed | Standing::Unknown => Err(ClientError::DeviceRemoved),
        }
    }
}

/// The keys of a new account on its first device.
fn new_keys(account_seed: &KeySeed, now: Millis) -> OwnKeys {
    let account = AccountKey::from_seed(&account_seed.0);
    OwnKeys {
        account_key: account.public(),
        account: Some(account),
        names: Some(NamesKey::random()),
        name: String::new(),
        device: DeviceKeys::random(),
        stage: Stage::Unlisted,
        rotated_at: now,
    }
}
