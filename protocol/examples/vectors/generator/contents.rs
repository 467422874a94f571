//! What devices say to each other: prekeys, links, payloads, bodies and safety numbers.

use martlet_protocol::auth::PrekeyKind;
use martlet_protocol::frame::Prekey;
use martlet_protocol::{Address, MessageId};

use super::fields::{self, Fields, Value, raw, user};
use super::json::Json;
use super::keys::{
    base32, exchange_public, hkdf, private, seal, seal_with_nonce, sha256, sha512, sign,
    signing_public,
};
use super::lists::{
    self, ALICES, BOBS, BOBS_PHONE, Member, Owner, PHONE, TABLET, account_key, address, proof,
};
use super::people::{message_id, timestamp};

/// A prekey of a device: its private key is 32 times 0x80 + `id`.
pub(crate) fn prekey(owner: Owner, member: Member, kind: PrekeyKind, id: u64) -> Prekey {
    let key = exchange_public(&prekey_private(id));
    Prekey {
        id,
        key,
        signature: sign(
            &private(member.signing),
            &prekey_message(owner, member, kind, id),
        ),
    }
}

pub(crate) const fn prekey_private(id: u64) -> [u8; 32] {
    private(0x80 + id as u8)
}

fn prekey_message(owner: Owner, member: Member, kind: PrekeyKind, id: u64) -> Vec<u8> {
    let parts = [
        b"martlet prekey v1\0",
        &[kind.0][..],
        &owner.user.0.to_le_bytes(),
        &member.device.to_le_bytes(),
        &exchange_public(&private(member.identity)),
        &id.to_le_bytes(),
        &exchange_public(&prekey_private(id)),
    ];
    parts.concat()
}

/// `prekeys.json`.
pub(crate) fn prekeys() -> Json {
    let rows = [
        ("bob's first one-time prekey", PrekeyKind::ONE_TIME, 1),
        ("bob's second one-time prekey", PrekeyKind::ONE_TIME, 2),
        ("bob's last-resort prekey", PrekeyKind::LAST_RESORT, 1),
    ];
    let list = rows.map(|(name, kind, id)| {
        let key = prekey(BOBS, BOBS_PHONE, kind, id);
        Json::object([
            ("name", Json::text(name)),
            ("kind", Json::Number(u64::from(kind.0))),
            ("user", Json::text(BOBS.user.0.to_string())),
            ("device", Json::Number(u64::from(BOBS_PHONE.device))),
            (
                "signing_private_key",
                Json::hex(&private(BOBS_PHONE.signing)),
            ),
            (
                "identity_private_key",
                Json::hex(&private(BOBS_PHONE.identity)),
            ),
            ("id", Json::text(id.to_string())),
            ("private_key", Json::hex(&prekey_private(id))),
            ("key", Json::hex(&key.key)),
            (
                "message",
                Json::hex(&prekey_message(BOBS, BOBS_PHONE, kind, id)),
            ),
            ("signature", Json::hex(&key.signature)),
        ])
    });
    super::cases("Prekeys: what is signed, and the signature.", list.into())
}

/// The secret of ALICE's link for her tablet, and what comes out of it.
pub(crate) struct Link {
    pub ticket: [u8; 32],
    pub offer: Vec<u8>,
    pub answer: Vec<u8>,
    code: Fields,
    offer_plain: Fields,
    answer_plain: Fields,
    keys: [[u8; 32]; 2],
}

const SECRET: [u8; 16] = [0x5e; 16];

pub(crate) fn link() -> Link {
    let code = vec![
        ("user", user(ALICES.user)),
        ("device", Value::Device(TABLET.device)),
        ("secret", raw(&SECRET)),
        ("account_key", raw(&account_key(ALICES))),
        ("server", Value::Rest(b"chat.example:7400".to_vec())),
    ];
    let offer_plain = vec![
        (
            "signing_key",
            raw(&signing_public(&private(TABLET.signing))),
        ),
        (
            "identity_key",
            raw(&exchange_public(&private(TABLET.identity))),
        ),
        ("proof", raw(&proof(ALICES, TABLET))),
        ("name", Value::Text(TABLET.name.to_owned(), 40)),
    ];
    let answer_plain = vec![
        ("names_key", raw(&private(ALICES.names))),
        ("handle", Value::Text("alice".to_owned(), 64)),
        ("flags", Value::U8(1)),
    ];
    let aad = fields::payload(&code[..2]);
    let keys = [
        hkdf(&SECRET, "martlet link offer v1"),
        hkdf(&SECRET, "martlet link answer v1"),
    ];
    let sealed = |key, nonce, plain: &Fields| {
        seal_with_nonce(key, &[nonce; 24], &aad, &fields::payload(plain))
    };
    Link {
        ticket: hkdf(&SECRET, "martlet link ticket v1"),
        offer: sealed(&keys[0], 0x0f, &offer_plain),
        answer: sealed(&keys[1], 0xaf, &answer_plain),
        code,
        offer_plain,
        answer_plain,
        keys,
    }
}

/// `links.json`.
pub(crate) fn links() -> Json {
    let link = link();
    let text = format!("MARTLET-LINK-1-{}", base32(&fields::payload(&link.code)));
    let case = Json::object([
        ("name", Json::text("alice links her tablet")),
        ("code", Json::text(text)),
        ("code_bytes", Json::hex(&fields::payload(&link.code))),
        ("code_fields", fields::named(&link.code)),
        ("ticket", Json::hex(&link.ticket)),
        ("offer_key", Json::hex(&link.keys[0])),
        ("offer_fields", fields::named(&link.offer_plain)),
        (
            "offer_plain",
            Json::hex(&fields::payload(&link.offer_plain)),
        ),
        ("offer", Json::hex(&link.offer)),
        ("answer_key", Json::hex(&link.keys[1])),
        ("answer_fields", fields::named(&link.answer_plain)),
        (
            "answer_plain",
            Json::hex(&fields::payload(&link.answer_plain)),
        ),
        ("answer", Json::hex(&link.answer)),
    ]);
    super::cases("Links: the code and what comes out of it.", vec![case])
}

/// One payload of a chain.
struct Says {
    n: u8,
    kind: u8,
    from: (Owner, Member),
    to: (Owner, Member),
    conversation: Owner,
    counter: u64,
    previous: [u8; 32],
    body: (u8, Vec<u8>),
}

impl Says {
    fn fields(self) -> Fields {
        let (own, peer) = (head(self.from.0), head(self.conversation));
        let ends: [Address; 2] = [
            address(self.from.0, self.from.1),
            address(self.to.0, self.to.1),
        ];
        vec![
            ("version", Value::U8(1)),
            ("kind", Value::U8(self.kind)),
            ("message_id", raw(&message_id(self.n).0)),
            ("sender", user(ends[0].user)),
            ("sender_device", Value::Device(ends[0].device.0)),
            ("recipient", user(ends[1].user)),
            ("recipient_device", Value::Device(ends[1].device.0)),
            ("conversation", user(self.conversation.user)),
            ("own_version", Value::Varint(own.0)),
            ("own_head", raw(&own.1)),
            ("peer_version", Value::Varint(peer.0)),
            ("peer_head", raw(&peer.1)),
            ("counter", Value::Varint(self.counter)),
            ("previous", raw(&self.previous)),
            ("body_kind", Value::U8(self.body.0)),
            ("body", Value::Rest(self.body.1)),
        ]
    }
}

/// The newest list of the vectors for an account.
fn head(owner: Owner) -> (u64, [u8; 32]) {
    if owner.user == ALICES.user {
        (2, lists::alice(2).hash)
    } else {
        (1, lists::bob(1).hash)
    }
}

/// A chain from alice's phone to bob's, a copy of its first message, and control messages.
fn conversation() -> Vec<(&'static str, Fields)> {
    let to_bob = |n, counter, previous, body| Says {
        n,
        kind: 1,
        from: (ALICES, PHONE),
        to: (BOBS, BOBS_PHONE),
        conversation: BOBS,
        counter,
        previous,
        body,
    };
    let first = to_bob(1, 1, [0; 32], (1, "Grüße".as_bytes().to_vec())).fields();
    let long = long_body();
    let second = to_bob(2, 2, sha256(&fields::payload(&first)), (2, long)).fields();
    let copy = Says {
        to: (ALICES, TABLET),
        ..to_bob(1, 1, [0; 32], (1, "Grüße".as_bytes().to_vec()))
    };
    let retry = [
        &message_id(1).0[..],
        &ALICES.user.0.to_le_bytes(),
        &PHONE.device.to_le_bytes(),
        &BOBS.user.0.to_le_bytes(),
    ];
    let retry = Says {
        kind: 0x81,
        from: (BOBS, BOBS_PHONE),
        to: (ALICES, PHONE),
        conversation: ALICES,
        ..to_bob(3, 1, [0; 32], (1, retry.concat()))
    };
    let resent = [
        &message_id(1).0[..],
        &timestamp(1).0.to_le_bytes(),
        &BOBS.user.0.to_le_bytes(),
        &[1],
        "Grüße".as_bytes(),
    ];
    let resent = Says {
        kind: 0x82,
        ..to_bob(4, 1, [0; 32], (1, resent.concat()))
    };
    vec![
        ("the first text from alice's phone to bob's", first),
        ("the second one, with its contents in the envelope", second),
        ("the first one for alice's tablet", copy.fields()),
        ("RETRY from bob's phone", retry.fields()),
        ("RESENT from alice's phone", resent.fields()),
    ]
}

/// The payloads of `payloads.json`.
pub(crate) fn payload_bytes() -> Vec<Vec<u8>> {
    let all = conversation();
    all.iter()
        .map(|(_, fields)| fields::payload(fields))
        .collect()
}

/// `payloads.json`.
pub(crate) fn payloads() -> Json {
    let list = conversation().into_iter().map(|(name, fields)| {
        let bytes = fields::payload(&fields);
        Json::object([
            ("name", Json::text(name)),
            ("hex", Json::hex(&bytes)),
            ("fields", fields::named(&fields)),
            ("hash", Json::hex(&sha256(&bytes))),
        ])
    });
    super::cases(
        "Payloads, and the hash that the next one names.",
        list.collect(),
    )
}

const BODY_KEY: [u8; 32] = [0xbd; 32];

fn contents() -> Vec<u8> {
    b"0123456789abcdef".repeat(65)
}

pub(crate) fn envelope(id: MessageId) -> Vec<u8> {
    let aad = [b"martlet body v1\0", &id.0[..]].concat();
    seal(&BODY_KEY, &[0; 24], &aad, &contents())
}

fn long_body() -> Vec<u8> {
    [BODY_KEY, sha256(&envelope(message_id(2)))].concat()
}

/// `bodies.json`.
pub(crate) fn bodies() -> Json {
    let id = message_id(2);
    let sealed = envelope(id);
    let case = Json::object([
        ("name", Json::text("contents of 1,040 bytes")),
        ("message_id", Json::hex(&id.0)),
        ("key", Json::hex(&BODY_KEY)),
        ("contents", Json::hex(&contents())),
        ("envelope", Json::hex(&sealed)),
        ("hash", Json::hex(&sha256(&sealed))),
    ]);
    super::cases("Contents that are sealed in the envelope.", vec![case])
}

/// `safety_numbers.json`.
pub(crate) fn safety_numbers() -> Json {
    let pairs = [
        ("alice and bob", ALICES, BOBS),
        ("bob and alice", BOBS, ALICES),
    ];
    let list = pairs.map(|(name, shows, reads)| {
        let mut halves = [half(shows), half(reads)];
        halves.sort();
        let code: Fields = vec![
            ("version", Value::U8(1)),
            ("shown_by", user(shows.user)),
            ("shown_by_key", raw(&account_key(shows))),
            ("shown_to", user(reads.user)),
            ("shown_to_key", raw(&account_key(reads))),
        ];
        Json::object([
            ("name", Json::text(name)),
            ("number", Json::text(halves.concat())),
            ("code", Json::hex(&fields::payload(&code))),
            ("code_fields", fields::named(&code)),
        ])
    });
    super::cases("Safety numbers and codes of two accounts.", list.into())
}

/// The 30 digits of one account.
fn half(owner: Owner) -> String {
    let (key, id) = (account_key(owner), owner.user.0.to_le_bytes());
    let mut hash = sha512(&[&[0, 0], &key[..], &id, &key].concat());
    for _ in 1..5_200 {
        hash = sha512(&[&hash[..], &key].concat());
    }
    let group = |bytes: &[u8]| {
        let number = bytes
            .iter()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        format!("{:05}", number % 100_000)
    };
    hash[..30].chunks(5).map(group).collect()
}
