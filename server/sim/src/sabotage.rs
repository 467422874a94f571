//! Where the simulated server is made wrong: the only place that knows of mutants.

use std::collections::BTreeMap;

use martlet_protocol::frame::{Bundle, Event, PrekeyKind, SendScope};
use martlet_protocol::wire::{Reader, varint_bytes};
use martlet_protocol::{CloseCode, DeviceId, Kind, Position, State, UserId, crc};
use martlet_shard::{Command, Effect, OwnDevices, Reply, SendRequest};
use martlet_store::keys::{KeyTag, inbox};
use martlet_store::{Batch, Memory, Op};

use crate::disk::Disk;
use crate::mutant::Mutant;
use crate::rng::Rng;

/// A server's fault, if it has one.
#[derive(Debug)]
pub(crate) struct Sabotage {
    mutant: Option<Mutant>,
    rng: Rng,
    /// What was durable before the newest sync, or once.
    before: Memory,
    /// The newest key of each device that was given away.
    given: BTreeMap<(UserId, DeviceId), Bundle>,
}

impl Sabotage {
    pub(crate) fn new(mutant: Option<Mutant>) -> Self {
        Self {
            mutant,
            rng: Rng::new(0),
            before: Memory::new(),
            given: BTreeMap::new(),
        }
    }

    pub(crate) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    pub(crate) fn before_sync<E>(&mut self, disk: &Disk<E>) {
        let is_due = match self.mutant {
            Some(Mutant::LastSyncLost) => true,
            Some(Mutant::PrekeysBack) => self.rng.one_in(40),
            _ => false,
        };
        if is_due {
            self.before = disk.durable().clone();
        }
    }

    pub(crate) fn on_crash<E>(&self, disk: &mut Disk<E>) {
        if self.is(Mutant::LastSyncLost) {
            disk.forget(self.before.clone());
        }
        if self.is(Mutant::RetryForgotten) {
            let mut batch = Batch::new();
            for (key, _) in disk.durable().iter() {
                if KeyTag::of(key) == Some(KeyTag::Message) {
                    batch.delete(key);
                }
            }
            let mut without = disk.durable().clone();
            without.apply(&batch);
            disk.forget(without);
        }
        if self.is(Mutant::PrekeysBack) {
            let mut batch = Batch::new();
            for (key, value) in self.before.iter() {
                let tag = KeyTag::of(key);
                if matches!(tag, Some(KeyTag::OneTimeKey | KeyTag::DeviceKeys)) {
                    batch.put(key, value);
                }
            }
            let mut with = disk.durable().clone();
            with.apply(&batch);
            disk.forget(with);
        }
    }

    /// What is written in place of a batch.
    pub(crate) fn on_batch(&self, batch: Batch) -> Batch {
        if !self.is(Mutant::RemovedInboxKept) {
            return batch;
        }
        let mut kept = Batch::new();
        for op in batch.ops() {
            match op {
                Op::Put { key, value } => kept.put(key, value),
                Op::Delete { key } => kept.delete(key),
                // Rows up to a cursor go in ranges as well: those begin where the stream was.
                Op::DeleteRange { from, to } if !is_whole_inbox(from, to) => {
                    kept.delete_range(from, to);
                }
                Op::DeleteRange { .. } => {}
            }
        }
        kept
    }

    pub(crate) fn on_commands(&self, commands: &mut [Command]) {
        if self.is(Mutant::PartsSwapped) {
            commands.iter_mut().for_each(swap_parts);
        }
        if !self.is(Mutant::SendsSwapped) {
            return;
        }
        for index in 1..commands.len() {
            let (front, back) = commands.split_at_mut(index);
            let (Some(first), Some(second)) = (front.last_mut(), back.first_mut()) else {
                continue;
            };
            if let (
                Command::Send { from, request, .. },
                Command::Send {
                    from: f,
                    request: r,
                    ..
                },
            ) = (&*first, &*second)
                && from == f
                && request.to == r.to
            {
                std::mem::swap(first, second);
            }
        }
    }

    /// What happens in place of an effect.
    pub(crate) fn on_effect(&mut self, effect: Effect) -> Vec<Effect> {
        match (self.mutant, effect) {
            (None, effect) => vec![effect],
            (Some(mutant), Effect::Forward(command)) => vec![self.on_forward(mutant, command)],
            (Some(mutant), item @ Effect::Event { .. }) => self.on_item(mutant, item),
            (
                Some(Mutant::GapSwallowed),
                Effect::Frame {
                    reply: Reply::Gap(_),
                    ..
                },
            ) => Vec::new(),
            (
                Some(Mutant::RemovedStays),
                Effect::Close {
                    code: CloseCode::DEVICE_GONE,
                    ..
                },
            ) => Vec::new(),
            (Some(Mutant::PrekeyGivenTwice), mut effect) => {
                self.give_again(&mut effect);
                vec![effect]
            }
            (Some(_), effect) => vec![effect],
        }
    }

    /// Now and then a client gets the one-time key that another one got before.
    fn give_again(&mut self, effect: &mut Effect) {
        let Effect::Frame {
            reply: Reply::Bundles(answer),
            ..
        } = effect
        else {
            return;
        };
        for bundle in &mut answer.bundles {
            let known = self.given.entry((answer.user, bundle.device));
            let known = known.or_insert(*bundle);
            if self.rng.one_in(3) && known.kind == PrekeyKind::ONE_TIME {
                *bundle = *known;
            } else {
                *known = *bundle;
            }
        }
    }

    fn on_forward(&mut self, mutant: Mutant, command: Command) -> Effect {
        let now_and_then = self.rng.one_in(3);
        match (mutant, command) {
            (
                Mutant::ReceiptDropped,
                Command::Relayed {
                    target,
                    source,
                    sequence,
                    ..
                },
            ) if now_and_then => Effect::Forward(Command::RelayDone {
                source,
                target,
                sequence,
            }),
            (Mutant::SentBeforeCopies, Command::Accepted { session, sent, .. }) if now_and_then => {
                Effect::Frame {
                    session,
                    reply: Reply::Sent(sent),
                }
            }
            (_, command) => Effect::Forward(command),
        }
    }

    fn on_item(&mut self, mutant: Mutant, item: Effect) -> Vec<Effect> {
        let now_and_then = self.rng.one_in(10);
        match mutant {
            Mutant::ItemPushedTwice if now_and_then => vec![item.clone(), item],
            Mutant::ReadWithoutReading => {
                vec![changed(item, Kind::RECEIPT, |body| body[0] = State::READ.0)]
            }
            Mutant::EnvelopeChanged if now_and_then => {
                vec![changed(item, Kind::EVENT, |body| {
                    let behind = Event::decode_body(Position(0), &mut Reader::new(body)).map_or(
                        0,
                        |event| {
                            let part = event.part.len();
                            varint_bytes(part as u64) + part
                        },
                    );
                    // The envelope's last byte: behind it there is the part.
                    let last = body.len().checked_sub(behind + 1);
                    if let Some(last) = last.and_then(|last| body.get_mut(last)) {
                        *last ^= 1;
                    }
                })]
            }
            _ => vec![item],
        }
    }
}

/// Makes a message that was made for an old list look as one for some devices, all of which are
/// there.
pub(crate) fn freshen(request: &mut SendRequest, devices: &OwnDevices) {
    let Some(made) = request.addressing.as_deref_mut() else {
        return;
    };
    if made.scope != SendScope::ALL || made.to_version >= devices.version() {
        return;
    }
    made.scope = SendScope::NAMED;
    made.to_version = devices.version();
    made.own_parts.clear();
    let listed = devices.others();
    made.to_parts.retain(|part| listed.contains(&part.device));
}

fn swap_parts(command: &mut Command) {
    if let Command::Send { request, .. } = command
        && let Some(made) = request.addressing.as_deref_mut()
        && let [first, .., last] = &mut made.to_parts[..]
    {
        std::mem::swap(&mut first.part, &mut last.part);
    }
}

/// Whether these are all rows of an inbox.
fn is_whole_inbox(from: &[u8], to: &[u8]) -> bool {
    let (first, last) = (inbox::position_of(from), inbox::position_of(to));
    KeyTag::of(from) == Some(KeyTag::Inbox)
        && (first, last) == (Some(Position(0)), Some(Position(u64::MAX)))
}

/// The item with another body, if it is of this kind.
fn changed(mut item: Effect, of: Kind, change: impl FnOnce(&mut [u8])) -> Effect {
    if let Effect::Event {
        kind,
        body_crc,
        body,
        ..
    } = &mut item
        && *kind == of
    {
        let mut bytes = body.to_vec();
        change(&mut bytes);
        *body_crc = crc::of_body(&bytes);
        *body = bytes.into();
    }
    item
}
