//! Device lists: bytes, signatures, hashes, and which list follows which (SPEC.md §19).

use bytes::BytesMut;
use martlet_protocol::auth::proof_message;
use martlet_protocol::{Address, DecodeError, DeviceList, ListedDevice};
use serde_json::Value;

use crate::array;
use crate::primitives::{open, sha256, signing_public, verifies};
use crate::support::{bytes, cases, text};

// [M-19.2] [M-19.4] [M-19.5]
#[test]
fn a_list_decodes_and_what_is_signed_and_hashed_is_what_the_vector_says() {
    for case in cases("device_lists.json") {
        let input = bytes(&case, "hex");
        let list = DeviceList::decode(&input).unwrap();
        let mut out = BytesMut::new();
        list.encode(&mut out);
        assert_eq!(out[..], input, "{}", case["name"]);
        assert_eq!(list.signed_bytes(), bytes(&case, "signed"));
        assert_eq!(sha256(&list.hashed_bytes()), array(&case, "hash"));
        assert_eq!(list.version.to_string(), text(&case["fields"], "version"));
        let key = signing_public(&array(&case, "account_private_key"));
        assert_eq!(list.account_key, key);
        assert!(verifies(&key, &list.signed_bytes(), &list.signature));
    }
}

fn proves(list: &DeviceList<'_>, listed: &ListedDevice<'_>) -> bool {
    let address = Address {
        user: list.user,
        device: listed.device,
    };
    let message = proof_message(address, &list.account_key, &listed.identity_key);
    verifies(&listed.signing_key, &message, &listed.proof)
}

// [M-19.6]
#[test]
fn each_listed_device_has_signed_that_it_is_this_device() {
    for case in cases("device_lists.json") {
        let input = bytes(&case, "hex");
        let list = DeviceList::decode(&input).unwrap();
        for listed in &list.devices {
            assert!(proves(&list, &listed), "{} {listed:?}", case["name"]);
            assert_eq!(list.device(listed.device), Some(listed));
        }
    }
}

// [M-19.7]
#[test]
fn a_devices_name_opens_with_the_accounts_key_for_names() {
    let mut names = Vec::new();
    for case in cases("device_lists.json") {
        let input = bytes(&case, "hex");
        let list = DeviceList::decode(&input).unwrap();
        for listed in &list.devices {
            let Some((nonce, sealed)) = listed.name.split_first_chunk() else {
                continue;
            };
            let aad = [
                b"martlet device name v1\0",
                &list.user.0.to_le_bytes()[..],
                &listed.device.0.to_le_bytes(),
            ];
            let padded = open(&array(&case, "names_key"), nonce, &aad.concat(), sealed).unwrap();
            assert_eq!(padded.len(), 40);
            let name = std::str::from_utf8(&padded).unwrap();
            names.push(name.trim_end_matches('\0').to_owned());
        }
    }
    assert!(names.contains(&"Küchentablet".to_owned()), "{names:?}");
}

// [M-19.3]
#[test]
fn a_malformed_list_gives_exactly_the_error_that_the_vector_names() {
    for case in cases("device_lists_malformed.json") {
        let input = bytes(&case, "hex");
        let error = DeviceList::decode(&input).expect_err(text(&case, "name"));
        assert_eq!(
            format!("{error:?}"),
            text(&case, "error"),
            "{}",
            case["name"]
        );
    }
    for case in cases("device_lists.json") {
        let input = bytes(&case, "hex");
        for cut in 0..input.len() {
            let error = DeviceList::decode(&input[..cut]);
            assert_eq!(error, Err(DecodeError::PayloadTruncated), "cut to {cut}");
        }
    }
}

/// What is wrong with `new` as the list after `old`, by M-19.4, M-19.6 and M-19.8.
fn fault(old: Option<&DeviceList<'_>>, new: &DeviceList<'_>) -> Option<&'static str> {
    if !verifies(&new.account_key, &new.signed_bytes(), &new.signature) {
        return Some("signature");
    }
    if !new.devices.iter().all(|listed| proves(new, &listed)) {
        return Some("proof");
    }
    let (version, previous) = old.map_or((1, [0; 32]), |old| {
        (old.version + 1, sha256(&old.hashed_bytes()))
    });
    let Some(old) = old else {
        return (new.version != version || new.previous != previous).then_some("previous");
    };
    if new.user != old.user {
        return Some("user");
    }
    if new.version != version {
        return Some("version");
    }
    if new.previous != previous {
        return Some("previous");
    }
    if new.account_key != old.account_key {
        return Some("account_key");
    }
    let same = |listed: &ListedDevice<'_>, known: &ListedDevice<'_>| {
        listed.signing_key == known.signing_key && listed.identity_key == known.identity_key
    };
    let mut added = Vec::new();
    for listed in &new.devices {
        match old.device(listed.device) {
            Some(known) if !same(&listed, &known) => return Some("keys"),
            Some(_) => {}
            None => added.push(listed.device),
        }
    }
    let next = old.next_device.0 + added.len() as u16;
    let due = added.iter().all(|device| *device == old.next_device);
    (!due || added.len() > 1 || new.next_device.0 != next).then_some("device_id")
}

// [M-19.8]
#[test]
fn a_list_follows_the_one_before_exactly_where_the_vector_says_so() {
    for case in cases("device_list_steps.json") {
        let before = case["before"].as_str().map(|_| bytes(&case, "before"));
        let before = before
            .as_ref()
            .map(|bytes| DeviceList::decode(bytes).unwrap());
        let list = bytes(&case, "list");
        let found = fault(before.as_ref(), &DeviceList::decode(&list).unwrap());
        assert_eq!(
            found.map_or(Value::Null, Value::from),
            case["fault"],
            "{}",
            case["name"]
        );
    }
}
