//! The engine's outside: handlers in, polls out, one transaction for each call.

use bytes::BytesMut;
use martlet_protocol::Millis;
use martlet_protocol::auth::KEY_BYTES;

use super::link::Link;
use super::notices::Answer;
use super::state::{Core, Fault};
use crate::error::StoreError;
use crate::event::{Event, OfflineCause};
use crate::local::{Db, Tx};

/// One device: its connection, its stream and its outbox.
///
/// Its methods are of four kinds:
///
/// - commands of the application: [`register`](Self::register), [`send`](Self::send),
///   [`mark_read`](Self::mark_read), and questions such as [`history`](Self::history);
/// - `handle_*`: something happened to the connection, or the time has come;
/// - `poll_*`: what the caller is to do next; call them all after every command and handler:
///   [`poll_transmit`](Self::poll_transmit), [`poll_close`](Self::poll_close),
///   [`poll_connect`](Self::poll_connect), [`poll_answer`](Self::poll_answer),
///   [`poll_event`](Self::poll_event) and [`poll_timeout`](Self::poll_timeout);
/// - [`into_db`](Self::into_db): what remains when the process dies.
///
/// It never reads a clock, never blocks on anything but the database, and draws no randomness.
/// After an error of the database it does nothing any more: drop it and open another one.
#[derive(Debug)]
pub struct Engine {
    pub(super) db: Db,
    pub(super) core: Core,
    failed: bool,
}

impl Engine {
    /// Continues where the last run on this database ended, in whatever way it ended. `seed` is
    /// for jitter only.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(mut db: Db, now: Millis, seed: u64) -> Result<Self, StoreError> {
        db.undo_unfinished()?;
        let core = Core::new(&db.begin()?, now, seed)?;
        Ok(Self {
            db,
            core,
            failed: false,
        })
    }

    /// The name that HELLO carries, at most 64 bytes; a longer one is cut.
    pub fn set_agent(&mut self, agent: &str) {
        let end = agent.floor_char_boundary(martlet_protocol::limits::AGENT_BYTES_MAX);
        agent[..end].clone_into(&mut self.core.agent);
    }

    /// Makes no connection until this home is registered anew.
    pub fn stay_offline(&mut self) {
        self.core.dial.stop();
        self.core.recall_standing();
    }

    /// Whether an error of the database has ended the work.
    #[must_use]
    pub const fn has_failed(&self) -> bool {
        self.failed
    }

    /// Drops everything but the database, as a crash does.
    #[must_use]
    pub fn into_db(self) -> Db {
        self.db
    }

    /// Runs one step in one transaction. What the step has decided can be polled only after the
    /// commit; when that fails, nothing of it ever can.
    pub(super) fn turn<T>(
        &mut self,
        now: Millis,
        step: impl FnOnce(&mut Core, &Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let Self { db, core, failed } = self;
        if *failed {
            return Err(StoreError::Stopped);
        }
        let turn = || {
            let tx = db.begin()?;
            let value = step(core, &tx)?;
            core.settle(&tx, now)?;
            tx.commit()?;
            if core::mem::take(&mut core.has_wiped) {
                db.scrub()?;
            }
            Ok(value)
        };
        let result = turn();
        *failed |= result.is_err();
        result
    }

    /// The connection asked for by [`poll_connect`](Self::poll_connect) is there. `binding` is
    /// the TLS exporter's value, or zeros on plain TCP.
    ///
    /// # Errors
    /// [`StoreError`]: the engine is of no use any more.
    ///
    /// # Panics
    /// If no connection was asked for.
    pub fn handle_connected(
        &mut self,
        now: Millis,
        binding: [u8; KEY_BYTES],
    ) -> Result<(), StoreError> {
        assert!(
            matches!(self.core.link, Link::Dialing),
            "a connection that nobody asked for"
        );
        self.turn(now, |core, _| {
            core.on_connected(now, binding);
            Ok(())
        })
    }

    /// The connection asked for could not be made.
    ///
    /// # Errors
    /// [`StoreError`]: the engine is of no use any more.
    pub fn handle_connect_failed(&mut self, now: Millis, reason: String) -> Result<(), StoreError> {
        self.handle_lost(now, OfflineCause::Unreachable { reason })
    }

    /// The connection is gone, or could not be made. Without one it does nothing.
    ///
    /// # Errors
    /// [`StoreError`]: the engine is of no use any more.
    pub fn handle_disconnected(&mut self, now: Millis) -> Result<(), StoreError> {
        self.handle_lost(now, OfflineCause::Lost)
    }

    fn handle_lost(&mut self, now: Millis, cause: OfflineCause) -> Result<(), StoreError> {
        if matches!(self.core.link, Link::Down) {
            return Ok(());
        }
        self.turn(now, |core, _| {
            core.on_lost(now, cause);
            Ok(())
        })
    }

    /// Bytes came. All whole frames among them are stored in one transaction; the answers to
    /// them wait for [`poll_transmit`](Self::poll_transmit).
    ///
    /// # Errors
    /// [`StoreError`]: nothing was stored and the engine is of no use any more.
    pub fn handle_bytes(&mut self, now: Millis, bytes: &[u8]) -> Result<(), StoreError> {
        self.turn(now, |core, tx| {
            let mut kept = core::mem::take(&mut core.input);
            // Most reads begin with a frame: only the rest of one is ever copied.
            let mut rest = if kept.is_empty() {
                bytes
            } else {
                kept.extend_from_slice(bytes);
                &kept
            };
            if let Some(live) = core.live() {
                live.pulse.heard(now);
            }
            match handle_frames(core, tx, now, &mut rest) {
                Ok(()) => core.input = rest.to_vec(),
                Err(Fault::Violation(code)) => core.reject(code),
                Err(Fault::Store(error)) => return Err(error),
            }
            Ok(())
        })
    }

    /// The time of [`poll_timeout`](Self::poll_timeout) has come. At any other time it is harmless.
    ///
    /// # Errors
    /// [`StoreError`]: the engine is of no use any more.
    pub fn handle_timeout(&mut self, now: Millis) -> Result<(), StoreError> {
        self.turn(now, |core, _| {
            core.on_timeout(now);
            Ok(())
        })
    }

    /// The address to connect to now, once for each attempt: the caller answers with exactly one
    /// of [`handle_connected`](Self::handle_connected),
    /// [`handle_connect_failed`](Self::handle_connect_failed) and
    /// [`handle_disconnected`](Self::handle_disconnected).
    pub fn poll_connect(&mut self, now: Millis) -> Option<String> {
        let core = &mut self.core;
        let due = core.dial.next_at().is_some_and(|at| at <= now);
        if self.failed || !due || !matches!(core.link, Link::Down) || !core.wants_connection() {
            return None;
        }
        let target = core.dial.target(&core.identity.as_ref()?.server);
        core.link = Link::Dialing;
        core.unanswered = core.registration.is_some() || core.joining.is_some();
        Some(target)
    }

    /// Appends what is to be written to the connection, and returns whether there was anything.
    pub fn poll_transmit(&mut self, out: &mut BytesMut) -> bool {
        if self.failed || self.core.output.is_empty() {
            return false;
        }
        out.unsplit(self.core.output.split());
        true
    }

    /// Whether the caller is to end the connection, after it has written what
    /// [`poll_transmit`](Self::poll_transmit) gave, and then to call
    /// [`handle_disconnected`](Self::handle_disconnected).
    #[must_use]
    pub const fn poll_close(&self) -> bool {
        self.failed || matches!(self.core.link, Link::Closing)
    }

    /// The answer to a command that has come.
    pub fn poll_answer(&mut self) -> Option<Answer> {
        if self.failed {
            None
        } else {
            self.core.answers.pop_front()
        }
    }

    /// The next event. It is taken, durably, before it is returned: it comes at most once, also
    /// when the process dies at once.
    ///
    /// # Errors
    /// [`StoreError`]: the event was not taken and the engine is of no use any more.
    pub fn poll_event(&mut self) -> Result<Option<Event>, StoreError> {
        if self.failed {
            return Ok(None);
        }
        let Self { db, core, failed } = self;
        let mut take = || {
            // A process that dies while it waits for the disk has taken the event and shown it to
            // nobody. Without that wait this is a moment, and only a power cut, which takes the
            // screen along, can have an event come again.
            let tx = db.begin_unsynced()?;
            let event = match core.notices.take(&tx, &core.lookups)? {
                Some(event) => Some(event),
                None => core.people.take(&tx)?,
            };
            tx.commit()?;
            Ok(event)
        };
        let result = take();
        *failed |= result.is_err();
        result
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) and
    /// [`poll_connect`](Self::poll_connect), if nothing else happens before.
    #[must_use]
    pub fn poll_timeout(&self, now: Millis) -> Option<Millis> {
        if self.failed {
            None
        } else {
            self.core.due(now)
        }
    }
}

/// Handles all whole frames at the front of `rest` and leaves what follows them.
fn handle_frames(core: &mut Core, tx: &Tx<'_>, now: Millis, rest: &mut &[u8]) -> Result<(), Fault> {
    while !matches!(core.link, Link::Closing | Link::Down) {
        let Some(frame_bytes) = core.decoder.frame_bytes(rest)? else {
            return Ok(());
        };
        // One frame at a time, so that each is counted with its own size.
        let Some((mut one, after)) = rest.split_at_checked(frame_bytes) else {
            return Ok(());
        };
        *rest = after;
        let mut decoder = core.decoder;
        if let Some(frame) = decoder.next(&mut one)? {
            core.on_frame(tx, now, frame, frame_bytes)?;
        }
    }
    *rest = &[];
    Ok(())
}
