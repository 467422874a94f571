//! Frames over a blocking TCP connection.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use martlet_protocol::codec::{self, Decoder};
use martlet_protocol::frame::{
    Bundle, CaughtUp, Challenge, Credit, EventKind, Fact, Frame, Gap, GroupChanged, GroupEventKind,
    GroupGap, GroupMember, GroupMode, GroupProgress, GroupSent, GroupTyped, Nack, Ping, Presence,
    Published, Ready, Receipt, Registered, Related, Relation, Sent, SettingsAre, StateReply, Stock,
    Typed,
};
use martlet_protocol::limits::FRAME_BYTES_MAX;
use martlet_protocol::{
    Address, CloseCode, DeviceId, GroupId, MessageId, Position, State, Timestamp, UserId,
};

use super::PATIENCE;

/// The connection is gone, and why. What was not answered is unknown.
#[derive(Debug)]
pub struct Lost(pub String);

/// A frame from the server that owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Got {
    Bundles {
        request: u64,
        user: UserId,
        bundles: Vec<Bundle>,
    },
    CaughtUp(CaughtUp),
    Challenge(Challenge),
    Close {
        code: CloseCode,
        detail: String,
    },
    Credit(Credit),
    DeviceLists {
        request: u64,
        user: UserId,
        newest: u64,
        lists: Vec<Vec<u8>>,
    },
    Event(Message),
    Fact(Fact),
    Found {
        request: u64,
        user: UserId,
        handle: String,
    },
    Gap(Gap),
    Goaway {
        code: CloseCode,
    },
    GroupChanged(GroupChanged),
    GroupCounted {
        members: u64,
        delivered: u64,
        read: u64,
    },
    GroupEvent(Entry),
    GroupGap(GroupGap),
    GroupReceipt {
        position: Position,
        group: GroupId,
        state: State,
        members: Vec<GroupProgress>,
    },
    GroupSent(GroupSent),
    GroupState {
        request: u64,
        group: GroupId,
        version: u64,
        roster: u64,
        mode: GroupMode,
        records: Vec<Vec<u8>>,
        members: Vec<GroupMember>,
    },
    GroupTyped(GroupTyped),
    LinkClosed {
        request: u64,
    },
    LinkOffer {
        device: DeviceId,
        offer: Vec<u8>,
    },
    LinkOpened {
        request: u64,
    },
    Linked {
        answer: Vec<u8>,
    },
    Nack(Nack),
    Ping(Ping),
    Pong {
        token: u64,
    },
    Presence(Presence),
    Published(Published),
    Ready(Ready),
    Receipt(Receipt),
    Registered(Registered),
    Related(Related),
    RelationList {
        request: u64,
        more: bool,
        relations: Vec<(UserId, Relation)>,
    },
    Sent(Sent),
    SettingsAre(SettingsAre),
    State(StateReply),
    Stock(Stock),
    Typed(Typed),
}

/// An EVENT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub position: Position,
    pub kind: EventKind,
    pub peer: Address,
    pub id: MessageId,
    pub timestamp: Timestamp,
    pub envelope: Vec<u8>,
    pub part: Vec<u8>,
}

/// A GROUP_EVENT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// 0 when it came by the group's own stream.
    pub position: Position,
    pub group: GroupId,
    pub sequence: u64,
    pub kind: GroupEventKind,
    pub author: Option<Address>,
    pub message_id: Option<MessageId>,
    pub body: Vec<u8>,
}

/// One end of a connection.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    decoder: Decoder,
    input: Vec<u8>,
    /// How much of `input` was decoded.
    used: usize,
    output: BytesMut,
}

impl Wire {
    /// Connects.
    pub fn dial(server: SocketAddr) -> Result<Self, Lost> {
        let stream = TcpStream::connect_timeout(&server, PATIENCE).map_err(lost)?;
        stream.set_nodelay(true).map_err(lost)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(lost)?;
        Ok(Self {
            stream,
            decoder: Decoder::new(FRAME_BYTES_MAX),
            input: Vec::new(),
            used: 0,
            output: BytesMut::new(),
        })
    }

    /// Appends a frame to what [`flush`](Self::flush) writes; returns its size in bytes.
    pub fn push(&mut self, frame: &Frame<'_>) -> usize {
        let before = self.output.len();
        codec::encode(frame, &mut self.output);
        self.output.len() - before
    }

    /// Writes what was pushed.
    pub fn flush(&mut self) -> Result<(), Lost> {
        let done = self.stream.write_all(&self.output).map_err(lost);
        self.output.clear();
        done
    }

    /// The next frame and its size; `None` when none came within `wait`. With no time to wait only
    /// what was already read is looked at.
    pub fn next(&mut self, wait: Duration) -> Result<Option<(Got, usize)>, Lost> {
        let deadline = Instant::now() + wait;
        loop {
            if let Some(got) = self.decode() {
                return Ok(Some(got));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.stream.set_read_timeout(Some(left)).map_err(lost)?;
            self.fill()?;
        }
    }

    /// The answer to a request before READY.
    pub fn answer(&mut self) -> Result<Got, Lost> {
        match self.next(PATIENCE)? {
            Some((got, _)) => Ok(got),
            None => panic!("the server does not answer"),
        }
    }

    fn decode(&mut self) -> Option<(Got, usize)> {
        let mut rest = &self.input[self.used..];
        let before = rest.len();
        let frame = self.decoder.next(&mut rest);
        let frame = frame.unwrap_or_else(|error| panic!("the server sent garbage: {error:?}"));
        let got = frame.map(|frame| Got::from_frame(&frame));
        let bytes = before - rest.len();
        self.used += bytes;
        got.map(|got| (got, bytes))
    }

    fn fill(&mut self) -> Result<(), Lost> {
        self.input.drain(..self.used);
        self.used = 0;
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => Err(Lost("the server closed the connection".into())),
            Ok(count) => {
                self.input.extend_from_slice(&chunk[..count]);
                Ok(())
            }
            Err(error) if is_pause(error.kind()) => Ok(()),
            Err(error) => Err(lost(error)),
        }
    }
}

impl Got {
    fn from_frame(frame: &Frame<'_>) -> Self {
        match frame {
            Frame::Bundles(frame) => Self::Bundles {
                request: frame.request,
                user: frame.user,
                bundles: frame.bundles.iter().collect(),
            },
            Frame::CaughtUp(frame) => Self::CaughtUp(*frame),
            Frame::Challenge(frame) => Self::Challenge(*frame),
            Frame::Close(frame) => Self::Close {
                code: frame.code,
                detail: frame.detail.to_owned(),
            },
            Frame::Credit(frame) => Self::Credit(*frame),
            Frame::DeviceLists(frame) => Self::DeviceLists {
                request: frame.request,
                user: frame.user,
                newest: frame.newest,
                lists: frame.lists.iter().map(|list| list.0.to_vec()).collect(),
            },
            Frame::Event(event) => Self::Event(Message {
                position: event.position,
                kind: event.kind,
                peer: event.peer,
                id: event.message_id,
                timestamp: event.timestamp,
                envelope: event.envelope.to_vec(),
                part: event.part.to_vec(),
            }),
            Frame::Fact(frame) => Self::Fact(*frame),
            Frame::Found(frame) => Self::Found {
                request: frame.request,
                user: frame.user,
                handle: frame.handle.to_owned(),
            },
            Frame::Gap(frame) => Self::Gap(*frame),
            Frame::Goaway(frame) => Self::Goaway { code: frame.code },
            Frame::Nack(frame) => Self::Nack(*frame),
            Frame::Ping(frame) => Self::Ping(*frame),
            Frame::Pong(frame) => Self::Pong { token: frame.token },
            Frame::Presence(frame) => Self::Presence(*frame),
            Frame::Published(frame) => Self::Published(*frame),
            Frame::Ready(frame) => Self::Ready(*frame),
            Frame::Receipt(frame) => Self::Receipt(*frame),
            Frame::Registered(frame) => Self::Registered(*frame),
            Frame::Related(frame) => Self::Related(*frame),
            Frame::RelationList(frame) => Self::RelationList {
                request: frame.request,
                more: frame.more,
                relations: frame
                    .relations
                    .iter()
                    .map(|entry| (entry.user, entry.relation))
                    .collect(),
            },
            Frame::Sent(frame) => Self::Sent(*frame),
            Frame::SettingsAre(frame) => Self::SettingsAre(*frame),
            Frame::State(frame) => Self::State(*frame),
            Frame::Stock(frame) => Self::Stock(*frame),
            Frame::Typed(frame) => Self::Typed(*frame),
            other => Self::from_link(other),
        }
    }

    /// What is said while a device is linked.
    fn from_link(frame: &Frame<'_>) -> Self {
        match frame {
            Frame::LinkClosed(frame) => Self::LinkClosed {
                request: frame.request,
            },
            Frame::LinkOffer(frame) => Self::LinkOffer {
                device: frame.device,
                offer: frame.offer.to_vec(),
            },
            Frame::LinkOpened(frame) => Self::LinkOpened {
                request: frame.request,
            },
            Frame::Linked(frame) => Self::Linked {
                answer: frame.answer.to_vec(),
            },
            other => Self::of_group(other),
        }
    }

    fn of_group(frame: &Frame<'_>) -> Self {
        match frame {
            Frame::GroupChanged(frame) => Self::GroupChanged(*frame),
            Frame::GroupCounted(frame) => Self::GroupCounted {
                members: frame.members,
                delivered: frame.delivered,
                read: frame.read,
            },
            Frame::GroupEvent(event) => Self::GroupEvent(Entry {
                position: event.position,
                group: event.group,
                sequence: event.sequence,
                kind: event.kind,
                author: event.author,
                message_id: event.message_id,
                body: event.body.to_vec(),
            }),
            Frame::GroupGap(frame) => Self::GroupGap(*frame),
            Frame::GroupReceipt(receipt) => Self::GroupReceipt {
                position: receipt.position,
                group: receipt.group,
                state: receipt.state,
                members: receipt.members.iter().collect(),
            },
            Frame::GroupSent(frame) => Self::GroupSent(*frame),
            Frame::GroupState(frame) => Self::GroupState {
                request: frame.request,
                group: frame.group,
                version: frame.version,
                roster: frame.roster,
                mode: frame.mode,
                records: frame.records.iter().map(|it| it.0.to_vec()).collect(),
                members: frame.members.iter().collect(),
            },
            Frame::GroupTyped(frame) => Self::GroupTyped(*frame),
            other => panic!("a server never sends {:?}", other.kind()),
        }
    }
}

fn is_pause(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

fn lost(error: std::io::Error) -> Lost {
    Lost(error.to_string())
}
