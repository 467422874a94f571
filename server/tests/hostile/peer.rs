//! One end of a connection that says whatever a test wants.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use bytes::BytesMut;
use martlet_protocol::auth::{BINDING_NONE, KEY_BYTES, auth_message, register_message};
use martlet_protocol::codec;
use martlet_protocol::frame::{
    Auth, Challenge, Credit, Frame, Hello, Nack, Ping, Ready, Register, Send, SendScope,
};
use martlet_protocol::header::Header;
use martlet_protocol::limits::{FRAME_BYTES_MAX, HEADER_BYTES};
use martlet_protocol::version::Features;
use martlet_protocol::wire::List;
use martlet_protocol::{
    Address, CloseCode, Kind, MessageId, Millis, NackCode, Position, Timestamp, UserId,
};
use socket2::{Domain, Socket, Type};

use crate::server::PATIENCE;

/// What TCP or TLS looks like to a peer.
pub(crate) trait Transport: Read + Write + std::marker::Send {
    /// The socket below.
    fn socket(&self) -> &TcpStream;
}

impl Transport for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

/// A connection.
pub(crate) struct Peer {
    stream: Box<dyn Transport>,
    input: Vec<u8>,
    /// What ties signatures to the transport.
    pub(crate) binding: [u8; KEY_BYTES],
    /// From CHALLENGE.
    pub(crate) nonce: [u8; KEY_BYTES],
}

/// An account with its first device.
pub(crate) struct Account {
    pub(crate) key: Ed25519KeyPair,
    pub(crate) address: Address,
}

/// A frame that owns its bytes.
pub(crate) struct Got {
    pub(crate) kind: Kind,
    payload: Vec<u8>,
}

impl Got {
    /// What it costs in credit.
    pub(crate) fn frame_bytes(&self) -> u64 {
        (HEADER_BYTES + self.payload.len()) as u64
    }

    pub(crate) fn frame(&self) -> Frame<'_> {
        Frame::decode(self.kind, &self.payload).unwrap()
    }
}

impl Peer {
    pub(crate) fn connect(server: SocketAddr) -> Self {
        Self::on(connect(server))
    }

    pub(crate) fn connect_from(server: SocketAddr, source: Ipv4Addr) -> Self {
        Self::on(connect_from(server, source))
    }

    fn on(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self::over(Box::new(stream), BINDING_NONE)
    }

    pub(crate) fn over(stream: Box<dyn Transport>, binding: [u8; KEY_BYTES]) -> Self {
        Self {
            stream,
            input: Vec::new(),
            binding,
            nonce: [0; KEY_BYTES],
        }
    }

    /// A connection that has its nonce.
    pub(crate) fn greeted(server: SocketAddr) -> Self {
        let mut peer = Self::connect(server);
        peer.greet();
        peer
    }

    /// A connection of an authenticated device.
    pub(crate) fn ready(server: SocketAddr, account: &Account) -> Self {
        let mut peer = Self::greeted(server);
        peer.authenticate(account);
        peer
    }

    pub(crate) fn greet(&mut self) -> Challenge {
        self.send(&hello(1, 1));
        match self.next().expect("CHALLENGE").frame() {
            Frame::Challenge(challenge) => {
                self.nonce = challenge.nonce;
                challenge
            }
            other => panic!("expected CHALLENGE, got {other:?}"),
        }
    }

    pub(crate) fn register(&mut self, handle: &str) -> Account {
        let key = Ed25519KeyPair::generate().unwrap();
        self.send_register(&key, handle, b"");
        match self.next().expect("REGISTERED").frame() {
            Frame::Registered(registered) => Account {
                key,
                address: registered.address,
            },
            other => panic!("expected REGISTERED, got {other:?}"),
        }
    }

    pub(crate) fn send_register(&mut self, key: &Ed25519KeyPair, handle: &str, token: &[u8]) {
        let message = register_message(&self.nonce, &self.binding, handle);
        self.send(&Frame::Register(Register {
            handle,
            key: key.public_key().as_ref().try_into().unwrap(),
            signature: key.sign(&message).as_ref().try_into().unwrap(),
            token,
        }));
    }

    pub(crate) fn authenticate(&mut self, account: &Account) -> Ready {
        self.send_auth(account, account.address);
        match self.next().expect("READY").frame() {
            Frame::Ready(ready) => ready,
            other => panic!("expected READY, got {other:?}"),
        }
    }

    pub(crate) fn send_auth(&mut self, account: &Account, address: Address) {
        let auth = self.auth(account, address);
        self.send_bytes(&auth);
    }

    /// An AUTH for this connection.
    pub(crate) fn auth(&self, account: &Account, address: Address) -> BytesMut {
        let message = auth_message(&self.nonce, &self.binding, address);
        encoded(&Frame::Auth(Auth {
            address,
            signature: account.key.sign(&message).as_ref().try_into().unwrap(),
            epoch: 0,
            cursor: Position(0),
            credit: Credit {
                messages: 1024,
                bytes: 256 * 1024,
            },
        }))
    }

    pub(crate) fn send(&mut self, frame: &Frame<'_>) {
        self.send_bytes(&encoded(frame));
    }

    /// Writes bytes. The server may have closed already: then the answer says why.
    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        match self.stream.write_all(bytes) {
            Ok(()) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
                ) => {}
            Err(error) => panic!("write: {error}"),
        }
    }

    /// The next frame, or `None` at the end of the connection.
    pub(crate) fn next(&mut self) -> Option<Got> {
        loop {
            if let Some(got) = self.read_before() {
                return Some(got);
            }
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(bytes) => self.input.extend_from_slice(&chunk[..bytes]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return None,
                Err(error) => panic!("read: {error}"),
            }
        }
    }

    /// The next frame of what was read from the socket already.
    fn read_before(&mut self) -> Option<Got> {
        let head = self.input.first_chunk::<HEADER_BYTES>()?;
        let (header, _) = Header::parse(*head, FRAME_BYTES_MAX).unwrap();
        if self.input.len() < header.frame_bytes() {
            return None;
        }
        let mut frame: Vec<u8> = self.input.drain(..header.frame_bytes()).collect();
        let payload = frame.split_off(HEADER_BYTES);
        Some(Got {
            kind: header.kind,
            payload,
        })
    }

    /// The next frame if it comes soon.
    pub(crate) fn next_within(&mut self, time: Duration) -> Option<Got> {
        if let Some(got) = self.read_before() {
            return Some(got);
        }
        let set = |peer: &Self, time| peer.stream.socket().set_read_timeout(Some(time)).unwrap();
        set(self, time);
        let mut byte = [0];
        let is_there = matches!(self.stream.socket().peek(&mut byte), Ok(1));
        set(self, PATIENCE);
        is_there.then(|| self.next()).flatten()
    }

    /// Asserts that the connection ends with `code`, whatever came before.
    pub(crate) fn expect_close(&mut self, code: CloseCode) {
        loop {
            match self.next().map(|got| (got.kind, got)) {
                Some((Kind::CLOSE, got)) => {
                    let Frame::Close(close) = got.frame() else {
                        panic!("a CLOSE that is none");
                    };
                    assert_eq!(close.code, code);
                    break;
                }
                Some(_) => {}
                None => panic!("the connection ended without CLOSE({code:?})"),
            }
        }
        assert!(self.next().is_none(), "a frame behind CLOSE");
    }

    /// Asserts that the next frame refuses a request.
    pub(crate) fn expect_nack(&mut self, of: Kind, code: NackCode) -> Nack {
        match self.next().expect("NACK").frame() {
            Frame::Nack(nack) => {
                assert_eq!((nack.of, nack.code), (of, code));
                assert_eq!(nack.class, code.class());
                nack
            }
            other => panic!("expected NACK({code:?}), got {other:?}"),
        }
    }

    /// Asserts that the connection lives.
    pub(crate) fn check_alive(&mut self) {
        self.send(&Frame::Ping(Ping { token: 77 }));
        loop {
            let got = self.next().expect("PONG");
            if let Frame::Pong(pong) = got.frame() {
                assert_eq!(pong.token, 77);
                return;
            }
        }
    }
}

/// Connects from one loopback address after the other: the ports of a single one would run out.
pub(crate) fn connect(server: SocketAddr) -> TcpStream {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let host = COUNT.fetch_add(1, Ordering::Relaxed) % 60_000 + 1;
    let source = Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 0).to_bits() + host);
    connect_from(server, source)
}

fn connect_from(server: SocketAddr, source: Ipv4Addr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
    socket.connect(&server.into()).unwrap();
    socket.into()
}

/// Registers an account on a connection of its own.
pub(crate) fn account(server: SocketAddr, handle: &str) -> Account {
    Peer::greeted(server).register(handle)
}

pub(crate) fn encoded(frame: &Frame<'_>) -> BytesMut {
    let mut out = BytesMut::new();
    codec::encode(frame, &mut out);
    out
}

pub(crate) fn hello(version_min: u8, version_max: u8) -> Frame<'static> {
    Frame::Hello(Hello {
        version_min,
        version_max,
        features: Features(0),
        agent: "hostile",
    })
}

/// A message with a new id.
pub(crate) fn message(to: UserId, envelope: &[u8]) -> Send<'_> {
    Send {
        message_id: message_id(),
        to,
        after: Timestamp(0),
        ttl_ms: 0,
        scope: SendScope::ALL,
        to_version: 0,
        own_version: 0,
        to_parts: List::EMPTY,
        own_parts: List::EMPTY,
        envelope,
    }
}

pub(crate) fn message_id() -> MessageId {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut random = [0; 10];
    getrandom::fill(&mut random).unwrap();
    MessageId::new(Millis(now.as_millis() as u64), random)
}
