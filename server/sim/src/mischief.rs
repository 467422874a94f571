//! Strangers: one who sends what cannot be opened, and some who take prekeys they do not need.

use bytes::Bytes;
use martlet_protocol::frame::SendScope;
use martlet_protocol::{Address, DeviceId, MessageId, Timestamp, UserId};
use martlet_shard::{Addressing, Command, DevicePart, OwnDevices, SendRequest, SessionId};

use crate::plan::POISONER;
use crate::schedule::Event;
use crate::world::World;

/// So many strangers can take all prekeys of an account together: each may take 20, and a device
/// has 50.
const STRANGERS: u64 = 4;
/// How many each may take.
const KEYS_EACH: usize = 20;

impl World {
    pub(crate) fn plan_poison(&mut self, ms_max: u64) {
        let ms = self.env.rng.between(ms_max / 4, ms_max);
        self.env.plan_in_us(ms * 1_000, Event::Poison);
    }

    /// Somebody who has written another client sends what no engine can open.
    pub(crate) fn poison(&mut self) {
        if !self.env.is_stormy {
            return;
        }
        self.plan_poison(40_000);
        let mut accounts = self.accounts.iter();
        let poisoner = accounts.find(|account| account.handle == POISONER);
        let Some(user) = poisoner.map(|account| account.user) else {
            return;
        };
        if !self.server.is_up() {
            return;
        }
        let env = &mut self.env;
        let id = MessageId::new(env.now.millis(), env.rng.bytes());
        env.ledger.on_poison(id, user);
        let people = self.plan.accounts;
        let to = self.accounts[env.rng.index(people)].user;
        let device = DeviceId(1);
        let from = Address { user, device };
        let own = self.server.devices_beside(from);
        let addressing = addressing(self.server.devices_of(to), own, env.rng.bytes());
        let request = SendRequest {
            message_id: id,
            to,
            after: Timestamp(0),
            ttl_ms: 0,
            addressing: addressing.boxed(),
            envelope: Bytes::new(),
        };
        let session = self.nobody();
        let send = Command::Send {
            session,
            from,
            request,
        };
        self.server.tell(&mut self.env, send);
    }

    /// Strangers take every one-time prekey that an account has.
    pub(crate) fn strip(&mut self) {
        if !self.env.is_stormy {
            return;
        }
        self.env.plan_in_us(30_000_000, Event::Strip);
        if !self.server.is_up() {
            return;
        }
        let people = self.plan.accounts;
        let user = self.accounts[self.env.rng.index(people)].user;
        let theirs = self.server.devices_of(user);
        let devices = theirs.others().to_vec();
        if devices.is_empty() {
            return;
        }
        self.env.counters.stripped += 1;
        self.env
            .note(format_args!("strangers take the keys of {user}"));
        self.strangers += STRANGERS;
        for stranger in 0..STRANGERS {
            let from = Address {
                user: UserId(self.strangers + stranger),
                device: DeviceId(1),
            };
            for _ in 0..KEYS_EACH / devices.len() {
                let session = self.nobody();
                let claim = Command::Claim {
                    session,
                    from,
                    request: 1,
                    user,
                    devices: devices.clone(),
                };
                self.server.tell(&mut self.env, claim);
            }
        }
    }

    /// A session that no connection has.
    fn nobody(&mut self) -> SessionId {
        self.nobodies += 1;
        SessionId(u64::MAX - self.nobodies)
    }
}

/// Made for the devices that both accounts have now, with the same for each of them: a message of
/// no session.
fn addressing(theirs: OwnDevices, own: OwnDevices, noise: [u8; 80]) -> Addressing {
    let part = Bytes::from([&[2, 1][..], &noise].concat());
    let parts = |devices: &[DeviceId]| -> Vec<DevicePart> {
        let devices = devices.iter();
        devices
            .map(|device| DevicePart {
                device: *device,
                part: part.clone(),
            })
            .collect()
    };
    Addressing {
        scope: SendScope::ALL,
        to_version: theirs.version(),
        own_version: own.version(),
        to_parts: parts(theirs.others()),
        own_parts: parts(own.others()),
        own,
    }
}
