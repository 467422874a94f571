//! When a connection must have done what, and what happens if it has not.

use std::mem;
use std::rc::Rc;

use martlet_protocol::CloseCode;

use crate::clock::{self, Seconds};
use crate::config::units::Span;
use crate::gateway::conn::{Conn, Phase, State};
use crate::gateway::session::Ending;
use crate::reactor::Reactor;

impl Reactor {
    /// Time has passed.
    pub(super) fn tick(&mut self) {
        let now = self.shared.clock.seconds();
        let mut due = mem::take(&mut self.scratch.due);
        self.wheel.advance(now, &mut due);
        for (session, at) in due.drain(..) {
            let Some(conn) = self.table.get(session).map(Rc::clone) else {
                continue;
            };
            // Only the last entry counts: the others were made for deadlines that moved nearer.
            if conn.state.borrow().check_at == at {
                self.check(&conn, now);
            }
        }
        self.scratch.due = due;
        self.driver.tick(clock::wall());
        for effect in mem::take(&mut self.postponed) {
            self.execute(effect);
        }
        if now > self.swept {
            self.swept = now;
            self.sweep(now);
        }
    }

    /// Once a second.
    fn sweep(&mut self, now: Seconds) {
        let count = mem::take(&mut self.turned_away);
        if count > 0 {
            tracing::info!(event = "connections_turned_away", count);
        }
        if now.0.is_multiple_of(QUIET_INTERVAL_S) {
            let now_us = self.shared.clock.micros();
            self.signatures.forget_full(now_us);
            self.sends.forget_full(now_us);
            if self.index == 0 {
                self.shared.admission.forget_quiet();
            }
        }
    }

    fn check(&mut self, conn: &Rc<Conn>, now: Seconds) {
        let mut state = conn.state.borrow_mut();
        match state.phase {
            Phase::Closing { until } | Phase::Lingering { until } => {
                if now >= until {
                    drop(state);
                    return self.forget(conn);
                }
            }
            Phase::Open => {
                if let Some(code) = self.missed(&mut state, now) {
                    self.close(conn, &mut state, Ending::Refused(code));
                }
            }
        }
        let at = self.next_check(&state);
        state.check_at = self.wheel.insert(conn.session, at);
    }

    /// The deadline that a connection has missed.
    fn missed(&self, state: &mut State, now: Seconds) -> Option<CloseCode> {
        let limits = &self.shared.config.limits;
        let is_over = |since: Seconds, span: Span| now >= deadline(since, span);
        if state.is_stranger() {
            return is_over(state.opened, self.time_of_stranger(state))
                .then_some(CloseCode::AUTH_TIMEOUT);
        }
        if is_over(state.heard, limits.idle_time) {
            return Some(CloseCode::IDLE_TIMEOUT);
        }
        if let Some(since) = state.blocked_since()
            && is_over(since, limits.slow_reader_time)
        {
            return Some(CloseCode::SLOW_READER);
        }
        if let Some(since) = state.open_frame_since()
            && is_over(since, limits.frame_time)
            && !state.has_progressed(now)
        {
            return Some(CloseCode::SLOW_FRAME);
        }
        None
    }

    /// From accept to authenticated, in all, but for the wait for a person at another screen.
    fn time_of_stranger(&self, state: &State) -> Span {
        if state.is_linking() {
            LINKING_TIME
        } else {
            self.shared.config.limits.authentication_time
        }
    }

    /// Looks at a connection sooner than planned, if one of its deadlines has come nearer.
    pub(super) fn look_sooner(&mut self, conn: &Conn, state: &mut State) {
        let at = self.next_check(state);
        if at < state.check_at {
            state.check_at = self.wheel.insert(conn.session, at);
        }
    }

    /// When to look at a connection next.
    pub(super) fn next_check(&self, state: &State) -> Seconds {
        let limits = &self.shared.config.limits;
        match state.phase {
            Phase::Closing { until } | Phase::Lingering { until } => until,
            Phase::Open if state.is_stranger() => {
                deadline(state.opened, self.time_of_stranger(state))
            }
            Phase::Open => {
                let mut next = deadline(state.heard, limits.idle_time);
                if let Some(since) = state.blocked_since() {
                    next = next.min(deadline(since, limits.slow_reader_time));
                }
                if let Some(since) = state.open_frame_since() {
                    next = next.min(deadline(since, limits.frame_time));
                }
                next
            }
        }
    }
}

/// Both ends are rounded down to whole seconds, so one more makes sure that nobody gets less than
/// was promised.
fn deadline(since: Seconds, span: Span) -> Seconds {
    since.plus(span.seconds().saturating_add(1))
}

/// A link is over after ten minutes, and whoever waits for it hears that within another. Longer
/// than that nobody waits.
const LINKING_TIME: Span = Span::from_secs(15 * 60);

/// How often addresses and devices that have been quiet are forgotten.
const QUIET_INTERVAL_S: u32 = 60;
