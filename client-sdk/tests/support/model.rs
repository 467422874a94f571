//! A server of the fewest words that keeps its promises: what the client's promises are tested
//! against. It is durable at once, forgets connections and nothing else.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::BTreeMap;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use bytes::BytesMut;
use martlet_protocol::auth::{auth_message, register_message};
use martlet_protocol::codec::{self, Decoder};
use martlet_protocol::frame::{
    CaughtUp, Challenge, Close, Credit, Event, EventKind, Found, Frame, Lookup, LookupQuery, Nack,
    Pong, Ready, Receipt, Reference, Registered, Registration, Send, Sent,
};
use martlet_protocol::limits::FRAME_BYTES_MAX;
use martlet_protocol::version::Features;
use martlet_protocol::{
    Address, CloseCode, DeviceId, Kind, MessageId, Millis, NackCode, Position, State, Timestamp,
    UserId,
};

const NONCE: [u8; 32] = [5; 32];
const EPOCH: u64 = 77;

/// Everything that is durable.
#[derive(Default)]
pub(crate) struct Model {
    accounts: Vec<Account>,
    clock: u64,
    /// The server's time.
    pub(crate) now: Millis,
    /// How many of the next SENDs are refused for now.
    pub(crate) refusals: u32,
}

struct Account {
    handle: String,
    key: [u8; 32],
    stream: Vec<Item>,
    cursor: u64,
    accepted: BTreeMap<MessageId, Sent>,
}

#[derive(Clone)]
enum Item {
    Event {
        from: UserId,
        id: MessageId,
        timestamp: u64,
        envelope: Vec<u8>,
    },
    Receipt {
        state: State,
        peer: UserId,
        up_to: u64,
    },
}

/// One connection.
pub(crate) struct Session {
    user: Option<UserId>,
    decoder: Decoder,
    input: Vec<u8>,
    pushed: u64,
    credit: Credit,
    caught_up: bool,
    refused: BTreeMap<UserId, MessageId>,
    /// What the client must have signed beside the nonce.
    pub(crate) binding: [u8; 32],
    pub(crate) output: BytesMut,
    pub(crate) closed: bool,
}

impl Session {
    pub(crate) fn new() -> Self {
        Self {
            user: None,
            decoder: Decoder::new(FRAME_BYTES_MAX),
            input: Vec::new(),
            pushed: 0,
            credit: Credit::default(),
            caught_up: false,
            refused: BTreeMap::new(),
            binding: [0; 32],
            output: BytesMut::new(),
            closed: false,
        }
    }

    fn write(&mut self, frame: &Frame<'_>) {
        codec::encode(frame, &mut self.output);
    }

    fn refuse(&mut self, of: Kind, code: NackCode, reference: Reference) {
        let class = code.class();
        self.write(&Frame::Nack(Nack {
            of,
            code,
            class,
            retry_after_ms: 20,
            reference,
        }));
    }
}

impl Model {
    /// How many items the stream of this account has, and how many are acknowledged.
    pub(crate) fn is_drained(&self) -> bool {
        self.accounts
            .iter()
            .all(|account| account.cursor == account.stream.len() as u64)
    }

    pub(crate) fn handle(&mut self, session: &mut Session, bytes: &[u8]) {
        let mut input = core::mem::take(&mut session.input);
        input.extend_from_slice(bytes);
        let mut rest = &input[..];
        let mut decoder = session.decoder;
        while let Some(frame) = decoder
            .next(&mut rest)
            .expect("a client sends what is legal")
        {
            self.on_frame(session, frame);
        }
        session.input = rest.to_vec();
    }

    fn on_frame(&mut self, session: &mut Session, frame: Frame<'_>) {
        match frame {
            Frame::Hello(_) => session.write(&Frame::Challenge(Challenge {
                version: 1,
                features: Features(0),
                nonce: NONCE,
                server_time: self.now,
                registration: Registration::OPEN,
            })),
            Frame::Register(register) => {
                let signed = register_message(&NONCE, &session.binding, register.handle);
                verify(&register.key, &signed, &register.signature);
                let user = self.register(register.handle, register.key);
                let address = Address {
                    user,
                    device: DeviceId(1),
                };
                session.write(&Frame::Registered(Registered { address }));
            }
            Frame::Auth(auth) => {
                let account = self.account(auth.address.user);
                verify(
                    &account.key,
                    &auth_message(&NONCE, &session.binding, auth.address),
                    &auth.signature,
                );
                if auth.epoch == EPOCH {
                    assert!(auth.cursor.0 >= account.cursor, "a cursor went back");
                    assert!(
                        auth.cursor.0 <= account.stream.len() as u64,
                        "a cursor was invented"
                    );
                }
                let acknowledged = if auth.epoch == EPOCH {
                    auth.cursor.0
                } else {
                    0
                };
                session.user = Some(auth.address.user);
                session.credit = auth.credit;
                self.acknowledge(auth.address.user, acknowledged);
                let account = self.account(auth.address.user);
                session.pushed = account.cursor;
                session.write(&Frame::Ready(Ready {
                    epoch: EPOCH,
                    cursor: Position(account.cursor),
                    tail: Position(account.stream.len() as u64),
                    credit: Credit {
                        messages: 3,
                        bytes: 1_000,
                    },
                    idle_ms: 30_000,
                    server_time: self.now,
                }));
            }
            Frame::Close(_) => session.closed = true,
            frame => self.on_traffic(session, frame),
        }
    }

    fn on_traffic(&mut self, session: &mut Session, frame: Frame<'_>) {
        let user = session.user.expect("a client authenticates first");
        match frame {
            Frame::Ping(ping) => session.write(&Frame::Pong(Pong { token: ping.token })),
            Frame::Credit(credit) => {
                session.credit.messages += credit.messages;
                session.credit.bytes += credit.bytes;
            }
            Frame::Ack(ack) => {
                assert!(
                    ack.position.0 <= session.pushed,
                    "acknowledged before it was pushed"
                );
                self.acknowledge(user, ack.position.0);
            }
            Frame::Send(send) => self.send(session, user, &send),
            Frame::Read(read) => {
                let author = read.author.user;
                let sent = self.account(author).accepted.get(&read.message_id);
                let up_to = sent.expect("read what was sent").timestamp.0;
                let item = Item::Receipt {
                    state: State::READ,
                    peer: user,
                    up_to,
                };
                self.account(author).stream.push(item);
            }
            Frame::Lookup(lookup) => self.lookup(session, &lookup),
            other => panic!("not of a client: {other:?}"),
        }
    }

    fn send(&mut self, session: &mut Session, from: UserId, send: &Send<'_>) {
        session.write(&Frame::Credit(Credit {
            messages: 1,
            bytes: 200,
        }));
        let reference = Reference::message(send.message_id);
        if let Some(sent) = self.account(from).accepted.get(&send.message_id) {
            let sent = *sent;
            session.write(&Frame::Sent(sent));
            return;
        }
        match session.refused.get(&send.to) {
            Some(first) if *first != send.message_id => {
                return session.refuse(Kind::SEND, NackCode::OUT_OF_ORDER, reference);
            }
            _ => {}
        }
        if self.refusals > 0 {
            self.refusals -= 1;
            session.refused.insert(send.to, send.message_id);
            return session.refuse(Kind::SEND, NackCode::RATE_LIMITED, reference);
        }
        session.refused.remove(&send.to);
        self.clock += 10;
        let timestamp = self.clock;
        assert!(send.after.0 < timestamp, "has seen what was never sent");
        let (id, envelope) = (send.message_id, send.envelope.to_vec());
        self.account(send.to).stream.push(Item::Event {
            from,
            id,
            timestamp,
            envelope,
        });
        let sent = Sent {
            message_id: id,
            timestamp: Timestamp(timestamp),
            devices: 1,
        };
        self.account(from).accepted.insert(id, sent);
        session.write(&Frame::Sent(sent));
    }

    fn lookup(&self, session: &mut Session, lookup: &Lookup<'_>) {
        let mut accounts = self.accounts.iter().zip(1..);
        let found = accounts.find(|(account, number)| match lookup.query {
            LookupQuery::Handle(handle) => account.handle == handle,
            LookupQuery::User(user) => user.0 == *number,
        });
        let request = lookup.request;
        match found {
            Some((account, number)) => {
                let handle = &account.handle;
                session.write(&Frame::Found(Found {
                    request,
                    user: UserId(number),
                    handle,
                }));
            }
            None => {
                session.refuse(
                    Kind::LOOKUP,
                    NackCode::UNKNOWN_HANDLE,
                    Reference::number(request),
                );
            }
        }
    }

    /// Pushes what the client's credit allows.
    pub(crate) fn push(&mut self, session: &mut Session) {
        let Some(user) = session.user else { return };
        let stream = self.account(user).stream.clone();
        let rest = stream
            .iter()
            .enumerate()
            .skip(usize::try_from(session.pushed).unwrap());
        for (index, item) in rest {
            if session.credit.messages == 0 || session.credit.bytes == 0 {
                return;
            }
            let before = session.output.len();
            let position = Position(index as u64 + 1);
            session.write(&frame_of(position, item));
            let cost = (session.output.len() - before) as u64;
            session.credit.messages -= 1;
            session.credit.bytes = session.credit.bytes.saturating_sub(cost);
            session.pushed = position.0;
        }
        if !session.caught_up {
            session.caught_up = true;
            let position = Position(session.pushed);
            session.write(&Frame::CaughtUp(CaughtUp {
                position,
                trimmed: false,
            }));
        }
    }

    /// Tells a client that it was cut off for no fault of its own.
    pub(crate) fn close(session: &mut Session) {
        session.write(&Frame::Close(Close {
            code: CloseCode::INTERNAL,
            detail: "",
        }));
        session.closed = true;
    }

    fn register(&mut self, handle: &str, key: [u8; 32]) -> UserId {
        let known = self
            .accounts
            .iter()
            .position(|account| account.handle == handle);
        let index = known.unwrap_or(self.accounts.len());
        if known.is_none() {
            self.accounts.push(Account {
                handle: handle.to_owned(),
                key,
                stream: Vec::new(),
                cursor: 0,
                accepted: BTreeMap::new(),
            });
        }
        assert_eq!(
            self.accounts[index].key, key,
            "a repeated registration has the same key"
        );
        UserId(index as u64 + 1)
    }

    fn acknowledge(&mut self, user: UserId, position: u64) {
        let account = self.account(user);
        let from = account.cursor;
        account.cursor = from.max(position);
        let newly = from..account.cursor;
        let receipts: Vec<(UserId, Item)> = newly
            .filter_map(
                |index| match &account.stream[usize::try_from(index).unwrap()] {
                    Item::Event {
                        from, timestamp, ..
                    } => {
                        let (state, up_to) = (State::DELIVERED, *timestamp);
                        Some((
                            *from,
                            Item::Receipt {
                                state,
                                peer: user,
                                up_to,
                            },
                        ))
                    }
                    Item::Receipt { .. } => None,
                },
            )
            .collect();
        for (author, receipt) in receipts {
            self.account(author).stream.push(receipt);
        }
    }

    fn account(&mut self, user: UserId) -> &mut Account {
        let index = usize::try_from(user.0).unwrap() - 1;
        self.accounts.get_mut(index).expect("the account exists")
    }
}

fn frame_of(position: Position, item: &Item) -> Frame<'_> {
    let address = |user: &UserId| Address {
        user: *user,
        device: DeviceId(1),
    };
    match item {
        Item::Event {
            from,
            id,
            timestamp,
            envelope,
        } => Frame::Event(Event {
            position,
            kind: EventKind::INCOMING,
            peer: address(from),
            message_id: *id,
            timestamp: Timestamp(*timestamp),
            envelope,
            part: &[],
        }),
        Item::Receipt { state, peer, up_to } => Frame::Receipt(Receipt {
            position,
            state: *state,
            peer: address(peer),
            up_to: Timestamp(*up_to),
            at: Millis(*up_to),
        }),
    }
}

fn verify(key: &[u8; 32], signed: &[u8], signature: &[u8; 64]) {
    let key = UnparsedPublicKey::new(&ED25519, key);
    key.verify(signed, signature)
        .expect("a client signs what the server gave it");
}
