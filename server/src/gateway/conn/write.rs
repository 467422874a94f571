//! From the session's frames to the socket: one write per connection and turn.

use std::io::{self, IoSlice, Write};
use std::net::Shutdown;

use bytes::{Buf, BytesMut};
use martlet_protocol::frame::{Close, Frame};
use martlet_protocol::{CloseCode, codec};
use socket2::SockRef;
use tokio::net::TcpStream;

use crate::clock::Seconds;
use crate::gateway::conn::{Conn, Phase, State};
use crate::gateway::tls;

/// How far a flush has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushed {
    /// Nothing waits.
    All,
    /// The socket takes no more now.
    Blocked,
    /// The connection is dead.
    Dead,
}

impl Conn {
    /// Writes what waits, as far as the socket takes it.
    pub fn flush(&self, state: &mut State, now: Seconds) -> Flushed {
        let stream = self.stream.borrow();
        let waiting = state.out.len();
        let result = match &mut state.tls {
            Some(session) => tls::write(session, &mut state.out, &mut Socket(&stream)),
            None => write_plain(&stream, &mut state.out),
        };
        let blocked = match result {
            Ok(()) => {
                // An idle connection owns no buffer.
                state.out = BytesMut::new();
                state.blocked_since = None;
                return self.end_if_closing(state, &stream);
            }
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        };
        if !blocked {
            return Flushed::Dead;
        }
        if state.out.len() < waiting || state.blocked_since.is_none() {
            state.blocked_since = Some(now);
        }
        Flushed::Blocked
    }

    /// Everything is written: if it was the last, the peer is told that nothing follows.
    fn end_if_closing(&self, state: &mut State, stream: &TcpStream) -> Flushed {
        let Phase::Closing { until } = state.phase else {
            return Flushed::All;
        };
        if let Some(session) = &mut state.tls {
            session.send_close_notify();
            // What the socket does not take now is a courtesy lost, no more.
            let _ = tls::write(session, &mut state.out, &mut Socket(stream));
        }
        state.phase = Phase::Lingering { until };
        match SockRef::from(stream).shutdown(Shutdown::Write) {
            Ok(()) => Flushed::All,
            Err(_) => Flushed::Dead,
        }
    }
}

impl State {
    /// Queues the last frame. It has room even when the client has left too much unread.
    pub fn say_close(&mut self, code: CloseCode) {
        let close = Close { code, detail: "" };
        codec::encode(&Frame::Close(close), &mut self.out);
    }
}

fn write_plain(stream: &TcpStream, out: &mut BytesMut) -> io::Result<()> {
    while !out.is_empty() {
        match stream.try_write(out)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => out.advance(written),
        }
    }
    Ok(())
}

/// A socket that never waits.
struct Socket<'a>(&'a TcpStream);

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
