//! A nonblocking socket: one read and at most one write a turn, no buffer while it is idle.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};

use bytes::{Buf, BytesMut};
use martlet_protocol::limits::FRAME_BYTES_MAX;

/// One end of a connection. It keeps a partial frame between turns and what the socket would not
/// take; whole frames are parsed out of the caller's scratch buffer and never copied.
#[derive(Debug)]
pub struct Link {
    stream: TcpStream,
    partial: Vec<u8>,
    output: BytesMut,
    /// The socket took less than was offered; the owner watches it for writing.
    blocked: bool,
}

/// What one read gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// This many bytes stand at the front of the scratch buffer.
    Bytes(usize),
    /// The peer has closed the connection.
    Closed,
    /// Nothing had arrived after all.
    Nothing,
}

/// What [`Link::flush`] left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushed {
    /// Watch the socket for writing from now on.
    Blocked,
    /// Stop watching the socket for writing.
    Unblocked,
    /// Nothing has changed.
    Same,
}

impl Link {
    /// Takes over a connected socket; `partial` is what was read of it already.
    pub fn new(stream: TcpStream, partial: Vec<u8>) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            partial,
            output: BytesMut::new(),
            blocked: false,
        })
    }

    /// Reads once into `scratch`, which must have [`SCRATCH_BYTES`], behind what was kept.
    pub fn read(&mut self, scratch: &mut [u8]) -> io::Result<Input> {
        let kept = self.partial.len();
        scratch[..kept].copy_from_slice(&self.partial);
        match self.stream.read(&mut scratch[kept..]) {
            Ok(0) => Ok(Input::Closed),
            Ok(count) => {
                self.partial.clear();
                Ok(Input::Bytes(kept + count))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Input::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Keeps what the decoder could not use yet: less than one frame.
    pub fn keep(&mut self, rest: &[u8]) {
        self.partial.extend_from_slice(rest);
    }

    /// Frames for the peer; they leave with the next [`Link::flush`].
    pub fn output(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    /// Offers everything that waits to the socket, in one write.
    pub fn flush(&mut self) -> io::Result<Flushed> {
        if !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(count) => self.output.advance(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        if self.output.is_empty() {
            // The whole capacity is free again, not only what lies behind the last write.
            self.output.clear();
        }
        let was = std::mem::replace(&mut self.blocked, !self.output.is_empty());
        Ok(match (was, self.blocked) {
            (false, true) => Flushed::Blocked,
            (true, false) => Flushed::Unblocked,
            _ => Flushed::Same,
        })
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Bytes of the buffer that all links of a thread read into: a kept partial frame and a read as
/// large as any frame fit together.
pub const SCRATCH_BYTES: usize = 2 * FRAME_BYTES_MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn connected() -> (Link, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (
            Link::new(listener.accept().unwrap().0, Vec::new()).unwrap(),
            peer,
        )
    }

    #[test]
    fn a_partial_frame_stands_in_front_of_what_comes_next() {
        let (mut link, mut peer) = connected();
        let mut scratch = vec![0; SCRATCH_BYTES];
        assert_eq!(link.read(&mut scratch).unwrap(), Input::Nothing);
        link.keep(b"abc");
        assert_eq!(link.read(&mut scratch).unwrap(), Input::Nothing);
        peer.write_all(b"def").unwrap();
        while link.read(&mut scratch).unwrap() != Input::Bytes(6) {}
        assert_eq!(&scratch[..6], b"abcdef");
        drop(peer);
        while link.read(&mut scratch).unwrap() != Input::Closed {}
    }

    #[test]
    fn what_a_full_socket_refuses_is_kept_and_arrives_in_order() {
        let (mut link, mut peer) = connected();
        let sent: Vec<u8> = (0..8_000_000_u32)
            .map(|index| (index % 251) as u8)
            .collect();
        link.output().extend_from_slice(&sent);
        assert_eq!(link.flush().unwrap(), Flushed::Blocked);
        assert_eq!(link.flush().unwrap(), Flushed::Same);
        let reader = std::thread::spawn(move || {
            let mut received = vec![0; 8_000_000];
            peer.read_exact(&mut received).unwrap();
            received
        });
        while link.flush().unwrap() != Flushed::Unblocked {}
        assert_eq!(reader.join().unwrap(), sent);
    }
}
