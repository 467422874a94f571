//! Keep-alive: a PING before the silence is too long, and the end when nothing answers it.

use martlet_protocol::Millis;

/// Shortest step, whatever the server says: a server that asks for less wants a flood.
const STEP_MS_MIN: u64 = 50;

/// Watches both directions of a connection. A third of the server's tolerance passes in silence,
/// then a PING; another third without any byte, and the peer is gone: a half-open connection is
/// noticed before the server's own limit [M-5.9, M-5.10].
#[derive(Clone, Copy, Debug)]
pub(super) struct Pulse {
    step_ms: u64,
    heard_at: Millis,
    spoke_at: Millis,
    asked_at: Option<Millis>,
}

/// What silence calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// Nothing yet.
    Fine,
    /// A PING.
    Ask,
    /// The end of the connection.
    Dead,
}

impl Pulse {
    pub(super) fn new(now: Millis, idle_ms: u64) -> Self {
        let step_ms = (idle_ms / 3).max(STEP_MS_MIN);
        Self {
            step_ms,
            heard_at: now,
            spoke_at: now,
            asked_at: None,
        }
    }

    /// After so long a silence the connection has ended, in milliseconds.
    pub(super) const fn silence_ms_max(&self) -> u64 {
        2 * self.step_ms
    }

    /// Any byte is a sign of life.
    pub(super) const fn heard(&mut self, now: Millis) {
        self.heard_at = now;
        self.asked_at = None;
    }

    pub(super) const fn spoke(&mut self, now: Millis) {
        self.spoke_at = now;
    }

    /// When to call [`Pulse::check`] next.
    pub(super) fn due(&self) -> Millis {
        let silent_since = self
            .asked_at
            .unwrap_or_else(|| self.heard_at.min(self.spoke_at));
        silent_since.plus(self.step_ms)
    }

    pub(super) fn check(&mut self, now: Millis) -> Silence {
        if now < self.due() {
            return Silence::Fine;
        }
        if self.asked_at.is_some() {
            return Silence::Dead;
        }
        self.asked_at = Some(now);
        Silence::Ask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_answered_by_a_question_and_then_by_the_end() {
        let mut pulse = Pulse::new(Millis(0), 30_000);
        assert_eq!(pulse.check(Millis(9_999)), Silence::Fine);
        assert_eq!(pulse.check(Millis(10_000)), Silence::Ask);
        assert_eq!(pulse.check(Millis(19_999)), Silence::Fine);
        assert_eq!(pulse.check(Millis(20_000)), Silence::Dead);
    }

    #[test]
    fn a_client_that_only_listens_still_speaks_before_the_server_gives_up() {
        let mut pulse = Pulse::new(Millis(0), 30_000);
        pulse.heard(Millis(9_000));
        assert_eq!(pulse.check(Millis(10_000)), Silence::Ask);
        pulse.spoke(Millis(10_000));
        pulse.heard(Millis(10_050));
        assert_eq!(pulse.check(Millis(15_000)), Silence::Fine);
    }
}
