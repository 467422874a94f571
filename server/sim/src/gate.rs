//! The server's end of one conversation: frames become commands, as in the real gateway.
//!
//! Signatures are checked, with what the shards know of the device. The clients here are the real
//! engines: what an engine itself must not do, a wrong signature among it, is a violation of the
//! protocol and ends the run.

use bytes::{Bytes, BytesMut};
use martlet_protocol::auth::{auth_message, register_message};
use martlet_protocol::codec::{self, Decoder};
use martlet_protocol::frame::{
    Auth, Challenge, Credit, Frame, Hello, LinkJoin, Nack, Ready, Reference, Register, Registration,
};
use martlet_protocol::limits::FRAME_BYTES_MAX;
use martlet_protocol::version::{Features, VERSION_MAX};
use martlet_protocol::{Address, CloseCode, Kind, NackCode, Position, UserId};
use martlet_shard::{Command, SessionId};

use crate::brief::Brief;
use crate::desk::Desk;
use crate::env::Env;
use crate::net::ConnId;
use crate::schedule::Time;
use crate::signatures::is_signed;

/// A connection that is silent for this long is closed.
pub(crate) const IDLE_MS: u64 = 9_000;

/// A connection may wait for so long until a person has looked at another screen.
const LINKING_MS: u64 = 11 * 60 * 1_000;

/// How many SENDs may be unanswered, and how many bytes of them.
const WINDOW: Credit = Credit {
    messages: 16,
    bytes: 128 * 1024,
};

/// Plain TCP has nothing to bind to.
const BINDING: [u8; 32] = [0; 32];

/// One conversation.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) conn: ConnId,
    pub(crate) device: usize,
    pub(crate) phase: Phase,
    heard: Time,
    challenged: Time,
    nonce: [u8; 32],
    pub(crate) out: BytesMut,
    input: BytesMut,
    pub(crate) left: Credit,
    pub(crate) in_debt: bool,
    pub(crate) unanswered_bytes: u64,
    answered: u64,
}

/// How far a conversation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Hello,
    Auth,
    Registering,
    /// LINK_JOIN is with the shard, until a device of this account has decided.
    Linking(UserId),
    /// AUTH is with the shard.
    Attaching(Address),
    Ready(Address),
}

/// What a frame asks for.
#[derive(Debug)]
pub(crate) enum Ask {
    Command(Command),
    /// The client says goodbye, or the server has.
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
            nonce: [0; 32],
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
            Phase::Hello | Phase::Auth | Phase::Registering | Phase::Linking(_) => None,
        }
    }

    /// Whether nothing has come for too long.
    pub(crate) fn is_silent(&self, now: Time) -> bool {
        let patience_ms = match self.phase {
            Phase::Linking(_) => LINKING_MS,
            _ => IDLE_MS,
        };
        self.heard.plus_ms(patience_ms) < now
    }

    /// Bytes came: what they ask for.
    pub(crate) fn on_bytes(&mut self, desk: &mut Desk<'_>, bytes: &[u8]) -> Vec<Ask> {
        self.heard = desk.env.now;
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
                    asks.extend(self.on_frame(desk, &frame, frame_bytes));
                }
                Ok(None) => break,
                Err(error) => {
                    let ledger = &mut desk.env.ledger;
                    let who = ledger.name(self.device).to_owned();
                    ledger.violate(format!("{who} wrote bytes that are no frame: {error}"));
                    break;
                }
            }
        }
        self.input = BytesMut::from(rest);
        asks
    }

    fn on_frame(
        &mut self,
        desk: &mut Desk<'_>,
        frame: &Frame<'_>,
        frame_bytes: u64,
    ) -> Option<Ask> {
        desk.env
            .note(format_args!("{} says {}", self.device, Brief(frame)));
        match (self.phase, frame) {
            (_, Frame::Close(_)) => Some(Ask::End),
            (Phase::Hello, Frame::Hello(hello)) => {
                self.challenge(desk, hello);
                None
            }
            (Phase::Auth, Frame::Register(register)) => self.on_register(desk, register),
            (Phase::Auth, Frame::LinkJoin(join)) => Some(self.on_link_join(join)),
            (Phase::Auth, Frame::Auth(auth)) => Some(self.on_auth(desk, auth)),
            (Phase::Ready(address), frame) => self
                .on_traffic(desk, address, frame, frame_bytes)
                .map(Ask::Command),
            (phase, frame) => {
                let kind = frame.kind();
                let what = format!("a client says {kind:?} in {phase:?}");
                desk.env.ledger.violate(what);
                None
            }
        }
    }

    fn challenge(&mut self, desk: &mut Desk<'_>, _: &Hello<'_>) {
        self.phase = Phase::Auth;
        self.challenged = desk.env.now;
        self.nonce = desk.env.rng.bytes();
        let challenge = Challenge {
            version: VERSION_MAX,
            features: Features::SUPPORTED,
            nonce: self.nonce,
            server_time: desk.env.now.millis(),
            registration: Registration::OPEN,
        };
        self.write(&Frame::Challenge(challenge));
    }

    fn on_register(&mut self, desk: &mut Desk<'_>, register: &Register<'_>) -> Option<Ask> {
        let message = register_message(&self.nonce, &BINDING, register.handle);
        if !is_signed(&register.key, &message, &register.signature) {
            let what = format!("{} registers with a wrong signature", register.handle);
            desk.env.ledger.violate(what);
            return None;
        }
        self.phase = Phase::Registering;
        let rng = &mut desk.env.rng;
        Some(Ask::Command(Command::Register {
            session: self.session(),
            handle: register.handle.to_owned(),
            key: register.key,
            user: desk.topology.user_for_handle(register.handle, rng.next()),
            epoch: rng.next() | 1,
            reset: false,
        }))
    }

    fn on_link_join(&mut self, join: &LinkJoin<'_>) -> Ask {
        self.phase = Phase::Linking(join.address.user);
        Ask::Command(Command::LinkJoin {
            session: self.session(),
            user: join.address.user,
            device: join.address.device,
            ticket: join.ticket,
            offer: Bytes::copy_from_slice(join.offer),
        })
    }

    fn on_auth(&mut self, desk: &mut Desk<'_>, auth: &Auth) -> Ask {
        let message = auth_message(&self.nonce, &BINDING, auth.address);
        let key = desk.device_key(auth.address);
        let is_genuine = key.is_some_and(|key| is_signed(&key, &message, &auth.signature));
        if !is_genuine {
            // One that was removed, or that was to be linked and was not.
            if !desk.env.ledger.may_be_refused(self.device) {
                let what = format!("{} cannot prove who it is", auth.address);
                desk.env.ledger.violate(what);
            }
            desk.env.counters.auths_refused += 1;
            self.refuse(Kind::AUTH, NackCode::AUTH_FAILED, Reference::default(), 0);
            self.say_goodbye(CloseCode::AUTH_FAILED);
            return Ask::End;
        }
        self.phase = Phase::Attaching(auth.address);
        Ask::Command(Command::Attach {
            session: self.session(),
            address: auth.address,
            challenged_us: self.challenged.0,
            epoch: auth.epoch,
            cursor: auth.cursor,
            credit: auth.credit,
        })
    }

    /// The gate itself refuses something.
    pub(crate) fn refuse(
        &mut self,
        of: Kind,
        code: NackCode,
        reference: Reference,
        retry_after_ms: u64,
    ) {
        self.write(&Frame::Nack(Nack {
            of,
            reference,
            code,
            class: code.class(),
            retry_after_ms,
        }));
    }

    /// READY is due: the client may speak.
    pub(crate) fn greet(
        &mut self,
        env: &mut Env,
        (epoch, cursor, tail): (u64, Position, Position),
    ) {
        if let Phase::Attaching(address) = self.phase {
            self.phase = Phase::Ready(address);
            env.ledger.on_ready(self.device, address);
        }
        let ready = Ready {
            epoch,
            cursor,
            tail,
            credit: WINDOW,
            idle_ms: IDLE_MS,
            server_time: env.now.millis(),
        };
        self.write(&Frame::Ready(ready));
    }

    /// A SEND was answered: credit comes back in halves of the window, of its messages or of its
    /// bytes [M-12.8].
    pub(crate) fn answered(&mut self) {
        self.answered += 1;
        if self.answered < WINDOW.messages / 2 && self.unanswered_bytes < WINDOW.bytes / 2 {
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
