//! The connections of a reactor by their session ids.

use std::rc::Rc;

use martlet_shard::SessionId;
use slab::Slab;

use crate::gateway::conn::Conn;
use crate::shared::SESSION_REACTOR_SHIFT;

/// Slots with generations:
///
/// ```text
/// session id = reactor u16 · generation u24 · slot u24
/// ```
///
/// An effect that comes for a connection that has ended finds its slot empty or under another
/// generation. The generation counts all connections of the reactor, so a slot meets the same one
/// again after 16 million connections, long after every effect is done.
pub(super) struct Table {
    reactor: u64,
    generation: u64,
    conns: Slab<Rc<Conn>>,
}

impl Table {
    /// No connections yet.
    pub(super) fn new(reactor: usize) -> Self {
        Self {
            reactor: reactor as u64,
            generation: 0,
            conns: Slab::new(),
        }
    }

    /// Makes a connection with a new session id, unless all slots are taken.
    pub(super) fn insert(&mut self, make: impl FnOnce(SessionId) -> Conn) -> Option<Rc<Conn>> {
        let slot = self.conns.vacant_entry();
        let number = slot.key() as u64;
        if number > FIELD_MAX {
            return None;
        }
        self.generation = (self.generation + 1) & FIELD_MAX;
        let session = SessionId(
            self.reactor << SESSION_REACTOR_SHIFT | self.generation << FIELD_BITS | number,
        );
        let conn = Rc::new(make(session));
        slot.insert(Rc::clone(&conn));
        Some(conn)
    }

    /// The connection of a session, unless it has ended.
    pub(super) fn get(&self, session: SessionId) -> Option<&Rc<Conn>> {
        self.conns
            .get(slot_of(session))
            .filter(|conn| conn.session == session)
    }

    /// Forgets a connection.
    pub(super) fn remove(&mut self, session: SessionId) -> Option<Rc<Conn>> {
        self.get(session)?;
        self.conns.try_remove(slot_of(session))
    }

    /// All connections.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Rc<Conn>> {
        self.conns.iter().map(|(_, conn)| conn)
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.conns.is_empty()
    }
}

fn slot_of(session: SessionId) -> usize {
    (session.0 & FIELD_MAX) as usize
}

const FIELD_BITS: u32 = 24;
const FIELD_MAX: u64 = (1 << FIELD_BITS) - 1;
