//! The codec against the vectors: what must decode, what must not, and with which error.
#![allow(clippy::unwrap_used, reason = "a bad vector must fail the test")]

mod support;

#[path = "../examples/vectors/generator/mod.rs"]
#[allow(dead_code, reason = "the seeds of the fuzz corpus are not vectors")]
mod generator;

use std::collections::BTreeSet;
use std::path::Path;

use bytes::BytesMut;
use martlet_protocol::auth::{auth_message, register_message};
use martlet_protocol::codec::{self, Decoder};
use martlet_protocol::frame::Frame;
use martlet_protocol::limits::FRAME_BYTES_MAX;
use martlet_protocol::wire::{Reader, Writer};
use martlet_protocol::{Address, CloseCode, DecodeError, DeviceId, Kind, UserId, handle};
use support::{bytes, cases, text, transcripts, vectors};

/// The only frame in `input`, which must have nothing behind it.
fn one_frame<'a>(name: &str, mut input: &'a [u8]) -> Frame<'a> {
    let mut decoder = Decoder::new(FRAME_BYTES_MAX);
    let frame = decoder.next(&mut input);
    let frame = frame.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(decoder.next(&mut input), Ok(None), "{name}");
    assert!(input.is_empty(), "{name}: bytes are left");
    frame.unwrap_or_else(|| panic!("{name}: no frame"))
}

fn error_name(error: DecodeError) -> String {
    let text = format!("{error:?}");
    text.split('(').next().unwrap_or_default().to_owned()
}

// [M-2.1] [M-2.2] [M-2.12] [M-3.1] [M-3.7] [M-3.8] [M-1.5] [M-2.11]
#[test]
fn a_valid_frame_decodes_and_encodes_to_the_same_bytes() {
    let mut seen = BTreeSet::new();
    for case in cases("frames.json") {
        let (name, input) = (text(&case, "name"), bytes(&case, "hex"));
        let frame = one_frame(name, &input);
        assert_eq!(frame.kind().name(), text(&case, "frame"), "{name}");
        let mut out = BytesMut::new();
        codec::encode(&frame, &mut out);
        assert_eq!(&out[..], &input[..], "{name}");
        seen.insert(frame.kind());
    }
    assert_eq!(
        seen.len(),
        Kind::TABLE.len(),
        "each frame has a valid vector"
    );
}

// [M-1.7]
#[test]
fn a_frame_that_has_not_ended_is_no_frame_and_no_error() {
    for case in cases("frames.json") {
        let input = bytes(&case, "hex");
        for cut in 0..input.len() {
            let mut part = &input[..cut];
            let got = Decoder::new(FRAME_BYTES_MAX).next(&mut part);
            assert_eq!(got, Ok(None), "{} cut to {cut}", text(&case, "name"));
            assert_eq!(part.len(), cut, "nothing is consumed");
        }
    }
}

// [M-2.6] [M-2.9] [M-4.2]
#[test]
fn appended_fields_and_skippable_frames_are_passed_over() {
    for case in cases("tolerated.json") {
        let (name, input) = (text(&case, "name"), bytes(&case, "hex"));
        let frame = one_frame(name, &input);
        assert_eq!(frame.kind().name(), text(&case, "frame"), "{name}");
        let mut out = BytesMut::new();
        codec::encode(&frame, &mut out);
        assert!(out.len() < input.len(), "{name}: nothing was passed over");
    }
}

// [M-2.3] [M-2.4] [M-2.5] [M-2.7] [M-2.8] [M-2.10] [M-3.4] [M-3.5] [M-3.6] [M-4.3] [M-4.4]
// [M-4.5] [M-4.6]
#[test]
fn malformed_bytes_give_exactly_the_error_that_the_vector_names() {
    for file in ["truncated.json", "malformed.json"] {
        for case in cases(file) {
            let (name, input) = (text(&case, "name"), bytes(&case, "hex"));
            let limit = case["frame_bytes_max"].as_u64().unwrap() as usize;
            let mut decoder = Decoder::new(limit);
            let error = decoder.next(&mut &input[..]).expect_err(name);
            assert_eq!(error_name(error), text(&case, "error"), "{name}");
            let ping = bytes(&cases("frames.json")[0], "hex");
            assert_eq!(
                decoder.next(&mut &ping[..]),
                Err(error),
                "{name}: the error is final"
            );
        }
    }
}

#[test]
fn each_way_to_be_malformed_has_a_vector_and_a_close_code() {
    let mut errors = BTreeSet::new();
    for case in [cases("malformed.json"), cases("truncated.json")].concat() {
        let expected = match text(&case, "error") {
            "FrameTooLarge" => CloseCode::TOO_LARGE,
            "TypeUnknown" => CloseCode::UNKNOWN_TYPE,
            _ => CloseCode::BAD_FRAME,
        };
        assert_eq!(expected.name(), text(&case, "close"));
        errors.insert(text(&case, "error").to_owned());
    }
    let all = [
        "FieldTooLong",
        "FieldValueForbidden",
        "FrameCorrupted",
        "FrameTooLarge",
        "PayloadTruncated",
        "TextNotUtf8",
        "TypeUnknown",
        "VarintNotMinimal",
    ];
    assert_eq!(errors.into_iter().collect::<Vec<_>>(), all);
}

// [M-3.3]
#[test]
fn varints_have_one_form() {
    for case in cases("varints.json") {
        let input = bytes(&case, "hex");
        match (Reader::new(&input).varint(), case["value"].as_str()) {
            (Ok(value), Some(expected)) => {
                assert_eq!(value.to_string(), expected);
                let mut out = BytesMut::new();
                Writer::new(&mut out).varint(value);
                assert_eq!(&out[..], &input[..], "{expected}");
            }
            (Err(error), None) => assert_eq!(error_name(error), text(&case, "error"), "{case}"),
            (got, _) => panic!("{case} gave {got:?}"),
        }
    }
}

// [M-7.2] [M-7.3] [M-7.4] [M-7.5]
#[test]
fn what_a_device_signs_is_byte_for_byte_what_the_vector_says() {
    for case in cases("auth.json") {
        let name = text(&case, "name");
        let nonce = if name.ends_with("connection 2") {
            [0xa2; 32]
        } else {
            [0xa1; 32]
        };
        let binding = <[u8; 32]>::try_from(&bytes(&case, "binding")[..]).unwrap();
        let message = if name.starts_with("REGISTER") {
            register_message(&nonce, &binding, text(&case, "handle"))
        } else {
            let user = UserId(text(&case, "user").parse().unwrap());
            let device = DeviceId(case["device"].as_u64().unwrap() as u16);
            auth_message(&nonce, &binding, Address { user, device })
        };
        assert_eq!(message, bytes(&case, "message"), "{name}");
        assert_eq!(bytes(&case, "signature").len(), 64, "{name}");
    }
}

// [M-7.10]
#[test]
fn handles_are_legal_exactly_where_the_vector_says_so() {
    for case in cases("handles.json") {
        let handle = text(&case, "handle");
        assert_eq!(
            handle::is_valid(handle),
            case["valid"].as_bool().unwrap(),
            "{handle:?}"
        );
    }
}

#[test]
fn each_step_of_a_transcript_is_one_whole_frame_of_the_name_it_gives() {
    for session in [transcripts("sessions"), transcripts("violations")].concat() {
        for connection in session["connections"].as_array().unwrap() {
            for step in connection["steps"].as_array().unwrap() {
                let input = bytes(step, "hex");
                let mut rest = &input[..];
                let frame = Decoder::new(FRAME_BYTES_MAX).next(&mut rest).unwrap();
                let name = frame.map_or("unknown", |frame| frame.kind().name());
                assert_eq!(name, text(step, "frame"), "{}", session["name"]);
                assert!(rest.is_empty() || name == "unknown");
            }
        }
    }
}

#[test]
fn the_checked_in_vectors_are_what_the_generator_writes() {
    let mut expected = BTreeSet::from(["README.md".to_owned()]);
    for (name, text) in generator::files() {
        let found = std::fs::read_to_string(vectors().join(&name)).unwrap_or_default();
        assert!(
            found == text,
            "{name}: run `cargo run -p martlet-protocol --example vectors`"
        );
        expected.insert(name);
    }
    let mut found = BTreeSet::new();
    list(&vectors(), "", &mut found);
    assert_eq!(found, expected, "no file is left over");
}

fn list(folder: &Path, prefix: &str, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            list(&entry.path(), &format!("{name}/"), found);
        } else {
            found.insert(name);
        }
    }
}
