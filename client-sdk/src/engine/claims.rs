//! Questions for prekeys: with which devices a session is to begin.

use std::collections::BTreeMap;

use martlet_protocol::{Address, DeviceId, Millis, UserId};

use super::rng::Rng;

/// Most questions under way.
const ASKED_MAX: usize = 16;

/// After how many answers without a key for a device the others no longer wait for it.
const TRIES_MAX: u32 = 3;

/// The first pause after an answer without a key, in milliseconds; it doubles,
const PAUSE_MS_MIN: u64 = 1_000;
/// up to this one.
const PAUSE_MS_MAX: u64 = 10 * 60 * 1_000;

#[derive(Clone, Copy, Debug, Default)]
struct Open {
    request: Option<u64>,
    not_before: Millis,
    /// How many answers had no key for the device.
    tries: u32,
}

#[derive(Debug, Default)]
pub(super) struct Claims {
    open: BTreeMap<Address, Open>,
    asked: BTreeMap<u64, (UserId, Vec<DeviceId>)>,
}

impl Claims {
    /// Asks for a key of this device, unless it is asked already.
    pub(super) fn want(&mut self, peer: Address) {
        self.open.entry(peer).or_default();
    }

    /// Whether so many answers had no key for the device that others do not wait for it.
    pub(super) fn gave_up(&self, peer: Address) -> bool {
        let open = self.open.get(&peer);
        open.is_some_and(|open| open.tries >= TRIES_MAX)
    }

    /// A question to send now under the number `request`: one account, and devices of it.
    pub(super) fn ask(&mut self, now: Millis, request: u64) -> Option<(UserId, Vec<DeviceId>)> {
        if self.asked.len() >= ASKED_MAX {
            return None;
        }
        let is_due = |open: &Open| open.request.is_none() && open.not_before <= now;
        let (first, _) = self.open.iter().find(|(_, open)| is_due(open))?;
        let user = first.user;
        let mut devices = Vec::new();
        for (peer, open) in &mut self.open {
            if peer.user == user && is_due(open) {
                open.request = Some(request);
                devices.push(peer.device);
            }
        }
        self.asked.insert(request, (user, devices.clone()));
        Some((user, devices))
    }

    /// An answer has come: for which devices was asked.
    pub(super) fn answered(&mut self, request: u64) -> Option<(UserId, Vec<DeviceId>)> {
        self.asked.remove(&request)
    }

    /// There is a session with the device, or it is not listed any more.
    pub(super) fn settle(&mut self, peer: Address) {
        self.open.remove(&peer);
    }

    /// There was no key for the device.
    pub(super) fn missing(&mut self, now: Millis, peer: Address, rng: &mut Rng) {
        let open = self.open.entry(peer).or_default();
        let pause = PAUSE_MS_MIN << open.tries.min(16);
        open.tries += 1;
        open.request = None;
        open.not_before = now.plus(rng.stretch(pause.min(PAUSE_MS_MAX)));
    }

    /// The server will answer later.
    pub(super) fn refused(&mut self, request: u64, until: Millis) {
        let Some((user, devices)) = self.asked.remove(&request) else {
            return;
        };
        for device in devices {
            if let Some(open) = self.open.get_mut(&Address { user, device }) {
                open.request = None;
                open.not_before = until;
            }
        }
    }

    /// All open questions are asked again on the next connection.
    pub(super) fn disconnected(&mut self) {
        self.asked.clear();
        for open in self.open.values_mut() {
            open.request = None;
        }
    }

    pub(super) fn is_asking(&self) -> bool {
        !self.asked.is_empty()
    }

    /// When the next question may be repeated.
    pub(super) fn due(&self, now: Millis) -> Option<Millis> {
        let waiting = self.open.values().filter(|open| open.request.is_none());
        waiting
            .map(|open| open.not_before)
            .filter(|at| *at > now)
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn bob(device: u16) -> Address {
        Address {
            user: UserId(7),
            device: DeviceId(device),
        }
    }

    #[test]
    fn devices_of_one_account_are_asked_for_together() {
        let mut claims = Claims::default();
        claims.want(bob(1));
        claims.want(bob(2));
        claims.want(bob(1));
        let both = (UserId(7), vec![DeviceId(1), DeviceId(2)]);
        assert_eq!(claims.ask(Millis(0), 1), Some(both.clone()));
        assert_eq!(claims.ask(Millis(0), 2), None);
        assert_eq!(claims.answered(1), Some(both));
        claims.settle(bob(1));
        claims.settle(bob(2));
        assert!(!claims.is_asking());
    }

    #[test]
    fn a_device_without_keys_is_asked_for_again_and_does_not_hold_up_the_others_for_ever() {
        let (mut claims, mut rng) = (Claims::default(), Rng::new(1));
        claims.want(bob(1));
        for request in 1..=3 {
            assert!(!claims.gave_up(bob(1)));
            let now = claims.due(Millis(0)).unwrap_or_default();
            assert!(claims.ask(now, request).is_some());
            claims.answered(request);
            claims.missing(now, bob(1), &mut rng);
        }
        assert!(claims.gave_up(bob(1)));
        assert!(claims.due(Millis(0)).is_some(), "and it goes on");
    }
}
