//! From the socket through the reactor's scratch to the session.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use martlet_protocol::CloseCode;
use martlet_protocol::frame::Auth;
use martlet_protocol::id::{Address, Millis, UserId};
use martlet_shard::{Command, SessionId};
use tokio_util::codec::Decoder;
use tokio_util::io::poll_read_buf;

use crate::clock::Seconds;
use crate::driver::Driver;
use crate::gateway::codec::FrameCodec;
use crate::gateway::conn::{Conn, Partial, State};
use crate::gateway::inbound::Inbound;
use crate::gateway::session::{Desk, Ending};
use crate::rate::Buckets;
use crate::shared::Shared;

/// What became of the bytes of one read.
pub enum Received {
    /// Handled; an incomplete frame is kept.
    All,
    /// The conversation is over.
    Over(Ending, Why),
    /// The device's inbox is on another reactor, which must see this frame and the bytes behind
    /// it.
    Moves(Box<Auth>),
}

/// Why a conversation is over, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// What the client says is no frame.
    Bytes(CloseCode),
    /// The session ended it.
    Session,
}

/// What a connection works with while it handles what it has read.
pub struct Office<'a> {
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
    /// The shards of this reactor.
    pub driver: &'a mut Driver,
    /// What devices may still make the server check.
    pub signatures: &'a mut Buckets<Address>,
    /// What accounts may still send.
    pub sends: &'a mut Buckets<UserId>,
    /// Work for the shards.
    pub commands: &'a mut Vec<Command>,
}

impl Conn {
    /// Reads what has come into `scratch`, which is empty. 0 is the peer's end.
    pub fn poll_read(
        &self,
        context: &mut Context<'_>,
        scratch: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        scratch.reserve(READ_BYTES_MAX);
        // A read that does not fill the buffer tells tokio that the socket is empty, which saves
        // the second read that would find nothing.
        let mut stream = self.stream.borrow_mut();
        poll_read_buf(Pin::new(&mut *stream), context, scratch)
    }
}

impl State {
    /// Handles the frames in `input`, with what was left of the last read in front.
    ///
    /// `moves` tells for a device whether its inbox is on another reactor.
    pub fn receive(
        &mut self,
        input: &mut BytesMut,
        now: Seconds,
        office: &mut Office<'_>,
        moves: impl Fn(&Auth) -> bool,
    ) -> Received {
        let Some(mut partial) = self.partial.take() else {
            let received = self.handle_frames(input, now, office, moves);
            if !input.is_empty() && !matches!(received, Received::Over(..)) {
                self.partial = Some(Box::new(Partial {
                    bytes: BytesMut::from(&input[..]),
                    since: now,
                    bytes_then: 0,
                }));
            }
            return received;
        };
        partial.bytes.extend_from_slice(input);
        let before = partial.bytes.len();
        let received = self.handle_frames(&mut partial.bytes, now, office, moves);
        if partial.bytes.len() < before {
            // Another frame is open now.
            partial.since = now;
            partial.bytes_then = 0;
        }
        if !partial.bytes.is_empty() && !matches!(received, Received::Over(..)) {
            self.partial = Some(partial);
        }
        received
    }

    /// Handles what moved here together with the connection.
    pub fn resume(&mut self, auth: Box<Auth>, now: Seconds, office: &mut Office<'_>) -> Received {
        match self.handle(Inbound::Auth(auth), office) {
            Ok(()) => self.receive(&mut BytesMut::new(), now, office, |_| false),
            Err(ending) => Received::Over(ending, Why::Session),
        }
    }

    fn handle_frames(
        &mut self,
        input: &mut BytesMut,
        now: Seconds,
        office: &mut Office<'_>,
        moves: impl Fn(&Auth) -> bool,
    ) -> Received {
        loop {
            let Some(session) = &self.session else {
                return Received::All;
            };
            let mut codec = FrameCodec {
                frame_bytes_max: session.frame_bytes_max(),
                outbound_bytes_max: 0,
            };
            let frame = match codec.decode(input) {
                Ok(None) => return Received::All,
                Ok(Some(frame)) => frame,
                Err(error) => {
                    let code = error.close_code();
                    return Received::Over(Ending::Refused(code), Why::Bytes(code));
                }
            };
            self.heard = now;
            let frame = match frame {
                Inbound::Auth(auth) if session.may_authenticate() && moves(&auth) => {
                    return Received::Moves(auth);
                }
                frame => frame,
            };
            if let Err(ending) = self.handle(frame, office) {
                return Received::Over(ending, Why::Session);
            }
        }
    }

    fn handle(&mut self, frame: Inbound, office: &mut Office<'_>) -> Result<(), Ending> {
        let Some(session) = self.session.take() else {
            return Ok(());
        };
        let was_stranger = session.address().is_none();
        let session = session.on_frame(
            frame,
            &mut Desk {
                session: office.session,
                peer: office.peer,
                now: office.now,
                now_us: office.now_us,
                shared: office.shared,
                driver: &mut *office.driver,
                signatures: &mut *office.signatures,
                sends: &mut *office.sends,
                tls: self.tls.as_deref(),
                out: &mut self.out,
                commands: office.commands,
            },
        )?;
        if was_stranger && let Some(address) = session.address() {
            self.place.authenticated();
            self.device = Some(address);
        }
        self.session = Some(session);
        Ok(())
    }
}

/// What one read takes at most: a reactor's fair share for one connection, and enough for the
/// largest burst of small frames.
const READ_BYTES_MAX: usize = 64 * 1024;
