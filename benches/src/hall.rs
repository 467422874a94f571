//! The connections of a generator thread: one epoll set, one read and at most one write of each a
//! turn, acknowledgements and credit included.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::BytesMut;
use martlet_protocol::frame::{Ack, Frame, GroupAck, Ping, Pong};
use martlet_protocol::{GroupId, Position, codec};

use crate::account::{Refusal, Session};
use crate::clock::Nanos;
use crate::credit::Granted;
use crate::flight::Violation;
use crate::link::{Flushed, Input, Link};
use crate::sys::{Epoll, Ready};

/// Connections by their token: `0..len`, in the order in which they were taken over.
#[derive(Debug)]
pub struct Hall {
    epoll: Epoll,
    ends: Vec<End>,
    dirty: Vec<usize>,
    ping_interval: Duration,
    ping_at: Nanos,
}

/// One connection, and how far its device is.
#[derive(Debug)]
pub struct End {
    link: Link,
    /// Whether it waits for the end of the turn to be flushed.
    is_dirty: bool,
    seen: Position,
    acknowledged: Position,
    /// The own streams of the groups that it is a member of.
    streams: BTreeMap<GroupId, Stream>,
    granted: Granted,
}

#[derive(Clone, Copy, Debug, Default)]
struct Stream {
    seen: u64,
    acknowledged: u64,
}

impl Hall {
    /// Takes over sessions and watches all of them. Each says something every `ping_interval`.
    ///
    /// # Errors
    /// When the system refuses a socket or the epoll set.
    pub fn new(sessions: Vec<Session>, ping_interval: Duration, now: Nanos) -> Result<Self> {
        let epoll = Epoll::new().context("open the epoll set")?;
        let mut ends = Vec::new();
        for (token, session) in (0..).zip(sessions) {
            let end = End::new(session).context("set up a connection")?;
            epoll
                .add(end.link.as_fd(), token)
                .context("watch a connection")?;
            ends.push(end);
        }
        Ok(Self {
            epoll,
            ends,
            dirty: Vec::new(),
            ping_interval,
            ping_at: now.plus(ping_interval),
        })
    }

    /// The connection with this token.
    pub fn end(&mut self, token: usize) -> &mut End {
        &mut self.ends[token]
    }

    /// Where to put frames for the peer; they leave with the next [`Hall::flush`].
    pub fn output(&mut self, token: usize) -> &mut BytesMut {
        self.touch(token);
        self.ends[token].link.output()
    }

    /// A frame for the peer.
    pub fn say(&mut self, token: usize, frame: &Frame<'_>) {
        codec::encode(frame, self.output(token));
    }

    /// A frame that has nothing to do with messages.
    ///
    /// # Errors
    /// When it ends the run: a refusal, a farewell, or what nobody expects.
    pub fn on_other(&mut self, token: usize, frame: &Frame<'_>) -> Result<()> {
        match frame {
            Frame::Ping(ping) => self.say(token, &Frame::Pong(Pong { token: ping.token })),
            Frame::Pong(_) | Frame::CaughtUp(_) => {}
            Frame::Nack(nack) => bail!("{}", Refusal(*nack)),
            Frame::Close(close) => {
                bail!("the server closed: {} {}", close.code.name(), close.detail)
            }
            other => bail!("the server sent an unexpected {:?}", other.kind()),
        }
        Ok(())
    }

    /// When the connections are due to say something.
    pub const fn ping_at(&self) -> Nanos {
        self.ping_at
    }

    /// Lets all connections say something, if it is time.
    pub fn ping_if_due(&mut self, now: Nanos) {
        if now < self.ping_at {
            return;
        }
        self.ping_at = now.plus(self.ping_interval);
        for token in 0..self.ends.len() {
            self.say(token, &Frame::Ping(Ping { token: 0 }));
        }
    }

    /// Waits for something to do.
    ///
    /// # Errors
    /// When the system says so.
    pub fn wait(&self, ready: &mut Vec<Ready>, timeout: Duration) -> Result<()> {
        self.epoll
            .wait(ready, Some(timeout))
            .context("wait for sockets")
    }

    /// Reads what has come for an event, into `scratch`; the bytes that are not used are to be
    /// [kept](Hall::keep). `None` when there is nothing to read.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn read(&mut self, event: Ready, scratch: &mut [u8]) -> Result<Option<usize>> {
        let token = event.token as usize;
        if event.writable {
            self.touch(token);
        }
        if !event.readable {
            return Ok(None);
        }
        let input = self.ends[token].link.read(scratch);
        match input.context("read from the server")? {
            Input::Bytes(count) => Ok(Some(count)),
            Input::Nothing => Ok(None),
            Input::Closed => bail!("the server closed a connection without a word"),
        }
    }

    /// Keeps less than one frame of what was read, and has the connection answer to the rest.
    pub fn keep(&mut self, token: usize, rest: &[u8]) {
        self.ends[token].link.keep(rest);
        self.touch(token);
    }

    fn touch(&mut self, token: usize) {
        if !std::mem::replace(&mut self.ends[token].is_dirty, true) {
            self.dirty.push(token);
        }
    }

    /// One write per touched socket.
    ///
    /// # Errors
    /// When a connection is lost.
    pub fn flush(&mut self) -> Result<()> {
        for token in self.dirty.drain(..) {
            let end = &mut self.ends[token];
            end.is_dirty = false;
            end.settle();
            let flushed = end.link.flush().context("write to the server")?;
            if flushed != Flushed::Same {
                let on = flushed == Flushed::Blocked;
                self.epoll
                    .watch_writable(end.link.as_fd(), token as u64, on)
                    .context("watch a connection for writing")?;
            }
        }
        Ok(())
    }
}

impl End {
    fn new(session: Session) -> io::Result<Self> {
        Ok(Self {
            link: Link::new(session.stream, session.rest)?,
            is_dirty: false,
            seen: session.ready.cursor,
            acknowledged: session.ready.cursor,
            streams: BTreeMap::new(),
            granted: Granted::new(),
        })
    }

    /// An item of the inbox came that takes the positions `from..=to`.
    ///
    /// # Errors
    /// The promise that it breaks.
    pub fn item(
        &mut self,
        from: Position,
        to: Position,
        frame_bytes: usize,
    ) -> Result<(), Violation> {
        if from != self.seen.next() {
            return Err(Violation::PositionNotNext);
        }
        self.seen = to;
        self.spend(frame_bytes)
    }

    /// An entry came out of the group's own stream.
    ///
    /// # Errors
    /// The promise that it breaks.
    pub fn entry(
        &mut self,
        group: GroupId,
        sequence: u64,
        frame_bytes: usize,
    ) -> Result<(), Violation> {
        self.streams.entry(group).or_default().seen = sequence;
        self.spend(frame_bytes)
    }

    fn spend(&mut self, frame_bytes: usize) -> Result<(), Violation> {
        let spent = self.granted.spend(frame_bytes);
        spent.map_err(|_| Violation::CreditExceeded)
    }

    /// Ends the turn for this connection: one acknowledgement for all that came, and credit when
    /// half is spent.
    fn settle(&mut self) {
        let position = self.seen;
        if position > self.acknowledged {
            self.acknowledged = position;
            codec::encode(&Frame::Ack(Ack { position }), self.link.output());
        }
        for (group, stream) in &mut self.streams {
            if stream.seen > stream.acknowledged {
                stream.acknowledged = stream.seen;
                let ack = GroupAck {
                    group: *group,
                    sequence: stream.seen,
                };
                codec::encode(&Frame::GroupAck(ack), self.link.output());
            }
        }
        if let Some(credit) = self.granted.refill() {
            codec::encode(&Frame::Credit(credit), self.link.output());
        }
    }
}
