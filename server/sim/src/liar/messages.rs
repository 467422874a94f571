//! Lies about messages.

use bytes::{Bytes, BytesMut};
use martlet_protocol::frame::{Event, EventKind};
use martlet_protocol::wire::{Reader, Writer};
use martlet_protocol::{Address, DeviceId, Kind, Position};
use martlet_shard::Effect;

use super::{LIES_MAX, Liar, Scene, Spot};
use crate::lie::Lie;
use crate::net::ConnId;

/// A client skips what it does not know: it stands for nothing, and the stream has no hole.
const NOTHING: EventKind = EventKind(200);

impl Liar {
    /// What a device is told in place of a message, if it is not the truth.
    pub(super) fn on_event(
        &mut self,
        scene: &Scene<'_>,
        conn: ConnId,
        to: Address,
        (position, body): (Position, &Bytes),
    ) -> Option<Bytes> {
        let is_first = self.seen.insert((to, position));
        let genuine = read(position, body)?;
        if !self.items.contains_key(&(to, position)) {
            let changed = if is_first && scene.env.is_stormy && self.items.len() < LIES_MAX {
                self.change(scene, to, &genuine)
            } else {
                None
            };
            if let Some(changed) = changed {
                self.items.insert((to, position), changed);
            } else {
                if is_of_person(scene, &genuine) {
                    self.newest.insert(to, body.clone());
                }
                return None;
            }
        }
        let told = self.items.get(&(to, position))?.clone();
        let author = match self.lie {
            Lie::Withheld => author(to, &genuine),
            _ => author(to, &read(position, &told)?),
        };
        self.note(conn, Spot::Item(position), author, Some(body.clone()));
        Some(told)
    }

    fn change(&mut self, scene: &Scene<'_>, to: Address, genuine: &Event<'_>) -> Option<Bytes> {
        if self.lie.needs_stranger() {
            return self.repeat(scene, to, genuine);
        }
        if !is_of_person(scene, genuine) || !self.rng.one_in(4) {
            return None;
        }
        let mut told = genuine.clone();
        let (mut envelope, mut part) = (told.envelope.to_vec(), told.part.to_vec());
        let is_copy = told.kind == EventKind::OWN_COPY;
        match self.lie {
            Lie::Withheld => told.kind = NOTHING,
            Lie::ContextChanged if is_copy && self.rng.one_in(2) => {
                told.peer.user = self.third(to, genuine)?.user;
            }
            // Ids that differ in the last bits may be of neighbours.
            Lie::ContextChanged => told.message_id.0[9] ^= 1,
            Lie::AuthorChanged if !is_copy => told.peer = self.third(to, genuine)?,
            Lie::BytesChanged => {
                let changed = if envelope.is_empty() {
                    &mut part
                } else {
                    &mut envelope
                };
                *changed.last_mut()? ^= 1;
            }
            _ => return None,
        }
        told.envelope = &envelope;
        told.part = &part;
        Some(write(&told))
    }

    /// In place of what a stranger has sent comes what the device got last.
    fn repeat(&self, scene: &Scene<'_>, to: Address, stranger: &Event<'_>) -> Option<Bytes> {
        if !scene.env.ledger.is_poison(stranger.message_id) {
            return None;
        }
        let mut told = read(stranger.position, self.newest.get(&to)?)?;
        if self.lie == Lie::ReplayedAsAnother {
            told.message_id = stranger.message_id;
        }
        Some(write(&told))
    }

    /// The first device of somebody who has nothing to do with a message.
    fn third(&self, to: Address, genuine: &Event<'_>) -> Option<Address> {
        let mut users = self.owners.keys().copied();
        let user = users.find(|user| *user != to.user && *user != genuine.peer.user)?;
        let device = DeviceId(1);
        Some(Address { user, device })
    }

    /// Of two messages of one author that are pushed together each stands in the other's place.
    pub(super) fn swap_some(&mut self, scene: &Scene<'_>, effects: &[Effect]) {
        let messages = effects.iter().filter_map(|effect| match effect {
            Effect::Event {
                session,
                position,
                kind: Kind::EVENT,
                body,
                ..
            } => Some((ConnId(session.0), *position, body)),
            _ => None,
        });
        let mut before: Option<(Address, Position, &Bytes)> = None;
        for (conn, position, body) in messages {
            let Some(to) = scene.devices.get(&conn).copied() else {
                continue;
            };
            let earlier = before.replace((to, position, body));
            let Some((device, earlier_at, earlier)) = earlier.filter(|it| it.0 == to) else {
                continue;
            };
            let ends = read(earlier_at, earlier).zip(read(position, body));
            let is_pair = ends.is_some_and(|(first, second)| {
                let is_one = (first.kind, first.peer) == (second.kind, second.peer);
                is_one && is_of_person(scene, &first) && is_of_person(scene, &second)
            });
            let places = [(device, earlier_at), (to, position)];
            let is_new = places.iter().all(|place| !self.seen.contains(place));
            let may = scene.env.is_stormy && self.items.len() < LIES_MAX;
            if is_pair && is_new && may {
                self.items.insert(places[0], body.clone());
                self.items.insert(places[1], earlier.clone());
                before = None;
            }
        }
    }
}

fn is_of_person(scene: &Scene<'_>, event: &Event<'_>) -> bool {
    !event.part.is_empty() && scene.env.ledger.is_of_person(event.message_id)
}

/// The device that seems to have written it.
fn author(to: Address, told: &Event<'_>) -> Address {
    let is_copy = told.kind == EventKind::OWN_COPY;
    Address {
        user: if is_copy { to.user } else { told.peer.user },
        device: told.peer.device,
    }
}

pub(crate) fn read(position: Position, body: &[u8]) -> Option<Event<'_>> {
    Event::decode_body(position, &mut Reader::new(body)).ok()
}

fn write(event: &Event<'_>) -> Bytes {
    let mut out = BytesMut::new();
    event.encode_body(&mut Writer::new(&mut out));
    out.freeze()
}
