//! Safety numbers: what two people compare to know that nobody is between them.
//!
//! 60 digits, 30 for each account, from the account keys: they change when, and only when, an
//! account is reset. A code for cameras carries the keys themselves.

use core::fmt;

use aws_lc_rs::digest::{Context, SHA512, digest};
use martlet_protocol::UserId;
use martlet_protocol::auth::KEY_BYTES;
use martlet_protocol::wire::{Reader, Writer};

/// Digits of a number.
pub const DIGITS: usize = 60;

const GROUP_DIGITS: usize = 5;
const GROUP_BYTES: usize = 5;
const HALF_GROUPS: usize = DIGITS / GROUP_DIGITS / 2;
const HALF_DIGITS: usize = DIGITS / 2;

/// Hashes for one half. They make each guess of a key that would give the same 30 digits as many
/// times dearer.
const HASHES: usize = 5_200;
const NUMBER_VERSION: [u8; 2] = [0, 0];

const CODE_VERSION: u8 = 1;

/// An account and its key, as one side knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Party {
    /// The account.
    pub user: UserId,
    /// Its key.
    pub account_key: [u8; KEY_BYTES],
}

/// The number of two accounts: the same on both sides.
#[derive(Clone, PartialEq, Eq)]
pub struct SafetyNumber(String);

/// A text is not a safety number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a safety number has 60 digits")]
pub struct NumberInvalid;

impl SafetyNumber {
    /// The number of these two, in either order. It takes a few milliseconds.
    #[must_use]
    pub fn new(one: &Party, other: &Party) -> Self {
        let (one, other) = (half(one), half(other));
        Self(if one <= other {
            one + &other
        } else {
            other + &one
        })
    }

    /// Reads a number as people write it: digits, and spaces or line breaks anywhere.
    ///
    /// # Errors
    /// [`NumberInvalid`].
    pub fn parse(text: &str) -> Result<Self, NumberInvalid> {
        let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let legal = digits.len() == DIGITS && digits.bytes().all(|digit| digit.is_ascii_digit());
        if legal {
            Ok(Self(digits))
        } else {
            Err(NumberInvalid)
        }
    }

    /// The 60 digits.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// The twelve groups of five digits.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        (0..DIGITS)
            .step_by(GROUP_DIGITS)
            .filter_map(|start| self.0.get(start..start + GROUP_DIGITS))
    }
}

/// Twelve groups with a space between them.
impl fmt::Display for SafetyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, group) in self.groups().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(group)?;
        }
        Ok(())
    }
}

impl fmt::Debug for SafetyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SafetyNumber({self})")
    }
}

/// One account's 30 digits: the first is SHA-512(0 0 ‖ key ‖ user ‖ key), each further one
/// SHA-512(the one before ‖ key); six groups of five bytes of the last, big-endian, modulo 100,000.
fn half(party: &Party) -> String {
    let key = &party.account_key;
    let user = party.user.0.to_le_bytes();
    let mut hash = digest(
        &SHA512,
        &[&NUMBER_VERSION, key.as_slice(), &user, key].concat(),
    );
    for _ in 1..HASHES {
        let mut context = Context::new(&SHA512);
        context.update(hash.as_ref());
        context.update(key);
        hash = context.finish();
    }
    let mut digits = String::with_capacity(HALF_DIGITS);
    for group in hash.as_ref().chunks_exact(GROUP_BYTES).take(HALF_GROUPS) {
        let value = group
            .iter()
            .fold(0, |value, byte| value << 8 | u64::from(*byte));
        digits.push_str(&format!("{:05}", value % 100_000));
    }
    digits
}

/// What a camera reads from the other side's screen.
///
/// Layout: version u8 = 1 · user u64 · account_key 32 of who shows it · user u64 · account_key 32
/// of the other side, as who shows it knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SafetyCode {
    /// Who shows it.
    pub shown_by: Party,
    /// For whom.
    pub shown_to: Party,
}

/// The two sides do not know the same keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// It is not such a code, or one of a newer version.
    #[error("this is not a safety code")]
    Unreadable,
    /// It is a code of other people.
    #[error("this safety code is for another conversation")]
    OtherAccounts,
    /// Their key is not the one that is known here.
    #[error("the other side's key is not the one that is known here")]
    TheirKeyDiffers,
    /// They know another key for this side.
    #[error("the other side knows another key for this account")]
    OwnKeyDiffers,
}

impl SafetyCode {
    /// The bytes of the code: 81.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = bytes::BytesMut::new();
        let mut writer = Writer::new(&mut out);
        writer.u8(CODE_VERSION);
        for party in [self.shown_by, self.shown_to] {
            writer.user(party.user);
            writer.raw(&party.account_key);
        }
        out.into()
    }

    /// Reads a code that was scanned.
    ///
    /// # Errors
    /// [`CodeError::Unreadable`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodeError> {
        Self::read(Reader::new(bytes)).ok_or(CodeError::Unreadable)
    }

    fn read(mut reader: Reader<'_>) -> Option<Self> {
        if reader.u8().ok()? != CODE_VERSION {
            return None;
        }
        let mut party = || {
            Some(Party {
                user: reader.user().ok()?,
                account_key: reader.array().ok()?,
            })
        };
        let code = Self {
            shown_by: party()?,
            shown_to: party()?,
        };
        reader.finish().ok()?;
        Some(code)
    }

    /// Whether who shows the code and this side know the same keys.
    ///
    /// # Errors
    /// [`CodeError`].
    pub fn compare(&self, own: &Party, peer: &Party) -> Result<(), CodeError> {
        if self.shown_by.user != peer.user || self.shown_to.user != own.user {
            return Err(CodeError::OtherAccounts);
        }
        if self.shown_by.account_key != peer.account_key {
            return Err(CodeError::TheirKeyDiffers);
        }
        if self.shown_to.account_key != own.account_key {
            return Err(CodeError::OwnKeyDiffers);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn party(user: u64, key: u8) -> Party {
        Party {
            user: UserId(user),
            account_key: [key; KEY_BYTES],
        }
    }

    #[test]
    fn both_sides_see_one_number_that_depends_on_both() {
        let (alice, bob) = (party(1, 0xa1), party(2, 0xb0));
        let number = SafetyNumber::new(&alice, &bob);
        assert_eq!(number, SafetyNumber::new(&bob, &alice));
        for other in [party(1, 0xa2), party(3, 0xa1)] {
            assert_ne!(number, SafetyNumber::new(&other, &bob));
        }
    }

    /// Computed with another implementation of SHA-512.
    #[test]
    fn the_number_is_the_documented_one() {
        let number = SafetyNumber::new(&party(1, 0xa1), &party(2, 0xb0));
        let expected = "32437 18264 01165 03032 87897 83792 85954 58855 02571 41451 89756 54324";
        assert_eq!(number.to_string(), expected);
    }

    #[test]
    fn a_number_is_read_as_it_is_written() {
        let number = SafetyNumber::new(&party(1, 0xa1), &party(2, 0xb0));
        let text = number.to_string();
        assert_eq!(text.len(), DIGITS + 11);
        assert!(text.split(' ').all(|group| group.len() == GROUP_DIGITS));
        assert_eq!(SafetyNumber::parse(&text), Ok(number.clone()));
        let lines = text.replacen(' ', "\n", 5);
        assert_eq!(SafetyNumber::parse(&lines), Ok(number.clone()));
        assert_eq!(SafetyNumber::parse(number.digits()), Ok(number.clone()));

        let digits = number.digits();
        let arabic = digits.replace(|c: char| c.is_ascii_digit(), "\u{661}");
        for wrong in ["", &digits[1..], &format!("{digits}0"), &arabic, "x"] {
            assert_eq!(SafetyNumber::parse(wrong), Err(NumberInvalid));
        }
    }

    #[test]
    fn a_code_tells_who_knows_the_wrong_key() {
        let (alice, bob) = (party(1, 0xa1), party(2, 0xb0));
        let code = SafetyCode {
            shown_by: alice,
            shown_to: bob,
        };
        let bytes = code.to_bytes();
        assert_eq!(bytes.len(), 81);
        let code = SafetyCode::from_bytes(&bytes).unwrap();
        assert_eq!(code.compare(&bob, &alice), Ok(()));
        for (own, peer, expected) in [
            (alice, bob, CodeError::OtherAccounts),
            (party(3, 0xb0), alice, CodeError::OtherAccounts),
            (bob, party(1, 0xa2), CodeError::TheirKeyDiffers),
            (party(2, 0xb1), alice, CodeError::OwnKeyDiffers),
        ] {
            assert_eq!(code.compare(&own, &peer), Err(expected));
        }
        let mut newer = bytes.clone();
        newer[0] = 2;
        for wrong in [
            &[][..],
            &bytes[..80],
            &[bytes.as_slice(), &[0]].concat(),
            &newer,
        ] {
            assert_eq!(SafetyCode::from_bytes(wrong), Err(CodeError::Unreadable));
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(
            text in ".{0,80}",
            bytes in proptest::collection::vec(any::<u8>(), 0..90),
        ) {
            if let Ok(number) = SafetyNumber::parse(&text) {
                prop_assert_eq!(number.groups().count(), 12);
            }
            if let Ok(code) = SafetyCode::from_bytes(&bytes) {
                prop_assert_eq!(code.to_bytes(), bytes);
            }
        }
    }
}
