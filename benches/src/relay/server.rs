//! The limit program's loop: read what is readable, log it, hold the answers until the sync.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use martlet_protocol::codec::Decoder;
use martlet_protocol::limits::FRAME_BYTES_MAX;
use martlet_protocol::{Timestamp, UserId};
use slab::Slab;

use super::core::{Core, Misbehaved};
use super::log::SyncedLog;
use crate::clock::unix_micros;
use crate::link::{Flushed, Input, Link, SCRATCH_BYTES};
use crate::sys::{Epoll, Ready, Waker};

/// How the limit program runs.
#[derive(Debug)]
pub struct Options {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The log file; none = relay without durability.
    pub log: Option<PathBuf>,
    /// Size of the log file in bytes.
    pub log_bytes: usize,
    /// End after this long without a connection.
    pub linger: Duration,
}

/// What the limit program did, told at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// SENDs relayed.
    pub messages: u64,
    /// Wake-ups of the loop.
    pub turns: u64,
    /// Syncs of the log.
    pub syncs: u64,
}

/// A single-threaded relay of direct messages.
///
/// A turn is: wait once, read each readable socket once, hand all records of the turn to the log
/// as one batch, release the frames of the turns that have become durable, write each dirty
/// socket once. A SEND is logged before SENT and EVENT leave; an ACK is logged, as the server
/// makes the cursor durable, before its receipt leaves. Recipients are always online.
#[derive(Debug)]
pub struct Relay {
    epoll: Epoll,
    listener: TcpListener,
    waker: Arc<Waker>,
    log: Option<SyncedLog>,
    linger: Duration,
    connections: Slab<Connection>,
    dirty: Vec<usize>,
    core: Core,
    turns: u64,
}

#[derive(Debug)]
struct Connection {
    link: Link,
    user: Option<UserId>,
    dirty: bool,
}

impl Relay {
    /// Opens the listener and writes the log file.
    pub fn open(options: &Options) -> Result<Self> {
        let listener = TcpListener::bind(options.listen)
            .with_context(|| format!("listen on {}", options.listen))?;
        listener
            .set_nonblocking(true)
            .context("set up the listener")?;
        let epoll = Epoll::new().context("open the epoll set")?;
        let waker = Arc::new(Waker::new().context("open the waker")?);
        epoll
            .add(listener.as_fd(), TOKEN_LISTENER)
            .context("watch the listener")?;
        epoll
            .add(waker.as_fd(), TOKEN_WAKER)
            .context("watch the waker")?;
        let log = match &options.log {
            Some(path) => Some(SyncedLog::create(
                path,
                options.log_bytes,
                Arc::clone(&waker),
            )?),
            None => None,
        };
        Ok(Self {
            epoll,
            listener,
            waker,
            log,
            linger: options.linger,
            connections: Slab::new(),
            dirty: Vec::new(),
            core: Core::default(),
            turns: 0,
        })
    }

    /// The address it listens on.
    pub fn address(&self) -> Result<SocketAddr> {
        self.listener
            .local_addr()
            .context("ask for the listener's address")
    }

    /// Relays until no connection has been open for the linger time.
    pub fn run(mut self) -> Result<Summary> {
        let mut ready = Vec::new();
        let mut scratch = vec![0; SCRATCH_BYTES];
        loop {
            let linger = self.connections.is_empty().then_some(self.linger);
            self.epoll
                .wait(&mut ready, linger)
                .context("wait for sockets")?;
            if ready.is_empty() && self.connections.is_empty() {
                let syncs = self.log.as_ref().map_or(0, SyncedLog::syncs);
                return Ok(Summary {
                    messages: self.core.messages,
                    turns: self.turns,
                    syncs,
                });
            }
            self.turn(&ready, &mut scratch)?;
        }
    }

    fn turn(&mut self, ready: &[Ready], scratch: &mut [u8]) -> Result<()> {
        self.turns += 1;
        self.core.begin_turn(Timestamp(unix_micros()));
        for event in ready {
            match event.token {
                TOKEN_LISTENER => self.accept()?,
                TOKEN_WAKER => self.waker.lower(),
                slot => self.serve(slot as usize, *event, scratch),
            }
        }
        // Without a log every ticket is durable before it is given.
        let (mut ticket, mut durable) = (0, 0);
        if let Some(log) = &mut self.log {
            if !self.core.records.is_empty() {
                ticket = log.submit(&mut self.core.records);
            }
            durable = log.durable().context("sync the log")?;
        }
        self.core.records.clear();
        self.core.hold.end_turn(ticket);
        self.release(durable);
        self.flush();
        Ok(())
    }

    fn accept(&mut self) -> Result<()> {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error).context("accept a connection"),
            };
            let link = Link::new(stream, Vec::new()).context("set up a connection")?;
            let entry = self.connections.vacant_entry();
            self.epoll
                .add(link.as_fd(), entry.key() as u64)
                .context("watch a connection")?;
            entry.insert(Connection {
                link,
                user: None,
                dirty: false,
            });
        }
    }

    fn serve(&mut self, slot: usize, event: Ready, scratch: &mut [u8]) {
        let Some(connection) = self.connections.get_mut(slot) else {
            return;
        };
        if event.readable {
            let read = connection.link.read(scratch);
            let consumed = match read {
                Ok(Input::Bytes(count)) => {
                    connection.consume(slot, &scratch[..count], &mut self.core)
                }
                Ok(Input::Nothing) => Ok(()),
                Ok(Input::Closed) | Err(_) => Err(Misbehaved),
            };
            if consumed.is_err() {
                return self.close(slot);
            }
        }
        connection.mark(slot, &mut self.dirty);
    }

    fn release(&mut self, durable: u64) {
        let Core { hold, book, .. } = &mut self.core;
        hold.release(durable, |released| {
            if let Some(seat) = book.seat(released.to)
                && let Some(slot) = seat.connection
                && let Some(connection) = self.connections.get_mut(slot)
            {
                let output = connection.link.output();
                if released.costs_credit {
                    seat.push_item(released.frame, output);
                } else {
                    output.extend_from_slice(released.frame);
                }
                connection.mark(slot, &mut self.dirty);
            }
        });
    }

    fn flush(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for slot in dirty.drain(..) {
            let Some(connection) = self.connections.get_mut(slot) else {
                continue;
            };
            connection.dirty = false;
            let link = &mut connection.link;
            let watched = match link.flush() {
                Ok(Flushed::Same) => Ok(()),
                Ok(flushed) => {
                    let on = flushed == Flushed::Blocked;
                    self.epoll.watch_writable(link.as_fd(), slot as u64, on)
                }
                Err(error) => Err(error),
            };
            if watched.is_err() {
                self.close(slot);
            }
        }
        self.dirty = dirty;
    }

    fn close(&mut self, slot: usize) {
        let Some(connection) = self.connections.try_remove(slot) else {
            return;
        };
        let seat = connection.user.and_then(|user| self.core.book.seat(user));
        if let Some(seat) = seat.filter(|seat| seat.connection == Some(slot)) {
            seat.connection = None;
        }
    }
}

impl Connection {
    fn consume(
        &mut self,
        slot: usize,
        mut input: &[u8],
        core: &mut Core,
    ) -> Result<(), Misbehaved> {
        let mut decoder = Decoder::new(FRAME_BYTES_MAX);
        loop {
            let before = input.len();
            let Some(frame) = decoder.next(&mut input).map_err(|_| Misbehaved)? else {
                break;
            };
            let answer = self.link.output();
            match self.user {
                Some(user) => core.on_frame(user, &frame, before - input.len(), answer)?,
                None => self.user = core.greet(slot, &frame, answer)?,
            }
        }
        self.link.keep(input);
        Ok(())
    }

    /// Has the socket flushed at the end of the turn.
    fn mark(&mut self, slot: usize, dirty: &mut Vec<usize>) {
        if !std::mem::replace(&mut self.dirty, true) {
            dirty.push(slot);
        }
    }
}

const TOKEN_LISTENER: u64 = u64::MAX;
const TOKEN_WAKER: u64 = u64::MAX - 1;
