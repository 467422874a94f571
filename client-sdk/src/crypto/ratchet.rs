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
    /// Layout: format u8 = 1 · count u8 · count × (length u32 · session) · count u8 · count × id
    /// 32. A session takes about 1 KB, and 38 bytes for each skipped key.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{DeviceKey, KeySeed};
    use martlet_protocol::{Address, DeviceId, UserId};
    use proptest::prelude::*;
    use std::collections::VecDeque;

    /// A device and its sessions with the one other device of the test.
    struct Side {
        keys: DeviceKeys,
        sessions: PeerSessions,
    }

    impl Side {
        fn new() -> Self {
            Self {
                keys: DeviceKeys::random(),
                sessions: PeerSessions::new(),
            }
        }

        fn identity(&self) -> [u8; KEY_BYTES] {
            self.keys.identity_key()
        }

        fn prekey(&mut self) -> [u8; KEY_BYTES] {
            let upload = self.upload(1);
            self.keys.mark_published();
            upload.one_time[0].key
        }

        fn upload(&mut self, wanted: usize) -> crate::crypto::device::PrekeyUpload {
            let signer = DeviceKey::new(&KeySeed([1; 32]));
            let address = Address {
                user: UserId(7),
                device: DeviceId(1),
            };
            self.keys.prekeys(&signer, address, wanted)
        }

        fn start(&mut self, peer: &mut Self) {
            let prekey = peer.prekey();
            self.sessions
                .start(&self.keys, &peer.identity(), &prekey)
                .unwrap();
        }

        fn send(&mut self, text: &str) -> Vec<u8> {
            self.sessions.encrypt(text.as_bytes()).unwrap()
        }

        fn open(&mut self, from: &Self, part: &[u8]) -> Result<Opened, OpenError> {
            let identity = from.identity();
            self.sessions.decrypt(&mut self.keys, &identity, part)
        }

        fn read(&mut self, from: &Self, part: &[u8]) -> String {
            let opened = self.open(from, part).unwrap();
            String::from_utf8(opened.plain.to_vec()).unwrap()
        }

        /// As after a restart.
        fn reload(&mut self) {
            self.keys = DeviceKeys::from_bytes(&self.keys.to_bytes()).unwrap();
            self.sessions = PeerSessions::from_bytes(&self.sessions.to_bytes()).unwrap();
        }

        fn state(&self) -> (Vec<u8>, Vec<u8>) {
            (
                self.keys.to_bytes().to_vec(),
                self.sessions.to_bytes().to_vec(),
            )
        }
    }

    /// Two sides that have exchanged one message each way.
    fn acquainted() -> (Side, Side) {
        let (mut alice, mut bob) = (Side::new(), Side::new());
        alice.start(&mut bob);
        let hello = alice.send("hello");
        assert_eq!(bob.read(&alice, &hello), "hello");
        let reply = bob.send("reply");
        assert_eq!(alice.read(&bob, &reply), "reply");
        (alice, bob)
    }

    #[test]
    fn a_session_begins_with_a_prekey_and_goes_on() {
        let (mut alice, mut bob) = (Side::new(), Side::new());
        assert_eq!(alice.sessions.encrypt(b""), Err(SessionError::Missing));
        alice.start(&mut bob);
        let (first, second) = (alice.send("first"), alice.send("second"));
        assert_eq!(bob.keys.one_time_keys(), 1);
        let opened = bob.open(&alice, &first).unwrap();
        assert!(opened.is_new_session && !opened.used_last_resort);
        assert_eq!(bob.keys.one_time_keys(), 0, "used up");
        let opened = bob.open(&alice, &second).unwrap();
        assert!(!opened.is_new_session, "it belongs to the same session");

        for round in 0..3 {
            alice.reload();
            bob.reload();
            let there = alice.send(&format!("there {round}"));
            assert_eq!(bob.read(&alice, &there), format!("there {round}"));
            let back = bob.send(&format!("back {round}"));
            assert_eq!(alice.read(&bob, &back), format!("back {round}"));
        }
        assert_eq!((alice.sessions.len(), bob.sessions.len()), (1, 1));
    }

    #[test]
    fn the_use_of_a_last_resort_key_is_told() {
        let (mut alice, mut bob) = (Side::new(), Side::new());
        let key = bob.upload(0).last_resort.unwrap().key;
        bob.keys.mark_published();
        bob.keys.rotate_last_resort();
        let identity = bob.identity();
        alice.sessions.start(&alice.keys, &identity, &key).unwrap();
        let hello = alice.send("hello");
        let opened = bob.open(&alice, &hello).unwrap();
        assert!(opened.is_new_session && opened.used_last_resort);
    }

    /// Tries every one-bit change and every cut of `part`.
    fn check_nothing_changes(to: &mut Side, from: &Side, part: &[u8]) {
        let before = to.state();
        for at in 0..part.len() {
            let mut changed = part.to_vec();
            changed[at] ^= 1;
            assert!(to.open(from, &changed).is_err(), "byte {at}");
            assert!(to.open(from, &part[..at]).is_err(), "cut at {at}");
            assert!(to.state() == before, "byte {at} changed the state");
        }
        assert!(to.open(from, part).is_ok());
    }

    /// The library moves its ratchet when a message has an unknown ratchet key, before it knows
    /// whether the message is genuine: Alice, who has received last, would not be what she was.
    #[test]
    fn a_failed_attempt_changes_nothing() {
        let (mut alice, mut bob) = acquainted();
        let normal = bob.send("to one who has received last");
        check_nothing_changes(&mut alice, &bob, &normal);
        alice.send("overtaken");
        let normal = alice.send("to one who has sent last");
        check_nothing_changes(&mut bob, &alice, &normal);
        alice.start(&mut bob);
        let prekey = alice.send("with a prekey");
        check_nothing_changes(&mut bob, &alice, &prekey);
    }

    #[test]
    fn replays_are_known() {
        let (mut alice, mut bob) = (Side::new(), Side::new());
        alice.start(&mut bob);
        let prekey = alice.send("prekey");
        bob.open(&alice, &prekey).unwrap();
        assert_eq!(bob.open(&alice, &prekey).unwrap_err(), OpenError::Replayed);
        let reply = bob.send("reply");
        alice.read(&bob, &reply);
        let normal = alice.send("normal");
        assert_eq!(bob.read(&alice, &normal), "normal");
        assert_eq!(bob.open(&alice, &normal).unwrap_err(), OpenError::Replayed);

        // Another device, or one that lost its sessions, does not have the key any more.
        bob.sessions = PeerSessions::new();
        assert_eq!(
            bob.open(&alice, &prekey).unwrap_err(),
            OpenError::PrekeyUnknown
        );
        assert_eq!(bob.open(&alice, &normal).unwrap_err(), OpenError::NoSession);
    }

    #[test]
    fn a_session_that_was_dropped_cannot_be_begun_again_with_its_last_resort_key() {
        let (mut alice, mut bob) = (Side::new(), Side::new());
        let key = bob.upload(0).last_resort.unwrap().key;
        let identity = bob.identity();
        let mut begin = || {
            alice.sessions.start(&alice.keys, &identity, &key).unwrap();
            alice.sessions.encrypt(b"begin").unwrap()
        };
        let parts: Vec<_> = (0..=SESSIONS_MAX).map(|_| begin()).collect();
        for part in &parts {
            assert!(bob.open(&alice, part).unwrap().is_new_session);
        }
        assert_eq!(bob.sessions.len(), SESSIONS_MAX);
        bob.reload();
        for part in &parts {
            assert_eq!(bob.open(&alice, part).unwrap_err(), OpenError::Replayed);
        }
    }

    #[test]
    fn two_that_begin_at_once_settle_on_one_session() {
        let (mut alice, mut bob) = (Side::new(), Side::new());
        alice.start(&mut bob);
        bob.start(&mut alice);
        let (from_alice, from_bob) = (alice.send("a"), bob.send("b"));
        assert_eq!(bob.read(&alice, &from_alice), "a");
        assert_eq!(alice.read(&bob, &from_bob), "b");
        assert_eq!((alice.sessions.len(), bob.sessions.len()), (2, 2));
        for round in 0..3 {
            let there = alice.send("there");
            bob.read(&alice, &there);
            let back = bob.send("back");
            alice.read(&bob, &back);
            let used = |side: &Side| side.sessions.slots[0].id;
            assert_eq!(used(&alice), used(&bob), "round {round}");
        }
    }

    #[test]
    fn a_session_that_was_begun_last_is_used_until_another_one_is_heard() {
        let (mut alice, mut bob) = acquainted();
        let used = |side: &Side| side.sessions.slots[0].id;
        let old = used(&alice);
        let overtaken = bob.send("in the old one");
        alice.start(&mut bob);
        let new = used(&alice);
        assert_ne!(new, old);
        let first = alice.send("in the new one");
        assert_eq!(used(&alice), new);
        assert_eq!(alice.read(&bob, &overtaken), "in the old one");
        assert_eq!(used(&alice), old);
        assert_eq!(bob.read(&alice, &first), "in the new one");
        let back = bob.send("back");
        assert_eq!(alice.read(&bob, &back), "back");
        assert_eq!((used(&alice), used(&bob)), (new, new));
    }

    #[test]
    fn a_side_that_lost_its_sessions_is_reached_again_with_a_new_one() {
        let (mut alice, mut bob) = acquainted();
        bob.sessions = PeerSessions::new();
        let lost = alice.send("lost");
        assert_eq!(bob.open(&alice, &lost).unwrap_err(), OpenError::NoSession);
        bob.start(&mut alice);
        let hello = bob.send("hello");
        assert!(alice.open(&bob, &hello).unwrap().is_new_session);
        let found = alice.send("found");
        assert_eq!(bob.read(&alice, &found), "found");
    }

    #[test]
    fn forty_keys_are_kept_for_what_was_overtaken_and_no_more() {
        let (mut alice, mut bob) = acquainted();
        let parts: Vec<_> = (0..60).map(|n| alice.send(&n.to_string())).collect();
        let (newest, older) = parts.split_last().unwrap();
        assert_eq!(bob.read(&alice, newest), "59");
        bob.reload();
        let opened: Vec<bool> = older
            .iter()
            .map(|it| bob.open(&alice, it).is_ok())
            .collect();
        assert_eq!(opened.iter().filter(|ok| **ok).count(), 40);
        assert!(opened[19..].iter().all(|ok| *ok), "the newest ones");
    }

    #[test]
    fn a_hole_of_more_than_two_thousand_is_too_far() {
        let (mut alice, mut bob) = acquainted();
        for _ in 0..2_000 {
            alice.send("withheld");
        }
        let near = alice.send("near");
        for _ in 0..2_001 {
            alice.send("withheld");
        }
        let far = alice.send("far");
        assert_eq!(bob.open(&alice, &far).unwrap_err(), OpenError::TooFarAhead);
        assert_eq!(bob.read(&alice, &near), "near");
    }

    #[test]
    fn another_identity_and_unusable_keys_are_refused() {
        let (mut alice, mut bob) = (Side::new(), Side::new());
        alice.start(&mut bob);
        let part = alice.send("hello");
        let stranger = Side::new();
        assert_eq!(
            bob.open(&stranger, &part).unwrap_err(),
            OpenError::IdentityWrong
        );
        for part in [&[][..], &[PART_FORMAT], &[1, 0, 3], &[PART_FORMAT, 2, 3]] {
            assert_eq!(
                bob.open(&alice, part).unwrap_err(),
                OpenError::FormatUnknown
            );
        }
        let unusable = alice
            .sessions
            .start(&alice.keys, &bob.identity(), &[0; KEY_BYTES]);
        assert_eq!(unusable, Err(SessionError::KeyUnusable));
        for broken in [&[][..], &[2, 0, 0], &[1, 0, 0, 0], &[1, 1, 9, 0, 0, 0, 0]] {
            assert_eq!(PeerSessions::from_bytes(broken).unwrap_err(), StateInvalid);
        }
    }

    #[test]
    fn sizes_are_what_the_documents_say() {
        let (mut alice, mut bob) = (Side::new(), Side::new());
        alice.start(&mut bob);
        let prekey = alice.send("");
        bob.read(&alice, &prekey);
        let reply = bob.send("");
        alice.read(&bob, &reply);
        assert!(
            prekey.len() <= 172 && reply.len() <= 66,
            "{} {}",
            prekey.len(),
            reply.len()
        );
        for _ in 0..10 {
            let there = alice.send("there");
            bob.read(&alice, &there);
            let back = bob.send("back");
            alice.read(&bob, &back);
        }
        let stored = alice.sessions.to_bytes().len();
        assert!((600..1_400).contains(&stored), "{stored}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        /// Both sides write as they like, each direction is delivered in order, and either side
        /// restarts at any time: every message arrives.
        #[test]
        fn in_order_nothing_is_ever_lost(steps in proptest::collection::vec(0u8..6, 1..80)) {
            let (mut alice, mut bob) = (Side::new(), Side::new());
            alice.start(&mut bob);
            bob.start(&mut alice);
            let (mut there, mut back) = (VecDeque::new(), VecDeque::new());
            for (number, step) in steps.into_iter().enumerate() {
                let text = number.to_string();
                match step {
                    0 => there.push_back((alice.send(&text), text)),
                    1 => back.push_back((bob.send(&text), text)),
                    2 => if let Some((part, text)) = there.pop_front() {
                        prop_assert_eq!(bob.read(&alice, &part), text);
                    },
                    3 => if let Some((part, text)) = back.pop_front() {
                        prop_assert_eq!(alice.read(&bob, &part), text);
                    },
                    4 => alice.reload(),
                    _ => bob.reload(),
                }
            }
            for (part, text) in there {
                prop_assert_eq!(bob.read(&alice, &part), text);
            }
            for (part, text) in back {
                prop_assert_eq!(alice.read(&bob, &part), text);
            }
        }

        #[test]
        fn no_part_panics(part in proptest::collection::vec(any::<u8>(), 0..200), kind in 0u8..2) {
            let (mut alice, mut bob) = acquainted();
            let before = bob.state();
            prop_assert!(bob.open(&alice, &part).is_err());
            let framed = [&[PART_FORMAT, kind, 3], part.as_slice()].concat();
            prop_assert!(bob.open(&alice, &framed).is_err());
            prop_assert_eq!(bob.state(), before);
            let still = alice.send("still");
            prop_assert_eq!(bob.read(&alice, &still), "still");
        }
    }
}
