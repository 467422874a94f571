//! Feeds the shards of one reactor, and keeps their effects until they may happen.

use std::sync::Arc;

use martlet_protocol::id::{Address, Millis, UserId};
use martlet_shard::{Command, DeviceIdentity, Effect, OwnDevices, Shard};
use martlet_store::rocks::{Committer, Engine};
use martlet_store::{Batch, ShardId};

use crate::overlay::Overlay;
use crate::pipeline::{Pipeline, Ticket};
use crate::shared::Shared;

/// The shards of one reactor between two turns. Its methods, in the order of a turn:
///
/// - [`durable`](Self::durable): the committer has come this far.
/// - [`apply`](Self::apply), any number of times.
/// - [`end_turn`](Self::end_turn): the turn's rows go to the committer, its effects wait.
/// - [`release`](Self::release): effects that need not wait any longer.
pub struct Driver {
    reactor: usize,
    shared: Arc<Shared>,
    /// Shard `reactor + i * reactors` at place `i`.
    shards: Vec<Slot>,
    engine: Arc<Engine>,
    overlay: Overlay,
    pipeline: Pipeline<Effect>,
    batch: Batch,
    effects: Vec<Effect>,
    /// Places of shards that were touched in this turn.
    touched: Vec<usize>,
}

struct Slot {
    id: ShardId,
    shard: Shard,
    is_touched: bool,
}

impl Driver {
    /// Recovers the reactor's shards from the store.
    pub fn recover(reactor: usize, shared: Arc<Shared>, now: Millis) -> Self {
        let engine = Arc::clone(&shared.engine);
        let mut effects = Vec::new();
        let reactors = shared.reactors;
        let shards = (0..shared.topology.shards)
            .map(ShardId)
            .skip(reactor)
            .step_by(reactors)
            .map(|id| Slot {
                id,
                shard: Shard::recover(
                    id,
                    shared.topology,
                    shared.config.shard,
                    now,
                    &*engine,
                    &mut effects,
                ),
                is_touched: false,
            })
            .collect();
        let mut pipeline = Pipeline::default();
        // What a crash left undone is durable already: it waits for nothing.
        pipeline.hold(&mut effects);
        Self {
            reactor,
            shared,
            shards,
            engine,
            overlay: Overlay::default(),
            pipeline,
            batch: Batch::new(),
            effects,
            touched: Vec::new(),
        }
    }

    /// The public key of a device of one of these shards.
    pub fn device_key(&mut self, address: Address) -> Option<[u8; 32]> {
        let place = self.place_of(self.shared.topology.shard_of_user(address.user));
        let view = self.overlay.over(&*self.engine);
        self.shards[place].shard.device_key(&view, address)
    }

    /// The public keys of a device of one of these shards, if its account has listed it.
    pub fn device_identity(&mut self, address: Address) -> Option<DeviceIdentity> {
        let place = self.place_of(self.shared.topology.shard_of_user(address.user));
        let view = self.overlay.over(&*self.engine);
        self.shards[place].shard.device_identity(&view, address)
    }

    /// The account of a device of one of these shards beside the device.
    pub fn own_devices(&mut self, address: Address) -> OwnDevices {
        let place = self.place_of(self.shared.topology.shard_of_user(address.user));
        let view = self.overlay.over(&*self.engine);
        self.shards[place].shard.own_devices(&view, address)
    }

    /// Whether an account is told what others have read.
    pub fn is_told_reads(&mut self, user: UserId) -> bool {
        let place = self.place_of(self.shared.topology.shard_of_user(user));
        let view = self.overlay.over(&*self.engine);
        self.shards[place].shard.is_told_reads(&view, user)
    }

    /// Lets an account of these shards send to another one.
    ///
    /// # Errors
    /// It has begun too many conversations; after so many milliseconds it may.
    pub fn begin_conversation(&mut self, now: Millis, from: UserId, to: UserId) -> Result<(), u64> {
        let place = self.place_of(self.shared.topology.shard_of_user(from));
        let view = self.overlay.over(&*self.engine);
        let shard = &mut self.shards[place].shard;
        shard.begin_conversation(now, &view, from, to)
    }

    /// Lets an account of these shards look up another one.
    ///
    /// # Errors
    /// It has done so too often; after so many milliseconds it may.
    pub fn look_up(&mut self, now: Millis, user: UserId) -> Result<(), u64> {
        let place = self.place_of(self.shared.topology.shard_of_user(user));
        self.shards[place].shard.look_up(now, user)
    }

    /// Every batch up to `ticket` is durable.
    pub fn durable(&mut self, ticket: Ticket) {
        self.overlay.durable(ticket);
        self.pipeline.durable(ticket);
    }

    /// Lets a shard decide about a command.
    pub fn apply(&mut self, now: Millis, command: Command) {
        let place = self.place_of(command.home(&self.shared.topology));
        let slot = &mut self.shards[place];
        let view = self.overlay.over(&*self.engine);
        slot.shard
            .apply(now, command, &view, &mut self.batch, &mut self.effects);
        if !slot.is_touched {
            slot.is_touched = true;
            self.touched.push(place);
        }
    }

    /// Whether [`end_turn`](Self::end_turn) is due.
    pub fn has_begun(&self) -> bool {
        !self.touched.is_empty()
    }

    /// Applies a Tick to each shard that asked for one by now.
    pub fn tick(&mut self, now: Millis) {
        for place in 0..self.shards.len() {
            if self.shards[place].shard.due() <= now {
                let shard = self.shards[place].id;
                self.apply(now, Command::Tick { shard });
            }
        }
    }

    /// Seals the shards of this turn and hands on what they wrote.
    pub fn end_turn(&mut self, now: Millis, committer: &Committer) {
        for place in self.touched.drain(..) {
            let slot = &mut self.shards[place];
            slot.is_touched = false;
            if slot.shard.is_dirty() {
                let seal = Command::Seal { shard: slot.id };
                let view = self.overlay.over(&*self.engine);
                slot.shard
                    .apply(now, seal, &view, &mut self.batch, &mut self.effects);
            }
        }
        if !self.batch.is_empty() {
            let ticket = self.pipeline.next_ticket();
            self.overlay.absorb(ticket, &self.batch);
            self.pipeline.submitted(ticket);
            committer.submit(self.reactor, ticket.0, &self.batch);
            self.batch.clear();
        }
        self.pipeline.hold(&mut self.effects);
    }

    /// Appends the effects that need not wait any longer.
    pub fn release(&mut self, released: &mut Vec<Effect>) {
        self.pipeline.release(released);
    }

    /// Whether so much waits for the committer that clients must not be read any further.
    pub fn is_congested(&self) -> bool {
        self.pipeline.held() > EFFECTS_HELD_MAX
    }

    /// Whether nothing waits for the committer.
    pub fn is_idle(&self) -> bool {
        self.pipeline.is_idle()
    }

    fn place_of(&self, shard: ShardId) -> usize {
        let reactors = self.shared.reactors;
        let shard = usize::from(shard.0);
        assert_eq!(
            shard % reactors,
            self.reactor,
            "a command for a shard of another reactor"
        );
        shard / reactors
    }
}

/// Most effects that may wait for the disk. Each request that a client makes during a stall adds
/// one of some 150 bytes, so this is about 10 MiB for a reactor; the rest stays in the sockets.
const EFFECTS_HELD_MAX: usize = 65_536;
