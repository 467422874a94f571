//! Frames on the server's side of a connection: bytes to owned requests, frames to bytes.

use std::fmt;
use std::io;

use bytes::{Buf, BytesMut};
use martlet_protocol::frame::Frame;
use martlet_protocol::header::Header;
use martlet_protocol::limits::FRAME_BYTES_MAX;
use martlet_protocol::{CloseCode, DecodeError, codec};
use tokio_util::codec::{Decoder, Encoder};

use crate::gateway::inbound::{Inbound, owned};

/// The limits that hold for one connection at this moment.
#[derive(Clone, Copy, Debug)]
pub struct FrameCodec {
    /// Largest frame of the client, header included.
    pub frame_bytes_max: usize,
    /// Most bytes that may wait for the client.
    pub outbound_bytes_max: usize,
}

/// Why a connection cannot go on.
#[derive(Debug)]
pub enum CodecError {
    /// The client's bytes are no frames.
    Decode(DecodeError),
    /// The socket failed.
    Io(io::Error),
    /// The client does not read what it asked for.
    OutboundFull,
}

impl CodecError {
    /// What the client is told.
    pub fn close_code(&self) -> CloseCode {
        match self {
            Self::Decode(DecodeError::FrameTooLarge) => CloseCode::TOO_LARGE,
            Self::Decode(DecodeError::TypeUnknown(_)) => CloseCode::UNKNOWN_TYPE,
            Self::Decode(_) => CloseCode::BAD_FRAME,
            Self::Io(_) => CloseCode::INTERNAL,
            Self::OutboundFull => CloseCode::SLOW_READER,
        }
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decode(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
            Self::OutboundFull => f.write_str("more is waiting than the client may leave unread"),
        }
    }
}

impl std::error::Error for CodecError {}

impl From<io::Error> for CodecError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Decoder for FrameCodec {
    type Item = Inbound;
    type Error = CodecError;

    fn decode(&mut self, source: &mut BytesMut) -> Result<Option<Inbound>, CodecError> {
        let mut rest: &[u8] = source;
        let mut decoder = codec::Decoder::new(self.frame_bytes_max);
        let frame = decoder.next(&mut rest).map_err(CodecError::Decode)?;
        let mut inbound = frame.map(owned);
        // Skipped frames are consumed even when no frame follows them yet.
        let consumed = source.len() - rest.len();
        let frame_bytes = match &mut inbound {
            Some(Inbound::Send(send)) => Some(&mut send.frame_bytes),
            Some(Inbound::GroupSend(send)) => Some(&mut send.frame_bytes),
            _ => None,
        };
        if let Some(frame_bytes) = frame_bytes {
            *frame_bytes = last_frame_bytes(&source[..consumed]);
        }
        source.advance(consumed);
        Ok(inbound)
    }
}

impl Encoder<&Frame<'_>> for FrameCodec {
    type Error = CodecError;

    fn encode(&mut self, frame: &Frame<'_>, out: &mut BytesMut) -> Result<(), CodecError> {
        if out.len() >= self.outbound_bytes_max {
            return Err(CodecError::OutboundFull);
        }
        codec::encode(frame, out);
        Ok(())
    }
}

/// Bytes of the frame behind those that were skipped.
fn last_frame_bytes(mut consumed: &[u8]) -> u32 {
    while let Some(head) = consumed.first_chunk() {
        match Header::parse(*head, FRAME_BYTES_MAX) {
            Ok((header, _)) if header.kind.is_skippable() => {
                consumed = &consumed[header.frame_bytes()..];
            }
            _ => break,
        }
    }
    u32::try_from(consumed.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use martlet_protocol::Kind;
    use martlet_protocol::frame::{CaughtUp, Close, Ping};
    use martlet_protocol::id::Position;

    use super::*;

    const CODEC: FrameCodec = FrameCodec {
        frame_bytes_max: FRAME_BYTES_MAX,
        outbound_bytes_max: 64,
    };

    fn encoded(frame: &Frame<'_>) -> BytesMut {
        let mut out = BytesMut::new();
        CODEC.clone().encode(frame, &mut out).unwrap();
        out
    }

    #[test]
    fn a_frame_comes_out_when_its_last_byte_is_in() {
        let whole = encoded(&Frame::Ping(Ping { token: 7 }));
        let mut buffer = BytesMut::new();
        for (index, byte) in whole.iter().enumerate() {
            buffer.extend_from_slice(&[*byte]);
            let frame = CODEC.clone().decode(&mut buffer).unwrap();
            assert_eq!(frame.is_some(), index + 1 == whole.len());
        }
        assert!(buffer.is_empty());
    }

    #[test]
    fn a_length_that_is_too_large_is_refused_by_the_header_alone() {
        let mut bomb = BytesMut::from(&[0xff, 0xff, 0xff, 0x07, 0, 0, 0, 0][..]);
        let error = CODEC.clone().decode(&mut bomb).unwrap_err();
        assert_eq!(error.close_code(), CloseCode::TOO_LARGE);
    }

    #[test]
    fn a_servers_frame_from_a_client_is_told_apart() {
        let mut bytes = encoded(&Frame::CaughtUp(CaughtUp {
            position: Position(1),
            trimmed: false,
        }));
        let frame = CODEC.clone().decode(&mut bytes).unwrap();
        assert!(matches!(frame, Some(Inbound::ServerOnly(Kind::CAUGHT_UP))));
    }

    #[test]
    fn a_client_that_does_not_read_is_noticed_when_its_bound_is_reached() {
        let mut out = BytesMut::new();
        let close = Frame::Close(Close {
            code: CloseCode::NORMAL,
            detail: "a detail of thirty-one letters.",
        });
        let mut codec = CODEC;
        let error = (0..100)
            .find_map(|_| codec.encode(&close, &mut out).err())
            .expect("the bound is reached");
        assert_eq!(error.close_code(), CloseCode::SLOW_READER);
        assert!(out.len() < 200);
    }
}
