//! What must hold for any bytes at all: the bodies of the fuzz targets, run as tests, too.
//!
//! Each function takes hostile bytes and panics when a promise is broken, so a fuzzer needs no
//! more than a call. They are in the library, not in the targets, to compile with every change.

mod groups;

pub use groups::{records, rosters};

use bytes::BytesMut;

use crate::auth::SIGNATURE_BYTES;
use crate::codec::{self, Decoder};
use crate::crc;
use crate::device_list::DeviceList;
use crate::frame::Frame;
use crate::handle;
use crate::id::MessageId;
use crate::kind::Kind;
use crate::limits::{
    DEVICE_LIST_BYTES_MAX, DEVICES_MAX, FRAME_BYTES_MAX, HANDLE_BYTES_MAX, HEADER_BYTES,
};
use crate::wire::Writer;

/// A byte stream as a peer sends it: each frame survives a round trip, the decoder never consumes
/// what it was not given, and after an error it gives nothing more.
///
/// # Panics
/// When one of these is not so.
pub fn stream(data: &[u8]) {
    let mut decoder = Decoder::new(FRAME_BYTES_MAX);
    let mut input = data;
    loop {
        let before = input.len();
        match decoder.next(&mut input) {
            Ok(Some(frame)) => {
                assert!(input.len() < before, "a frame has a header at least");
                survives(&frame);
            }
            Ok(None) => {
                let needs = decoder.frame_bytes(input);
                assert!(matches!(needs, Ok(None)) || needs.is_ok_and(|n| n > Some(input.len())));
                return;
            }
            Err(error) => {
                let mut good = &PING[..];
                assert_eq!(
                    decoder.next(&mut good),
                    Err(error),
                    "the first error is final"
                );
                assert_eq!(good.len(), PING.len(), "nothing is consumed after an error");
                return;
            }
        }
    }
}

/// A PING as the specification's worked example has it.
const PING: [u8; 16] = [8, 0, 0, 7, 0x14, 0xef, 0x56, 0xd9, 8, 7, 6, 5, 4, 3, 2, 1];

/// The first byte as type code, the rest as payload: what decodes survives a round trip.
///
/// # Panics
/// When it does not.
pub fn payload(data: &[u8]) {
    if let Some((code, payload)) = data.split_first()
        && let Ok(frame) = Frame::decode(Kind(*code), payload)
    {
        survives(&frame);
    }
}

/// Encodes `frame` and decodes it again.
fn survives(frame: &Frame<'_>) {
    let mut out = BytesMut::new();
    codec::encode(frame, &mut out);
    let mut input = &out[..];
    let again = Decoder::new(FRAME_BYTES_MAX).next(&mut input);
    assert_eq!(
        again.as_ref(),
        Ok(&Some(frame.clone())),
        "a frame survives a round trip"
    );
    assert!(input.is_empty(), "one frame is encoded to one frame");
}

/// The same bytes in pieces: the first byte says how many cuts follow it, each a distance. What is
/// decoded does not depend on where the stream is divided.
///
/// # Panics
/// When it does.
pub fn chunks(data: &[u8]) {
    let Some((count, rest)) = data.split_first() else {
        return;
    };
    let Some((cuts, stream)) = rest.split_at_checked(usize::from(*count)) else {
        return;
    };
    let whole = decode_in(&[], stream);
    assert_eq!(whole, decode_in(cuts, stream), "divided by {cuts:?}");
}

/// Debug texts of the frames of `stream`, and of the error that ends it, when it arrives in pieces
/// of these sizes and a last one.
fn decode_in(cuts: &[u8], stream: &[u8]) -> Vec<String> {
    let mut decoder = Decoder::new(FRAME_BYTES_MAX);
    let (mut buffer, mut rest, mut seen) = (Vec::new(), stream, Vec::new());
    for size in cuts
        .iter()
        .map(|cut| usize::from(*cut))
        .chain([stream.len()])
    {
        let (piece, later) = rest.split_at_checked(size).unwrap_or((rest, &[]));
        rest = later;
        buffer.extend_from_slice(piece);
        let mut input = &buffer[..];
        let end = loop {
            match decoder.next(&mut input) {
                Ok(Some(frame)) => seen.push(format!("{frame:?}")),
                end => break end.err(),
            }
        };
        if let Some(error) = end {
            seen.push(format!("{error:?}"));
            return seen;
        }
        let left = input.len();
        buffer.drain(..buffer.len().saturating_sub(left));
    }
    seen
}

/// Type code, split point and payload: a frame put together from two parts with a known CRC is
/// the frame encoded in one.
///
/// # Panics
/// When it is not.
pub fn parts(data: &[u8]) {
    let Some(([code, split], payload)) = data.split_first_chunk::<2>() else {
        return;
    };
    let (head, body) = payload
        .split_at_checked(usize::from(*split))
        .unwrap_or((payload, &[]));
    if payload.len().saturating_add(HEADER_BYTES) > FRAME_BYTES_MAX {
        return;
    }
    let mut combined = BytesMut::new();
    codec::encode_parts(Kind(*code), head, body, crc::of_body(body), &mut combined);
    let Ok(frame) = Frame::decode(Kind(*code), payload) else {
        return;
    };
    let mut again = BytesMut::new();
    frame.encode_payload(&mut Writer::new(&mut again));
    if again == payload {
        let mut whole = BytesMut::new();
        codec::encode(&frame, &mut whole);
        assert_eq!(whole, combined, "combining gives the same checksum");
    }
}

/// Bytes that claim to be a device list: what decodes has no other spelling, keeps to the limits,
/// and what is signed of it does not depend on the signature.
///
/// # Panics
/// When one of these is not so.
pub fn lists(data: &[u8]) {
    let Ok(list) = DeviceList::decode(data) else {
        return;
    };
    let mut again = BytesMut::new();
    list.encode(&mut again);
    assert_eq!(again, data, "a list has one spelling");
    assert!(data.len() <= DEVICE_LIST_BYTES_MAX, "{}", data.len());
    let count = list.devices.iter().count();
    assert_eq!(count, list.devices.len(), "each device is read again");
    assert!((1..=DEVICES_MAX).contains(&count), "{count} devices");
    let unsigned = DeviceList {
        signature: [0; SIGNATURE_BYTES],
        ..list.clone()
    };
    assert_eq!(unsigned.signed_bytes(), list.signed_bytes());
    assert_eq!(unsigned.hashed_bytes(), list.hashed_bytes());
}

/// Text from a person: handles and message ids are recognised without surprises.
///
/// # Panics
/// When an accepted handle breaks its own rules, or an id does not read back.
pub fn text(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else {
        return;
    };
    if handle::is_valid(text) {
        assert!((1..=HANDLE_BYTES_MAX).contains(&text.len()), "{text:?}");
        assert!(
            text.is_ascii() && !text.contains(char::is_whitespace),
            "{text:?}"
        );
        assert_eq!(text.to_lowercase(), text, "a handle has one spelling");
    }
    if let Some(id) = MessageId::parse(text) {
        assert_eq!(
            id.to_string(),
            text.to_ascii_lowercase(),
            "an id has one spelling"
        );
    }
}
