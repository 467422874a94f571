//! A server of the fewest words that keeps its promises: what the client's promises are tested
//! against. It is durable at once, forgets connections and nothing else, and lies when a test
//! tells it to.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test binary uses its part; all are tests"
)]

mod account;
mod group_sends;
mod groups;
mod keys;
mod links;
mod people;
mod sends;
mod session;

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use bytes::BytesMut;
use martlet_protocol::auth::{auth_message, register_message};
use martlet_protocol::codec;
use martlet_protocol::frame::{
    Auth, CaughtUp, Challenge, Close, Credit, Found, Frame, Lookup, LookupQuery, Pong, Ready,
    Reference, Register, Registered, Registration,
};
use martlet_protocol::version::Features;
use martlet_protocol::{
    Address, CloseCode, GroupId, Kind, Millis, NackCode, Position, State, UserId,
};

pub(crate) use account::{Account, Inbox, Item};
pub(crate) use groups::{Group, Streams};
pub(crate) use people::People;
pub(crate) use session::Session;

const NONCE: [u8; 32] = [5; 32];

/// What the operator gives to whoever has lost the key of an account.
pub(crate) const RESET_TOKEN: &[u8] = b"reset";

/// Everything that is durable, and what connections wait for.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) accounts: Vec<Account>,
    clock: u64,
    epochs: u64,
    /// The server's time.
    pub(crate) now: Millis,
    /// How far its clock is ahead of those of the clients.
    pub(crate) ahead_ms: u64,
    /// How many of the next SENDs are refused for now.
    pub(crate) refusals: u32,
    /// Whose inboxes are full.
    pub(crate) full: BTreeSet<UserId>,
    /// Frames that devices get beside their streams, while they are connected.
    mail: BTreeMap<Address, BytesMut>,
    links: BTreeMap<UserId, links::Link>,
    /// Lists that are shown in place of the right ones.
    pub(crate) false_lists: BTreeMap<UserId, Vec<Vec<u8>>>,
    /// Whether no PING is answered.
    pub(crate) is_deaf: bool,
    /// Whether prekeys are handed out with a byte changed.
    pub(crate) swaps_keys: bool,
    /// A device whose keys nobody gets.
    pub(crate) keyless: Option<Address>,
    /// How many CLAIMs were answered.
    pub(crate) claims: u32,
    pub(crate) groups: BTreeMap<GroupId, Group>,
    /// When the own streams of groups come.
    pub(crate) streams: Streams,
    pub(crate) people: People,
    /// How many of the next GROUP_CHANGEs are refused for now.
    pub(crate) group_refusals: u32,
}

impl Model {
    /// Whether every device has acknowledged everything.
    pub(crate) fn is_drained(&self) -> bool {
        let mut inboxes = self
            .accounts
            .iter()
            .flat_map(|account| account.inboxes.values());
        inboxes.all(|inbox| inbox.cursor == inbox.stream.len() as u64)
    }

    pub(crate) fn user(&self, handle: &str) -> UserId {
        let found = self
            .accounts
            .iter()
            .position(|account| account.handle == handle);
        UserId(found.expect("the account exists") as u64 + 1)
    }

    pub(crate) fn account(&mut self, user: UserId) -> &mut Account {
        let index = usize::try_from(user.0).unwrap() - 1;
        self.accounts.get_mut(index).expect("the account exists")
    }

    /// The stream of a device.
    pub(crate) fn inbox(&mut self, address: Address) -> &mut Inbox {
        let inbox = self.account(address.user).inboxes.get_mut(&address.device);
        inbox.expect("the device exists")
    }

    /// Ends the connection of a device that was removed, if it is one.
    fn ends(&mut self, session: &mut Session) -> bool {
        let Some(address) = session.address else {
            return false;
        };
        let inboxes = &self.account(address.user).inboxes;
        let is_gone = !inboxes.contains_key(&address.device);
        if is_gone && !session.closed {
            session.write(&Frame::Close(Close {
                code: CloseCode::DEVICE_GONE,
                detail: "",
            }));
            session.closed = true;
        }
        is_gone
    }

    pub(crate) fn handle(&mut self, session: &mut Session, bytes: &[u8]) {
        if self.ends(session) {
            return;
        }
        let mut input = core::mem::take(&mut session.input);
        input.extend_from_slice(bytes);
        let mut rest = &input[..];
        let mut decoder = session.decoder;
        loop {
            let before = rest.len();
            let frame = decoder
                .next(&mut rest)
                .expect("a client sends what is legal");
            let Some(frame) = frame else { break };
            session.frame_bytes = before - rest.len();
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
            Frame::Register(register) => self.register(session, &register),
            Frame::LinkJoin(join) => self.join(session, &join),
            Frame::Auth(auth) => self.authenticate(session, &auth),
            Frame::Close(_) => session.closed = true,
            frame => self.on_traffic(session, frame),
        }
    }

    fn on_traffic(&mut self, session: &mut Session, frame: Frame<'_>) {
        let address = session.address.expect("a client authenticates first");
        self.note_frame(address, &frame);
        if self.on_people_frame(session, address, &frame) {
            return;
        }
        match frame {
            Frame::Ping(_) if self.is_deaf => {}
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
                self.acknowledge(address, ack.position.0);
            }
            Frame::Send(send) => self.send(session, address, &send),
            Frame::Read(read) => self.read(address, read.author, read.message_id),
            Frame::Lookup(lookup) => self.lookup(session, &lookup),
            Frame::Devices(devices) => self.devices(session, &devices),
            Frame::Publish(publish) => self.publish(session, address, &publish),
            Frame::Upload(upload) => self.upload(session, address, &upload),
            Frame::Claim(claim) => self.claim(session, &claim),
            Frame::LinkOpen(open) => self.open_link(session, address, &open),
            Frame::LinkClose(close) => self.close_link(session, address, &close),
            Frame::Status(_) => {}
            other => self.on_group_frame(session, address, other),
        }
    }

    fn register(&mut self, session: &mut Session, register: &Register<'_>) {
        let signed = register_message(&NONCE, &session.binding, register.handle);
        verify(&register.key, &signed, &register.signature);
        let known = self
            .accounts
            .iter()
            .position(|account| account.handle == register.handle);
        let index = known.unwrap_or(self.accounts.len());
        if known.is_none() {
            let epoch = self.new_epoch();
            self.accounts
                .push(Account::new(register.handle, register.key, epoch));
        }
        let user = UserId(index as u64 + 1);
        let inboxes = self.accounts[index].inboxes.iter();
        let mut known = inboxes.filter(|(_, inbox)| inbox.key == register.key);
        let device = match known.next() {
            Some((device, _)) => *device,
            None if register.token == RESET_TOKEN => self.reset(user, register.key),
            None => panic!("a repeated registration has the same key"),
        };
        let address = Address { user, device };
        session.write(&Frame::Registered(Registered { address }));
    }

    fn authenticate(&mut self, session: &mut Session, auth: &Auth) {
        let address = auth.address;
        let inbox = self.account(address.user).inboxes.get(&address.device);
        let Some(inbox) = inbox else {
            return session.refuse(Kind::AUTH, NackCode::AUTH_FAILED, Reference::number(0));
        };
        verify(
            &inbox.key,
            &auth_message(&NONCE, &session.binding, address),
            &auth.signature,
        );
        let is_same = auth.epoch == inbox.epoch;
        if is_same {
            assert!(auth.cursor.0 >= inbox.cursor, "a cursor went back");
            let tail = inbox.stream.len() as u64;
            assert!(auth.cursor.0 <= tail, "a cursor was invented");
        }
        let acknowledged = if is_same { auth.cursor.0 } else { 0 };
        session.address = Some(address);
        session.credit = auth.credit;
        self.person_connected(address);
        self.acknowledge(address, acknowledged);
        let now = self.now;
        let inbox = self.inbox(address);
        session.pushed = inbox.cursor;
        session.write(&Frame::Ready(Ready {
            epoch: inbox.epoch,
            cursor: Position(inbox.cursor),
            tail: Position(inbox.stream.len() as u64),
            credit: Credit {
                messages: 3,
                bytes: 1_000,
            },
            idle_ms: 30_000,
            server_time: now,
        }));
        self.tell_stock(address);
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
        self.tell_joiner(session);
        let Some(address) = session.address else {
            return;
        };
        if self.ends(session) {
            return;
        }
        if self.streams == Streams::First {
            self.push_streams(session, address);
        }
        let inbox = &self.account(address.user).inboxes[&address.device];
        let rest = inbox.stream.iter().enumerate();
        let rest = rest.skip(usize::try_from(session.pushed).unwrap());
        for (index, item) in rest {
            if session.credit.messages == 0 || session.credit.bytes == 0 {
                return;
            }
            let before = session.output.len();
            let position = Position(index as u64 + 1);
            codec::encode(&item.frame(position), &mut session.output);
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
        if self.streams != Streams::Never {
            self.push_streams(session, address);
        }
        session.output.extend_from_slice(&self.link_mail(address));
        if let Some(mail) = self.mail.remove(&address) {
            session.output.extend_from_slice(&mail);
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

    /// Makes the stream of a device anew, as after a restored backup: all of it comes again.
    pub(crate) fn restore(&mut self, address: Address) {
        let epoch = self.new_epoch();
        let inbox = self.inbox(address);
        inbox.epoch = epoch;
        inbox.cursor = 0;
        for group in self.groups.values_mut() {
            group.pushed.remove(&address);
            group.cursors.remove(&address);
        }
    }

    fn new_epoch(&mut self) -> u64 {
        self.epochs += 1;
        self.epochs + 76
    }

    fn acknowledge(&mut self, address: Address, position: u64) {
        let inbox = self.inbox(address);
        let from = inbox.cursor;
        inbox.cursor = from.max(position);
        let newly = &inbox.stream[range(from, inbox.cursor)];
        let authors: Vec<(UserId, u64)> = newly.iter().filter_map(Item::receipt_due).collect();
        let groups: Vec<_> = newly.iter().filter_map(Item::group_entry).collect();
        for (group, sequence) in groups {
            self.progress(group, address.user, (State::DELIVERED, sequence));
        }
        for (author, up_to) in authors {
            let state = State::DELIVERED;
            let peer = address;
            self.tell_author(author, &Item::Receipt { state, peer, up_to });
        }
    }

    /// Appends an item to the streams of all devices of an account.
    fn tell(&mut self, user: UserId, item: &Item) {
        for inbox in self.account(user).inboxes.values_mut() {
            inbox.stream.push(item.clone());
        }
    }

    /// A frame for a device beside its stream.
    fn mail(&mut self, address: Address, frame: &Frame<'_>) {
        codec::encode(frame, self.mail.entry(address).or_default());
    }
}

fn range(from: u64, to: u64) -> core::ops::Range<usize> {
    usize::try_from(from).unwrap()..usize::try_from(to).unwrap()
}

fn verify(key: &[u8; 32], signed: &[u8], signature: &[u8; 64]) {
    let key = UnparsedPublicKey::new(&ED25519, key);
    key.verify(signed, signature)
        .expect("a client signs what the server gave it");
}
