//! What a connection is: small on purpose, because most of them are idle.

use std::cell::RefCell;
use std::net::SocketAddr;

use bytes::BytesMut;
use martlet_protocol::Address;
use martlet_protocol::frame::Auth;
use martlet_shard::SessionId;
use rustls::ServerConnection;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

use crate::admission::Place;
use crate::clock::Seconds;
use crate::gateway::conn::Held;
use crate::gateway::session::Session;

/// A connection of a reactor. Small on purpose: most of them are idle most of the time, and an
/// idle one owns no buffer.
pub struct Conn {
    /// Its name towards the shards.
    pub session: SessionId,
    /// Where it comes from.
    pub peer: SocketAddr,
    /// The socket. Borrowed for single calls only, never across an `await`.
    pub stream: RefCell<TcpStream>,
    /// Everything that changes. As above.
    pub state: RefCell<State>,
}

/// What changes on a connection. It moves with it from reactor to reactor.
pub struct State {
    /// The conversation; none once it is over.
    pub session: Option<Session>,
    /// The device, from its authentication until its shard hears that the connection is over. A
    /// frame that ends the conversation uses the session up, so it is not asked there.
    pub device: Option<Address>,
    /// How far the end has come.
    pub phase: Phase,
    /// The frame that is half received.
    pub(super) partial: Option<Box<Partial>>,
    /// Frames for the client that are not written yet.
    pub out: BytesMut,
    /// What was not written while too much waited.
    pub held: Held,
    /// TLS, unless the transport is plain.
    pub tls: Option<Box<ServerConnection>>,
    /// When it was accepted, or when the wait for being listed ended.
    pub opened: Seconds,
    /// When the last whole frame came.
    pub heard: Seconds,
    /// When the wheel brings it up next.
    pub check_at: Seconds,
    /// Since when the socket has taken nothing although something waits.
    pub(super) blocked_since: Option<Seconds>,
    /// It is on the list of those to flush at the end of the turn.
    pub is_dirty: bool,
    /// The task that reads, to be stopped when the connection goes.
    pub reader: Option<AbortHandle>,
    /// The task that waits until the socket takes more.
    pub writer: Option<AbortHandle>,
    /// Its place among all connections.
    pub place: Place,
}

/// How far the end of a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It lives.
    Open,
    /// The last frames are being written; what comes in is thrown away.
    Closing {
        /// When to stop being patient.
        until: Seconds,
    },
    /// All is written and the peer knows; its own end is awaited, because closing a socket with
    /// unread bytes would make the kernel take the last frame back.
    Lingering {
        /// When to stop being patient.
        until: Seconds,
    },
}

/// The first bytes of a frame, or of several when the connection has just moved.
pub(super) struct Partial {
    pub(super) bytes: BytesMut,
    /// Since when the frame is open without the progress that is asked for.
    pub(super) since: Seconds,
    /// How much was there then.
    pub(super) bytes_then: usize,
}

/// A connection on its way to the reactor that hosts its inbox.
pub struct Traveller {
    /// The socket, outside any runtime.
    pub stream: std::net::TcpStream,
    /// Where it comes from.
    pub peer: SocketAddr,
    /// Everything else.
    pub state: State,
    /// What it said last, still to be answered.
    pub auth: Box<Auth>,
}

impl State {
    /// A connection that has just been accepted.
    pub fn new(now: Seconds, place: Place, tls: Option<Box<ServerConnection>>) -> Self {
        Self {
            session: Some(Session::new()),
            device: None,
            phase: Phase::Open,
            partial: None,
            out: BytesMut::new(),
            held: Held::default(),
            tls,
            opened: now,
            heard: now,
            check_at: now,
            blocked_since: None,
            is_dirty: false,
            reader: None,
            writer: None,
            place,
        }
    }

    /// Whether the peer has not authenticated.
    pub fn is_stranger(&self) -> bool {
        self.session
            .as_ref()
            .is_none_or(|session| session.address().is_none())
    }

    /// Whether the peer waits to be listed among an account's devices.
    pub fn is_linking(&self) -> bool {
        self.session.as_ref().is_some_and(Session::is_linking)
    }

    /// Whether TLS is not established yet.
    pub fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    /// When the frame that is open must have made progress: since when it has not.
    pub fn open_frame_since(&self) -> Option<Seconds> {
        self.partial.as_ref().map(|partial| partial.since)
    }

    /// Whether the open frame has grown as it must since it was last asked. A drip of single
    /// bytes is no progress.
    pub fn has_progressed(&mut self, now: Seconds) -> bool {
        let Some(partial) = &mut self.partial else {
            return true;
        };
        if partial.bytes.len() < partial.bytes_then + PROGRESS_BYTES_MIN {
            return false;
        }
        partial.since = now;
        partial.bytes_then = partial.bytes.len();
        true
    }

    /// Since when the socket takes nothing although something waits.
    pub fn blocked_since(&self) -> Option<Seconds> {
        self.blocked_since
    }

    /// Stops the tasks that serve the connection.
    pub fn stop_tasks(&mut self) {
        for task in [self.reader.take(), self.writer.take()]
            .into_iter()
            .flatten()
        {
            task.abort();
        }
    }
}

/// What an open frame must gain in the configured time.
const PROGRESS_BYTES_MIN: usize = 512;
