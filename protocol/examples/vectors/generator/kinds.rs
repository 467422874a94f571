//! What messages say: the contents of each kind, and contents that cannot be shown.

use super::fields::{self, Fields, Value, raw, user};
use super::group_kinds::{self, GROUP_INFO};
use super::json::Json;
use super::lists::{ALICES, BOBS, BOBS_PHONE, Member, Owner, PHONE};
use super::people::message_id;

const TEXT: u8 = 0x01;
const REPLY: u8 = 0x02;
const REACTION: u8 = 0x03;
const EDIT: u8 = 0x04;
const DELETE: u8 = 0x05;
const TIMER: u8 = 0x06;
const CONTACT: u8 = 0x07;
const LOCATION: u8 = 0x08;
const LIMITED: u8 = 0x10;

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
    ]
}

/// `contents.json`.
pub(crate) fn valid() -> Json {
    let all = cases().into_iter().chain(group_kinds::cases());
    let list = all.map(|(name, kind, fields)| {
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
    for (name, kind, error, bytes) in group_kinds::malformed() {
        add(name, kind, error, &bytes);
    }
    super::cases("Contents that cannot be shown.", list)
}
