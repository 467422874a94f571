//! Watches a transcript beside the server and names the first statement of SPEC.md that it breaks.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use martlet_protocol::frame::{Auth, Challenge, Close, Frame, Nack};
use martlet_protocol::{Address, CloseCode, DeviceId, Kind, NackCode, Position, UserId};

use crate::devices::Book;
use crate::groups::Groups;
use crate::inbox::{Inbox, Verdict};
use crate::people::People;
use crate::phases::Phases;
use crate::requests::{Requests, check_class};
use crate::window::Window;

/// Who sent a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// One device and its server. It knows the text of SPEC.md and nothing of the implementation.
pub(crate) struct Observer {
    phases: Phases,
    nonces: BTreeSet<[u8; 32]>,
    accounts: BTreeMap<(String, [u8; 32]), Address>,
    inbox: Inbox,
    requests: Requests,
    book: Book,
    groups: Groups,
    people: People,
    on: Connection,
}

/// What ends with the connection.
struct Connection {
    phase: String,
    step: usize,
    versions: (u8, u8, u64),
    register: Option<(String, [u8; 32])>,
    auth: Option<Auth>,
    closed: Vec<Side>,
    /// The server must close with this code now, or else it breaks the statement.
    must_close: Option<(CloseCode, &'static str)>,
    pings: [VecDeque<Ping>; 2],
    /// The client is known to have read the steps before this one.
    client_read: usize,
    goaway: Option<usize>,
    to_client: Window,
    to_server: Window,
}

struct Ping {
    token: u64,
    step: usize,
    acked: Position,
}

impl Observer {
    pub(crate) fn new(spec: &str) -> Self {
        Self {
            phases: Phases::read(spec),
            nonces: BTreeSet::new(),
            accounts: BTreeMap::new(),
            inbox: Inbox::default(),
            requests: Requests::default(),
            book: Book::default(),
            groups: Groups::default(),
            people: People::default(),
            on: Connection::new(),
        }
    }

    pub(crate) fn connection_begins(&mut self) {
        self.on = Connection::new();
        self.requests.connection_begins();
        self.book.connection_begins();
        self.groups.connection_begins();
        self.people.connection_begins();
    }

    /// A frame of a type that is skipped: only a closed end may not send it.
    pub(crate) fn skipped(&self, side: Side) -> Verdict {
        if self.on.closed.contains(&side) {
            Err("M-14.1")
        } else {
            Ok(())
        }
    }

    /// The next frame, of this many bytes.
    pub(crate) fn step(&mut self, side: Side, frame: &Frame<'_>, bytes: usize) -> Verdict {
        self.on.step += 1;
        self.skipped(side)?;
        if let Frame::Close(close) = frame {
            return self.close(side, close);
        }
        if side == Side::Server
            && let Some((_, statement)) = self.on.must_close
        {
            return Err(statement);
        }
        self.on.phase = self.phases.next(&self.on.phase, side, frame)?;
        match side {
            Side::Client => self.client(frame, bytes),
            Side::Server => self.server(frame, bytes),
        }
    }

    fn close(&mut self, side: Side, close: &Close<'_>) -> Verdict {
        self.on.closed.push(side);
        match self.on.must_close {
            Some((code, statement)) if side == Side::Server && close.code != code => Err(statement),
            _ => Ok(()),
        }
    }

    fn client(&mut self, frame: &Frame<'_>, bytes: usize) -> Verdict {
        let (step, read) = (self.on.step, self.on.client_read);
        if REQUESTS.contains(&frame.kind()) && self.on.goaway.is_some_and(|goaway| goaway < read) {
            return Err("M-14.7");
        }
        match frame {
            Frame::Hello(hello) => {
                self.on.versions = (hello.version_min, hello.version_max, hello.features.0);
            }
            Frame::Register(register) => {
                self.on.register = Some((register.handle.to_owned(), register.key));
            }
            Frame::Auth(auth) => {
                self.on.auth = Some(*auth);
                return self.on.to_client.grant(auth.credit);
            }
            Frame::Credit(credit) => return self.on.to_client.grant(*credit),
            Frame::Send(send) => {
                self.on.to_server.spend(bytes)?;
                return self.requests.send(send, step, read);
            }
            Frame::GroupSend(send) => {
                self.on.to_server.spend(bytes)?;
                self.groups.send(send, step);
            }
            Frame::GroupAck(ack) if self.groups.ack(ack) => {
                self.on.must_close = Some((CloseCode::BAD_ACK, "M-27.9"));
            }
            Frame::Ack(ack) if self.inbox.ack(ack.position)? => {
                self.on.must_close = Some((CloseCode::BAD_ACK, "M-10.5"));
            }
            Frame::Nack(nack) => return self.client_nack(nack),
            Frame::Read(read) => self.requests.read(read.message_id),
            Frame::Status(status) => self.requests.status(status),
            Frame::Lookup(lookup) => self.requests.lookup(lookup),
            Frame::Ping(ping) => self.ping(Side::Client, ping.token),
            Frame::Pong(pong) => return self.pong(Side::Client, pong.token),
            other => {
                self.groups.client(other);
                self.people.client(other);
                return self.book.client(other);
            }
        }
        Ok(())
    }

    fn client_nack(&mut self, nack: &Nack) -> Verdict {
        check_class(nack)?;
        if nack.of != Kind::EVENT {
            return Err("M-13.6");
        }
        if self.inbox.refuse(nack.reference.as_position()) {
            self.on.must_close = Some((CloseCode::BAD_ACK, "M-13.7"));
        }
        Ok(())
    }

    fn server(&mut self, frame: &Frame<'_>, bytes: usize) -> Verdict {
        // [M-12.2]
        if COSTS.contains(&frame.kind()) {
            self.on.to_client.spend(bytes)?;
        }
        let own = self.on.auth.map_or(NOBODY, |auth| auth.address);
        match frame {
            Frame::Challenge(challenge) => self.challenge(challenge),
            Frame::Registered(registered) => self.registered(registered.address),
            Frame::Ready(ready) => {
                self.on.to_server.grant(ready.credit)?;
                let auth = self.on.auth.ok_or("M-5.1")?;
                self.inbox.ready(&auth, ready)
            }
            Frame::Credit(credit) => self.on.to_server.grant(*credit),
            Frame::Nack(nack) => {
                if nack.of == Kind::AUTH && nack.code == NackCode::AUTH_FAILED {
                    self.on.must_close = Some((CloseCode::AUTH_FAILED, "M-7.7"));
                }
                if let Some(verdict) = self.groups.refused(nack) {
                    return verdict;
                }
                self.people.refused(nack);
                let has_asked = |kind, request| {
                    self.book.has_asked(kind, request) || self.people.has_asked(kind, request)
                };
                self.requests
                    .refused(nack, self.on.step, &self.book, &has_asked)
            }
            Frame::Goaway(_) => {
                self.on.goaway = Some(self.on.step);
                Ok(())
            }
            Frame::Sent(sent) => self.requests.sent(sent, own, &self.book),
            Frame::Event(event) => self.inbox.event(event, own),
            Frame::Receipt(receipt) => self.inbox.receipt(receipt),
            Frame::Fact(fact) => self.inbox.fact(fact),
            Frame::Gap(gap) => self.inbox.gap(gap),
            Frame::CaughtUp(mark) => self.inbox.caught_up(mark),
            Frame::State(state) => self.requests.state(state),
            Frame::Found(found) => self.requests.found(found),
            Frame::Ping(ping) => {
                self.ping(Side::Server, ping.token);
                Ok(())
            }
            Frame::Pong(pong) => self.pong(Side::Server, pong.token),
            Frame::GroupEvent(_) | Frame::GroupReceipt(_) => self.group_item(frame),
            other => {
                self.book.server(other, own)?;
                self.groups.server(other)?;
                self.people.server(other)
            }
        }
    }

    /// An item of a group, in the inbox or in the group's own stream.
    fn group_item(&mut self, frame: &Frame<'_>) -> Verdict {
        match frame {
            Frame::GroupEvent(event) if event.position == Position(0) => {
                self.groups.in_stream(event)
            }
            Frame::GroupEvent(event) => {
                let first = self.inbox.group_item(event.position)?;
                self.groups.in_inbox(event, first)
            }
            Frame::GroupReceipt(receipt) => {
                let first = self.inbox.group_item(receipt.position)?;
                self.groups.receipt(receipt, first)
            }
            _ => Ok(()),
        }
    }

    fn challenge(&mut self, challenge: &Challenge) -> Verdict {
        let (min, max, features) = self.on.versions;
        if !(min..=max).contains(&challenge.version) {
            return Err("M-6.1");
        }
        if challenge.features.0 & !features != 0 {
            return Err("M-6.4");
        }
        if self.nonces.insert(challenge.nonce) {
            Ok(())
        } else {
            Err("M-18.4")
        }
    }

    fn registered(&mut self, address: Address) -> Verdict {
        let claim = self.on.register.take().ok_or("M-5.1")?;
        let first = *self.accounts.entry(claim).or_insert(address);
        if first == address {
            Ok(())
        } else {
            Err("M-7.11")
        }
    }

    fn ping(&mut self, side: Side, token: u64) {
        let ping = Ping {
            token,
            step: self.on.step,
            acked: self.inbox.acked(),
        };
        self.on.pings[side as usize].push_back(ping);
    }

    /// A PONG proves that its sender has read everything before the PING.
    fn pong(&mut self, side: Side, token: u64) -> Verdict {
        let pings = &mut self.on.pings[1 - side as usize];
        if pings.iter().all(|ping| ping.token != token) {
            return Ok(());
        }
        let Some(ping) = pings.pop_front().filter(|ping| ping.token == token) else {
            return Err("M-5.7");
        };
        match side {
            Side::Client => self.on.client_read = ping.step,
            Side::Server => self.inbox.confirm(ping.acked),
        }
        Ok(())
    }
}

/// What the server spends credit on.
const COSTS: [Kind; 7] = [
    Kind::EVENT,
    Kind::RECEIPT,
    Kind::FACT,
    Kind::GAP,
    Kind::GROUP_EVENT,
    Kind::GROUP_RECEIPT,
    Kind::GROUP_GAP,
];

/// What a client does not begin after GOAWAY.
const REQUESTS: [Kind; 20] = [
    Kind::SEND,
    Kind::READ,
    Kind::STATUS,
    Kind::LOOKUP,
    Kind::DEVICES,
    Kind::PUBLISH,
    Kind::UPLOAD,
    Kind::CLAIM,
    Kind::LINK_OPEN,
    Kind::LINK_CLOSE,
    Kind::GROUP_CHANGE,
    Kind::GROUP_ASK,
    Kind::GROUP_SEND,
    Kind::GROUP_READ,
    Kind::GROUP_COUNT,
    Kind::GROUPS,
    Kind::WATCH,
    Kind::RELATE,
    Kind::RELATIONS,
    Kind::SETTINGS,
];

const NOBODY: Address = Address {
    user: UserId(0),
    device: DeviceId(0),
};

impl Connection {
    fn new() -> Self {
        Self {
            phase: "CONNECTED".to_owned(),
            step: 0,
            versions: (1, 0, 0),
            register: None,
            auth: None,
            closed: Vec::new(),
            must_close: None,
            pings: [VecDeque::new(), VecDeque::new()],
            client_read: 0,
            goaway: None,
            to_client: Window::default(),
            to_server: Window::default(),
        }
    }
}
