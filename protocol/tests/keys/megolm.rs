//! A receiver of messages to a group made of the text of SPEC.md §28 alone: no line of it is shared
//! with the library that clients use.

use serde_json::Value;

use crate::primitives::{hkdf, hmac_sha256, open_cbc, signing_public, verifies};
use crate::support::{bytes, cases};
use crate::{array, sha256};

/// What a share has.
#[derive(Clone)]
struct SenderKey {
    index: u32,
    ratchet: [[u8; 32]; 4],
    public: [u8; 32],
}

impl SenderKey {
    fn read(share: &[u8]) -> Self {
        let (covered, signature) = share.split_last_chunk().unwrap();
        let (head, public) = covered.split_last_chunk().unwrap();
        assert!(verifies(public, covered, signature));
        let (head, ratchet) = head.split_last_chunk::<128>().unwrap();
        assert_eq!((share.len(), head[0]), (229, 2));
        Self {
            index: u32::from_be_bytes(head[1..].try_into().unwrap()),
            ratchet: std::array::from_fn(|k| ratchet[32 * k..][..32].try_into().unwrap()),
            public: *public,
        }
    }

    fn advance(&mut self) {
        self.index += 1;
        let divides = |h: &u32| self.index.is_multiple_of(1 << (8 * (3 - h)));
        let h = (0..4).find(divides).unwrap();
        let from = self.ratchet[h as usize];
        for k in h..4 {
            self.ratchet[k as usize] = hmac_sha256(&from, &[k as u8]);
        }
    }

    fn open(&self, envelope: &[u8]) -> Vec<u8> {
        let (head, message) = envelope.split_at(33);
        assert_eq!(head, [&[1], &self.public[..]].concat());
        let (covered, signature) = message.split_last_chunk().unwrap();
        assert!(verifies(&self.public, covered, signature));
        let (covered, mac) = covered.split_last_chunk::<8>().unwrap();

        let derived: [u8; 80] = hkdf(&[], &self.ratchet.concat(), "MEGOLM_KEYS");
        assert_eq!(hmac_sha256(&derived[32..64], covered)[..8], *mac);
        let (index, rest) = number(covered.strip_prefix(&[3, 8]).unwrap());
        assert_eq!(index, u64::from(self.index));
        let (length, ciphertext) = number(rest.strip_prefix(&[0x12]).unwrap());
        assert_eq!(ciphertext.len() as u64, length);
        let iv = derived[64..].try_into().unwrap();
        open_cbc(&derived[..32], &iv, ciphertext)
    }
}

/// Unsigned LEB128, and what is behind it.
fn number(input: &[u8]) -> (u64, &[u8]) {
    let end = input.iter().position(|byte| *byte < 0x80).unwrap() + 1;
    let (digits, rest) = input.split_at(end);
    let value = |number, digit: &u8| number << 7 | u64::from(digit & 0x7f);
    (digits.iter().rev().fold(0, value), rest)
}

fn check_opens(key: &SenderKey, case: &Value) {
    let payload = key.open(&bytes(case, "envelope"));
    assert_eq!(payload, bytes(case, "payload"), "{}", case["name"]);
    assert_eq!(sha256(&payload), array(case, "hash"));
}

// [M-28.3] [M-28.4]
#[test]
fn a_sender_key_opens_by_the_text_of_the_specification() {
    let cases = cases("group_messages.json");
    let first = &cases[0];
    let mut early = SenderKey::read(&bytes(first, "share"));
    assert_eq!(early.ratchet.concat(), bytes(first, "ratchet"));
    let private = array(first, "signing_private_key");
    assert_eq!(signing_public(&private), early.public);
    for case in &cases {
        let late = SenderKey::read(&bytes(case, "share"));
        while early.index < late.index {
            early.advance();
        }
        assert_eq!(case["index"], u64::from(early.index));
        assert_eq!(early.ratchet, late.ratchet, "{}", case["name"]);
        check_opens(&early, case);
        check_opens(&late, case);
    }
}

// [M-28.9]
#[test]
fn the_hash_of_an_info_is_what_a_record_names() {
    let contents = cases("contents.json");
    let info = contents.iter().find(|case| case["kind"] == 0x11).unwrap();
    let records = cases("group_records.json");
    let named = |record: &Value| record["fields"]["info_hash"].as_str().unwrap().to_owned();
    let hash = sha256(&bytes(info, "hex"));
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(records.iter().any(|record| named(record) == hash));
}
