//! The server that lies: between the shards and the gates it changes what a client gets.
//!
//! What it has once said about a place of a stream it says again on each connection, so that
//! neither a crash nor a lost connection lets the truth through.

mod lists;
mod messages;

pub(crate) use messages::read;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use martlet_client::keys::{DeviceKey, KeySeed};
use martlet_protocol::device_list::HASH_BYTES;
use martlet_protocol::frame::Frame;
use martlet_protocol::{Address, DeviceId, Kind, Position, UserId};
use martlet_shard::{Command, Effect, Reply, Topology};
use martlet_store::{Memory, View};

use crate::env::Env;
use crate::lie::Lie;
use crate::net::ConnId;
use crate::rng::Rng;

/// Most lies of one run: between them the world must be able to go on.
const LIES_MAX: usize = 12;

/// The device that the server makes up has the keys of this seed.
const SEED: KeySeed = KeySeed([0x5e; 32]);

/// Somebody who lies.
#[derive(Debug)]
pub(crate) struct Liar {
    lie: Lie,
    rng: Rng,
    key: DeviceKey,
    /// The keys of accounts that sign whatever the liar wants.
    owners: BTreeMap<UserId, DeviceKey>,
    /// Places of streams that were pushed.
    seen: BTreeSet<(Address, Position)>,
    /// What stands there instead of what the shard has.
    items: BTreeMap<(Address, Position), Bytes>,
    /// The newest message of a person that each device got as it is.
    newest: BTreeMap<Address, Bytes>,
    /// The second lists, and their hashes.
    forks: BTreeMap<(UserId, u64), (Bytes, [u8; HASH_BYTES])>,
    /// Which list a client has said that it knows.
    asked: BTreeMap<(ConnId, u64), u64>,
    /// Who was lied to about whom in an answer: once is enough.
    answered: BTreeSet<(Address, UserId)>,
    untruths: BTreeMap<(ConnId, Spot), Untruth>,
}

/// Where on a connection something was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Spot {
    Item(Position),
    Answer(Kind, u64),
}

/// Something that a client was told and that is not true.
#[derive(Clone, Debug)]
pub(crate) struct Untruth {
    pub(crate) lie: Lie,
    /// Whose device it seems to be about.
    pub(crate) about: Address,
    /// What follows the position of the EVENT that was changed, as the shard has it.
    pub(crate) genuine: Option<Bytes>,
}

/// What the liar sees of the world.
pub(crate) struct Scene<'a> {
    pub(crate) env: &'a Env,
    pub(crate) topology: &'a Topology,
    pub(crate) rows: &'a Memory,
    /// The device at the other end of each connection.
    pub(crate) devices: BTreeMap<ConnId, Address>,
}

impl Scene<'_> {
    fn list(&self, user: UserId, version: u64) -> Option<Bytes> {
        let shard = self.topology.shard_of_user(user);
        let key = martlet_store::keys::device_list::key(shard, user, version);
        self.rows.get(&key)
    }
}

impl Liar {
    pub(crate) fn new(lie: Lie) -> Self {
        Self {
            lie,
            rng: Rng::new(0),
            key: DeviceKey::new(&SEED),
            owners: BTreeMap::new(),
            seen: BTreeSet::new(),
            items: BTreeMap::new(),
            newest: BTreeMap::new(),
            forks: BTreeMap::new(),
            asked: BTreeMap::new(),
            answered: BTreeSet::new(),
            untruths: BTreeMap::new(),
        }
    }

    /// An account exists, and this is the seed of its key.
    pub(crate) fn meet(&mut self, user: UserId, seed: &KeySeed) {
        self.owners.insert(user, DeviceKey::new(seed));
    }

    /// What clients ask.
    pub(crate) fn on_commands(&mut self, commands: &[Command]) {
        for command in commands {
            if let Command::Devices {
                session,
                request,
                have,
                ..
            } = command
            {
                self.asked.insert((ConnId(session.0), *request), *have);
            }
        }
    }

    /// What happens in place of these effects.
    pub(crate) fn on_effects(&mut self, scene: &Scene<'_>, effects: &mut [Effect]) {
        if self.lie == Lie::Reordered {
            self.swap_some(scene, effects);
        }
        for effect in effects {
            match effect {
                Effect::Event {
                    session,
                    position,
                    kind: Kind::EVENT,
                    body_crc,
                    body,
                } => {
                    let conn = ConnId(session.0);
                    if let Some(to) = scene.devices.get(&conn)
                        && let Some(changed) = self.on_event(scene, conn, *to, (*position, body))
                    {
                        *body_crc = martlet_protocol::crc::of_body(&changed);
                        *body = changed;
                    }
                }
                Effect::Frame { session, reply } => {
                    let conn = ConnId(session.0);
                    if let Some(to) = scene.devices.get(&conn) {
                        self.on_reply(scene, conn, *to, reply);
                    }
                }
                _ => {}
            }
        }
    }

    fn on_reply(&mut self, scene: &Scene<'_>, conn: ConnId, to: Address, reply: &mut Reply) {
        let (of, request, about) = match reply {
            Reply::DeviceLists(answer) => {
                let about = self.change_lists(scene, conn, to, answer);
                (Kind::DEVICE_LISTS, answer.request, about)
            }
            Reply::Bundles(answer) => {
                let about = self.change_keys(scene, to, answer);
                (Kind::BUNDLES, answer.request, about)
            }
            _ => return,
        };
        if let Some(about) = about {
            self.note(conn, Spot::Answer(of, request), about, None);
        }
    }

    fn note(&mut self, conn: ConnId, spot: Spot, about: Address, genuine: Option<Bytes>) {
        let lie = self.lie;
        let untruth = Untruth {
            lie,
            about,
            genuine,
        };
        self.untruths.insert((conn, spot), untruth);
    }

    /// What of a frame that comes out of this connection is not true.
    pub(crate) fn untruth(&self, conn: ConnId, frame: &Frame<'_>) -> Option<&Untruth> {
        let spot = match frame {
            Frame::Event(event) => Spot::Item(event.position),
            Frame::DeviceLists(answer) => Spot::Answer(Kind::DEVICE_LISTS, answer.request),
            Frame::Bundles(answer) => Spot::Answer(Kind::BUNDLES, answer.request),
            _ => return None,
        };
        self.untruths.get(&(conn, spot))
    }

    /// Whether to lie now, to this device about this account, in an answer.
    fn is_tempted(&mut self, scene: &Scene<'_>, to: Address, about: UserId) -> bool {
        let may = scene.env.is_stormy && self.answered.len() < LIES_MAX;
        may && self.rng.one_in(2) && self.answered.insert((to, about))
    }
}

/// An account as a whole: where a device stands for it, there is none with this id.
const fn account(user: UserId) -> Address {
    Address {
        user,
        device: DeviceId(0),
    }
}
