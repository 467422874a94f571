//! When and where to connect: backoff, the server's hints, and when to stop trying.

use martlet_protocol::{CloseCode, Millis};

use super::rng::Rng;
use crate::address;

/// The first window of the backoff, in milliseconds [M-14.5].
const WINDOW_MS_MIN: u64 = 1_000;
/// The last one.
const WINDOW_MS_MAX: u64 = 60_000;
/// How long a connection must have been ready before a loss counts as the first one again. A
/// server that accepts and then drops everybody would otherwise be hammered.
const STABLE_MS: u64 = 60_000;
/// The longest delay that a server may ask for: its mistake must not silence a client for days.
const DELAY_MS_MAX: u64 = 10 * 60 * 1_000;

/// How to come back after a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ComeBack {
    /// Without delay.
    AtOnce,
    /// After a random time in the window, which doubles with every failure.
    Backoff,
    /// After a random time in this range, in milliseconds.
    Between(u64, u64),
    /// Not before a person has done something.
    Never,
}

impl ComeBack {
    /// What the table of [M-14.3] says for a CLOSE of the server.
    pub(super) const fn after_close(code: CloseCode) -> Self {
        match code {
            CloseCode::IDLE_TIMEOUT => Self::AtOnce,
            CloseCode::VERSION_UNSUPPORTED
            | CloseCode::REPLACED
            | CloseCode::DEVICE_GONE
            | CloseCode::AUTH_FAILED => Self::Never,
            _ => Self::Backoff,
        }
    }
}

/// The plan for the next connection.
#[derive(Clone, Debug)]
pub(super) struct Dial {
    window_ms: u64,
    ready_since: Option<Millis>,
    not_before: Option<Millis>,
    moved_to: Option<String>,
}

impl Dial {
    pub(super) const fn new(now: Millis) -> Self {
        Self {
            window_ms: WINDOW_MS_MIN,
            ready_since: None,
            not_before: Some(now),
            moved_to: None,
        }
    }

    /// When the next attempt may be made, or `None` when none is to be made.
    pub(super) const fn next_at(&self) -> Option<Millis> {
        self.not_before
    }

    /// Where to connect when the registered address is `server`.
    pub(super) fn target(&self, server: &str) -> String {
        match &self.moved_to {
            Some(moved) => address::follow(server, moved),
            None => server.to_owned(),
        }
    }

    /// GOAWAY named another address for the next connection.
    pub(super) fn moved(&mut self, address: &str) {
        self.moved_to = (!address.is_empty()).then(|| address.to_owned());
    }

    pub(super) const fn ready(&mut self, now: Millis) {
        self.ready_since = Some(now);
    }

    /// No more connections.
    pub(super) const fn stop(&mut self) {
        self.not_before = None;
    }

    /// A connection ended, or could not be made.
    pub(super) fn lost(&mut self, now: Millis, back: ComeBack, rng: &mut Rng) {
        match self.ready_since.take() {
            Some(since) if now.since(since) >= STABLE_MS => self.window_ms = WINDOW_MS_MIN,
            Some(_) => {}
            // The address did not work: the registered one may.
            None if back == ComeBack::Backoff => self.moved_to = None,
            None => {}
        }
        self.not_before = match back {
            ComeBack::AtOnce => Some(now),
            ComeBack::Backoff => {
                let delay = rng.up_to(self.window_ms);
                self.window_ms = (self.window_ms * 2).min(WINDOW_MS_MAX);
                Some(now.plus(delay))
            }
            ComeBack::Between(min, max) => {
                let min = min.min(DELAY_MS_MAX);
                let max = max.clamp(min, DELAY_MS_MAX);
                Some(now.plus(min + rng.up_to(max - min)))
            }
            ComeBack::Never => None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(dial: &mut Dial, count: usize) -> Vec<u64> {
        let mut rng = Rng::new(1);
        let lose = |_| {
            dial.lost(Millis(0), ComeBack::Backoff, &mut rng);
            dial.next_at().unwrap().0
        };
        (0..count).map(lose).collect()
    }

    #[test]
    fn failures_spread_over_a_growing_window_that_ends() {
        let mut dial = Dial::new(Millis(0));
        let delays = delays(&mut dial, 200);
        let windows = [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000];
        assert!(
            delays
                .iter()
                .zip(windows)
                .all(|(delay, window)| *delay <= window)
        );
        assert!(delays.iter().all(|delay| *delay <= WINDOW_MS_MAX));
        assert!(delays.iter().any(|delay| *delay > WINDOW_MS_MAX / 2));
    }

    #[test]
    fn only_a_connection_that_lasted_makes_the_next_loss_the_first() {
        let mut rng = Rng::new(1);
        let mut dial = Dial::new(Millis(0));
        delays(&mut dial, 10);
        dial.ready(Millis(0));
        dial.lost(Millis(STABLE_MS - 1), ComeBack::Backoff, &mut rng);
        assert_eq!(dial.window_ms, WINDOW_MS_MAX);
        dial.ready(Millis(0));
        dial.lost(Millis(STABLE_MS), ComeBack::Backoff, &mut rng);
        assert_eq!(dial.window_ms, 2 * WINDOW_MS_MIN);
    }

    #[test]
    fn the_servers_delay_and_address_are_followed_once() {
        let mut rng = Rng::new(1);
        let mut dial = Dial::new(Millis(0));
        dial.ready(Millis(0));
        dial.moved("two:1");
        dial.lost(Millis(0), ComeBack::Between(500, 700), &mut rng);
        assert!((500..=700).contains(&dial.next_at().unwrap().0));
        assert_eq!(dial.target("one:1"), "tls://two:1");
        dial.lost(Millis(0), ComeBack::Backoff, &mut rng);
        assert_eq!(dial.target("one:1"), "one:1");
    }
}
