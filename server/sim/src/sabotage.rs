//! Where the simulated server is made wrong: the only place that knows of mutants.

use martlet_protocol::frame::Event;
use martlet_protocol::wire::{Reader, varint_bytes};
use martlet_protocol::{Kind, Position, State, crc};
use martlet_shard::{Command, Effect, Reply};
use martlet_store::keys::KeyTag;
use martlet_store::{Batch, Memory};

use crate::disk::Disk;
use crate::mutant::Mutant;
use crate::rng::Rng;

/// A server's fault, if it has one.
#[derive(Debug)]
pub(crate) struct Sabotage {
    mutant: Option<Mutant>,
    rng: Rng,
    /// What was durable before the newest sync.
    before: Memory,
}

impl Sabotage {
    pub(crate) fn new(mutant: Option<Mutant>) -> Self {
        Self {
            mutant,
            rng: Rng::new(0),
            before: Memory::new(),
        }
    }

    pub(crate) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    pub(crate) fn before_sync<E>(&mut self, disk: &Disk<E>) {
        if self.is(Mutant::LastSyncLost) {
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
    }

    pub(crate) fn on_commands(&self, commands: &mut [Command]) {
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
            (Some(_), effect) => vec![effect],
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
