//! New connections: admitted, turned away, or left waiting when descriptors have run out.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;
use martlet_protocol::frame::{Close, Frame};
use martlet_protocol::{CloseCode, codec};
use rustix::io::Errno;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::TcpStream;
use tokio::{task, time};

use crate::gateway::conn::State;
use crate::gateway::tls;
use crate::reactor::{Reactor, Shelf};

/// One listening socket per reactor; the kernel spreads connections over them.
///
/// # Errors
/// When the address cannot be listened on.
pub fn listen(address: SocketAddr, reactors: usize) -> io::Result<Vec<TcpListener>> {
    // A socket that shares its port would happily share it with another server too. One that
    // does not share finds out.
    drop(listener(address, false)?);
    let first = listener(address, true)?;
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..reactors {
        listeners.push(listener(address, true)?);
    }
    Ok(listeners)
}

fn listener(address: SocketAddr, shares_port: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shares_port)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Starts the task that accepts.
pub(super) fn start(reactor: &Shelf, listener: TcpListener) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let task = task::spawn_local(accept(Rc::clone(reactor), listener));
    reactor.borrow_mut().listener = Some(task.abort_handle());
    Ok(())
}

async fn accept(reactor: Shelf, listener: tokio::net::TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let mut this = reactor.borrow_mut();
                this.welcome(&reactor, stream, peer);
            }
            Err(error) if is_exhausted(&error) => {
                // The connection stays in the backlog. Trying again at once would spin.
                tracing::warn!(event = "descriptors_exhausted", %error);
                time::sleep(EXHAUSTED_PAUSE).await;
            }
            // The peer was gone before it was accepted.
            Err(error) => tracing::debug!(event = "accept_failed", %error),
        }
    }
}

fn is_exhausted(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
    )
}

impl Reactor {
    fn welcome(&mut self, shelf: &Shelf, stream: TcpStream, peer: SocketAddr) {
        let place = match self.shared.admission.connect(peer.ip()) {
            Ok(place) => place,
            Err(code) => return self.turn_away(&stream, peer, code),
        };
        let tls = match self.shared.tls.as_ref().map(tls::accept).transpose() {
            Ok(tls) => tls,
            Err(error) => {
                tracing::error!(event = "tls_unavailable", %error);
                return;
            }
        };
        if let Err(error) = tune(&stream) {
            tracing::debug!(event = "accept_failed", %peer, %error);
            return;
        }
        let now = self.shared.clock.seconds();
        self.seat(shelf, stream, peer, State::new(now, place, tls));
    }

    /// Tells a peer that there is no place for it, if that costs nothing.
    fn turn_away(&mut self, stream: &TcpStream, peer: SocketAddr, code: CloseCode) {
        // One line a second says how many: a flood must not become a flood of lines.
        self.turned_away += 1;
        tracing::debug!(event = "connection_turned_away", %peer, code = code.name());
        if self.shared.tls.is_some() {
            return;
        }
        let mut out = BytesMut::new();
        codec::encode(&Frame::Close(Close { code, detail: "" }), &mut out);
        // Closing a socket with unread bytes would take the frame back, so what has come with
        // the connection is read. Neither call waits.
        let _ = stream.try_write(&out);
        let _ = SockRef::from(stream).shutdown(std::net::Shutdown::Write);
        let _ = stream.try_read(&mut [0; TURNED_AWAY_READ_MAX]);
    }
}

/// Writes are coalesced by the turn, so the kernel need not wait for more; and it must not buffer
/// for a slow reader what its inbox keeps anyway.
fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_notsent_lowat(NOTSENT_BYTES_MAX)
}

/// Connections that may wait to be accepted, for each reactor.
const BACKLOG: i32 = 4096;

/// Bytes that the kernel may hold unsent before it calls the socket full.
const NOTSENT_BYTES_MAX: u32 = 128 * 1024;

/// How long to wait for descriptors to be returned.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// As much as a HELLO and then some.
const TURNED_AWAY_READ_MAX: usize = 512;
