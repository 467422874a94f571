//! Accounts of the generator: their keys, and the way from a TCP connection to READY.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use aws_lc_rs::rand;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use bytes::BytesMut;
use martlet_protocol::auth::{
    BINDING_NONE, KEY_BYTES, SIGNATURE_BYTES, auth_message, register_message,
};
use martlet_protocol::codec::{self, Decoder};
use martlet_protocol::frame::{Auth, Challenge, Frame, Hello, Nack, Ready, Register, Registered};
use martlet_protocol::limits::FRAME_BYTES_MAX;
use martlet_protocol::version::{Features, VERSION_MAX, VERSION_MIN};
use martlet_protocol::{Address, Class, DeviceId, Position, UserId};
use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, Socket, Type};

use crate::credit::Granted;
use crate::sys;

/// One registered account with one device. Written to a file, it can be used by a later run.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Account {
    /// The name it was registered under.
    pub handle: String,
    user: u64,
    device: u16,
    seed: [u8; KEY_BYTES],
}

/// An authenticated connection, still blocking.
#[derive(Debug)]
pub struct Session {
    /// The socket.
    pub stream: TcpStream,
    /// What the server said to AUTH.
    pub ready: Ready,
    /// What came behind READY in the same read.
    pub rest: Vec<u8>,
}

impl Account {
    /// Registers a new account under `handle`. A server that asks for patience gets it.
    pub fn register(mut greeting: Greeting, handle: String) -> Result<Self> {
        let mut seed = [0; KEY_BYTES];
        rand::fill(&mut seed).map_err(|_| anyhow!("no random bytes"))?;
        let key = key_pair(&seed)?;
        let message = register_message(&greeting.challenge.nonce, &BINDING_NONE, &handle);
        let register = Register {
            handle: &handle,
            key: key
                .public_key()
                .as_ref()
                .try_into()
                .context("an Ed25519 key has 32 bytes")?,
            signature: key
                .sign(&message)
                .as_ref()
                .try_into()
                .context("and a signature 64")?,
            token: &[],
        };
        let address = loop {
            greeting.wire.write(&Frame::Register(register.clone()))?;
            let answer = greeting.wire.read(|frame| match frame {
                Frame::Registered(Registered { address }) => Some(Ok(*address)),
                Frame::Nack(nack) => Some(Err(*nack)),
                _ => None,
            })?;
            match answer {
                Ok(address) => break address,
                Err(nack) if nack.class == Class::RETRY_AFTER => {
                    thread::sleep(Duration::from_millis(nack.retry_after_ms.max(1)));
                }
                Err(nack) => bail!("register {handle}: {}", Refusal(nack)),
            }
        };
        Ok(Self {
            handle,
            user: address.user.0,
            device: address.device.0,
            seed,
        })
    }

    /// The account's only device.
    pub fn address(&self) -> Address {
        Address {
            user: UserId(self.user),
            device: DeviceId(self.device),
        }
    }

    /// Signs a message as the account's device.
    ///
    /// # Errors
    /// When the seed is no seed.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; SIGNATURE_BYTES]> {
        let signature = key_pair(&self.seed)?.sign(message);
        let bytes = signature.as_ref().try_into();
        bytes.context("a signature has 64 bytes")
    }

    /// Authenticates, with the whole window of credit. The device knows nothing of its stream,
    /// so after an earlier run the stream resumes where the server says.
    pub fn authenticate(&self, greeting: Greeting) -> Result<Session> {
        let Greeting {
            mut wire,
            challenge,
        } = greeting;
        let message = auth_message(&challenge.nonce, &BINDING_NONE, self.address());
        let auth = Auth {
            address: self.address(),
            signature: self.sign(&message)?,
            epoch: 0,
            cursor: Position(0),
            credit: Granted::WINDOW,
        };
        wire.write(&Frame::Auth(auth))?;
        let answer = wire.read(|frame| match frame {
            Frame::Ready(ready) => Some(Ok(*ready)),
            Frame::Nack(nack) => Some(Err(*nack)),
            _ => None,
        })?;
        let ready =
            answer.map_err(|nack| anyhow!("authenticate {}: {}", self.handle, Refusal(nack)))?;
        wire.stream
            .set_read_timeout(None)
            .context("set up a connection")?;
        Ok(Session {
            stream: wire.stream,
            ready,
            rest: wire.input,
        })
    }
}

impl Session {
    /// Asks something and waits for the answer that `pick` knows. Whatever else comes is passed
    /// over.
    ///
    /// # Errors
    /// When the server refuses, closes, or is silent.
    pub fn ask<T>(
        &mut self,
        question: &Frame<'_>,
        pick: impl Fn(&Frame<'_>) -> Option<T>,
    ) -> Result<T> {
        let mut wire = Wire {
            stream: self.stream.try_clone().context("share a connection")?,
            input: std::mem::take(&mut self.rest),
        };
        wire.write(question)?;
        let answer = loop {
            let next = wire.read(|frame| match frame {
                Frame::Nack(nack) => Some(Some(Err(*nack))),
                Frame::Close(_) => None,
                frame => Some(pick(frame).map(Ok)),
            })?;
            if let Some(answer) = next {
                break answer;
            }
        };
        self.rest = wire.input;
        answer.map_err(|nack| anyhow!("{}", Refusal(nack)))
    }
}

/// A connection on which the server has answered HELLO.
#[derive(Debug)]
pub struct Greeting {
    wire: Wire,
    challenge: Challenge,
}

impl Greeting {
    /// Connects, from `source` if one is given, and says HELLO.
    pub fn connect(server: SocketAddr, source: Option<IpAddr>) -> Result<Self> {
        let stream = dial(server, source).with_context(|| format!("connect to {server}"))?;
        let mut wire = Wire {
            stream,
            input: Vec::new(),
        };
        let hello = Hello {
            version_min: VERSION_MIN,
            version_max: VERSION_MAX,
            features: Features::SUPPORTED,
            agent: concat!("martlet-bench ", env!("CARGO_PKG_VERSION")),
        };
        wire.write(&Frame::Hello(hello))?;
        let challenge = wire.read(|frame| match frame {
            Frame::Challenge(challenge) => Some(*challenge),
            _ => None,
        })?;
        Ok(Self { wire, challenge })
    }
}

/// Opens a TCP connection, from `source` if one is given: one address has no more ports towards
/// one server than the kernel's ephemeral range.
pub fn dial(server: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = Socket::new(
        Domain::for_address(server),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if let Some(source) = source {
        sys::choose_port_at_connect(socket.as_fd())?;
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    socket.connect_timeout(&server.into(), ANSWER_TIMEOUT)?;
    socket.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    socket.set_tcp_nodelay(true)?;
    Ok(socket.into())
}

/// A NACK in words.
#[derive(Debug)]
pub struct Refusal(pub Nack);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(nack) = self;
        write!(
            f,
            "the server refused {}: {}",
            nack.of.name(),
            nack.code.name()
        )?;
        if nack.class == Class::RETRY_AFTER {
            write!(f, " (retry after {} ms)", nack.retry_after_ms)?;
        }
        Ok(())
    }
}

fn key_pair(seed: &[u8; KEY_BYTES]) -> Result<Ed25519KeyPair> {
    Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| anyhow!("32 bytes are no Ed25519 seed"))
}

/// A blocking connection, used until READY.
#[derive(Debug)]
struct Wire {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Wire {
    fn write(&mut self, frame: &Frame<'_>) -> Result<()> {
        let mut bytes = BytesMut::new();
        codec::encode(frame, &mut bytes);
        self.stream
            .write_all(&bytes)
            .with_context(|| format!("send {:?}", frame.kind()))
    }

    /// Reads the next frame, which must be one that `pick` wants.
    fn read<T>(&mut self, pick: impl Fn(&Frame<'_>) -> Option<T>) -> Result<T> {
        let mut decoder = Decoder::new(FRAME_BYTES_MAX);
        loop {
            let mut rest = &self.input[..];
            if let Some(frame) = decoder.next(&mut rest).context("understand the server")? {
                let picked = pick(&frame).ok_or_else(|| match &frame {
                    Frame::Close(close) => {
                        anyhow!("the server closed: {:?} {}", close.code, close.detail)
                    }
                    other => anyhow!("the server sent an unexpected {:?}", other.kind()),
                });
                let consumed = self.input.len() - rest.len();
                self.input.drain(..consumed);
                return picked;
            }
            let mut chunk = [0; 4096];
            let count = self
                .stream
                .read(&mut chunk)
                .context("wait for the server's answer")?;
            if count == 0 {
                bail!("the server closed the connection without a word");
            }
            self.input.extend_from_slice(&chunk[..count]);
        }
    }
}

/// How long the server may take to answer before a run starts.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
