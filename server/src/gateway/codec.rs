//! Frames on the server's side of a connection: bytes to owned requests, frames to bytes.

use std::fmt;
use std::io;

use bytes::{Buf, Bytes, BytesMut};
use martlet_protocol::auth::{KEY_BYTES, SIGNATURE_BYTES};
use martlet_protocol::frame::{
    Ack, Auth, Credit, Frame, LookupQuery, Nack, Parts, Ping, Read, SendScope, Status,
};
use martlet_protocol::header::Header;
use martlet_protocol::id::{MessageId, Timestamp, UserId};
use martlet_protocol::limits::FRAME_BYTES_MAX;
use martlet_protocol::version::Features;
use martlet_protocol::{CloseCode, DecodeError, Kind, codec};
use martlet_shard::DevicePart;
use tokio_util::codec::{Decoder, Encoder};

/// A frame of a client, with its bytes copied out of the reactor's scratch: what is kept must not
/// pin a buffer that all connections share.
#[derive(Debug)]
pub enum Inbound {
    /// The cursor of the device's stream.
    Ack(Ack),
    /// Proof of who the device is.
    Auth(Box<Auth>),
    /// The client is done.
    Close(CloseCode),
    /// Room for more stream items.
    Credit(Credit),
    /// Versions and features.
    Hello {
        /// Oldest version the client speaks.
        version_min: u8,
        /// Newest version the client speaks.
        version_max: u8,
        /// What the client can do beyond the version.
        features: Features,
    },
    /// A handle or an account is looked up.
    Lookup {
        /// The client's number for the answer.
        request: u64,
        /// What is known.
        query: Query,
    },
    /// An event the client could not store.
    Nack(Nack),
    /// Asks for a PONG.
    Ping(Ping),
    /// Answers a PING.
    Pong,
    /// The person has read up to a message.
    Read(Read),
    /// A new account.
    Register(Box<Register>),
    /// A message.
    Send(Send),
    /// A frame that only servers send.
    ServerOnly(Kind),
    /// Asks for the state of one's own message.
    Status(Status),
}

/// What a LOOKUP knows.
#[derive(Debug)]
pub enum Query {
    /// The handle.
    Handle(String),
    /// The account.
    User(UserId),
}

/// A REGISTER with its own memory.
#[derive(Debug)]
pub struct Register {
    /// The wanted handle.
    pub handle: String,
    /// The device's Ed25519 public key.
    pub key: [u8; KEY_BYTES],
    /// Over the register message.
    pub signature: [u8; SIGNATURE_BYTES],
    /// The operator's token, or empty.
    pub token: Bytes,
}

/// A SEND with its own memory.
#[derive(Debug)]
pub struct Send {
    /// The client's key for this message.
    pub message_id: MessageId,
    /// The recipient.
    pub to: UserId,
    /// The newest timestamp the sender has seen in the conversation, 0 for none.
    pub after: Timestamp,
    /// Time to live in milliseconds, 0 for the default.
    pub ttl_ms: u64,
    /// Which devices get it.
    pub scope: SendScope,
    /// The version of the recipient's device list that it was made for.
    pub to_version: u64,
    /// The version of the sender's device list that it was made for.
    pub own_version: u64,
    /// For the recipient's devices.
    pub to_parts: Vec<DevicePart>,
    /// For the sender's other devices.
    pub own_parts: Vec<DevicePart>,
    /// The opaque message.
    pub envelope: Bytes,
    /// Bytes of the whole frame: what it costs in credit.
    pub frame_bytes: u32,
}

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
        if let Some(Inbound::Send(send)) = &mut inbound {
            send.frame_bytes = last_frame_bytes(&source[..consumed]);
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

fn owned(frame: Frame<'_>) -> Inbound {
    match frame {
        Frame::Ack(ack) => Inbound::Ack(ack),
        Frame::Auth(auth) => Inbound::Auth(Box::new(auth)),
        Frame::Close(close) => Inbound::Close(close.code),
        Frame::Credit(credit) => Inbound::Credit(credit),
        Frame::Hello(hello) => Inbound::Hello {
            version_min: hello.version_min,
            version_max: hello.version_max,
            features: hello.features,
        },
        Frame::Lookup(lookup) => Inbound::Lookup {
            request: lookup.request,
            query: match lookup.query {
                LookupQuery::Handle(handle) => Query::Handle(handle.to_owned()),
                LookupQuery::User(user) => Query::User(user),
            },
        },
        Frame::Nack(nack) => Inbound::Nack(nack),
        Frame::Ping(ping) => Inbound::Ping(ping),
        Frame::Pong(_) => Inbound::Pong,
        Frame::Read(read) => Inbound::Read(read),
        Frame::Register(register) => Inbound::Register(Box::new(Register {
            handle: register.handle.to_owned(),
            key: register.key,
            signature: register.signature,
            token: Bytes::copy_from_slice(register.token),
        })),
        Frame::Send(send) => Inbound::Send(Send {
            message_id: send.message_id,
            to: send.to,
            after: send.after,
            ttl_ms: send.ttl_ms,
            scope: send.scope,
            to_version: send.to_version,
            own_version: send.own_version,
            to_parts: owned_parts(send.to_parts),
            own_parts: owned_parts(send.own_parts),
            envelope: Bytes::copy_from_slice(send.envelope),
            frame_bytes: 0,
        }),
        Frame::Status(status) => Inbound::Status(status),
        // No device of this server has keys yet: their frames are as unexpected as a server's.
        Frame::Claim(_)
        | Frame::Devices(_)
        | Frame::LinkJoin(_)
        | Frame::LinkOpen(_)
        | Frame::Publish(_)
        | Frame::Upload(_)
        | Frame::Bundles(_)
        | Frame::CaughtUp(_)
        | Frame::Challenge(_)
        | Frame::DeviceLists(_)
        | Frame::Event(_)
        | Frame::Fact(_)
        | Frame::Found(_)
        | Frame::Gap(_)
        | Frame::Goaway(_)
        | Frame::LinkOffer(_)
        | Frame::LinkOpened(_)
        | Frame::Linked(_)
        | Frame::Published(_)
        | Frame::Ready(_)
        | Frame::Receipt(_)
        | Frame::Registered(_)
        | Frame::Sent(_)
        | Frame::State(_)
        | Frame::Stock(_) => Inbound::ServerOnly(frame.kind()),
    }
}

fn owned_parts(parts: Parts<'_>) -> Vec<DevicePart> {
    parts
        .iter()
        .map(|part| DevicePart {
            device: part.device,
            part: Bytes::copy_from_slice(part.part),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use martlet_protocol::frame::{CaughtUp, Close};
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
