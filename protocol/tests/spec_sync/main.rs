//! SPEC.md and the code say the same: tables, limits, a decoder made of the text alone, and a test
//! for each numbered statement.

mod interpreter;
mod statements;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;

use bytes::BytesMut;
use martlet_protocol::codec;
use martlet_protocol::frame::{Frame, Ping};
use martlet_protocol::kind::Direction;
use martlet_protocol::nack::Class;
use martlet_protocol::version::{VERSION_MAX, VERSION_MIN};
use martlet_protocol::{CloseCode, Kind, NackCode, State, limits};
use support::tables::table;
use support::{bytes, cases, spec, text};

// [M-4.1]
#[test]
fn the_frame_table_is_that_of_the_code() {
    let rows = table(&spec(), &["code", "name", "direction", "fields"]);
    let of_spec: Vec<_> = rows
        .iter()
        .map(|row| (row[0].clone(), row[1].clone(), row[2].clone()))
        .collect();
    let direction = |direction| match direction {
        Direction::Both => "both",
        Direction::ToServer => "c→s",
        Direction::ToClient => "s→c",
    };
    let of_code: Vec<_> = Kind::TABLE
        .iter()
        .map(|info| {
            let code = format!("0x{:02X}", info.kind.0);
            (
                code,
                info.name.to_owned(),
                direction(info.direction).to_owned(),
            )
        })
        .collect();
    assert_eq!(of_spec, of_code);
}

// [M-13.5]
#[test]
fn the_refusal_table_is_that_of_the_code() {
    let rows = table(&spec(), &["code", "name", "class", "meaning"]);
    let of_spec: Vec<_> = rows.iter().map(|row| row[..3].to_vec()).collect();
    let of_code: Vec<_> = NackCode::TABLE
        .iter()
        .map(|(code, name, class)| {
            vec![
                code.0.to_string(),
                (*name).to_owned(),
                class_name(*class).to_owned(),
            ]
        })
        .collect();
    assert_eq!(of_spec, of_code);
}

// [M-13.2]
#[test]
fn the_classes_are_those_of_the_code() {
    let rows = table(&spec(), &["class", "name", "what the client does"]);
    for (row, number) in rows.iter().zip(1..) {
        assert_eq!(row[0], number.to_string());
        assert_eq!(row[1], class_name(Class(number)));
    }
    assert_eq!(rows.len(), 5);
}

fn class_name(class: Class) -> &'static str {
    match class {
        Class::NEVER => "NEVER",
        Class::RETRY_AFTER => "RETRY_AFTER",
        Class::REFRESH_DEVICES => "REFRESH_DEVICES",
        Class::RE_AUTHENTICATE => "RE_AUTHENTICATE",
        Class::MOVED => "MOVED",
        other => panic!("{other:?} is in no table"),
    }
}

// [M-14.3]
#[test]
fn the_close_table_is_that_of_the_code() {
    let rows = table(&spec(), &["code", "name", "meaning", "client comes back"]);
    let of_spec: Vec<_> = rows
        .iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    let of_code: Vec<_> = CloseCode::TABLE
        .iter()
        .map(|(code, name)| (code.0.to_string(), (*name).to_owned()))
        .collect();
    assert_eq!(of_spec, of_code);
}

#[test]
fn the_states_are_those_of_the_code() {
    let rows = table(
        &spec(),
        &["state", "name", "meaning", "told to the sender by"],
    );
    for (row, number) in rows.iter().zip(1..) {
        assert_eq!(row[0], number.to_string());
        assert_eq!(row[1].to_lowercase(), State(number).name());
        assert!(State(number).is_known());
    }
    let known = (0..=u8::MAX)
        .filter(|number| State(*number).is_known())
        .count();
    assert_eq!(rows.len(), known);
}

// [M-17.1]
#[test]
fn the_limits_are_those_of_the_code() {
    macro_rules! of_code {
        ($($name:ident)*) => {
            vec![$((stringify!($name).to_owned(), limits::$name.to_string())),*]
        };
    }
    let of_code: Vec<(String, String)> = of_code!(
        HEADER_BYTES FRAME_BYTES_MAX FRAME_BYTES_MAX_UNAUTHENTICATED ENVELOPE_BYTES_MAX
        DEVICES_MAX PART_BYTES_MAX DEVICE_LIST_BYTES_MAX DEVICE_NAME_BYTES_MAX
        DEVICE_LISTS_MAX PREKEYS_MAX LINK_BYTES_MAX GROUP_MEMBERS_MAX
        GROUP_RECORD_BYTES_MAX GROUP_CHANGES_MAX GROUP_RECORDS_MAX GROUP_PAGE_MAX
        HANDLE_BYTES_MAX AGENT_BYTES_MAX TOKEN_BYTES_MAX TEXT_BYTES_MAX VARINT_MAX
        CREDIT_MESSAGES_MAX CREDIT_BYTES_MAX TTL_MS_MIN TTL_MS_MAX MESSAGE_ID_AHEAD_MS_MAX
        MESSAGE_ID_AGE_MS_MAX AFTER_AHEAD_US_MAX REFUSALS_MAX EVENT_OVERHEAD_BYTES_MAX
        WATCHED_MAX WATCH_USERS_MAX RELATIONS_MAX RELATION_LIST_MAX
        TYPING_REPEAT_MS TYPING_SHOWN_MS
    );
    let rows = table(&spec(), &["name", "value", "what it bounds"]);
    let of_spec: Vec<_> = rows
        .iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    assert_eq!(of_spec, of_code);

    let source = include_str!("../../src/limits.rs");
    let constants = source
        .lines()
        .filter_map(|line| line.strip_prefix("pub const "));
    let names: BTreeSet<_> = constants
        .filter_map(|line| line.split(':').next())
        .collect();
    assert_eq!(
        names.len(),
        of_code.len(),
        "each constant of limits.rs is listed"
    );
}

// [M-2.12]
#[test]
fn the_worked_example_is_what_the_code_writes() {
    let mut out = BytesMut::new();
    codec::encode(
        &Frame::Ping(Ping {
            token: 0x0102_0304_0506_0708,
        }),
        &mut out,
    );
    let hex: Vec<String> = out.iter().map(|byte| format!("{byte:02X}")).collect();
    assert!(spec().contains(&format!("frame   {}", hex.join(" "))));
    let cases = cases("frames.json");
    let case = cases
        .iter()
        .find(|case| text(case, "name") == "PING the worked example");
    assert_eq!(bytes(case.expect("§2 names it"), "hex"), out);
}

// [M-6.1]
#[test]
fn the_version_is_that_of_the_code() {
    assert!(spec().contains(&format!("protocol, version {VERSION_MAX}")));
    assert_eq!(VERSION_MIN, VERSION_MAX, "version 1 is the only one");
}

// [M-3.1] [M-3.2] [M-3.3] [M-2.2]
#[test]
fn a_decoder_made_of_the_tables_alone_reads_every_vector() {
    let spec = interpreter::Spec::read(&spec());
    for file in ["frames.json", "tolerated.json"] {
        for case in cases(file) {
            let decoded = spec.decode(&bytes(&case, "hex"));
            let (name, fields) = decoded.unwrap_or_else(|error| panic!("{case}: {error}"));
            assert_eq!(name, text(&case, "frame"));
            assert_eq!(fields, case["fields"], "{}", case["name"]);
        }
    }
}

// [M-2.8] [M-3.5] [M-3.6]
#[test]
fn a_decoder_made_of_the_tables_alone_refuses_every_malformed_vector() {
    let spec = interpreter::Spec::read(&spec());
    for file in ["truncated.json", "malformed.json"] {
        for case in cases(file) {
            // The tables know no limit before READY, no magic and no flags; each has its own
            // statement.
            let special = [
                "before READY",
                "magic",
                "begins",
                "trimmed 2",
                "detail 2",
                "more 2",
                "half an author",
                "flag",
            ];
            if special
                .iter()
                .any(|word| text(&case, "name").contains(word))
            {
                continue;
            }
            let decoded = spec.decode(&bytes(&case, "hex"));
            assert!(decoded.is_err(), "{}: {decoded:?}", case["name"]);
        }
    }
}

// [M-19.2] [M-21.2] [M-21.6] [M-21.8] [M-23.2] [M-23.7] [M-23.23] [M-26.3]
// [M-28.2] [M-28.8]
#[test]
fn a_decoder_made_of_the_tables_alone_reads_what_devices_say_to_each_other() {
    let spec = spec();
    for (file, structure, member, fields) in [
        ("device_lists.json", "a device list", "hex", "fields"),
        ("group_records.json", "a record", "hex", "fields"),
        ("links.json", "a link code", "code_bytes", "code_fields"),
        ("links.json", "an offer", "offer_plain", "offer_fields"),
        ("links.json", "an answer", "answer_plain", "answer_fields"),
        ("payloads.json", "a payload", "hex", "fields"),
        (
            "group_messages.json",
            "a group payload",
            "payload",
            "fields",
        ),
        (
            "safety_numbers.json",
            "a safety code",
            "code",
            "code_fields",
        ),
    ] {
        for case in cases(file) {
            let decoded = interpreter::structure(&spec, structure, &bytes(&case, member));
            assert_eq!(decoded.as_ref(), Ok(&case[fields]), "{}", case["name"]);
        }
    }
    for case in cases("group_messages.json") {
        let envelope = bytes(&case, "envelope");
        let envelope = interpreter::structure(&spec, "an envelope", &envelope).unwrap();
        assert_eq!(envelope["format"], 1);
        let share = text(&case, "share");
        let key = text(&envelope, "sender_key");
        assert_eq!(share[2 * 133..2 * 165], *key, "{}", case["name"]);
    }
    for case in cases("olm.json") {
        let part = interpreter::structure(&spec, "a part", &bytes(&case, "part"));
        assert_eq!(
            part.map(|part| part["format"] == 2),
            Ok(true),
            "{}",
            case["name"]
        );
    }
}

// [M-23.12] [M-23.24]
#[test]
fn a_decoder_made_of_the_table_of_kinds_alone_reads_what_messages_say() {
    let spec = spec();
    for case in cases("contents.json") {
        let decoded = interpreter::contents(&spec, &case["kind"], &bytes(&case, "hex"));
        assert_eq!(decoded.as_ref(), Ok(&case["fields"]), "{}", case["name"]);
    }
}

#[test]
fn each_statement_has_its_own_number() {
    let statements = statements::statements(&spec());
    assert!(statements.len() > 100, "they were found");
    let mut expected = (1, 1);
    for id in &statements {
        let (section, number) = statements::parts(id);
        if section != expected.0 {
            assert!(section > expected.0, "{id} stands in its section");
            expected = (section, 1);
        }
        assert_eq!(number, expected.1, "{id} follows the one before");
        expected.1 += 1;
    }
}

#[test]
fn each_statement_is_proved_by_a_test_or_listed_as_informative() {
    let spec = spec();
    let all: BTreeSet<_> = statements::statements(&spec).into_iter().collect();
    let informative = statements::informative(&spec);
    let referenced = statements::referenced();
    let unknown: Vec<_> = referenced
        .difference(&all)
        .chain(informative.difference(&all))
        .collect();
    assert!(unknown.is_empty(), "not in SPEC.md: {unknown:?}");
    let both: Vec<_> = informative.intersection(&referenced).collect();
    assert!(
        both.is_empty(),
        "listed as informative, yet a test names them: {both:?}"
    );
    let proved = &informative | &referenced;
    let unproved: Vec<_> = all.difference(&proved).collect();
    assert!(
        unproved.is_empty(),
        "no test names {} statements: {unproved:?}",
        unproved.len()
    );
}
