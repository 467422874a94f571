//! Device lists, prekeys, links and end-to-end contents against their vectors, with primitives
//! that this crate does not have: what is written there verifies, opens and follows.
#![allow(clippy::unwrap_used, reason = "a bad vector must fail the test")]

mod lists;
mod megolm;
mod olm;
mod primitives;
mod records;
#[path = "../support/mod.rs"]
mod support;

use martlet_protocol::auth::{PrekeyKind, prekey_message};
use martlet_protocol::{Address, DeviceId, UserId};
use primitives::{exchange_public, hkdf, open, sha256, sha512, sign, signing_public, verifies};
use serde_json::Value;
use support::{bytes, cases, text, unhex};

/// A hexadecimal member of a known size.
fn array<const N: usize>(case: &Value, member: &str) -> [u8; N] {
    bytes(case, member).try_into().unwrap()
}

fn address(case: &Value, user: &str, device: &str) -> Address {
    Address {
        user: UserId(text(case, user).parse().unwrap()),
        device: DeviceId(case[device].as_u64().unwrap() as u16),
    }
}

// [M-7.3] [M-7.4]
#[test]
fn what_a_device_signs_to_connect_verifies() {
    for case in cases("auth.json") {
        let key = array(&case, "public_key");
        assert_eq!(signing_public(&array(&case, "private_key")), key);
        let (message, signature) = (bytes(&case, "message"), array(&case, "signature"));
        assert!(verifies(&key, &message, &signature), "{}", case["name"]);
    }
}

// [M-20.2]
#[test]
fn a_prekey_is_signed_with_its_kind_its_id_and_its_device() {
    for case in cases("prekeys.json") {
        let identity = exchange_public(&array(&case, "identity_private_key"));
        let message = prekey_message(
            PrekeyKind(case["kind"].as_u64().unwrap() as u8),
            address(&case, "user", "device"),
            &identity,
            text(&case, "id").parse().unwrap(),
            &array(&case, "key"),
        );
        assert_eq!(message, bytes(&case, "message"));
        assert_eq!(
            exchange_public(&array(&case, "private_key")),
            array(&case, "key")
        );
        let signer = array(&case, "signing_private_key");
        assert_eq!(sign(&signer, &message), array(&case, "signature"));
        let (key, signature) = (signing_public(&signer), array(&case, "signature"));
        assert!(verifies(&key, &message, &signature), "{}", case["name"]);
    }
}

/// The bytes of RFC 4648's base32 without padding.
fn base32(text: &str) -> Vec<u8> {
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let value = |digit| digits.find(digit).unwrap() as u32;
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0u32, 0);
    for digit in text.chars() {
        bits = bits << 5 | value(digit);
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

// [M-21.2] [M-21.3]
#[test]
fn a_link_code_has_the_secret_that_ticket_and_keys_come_from() {
    for case in cases("links.json") {
        let code = text(&case, "code").strip_prefix("MARTLET-LINK-1-").unwrap();
        let (code, fields) = (base32(code), &case["code_fields"]);
        let address = address(fields, "user", "device");
        let expected = [
            &address.user.0.to_le_bytes()[..],
            &address.device.0.to_le_bytes(),
            &bytes(fields, "secret"),
            &bytes(fields, "account_key"),
            &bytes(fields, "server"),
        ];
        assert_eq!(code, expected.concat());
        assert_eq!(code, bytes(&case, "code_bytes"));
        for (member, info) in [
            ("ticket", "martlet link ticket v1"),
            ("offer_key", "martlet link offer v1"),
            ("answer_key", "martlet link answer v1"),
        ] {
            let derived = hkdf::<32>(&[], &bytes(fields, "secret"), info);
            assert_eq!(derived, array(&case, member), "{member}");
        }
    }
}

// [M-21.6] [M-21.8]
#[test]
fn offer_and_answer_open_with_the_keys_of_the_code() {
    for case in cases("links.json") {
        let aad = base32(text(&case, "code").strip_prefix("MARTLET-LINK-1-").unwrap());
        for what in ["offer", "answer"] {
            let (key, sealed) = (array(&case, &format!("{what}_key")), bytes(&case, what));
            let (nonce, rest) = sealed.split_first_chunk().unwrap();
            let plain = bytes(&case, &format!("{what}_plain"));
            assert_eq!(open(&key, nonce, &aad[..10], rest), Some(plain), "{what}");
            assert_eq!(open(&key, nonce, b"", rest), None, "{what}");
        }
    }
}

// [M-23.7] [M-23.10]
#[test]
fn a_payload_names_the_hash_of_the_one_before() {
    let cases = cases("payloads.json");
    for case in &cases {
        assert_eq!(sha256(&bytes(case, "hex")), array(case, "hash"));
    }
    let chain: Vec<_> = cases[..2].iter().map(|case| &case["fields"]).collect();
    assert_eq!(chain[0]["previous"], Value::from("00".repeat(32)));
    assert_eq!(chain[1]["previous"], cases[0]["hash"]);
    assert_eq!(chain[0]["counter"], "1");
    assert_eq!(chain[1]["counter"], "2");
}

// [M-23.11]
#[test]
fn a_body_in_the_envelope_opens_with_the_key_in_the_payload() {
    for case in cases("bodies.json") {
        let envelope = bytes(&case, "envelope");
        assert_eq!(sha256(&envelope), array(&case, "hash"));
        let aad = [b"martlet body v1\0", &bytes(&case, "message_id")[..]].concat();
        let opened = open(&array(&case, "key"), &[0; 24], &aad, &envelope);
        assert_eq!(opened, Some(bytes(&case, "contents")));

        let payloads = cases("payloads.json");
        let body = [bytes(&case, "key"), bytes(&case, "hash")].concat();
        let named = payloads
            .iter()
            .find(|payload| payload["fields"]["message_id"] == case["message_id"]);
        assert_eq!(bytes(&named.unwrap()["fields"], "body"), body);
    }
}

/// The 30 digits of one account.
fn half(code: &Value, who: &str) -> String {
    let key = unhex(text(code, &format!("{who}_key")));
    let user: u64 = text(code, who).parse().unwrap();
    let mut digest = sha512(&[&[0, 0], &key[..], &user.to_le_bytes(), &key].concat()).to_vec();
    for _ in 0..5_199 {
        digest = sha512(&[digest, key.clone()].concat()).to_vec();
    }
    let number = |group: &[u8]| {
        let number = group
            .iter()
            .fold(0u64, |n, byte| n * 256 + u64::from(*byte));
        format!("{:05}", number % 100_000)
    };
    digest[..30].chunks(5).map(number).collect()
}

// [M-23.22] [M-23.23]
#[test]
fn both_people_compare_the_same_sixty_digits() {
    let cases = cases("safety_numbers.json");
    for case in &cases {
        let code = &case["code_fields"];
        let mut halves = [half(code, "shown_by"), half(code, "shown_to")];
        halves.sort();
        assert_eq!(halves.concat(), text(case, "number"));
        assert_eq!(text(case, "number").len(), 60);
    }
    assert_eq!(cases[0]["number"], cases[1]["number"]);
}
