//! What a client may say when: one file per state, each with only its own fields.
//!
//! ```text
//!              HELLO       REGISTER  AUTH   SEND      PING PONG CREDIT NACK ACK …   CLOSE
//! ExpectHello  ExpectAuth  ✗         ✗      ✗         ✗                             ends
//! ExpectAuth   ✗           answered  Ready  ✗         ✗                             ends
//! Ready        ✗           ✗         ✗      answered  served                        ends
//! Draining     ✗           ✗         ✗      refused   served                        ends
//! ```
//!
//! ✗ is CLOSE(UNEXPECTED_FRAME), and so is a frame that only servers send, in every state. A
//! session that waits for the answer to its REGISTER or AUTH may only close.

mod auth;
mod drain;
mod hello;
mod ready;

pub use auth::{ExpectAuth, log_registration_refused};
pub use drain::Draining;
pub use hello::ExpectHello;
pub use ready::Ready;

use std::net::IpAddr;

use bytes::BytesMut;
use martlet_protocol::frame::{Frame, Nack, Reference};
use martlet_protocol::id::{Address, Millis};
use martlet_protocol::limits::{FRAME_BYTES_MAX, FRAME_BYTES_MAX_UNAUTHENTICATED};
use martlet_protocol::{CloseCode, Kind, NackCode};
use martlet_shard::{Command, SessionId};
use rustls::ServerConnection;
use tokio_util::codec::Encoder;

use crate::gateway::codec::{FrameCodec, Inbound};
use crate::shared::Shared;

/// The state of a conversation.
#[derive(Debug)]
pub enum Session {
    /// Nothing was said yet.
    ExpectHello(ExpectHello),
    /// The peer has its nonce.
    ExpectAuth(Box<ExpectAuth>),
    /// The device is known.
    Ready(Ready),
    /// The device is known, and the server is about to stop.
    Draining(Draining),
}

/// Why a conversation is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The client said goodbye.
    ByClient,
    /// The client is told this.
    Refused(CloseCode),
}

/// What a session works with while it handles a frame.
pub struct Desk<'a> {
    /// The connection.
    pub session: SessionId,
    /// Where it comes from.
    pub peer: IpAddr,
    /// Wall-clock time.
    pub now: Millis,
    /// Monotonic time in microseconds.
    pub now_us: u64,
    /// What all reactors share.
    pub shared: &'a Shared,
    /// The public key of a device of a shard of this reactor.
    pub device_key: &'a mut dyn FnMut(Address) -> Option<[u8; 32]>,
    /// The TLS session, if there is one.
    pub tls: Option<&'a ServerConnection>,
    /// Bytes for the client.
    pub out: &'a mut BytesMut,
    /// Work for the shards.
    pub commands: &'a mut Vec<Command>,
}

impl Desk<'_> {
    /// Queues a frame for the client.
    ///
    /// # Errors
    /// When the client leaves too much unread.
    pub fn send(&mut self, frame: &Frame<'_>) -> Result<(), Ending> {
        let mut codec = FrameCodec {
            frame_bytes_max: FRAME_BYTES_MAX,
            outbound_bytes_max: self.shared.config.limits.outbound_max.bytes(),
        };
        codec
            .encode(frame, self.out)
            .map_err(|error| Ending::Refused(error.close_code()))
    }

    /// Refuses a request.
    ///
    /// # Errors
    /// When the client leaves too much unread.
    pub fn refuse(
        &mut self,
        of: Kind,
        code: NackCode,
        retry_after_ms: u64,
        reference: Reference,
    ) -> Result<(), Ending> {
        self.send(&Frame::Nack(Nack {
            of,
            code,
            class: code.class(),
            retry_after_ms,
            reference,
        }))
    }
}

impl Session {
    /// A conversation that has not begun.
    pub fn new() -> Self {
        Self::ExpectHello(ExpectHello)
    }

    /// Handles one frame. The old state is used up.
    ///
    /// # Errors
    /// When the conversation is over.
    pub fn on_frame(self, frame: Inbound, desk: &mut Desk<'_>) -> Result<Self, Ending> {
        match frame {
            Inbound::Close(_) => Err(Ending::ByClient),
            Inbound::ServerOnly(_) => Err(Ending::Refused(CloseCode::UNEXPECTED_FRAME)),
            frame => match self {
                Self::ExpectHello(state) => state.on_frame(frame, desk),
                Self::ExpectAuth(state) => state.on_frame(frame, desk),
                Self::Ready(state) => state.on_frame(frame, desk).map(Self::Ready),
                Self::Draining(state) => state.on_frame(frame, desk).map(Self::Draining),
            },
        }
    }

    /// Largest frame that the client may send now.
    pub fn frame_bytes_max(&self) -> usize {
        match self.ready() {
            Some(ready) if ready.is_greeted() => FRAME_BYTES_MAX,
            _ => FRAME_BYTES_MAX_UNAUTHENTICATED,
        }
    }

    /// The authenticated device.
    pub fn address(&self) -> Option<Address> {
        self.ready().map(Ready::address)
    }

    /// The authenticated part, while the server stops or not.
    pub fn ready(&self) -> Option<&Ready> {
        match self {
            Self::ExpectHello(_) | Self::ExpectAuth(_) => None,
            Self::Ready(ready) => Some(ready),
            Self::Draining(draining) => Some(draining.ready()),
        }
    }

    /// As [`Self::ready`].
    pub fn ready_mut(&mut self) -> Option<&mut Ready> {
        match self {
            Self::ExpectHello(_) | Self::ExpectAuth(_) => None,
            Self::Ready(ready) => Some(ready),
            Self::Draining(draining) => Some(draining.ready_mut()),
        }
    }

    /// The server is about to stop: sends are refused from now on.
    pub fn drain(self) -> Self {
        match self {
            Self::Ready(ready) => Self::Draining(Draining::new(ready)),
            other => other,
        }
    }

    /// Whether an AUTH would be considered now.
    pub fn may_authenticate(&self) -> bool {
        matches!(self, Self::ExpectAuth(state) if !state.is_registering())
    }

    /// The REGISTER under way was answered.
    pub fn registered(&mut self) {
        if let Self::ExpectAuth(state) = self {
            state.registered();
        }
    }
}

impl Default for Session {
    fn default() -> Self {
        Self::new()
    }
}

const UNEXPECTED: Ending = Ending::Refused(CloseCode::UNEXPECTED_FRAME);
