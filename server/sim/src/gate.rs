//! The server's end of one conversation: frames become commands, as in the real gateway.
//!
//! It checks nothing that only a hostile client would break, signatures among it: the clients here
//! are the real engines. What an engine itself must not do is a violation of the protocol and ends
//! the run.

use bytes::BytesMut;
use martlet_protocol::codec::{self, Decoder};
use martlet_protocol::frame::{
    Challenge, Credit, Frame, LookupQuery, Ready, Registration, Send, Status,
};
use martlet_protocol::limits::FRAME_BYTES_MAX;
use martlet_protocol::version::{Features, VERSION_MAX};
use martlet_protocol::{Address, CloseCode, Kind, Position};
use martlet_shard::{Command, SendRequest, SessionId, Topology};

use crate::brief::Brief;
use crate::env::Env;
use crate::net::ConnId;
use crate::schedule::Time;

/// A connection that is silent for this long is closed.
pub(crate) const IDLE_MS: u64 = 9_000;

/// How many SENDs may be unanswered, and how many bytes of them.
const WINDOW: Credit = Credit {
    messages: 16,
    bytes: 128 * 1024,
};

/// One conversation.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) conn: ConnId,
    pub(crate) device: usize,
    pub(crate) phase: Phase,
    pub(crate) heard: Time,
    challenged: Time,
    pub(crate) out: BytesMut,
    input: BytesMut,
    left: Credit,
    in_debt: bool,
    unanswered_bytes: u64,
    answered: u64,
}

/// How far a conversation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Hello,
    Auth,
    Registering,
    /// AUTH is with the shard.
    Attaching(Address),
    Ready(Address),
}

/// What a frame asks for.
#[derive(Debug)]
pub(crate) enum Ask {
    Command(Command),
    /// The client says goodbye.
    End,
}

impl Gate {
    pub(crate) fn new(conn: ConnId, device: usize, now: Time) -> Self {
        Self {
            conn,
            device,
            phase: Phase::Hello,
            heard: now,
            challenged: now,
            out: BytesMut::new(),
            input: BytesMut::new(),
            left: WINDOW,
            in_debt: false,
            unanswered_bytes: 0,
            answered: 0,
        }
    }

    pub(crate) const fn session(&self) -> SessionId {
        SessionId(self.conn.0)
    }

    /// The device, once it is known.
    pub(crate) const fn address(&self) -> Option<Address> {
        match self.phase {
            Phase::Attaching(address) | Phase::Ready(address) => Some(address),
            Phase::Hello | Phase::Auth | Phase::Registering => None,
        }
    }

    /// Bytes came: what they ask for.
    pub(crate) fn on_bytes(
        &mut self,
        env: &mut Env,
        topology: &Topology,
        bytes: &[u8],
    ) -> Vec<Ask> {
        self.heard = env.now;
        let mut input = std::mem::take(&mut self.input);
        input.extend_from_slice(bytes);
        let mut rest = &input[..];
        let mut decoder = Decoder::new(FRAME_BYTES_MAX);
        let mut asks = Vec::new();
        loop {
            let before = rest.len();
            match decoder.next(&mut rest) {
                Ok(Some(frame)) => {
                    let frame_bytes = (before - rest.len()) as u64;
                    asks.extend(self.on_frame(env, topology, &frame, frame_bytes));
                }
                Ok(None) => break,
                Err(error) => {
                    let who = env.ledger.name(self.device).to_owned();
                    env.ledger
                        .violate(format!("{who} wrote bytes that are no frame: {error}"));
                    break;
                }
            }
        }
        self.input = BytesMut::from(rest);
        asks
    }

    fn on_frame(
        &mut self,
        env: &mut Env,
        topology: &Topology,
        frame: &Frame<'_>,
        frame_bytes: u64,
    ) -> Option<Ask> {
        env.note(format_args!("{} says {}", self.device, Brief(frame)));
        match (self.phase, frame) {
            (_, Frame::Close(_)) => Some(Ask::End),
            (Phase::Hello, Frame::Hello(_)) => {
                self.phase = Phase::Auth;
                self.challenged = env.now;
                let challenge = Challenge {
                    version: VERSION_MAX,
                    features: Features::SUPPORTED,
                    nonce: env.rng.bytes(),
                    server_time: env.now.millis(),
                    registration: Registration::OPEN,
                };
                self.write(&Frame::Challenge(challenge));
                None
            }
            (Phase::Auth, Frame::Register(register)) => {
                self.phase = Phase::Registering;
                Some(Ask::Command(Command::Register {
                    session: self.session(),
                    handle: register.handle.to_owned(),
                    key: register.key,
                    user: topology.user_for_handle(register.handle, env.rng.next()),
                    epoch: env.rng.next() | 1,
                    reset: false,
                }))
            }
            (Phase::Auth, Frame::Auth(auth)) => {
                self.phase = Phase::Attaching(auth.address);
                Some(Ask::Command(Command::Attach {
                    session: self.session(),
                    address: auth.address,
                    challenged_us: self.challenged.0,
                    epoch: auth.epoch,
                    cursor: auth.cursor,
                    credit: auth.credit,
                }))
            }
            (Phase::Ready(address), frame) => self.on_traffic(env, address, frame, frame_bytes),
            (phase, frame) => {
                let kind = frame.kind();
                env.ledger
                    .violate(format!("a client says {kind:?} in {phase:?}"));
                None
            }
        }
    }

    fn on_traffic(
        &mut self,
        env: &mut Env,
        address: Address,
        frame: &Frame<'_>,
        frame_bytes: u64,
    ) -> Option<Ask> {
        let session = self.session();
        let command = match frame {
            Frame::Ping(ping) => Command::Ping {
                session,
                address,
                token: ping.token,
            },
            Frame::Send(send) => self.on_send(env, address, send, frame_bytes),
            Frame::Ack(ack) => Command::Ack {
                session,
                address,
                position: ack.position,
            },
            Frame::Read(read) => Command::Read {
                session,
                address,
                author: read.author,
                message_id: read.message_id,
            },
            Frame::Credit(credit) => Command::Credit {
                session,
                address,
                credit: *credit,
            },
            Frame::Nack(nack) if nack.of == Kind::EVENT => Command::Refuse {
                session,
                address,
                position: Position(nack.reference.as_number()),
            },
            Frame::Status(Status {
                request,
                to,
                message_id,
            }) => Command::Status {
                session,
                from: address,
                request: *request,
                to: *to,
                message_id: *message_id,
            },
            Frame::Lookup(lookup) => match lookup.query {
                LookupQuery::Handle(handle) => Command::LookupHandle {
                    session,
                    request: lookup.request,
                    handle: handle.to_owned(),
                },
                LookupQuery::User(user) => Command::LookupUser {
                    session,
                    request: lookup.request,
                    user,
                },
            },
            other => {
                let kind = other.kind();
                env.ledger
                    .violate(format!("a client says {kind:?} to a server"));
                return None;
            }
        };
        Some(Ask::Command(command))
    }

    fn on_send(
        &mut self,
        env: &mut Env,
        from: Address,
        send: &Send<'_>,
        frame_bytes: u64,
    ) -> Command {
        if self.left.messages == 0 || self.in_debt {
            env.ledger.violate(format!("{from} sends without credit"));
        }
        self.left.messages = self.left.messages.saturating_sub(1);
        self.in_debt = frame_bytes >= self.left.bytes;
        self.left.bytes = self.left.bytes.saturating_sub(frame_bytes);
        self.unanswered_bytes += frame_bytes;
        if env.ledger.on_send(send.message_id) {
            env.counters.retries += 1;
        }
        Command::Send {
            session: self.session(),
            from,
            request: SendRequest {
                message_id: send.message_id,
                to: send.to,
                after: send.after,
                ttl_ms: send.ttl_ms,
                // The server knows, and says when it hands this on.
                addressing: None,
                envelope: bytes::Bytes::copy_from_slice(send.envelope),
            },
        }
    }

    /// READY is due: the client may speak.
    pub(crate) fn greet(&mut self, now: Time, (epoch, cursor, tail): (u64, Position, Position)) {
        if let Phase::Attaching(address) = self.phase {
            self.phase = Phase::Ready(address);
        }
        let ready = Ready {
            epoch,
            cursor,
            tail,
            credit: WINDOW,
            idle_ms: IDLE_MS,
            server_time: now.millis(),
        };
        self.write(&Frame::Ready(ready));
    }

    /// A SEND was answered: credit comes back in halves of the window.
    pub(crate) fn answered(&mut self) {
        self.answered += 1;
        if self.answered < WINDOW.messages / 2 {
            return;
        }
        let credit = Credit {
            messages: std::mem::take(&mut self.answered),
            bytes: std::mem::take(&mut self.unanswered_bytes),
        };
        self.left.messages += credit.messages;
        self.left.bytes += credit.bytes;
        self.in_debt = false;
        self.write(&Frame::Credit(credit));
    }

    pub(crate) fn write(&mut self, frame: &Frame<'_>) {
        codec::encode(frame, &mut self.out);
    }

    pub(crate) fn say_goodbye(&mut self, code: CloseCode) {
        let close = martlet_protocol::frame::Close { code, detail: "" };
        self.write(&Frame::Close(close));
    }
}
