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
    next: u32,
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

    fn of(session: InboundGroupSession, next: u32) -> Self {
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
        // No key has so many messages, and none could follow it.
        let next = index.checked_add(1).ok_or(GroupOpenError::Damaged)?;
        let plain = match self.session.decrypt(&message) {
            Ok(opened) => Zeroizing::new(opened.plaintext),
            Err(DecryptionError::UnknownMessageIndex(..)) if index < self.next => {
                return Err(GroupOpenError::Replayed { index });
            }
            Err(DecryptionError::UnknownMessageIndex(..)) => {
                return Err(GroupOpenError::KeyUnknown);
            }
            Err(_) => return Err(GroupOpenError::Damaged),
        };
        self.session.advance_to(next);
        self.next = next;
        Ok(GroupOpened { index, plain })
    }

    /// The key, to be sealed and stored. Layout: format u8 = 1 · next u32 · session.
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
        let session = InboundGroupSession::from(session);
        let next = u32::from_le_bytes(*next);
        // Else it would open again what it has opened.
        if session.first_known_index() < next {
            return Err(StateInvalid);
        }
        Ok(Self::of(session, next))
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn inbound(key: &OutboundKey) -> InboundKey {
        InboundKey::from_share(&key.share()).unwrap()
    }

    fn send(key: &mut OutboundKey, text: &str) -> Vec<u8> {
        key.encrypt(text.as_bytes()).unwrap().envelope
    }

    fn read(key: &mut InboundKey, envelope: &[u8]) -> (u32, String) {
        let opened = key.decrypt(envelope).unwrap();
        let text = String::from_utf8(opened.plain.to_vec()).unwrap();
        (opened.index, text)
    }

    fn refused(key: &mut InboundKey, envelope: &[u8]) -> GroupOpenError {
        let before = key.to_bytes();
        let error = key.decrypt(envelope).unwrap_err();
        assert!(key.to_bytes() == before, "{error} changed the key");
        error
    }

    /// As after a restart.
    fn reload(key: &InboundKey) -> InboundKey {
        InboundKey::from_bytes(&key.to_bytes()).unwrap()
    }

    #[test]
    fn everybody_with_a_share_reads_what_follows_it_and_nothing_before() {
        let mut alice = OutboundKey::new();
        let mut bob = inbound(&alice);
        let first = send(&mut alice, "first");
        let mut carol = inbound(&alice);
        assert_eq!((bob.first_known(), carol.first_known()), (0, 1));
        let second = send(&mut alice, "second");
        assert_eq!(read(&mut bob, &first), (0, "first".to_owned()));
        assert_eq!(refused(&mut carol, &first), GroupOpenError::KeyUnknown);
        for key in [&mut bob, &mut carol] {
            assert_eq!(key.id(), alice.id());
            assert_eq!(SenderKeyId::of_envelope(&second), Ok(key.id()));
            assert_eq!(read(key, &second), (1, "second".to_owned()));
        }
    }

    #[test]
    fn a_key_goes_on_after_a_restart() {
        let mut alice = OutboundKey::new();
        let mut bob = inbound(&alice);
        for index in 0..300 {
            let text = index.to_string();
            let envelope = send(&mut alice, &text);
            assert_eq!(read(&mut bob, &envelope), (index, text));
            let id = alice.id();
            alice = OutboundKey::from_bytes(&alice.to_bytes()).unwrap();
            bob = reload(&bob);
            assert_eq!((alice.id(), alice.used()), (id, index + 1));
            assert_eq!((bob.id(), bob.first_known()), (id, index + 1));
        }
    }

    /// The library opens a message as often as it is given.
    #[test]
    fn nothing_is_opened_twice_or_behind_what_was_opened() {
        let mut alice = OutboundKey::new();
        let mut bob = inbound(&alice);
        let sent: Vec<_> = (0..4).map(|n| send(&mut alice, &n.to_string())).collect();
        assert_eq!(read(&mut bob, &sent[1]).0, 1);
        for _ in 0..2 {
            for index in [0, 1] {
                let replayed = GroupOpenError::Replayed { index };
                assert_eq!(refused(&mut bob, &sent[index as usize]), replayed);
            }
            bob = reload(&bob);
        }
        assert_eq!(read(&mut bob, &sent[3]).0, 3);
        let overtaken = GroupOpenError::Replayed { index: 2 };
        assert_eq!(refused(&mut bob, &sent[2]), overtaken);
    }

    #[test]
    fn a_stolen_key_opens_nothing_that_came_before_the_theft() {
        let mut alice = OutboundKey::new();
        let mut bob = inbound(&alice);
        let old = send(&mut alice, "old");
        bob.decrypt(&old).unwrap();
        let session = bob.to_bytes()[5..].to_vec();
        let session: InboundGroupSessionPickle = rmp_serde::from_slice(&session).unwrap();
        // Without its memory of what was opened.
        let mut stolen = InboundKey::of(session.into(), 0);
        assert_eq!(refused(&mut stolen, &old), GroupOpenError::KeyUnknown);
    }

    #[test]
    fn another_share_changes_no_progress() {
        let mut alice = OutboundKey::new();
        let early = alice.share();
        let sent: Vec<_> = (0..5).map(|n| send(&mut alice, &n.to_string())).collect();
        let late = alice.share();

        let mut bob = InboundKey::from_share(&early).unwrap();
        bob.take(&late).unwrap();
        assert_eq!(bob.first_known(), 0, "a later one brings nothing");
        assert_eq!(read(&mut bob, &sent[2]).0, 2);
        for share in [&early, &late] {
            bob.take(share).unwrap();
            assert_eq!(bob.first_known(), 3);
            let replayed = GroupOpenError::Replayed { index: 2 };
            assert_eq!(refused(&mut bob, &sent[2]), replayed);
        }
        assert_eq!(read(&mut bob, &sent[3]).0, 3);

        let mut carol = InboundKey::from_share(&late).unwrap();
        assert_eq!(refused(&mut carol, &sent[4]), GroupOpenError::KeyUnknown);
        carol.take(&early).unwrap();
        assert_eq!(read(&mut carol, &sent[4]).0, 4);
    }

    #[test]
    fn a_share_of_another_key_is_refused() {
        let (alice, mallory) = (OutboundKey::new(), OutboundKey::new());
        let mut bob = inbound(&alice);
        assert_eq!(bob.take(&mallory.share()), Err(ShareError::OtherKey));

        // Of the same id, which only the owner of the signing key can make.
        let mut session = serde_json::to_value(alice.session.pickle()).unwrap();
        session["ratchet"]["inner"][5] = 1.into();
        session["ratchet"]["inner"][6] = 2.into();
        let session: GroupSessionPickle = serde_json::from_value(session).unwrap();
        let other = OutboundKey::of(session.into());
        assert_eq!(other.id(), alice.id());
        assert_eq!(bob.take(&other.share()), Err(ShareError::OtherKey));
        assert_eq!(bob.take(&alice.share()), Ok(()));
    }

    #[test]
    fn no_changed_bit_gets_past() {
        let mut alice = OutboundKey::new();
        let share = alice.share();
        assert_eq!(share.len(), SHARE_BYTES);
        for at in 0..share.len() {
            let mut changed = share.to_vec();
            changed[at] ^= 1;
            assert!(InboundKey::from_share(&changed).is_err(), "byte {at}");
            assert!(InboundKey::from_share(&share[..at]).is_err());
        }
        let longer = [share.as_slice(), &[0]].concat();
        let longer = InboundKey::from_share(&longer).unwrap_err();
        assert_eq!(longer, ShareError::Malformed);

        let mut bob = inbound(&alice);
        let envelope = send(&mut alice, "hello");
        for at in 0..envelope.len() {
            let mut changed = envelope.clone();
            changed[at] ^= 1;
            let expected = match at {
                0 => GroupOpenError::FormatUnknown,
                1..=32 => GroupOpenError::KeyUnknown,
                _ => GroupOpenError::Damaged,
            };
            assert_eq!(refused(&mut bob, &changed), expected, "byte {at}");
            refused(&mut bob, &envelope[..at]);
        }
        assert_eq!(read(&mut bob, &envelope).1, "hello");
    }

    /// The library would read a field that it does not know, and sign and verify without it.
    #[test]
    fn a_message_has_one_spelling() {
        let mut alice = OutboundKey::new();
        let mut bob = inbound(&alice);
        let envelope = send(&mut alice, "hello");
        let (head, rest) = envelope.split_at(ENVELOPE_HEAD_BYTES + 1);
        let spelled = [head, &[0x18, 0x07], rest].concat();
        let megolm = MegolmMessage::from_bytes(&spelled[ENVELOPE_HEAD_BYTES..]).unwrap();
        assert!(bob.session.decrypt(&megolm).is_ok());
        assert_eq!(refused(&mut bob, &spelled), GroupOpenError::Damaged);
    }

    #[test]
    fn a_key_has_a_thousand_messages_and_seven_days() {
        let mut alice = OutboundKey::new();
        assert!(!alice.is_due(AGE_MS_MAX - 1));
        assert!(alice.is_due(AGE_MS_MAX));
        for index in 0..MESSAGES_MAX {
            assert!(!alice.is_due(0));
            assert_eq!(alice.encrypt(b"").unwrap().index, index);
        }
        assert!(alice.is_due(0));
        assert_eq!(alice.encrypt(b""), Err(KeySpent));
    }

    #[test]
    fn sealing_adds_no_more_than_what_is_reckoned() {
        let mut alice = OutboundKey::new();
        for _ in 0..200 {
            send(&mut alice, "");
        }
        let most = (65_200..65_232)
            .map(|bytes| send(&mut alice, &"x".repeat(bytes)).len() - bytes)
            .max();
        // An index that fits an envelope has two bytes, not five; a length three.
        assert_eq!(most, Some(SEALING_BYTES_MAX - 3));
    }

    #[test]
    fn what_was_not_stored_so_is_no_key() {
        for broken in [&[][..], &[1], &[2, 0], &[1, 0, 0, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(OutboundKey::from_bytes(broken).unwrap_err(), StateInvalid);
            assert_eq!(InboundKey::from_bytes(broken).unwrap_err(), StateInvalid);
        }
        let key = OutboundKey::new();
        assert!(!format!("{key:?} {:?}", inbound(&key)).contains("ratchet"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        /// Whatever the server does with the order: each message is opened at most once, and those
        /// that are opened rise.
        #[test]
        fn in_any_order_indices_rise(
            order in proptest::collection::vec((0usize..20, any::<bool>()), 1..60),
        ) {
            let mut alice = OutboundKey::new();
            let mut bob = inbound(&alice);
            let sent: Vec<_> = (0..20).map(|n| send(&mut alice, &n.to_string())).collect();
            let mut newest = None;
            for (number, restarts) in order {
                let opened = bob.decrypt(&sent[number]);
                if newest.is_none_or(|newest| number > newest) {
                    let opened = opened.unwrap();
                    prop_assert_eq!(opened.index as usize, number);
                    let text = number.to_string();
                    prop_assert_eq!(opened.plain.as_slice(), text.as_bytes());
                    newest = Some(number);
                } else {
                    let index = u32::try_from(number).unwrap();
                    let replayed = GroupOpenError::Replayed { index };
                    prop_assert_eq!(opened.unwrap_err(), replayed);
                }
                if restarts {
                    bob = reload(&bob);
                }
            }
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut alice = OutboundKey::new();
            let mut bob = inbound(&alice);
            let head = [&[ENVELOPE_FORMAT], &alice.id().0[..], &[3]].concat();
            for envelope in [bytes.clone(), [head, bytes.clone()].concat()] {
                refused(&mut bob, &envelope);
            }
            prop_assert!(InboundKey::from_share(&bytes).is_err());
            prop_assert!(bob.take(&bytes).is_err());
            prop_assert!(OutboundKey::from_bytes(&bytes).is_err());
            prop_assert!(InboundKey::from_bytes(&bytes).is_err());
            let still = send(&mut alice, "still");
            prop_assert_eq!(read(&mut bob, &still).1, "still");
        }
    }
}
