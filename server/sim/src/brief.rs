//! A frame in one short line, for the trace.

use std::fmt;

use martlet_protocol::frame::Frame;

/// Shows a frame without what is long in it.
pub(crate) struct Brief<'a>(pub(crate) &'a Frame<'a>);

impl fmt::Display for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Frame::Send(send) => {
                let (id, to) = (send.message_id, send.to);
                write!(f, "SEND {id} to {to} ttl {}", send.ttl_ms)
            }
            Frame::Event(event) => {
                let (at, kind, id) = (event.position, event.kind.0, event.message_id);
                write!(f, "EVENT {at} kind {kind} {id} at {}", event.timestamp)
            }
            // Signatures, keys and nonces say nothing to a reader.
            Frame::Hello(_) | Frame::Challenge(_) | Frame::Register(_) => {
                write!(f, "{:?}", self.0.kind())
            }
            Frame::Auth(auth) => write!(f, "AUTH {} at {}", auth.address, auth.cursor),
            frame => write!(f, "{frame:?}"),
        }
    }
}
