//! A device that speaks the protocol and keeps between connections what it must: epoch and cursor.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use martlet_protocol::auth::{BINDING_NONE, auth_message, register_message};
use martlet_protocol::frame::{
    Ack, Auth, Challenge, Close, Credit, Frame, GroupSend, Hello, Lookup, LookupQuery, Part, Pong,
    Read, Ready, Register, Send, SendScope, Status,
};
use martlet_protocol::limits::{CREDIT_BYTES_MAX, CREDIT_MESSAGES_MAX};
use martlet_protocol::version::{Features, VERSION_MAX, VERSION_MIN};
use martlet_protocol::wire::List;
use martlet_protocol::{
    Address, CloseCode, DeviceId, MessageId, Millis, Position, Timestamp, UserId,
};

use super::PATIENCE;
use super::random::Random;
use super::wire::{Entry, Got, Lost, Message, Wire};

/// A registered account with one device.
#[derive(Debug)]
pub struct Client {
    key: Ed25519KeyPair,
    address: Address,
    epoch: u64,
    cursor: Position,
    random: Random,
    /// Messages that came while something else was waited for.
    passed_over: VecDeque<Message>,
    link: Option<Link>,
}

/// What lives as long as one connection.
#[derive(Debug)]
struct Link {
    wire: Wire,
    /// The newest position that the server has pushed.
    pushed: Position,
    /// What this client may still send.
    credit_messages: i64,
    credit_bytes: i64,
    /// What the server was pushed since the last grant.
    spent_messages: u64,
    spent_bytes: u64,
}

/// A message on its way: every attempt to send it is the same.
#[derive(Clone, Debug)]
pub struct Outgoing {
    pub id: MessageId,
    pub to: UserId,
    pub ttl_ms: u64,
    pub scope: SendScope,
    /// The list version of the recipient and of the sender that the parts are for.
    pub versions: (u64, u64),
    pub to_parts: Vec<OwnPart>,
    pub own_parts: Vec<OwnPart>,
    pub envelope: Vec<u8>,
}

/// What one device gets.
pub type OwnPart = (DeviceId, Vec<u8>);

impl Client {
    /// Registers a new account.
    pub fn register(server: SocketAddr, handle: &str) -> Self {
        let key = Ed25519KeyPair::generate().expect("make a key");
        let (mut wire, challenge) = greet(server).expect("connect to register");
        let message = register_message(&challenge.nonce, &BINDING_NONE, handle);
        wire.push(&Frame::Register(Register {
            handle,
            key: key.public_key().as_ref().try_into().expect("32 bytes"),
            signature: key.sign(&message).as_ref().try_into().expect("64 bytes"),
            token: &[],
        }));
        wire.flush().expect("register");
        let address = match wire.answer().expect("register") {
            Got::Registered(registered) => registered.address,
            other => panic!("register {handle}: {other:?}"),
        };
        Self::of(key, address)
    }

    /// A device that the account has by other means: it was never connected.
    pub fn of(key: Ed25519KeyPair, address: Address) -> Self {
        Self {
            key,
            address,
            epoch: 0,
            cursor: Position(0),
            random: Random::new(address.user.0 ^ u64::from(address.device.0)),
            passed_over: VecDeque::new(),
            link: None,
        }
    }

    /// The key that the device authenticates with.
    pub fn key(&self) -> &Ed25519KeyPair {
        &self.key
    }

    /// Account and device.
    pub fn address(&self) -> Address {
        self.address
    }

    /// The stream as this device has stored it.
    pub fn place(&self) -> (u64, Position) {
        (self.epoch, self.cursor)
    }

    /// Whether there is a connection.
    pub fn is_connected(&self) -> bool {
        self.link.is_some()
    }

    /// Forgets its place in the stream, as a client does that was told of another one.
    pub fn forget_place(&mut self) {
        (self.epoch, self.cursor) = (0, Position(0));
    }

    /// Connects and resumes the stream where this device has stored it. The server's refusal to
    /// do so is the inner error.
    pub fn connect(&mut self, server: SocketAddr) -> Result<Result<Ready, CloseCode>, Lost> {
        self.link = None;
        let (mut wire, challenge) = greet(server)?;
        let message = auth_message(&challenge.nonce, &BINDING_NONE, self.address);
        wire.push(&Frame::Auth(Auth {
            address: self.address,
            signature: self
                .key
                .sign(&message)
                .as_ref()
                .try_into()
                .expect("64 bytes"),
            epoch: self.epoch,
            cursor: self.cursor,
            credit: Credit {
                messages: CREDIT_MESSAGES_MAX,
                bytes: CREDIT_BYTES_MAX,
            },
        }));
        wire.flush()?;
        let ready = loop {
            match wire.answer()? {
                Got::Ready(ready) => break ready,
                Got::Close { code, .. } if code == CloseCode::SHUTDOWN => {
                    return Err(Lost(format!("{code:?}")));
                }
                Got::Close { code, .. } => return Ok(Err(code)),
                // A server that is about to go tells everybody, also in the middle of this; and
                // what is wrong with an AUTH is said before the end.
                Got::Goaway { .. } | Got::Nack(_) => {}
                other => panic!("authenticate {}: {other:?}", self.address),
            }
        };
        self.epoch = ready.epoch;
        self.cursor = ready.cursor;
        self.link = Some(Link {
            wire,
            pushed: ready.cursor,
            credit_messages: as_signed(ready.credit.messages),
            credit_bytes: as_signed(ready.credit.bytes),
            spent_messages: 0,
            spent_bytes: 0,
        });
        Ok(Ok(ready))
    }

    /// [`connect`](Self::connect) for a test in which the server is there.
    pub fn go_online(&mut self, server: SocketAddr) -> Ready {
        let ready = self.connect(server).expect("connect");
        ready.expect("the server takes the device back")
    }

    /// Drops the connection without a word, as when the network is gone.
    pub fn disconnect(&mut self) {
        self.link = None;
    }

    /// Says goodbye and waits until the server has heard it.
    pub fn say_goodbye(&mut self) {
        let (code, detail) = (CloseCode::NORMAL, "");
        let link = self.link();
        link.wire.push(&Frame::Close(Close { code, detail }));
        link.wire.flush().expect("the server is there");
        while link
            .wire
            .next(Duration::from_secs(5))
            .is_ok_and(|got| got.is_some())
        {}
        self.link = None;
    }

    /// A new message for `to`.
    pub fn compose(&mut self, to: UserId, envelope: &[u8]) -> Outgoing {
        Outgoing {
            id: MessageId::new(now(), self.random.ten_bytes()),
            to,
            ttl_ms: 0,
            scope: SendScope::ALL,
            versions: (0, 0),
            to_parts: Vec::new(),
            own_parts: Vec::new(),
            envelope: envelope.to_vec(),
        }
    }

    /// Whether the server's credit allows another SEND.
    pub fn may_send(&self) -> bool {
        let link = self.link.as_ref();
        link.is_some_and(|link| link.credit_messages >= 1 && link.credit_bytes >= 1)
    }

    /// Sends a message, for the first time or again; `after` is the newest timestamp known in the
    /// conversation.
    pub fn send(&mut self, outgoing: &Outgoing, after: Timestamp) {
        let (to_parts, own_parts) = (parts(&outgoing.to_parts), parts(&outgoing.own_parts));
        let link = self.link();
        let bytes = link.wire.push(&Frame::Send(Send {
            message_id: outgoing.id,
            to: outgoing.to,
            after,
            ttl_ms: outgoing.ttl_ms,
            scope: outgoing.scope,
            to_version: outgoing.versions.0,
            own_version: outgoing.versions.1,
            to_parts: List::Slice(&to_parts),
            own_parts: List::Slice(&own_parts),
            envelope: &outgoing.envelope,
        }));
        link.credit_messages -= 1;
        link.credit_bytes -= i64::try_from(bytes).expect("a frame is small");
    }

    /// Sends a message to a group.
    pub fn post(&mut self, post: &GroupSend<'_>) {
        let link = self.link();
        let bytes = link.wire.push(&Frame::GroupSend(*post));
        link.credit_messages -= 1;
        link.credit_bytes -= i64::try_from(bytes).expect("a frame is small");
    }

    /// A message id that was never used.
    pub fn message_id(&mut self) -> MessageId {
        MessageId::new(now(), self.random.ten_bytes())
    }

    /// Acknowledges everything that was stored.
    pub fn acknowledge(&mut self) {
        let position = self.cursor;
        self.link().wire.push(&Frame::Ack(Ack { position }));
    }

    /// Says that the person has read up to this message.
    pub fn read(&mut self, author: Address, message_id: MessageId) {
        let read = Read { author, message_id };
        self.link().wire.push(&Frame::Read(read));
    }

    /// Asks where a message stands.
    pub fn ask_status(&mut self, request: u64, to: UserId, message_id: MessageId) {
        self.link().wire.push(&Frame::Status(Status {
            request,
            to,
            message_id,
        }));
    }

    /// Asks for the account of a handle.
    pub fn look_up(&mut self, request: u64, handle: &str) {
        let query = LookupQuery::Handle(handle);
        self.link()
            .wire
            .push(&Frame::Lookup(Lookup { request, query }));
    }

    /// Asks for something that costs no credit.
    pub fn ask(&mut self, frame: &Frame<'_>) {
        self.link().wire.push(frame);
    }

    /// Writes what was asked for so far.
    pub fn flush(&mut self) -> Result<(), Lost> {
        self.link().wire.flush()
    }

    /// The next frame; `None` when none came within `wait`. Stream items are stored when they are
    /// returned, not acknowledged. Credit and PINGs are dealt with here.
    ///
    /// # Panics
    /// When the stream has a hole or goes back.
    pub fn next(&mut self, wait: Duration) -> Result<Option<Got>, Lost> {
        let address = self.address;
        let link = self.link();
        link.wire.flush()?;
        let Some((got, bytes)) = link.wire.next(wait)? else {
            return Ok(None);
        };
        let span = match &got {
            Got::Event(message) => Some((message.position, message.position)),
            Got::Receipt(receipt) => Some((receipt.position, receipt.position)),
            Got::Fact(fact) => Some((fact.position, fact.position)),
            Got::Gap(gap) => Some((gap.from, gap.to)),
            Got::GroupReceipt { position, .. } => Some((*position, *position)),
            // Of a group's own stream: its place is no position.
            Got::GroupEvent(Entry {
                position: Position(0),
                ..
            })
            | Got::GroupGap(_) => {
                link.grant_again(bytes);
                None
            }
            Got::GroupEvent(entry) => Some((entry.position, entry.position)),
            _ => None,
        };
        if let Some((from, to)) = span {
            let expected = link.pushed.next();
            assert_eq!(
                from, expected,
                "{address}: the stream goes on elsewhere: {got:?}"
            );
            link.pushed = to;
            link.grant_again(bytes);
            self.cursor = to;
            return Ok(Some(got));
        }
        match &got {
            Got::Credit(credit) => {
                link.credit_messages += as_signed(credit.messages);
                link.credit_bytes += as_signed(credit.bytes);
            }
            Got::Ping(ping) => {
                link.wire.push(&Frame::Pong(Pong { token: ping.token }));
            }
            _ => {}
        }
        Ok(Some(got))
    }

    /// The next message, of those that were passed over first.
    pub fn next_message(&mut self) -> Message {
        if let Some(message) = self.passed_over.pop_front() {
            return message;
        }
        self.expect("a message", |got| match got {
            Got::Event(message) => Some(message.clone()),
            _ => None,
        })
    }

    /// Reads until `pick` finds what it wants; other frames are passed over.
    ///
    /// # Panics
    /// When it does not come, or the connection ends before.
    pub fn expect<T>(&mut self, what: &str, mut pick: impl FnMut(&Got) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let next = self.next(left);
            let got = next.unwrap_or_else(|lost| panic!("waiting for {what}: {}", lost.0));
            let got = got.unwrap_or_else(|| panic!("{what} does not come"));
            if let Some(found) = pick(&got) {
                return found;
            }
            match got {
                Got::Event(message) => self.passed_over.push_back(message),
                Got::Close { code, detail } => {
                    panic!("waiting for {what}: the server closed with {code:?} {detail}")
                }
                _ => {}
            }
        }
    }

    fn link(&mut self) -> &mut Link {
        self.link.as_mut().expect("the client is connected")
    }
}

impl Link {
    /// Counts a pushed frame, and grants what was spent at half the window.
    fn grant_again(&mut self, bytes: usize) {
        self.spent_messages += 1;
        self.spent_bytes += bytes as u64;
        let is_half = self.spent_messages >= CREDIT_MESSAGES_MAX / 2
            || self.spent_bytes >= CREDIT_BYTES_MAX / 2;
        if is_half {
            self.wire.push(&Frame::Credit(Credit {
                messages: std::mem::take(&mut self.spent_messages),
                bytes: std::mem::take(&mut self.spent_bytes),
            }));
        }
    }
}

fn parts(parts: &[OwnPart]) -> Vec<Part<'_>> {
    let parts = parts.iter();
    parts
        .map(|(device, part)| Part {
            device: *device,
            part,
        })
        .collect()
}

/// Connects up to CHALLENGE.
pub fn greet(server: SocketAddr) -> Result<(Wire, Challenge), Lost> {
    let mut wire = Wire::dial(server)?;
    wire.push(&Frame::Hello(Hello {
        version_min: VERSION_MIN,
        version_max: VERSION_MAX,
        features: Features::SUPPORTED,
        agent: "martlet tests",
    }));
    wire.flush()?;
    match wire.answer()? {
        Got::Challenge(challenge) => Ok((wire, challenge)),
        Got::Goaway { code } => Err(Lost(format!("{code:?}"))),
        Got::Close { code, detail } => Err(Lost(format!("{code:?} {detail}"))),
        other => panic!("the answer to HELLO is {other:?}"),
    }
}

/// This machine's clock, which is the server's too.
pub fn now() -> Millis {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let ms = now.expect("the clock is past 1970").as_millis();
    Millis(
        ms.try_into()
            .expect("the clock is before the year 500,000,000"),
    )
}

fn as_signed(count: u64) -> i64 {
    i64::try_from(count).expect("credit is small")
}
