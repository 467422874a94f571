//! A device's own Olm keys: its identity, and the prekeys with which others begin sessions.

use core::fmt;

use data_encoding::BASE64_NOPAD;
use martlet_protocol::Address;
use martlet_protocol::auth::{KEY_BYTES, prekey_message};
use martlet_protocol::frame::{Prekey, PrekeyKind};
use martlet_protocol::limits::PREKEYS_MAX;
use vodozemac::olm::{Account, AccountPickle};
use vodozemac::{Curve25519PublicKey, KeyId};
use zeroize::Zeroizing;

use super::buffer::SecretBuffer;
use super::primitives::is_signed;
use super::store_key::StateInvalid;
use crate::keys::DeviceKey;

/// The server handed out a prekey that the device did not sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a prekey is not signed by the device whose it should be")]
pub struct KeyInvalid;

/// What UPLOAD carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrekeyUpload {
    /// The last-resort key, while the server does not have it.
    pub last_resort: Option<Prekey>,
    /// One-time keys by ascending id, at most 100.
    pub one_time: Vec<Prekey>,
}

/// A last-resort key that this device would still accept. The library does not tell those that
/// were published, so they are remembered here.
type LastResort = Option<(u64, [u8; KEY_BYTES])>;

/// A device's Curve25519 keys: the identity key, one-time keys, and up to two last-resort keys.
///
/// Whatever changes them has to be stored before its effect leaves the device: private keys before
/// their public parts are uploaded, a key that was used up before the message is acknowledged.
pub struct DeviceKeys {
    pub(super) account: Account,
    current: LastResort,
    previous: LastResort,
}

impl fmt::Debug for DeviceKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceKeys(secret)")
    }
}

const STATE_FORMAT: u8 = 1;

impl DeviceKeys {
    /// New random keys, with a last-resort key.
    #[must_use]
    pub fn random() -> Self {
        let mut keys = Self {
            account: Account::new(),
            current: None,
            previous: None,
        };
        keys.rotate_last_resort();
        keys
    }

    /// The public key that stands in the device list.
    #[must_use]
    pub fn identity_key(&self) -> [u8; KEY_BYTES] {
        self.account.curve25519_key().to_bytes()
    }

    /// Prekeys to upload: those that were never confirmed, and new ones until there are `wanted`
    /// one-time keys. Ids count from 1, for one-time and last-resort keys apart.
    ///
    /// The keys have to be stored before they leave the device. Offering them again is harmless:
    /// the server knows which ids it has had.
    pub fn prekeys(&mut self, signer: &DeviceKey, address: Address, wanted: usize) -> PrekeyUpload {
        let waiting = self.account.one_time_keys().len();
        let missing = wanted.min(PREKEYS_MAX).saturating_sub(waiting);
        self.account.generate_one_time_keys(missing);

        let one_time = self.account.one_time_keys();
        let mut one_time: Vec<Prekey> = one_time
            .into_iter()
            .map(|(id, key)| self.sign(PrekeyKind::ONE_TIME, signer, address, id, key))
            .collect();
        one_time.sort_unstable_by_key(|prekey| prekey.id);
        one_time.truncate(PREKEYS_MAX);
        let last_resort = self.account.fallback_key().into_iter().next();
        PrekeyUpload {
            last_resort: last_resort
                .map(|(id, key)| self.sign(PrekeyKind::LAST_RESORT, signer, address, id, key)),
            one_time,
        }
    }

    fn sign(
        &self,
        kind: PrekeyKind,
        signer: &DeviceKey,
        address: Address,
        id: KeyId,
        key: Curve25519PublicKey,
    ) -> Prekey {
        let id = number(id);
        let key = key.to_bytes();
        let message = prekey_message(kind, address, &self.identity_key(), id, &key);
        Prekey {
            id,
            key,
            signature: signer.sign(&message),
        }
    }

    /// The server has everything that [`prekeys`](Self::prekeys) gave. Only one upload may be
    /// under way: keys made in between would count as published too.
    pub fn mark_published(&mut self) {
        self.account.mark_keys_as_published();
    }

    /// One-time keys whose private part is here: published or not, and not used yet.
    #[must_use]
    pub fn one_time_keys(&self) -> usize {
        self.account.stored_one_time_key_count()
    }

    /// Makes a new last-resort key. Messages to the one before are still opened; one that is even
    /// older is forgotten.
    pub fn rotate_last_resort(&mut self) {
        self.account.generate_fallback_key();
        let fresh = self.account.fallback_key().into_iter().next();
        self.previous = self.current.take();
        self.current = fresh.map(|(id, key)| (number(id), key.to_bytes()));
    }

    /// Forgets the last-resort key before the present one, some time after it was replaced. What
    /// was sent to it cannot be opened afterwards, by anybody.
    pub fn forget_last_resort(&mut self) {
        self.account.forget_fallback_key();
        self.previous = None;
    }

    /// The id of the present last-resort key.
    #[must_use]
    pub fn last_resort_id(&self) -> u64 {
        self.current.map_or(0, |(id, _)| id)
    }

    /// Whether the one before it is still kept.
    #[must_use]
    pub const fn has_previous_last_resort(&self) -> bool {
        self.previous.is_some()
    }

    /// Whether this is one of the last-resort keys that are still accepted.
    #[must_use]
    pub fn is_last_resort(&self, key: &[u8; KEY_BYTES]) -> bool {
        let kept = self.current.iter().chain(&self.previous);
        kept.into_iter().any(|(_, kept)| kept == key)
    }

    /// The keys, to be sealed and stored: 0.3 KB, 54 bytes for each one-time key, and as many again
    /// until it is published.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut out = SecretBuffer::new();
        out.put(&[STATE_FORMAT]);
        let state = (self.account.pickle(), self.current, self.previous);
        rmp_serde::encode::write(&mut out, &state).expect("memory takes every byte");
        out.into_bytes()
    }

    /// The keys that were stored. The library computes each public key again, about 20 µs each: a
    /// running client reads them once.
    ///
    /// # Errors
    /// [`StateInvalid`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StateInvalid> {
        let Some((&STATE_FORMAT, state)) = bytes.split_first() else {
            return Err(StateInvalid);
        };
        let state: (AccountPickle, LastResort, LastResort) =
            rmp_serde::from_slice(state).map_err(|_| StateInvalid)?;
        let (account, current, previous) = state;
        Ok(Self {
            account: account.into(),
            current,
            previous,
        })
    }
}

/// The library's ids count from 0 and are shown only as base64 of eight big-endian bytes; on the
/// wire 0 means that there is no key.
fn number(id: KeyId) -> u64 {
    let bytes = BASE64_NOPAD.decode(id.to_base64().as_bytes());
    let bytes = bytes.ok().and_then(|bytes| bytes.try_into().ok());
    let id = u64::from_be_bytes(bytes.expect("a key id is eight bytes in base64"));
    id + 1
}

/// The key with which a session to a listed device can begin.
///
/// # Errors
/// [`KeyInvalid`] when the device has not signed it, for this kind and with this identity key.
pub fn verify_prekey(
    prekey: &Prekey,
    kind: PrekeyKind,
    address: Address,
    signing_key: &[u8; KEY_BYTES],
    identity_key: &[u8; KEY_BYTES],
) -> Result<[u8; KEY_BYTES], KeyInvalid> {
    let known = matches!(kind, PrekeyKind::ONE_TIME | PrekeyKind::LAST_RESORT);
    let message = prekey_message(kind, address, identity_key, prekey.id, &prekey.key);
    if known && is_signed(signing_key, &message, &prekey.signature) {
        Ok(prekey.key)
    } else {
        Err(KeyInvalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::KeySeed;
    use martlet_protocol::{DeviceId, UserId};

    const ADDRESS: Address = Address {
        user: UserId(7),
        device: DeviceId(1),
    };

    fn signer() -> DeviceKey {
        DeviceKey::new(&KeySeed([1; 32]))
    }

    fn ids(upload: &PrekeyUpload) -> Vec<u64> {
        upload.one_time.iter().map(|prekey| prekey.id).collect()
    }

    #[test]
    fn prekeys_are_offered_until_they_are_published() {
        let mut keys = DeviceKeys::random();
        let first = keys.prekeys(&signer(), ADDRESS, 3);
        assert_eq!(ids(&first), [1, 2, 3]);
        assert_eq!(first.last_resort.map(|prekey| prekey.id), Some(1));
        let again = keys.prekeys(&signer(), ADDRESS, 3);
        assert_eq!(first, again, "an upload that got lost is repeated");
        let more = keys.prekeys(&signer(), ADDRESS, 5);
        assert_eq!(ids(&more), [1, 2, 3, 4, 5]);

        keys.mark_published();
        let next = keys.prekeys(&signer(), ADDRESS, 2);
        assert_eq!(ids(&next), [6, 7]);
        assert_eq!(next.last_resort, None);
        assert_eq!(keys.one_time_keys(), 7, "published keys are still here");
        let many = keys.prekeys(&signer(), ADDRESS, usize::MAX);
        assert_eq!(many.one_time.len(), PREKEYS_MAX);
    }

    #[test]
    fn a_prekey_is_believed_only_for_what_was_signed() {
        let mut keys = DeviceKeys::random();
        let upload = keys.prekeys(&signer(), ADDRESS, 1);
        let one_time = upload.one_time[0];
        let last_resort = upload.last_resort.unwrap();
        let (signing_key, identity_key) = (signer().public(), keys.identity_key());
        let verify = |prekey: &Prekey, kind, address, identity: &[u8; 32]| {
            verify_prekey(prekey, kind, address, &signing_key, identity)
        };
        let (once, last) = (PrekeyKind::ONE_TIME, PrekeyKind::LAST_RESORT);
        assert_eq!(
            verify(&one_time, once, ADDRESS, &identity_key),
            Ok(one_time.key)
        );
        assert_eq!(
            verify(&last_resort, last, ADDRESS, &identity_key),
            Ok(last_resort.key)
        );

        let other = Address {
            device: DeviceId(2),
            ..ADDRESS
        };
        let renumbered = Prekey { id: 9, ..one_time };
        let replaced = Prekey {
            key: last_resort.key,
            ..one_time
        };
        for (prekey, kind, address, identity) in [
            (&one_time, last, ADDRESS, &identity_key),
            (&last_resort, once, ADDRESS, &identity_key),
            (&one_time, once, other, &identity_key),
            (&one_time, once, ADDRESS, &[0; 32]),
            (&renumbered, once, ADDRESS, &identity_key),
            (&replaced, once, ADDRESS, &identity_key),
            (&one_time, PrekeyKind(3), ADDRESS, &identity_key),
        ] {
            assert_eq!(verify(prekey, kind, address, identity), Err(KeyInvalid));
        }
        let stranger = DeviceKey::new(&KeySeed([2; 32])).public();
        let result = verify_prekey(&one_time, once, ADDRESS, &stranger, &identity_key);
        assert_eq!(result, Err(KeyInvalid));
    }

    #[test]
    fn two_last_resort_keys_are_accepted_and_no_third() {
        let mut keys = DeviceKeys::random();
        let mut published = Vec::new();
        for expected in 1..=3 {
            let upload = keys.prekeys(&signer(), ADDRESS, 0);
            let prekey = upload.last_resort.unwrap();
            assert_eq!((prekey.id, keys.last_resort_id()), (expected, expected));
            published.push(prekey.key);
            keys.mark_published();
            if expected < 3 {
                keys.rotate_last_resort();
            }
        }
        let accepted = |keys: &DeviceKeys| {
            [0, 1, 2].map(|index: usize| keys.is_last_resort(&published[index]))
        };
        assert_eq!(accepted(&keys), [false, true, true]);
        assert!(keys.has_previous_last_resort());
        let mut keys = DeviceKeys::from_bytes(&keys.to_bytes()).unwrap();
        assert_eq!(accepted(&keys), [false, true, true]);
        keys.forget_last_resort();
        assert_eq!(accepted(&keys), [false, false, true]);
        assert!(!keys.has_previous_last_resort());
    }

    #[test]
    fn stored_keys_come_back_and_stay_below_their_size() {
        let mut keys = DeviceKeys::random();
        let offered = keys.prekeys(&signer(), ADDRESS, PREKEYS_MAX);
        let bytes = keys.to_bytes();
        assert!(bytes.len() < 12 * 1024, "{} bytes", bytes.len());
        let mut back = DeviceKeys::from_bytes(&bytes).unwrap();
        assert_eq!(back.identity_key(), keys.identity_key());
        assert_eq!(back.prekeys(&signer(), ADDRESS, PREKEYS_MAX), offered);

        keys.mark_published();
        let bytes = keys.to_bytes();
        assert!(bytes.len() < 6 * 1024, "{} bytes", bytes.len());
        for broken in [&[][..], &[2], &bytes[..bytes.len() - 1]] {
            assert_eq!(DeviceKeys::from_bytes(broken).unwrap_err(), StateInvalid);
        }
        assert_eq!(format!("{keys:?}"), "DeviceKeys(secret)");
    }
}
