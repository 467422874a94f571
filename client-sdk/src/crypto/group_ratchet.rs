//! Sender keys: with one a device encrypts to a whole group, once for all of its devices.
//!
//! A device has one key of its own in each group and gives it to the others through its sessions
//! with them. Whoever has it at some index can open what follows, and nothing before.

use core::fmt;

use vodozemac::Ed25519PublicKey;
use vodozemac::megolm::{
    DecryptionError, GroupSession, GroupSessionPickle, InboundGroupSession,
    InboundGroupSessionPickle, MegolmMessage, SessionConfig, SessionKey,
};
use zeroize::Zeroizing;

use super::buffer::SecretBuffer;
use super::store_key::StateInvalid;

/// The first byte of a group's envelope; the id of a sender key and a Megolm message follow.
pub const ENVELOPE_FORMAT: u8 = 1;

/// Most messages for one key: whoever steals it from the sender reads no more than these.
pub const MESSAGES_MAX: u32 = 1_000;

/// Longest use of one key, in milliseconds: 7 days.
pub const AGE_MS_MAX: u64 = 7 * 24 * 60 * 60 * 1_000;

/// Bytes of a share: version, index, ratchet, public key, signature.
pub const SHARE_BYTES: usize = 1 + 4 + 128 + ID_BYTES + 64;

const ID_BYTES: usize = 32;
const ENVELOPE_HEAD_BYTES: usize = 1 + ID_BYTES;

/// What encrypting adds to a payload at most: version, index, length, padding, MAC, signature.
pub(super) const SEALING_BYTES_MAX: usize =
    ENVELOPE_HEAD_BYTES + 1 + (1 + 5) + (1 + 3) + 16 + 8 + 64;

const STATE_FORMAT: u8 = 1;

/// What identifies a sender key: its public Ed25519 half.
///
/// It is unique among honest devices only. Another member can pass a share on as its own, so a key
/// is looked up by the group, the device that shared it and this id, never by the id alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SenderKeyId(pub [u8; ID_BYTES]);

impl SenderKeyId {
    /// The key of an envelope, which the server could have changed.
    ///
    /// # Errors
    /// [`GroupOpenError::FormatUnknown`].
    pub fn of_envelope(envelope: &[u8]) -> Result<Self, GroupOpenError> {
        split(envelope).map(|(id, _)| id)
    }

    fn of_session(base64: &str) -> Self {
        let key = Ed25519PublicKey::from_base64(base64);
        let key = key.expect("a session is named by its public key");
        Self(*key.as_bytes())
    }
}

/// A message, encrypted for a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSealed {
    /// Its place among those of the key, from 0.
    pub index: u32,
    /// Layout: format u8 = 1 · key id 32 · Megolm message.
    pub envelope: Vec<u8>,
}

/// A key has been used as often as it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sender key has had its {MESSAGES_MAX} messages")]
pub struct KeySpent;

/// This device's own sender key in one group.
///
/// It has to be stored as it is after [`encrypt`](Self::encrypt) before the envelope leaves the
/// device: two messages under one index would show how they differ.
pub struct OutboundKey {
    session: GroupSession,
    id: SenderKeyId,
}

impl fmt::Debug for OutboundKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboundKey")
            .field("used", &self.used())
            .finish_non_exhaustive()
    }
}

impl OutboundKey {
    /// A new random key.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "each one is another")]
    pub fn new() -> Self {
        Self::of(GroupSession::new(SessionConfig::version_1()))
    }

    fn of(session: GroupSession) -> Self {
        let id = SenderKeyId::of_session(&session.session_id());
        Self { session, id }
    }

    /// What the others know it by.
    #[must_use]
    pub const fn id(&self) -> SenderKeyId {
        self.id
    }

    /// How many messages it has encrypted, which is the index of the next one.
    #[must_use]
    pub const fn used(&self) -> u32 {
        self.session.message_index()
    }

    /// Whether another key has to be made for the next message, when this one is `age_ms` old.
    ///
    /// So it has to, too, when a member or a device that has the key has left: that is known to
    /// the caller alone.
    #[must_use]
    pub const fn is_due(&self, age_ms: u64) -> bool {
        self.used() >= MESSAGES_MAX || age_ms >= AGE_MS_MAX
    }

    /// What another device needs to open the messages from the next one on. A secret.
    #[must_use]
    pub fn share(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.session.session_key().to_bytes())
    }

    /// Encrypts a payload for everybody who has a share.
    ///
    /// # Errors
    /// [`KeySpent`].
    pub fn encrypt(&mut self, payload: &[u8]) -> Result<GroupSealed, KeySpent> {
        if self.used() >= MESSAGES_MAX {
            return Err(KeySpent);
        }
        let message = self.session.encrypt(payload);
        let envelope = [&[ENVELOPE_FORMAT], &self.id.0[..], &message.to_bytes()].concat();
        Ok(GroupSealed {
            index: message.message_index(),
            envelope,
        })
    }

    /// The key, to be sealed and stored. Layout: format u8 = 1 · session.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut out = SecretBuffer::new();
        out.put(&[STATE_FORMAT]);
        rmp_serde::encode::write(&mut out, &self.session.pickle())
            .expect("memory takes every byte");
        out.into_bytes()
    }

    /// The key that was stored.
    ///
    /// # Errors
    /// [`StateInvalid`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StateInvalid> {
        let [STATE_FORMAT, session @ ..] = bytes else {
            return Err(StateInvalid);
        };
        let session: GroupSessionPickle =
            rmp_serde::from_slice(session).map_err(|_| StateInvalid)?;
        Ok(Self::of(session.into()))
    }
}

/// A share is not taken. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// It cannot be read, or is not signed by the key that it names.
    #[error("what was shared is no sender key")]
    Malformed,
    /// It has the id of a key that is known, and is not that key.
    #[error("the shared sender key is another one than that of the same id")]
    OtherKey,
}

/// An envelope cannot be opened. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupOpenError {
    /// It is not an envelope of this format.
    #[error("the envelope has a format that this version does not know")]
    FormatUnknown,
    /// It is of another key, or from before the index at which the key was shared.
    #[error("the sender key of the envelope is not known here")]
    KeyUnknown,
    /// One with this index, or a later one, was opened before.
    #[error("the message with index {index} was opened before, or overtaken")]
    Replayed {
        /// Its place among those of the key.
        index: u32,
    },
    /// The owner of the key did not make it so.
    #[error("the envelope was changed")]
    Damaged,
}

/// What an envelope held.
pub struct GroupOpened {
    /// Its place among those of the key.
    pub index: u32,
    /// The payload.
    pub plain: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for GroupOpened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupOpened")
            .field("index", &self.index)
            .field("bytes", &self.plain.len())
            .finish()
    }
}

/// The sender key of another device.
///
/// Only rising indices are opened: a group has one order, and in it those of a key rise. So
/// nothing is opened twice, and whoever steals the stored key opens nothing that came before.
/// What changes it has to be stored before the message is acknowledged.
pub struct InboundKey {
    session: InboundGroupSession,
    id: SenderKeyId,
    /// The lowest index that may be opened: above every one that was.
    next: u64,
}

impl fmt::Debug for InboundKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboundKey")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

impl InboundKey {
    /// The key that another device has shared.
    ///
    /// # Errors
    /// [`ShareError::Malformed`].
    pub fn from_share(share: &[u8]) -> Result<Self, ShareError> {
        let key = SessionKey::from_bytes(share).map_err(|_| ShareError::Malformed)?;
        let session = InboundGroupSession::new(&key, SessionConfig::version_1());
        Ok(Self::of(session, 0))
    }

    fn of(session: InboundGroupSession, next: u64) -> Self {
        let id = SenderKeyId::of_session(&session.session_id());
        Self { session, id, next }
    }

    /// What its owner calls it.
    #[must_use]
    pub const fn id(&self) -> SenderKeyId {
        self.id
    }

    /// The lowest index that it opens.
    #[must_use]
    pub const fn first_known(&self) -> u32 {
        self.session.first_known_index()
    }

    /// Takes another share of the same device in. It makes the key open more only when nothing
    /// was opened yet and the share is from further back; else it changes nothing.
    ///
    /// # Errors
    /// [`ShareError`].
    pub fn take(&mut self, share: &[u8]) -> Result<(), ShareError> {
        let mut other = Self::from_share(share)?;
        if !self.session.connected(&mut other.session) {
            return Err(ShareError::OtherKey);
        }
        if self.next == 0 && other.first_known() < self.first_known() {
            self.session = other.session;
        }
        Ok(())
    }

    /// Opens an envelope of the device that shared the key.
    ///
    /// # Errors
    /// [`GroupOpenError`].
    pub fn decrypt(&mut self, envelope: &[u8]) -> Result<GroupOpened, GroupOpenError> {
        let (id, megolm) = split(envelope)?;
        if id != self.id {
            return Err(GroupOpenError::KeyUnknown);
        }
        let message = MegolmMessage::from_bytes(megolm).map_err(|_| GroupOpenError::Damaged)?;
        // The library reads other spellings of a message too, and its signature is over this one.
        if message.to_bytes() != megolm {
            return Err(GroupOpenError::Damaged);
        }
        let index = message.message_index();
        let plain = match self.session.decrypt(&message) {
            Ok(opened) => Zeroizing::new(opened.plaintext),
            Err(DecryptionError::UnknownMessageIndex(..)) if u64::from(index) >= self.next => {
                return Err(GroupOpenError::KeyUnknown);
            }
            Err(DecryptionError::UnknownMessageIndex(..)) => {
                return Err(GroupOpenError::Replayed { index });
            }
            Err(_) => return Err(GroupOpenError::Damaged),
        };
        // The library could not step beyond the last index of all.
        if u64::from(index) < self.next {
            return Err(GroupOpenError::Replayed { index });
        }
        self.next = u64::from(index) + 1;
        if let Ok(next) = u32::try_from(self.next) {
            self.session.advance_to(next);
        }
        Ok(GroupOpened { index, plain })
    }

    /// The key, to be sealed and stored. Layout: format u8 = 1 · next u64 · session.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut out = SecretBuffer::new();
        out.put(&[STATE_FORMAT]);
        out.put(&self.next.to_le_bytes());
        rmp_serde::encode::write(&mut out, &self.session.pickle())
            .expect("memory takes every byte");
        out.into_bytes()
    }

    /// The key that was stored.
    ///
    /// # Errors
    /// [`StateInvalid`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StateInvalid> {
        let [STATE_FORMAT, rest @ ..] = bytes else {
            return Err(StateInvalid);
        };
        let (next, session) = rest.split_first_chunk().ok_or(StateInvalid)?;
        let session: InboundGroupSessionPickle =
            rmp_serde::from_slice(session).map_err(|_| StateInvalid)?;
        Ok(Self::of(session.into(), u64::from_le_bytes(*next)))
    }
}

fn split(envelope: &[u8]) -> Result<(SenderKeyId, &[u8]), GroupOpenError> {
    let [ENVELOPE_FORMAT, rest @ ..] = envelope else {
        return Err(GroupOpenError::FormatUnknown);
    };
    let (id, megolm) = rest
        .split_first_chunk()
        .ok_or(GroupOpenError::FormatUnknown)?;
    Ok((SenderKeyId(*id), megolm))
}
