//! Appends whole frames to the caller's buffer.

use bytes::{BufMut, BytesMut};

use crate::crc;
use crate::frame::Frame;
use crate::header::Header;
use crate::kind::Kind;
use crate::limits::{FRAME_BYTES_MAX, HEADER_BYTES};
use crate::wire::Writer;

/// Appends `frame`, header and checksum included.
///
/// # Panics
/// If the frame is above [`FRAME_BYTES_MAX`]: its fields were not held to their limits.
pub fn encode(frame: &Frame<'_>, out: &mut BytesMut) {
    let start = out.len();
    out.put_bytes(0, HEADER_BYTES);
    frame.encode_payload(&mut Writer::new(out));

    // The length is known only now: the header is written into the space left for it.
    let written = out.len().saturating_sub(start).saturating_sub(HEADER_BYTES);
    let header = header(frame.kind(), written);
    if let Some((head, payload)) = out
        .get_mut(start..)
        .and_then(<[u8]>::split_first_chunk_mut::<HEADER_BYTES>)
    {
        *head = header.bytes(crc::of_frame(header, payload));
    }
}

/// Appends a frame whose payload is `head` followed by `body`, whose CRC the caller knows.
///
/// # Panics
/// As [`encode`].
pub fn encode_parts(kind: Kind, head: &[u8], body: &[u8], body_crc: u32, out: &mut BytesMut) {
    let header = header(kind, head.len().saturating_add(body.len()));
    let crc = crc::of_parts(header, head, body.len() as u64, body_crc);
    out.reserve(header.frame_bytes());
    out.put_slice(&header.bytes(crc));
    out.put_slice(head);
    out.put_slice(body);
}

fn header(kind: Kind, payload_bytes: usize) -> Header {
    assert!(
        payload_bytes.saturating_add(HEADER_BYTES) <= FRAME_BYTES_MAX,
        "a frame of {payload_bytes} payload bytes is above the limit"
    );
    Header {
        payload_bytes: u32::try_from(payload_bytes).unwrap_or(u32::MAX),
        kind,
    }
}
