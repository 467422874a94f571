//! Bytes that no correct peer sends, each with the one error it must give.

use martlet_protocol::frame::Frame;
use martlet_protocol::header::Header;
use martlet_protocol::limits::{FRAME_BYTES_MAX, FRAME_BYTES_MAX_UNAUTHENTICATED, HEADER_BYTES};
use martlet_protocol::{Kind, crc};

use super::fields::{self, Fields, Value, shortest, varint};
use super::frames;

/// A case: its name, the bytes, the error, and the size limit in force.
#[derive(Clone, Debug)]
pub(crate) struct Malformed {
    pub name: String,
    pub bytes: Vec<u8>,
    pub error: &'static str,
    pub frame_bytes_max: usize,
}

/// A whole frame with a correct header around any payload.
pub(crate) fn sealed(kind: Kind, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        payload_bytes: payload.len() as u32,
        kind,
    };
    [&header.bytes(crc::of_frame(header, payload))[..], payload].concat()
}

/// The first case of each frame, by its type.
pub(crate) fn first_cases() -> Vec<(&'static str, Kind, Fields)> {
    let mut seen = Vec::new();
    let first = |frame: &Frame<'_>| {
        let new = !seen.contains(&frame.kind());
        seen.push(frame.kind());
        new
    };
    let mut first = first;
    frames::cases()
        .into_iter()
        .filter(|(_, frame)| first(frame))
        .map(|(_, frame)| (frame.kind().name(), frame.kind(), fields::of(&frame)))
        .collect()
}

fn first_of(kind: Kind) -> (&'static str, Kind, Fields) {
    let mut all = first_cases().into_iter();
    all.find(|(_, of, _)| *of == kind)
        .expect("each frame has a case")
}

/// Each frame's payload cut after every byte, in a frame that is otherwise correct.
pub(crate) fn truncated() -> Vec<Malformed> {
    let mut cases = Vec::new();
    for (name, kind, fields) in first_cases() {
        let payload = fields::payload(&fields);
        for cut in 0..payload.len() {
            cases.push(case(
                format!("{name} cut to {cut} of {} payload bytes", payload.len()),
                sealed(kind, &payload[..cut]),
                "PayloadTruncated",
            ));
        }
    }
    cases
}

/// Everything else.
pub(crate) fn malformed() -> Vec<Malformed> {
    [
        too_large(),
        corrupted(),
        unknown(),
        fields_broken(),
        values_forbidden(),
    ]
    .concat()
}

fn case(name: impl Into<String>, bytes: Vec<u8>, error: &'static str) -> Malformed {
    Malformed {
        name: name.into(),
        bytes,
        error,
        frame_bytes_max: FRAME_BYTES_MAX,
    }
}

fn too_large() -> Vec<Malformed> {
    let header = |payload_bytes: usize| {
        Header {
            payload_bytes: payload_bytes as u32,
            kind: Kind::SEND,
        }
        .bytes(0)
        .to_vec()
    };
    let first_over = FRAME_BYTES_MAX - HEADER_BYTES + 1;
    let small_over = FRAME_BYTES_MAX_UNAUTHENTICATED - HEADER_BYTES + 1;
    let mut cases = vec![
        case(
            "a header one byte over the limit",
            header(first_over),
            "FrameTooLarge",
        ),
        case(
            "a header with the greatest length",
            header((1 << 24) - 1),
            "FrameTooLarge",
        ),
    ];
    for bytes in [header(small_over), header(first_over)] {
        cases.push(Malformed {
            frame_bytes_max: FRAME_BYTES_MAX_UNAUTHENTICATED,
            ..case(
                "a header over the limit before READY",
                bytes,
                "FrameTooLarge",
            )
        });
    }
    cases
}

fn corrupted() -> Vec<Malformed> {
    let mut cases = Vec::new();
    for (name, kind, fields) in first_cases() {
        let good = sealed(kind, &fields::payload(&fields));
        // Byte 3 is the type, 4 to 7 the CRC, then the payload. A flipped length shows itself as
        // a frame that never ends or is too large.
        for at in (3..good.len()).filter(|at| *at <= HEADER_BYTES || kind == Kind::ACK) {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << (at % 8);
            cases.push(case(
                format!("{name} with a bit of byte {at} flipped"),
                bytes,
                "FrameCorrupted",
            ));
        }
    }
    cases
}

fn unknown() -> Vec<Malformed> {
    [0x00, 0x0d, 0x0f, 0x7e, 0x7f, 0x80, 0xbf]
        .map(|code| {
            let bytes = sealed(Kind(code), b"later");
            case(
                format!("a frame of type 0x{code:02x}"),
                bytes,
                "TypeUnknown",
            )
        })
        .into()
}

/// The payload of `fields` with the bytes of field `at` replaced, and nothing after them.
fn replaced(fields: &[(String, Value)], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut payload = fields::payload(&fields[..at]);
    payload.extend(bytes);
    payload
}

fn fields_broken() -> Vec<Malformed> {
    let mut cases = Vec::new();
    for (name, kind, fields) in first_cases() {
        let fields = fields::flat(&fields);
        for (at, (field, value)) in fields.iter().enumerate() {
            let mut add = |what: &str, bytes: Vec<u8>, error| {
                let frame = sealed(kind, &replaced(&fields, at, &bytes));
                cases.push(case(format!("{name} with {what} {field}"), frame, error));
            };
            let rest = fields::payload(&fields[at + 1..]);
            let prefix = match value {
                Value::Varint(value) | Value::Count(value, _) => Some((*value, Vec::new())),
                Value::Bytes(bytes, _) => Some((bytes.len() as u64, bytes.clone())),
                Value::Text(text, _) => Some((text.len() as u64, text.as_bytes().to_vec())),
                _ => None,
            };
            if let Some((value, data)) = prefix {
                for len in [2, 4, 8].into_iter().filter(|len| *len > shortest(value)) {
                    let mut bytes = Vec::new();
                    varint(value, len, &mut bytes);
                    bytes.extend([&data[..], &rest].concat());
                    add(
                        &format!("{len} bytes for a smaller"),
                        bytes,
                        "VarintNotMinimal",
                    );
                }
            }
            if let Value::Bytes(_, max) | Value::Text(_, max) | Value::Count(_, max) = value {
                let mut bytes = Vec::new();
                varint(max + 1, shortest(max + 1), &mut bytes);
                add("one too many for", bytes, "FieldTooLong");
                let mut bytes = Vec::new();
                varint(*max, shortest(*max), &mut bytes);
                add("fewer than promised for", bytes, "PayloadTruncated");
                add("the greatest length for", vec![0xff; 8], "FieldTooLong");
            }
            if let Value::Text(..) = value {
                let bytes = [&[3 << 2, b'a', 0xff, b'b'], &rest[..]].concat();
                add("bytes that are not UTF-8 in", bytes, "TextNotUtf8");
            }
        }
    }
    cases
}

/// Payloads with a value that its field forbids.
const FORBIDDEN: &[(&str, Kind, &[u8])] = &[
    (
        "HELLO with another magic",
        Kind::HELLO,
        b"HTTP\x01\x01\0\0\0\0\0\0\0\0\0",
    ),
    (
        "GAP that ends before it begins",
        Kind::GAP,
        &[9 << 2, 8 << 2, 1],
    ),
    ("CAUGHT_UP with trimmed 2", Kind::CAUGHT_UP, &[9 << 2, 2]),
    (
        "GROUP_GAP that ends before it begins",
        Kind::GROUP_GAP,
        b"group id\x24\x20\x01",
    ),
    (
        "GROUP_COUNT with detail 2",
        Kind::GROUP_COUNT,
        b"\x04group id\x24\x02",
    ),
    ("GROUP_LIST with more 2", Kind::GROUP_LIST, b"\x04\x02\x00"),
    ("WATCH with the flag on 2", Kind::WATCH, &[9 << 2, 2, 0]),
    ("ACTIVE with the flag 2", Kind::ACTIVE, &[2]),
    (
        "RELATION_LIST with the flag more 2",
        Kind::RELATION_LIST,
        &[9 << 2, 2, 0],
    ),
    (
        "SETTINGS with the flag set 2",
        Kind::SETTINGS,
        &[9 << 2, 2, 1, 1, 1],
    ),
    (
        "SETTINGS with the flag read_receipts 2",
        Kind::SETTINGS,
        &[9 << 2, 0, 1, 2, 1],
    ),
    (
        "SETTINGS_ARE with the flag read_receipts 2",
        Kind::SETTINGS_ARE,
        &[9 << 2, 1, 2, 1],
    ),
];

fn values_forbidden() -> Vec<Malformed> {
    let mut cases = Vec::new();
    for (name, kind, fields) in first_cases() {
        let fields = fields::flat(&fields);
        for (at, (field, value)) in fields.iter().enumerate() {
            let zero = match value {
                Value::User(_) => vec![0; 8],
                Value::Device(_) => vec![0; 2],
                _ => continue,
            };
            let mut payload = replaced(&fields, at, &zero);
            payload.extend(fields::payload(&fields[at + 1..]));
            cases.push(case(
                format!("{name} with {field} 0"),
                sealed(kind, &payload),
                "FieldValueForbidden",
            ));
        }
    }
    for (name, kind, payload) in FORBIDDEN {
        cases.push(case(*name, sealed(*kind, payload), "FieldValueForbidden"));
    }
    for (name, field) in [
        ("GROUP_EVENT by half an author, without a device", "device"),
        (
            "GROUP_EVENT by half an author, without an account",
            "author",
        ),
    ] {
        let (_, kind, mut fields) = first_of(Kind::GROUP_EVENT);
        for (found, value) in &mut fields {
            if *found == field {
                *value = match value {
                    Value::U16(_) => Value::U16(0),
                    _ => Value::U64(0),
                };
            }
        }
        let frame = sealed(kind, &fields::payload(&fields));
        cases.push(case(name, frame, "FieldValueForbidden"));
    }
    cases
}
