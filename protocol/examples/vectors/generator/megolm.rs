//! What alice's phone says to the group: payloads, and the envelopes that her sender key makes.
//!
//! Megolm has no randomness beside the keys, so the text of SPEC.md §28 gives every byte.

use super::fields::{self, Fields, Value, raw, user};
use super::groups::{self, GROUP};
use super::json::Json;
use super::keys::{hkdf, hmac_sha256, private, seal_cbc, sha256, sign, signing_public};
use super::lists::{ALICES, PHONE};
use super::people::message_id;

/// The private half of the sender key is 32 times this byte.
const SIGNING: u8 = 0x5e;

/// R(i,0) to R(i,3), and i.
#[derive(Clone)]
struct Ratchet {
    index: u32,
    keys: [[u8; 32]; 4],
}

impl Ratchet {
    /// The first one, whose keys would be random.
    fn first() -> Self {
        Self {
            index: 0,
            keys: [0xa0, 0xa1, 0xa2, 0xa3].map(private),
        }
    }

    fn at(index: u32) -> Self {
        let mut ratchet = Self::first();
        while ratchet.index < index {
            ratchet.index += 1;
            let divides = |h: &usize| ratchet.index.is_multiple_of(1 << (8 * (3 - h)));
            let slowest = (0..4).find(divides).expect("1 divides every number");
            let from = ratchet.keys[slowest];
            for k in slowest..4 {
                ratchet.keys[k] = hmac_sha256(&from, &[k as u8]);
            }
        }
        ratchet
    }

    fn share(&self) -> Vec<u8> {
        let (index, key) = (self.index.to_be_bytes(), signing_public(&private(SIGNING)));
        signed([&[2], &index[..], &self.keys.concat(), &key].concat())
    }

    fn envelope(&self, payload: &[u8]) -> Vec<u8> {
        let keys: [u8; 80] = hkdf(&self.keys.concat(), "MEGOLM_KEYS");
        let iv = keys[64..].try_into().expect("16 bytes are left");
        let ciphertext = seal_cbc(&keys[..32], iv, payload);
        let mut message = vec![3, 8];
        leb128(self.index as usize, &mut message);
        message.push(0x12);
        leb128(ciphertext.len(), &mut message);
        message.extend(ciphertext);
        let mac = hmac_sha256(&keys[32..64], &message);
        message.extend(&mac[..8]);
        let id = signing_public(&private(SIGNING));
        [&[1], &id[..], &signed(message)].concat()
    }
}

fn signed(message: Vec<u8>) -> Vec<u8> {
    let signature = sign(&private(SIGNING), &message);
    [&message[..], &signature].concat()
}

fn leb128(mut number: usize, out: &mut Vec<u8>) {
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// A share of the key at its first index.
pub(crate) fn first_share() -> Vec<u8> {
    Ratchet::first().share()
}

/// Alice's chain in the group. The key goes on faster where envelopes had to be made anew.
fn chain() -> Vec<(&'static str, u32, Fields)> {
    let info = super::group_kinds::group_info();
    let said: [(&str, u32, u64, u8, &[u8]); 5] = [
        ("a text", 0, 1, 1, "Grüße".as_bytes()),
        ("the group's info", 1, 2, 0x11, &info),
        ("a text of one block of 16 bytes", 3, 2, 1, b"0123456789"),
        ("a text behind a step of two keys", 256, 3, 1, b""),
        ("the last one of the key", 999, 4, 1, &[b'a'; 200]),
    ];
    let mut previous = [0; 32];
    let mut chain = Vec::new();
    for (n, (name, index, version, kind, contents)) in said.into_iter().enumerate() {
        let n = n as u8 + 1;
        let fields = vec![
            ("version", Value::U8(1)),
            ("kind", Value::U8(kind)),
            ("message_id", raw(&message_id(n).0)),
            ("sender", user(ALICES.user)),
            ("sender_device", Value::Device(PHONE.device)),
            ("group", Value::User(GROUP.0)),
            ("record_version", Value::Varint(version)),
            ("record_hash", raw(&groups::record(version).hash)),
            ("counter", Value::Varint(u64::from(n))),
            ("previous", raw(&previous)),
            ("contents", Value::Rest(contents.to_vec())),
        ];
        previous = sha256(&fields::payload(&fields));
        chain.push((name, index, fields));
    }
    chain
}

/// `group_messages.json`.
pub(crate) fn messages() -> Json {
    let list = chain().into_iter().map(|(name, index, fields)| {
        let payload = fields::payload(&fields);
        let ratchet = Ratchet::at(index);
        Json::object([
            ("name", Json::text(name)),
            ("signing_private_key", Json::hex(&private(SIGNING))),
            ("ratchet", Json::hex(&Ratchet::first().keys.concat())),
            ("index", Json::Number(u64::from(index))),
            ("share", Json::hex(&ratchet.share())),
            ("payload", Json::hex(&payload)),
            ("fields", fields::named(&fields)),
            ("hash", Json::hex(&sha256(&payload))),
            ("envelope", Json::hex(&ratchet.envelope(&payload))),
        ])
    });
    super::cases(
        "Messages of one device to a group: payload, share and envelope.",
        list.collect(),
    )
}
