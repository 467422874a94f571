//! A receiver of Olm messages made of the text of SPEC.md §23 alone: no line of it is shared with
//! the library that encrypted the vectors.

use crate::primitives::{exchange, hkdf, hmac_sha256, open_cbc};
use crate::support::{bytes, cases, text};
use crate::{array, sha256};

/// The fields of a NORMAL.
struct Normal<'a> {
    ratchet: [u8; 32],
    index: u64,
    ciphertext: &'a [u8],
    covered: &'a [u8],
    mac: &'a [u8],
}

/// The fields of a PREKEY.
struct PreKey<'a> {
    other_key: [u8; 32],
    beginner_key: [u8; 32],
    identity: [u8; 32],
    inner: &'a [u8],
}

fn take<'a>(input: &mut &'a [u8], prefix: &[u8], len: usize) -> &'a [u8] {
    let rest = input.strip_prefix(prefix).unwrap();
    let (taken, rest) = rest.split_at(len);
    *input = rest;
    taken
}

fn key(input: &mut &[u8], prefix: &[u8]) -> [u8; 32] {
    take(input, prefix, 32).try_into().unwrap()
}

/// Unsigned LEB128.
fn number(input: &mut &[u8], prefix: &[u8]) -> u64 {
    take(input, prefix, 0);
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = take(input, b"", 1)[0];
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return value;
        }
    }
}

fn normal(message: &[u8]) -> Normal<'_> {
    let (covered, mac) = message.split_at(message.len() - 8);
    let mut input = covered;
    let ratchet = key(&mut input, &[0x03, 0x0a, 0x20]);
    let index = number(&mut input, &[0x10]);
    let length = number(&mut input, &[0x22]) as usize;
    assert_eq!(input.len(), length);
    Normal {
        ratchet,
        index,
        ciphertext: input,
        covered,
        mac,
    }
}

fn pre_key(mut input: &[u8]) -> PreKey<'_> {
    let other_key = key(&mut input, &[0x03, 0x0a, 0x20]);
    let beginner_key = key(&mut input, &[0x12, 0x20]);
    let identity = key(&mut input, &[0x1a, 0x20]);
    let length = number(&mut input, &[0x22]) as usize;
    assert_eq!(input.len(), length);
    PreKey {
        other_key,
        beginner_key,
        identity,
        inner: input,
    }
}

/// A root key and the first key of a chain.
type Keys = ([u8; 32], [u8; 32]);

fn split(derived: [u8; 64]) -> Keys {
    let (root, chain) = derived.split_first_chunk::<32>().unwrap();
    (*root, chain.try_into().unwrap())
}

/// The plaintext of a message of the chain that begins with `chain`.
fn decrypt(mut chain: [u8; 32], message: &Normal<'_>) -> Vec<u8> {
    for _ in 0..message.index {
        chain = hmac_sha256(&chain, &[2]);
    }
    let derived: [u8; 80] = hkdf(&[], &hmac_sha256(&chain, &[1]), "OLM_KEYS");
    assert_eq!(
        hmac_sha256(&derived[32..64], message.covered)[..8],
        *message.mac
    );
    let iv = derived[64..].try_into().unwrap();
    open_cbc(&derived[..32], &iv, message.ciphertext)
}

// [M-23.2] [M-23.3] [M-23.4]
#[test]
fn a_session_opens_by_the_text_of_the_specification() {
    let cases = cases("olm.json");
    let private = |name: &str| array::<32>(&cases[0], name);
    let parts: Vec<_> = cases.iter().map(|case| bytes(case, "part")).collect();
    let olm = |at: usize, olm_type| {
        assert_eq!(parts[at][..2], [2, olm_type], "format and type");
        &parts[at][2..]
    };
    let check = |at: usize, plaintext: Vec<u8>| {
        assert_eq!(
            plaintext,
            bytes(&cases[at], "payload"),
            "{}",
            cases[at]["name"]
        );
    };

    let first = pre_key(olm(0, 0));
    let (identity, prekey) = (
        private("bob_identity_private_key"),
        private("bob_prekey_private_key"),
    );
    let secret = [
        exchange(&prekey, &first.identity),
        exchange(&identity, &first.beginner_key),
        exchange(&prekey, &first.beginner_key),
    ];
    let (root, chain) = split(hkdf(&[], &secret.concat(), "OLM_ROOT"));
    check(0, decrypt(chain, &normal(first.inner)));

    let second = pre_key(olm(1, 0));
    let id = |it: &PreKey<'_>| sha256(&[it.identity, it.beginner_key, it.other_key].concat());
    assert_eq!(id(&first), id(&second), "the same session");
    check(1, decrypt(chain, &normal(second.inner)));

    let ratchet = private("bob_ratchet_private_key");
    let shared = exchange(&ratchet, &normal(first.inner).ratchet);
    let (root, chain) = split(hkdf(&root, &shared, "OLM_RATCHET"));
    assert_eq!(text(&cases[2], "from"), "bob.1");
    check(2, decrypt(chain, &normal(olm(2, 1))));

    let last = normal(olm(3, 1));
    let (_, chain) = split(hkdf(
        &root,
        &exchange(&ratchet, &last.ratchet),
        "OLM_RATCHET",
    ));
    check(3, decrypt(chain, &last));
}
