//! The sessions with one device of a peer: encrypting parts for it, opening parts from it.

use core::fmt;

use martlet_protocol::auth::KEY_BYTES;
use martlet_protocol::wire::Reader;
use vodozemac::Curve25519PublicKey;
use vodozemac::olm::{
    DecryptionError, InboundCreationResult, OlmMessage, PreKeyMessage, Session, SessionConfig,
    SessionCreationError, SessionKeys, SessionPickle,
};
use zeroize::Zeroizing;

use super::buffer::SecretBuffer;
use super::device::DeviceKeys;
use super::primitives::sha256;
use super::store_key::StateInvalid;

/// The first byte of a part that an Olm message follows.
pub const PART_FORMAT: u8 = 2;

/// Most sessions kept with one device. Two sides that begin at once have two; more come only from
/// a peer that begins again and again, and would otherwise fill the database.
pub const SESSIONS_MAX: usize = 5;

/// Most ended sessions whose ids are remembered.
const ENDED_MAX: usize = 16;

const STATE_FORMAT: u8 = 1;

type SessionId = [u8; 32];

/// What a part held.
pub struct Opened {
    /// The payload.
    pub plain: Zeroizing<Vec<u8>>,
    /// The part began a session. The device's keys have changed too: a one-time key is gone.
    pub is_new_session: bool,
    /// It did so with a last-resort key, which others may have been given as well.
    pub used_last_resort: bool,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("bytes", &self.plain.len())
            .field("is_new_session", &self.is_new_session)
            .field("used_last_resort", &self.used_last_resort)
            .finish()
    }
}

/// A part cannot be opened. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It is not a part of this format.
    #[error("the part has a format that this version does not know")]
    FormatUnknown,
    /// It names another identity key than the device list does.
    #[error("the part is from another identity key than the device's")]
    IdentityWrong,
    /// It begins a session with a prekey that this device does not have, or has no more.
    #[error("the part was encrypted to a key that this device does not have")]
    PrekeyUnknown,
    /// Its key is gone: it was opened before, or it is older than the keys that are kept.
    #[error("the part was opened before")]
    Replayed,
    /// More than 2,000 messages before it are missing.
    #[error("too many messages before this one are missing")]
    TooFarAhead,
    /// No session opens it: it was changed, or its session is not known here.
    #[error("no session opens the part")]
    NoSession,
}

/// Encrypting is not possible with what the peer has sent or published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// There is no session yet.
    #[error("there is no session with the device")]
    Missing,
    /// A key of the peer is one of those that give everybody the same secret.
    #[error("a key of the device is not usable")]
    KeyUnusable,
}

struct Slot {
    id: SessionId,
    session: Session,
}

/// Up to five sessions with one device, the one to use first.
///
/// A session moves to the front when it is made and when it opens a part, so both sides settle on
/// one. What changes them has to be stored before its effect leaves the device: the step before
/// the ciphertext is sent, and the step before what was received is acknowledged.
#[derive(Default)]
pub struct PeerSessions {
    slots: Vec<Slot>,
    /// Sessions that fell off the end, newest first. A part that began one of them is a replay: a
    /// last-resort key would open it again.
    ended: Vec<SessionId>,
}

impl fmt::Debug for PeerSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerSessions")
            .field("sessions", &self.slots.len())
            .finish_non_exhaustive()
    }
}

impl PeerSessions {
    /// No session.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.slots.len()
    }

    /// Begins a session from the peer's identity key and a prekey that was verified.
    ///
    /// # Errors
    /// [`SessionError::KeyUnusable`].
    pub fn start(
        &mut self,
        keys: &DeviceKeys,
        identity_key: &[u8; KEY_BYTES],
        prekey: &[u8; KEY_BYTES],
    ) -> Result<(), SessionError> {
        let session = keys
            .account
            .create_outbound_session(
                SessionConfig::version_1(),
                Curve25519PublicKey::from(*identity_key),
                Curve25519PublicKey::from(*prekey),
            )
            .map_err(|_| SessionError::KeyUnusable)?;
        let id = id_of(session.session_keys());
        self.put_first(Slot { id, session });
        Ok(())
    }

    /// Encrypts a payload with the first session: the part for this device.
    ///
    /// # Errors
    /// [`SessionError`].
    pub fn encrypt(&mut self, plain: &[u8]) -> Result<Vec<u8>, SessionError> {
        let slot = self.slots.first_mut().ok_or(SessionError::Missing)?;
        let message = slot
            .session
            .encrypt(plain)
            .map_err(|_| SessionError::KeyUnusable)?;
        let (olm_type, olm) = message.to_parts();
        let olm_type = u8::try_from(olm_type).expect("Olm has two types");
        Ok([&[PART_FORMAT, olm_type], olm.as_slice()].concat())
    }

    /// Opens a part from the device with this identity key.
    ///
    /// # Errors
    /// [`OpenError`]; sessions and keys are then what they were.
    pub fn decrypt(
        &mut self,
        keys: &mut DeviceKeys,
        identity_key: &[u8; KEY_BYTES],
        part: &[u8],
    ) -> Result<Opened, OpenError> {
        let [PART_FORMAT, olm_type, olm @ ..] = part else {
            return Err(OpenError::FormatUnknown);
        };
        let message = OlmMessage::from_parts(usize::from(*olm_type), olm)
            .map_err(|_| OpenError::FormatUnknown)?;
        match &message {
            OlmMessage::Normal(_) => self.decrypt_normal(&message),
            OlmMessage::PreKey(prekey) => {
                if prekey.identity_key().as_bytes() != identity_key {
                    return Err(OpenError::IdentityWrong);
                }
                let id = id_of(prekey.session_keys());
                match self.slots.iter().position(|slot| slot.id == id) {
                    Some(index) => self.decrypt_at(index, &message),
                    None if self.ended.contains(&id) => Err(OpenError::Replayed),
                    None => self.accept(keys, id, prekey),
                }
            }
        }
    }

    /// A message names no session: each is tried, most recent first. Why none opens it, the one
    /// that knows its chain says best.
    fn decrypt_normal(&mut self, message: &OlmMessage) -> Result<Opened, OpenError> {
        let mut reason = OpenError::NoSession;
        for index in 0..self.slots.len() {
            match self.decrypt_at(index, message) {
                Ok(opened) => return Ok(opened),
                Err(OpenError::Replayed) => reason = OpenError::Replayed,
                Err(OpenError::TooFarAhead) if reason == OpenError::NoSession => {
                    reason = OpenError::TooFarAhead;
                }
                Err(_) => {}
            }
        }
        Err(reason)
    }

    /// Opens with one session and moves it to the front. The library may take a step although it
    /// opens nothing, so a failed attempt puts back what was there.
    fn decrypt_at(&mut self, index: usize, message: &OlmMessage) -> Result<Opened, OpenError> {
        let slot = self.slots.get_mut(index).ok_or(OpenError::NoSession)?;
        let before = slot.session.pickle();
        match slot.session.decrypt(message) {
            Ok(plain) => {
                if let Some(first) = self.slots.get_mut(..=index) {
                    first.rotate_right(1);
                }
                Ok(Opened {
                    plain: Zeroizing::new(plain),
                    is_new_session: false,
                    used_last_resort: false,
                })
            }
            Err(error) => {
                slot.session = before.into();
                Err(reason(&error))
            }
        }
    }

    fn accept(
        &mut self,
        keys: &mut DeviceKeys,
        id: SessionId,
        message: &PreKeyMessage,
    ) -> Result<Opened, OpenError> {
        let used_last_resort = keys.is_last_resort(message.one_time_key().as_bytes());
        let InboundCreationResult { session, plaintext } = keys
            .account
            .create_inbound_session(SessionConfig::version_1(), message.identity_key(), message)
            .map_err(|error| match error {
                SessionCreationError::MissingOneTimeKey(_) => OpenError::PrekeyUnknown,
                SessionCreationError::Decryption(error) => reason(&error),
                SessionCreationError::MismatchedIdentityKey(..) => OpenError::IdentityWrong,
                SessionCreationError::MismatchedSessionConfig { .. } => OpenError::FormatUnknown,
                SessionCreationError::NonContributoryKey => OpenError::NoSession,
            })?;
        self.put_first(Slot { id, session });
        Ok(Opened {
            plain: Zeroizing::new(plaintext),
            is_new_session: true,
            used_last_resort,
        })
    }

    fn put_first(&mut self, slot: Slot) {
        self.slots.insert(0, slot);
        if self.slots.len() > SESSIONS_MAX
            && let Some(last) = self.slots.pop()
        {
            self.ended.insert(0, last.id);
            self.ended.truncate(ENDED_MAX);
        }
    }

    /// The sessions, to be sealed and stored.
    ///
    /// Layout: format u8 = 1 · count u8 · count × (length u32 · session) · count u8 · count × id 32.
    /// A session takes about 1 KB, and 38 bytes for each skipped key.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let count = |len| u8::try_from(len).expect("a handful of sessions");
        let mut out = SecretBuffer::new();
        out.put(&[STATE_FORMAT, count(self.slots.len())]);
        for slot in &self.slots {
            out.put_sized(|out| {
                rmp_serde::encode::write(out, &slot.session.pickle())
                    .expect("memory takes every byte");
            });
        }
        out.put(&[count(self.ended.len())]);
        for id in &self.ended {
            out.put(id);
        }
        out.into_bytes()
    }

    /// The sessions that were stored.
    ///
    /// # Errors
    /// [`StateInvalid`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StateInvalid> {
        Self::read(Reader::new(bytes)).ok_or(StateInvalid)
    }

    fn read(mut reader: Reader<'_>) -> Option<Self> {
        if reader.u8().ok()? != STATE_FORMAT {
            return None;
        }
        let mut sessions = Self::new();
        for _ in 0..reader.u8().ok()? {
            let length = usize::try_from(reader.u32().ok()?).ok()?;
            let (session, rest) = reader.rest().split_at_checked(length)?;
            let session: SessionPickle = rmp_serde::from_slice(session).ok()?;
            let session = Session::from(session);
            reader = Reader::new(rest);
            let id = id_of(session.session_keys());
            sessions.slots.push(Slot { id, session });
        }
        for _ in 0..reader.u8().ok()? {
            sessions.ended.push(reader.array().ok()?);
        }
        reader.finish().ok()?;
        Some(sessions)
    }
}

/// What identifies a session on both sides: the hash of the three keys it began with.
fn id_of(keys: SessionKeys) -> SessionId {
    sha256(&[
        keys.identity_key.as_bytes(),
        keys.base_key.as_bytes(),
        keys.one_time_key.as_bytes(),
    ])
}

const fn reason(error: &DecryptionError) -> OpenError {
    match error {
        DecryptionError::MissingMessageKey(_) => OpenError::Replayed,
        DecryptionError::TooBigMessageGap(..) => OpenError::TooFarAhead,
        DecryptionError::InvalidMAC(_)
        | DecryptionError::InvalidMACLength(..)
        | DecryptionError::InvalidPadding(_)
        | DecryptionError::NonContributoryKey => OpenError::NoSession,
    }
}
