//! The encryption against the vectors of `protocol/`, which another implementation has computed.
#![allow(
    clippy::unwrap_used,
    reason = "a vector that cannot be read fails the test"
)]

use std::path::Path;

use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use data_encoding::HEXLOWER;
use martlet_client::crypto::body;
use martlet_client::crypto::chain::{ChainVerdict, ReceiveChain, SendChain};
use martlet_client::crypto::device::{DeviceKeys, verify_prekey};
use martlet_client::crypto::group_log::{RecordError, RecordName, info_hash};
use martlet_client::crypto::group_payload::GroupPayload;
use martlet_client::crypto::group_ratchet::{GroupOpenError, InboundKey, OutboundKey, SenderKeyId};
use martlet_client::crypto::identity::{AccountKey, NamesKey, prove};
use martlet_client::crypto::link::{LinkCode, Offer};
use martlet_client::crypto::list::{ListError, SignedList, Step, check_successor};
use martlet_client::crypto::payload::{Contents, Payload};
use martlet_client::crypto::ratchet::PeerSessions;
use martlet_client::crypto::safety::{Party, SafetyCode, SafetyNumber};
use martlet_client::keys::{DeviceKey, KeySeed};
use martlet_protocol::frame::{Prekey, PrekeyKind};
use martlet_protocol::{Address, DeviceId, MessageId, UserId};
use serde_json::{Value, json};
use vodozemac::{Curve25519PublicKey, Curve25519SecretKey};

fn cases(file: &str) -> Vec<Value> {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/vectors");
    let text = std::fs::read_to_string(vectors.join(file)).unwrap();
    let mut file: Value = serde_json::from_str(&text).unwrap();
    let Value::Array(cases) = file["cases"].take() else {
        panic!("vectors are a list of cases");
    };
    assert!(!cases.is_empty());
    cases
}

fn bytes(value: &Value) -> Vec<u8> {
    HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_str().unwrap().parse().unwrap()
}

fn small(value: &Value) -> u16 {
    value.as_u64().unwrap().try_into().unwrap()
}

fn address(user: &Value, device: &Value) -> Address {
    Address {
        user: UserId(number(user)),
        device: DeviceId(small(device)),
    }
}

/// The account in the list's own bytes.
fn user_of(list: &[u8]) -> UserId {
    UserId(u64::from_le_bytes(list[1..9].try_into().unwrap()))
}

#[test]
fn device_lists_verify_and_are_signed_alike() {
    for case in cases("device_lists.json") {
        let hex = bytes(&case["hex"]);
        let fields = &case["fields"];
        let list = SignedList::verify(&hex, UserId(number(&fields["user"]))).unwrap();
        assert_eq!(list.head().hash, array(&case["hash"]));
        assert_eq!(list.version(), number(&fields["version"]));
        assert_eq!(list.previous(), &array(&fields["previous"]));

        let key = AccountKey::from_seed(&array(&case["account_private_key"]));
        assert_eq!(list.account_key(), &key.public());
        if list.version() == 1 {
            let again = SignedList::first(
                &key,
                list.user(),
                list.next_device(),
                list.devices(),
                list.issued_at(),
            );
            assert_eq!(again.unwrap().bytes(), hex, "{}", case["name"]);
        }
        let names = NamesKey::from_bytes(array(&case["names_key"]));
        for listed in list.devices() {
            let address = Address {
                user: list.user(),
                device: listed.device,
            };
            let opened = names.open(address, &listed.name);
            assert_eq!(opened.is_none(), listed.name.is_empty());
        }
    }
}

#[test]
fn malformed_lists_give_the_error_that_is_named() {
    for case in cases("device_lists_malformed.json") {
        let error = SignedList::verify(&bytes(&case["hex"]), UserId(1)).unwrap_err();
        let ListError::Malformed(error) = error else {
            panic!("{}: {error}", case["name"]);
        };
        assert_eq!(format!("{error:?}"), case["error"], "{}", case["name"]);
    }
}

#[test]
fn steps_between_lists_are_judged_alike() {
    for case in cases("device_list_steps.json") {
        let (name, fault) = (&case["name"], case["fault"].as_str());
        let list = bytes(&case["list"]);
        let before = case["before"].as_str().map(|_| bytes(&case["before"]));
        let before = before.map(|before| SignedList::verify(&before, user_of(&before)).unwrap());
        let user = before
            .as_ref()
            .map_or_else(|| user_of(&list), SignedList::user);
        let result = SignedList::verify(&list, user).and_then(|list| {
            let before = before.as_ref();
            before.map_or_else(
                || Ok(Step::default()),
                |before| check_successor(before, &list),
            )
        });
        let judged = match &result {
            Ok(step) if step.account_key_changed => Some("account_key"),
            Ok(_) => None,
            Err(ListError::SignatureWrong) => Some("signature"),
            Err(ListError::OtherAccount) => Some("user"),
            Err(ListError::ProofWrong(_)) => Some("proof"),
            // A first list that names one before it is refused before it is compared with another.
            Err(ListError::PreviousWrong) if list[41] == 1 << 2 => Some("version"),
            Err(ListError::PreviousWrong) => Some("previous"),
            Err(ListError::Forked | ListError::RolledBack | ListError::VersionSkipped) => {
                Some("version")
            }
            Err(ListError::KeysChanged(_)) => Some("keys"),
            Err(ListError::DeviceIdsWrong) => Some("device_id"),
            Err(other) => panic!("{name}: {other}"),
        };
        assert_eq!(judged, fault, "{name}");
    }
}

#[test]
fn prekeys_are_believed() {
    for case in cases("prekeys.json") {
        let signer = DeviceKey::new(&KeySeed(array(&case["signing_private_key"])));
        let prekey = Prekey {
            id: number(&case["id"]),
            key: array(&case["key"]),
            signature: array(&case["signature"]),
        };
        let kind = PrekeyKind(u8::try_from(small(&case["kind"])).unwrap());
        let identity = public(&array(&case["identity_private_key"]));
        let address = address(&case["user"], &case["device"]);
        let key = verify_prekey(&prekey, kind, address, &signer.public(), &identity);
        assert_eq!(key, Ok(prekey.key), "{}", case["name"]);
    }
}

#[test]
fn link_codes_offers_and_answers_open() {
    for case in cases("links.json") {
        let text = case["code"].as_str().unwrap();
        let code = LinkCode::parse(text).unwrap();
        let fields = &case["code_fields"];
        assert_eq!(code.to_text().as_str(), text);
        assert_eq!(code.address(), address(&fields["user"], &fields["device"]));
        assert_eq!(code.account_key(), &array(&fields["account_key"]));
        assert_eq!(code.server().as_bytes(), bytes(&fields["server"]));
        assert_eq!(code.ticket(), array(&case["ticket"]));

        let fields = &case["offer_fields"];
        let expected = Offer {
            signing_key: array(&fields["signing_key"]),
            identity_key: array(&fields["identity_key"]),
            proof: array(&fields["proof"]),
            name: fields["name"].as_str().unwrap().to_owned(),
        };
        assert_eq!(code.open_offer(&bytes(&case["offer"])), Ok(expected));

        let fields = &case["answer_fields"];
        let answer = code.open_answer(&bytes(&case["answer"])).unwrap();
        assert_eq!(answer.names_key.as_bytes(), &array(&fields["names_key"]));
        assert_eq!(answer.handle, fields["handle"].as_str().unwrap());
        assert_eq!(u64::from(answer.flags), fields["flags"].as_u64().unwrap());
    }
}

#[test]
fn payloads_have_one_spelling_and_the_hash_that_the_next_one_names() {
    let mut chain = (SendChain::default(), ReceiveChain::default());
    for case in cases("payloads.json") {
        let hex = bytes(&case["hex"]);
        let payload = Payload::decode(&hex).unwrap();
        assert_eq!(payload.encode().as_slice(), hex);
        let fields = &case["fields"];
        assert_eq!(
            payload.sender,
            address(&fields["sender"], &fields["sender_device"])
        );
        assert_eq!(
            payload.recipient,
            address(&fields["recipient"], &fields["recipient_device"])
        );
        assert_eq!(payload.conversation.0, number(&fields["conversation"]));
        assert_eq!(payload.own.hash, array(&fields["own_head"]));
        assert_eq!(payload.peer.version, number(&fields["peer_version"]));
        let contents = match payload.contents {
            Contents::Inline(contents) => contents.to_vec(),
            Contents::Sealed { key, hash } => [key, hash].concat(),
        };
        assert_eq!(contents, bytes(&fields["body"]));

        if payload.counter == 1 {
            chain = (SendChain::default(), ReceiveChain::default());
        }
        assert_eq!(chain.0.next(), (payload.counter, payload.previous));
        let verdict = chain.1.check(payload.counter, &payload.previous, &hex);
        assert_eq!(verdict, ChainVerdict::InOrder);
        chain.0.advance(&hex);
        assert_eq!(chain.0.next().1, array(&case["hash"]), "{}", case["name"]);
    }
}

#[test]
fn sealed_bodies_open() {
    for case in cases("bodies.json") {
        let contents = body::open(
            MessageId(array(&case["message_id"])),
            &array(&case["key"]),
            &array(&case["hash"]),
            &bytes(&case["envelope"]),
        );
        assert_eq!(contents.unwrap().as_slice(), bytes(&case["contents"]));
    }
}

#[test]
fn safety_numbers_and_codes_are_the_same() {
    for case in cases("safety_numbers.json") {
        let fields = &case["code_fields"];
        let party = |user: &str, key: &str| Party {
            user: UserId(number(&fields[user])),
            account_key: array(&fields[key]),
        };
        let code = SafetyCode {
            shown_by: party("shown_by", "shown_by_key"),
            shown_to: party("shown_to", "shown_to_key"),
        };
        assert_eq!(code.to_bytes(), bytes(&case["code"]));
        let number = SafetyNumber::new(&code.shown_by, &code.shown_to);
        assert_eq!(number.digits(), case["number"].as_str().unwrap());
    }
}

#[test]
fn proofs_are_the_same() {
    let case = &cases("links.json")[0];
    let (code, offer) = (&case["code_fields"], &case["offer_fields"]);
    // The vectors repeat one byte as a device's seed. A signature has no randomness, so the seed
    // that gives the key gives the proof.
    let signer = (0..=u8::MAX)
        .map(|seed| DeviceKey::new(&KeySeed([seed; 32])))
        .find(|signer| signer.public() == array(&offer["signing_key"]))
        .unwrap();
    let proof = prove(
        &signer,
        address(&code["user"], &code["device"]),
        &array(&code["account_key"]),
        &array(&offer["identity_key"]),
    );
    assert_eq!(proof, array(&offer["proof"]));
}

fn public(private: &[u8; 32]) -> [u8; 32] {
    Curve25519PublicKey::from(&Curve25519SecretKey::from_slice(private)).to_bytes()
}

/// Bob's device, with the private keys of the vectors put into the stored form.
fn bob(case: &Value) -> DeviceKeys {
    let private = |name: &str| array::<32>(&case[name]);
    let signing_key = [7u8; 32];
    let account = json!({
        "signing_key": {"Normal": signing_key},
        "diffie_hellman_key": private("bob_identity_private_key"),
        "one_time_keys": {
            "next_key_id": 1,
            "public_keys": {},
            "private_keys": {"0": private("bob_prekey_private_key")},
        },
        "fallback_keys": {"key_id": 0, "fallback_key": null, "previous_fallback_key": null},
    });
    let account: vodozemac::olm::AccountPickle = serde_json::from_value(account).unwrap();
    let none: Option<(u64, [u8; 32])> = None;
    let state = rmp_serde::to_vec(&(account, none, none)).unwrap();
    DeviceKeys::from_bytes(&[&[1], state.as_slice()].concat()).unwrap()
}

/// Bob's one session, after it has taken the ratchet key of the vectors for its own next one, as
/// section 23 of SPEC.md derives root and chain key.
fn with_ratchet_key(sessions: &PeerSessions, ratchet_key: &[u8; 32]) -> PeerSessions {
    let stored = sessions.to_bytes();
    // format · count · length u32 · session · count of ended sessions
    let session = &stored[6..stored.len() - 1];
    let session: vodozemac::olm::SessionPickle = rmp_serde::from_slice(session).unwrap();
    let mut session = serde_json::to_value(&session).unwrap();
    let inactive = session["sending_ratchet"].take();
    assert_eq!(inactive["type"], "inactive");
    let root: [u8; 32] = serde_json::from_value(inactive["root_key"]["key"].clone()).unwrap();
    let theirs: [u8; 32] = serde_json::from_value(inactive["ratchet_key"].clone()).unwrap();

    let private = Curve25519SecretKey::from_slice(ratchet_key);
    let shared = private.diffie_hellman(&Curve25519PublicKey::from(theirs));
    let extracted = Salt::new(HKDF_SHA256, &root).extract(shared.unwrap().as_bytes());
    let mut keys = [0; 64];
    extracted
        .expand(&[b"OLM_RATCHET"], Length)
        .and_then(|okm| okm.fill(&mut keys))
        .unwrap();
    session["sending_ratchet"] = json!({
        "type": "active",
        "active_ratchet": {"root_key": keys[..32], "ratchet_key": ratchet_key},
        "symmetric_key_ratchet": {"key": keys[32..], "index": 0},
    });
    let session: vodozemac::olm::SessionPickle = serde_json::from_value(session).unwrap();
    let session = rmp_serde::to_vec(&session).unwrap();
    let length = u32::try_from(session.len()).unwrap().to_le_bytes();
    PeerSessions::from_bytes(&[&[1, 1], &length[..], &session, &[0]].concat()).unwrap()
}

/// As many bytes as a root key and a chain key.
#[derive(Clone, Copy)]
struct Length;

impl aws_lc_rs::hkdf::KeyType for Length {
    fn len(&self) -> usize {
        64
    }
}

#[test]
fn a_session_with_another_implementation_goes_both_ways() {
    let cases = cases("olm.json");
    let [first, second, answer, next] = cases.as_slice() else {
        panic!("four messages");
    };
    let alice = public(&array(&first["alice_identity_private_key"]));
    let mut keys = bob(first);
    let mut sessions = PeerSessions::new();
    for (case, is_new) in [(first, true), (second, false)] {
        let part = bytes(&case["part"]);
        let opened = sessions.decrypt(&mut keys, &alice, &part).unwrap();
        assert_eq!(opened.plain.as_slice(), bytes(&case["payload"]));
        assert_eq!(opened.is_new_session, is_new);
    }
    let mut sessions = with_ratchet_key(&sessions, &array(&answer["bob_ratchet_private_key"]));
    let part = sessions.encrypt(&bytes(&answer["payload"])).unwrap();
    assert_eq!(part, bytes(&answer["part"]));
    let part = bytes(&next["part"]);
    let opened = sessions.decrypt(&mut keys, &alice, &part).unwrap();
    assert_eq!(opened.plain.as_slice(), bytes(&next["payload"]));
}

/// The sender key of a vector, with its private keys put into the stored form, at an index.
fn sender_key(case: &Value, index: u32, ratchet: &[u8]) -> OutboundKey {
    let signing_key: [u8; 32] = array(&case["signing_private_key"]);
    let session = json!({
        "ratchet": {"inner": ratchet, "counter": index},
        "signing_key": {"Normal": signing_key},
    });
    let session: vodozemac::megolm::GroupSessionPickle = serde_json::from_value(session).unwrap();
    let session = rmp_serde::to_vec(&session).unwrap();
    OutboundKey::from_bytes(&[&[1], session.as_slice()].concat()).unwrap()
}

#[test]
fn a_sender_key_makes_what_another_implementation_makes_and_opens_it() {
    let cases = cases("group_messages.json");
    let mut ours = sender_key(&cases[0], 0, &bytes(&cases[0]["ratchet"]));
    let mut theirs = InboundKey::from_share(&bytes(&cases[0]["share"])).unwrap();
    for case in &cases {
        let index = case["index"].as_u64().unwrap().try_into().unwrap();
        while ours.used() < index {
            ours.encrypt(b"never sent").unwrap();
        }
        let (share, payload) = (bytes(&case["share"]), bytes(&case["payload"]));
        assert_eq!(ours.share().as_slice(), share, "{}", case["name"]);
        let sealed = ours.encrypt(&payload).unwrap();
        assert_eq!(sealed.envelope, bytes(&case["envelope"]));
        assert_eq!(sealed.index, index);

        let mut late = InboundKey::from_share(&share).unwrap();
        for key in [&mut theirs, &mut late] {
            let opened = key.decrypt(&sealed.envelope).unwrap();
            assert_eq!(
                (opened.index, opened.plain.as_slice()),
                (index, &payload[..])
            );
            let again = key.decrypt(&sealed.envelope).unwrap_err();
            assert_eq!(again, GroupOpenError::Replayed { index });
            assert_eq!(SenderKeyId::of_envelope(&sealed.envelope), Ok(key.id()));
        }
    }
}

#[test]
fn group_payloads_have_one_spelling_and_are_one_chain() {
    let mut chain = (SendChain::default(), ReceiveChain::default());
    for case in cases("group_messages.json") {
        let bytes = bytes(&case["payload"]);
        let payload = GroupPayload::decode(&bytes).unwrap();
        assert_eq!(payload.encode().as_slice(), bytes);
        let fields = &case["fields"];
        assert_eq!(
            payload.sender,
            address(&fields["sender"], &fields["sender_device"])
        );
        assert_eq!(payload.message_id.0, array(&fields["message_id"]));
        assert_eq!(payload.group.0, number(&fields["group"]));
        assert_eq!(payload.head.version, number(&fields["record_version"]));
        assert_eq!(payload.head.hash, array(&fields["record_hash"]));
        assert_eq!(
            HEXLOWER.encode(payload.contents),
            fields["contents"].as_str().unwrap()
        );

        let (counter, previous) = chain.0.next();
        assert_eq!((payload.counter, payload.previous), (counter, previous));
        let verdict = chain.1.check(counter, &previous, &bytes);
        assert_eq!(verdict, ChainVerdict::InOrder);
        chain.0.advance(&bytes);
        assert_eq!(chain.0.next().1, array(&case["hash"]), "{}", case["name"]);
    }
}

#[test]
fn records_are_named_alike() {
    for case in cases("group_records.json") {
        let name = RecordName::read(&bytes(&case["hex"])).unwrap();
        let fields = &case["fields"];
        assert_eq!(name.head.hash, array(&case["hash"]), "{}", case["name"]);
        assert_eq!(name.head.version, number(&fields["version"]));
        assert_eq!(name.group.0, number(&fields["group"]));
        assert_eq!(
            name.actor,
            address(&fields["actor"], &fields["actor_device"])
        );
        assert_eq!(name.actor_list, number(&fields["actor_list"]));
    }
    for case in cases("group_records_malformed.json") {
        let error = RecordName::read(&bytes(&case["hex"])).unwrap_err();
        let RecordError::Malformed(error) = error else {
            panic!("{}: {error}", case["name"]);
        };
        assert_eq!(format!("{error:?}"), case["error"], "{}", case["name"]);
    }
    let infos = cases("contents.json");
    let info = infos.iter().find(|case| case["kind"] == 0x11).unwrap();
    let named = &cases("group_records.json")[1]["fields"]["info_hash"];
    assert_eq!(info_hash(&bytes(&info["hex"])), array(named));
}
