//! Records of groups: bytes, signatures, hashes, and which record follows which (SPEC.md §26).

use std::collections::{BTreeMap, BTreeSet};

use bytes::BytesMut;
use martlet_protocol::group_record::members_bytes;
use martlet_protocol::group_rules::check;
use martlet_protocol::limits::GROUP_RECORD_BYTES_MAX;
use martlet_protocol::{DecodeError, GroupRecord, Role, Roster, UserId};
use serde_json::Value;

use crate::array;
use crate::primitives::{sha256, signing_public, verifies};
use crate::support::{bytes, cases, text};

/// The `members` of a case.
fn members(case: &Value) -> BTreeMap<UserId, Role> {
    let rows = case["members"].as_array().unwrap();
    let row = |row: &Value| {
        let user = text(row, "user").parse().unwrap();
        (UserId(user), Role(row["role"].as_u64().unwrap() as u8))
    };
    rows.iter().map(row).collect()
}

// [M-26.3] [M-26.5] [M-26.6] [M-26.7]
#[test]
fn a_record_decodes_and_what_is_signed_and_hashed_is_what_the_vector_says() {
    for case in cases("group_records.json") {
        let input = bytes(&case, "hex");
        let record = GroupRecord::decode(&input).unwrap();
        let mut out = BytesMut::new();
        record.encode(&mut out);
        assert_eq!(out[..], input, "{}", case["name"]);
        assert!(input.len() <= GROUP_RECORD_BYTES_MAX);
        assert_eq!(record.signed_bytes(), bytes(&case, "signed"));
        assert_eq!(sha256(&record.hashed_bytes()), array(&case, "hash"));
        assert_eq!(record.version.to_string(), text(&case["fields"], "version"));

        let key = signing_public(&array(&case, "device_private_key"));
        assert!(verifies(&key, &record.signed_bytes(), &record.signature));
        let other = GroupRecord {
            actor_list: record.actor_list + 1,
            ..record.clone()
        };
        assert!(!verifies(&key, &other.signed_bytes(), &record.signature));

        let listed = members_bytes(&members(&case));
        assert_eq!(listed, bytes(&case, "members_bytes"));
        assert_eq!(sha256(&listed), record.members_hash);
    }
}

// [M-26.4]
#[test]
fn a_malformed_record_gives_exactly_the_error_that_the_vector_names() {
    for case in cases("group_records_malformed.json") {
        let input = bytes(&case, "hex");
        let error = GroupRecord::decode(&input).expect_err(text(&case, "name"));
        assert_eq!(
            format!("{error:?}"),
            text(&case, "error"),
            "{}",
            case["name"]
        );
    }
    for case in cases("group_records.json") {
        let input = bytes(&case, "hex");
        for cut in 0..input.len() {
            let error = GroupRecord::decode(&input[..cut]);
            assert_eq!(error, Err(DecodeError::PayloadTruncated), "cut to {cut}");
        }
    }
}

// [M-26.9] [M-26.10] [M-26.17]
#[test]
fn a_record_follows_the_one_before_exactly_where_the_vector_says_so() {
    let mut faults = BTreeSet::new();
    for case in cases("group_record_steps.json") {
        let before = case["before"].as_str().map(|_| bytes(&case, "before"));
        let before = before.map(|bytes| {
            let record = GroupRecord::decode(&bytes).unwrap();
            Roster::of(&record, members(&case), sha256).unwrap()
        });
        let record = bytes(&case, "record");
        let record = GroupRecord::decode(&record).unwrap();
        let error = check(before.as_ref(), &record, sha256).err();
        // The name of the rule, without whom it is about.
        let fault = error.map(|error| format!("{error:?}"));
        let fault = fault.map(|name| name.split('(').next().unwrap_or_default().to_owned());
        assert_eq!(
            fault.clone().map_or(Value::Null, Value::from),
            case["fault"],
            "{}",
            case["name"]
        );
        let refusal = error.map(|error| error.code().name());
        assert_eq!(refusal.map_or(Value::Null, Value::from), case["refusal"]);
        faults.extend(fault);
    }
    // `groups.rs` has the others: MembersTooMany would be a vector of five thousand members, and
    // no record that decodes has an unknown role.
    assert_eq!(faults.len(), 15, "each rule is broken once: {faults:?}");
}

// [M-26.20]
#[test]
fn members_that_the_server_names_are_those_that_the_newest_record_has_signed() {
    for case in cases("group_records.json") {
        let input = bytes(&case, "hex");
        let record = GroupRecord::decode(&input).unwrap();
        let named = members(&case);
        let roster = Roster::of(&record, named.clone(), sha256);
        if !named.is_empty() && !named.values().any(|role| *role == Role::OWNER) {
            panic!("{}: a vector without an owner", case["name"]);
        }
        assert_eq!(roster.map(|roster| roster.members), Ok(named.clone()));
        let mut changes = named.keys().copied();
        let Some(first) = changes.next() else {
            continue;
        };
        let mut without = named.clone();
        without.remove(&first);
        let mut promoted = named.clone();
        promoted.insert(first, Role(named[&first].0 % 3 + 1));
        let mut with = named;
        with.insert(UserId(5), Role::MEMBER);
        for wrong in [without, promoted, with] {
            let roster = Roster::of(&record, wrong, sha256);
            assert!(roster.is_err(), "{}", case["name"]);
        }
    }
}
