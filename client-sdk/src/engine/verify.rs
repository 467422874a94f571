//! What people compare: the keys of two accounts, and what follows from it.

use martlet_protocol::{Millis, UserId};

use super::machine::Engine;
use crate::crypto::safety::{Party, SafetyCode, SafetyNumber};
use crate::error::{ClientError, StoreError, VerifyError};
use crate::local::ListRow;

/// What a person has compared.
#[derive(Clone, Copy, Debug)]
pub enum Proof<'a> {
    /// The number that the other side reads out, in any spacing.
    Number(&'a str),
    /// What a camera has read from the other side's screen.
    Code(&'a [u8]),
}

/// The other side of a conversation, as this home knows it.
struct Known {
    own: Party,
    peer: Party,
    row: ListRow,
}

impl Engine {
    /// The number that this side and the contact must both see.
    ///
    /// # Errors
    /// [`ClientError::UnknownPeer`], [`ClientError::KeysUnknown`], or the database's.
    pub fn safety_number(&mut self, peer: &str) -> Result<SafetyNumber, ClientError> {
        let known = self.known(peer)?;
        Ok(SafetyNumber::new(&known.own, &known.peer))
    }

    /// What to show to the contact's camera.
    ///
    /// # Errors
    /// As [`Engine::safety_number`].
    pub fn safety_code(&mut self, peer: &str) -> Result<Vec<u8>, ClientError> {
        let known = self.known(peer)?;
        let code = SafetyCode {
            shown_by: known.own,
            shown_to: known.peer,
        };
        Ok(code.to_bytes())
    }

    /// Compares what the contact showed or said with what this home knows, and marks the contact
    /// verified when it is the same. Messages that waited for that go out.
    ///
    /// # Errors
    /// [`VerifyError`]: nothing has changed.
    pub fn verify(&mut self, now: Millis, peer: &str, proof: Proof<'_>) -> Result<(), VerifyError> {
        let known = self.known(peer)?;
        match proof {
            Proof::Number(text) => {
                if SafetyNumber::parse(text)? != SafetyNumber::new(&known.own, &known.peer) {
                    return Err(VerifyError::NumberDiffers);
                }
            }
            Proof::Code(bytes) => {
                SafetyCode::from_bytes(bytes)?.compare(&known.own, &known.peer)?;
            }
        }
        self.set_verified(now, peer, true)?;
        Ok(())
    }

    /// Marks a contact verified, or not, on the word of the application.
    ///
    /// # Errors
    /// As [`Engine::safety_number`].
    pub fn set_verified(
        &mut self,
        now: Millis,
        peer: &str,
        is_verified: bool,
    ) -> Result<(), ClientError> {
        let known = self.known(peer)?;
        let vouched = is_verified.then_some(known.peer.account_key);
        let is_blocked = known.row.is_blocked && !is_verified;
        self.judge(now, known.peer.user, vouched, is_blocked)
    }

    /// Whether a person has verified the key that the contact has now.
    ///
    /// # Errors
    /// As [`Engine::safety_number`].
    pub fn is_verified(&mut self, peer: &str) -> Result<bool, ClientError> {
        let known = self.known(peer)?;
        Ok(known.row.vouched == Some(known.peer.account_key))
    }

    /// Accepts the new key of a contact whose old one was verified: messages go out again. The
    /// contact is not verified by that.
    ///
    /// # Errors
    /// As [`Engine::safety_number`].
    pub fn accept_identity(&mut self, now: Millis, peer: &str) -> Result<(), ClientError> {
        let known = self.known(peer)?;
        self.judge(now, known.peer.user, known.row.vouched, false)
    }

    /// The account of a contact whose keys are not known here: [`ask_devices`](Self::ask_devices)
    /// may help.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn lacks_keys_of(&mut self, peer: &str) -> Result<Option<UserId>, StoreError> {
        let Self { db, core, .. } = self;
        let tx = db.begin()?;
        let Some(user) = tx.find_contact(peer)?.and_then(|contact| contact.user) else {
            return Ok(None);
        };
        let list = core.list_of(&tx, user)?;
        Ok(list.is_none().then_some(user))
    }

    /// Asks the server for the contact's devices; [`Answer::Devices`](super::Answer::Devices) says
    /// that it has answered.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn ask_devices(&mut self, now: Millis, user: UserId) -> Result<(), ClientError> {
        self.registered()?;
        self.turn(now, |core, _| {
            core.lists.ask_for(user);
            Ok(())
        })?;
        Ok(())
    }

    fn judge(
        &mut self,
        now: Millis,
        user: UserId,
        vouched: Option<[u8; 32]>,
        is_blocked: bool,
    ) -> Result<(), ClientError> {
        self.turn(now, |core, tx| {
            tx.judge_list(user, vouched, is_blocked)?;
            core.outbox_prepared(user);
            Ok(())
        })?;
        Ok(())
    }

    fn known(&mut self, peer: &str) -> Result<Known, ClientError> {
        self.registered()?;
        let Self { db, core, .. } = self;
        let tx = db.begin()?;
        let contact = tx.find_contact(peer)?.ok_or(ClientError::UnknownPeer)?;
        let user = contact.user.ok_or(ClientError::KeysUnknown)?;
        let list = core.list_of(&tx, user)?.ok_or(ClientError::KeysUnknown)?;
        let row = tx.list(user)?.ok_or(ClientError::KeysUnknown)?;
        let own_key = core.keys.as_ref().map(|keys| keys.account_key);
        let own = core.own_address().zip(own_key);
        let (address, account_key) = own.ok_or(ClientError::NotRegistered)?;
        Ok(Known {
            own: Party {
                user: address.user,
                account_key,
            },
            peer: Party {
                user,
                account_key: *list.account_key(),
            },
            row,
        })
    }
}
