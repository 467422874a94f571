//! The end of a reactor: nobody new, everybody told, everything durable, then gone.

use std::mem;
use std::rc::Rc;

use martlet_protocol::CloseCode;
use martlet_protocol::frame::{Frame, Goaway};
use tokio_util::codec::Encoder;

use crate::clock::Seconds;
use crate::gateway::conn::{Conn, Phase, State};
use crate::gateway::session::Ending;
use crate::reactor::Reactor;

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It is not in sight.
    Running,
    /// Clients are told to come back later; they get answers to what they have asked.
    Draining {
        /// When those who have not left are closed.
        until: Seconds,
    },
    /// Everybody is closed; the last frames are on their way.
    Leaving {
        /// When to stop being patient.
        until: Seconds,
    },
    /// Nothing is left.
    Done,
}

impl Reactor {
    /// Stops accepting and tells everybody.
    pub(super) fn begin_drain(&mut self) {
        if self.stage != Stage::Running {
            return;
        }
        if let Some(listener) = self.listener.take() {
            listener.abort();
        }
        let until = self
            .shared
            .clock
            .seconds()
            .plus(self.shared.config.drain_time.seconds());
        self.stage = Stage::Draining { until };
        let conns: Vec<_> = self.table.iter().map(Rc::clone).collect();
        for conn in conns {
            let mut state = conn.state.borrow_mut();
            // A new device that waits to be listed may still be: the person at the other screen has
            // a moment.
            if state.is_stranger() && !state.is_linking() {
                self.close(&conn, &mut state, Ending::Refused(CloseCode::SHUTDOWN));
            } else {
                self.say_goaway(&conn, &mut state);
            }
        }
    }

    /// Whether everybody was told to come back later.
    pub(super) fn is_draining(&self) -> bool {
        self.stage != Stage::Running
    }

    /// Tells a connection that arrived while the reactor drains.
    pub(super) fn greet_late_comer(&mut self, conn: &Conn, state: &mut State) {
        if self.is_draining() {
            self.say_goaway(conn, state);
        }
    }

    fn say_goaway(&mut self, conn: &Conn, state: &mut State) {
        if state.phase != Phase::Open {
            return;
        }
        state.session = mem::take(&mut state.session).map(|session| session.drain());
        let drain_ms = u64::from(self.shared.config.drain_time.seconds()) * 1_000;
        let goaway = Goaway {
            code: CloseCode::SHUTDOWN,
            // Nobody comes back before we are gone, and not all at once then.
            delay_ms_min: drain_ms,
            delay_ms_max: drain_ms * SPREAD,
            address: "",
        };
        match self.codec().encode(&Frame::Goaway(goaway), &mut state.out) {
            Ok(()) => self.mark_dirty(conn, state),
            Err(error) => self.close(conn, state, Ending::Refused(error.close_code())),
        }
    }

    /// Takes the next step towards the end, when its time has come.
    pub(super) fn advance_drain(&mut self) {
        let now = self.shared.clock.seconds();
        match self.stage {
            Stage::Running | Stage::Done => {}
            Stage::Draining { until } => {
                // What was accepted is answered before its sender is closed.
                if (self.table.is_empty() || now >= until) && self.driver.is_idle() {
                    self.close_everybody();
                    let until = now.plus(LEAVING_S);
                    self.stage = Stage::Leaving { until };
                    self.want_turn();
                }
            }
            Stage::Leaving { until } => {
                if (self.table.is_empty() || now >= until) && self.driver.is_idle() {
                    self.stage = Stage::Done;
                }
            }
        }
    }

    fn close_everybody(&mut self) {
        let conns: Vec<_> = self.table.iter().map(Rc::clone).collect();
        for conn in conns {
            let mut state = conn.state.borrow_mut();
            self.close(&conn, &mut state, Ending::Refused(CloseCode::SHUTDOWN));
        }
    }
}

/// Over how many drain times the clients come back.
const SPREAD: u64 = 3;

/// How long the last frames may take.
const LEAVING_S: u32 = 2;
