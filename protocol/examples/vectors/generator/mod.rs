//! Makes every vector out of the frames, the people and the scripts below: no clock, no chance.

mod builders;
mod contents;
mod device_fields;
mod device_frames;
mod fields;
mod frames;
mod group_fields;
mod group_frames;
mod group_kinds;
mod group_steps;
mod groups;
mod json;
mod keys;
mod kinds;
mod lists;
mod malformed;
mod megolm;
mod olm;
mod people;
mod relation_frames;
mod sessions;

use martlet_protocol::Kind;
use martlet_protocol::auth::{BINDING_NONE, auth_message, register_message};
use martlet_protocol::limits::VARINT_MAX;

use fields::{Value, named, shortest, varint};
use json::{Json, hex};
use malformed::{Malformed, sealed};
use people::{ALICE, ALICE_2, ALICE_AUTH_TLS, BOB, Device, LAST_ALICE, nonce};

/// Every file under `vectors/`: its path there and its text.
pub(crate) fn files() -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = [
        ("frames.json", valid()),
        ("tolerated.json", tolerated()),
        (
            "truncated.json",
            invalid("Payloads cut after every byte.", &malformed::truncated()),
        ),
        (
            "malformed.json",
            invalid("Bytes no correct peer sends.", &malformed::malformed()),
        ),
        ("varints.json", varints()),
        ("auth.json", auth()),
        ("handles.json", handles()),
        ("device_lists.json", lists::valid()),
        ("device_lists_malformed.json", lists::malformed()),
        ("device_list_steps.json", lists::steps()),
        ("group_records.json", groups::valid()),
        ("group_records_malformed.json", groups::malformed()),
        ("group_record_steps.json", group_steps::steps()),
        ("prekeys.json", contents::prekeys()),
        ("links.json", contents::links()),
        ("payloads.json", contents::payloads()),
        ("olm.json", olm::session()),
        ("bodies.json", contents::bodies()),
        ("group_messages.json", megolm::messages()),
        ("contents.json", kinds::valid()),
        ("contents_malformed.json", kinds::malformed()),
        ("safety_numbers.json", contents::safety_numbers()),
    ]
    .map(|(name, json)| (name.to_owned(), json.file(2)))
    .into();
    files.extend(sessions::files());
    files
}

/// What each fuzz target starts from: target, file name, bytes.
pub(crate) fn seeds() -> Vec<(&'static str, String, Vec<u8>)> {
    let mut seeds = Vec::new();
    let mut stream = Vec::new();
    for (index, (_, frame)) in frames::cases().into_iter().enumerate() {
        let payload = fields::payload(&fields::of(&frame));
        let bytes = sealed(frame.kind(), &payload);
        stream.extend_from_slice(&bytes);
        let name = format!("{index:02}_{}", frame.kind().name().to_lowercase());
        seeds.push((
            "payload",
            name.clone(),
            [&[frame.kind().0], &payload[..]].concat(),
        ));
        seeds.push((
            "parts",
            name.clone(),
            [&[frame.kind().0, 9], &payload[..]].concat(),
        ));
        seeds.push(("stream", name, bytes));
    }
    seeds.push((
        "chunks",
        "all_frames".to_owned(),
        [&[3, 1, 200, 9], &stream[..]].concat(),
    ));
    let worth = |case: &Malformed| case.error != "FrameCorrupted";
    for (index, case) in malformed::malformed().into_iter().filter(worth).enumerate() {
        seeds.push(("stream", format!("bad_{index:03}"), case.bytes));
    }
    seeds.extend(lists::seeds());
    seeds.extend(groups::seeds());
    seeds.extend(group_steps::seeds());
    let texts = [
        "alice",
        "+4915112345",
        "Alice",
        "01900000-1234-7fff-bfff-ffffffffffff",
    ];
    for (index, text) in texts.into_iter().enumerate() {
        seeds.push(("text", format!("{index:02}"), text.as_bytes().to_vec()));
    }
    seeds
}

fn cases(about: &str, cases: Vec<Json>) -> Json {
    Json::object([("about", Json::text(about)), ("cases", Json::List(cases))])
}

fn valid() -> Json {
    let list = frames::cases().into_iter().map(|(name, frame)| {
        let fields = fields::of(&frame);
        Json::object([
            ("name", Json::text(name)),
            ("frame", Json::text(frame.kind().name())),
            (
                "hex",
                Json::hex(&sealed(frame.kind(), &fields::payload(&fields))),
            ),
            ("fields", named(&fields)),
        ])
    });
    cases(
        "Frames: they decode to these fields, which encode to these bytes.",
        list.collect(),
    )
}

fn tolerated() -> Json {
    let mut list = Vec::new();
    let mut add = |name: String, frame: &str, bytes: &[u8], fields: &fields::Fields| {
        list.push(Json::object([
            ("name", Json::text(name)),
            ("frame", Json::text(frame)),
            ("hex", Json::hex(bytes)),
            ("fields", named(fields)),
        ]));
    };
    for (name, kind, fields) in malformed::first_cases() {
        let payload = [
            &fields::payload(&fields)[..],
            b"\x00appended by a later version",
        ]
        .concat();
        add(
            format!("{name} with appended fields"),
            name,
            &sealed(kind, &payload),
            &fields,
        );
    }
    let ping = vec![("token", Value::U64(1))];
    for code in [0xc0, 0xd7, 0xff] {
        let skipped = sealed(Kind(code), b"later");
        let next = sealed(Kind::PING, &fields::payload(&ping));
        let bytes = [skipped, next].concat();
        add(
            format!("a frame of type 0x{code:02x}, then PING"),
            "PING",
            &bytes,
            &ping,
        );
    }
    let nothing = sealed(Kind(0xc0), b"");
    let bytes = [nothing, sealed(Kind::PING, &fields::payload(&ping))].concat();
    add(
        "an empty frame of type 0xc0, then PING".to_owned(),
        "PING",
        &bytes,
        &ping,
    );
    cases(
        "Bytes that decode to these fields, though no version 1 sends them.",
        list,
    )
}

fn invalid(about: &str, list: &[Malformed]) -> Json {
    let list = list.iter().map(|case| {
        Json::object([
            ("name", Json::text(&case.name)),
            ("error", Json::text(case.error)),
            ("close", Json::text(close(case.error))),
            ("frame_bytes_max", Json::Number(case.frame_bytes_max as u64)),
            ("hex", Json::hex(&case.bytes)),
        ])
    });
    cases(about, list.collect())
}

/// The close code that SPEC.md §2 wants for an error.
fn close(error: &str) -> &'static str {
    match error {
        "FrameTooLarge" => "TOO_LARGE",
        "TypeUnknown" => "UNKNOWN_TYPE",
        _ => "BAD_FRAME",
    }
}

fn varints() -> Json {
    let edges = [
        0,
        1,
        63,
        64,
        16_383,
        16_384,
        (1 << 30) - 1,
        1 << 30,
        1 << 40,
        VARINT_MAX,
    ];
    let mut list = Vec::new();
    let mut add = |bytes: &[u8], value, error| {
        list.push(Json::object([
            ("hex", Json::hex(bytes)),
            ("value", value),
            ("error", error),
        ]));
    };
    for value in edges {
        for len in [1, 2, 4, 8]
            .into_iter()
            .filter(|len| *len >= shortest(value))
        {
            let mut bytes = Vec::new();
            varint(value, len, &mut bytes);
            if len == shortest(value) {
                add(&bytes, Json::text(value.to_string()), Json::Null);
                let cut = &bytes[..len - 1];
                add(cut, Json::Null, Json::text("PayloadTruncated"));
            } else {
                add(&bytes, Json::Null, Json::text("VarintNotMinimal"));
            }
        }
    }
    cases("Varints: a value or an error for each.", list)
}

fn auth() -> Json {
    let mut list = Vec::new();
    let mut add = |name: String, device: Device, binding: &[u8; 32], message, signature: &str| {
        list.push(Json::object([
            ("name", Json::text(name)),
            ("private_key", Json::hex(&[device.seed; 32])),
            ("public_key", Json::text(device.key)),
            ("handle", Json::text(device.handle)),
            ("user", Json::text(device.address.user.0.to_string())),
            ("device", Json::Number(u64::from(device.address.device.0))),
            ("binding", Json::hex(binding)),
            ("message", Json::Text(message)),
            ("signature", Json::text(signature)),
        ]));
    };
    let none = &BINDING_NONE;
    for device in [ALICE, ALICE_2, LAST_ALICE, BOB] {
        if !device.register.is_empty() {
            let message = hex(&register_message(&nonce(1), none, device.handle));
            add(
                format!("REGISTER {}", device.name),
                device,
                none,
                message,
                device.register,
            );
        }
        for connection in [1, 2] {
            let message = hex(&auth_message(&nonce(connection), none, device.address));
            let name = format!("AUTH {} on connection {connection}", device.name);
            add(name, device, none, message, device.auth[connection - 1]);
        }
    }
    let binding = &[0xb1; 32];
    let message = hex(&auth_message(&nonce(1), binding, ALICE.address));
    add(
        "AUTH alice.1 over TLS".to_owned(),
        ALICE,
        binding,
        message,
        ALICE_AUTH_TLS,
    );
    cases("What is signed, and the Ed25519 signature over it.", list)
}

fn handles() -> Json {
    let longest = "a".repeat(64);
    let too_long = "a".repeat(65);
    let legal = [
        "alice",
        "a",
        "0",
        "+4915112345",
        "bob.2",
        "a_b-c+d",
        &longest,
    ];
    let illegal = [
        "", "Alice", "_a", ".a", "-a", "a b", "a@b", "älice", "a\u{0}", &too_long,
    ];
    let row = |valid| {
        move |text: &&str| {
            Json::object([("handle", Json::text(*text)), ("valid", Json::Bool(valid))])
        }
    };
    let list = legal
        .iter()
        .map(row(true))
        .chain(illegal.iter().map(row(false)))
        .collect();
    cases("Handles: which are legal.", list)
}
