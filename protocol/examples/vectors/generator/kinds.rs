//! What messages say: the contents of each kind, and contents that cannot be shown.

use super::fields::{self, Fields, Value, raw, user};
use super::groups::GROUP;
use super::json::Json;
use super::lists::{ALICES, BOBS, BOBS_PHONE, Member, Owner, PHONE};
use super::megolm;
use super::people::{message_id, timestamp};

const TEXT: u8 = 0x01;
const REPLY: u8 = 0x02;
const REACTION: u8 = 0x03;
const EDIT: u8 = 0x04;
const DELETE: u8 = 0x05;
const TIMER: u8 = 0x06;
const CONTACT: u8 = 0x07;
const LOCATION: u8 = 0x08;
const LIMITED: u8 = 0x10;
const GROUP_INFO: u8 = 0x11;
const SENDER_KEY: u8 = 0x86;
const GROUP_RETRY: u8 = 0x87;
const GROUP_RESENT: u8 = 0x88;

/// The name of a message: its id and the device that wrote it.
fn target(n: u8, owner: Owner, member: Member) -> Fields {
    vec![
        ("message_id", raw(&message_id(n).0)),
        ("author", user(owner.user)),
        ("author_device", Value::Device(member.device)),
    ]
}

fn about(n: u8, more: Fields) -> Fields {
    [target(n, BOBS, BOBS_PHONE), more].concat()
}

fn emoji(emoji: &str) -> Fields {
    vec![("emoji", Value::Text(emoji.to_owned(), 64))]
}

fn text(text: &str) -> (&'static str, Value) {
    ("text", Value::Rest(text.as_bytes().to_vec()))
}

fn contact(handle: &str, name: &str) -> Fields {
    vec![
        ("user", user(BOBS.user)),
        ("handle", Value::Text(handle.to_owned(), 64)),
        ("name", Value::Text(name.to_owned(), 128)),
    ]
}

/// Latitude and longitude in units of 10^-7 degrees.
fn location(latitude: i32, longitude: i32) -> Fields {
    vec![
        ("latitude", Value::U32(latitude as u32)),
        ("longitude", Value::U32(longitude as u32)),
        ("accuracy_m", Value::U32(12)),
        ("label", Value::Text("Teufelsberg".to_owned(), 128)),
    ]
}

fn limited(seconds: u32, kind: u8, contents: &[u8]) -> Fields {
    vec![
        ("seconds", Value::U32(seconds)),
        ("kind", Value::U8(kind)),
        ("contents", Value::Rest(contents.to_vec())),
    ]
}

fn info(name: &str, picture: &[u8]) -> Fields {
    vec![
        ("name", Value::Text(name.to_owned(), 100)),
        ("picture", Value::Bytes(picture.to_vec(), 1024)),
    ]
}

/// The info whose hash the group's second record names.
pub(crate) fn group_info() -> Vec<u8> {
    fields::payload(&info("Küche", b"a picture, wherever it is"))
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
        ("kind", Value::U8(TEXT)),
        ("contents", Value::Rest("Grüße".as_bytes().to_vec())),
    ];
    [asked(sequence), answer].concat()
}

fn reply() -> Fields {
    let quote = ("quote", Value::Text("Are you there?".to_owned(), 255));
    about(1, vec![quote, text("Ja, für dich immer")])
}

fn cases() -> Vec<(&'static str, u8, Fields)> {
    let own = |n| target(n, ALICES, PHONE);
    vec![
        ("a reply to bob", REPLY, reply()),
        ("a reaction", REACTION, about(1, emoji("👍🏽"))),
        ("a reaction taken back", REACTION, about(1, emoji(""))),
        ("an edit", EDIT, [own(1), vec![text("Grüße, Bob")]].concat()),
        (
            "an edit to nothing",
            EDIT,
            [own(1), vec![text("")]].concat(),
        ),
        ("a deletion", DELETE, own(2)),
        (
            "a life of a day",
            TIMER,
            vec![("seconds", Value::U32(86_400))],
        ),
        ("no life", TIMER, vec![("seconds", Value::U32(0))]),
        ("bob's name", CONTACT, contact("bob", "Bob B.")),
        (
            "a place in Berlin",
            LOCATION,
            location(524_970_000, 132_410_000),
        ),
        (
            "a place at the other end",
            LOCATION,
            location(-900_000_000, -1_800_000_000),
        ),
        (
            "a text of an hour",
            LIMITED,
            limited(3_600, TEXT, "Grüße".as_bytes()),
        ),
        (
            "a reply of a second",
            LIMITED,
            limited(1, REPLY, &fields::payload(&reply())),
        ),
        (
            "a later kind with a life",
            LIMITED,
            limited(60, 0x7f, b"later"),
        ),
        (
            "a group's info",
            GROUP_INFO,
            info("Küche", b"a picture, wherever it is"),
        ),
        ("a group without a picture", GROUP_INFO, info("a", b"")),
        (
            "a sender key and the group's info",
            SENDER_KEY,
            sender_key(&megolm::first_share(), &group_info()),
        ),
        (
            "a sender key alone",
            SENDER_KEY,
            sender_key(&megolm::first_share(), b""),
        ),
        ("a question for a message", GROUP_RETRY, asked(2)),
        ("a message once more", GROUP_RESENT, resent(70_000)),
    ]
}

/// `contents.json`.
pub(crate) fn valid() -> Json {
    let list = cases().into_iter().map(|(name, kind, fields)| {
        Json::object([
            ("name", Json::text(name)),
            ("kind", Json::Number(u64::from(kind))),
            ("hex", Json::hex(&fields::payload(&fields))),
            ("fields", fields::named(&fields)),
        ])
    });
    super::cases("Contents of messages, and what they say.", list.collect())
}

/// `contents_malformed.json`.
pub(crate) fn malformed() -> Json {
    let mut list = Vec::new();
    let mut add = |name: &str, kind: u8, error: &str, bytes: &[u8]| {
        list.push(Json::object([
            ("name", Json::text(name)),
            ("kind", Json::Number(u64::from(kind))),
            ("error", Json::text(error)),
            ("hex", Json::hex(bytes)),
        ]));
    };
    let payload = |fields: Fields| fields::payload(&fields);
    let delete = payload(target(2, ALICES, PHONE));
    let changed = |at: usize, len: usize| {
        let mut bytes = delete.clone();
        bytes[at..at + len].fill(0);
        bytes
    };
    let forbidden = "FieldValueForbidden";
    add("a text that is not UTF-8", TEXT, "TextNotUtf8", &[0xff]);
    let edit = [&delete[..], &[0xc3]].concat();
    add("an edit that is not UTF-8", EDIT, "TextNotUtf8", &edit);
    add("no author", DELETE, forbidden, &changed(16, 8));
    add(
        "no device of the author",
        DELETE,
        forbidden,
        &changed(24, 2),
    );
    add("half a name", DELETE, "PayloadTruncated", &delete[..20]);
    let longer = [&delete[..], &[0]].concat();
    add("a byte behind a deletion", DELETE, "FieldTooLong", &longer);
    let long = payload(about(1, emoji(&"x".repeat(65))));
    add("an emoji of 65 bytes", REACTION, "FieldTooLong", &long);
    let quote = ("quote", Value::Text("x".repeat(256), 255));
    let long = payload(about(1, vec![quote]));
    add("a quote of 256 bytes", REPLY, "FieldTooLong", &long);
    add("half a timer", TIMER, "PayloadTruncated", &[60, 0]);
    let name = payload(contact("Bob", ""));
    add("a handle in capitals", CONTACT, forbidden, &name);
    let pole = payload(location(900_000_001, 0));
    add("beyond the pole", LOCATION, forbidden, &pole);
    let date_line = payload(location(0, -1_800_000_001));
    add("beyond the date line", LOCATION, forbidden, &date_line);
    add(
        "a life of nothing",
        LIMITED,
        forbidden,
        &payload(limited(0, TEXT, b"")),
    );
    for (name, kind) in [
        ("a reaction with a life", REACTION),
        ("an edit with a life", EDIT),
        ("a deletion with a life", DELETE),
        ("a timer with a life", TIMER),
        ("a life in a life", LIMITED),
        ("a group's info with a life", GROUP_INFO),
        ("a control message with a life", 0x81),
    ] {
        add(name, LIMITED, forbidden, &payload(limited(60, kind, b"")));
    }
    for (what, name) in [
        ("without a name", ""),
        ("of two lines", "a\nb"),
        ("with a control character", "a\u{9b}b"),
    ] {
        let name = payload(info(name, b""));
        add(&format!("a group {what}"), GROUP_INFO, forbidden, &name);
    }
    let long = payload(info(&"x".repeat(101), b""));
    add(
        "a group's name of 101 bytes",
        GROUP_INFO,
        "FieldTooLong",
        &long,
    );
    let long = payload(info("a", &[0; 1025]));
    add(
        "a picture of 1,025 bytes",
        GROUP_INFO,
        "FieldTooLong",
        &long,
    );
    let longer = [group_info(), vec![0]].concat();
    add("a byte behind an info", GROUP_INFO, "FieldTooLong", &longer);
    let share = megolm::first_share();
    let key = payload(sender_key(&share[..228], b""));
    add(
        "a sender key cut short",
        SENDER_KEY,
        "PayloadTruncated",
        &key,
    );
    let long = payload(sender_key(&share, &[0; 4097]));
    add("an info of 4,097 bytes", SENDER_KEY, "FieldTooLong", &long);
    add(
        "a question for no place",
        GROUP_RETRY,
        forbidden,
        &payload(asked(0)),
    );
    let longer = [payload(asked(2)), vec![0]].concat();
    add(
        "a byte behind a question",
        GROUP_RETRY,
        "FieldTooLong",
        &longer,
    );
    let nowhere = payload(resent(0));
    add(
        "a message of no place once more",
        GROUP_RESENT,
        forbidden,
        &nowhere,
    );
    super::cases("Contents that cannot be shown.", list)
}
