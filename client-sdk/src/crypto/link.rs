//! Linking a new device: the code that it scans, and what the two devices seal for each other.
//!
//! The code goes from screen to screen and holds a secret that the server never sees. From it come
//! a ticket, which the server compares, and two keys, which it does not have: one for the new
//! device's keys on their way to the account, one for the answer.

use core::fmt;

use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use bytes::BytesMut;
use chacha20poly1305::XChaCha20Poly1305;
use data_encoding::BASE32_NOPAD;
use martlet_protocol::auth::{KEY_BYTES, SIGNATURE_BYTES};
use martlet_protocol::frame::TICKET_BYTES;
use martlet_protocol::limits::{HANDLE_BYTES_MAX, LINK_BYTES_MAX, TEXT_BYTES_MAX};
use martlet_protocol::wire::{Reader, Writer};
use martlet_protocol::{Address, DecodeError};
use zeroize::Zeroizing;

use super::identity::{NAME_BYTES_MAX, NamesKey, is_proven};
use super::primitives::{SEALED_BYTES, cipher, open, random, seal};
use crate::address::ServerAddress;

const PREFIX: &str = "MARTLET-LINK-1-";
const SECRET_BYTES: usize = 16;

const TICKET_INFO: &[u8] = b"martlet link ticket v1";
const OFFER_INFO: &[u8] = b"martlet link offer v1";
const ANSWER_INFO: &[u8] = b"martlet link answer v1";

const OFFER_BYTES_MAX: usize = SEALED_BYTES + 2 * KEY_BYTES + SIGNATURE_BYTES + 1 + NAME_BYTES_MAX;
const ANSWER_BYTES_MAX: usize = SEALED_BYTES + KEY_BYTES + 2 + HANDLE_BYTES_MAX + 1;
const _: () = assert!(OFFER_BYTES_MAX <= LINK_BYTES_MAX && ANSWER_BYTES_MAX <= LINK_BYTES_MAX);

/// What the account's device shows and the new device reads.
///
/// As text: `MARTLET-LINK-1-` and, in base32 (RFC 4648, upper case, unpadded), user u64 · device
/// u16 · secret 16 · account_key 32 · the server's address. Whoever reads it can join the account,
/// while the account's device waits for it.
#[derive(Clone)]
pub struct LinkCode {
    address: Address,
    secret: Zeroizing<[u8; SECRET_BYTES]>,
    account_key: [u8; KEY_BYTES],
    server: String,
}

impl fmt::Debug for LinkCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkCode")
            .field("address", &self.address)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

/// A text is not a link code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkCodeError {
    /// It does not begin as a code does.
    #[error("a link code begins with MARTLET-LINK-1-")]
    PrefixMissing,
    /// A character is wrong or missing.
    #[error("the link code is incomplete or mistyped")]
    Mistyped,
}

/// What came from the other device cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// It was not sealed with this code.
    #[error("the other device has another link code")]
    OtherCode,
    /// It was, and does not say what it has to.
    #[error("the other device said something that cannot be read")]
    Unreadable,
    /// The new device's proof does not hold.
    #[error("the new device has no valid proof for its keys")]
    ProofWrong,
}

/// The new device's keys. Layout before sealing: signing_key 32 · identity_key 32 · proof 64 ·
/// name text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its Ed25519 key.
    pub signing_key: [u8; KEY_BYTES],
    /// Its Curve25519 key.
    pub identity_key: [u8; KEY_BYTES],
    /// Its word ([`prove`](super::identity::prove)) for the code's address and account key.
    pub proof: [u8; SIGNATURE_BYTES],
    /// Its name, at most 40 bytes.
    pub name: String,
}

/// What the new device has to know. Layout before sealing: names_key 32 · handle text · flags u8.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Opens the names of the account's devices.
    pub names_key: NamesKey,
    /// The account's handle.
    pub handle: String,
    /// What else the account's device will do, one bit each.
    pub flags: u8,
}

impl LinkCode {
    /// A code with a new secret, for the device that will have this address.
    #[must_use]
    pub fn new(address: Address, account_key: [u8; KEY_BYTES], server: &str) -> Self {
        Self {
            address,
            secret: Zeroizing::new(random()),
            account_key,
            server: server.to_owned(),
        }
    }

    /// The account to join, and the id there.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// The account's key, which the lists from the server have to be signed with.
    #[must_use]
    pub const fn account_key(&self) -> &[u8; KEY_BYTES] {
        &self.account_key
    }

    /// Where the account's server is.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The code as text: letters and digits that a QR code holds densely.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(64 + self.server.len()));
        bytes.extend_from_slice(&self.address.user.0.to_le_bytes());
        bytes.extend_from_slice(&self.address.device.0.to_le_bytes());
        bytes.extend_from_slice(self.secret.as_slice());
        bytes.extend_from_slice(&self.account_key);
        bytes.extend_from_slice(self.server.as_bytes());
        let mut text = Zeroizing::new(String::with_capacity(2 * bytes.len()));
        text.push_str(PREFIX);
        BASE32_NOPAD.encode_append(&bytes, &mut text);
        text
    }

    /// Reads a code as people type or paste it: in upper or lower case, with spaces and line
    /// breaks anywhere.
    ///
    /// # Errors
    /// [`LinkCodeError`].
    pub fn parse(text: &str) -> Result<Self, LinkCodeError> {
        let mut typed = Zeroizing::new(String::with_capacity(text.len()));
        let visible = text.chars().filter(|c| !c.is_whitespace());
        typed.extend(visible.map(|c| c.to_ascii_uppercase()));
        let digits = typed
            .strip_prefix(PREFIX)
            .ok_or(LinkCodeError::PrefixMissing)?;
        let bytes = BASE32_NOPAD
            .decode(digits.as_bytes())
            .map_err(|_| LinkCodeError::Mistyped)?;
        Self::read(&Zeroizing::new(bytes)).ok_or(LinkCodeError::Mistyped)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let code = Self {
            address: reader.address().ok()?,
            secret: Zeroizing::new(reader.array().ok()?),
            account_key: reader.array().ok()?,
            server: core::str::from_utf8(reader.rest()).ok()?.to_owned(),
        };
        let usable =
            code.server.len() <= TEXT_BYTES_MAX && ServerAddress::parse(&code.server).is_some();
        usable.then_some(code)
    }

    /// What the server compares.
    #[must_use]
    pub fn ticket(&self) -> [u8; TICKET_BYTES] {
        *self.derive(TICKET_INFO)
    }

    /// The new device's keys, for LINK_JOIN: nonce 24 · ciphertext · tag 16. A name longer than 40
    /// bytes is cut.
    #[must_use]
    pub fn seal_offer(&self, offer: &Offer) -> Vec<u8> {
        let end = offer.name.floor_char_boundary(NAME_BYTES_MAX);
        let mut plain = BytesMut::with_capacity(OFFER_BYTES_MAX);
        let mut writer = Writer::new(&mut plain);
        writer.raw(&offer.signing_key);
        writer.raw(&offer.identity_key);
        writer.raw(&offer.proof);
        writer.text(offer.name.get(..end).unwrap_or_default());
        seal(&self.cipher(OFFER_INFO), &self.aad(), &plain)
    }

    /// The new device's keys, with their proof verified.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn open_offer(&self, sealed: &[u8]) -> Result<Offer, LinkError> {
        let plain = open(&self.cipher(OFFER_INFO), &self.aad(), sealed);
        let plain = plain.ok_or(LinkError::OtherCode)?;
        let offer = read_offer(&plain).map_err(|_| LinkError::Unreadable)?;
        let proven = is_proven(
            &offer.proof,
            &offer.signing_key,
            self.address,
            &self.account_key,
            &offer.identity_key,
        );
        if proven {
            Ok(offer)
        } else {
            Err(LinkError::ProofWrong)
        }
    }

    /// What the new device has to know, for PUBLISH: nonce 24 · ciphertext · tag 16.
    ///
    /// # Panics
    /// If the handle is longer than a handle can be.
    #[must_use]
    pub fn seal_answer(&self, answer: &Answer) -> Vec<u8> {
        assert!(answer.handle.len() <= HANDLE_BYTES_MAX, "a handle is short");
        let mut plain = Zeroizing::new(Vec::with_capacity(ANSWER_BYTES_MAX));
        let mut tail = BytesMut::new();
        let mut writer = Writer::new(&mut tail);
        writer.text(&answer.handle);
        writer.u8(answer.flags);
        plain.extend_from_slice(answer.names_key.as_bytes());
        plain.extend_from_slice(&tail);
        seal(&self.cipher(ANSWER_INFO), &self.aad(), &plain)
    }

    /// What the account's device has answered.
    ///
    /// # Errors
    /// [`LinkError::OtherCode`], [`LinkError::Unreadable`].
    pub fn open_answer(&self, sealed: &[u8]) -> Result<Answer, LinkError> {
        let plain = open(&self.cipher(ANSWER_INFO), &self.aad(), sealed);
        let plain = plain.ok_or(LinkError::OtherCode)?;
        read_answer(&plain).map_err(|_| LinkError::Unreadable)
    }

    fn cipher(&self, info: &[u8]) -> XChaCha20Poly1305 {
        cipher(&self.derive(info))
    }

    fn derive(&self, info: &[u8]) -> Zeroizing<[u8; KEY_BYTES]> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        let secret = Salt::new(HKDF_SHA256, &[]).extract(self.secret.as_slice());
        secret
            .expand(&[info], HKDF_SHA256)
            .and_then(|okm| okm.fill(key.as_mut_slice()))
            .expect("HKDF gives as many bytes as its hash has");
        key
    }

    fn aad(&self) -> Vec<u8> {
        let user = self.address.user.0.to_le_bytes();
        let device = self.address.device.0.to_le_bytes();
        [user.as_slice(), &device].concat()
    }
}

fn read_offer(plain: &[u8]) -> Result<Offer, DecodeError> {
    let mut reader = Reader::new(plain);
    let offer = Offer {
        signing_key: reader.array()?,
        identity_key: reader.array()?,
        proof: reader.array()?,
        name: reader.text(NAME_BYTES_MAX)?.to_owned(),
    };
    reader.finish()?;
    Ok(offer)
}

fn read_answer(plain: &[u8]) -> Result<Answer, DecodeError> {
    let mut reader = Reader::new(plain);
    let answer = Answer {
        names_key: NamesKey::from_bytes(reader.array()?),
        handle: reader.text(HANDLE_BYTES_MAX)?.to_owned(),
        flags: reader.u8()?,
    };
    reader.finish()?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::identity::prove;
    use crate::keys::{DeviceKey, KeySeed};
    use martlet_protocol::{DeviceId, UserId};
    use proptest::prelude::*;

    const ADDRESS: Address = Address {
        user: UserId(7),
        device: DeviceId(2),
    };
    const ACCOUNT_KEY: [u8; 32] = [9; 32];

    fn code() -> LinkCode {
        LinkCode::new(ADDRESS, ACCOUNT_KEY, "chat.example:7400")
    }

    fn offer(code: &LinkCode) -> Offer {
        let signer = DeviceKey::new(&KeySeed([3; 32]));
        let identity_key = [4; 32];
        Offer {
            signing_key: signer.public(),
            identity_key,
            proof: prove(&signer, code.address(), code.account_key(), &identity_key),
            name: "tablet".to_owned(),
        }
    }

    #[test]
    fn a_code_survives_how_people_type() {
        let code = code();
        let text = code.to_text();
        assert!(text.starts_with("MARTLET-LINK-1-"));
        let lines: String = text
            .to_lowercase()
            .chars()
            .flat_map(|c| [c, '\n', ' '])
            .collect();
        for typed in [text.as_str(), &format!("  {}\r\n", *text), &lines] {
            let read = LinkCode::parse(typed).unwrap();
            assert_eq!(read.address(), ADDRESS);
            assert_eq!(read.account_key(), &ACCOUNT_KEY);
            assert_eq!(read.server(), "chat.example:7400");
            assert_eq!(read.ticket(), code.ticket());
            assert_eq!(*read.to_text(), *text);
        }
    }

    #[test]
    fn what_is_no_code_says_why() {
        let text = code().to_text();
        let unprefixed = &text[PREFIX.len()..];
        for typed in ["", "MARTLET-LINK-2-AAAA", unprefixed] {
            assert_eq!(
                LinkCode::parse(typed).unwrap_err(),
                LinkCodeError::PrefixMissing
            );
        }
        let nowhere = LinkCode::new(ADDRESS, ACCOUNT_KEY, "nowhere").to_text();
        let nobody = Address {
            user: UserId(0),
            ..ADDRESS
        };
        let nobody = LinkCode::new(nobody, ACCOUNT_KEY, "chat.example:7400").to_text();
        let far = format!("{}:7400", "a".repeat(TEXT_BYTES_MAX));
        let far = LinkCode::new(ADDRESS, ACCOUNT_KEY, &far).to_text();
        for typed in [
            PREFIX,
            &text[..40],
            &format!("{}1", *text),
            &nowhere,
            &nobody,
            &far,
        ] {
            assert_eq!(LinkCode::parse(typed).unwrap_err(), LinkCodeError::Mistyped);
        }
    }

    #[test]
    fn each_use_of_the_secret_has_its_own_key() {
        let code = code();
        let keys = [TICKET_INFO, OFFER_INFO, ANSWER_INFO].map(|info| code.derive(info));
        assert_ne!(keys[0], keys[1]);
        assert_ne!(keys[1], keys[2]);
        assert_ne!(keys[0], keys[2]);
        assert_ne!(code.ticket(), self::code().ticket(), "secrets are random");
    }

    #[test]
    fn an_offer_opens_only_with_its_code_and_a_valid_proof() {
        let code = code();
        let offer = offer(&code);
        let sealed = code.seal_offer(&offer);
        assert_eq!(code.open_offer(&sealed), Ok(offer.clone()));
        assert_eq!(self::code().open_offer(&sealed), Err(LinkError::OtherCode));
        let elsewhere = LinkCode {
            address: Address {
                device: DeviceId(3),
                ..ADDRESS
            },
            ..code.clone()
        };
        assert_eq!(elsewhere.open_offer(&sealed), Err(LinkError::OtherCode));
        assert_eq!(code.open_answer(&sealed).unwrap_err(), LinkError::OtherCode);
        assert_eq!(code.open_offer(&[]), Err(LinkError::OtherCode));

        let unproven = Offer {
            identity_key: [5; 32],
            ..offer.clone()
        };
        assert_eq!(
            code.open_offer(&code.seal_offer(&unproven)),
            Err(LinkError::ProofWrong)
        );
        let long = Offer {
            name: "ä".repeat(40),
            ..offer
        };
        let opened = code.open_offer(&code.seal_offer(&long)).unwrap();
        assert_eq!(opened.name, "ä".repeat(20));

        let short = seal(&code.cipher(OFFER_INFO), &code.aad(), b"short");
        assert_eq!(code.open_offer(&short), Err(LinkError::Unreadable));
    }

    #[test]
    fn an_answer_brings_the_names_key_and_the_handle() {
        let code = code();
        let answer = Answer {
            names_key: NamesKey::random(),
            handle: "alice".to_owned(),
            flags: 1,
        };
        let sealed = code.seal_answer(&answer);
        assert!(sealed.len() <= ANSWER_BYTES_MAX);
        let opened = code.open_answer(&sealed).unwrap();
        assert_eq!(opened.names_key.as_bytes(), answer.names_key.as_bytes());
        assert_eq!((opened.handle.as_str(), opened.flags), ("alice", 1));
        assert_eq!(
            self::code().open_answer(&sealed).unwrap_err(),
            LinkError::OtherCode
        );
        assert!(!format!("{code:?} {answer:?}").contains("secret:"));
    }

    /// RFC 5869 with an empty salt, computed with another implementation.
    #[test]
    fn the_ticket_is_hkdf_sha256() {
        let code = LinkCode {
            secret: Zeroizing::new(core::array::from_fn(|i| u8::try_from(i).unwrap())),
            ..code()
        };
        assert_eq!(
            code.ticket()[..8],
            [0xde, 0xea, 0x42, 0xcf, 0x2b, 0x00, 0x72, 0xb0]
        );
    }

    proptest! {
        #[test]
        fn no_text_and_no_box_panics(
            text in ".{0,120}",
            sealed in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let code = code();
            prop_assert!(LinkCode::parse(&text).is_err());
            let _ = LinkCode::parse(&format!("{PREFIX}{text}"));
            prop_assert!(code.open_offer(&sealed).is_err());
            prop_assert!(code.open_answer(&sealed).is_err());
        }
    }
}
