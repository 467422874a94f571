//! What members of a group tell each other beside messages: infos, keys, questions and answers.

use super::fields::{self, Fields, Value, raw};
use super::groups::GROUP;
use super::megolm;
use super::people::{message_id, timestamp};

pub(crate) const GROUP_INFO: u8 = 0x11;
const SENDER_KEY: u8 = 0x86;
const GROUP_RETRY: u8 = 0x87;
const GROUP_RESENT: u8 = 0x88;

const NAME: &str = "Küche";
const PICTURE: &[u8] = b"a picture, wherever it is";

fn info(name: &str, picture: &[u8]) -> Fields {
    vec![
        ("name", Value::Text(name.to_owned(), 100)),
        ("picture", Value::Bytes(picture.to_vec(), 1024)),
    ]
}

/// The info whose hash the group's second record names.
pub(crate) fn group_info() -> Vec<u8> {
    fields::payload(&info(NAME, PICTURE))
}

fn sender_key(share: &[u8], info: &[u8]) -> Fields {
    vec![
        ("group", Value::User(GROUP.0)),
        ("share", raw(share)),
        ("info", Value::Bytes(info.to_vec(), 4096)),
    ]
}

/// The name of a message to the group.
fn asked(sequence: u64) -> Fields {
    vec![
        ("message_id", raw(&message_id(1).0)),
        ("group", Value::User(GROUP.0)),
        ("sequence", Value::Varint(sequence)),
    ]
}

fn resent(sequence: u64) -> Fields {
    let answer = vec![
        ("timestamp", Value::U64(timestamp(1).0)),
        ("kind", Value::U8(1)),
        ("contents", Value::Rest("Grüße".as_bytes().to_vec())),
    ];
    [asked(sequence), answer].concat()
}

/// Name, kind and fields.
pub(crate) fn cases() -> Vec<(&'static str, u8, Fields)> {
    let share = megolm::first_share();
    let with_info = sender_key(&share, &group_info());
    vec![
        ("a group's info", GROUP_INFO, info(NAME, PICTURE)),
        ("a group without a picture", GROUP_INFO, info("a", b"")),
        ("a sender key and the group's info", SENDER_KEY, with_info),
        ("a sender key alone", SENDER_KEY, sender_key(&share, b"")),
        ("a question for a message", GROUP_RETRY, asked(2)),
        ("a message once more", GROUP_RESENT, resent(70_000)),
    ]
}

/// Name, kind, error and bytes.
pub(crate) fn malformed() -> Vec<(&'static str, u8, &'static str, Vec<u8>)> {
    let (forbidden, too_long) = ("FieldValueForbidden", "FieldTooLong");
    let share = megolm::first_share();
    let payload = |fields: Fields| fields::payload(&fields);
    let named = |name: &str| payload(info(name, b""));
    let longer = |bytes: Vec<u8>| [bytes, vec![0]].concat();
    let long_info = sender_key(&share, &[0; 4097]);
    let cut_key = payload(sender_key(&share[..228], b""));
    vec![
        ("a group without a name", GROUP_INFO, forbidden, named("")),
        ("a group of two lines", GROUP_INFO, forbidden, named("a\nb")),
        (
            "a group with a control character",
            GROUP_INFO,
            forbidden,
            named("a\u{9b}b"),
        ),
        (
            "a group's name of 101 bytes",
            GROUP_INFO,
            too_long,
            named(&"x".repeat(101)),
        ),
        (
            "a picture of 1,025 bytes",
            GROUP_INFO,
            too_long,
            payload(info("a", &[0; 1025])),
        ),
        (
            "a byte behind an info",
            GROUP_INFO,
            too_long,
            longer(group_info()),
        ),
        (
            "a sender key cut short",
            SENDER_KEY,
            "PayloadTruncated",
            cut_key,
        ),
        (
            "an info of 4,097 bytes",
            SENDER_KEY,
            too_long,
            payload(long_info),
        ),
        (
            "a question for no place",
            GROUP_RETRY,
            forbidden,
            payload(asked(0)),
        ),
        (
            "a byte behind a question",
            GROUP_RETRY,
            too_long,
            longer(payload(asked(2))),
        ),
        (
            "a message of no place once more",
            GROUP_RESENT,
            forbidden,
            payload(resent(0)),
        ),
    ]
}
