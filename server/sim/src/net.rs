//! Connections as TCP gives them: bytes in order, in pieces of any size, late, and then suddenly
//! no more. Connections overtake each other freely.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::env::Env;
use crate::schedule::{Event, Time};

/// One connection, numbered in the order of making.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConnId(pub(crate) u64);

/// An end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

impl Side {
    const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    const fn index(self) -> usize {
        match self {
            Self::Client => 0,
            Self::Server => 1,
        }
    }
}

#[derive(Debug)]
struct Conn {
    device: usize,
    /// Whether each end still has its socket.
    open: [bool; 2],
    /// When the newest bytes come out at each end.
    newest: [Time; 2],
    /// Nothing comes through any more, in either direction.
    severed: bool,
    /// This connection's usual delay in microseconds.
    delay_us: u64,
}

/// All connections.
#[derive(Debug, Default)]
pub(crate) struct Net {
    conns: BTreeMap<ConnId, Conn>,
    made: u64,
}

impl Net {
    /// A new connection of a device.
    pub(crate) fn connect(&mut self, device: usize, delay_us: u64) -> ConnId {
        self.made += 1;
        let id = ConnId(self.made);
        let conn = Conn {
            device,
            open: [true; 2],
            newest: [Time(0); 2],
            severed: false,
            delay_us,
        };
        self.conns.insert(id, conn);
        id
    }

    /// How many connections were made.
    pub(crate) const fn made(&self) -> u64 {
        self.made
    }

    /// Whose connection it is, as long as one end has it.
    pub(crate) fn device(&self, conn: ConnId) -> Option<usize> {
        self.conns.get(&conn).map(|conn| conn.device)
    }

    /// Whether this end has its socket and may hear something.
    pub(crate) fn is_open(&self, conn: ConnId, at: Side) -> bool {
        let conn = self.conns.get(&conn);
        conn.is_some_and(|conn| conn.open[at.index()])
    }

    /// Whether bytes that were on the way still come out.
    pub(crate) fn carries(&self, conn: ConnId) -> bool {
        self.conns.get(&conn).is_some_and(|conn| !conn.severed)
    }

    /// Connections that still carry something.
    pub(crate) fn living(&self) -> Vec<ConnId> {
        let living = self.conns.iter().filter(|(_, conn)| !conn.severed);
        living.map(|(id, _)| *id).collect()
    }

    fn close_end(&mut self, conn: ConnId, at: Side) {
        if let Some(ends) = self.conns.get_mut(&conn) {
            ends.open[at.index()] = false;
            if ends.open == [false; 2] {
                self.conns.remove(&conn);
            }
        }
    }
}

/// Writes bytes into a connection. They come out in pieces.
pub(crate) fn write(env: &mut Env, conn: ConnId, from: Side, bytes: &[u8]) {
    if !env.net.is_open(conn, from) || bytes.is_empty() {
        return;
    }
    let mut rest = Bytes::copy_from_slice(bytes);
    while !rest.is_empty() {
        let whole = rest.len() < 2 || !env.rng.one_in(12);
        let cut = if whole {
            rest.len()
        } else {
            1 + env.rng.index(rest.len() - 1)
        };
        env.counters.pieces += u64::from(!whole);
        let piece = rest.split_to(cut);
        let at = arrival(env, conn, from.other());
        if env.net.carries(conn) {
            let at_end = from.other();
            let event = Event::Bytes {
                conn,
                at: at_end,
                bytes: piece,
            };
            env.schedule.plan(at, event);
        }
    }
}

/// One end closes its socket; the other one learns of it behind the last bytes.
pub(crate) fn close(env: &mut Env, conn: ConnId, from: Side) {
    if !env.net.is_open(conn, from) {
        return;
    }
    let at = arrival(env, conn, from.other());
    if env.net.carries(conn) {
        let event = Event::End {
            conn,
            at: from.other(),
        };
        env.schedule.plan(at, event);
    }
    env.net.close_end(conn, from);
}

/// One end is gone without a word; the other one learns of it, or does not.
pub(crate) fn abandon(env: &mut Env, conn: ConnId, from: Side, is_told: bool) {
    if is_told {
        close(env, conn, from);
    } else {
        sever(env, conn);
        env.net.close_end(conn, from);
    }
}

/// The connection breaks: what is on the way is lost, and both ends are told so.
pub(crate) fn cut(env: &mut Env, conn: ConnId) {
    sever(env, conn);
    for at in [Side::Client, Side::Server] {
        let when = env.now.plus_us(env.rng.between(1, 300_000));
        env.schedule.plan(when, Event::End { conn, at });
    }
}

/// The connection breaks and nobody is told.
pub(crate) fn sever(env: &mut Env, conn: ConnId) {
    if let Some(ends) = env.net.conns.get_mut(&conn) {
        ends.severed = true;
    }
}

/// This end has learnt of the end: it has no socket any more.
pub(crate) fn ended(env: &mut Env, conn: ConnId, at: Side) {
    env.net.close_end(conn, at);
}

/// When something that is written now comes out: never before what was written earlier.
fn arrival(env: &mut Env, conn: ConnId, at: Side) -> Time {
    let now = env.now;
    let Some(ends) = env.net.conns.get_mut(&conn) else {
        return now;
    };
    let jitter = env.rng.below(ends.delay_us + 1);
    // Now and then a packet is lost and comes again.
    let lost = if env.rng.one_in(50) { 200_000 } else { 0 };
    let earliest = now.plus_us(1 + ends.delay_us / 2 + jitter + lost);
    let newest = &mut ends.newest[at.index()];
    *newest = earliest.max(newest.plus_us(1));
    *newest
}
