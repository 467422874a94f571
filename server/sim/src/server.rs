//! The simulated server: the real shards between a simulated disk and simulated sockets.

use std::collections::BTreeMap;

use bytes::Bytes;
use martlet_client::keys::KeySeed;
use martlet_protocol::frame::Frame;
use martlet_protocol::wire::Writer;
use martlet_protocol::{Address, CloseCode, DeviceId, Position, UserId, codec};
use martlet_shard::{Command, Effect, GroupCommand, Limits, OwnDevices, Shard, Topology};
use martlet_store::keys::{group_log, inbox};
use martlet_store::{Batch, Memory, ShardId, View, resolve};

use crate::desk::Desk;
use crate::disk::Disk;
use crate::env::Env;
use crate::gate::{Ask, Gate, Phase};
use crate::liar::{Liar, Scene, Untruth};
use crate::mutant::{Mutant, Wrong};
use crate::net::{self, ConnId, Side};
use crate::sabotage::{self, Sabotage};
use crate::schedule::{Event, PageRead};

/// The server, up or down.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) topology: Topology,
    limits: Limits,
    /// Empty while the server is down.
    shards: Vec<Shard>,
    disk: Disk<Effect>,
    gates: BTreeMap<ConnId, Gate>,
    commands: Vec<Command>,
    /// Events of an earlier life mean nothing to this one.
    life: u32,
    turn_planned: bool,
    sabotage: Sabotage,
    liar: Option<Liar>,
}

impl Server {
    pub(crate) fn new(topology: Topology, limits: Limits, wrong: Wrong) -> Self {
        let (mutant, liar) = match wrong {
            Wrong::Nothing => (None, None),
            Wrong::Mutant(mutant) => (Some(mutant), None),
            Wrong::Liar(lie) => (None, Some(Liar::new(lie))),
        };
        Self {
            topology,
            limits,
            shards: Vec::new(),
            disk: Disk::new(),
            gates: BTreeMap::new(),
            commands: Vec::new(),
            life: 0,
            turn_planned: false,
            sabotage: Sabotage::new(mutant),
            liar,
        }
    }

    pub(crate) const fn is_up(&self) -> bool {
        !self.shards.is_empty()
    }

    pub(crate) const fn life(&self) -> u32 {
        self.life
    }

    pub(crate) const fn durable(&self) -> &Memory {
        self.disk.durable()
    }

    /// How many turns a crash could take back now.
    pub(crate) fn unsynced(&self) -> usize {
        self.disk.unsynced()
    }

    /// Whether nothing is under way inside the server.
    pub(crate) fn is_quiet(&self) -> bool {
        self.is_up() && self.commands.is_empty() && self.disk.unsynced() == 0
    }

    /// The process starts on what the disk has.
    pub(crate) fn start(&mut self, env: &mut Env) {
        let mut effects = Vec::new();
        self.shards = (0..self.topology.shards)
            .map(|shard| {
                Shard::recover(
                    ShardId(shard),
                    self.topology,
                    self.limits,
                    env.now.millis(),
                    self.disk.durable(),
                    &mut effects,
                )
            })
            .collect();
        env.note(format_args!("server up, life {}", self.life));
        env.schedule.plan(env.now, Event::Clock { life: self.life });
        // What is recovered is durable: it waits for nothing, and comes before all else.
        self.release(env, effects);
    }

    /// The power goes.
    pub(crate) fn crash(&mut self, env: &mut Env) {
        let unsynced = self.disk.unsynced();
        let survivors = env.rng.index(unsynced + 1);
        env.note(format_args!(
            "server down, {survivors} of {unsynced} turns survive"
        ));
        env.counters.server_crashes += 1;
        env.counters.crashes_with_unsynced_turns += u64::from(survivors < unsynced);
        env.counters.crashes_with_untold_turns += u64::from(survivors > 0);
        self.disk.crash(survivors);
        self.sabotage.on_crash(&mut self.disk);
        for conn in std::mem::take(&mut self.gates).into_keys() {
            let is_told = !env.rng.one_in(5);
            net::abandon(env, conn, Side::Server, is_told);
        }
        self.shards.clear();
        self.commands.clear();
        self.turn_planned = false;
        self.life += 1;
    }

    /// A connection was made.
    pub(crate) fn accept(&mut self, env: &Env, conn: ConnId, device: usize) {
        self.gates.insert(conn, Gate::new(conn, device, env.now));
    }

    pub(crate) fn on_bytes(&mut self, env: &mut Env, conn: ConnId, bytes: &[u8]) {
        let Some(gate) = self.gates.get_mut(&conn) else {
            return;
        };
        let mut desk = Desk {
            env: &mut *env,
            topology: &self.topology,
            shards: &mut self.shards,
            view: self.disk.sealed(),
        };
        let asks = gate.on_bytes(&mut desk, bytes);
        let mut is_over = false;
        for ask in asks {
            match ask {
                Ask::Command(command) => self.commands.push(command),
                Ask::End => is_over = true,
            }
        }
        self.flush(env);
        if is_over {
            self.on_end(env, conn);
        }
        self.plan_turn(env);
    }

    /// A connection is over.
    pub(crate) fn on_end(&mut self, env: &mut Env, conn: ConnId) {
        net::close(env, conn, Side::Server);
        net::ended(env, conn, Side::Server);
        let Some(gate) = self.gates.remove(&conn) else {
            return;
        };
        let session = gate.session();
        if let Some(address) = gate.address() {
            self.tell(env, Command::Detach { session, address });
        }
        if let Phase::Linking(user) = gate.phase {
            self.tell(env, Command::LinkLeave { session, user });
        }
    }

    /// Something else than a connection has a command.
    pub(crate) fn tell(&mut self, env: &mut Env, command: Command) {
        self.commands.push(command);
        self.plan_turn(env);
    }

    /// Time passes.
    pub(crate) fn on_clock(&mut self, env: &mut Env) {
        let silent: Vec<ConnId> = self
            .gates
            .values()
            .filter(|gate| gate.is_silent(env.now))
            .map(|gate| gate.conn)
            .collect();
        for conn in silent {
            env.counters.idle_closes += 1;
            self.close(env, conn, CloseCode::IDLE_TIMEOUT);
        }
        let now = env.now.millis();
        if self.shards.iter().any(|shard| shard.due() <= now) {
            self.plan_turn(env);
        }
        env.plan_in_us(100_000, Event::Clock { life: self.life });
    }

    /// One turn: everything that has come in, in one batch.
    pub(crate) fn on_turn(&mut self, env: &mut Env) {
        self.turn_planned = false;
        let now = env.now.millis();
        let (mut batch, mut effects) = (Batch::new(), Vec::new());
        let mut commands = std::mem::take(&mut self.commands);
        self.sabotage.on_commands(&mut commands);
        if let Some(liar) = &mut self.liar {
            liar.on_commands(&commands);
        }
        for (shard, id) in self.shards.iter().zip(0..) {
            if shard.due() <= now {
                commands.push(Command::Tick { shard: ShardId(id) });
            }
        }
        for mut command in commands {
            if self.sabotage.is(Mutant::StalePlaced)
                && let Command::Send { request, .. } = &mut command
            {
                sabotage::freshen(request, &self.devices_of(request.to));
            }
            let view = self.disk.sealed();
            let home = usize::from(command.home(&self.topology).0);
            self.shards[home].apply(now, command, view, &mut batch, &mut effects);
        }
        for (shard, id) in self.shards.iter_mut().zip(0..) {
            if shard.is_dirty() {
                let seal = Command::Seal { shard: ShardId(id) };
                shard.apply(now, seal, self.disk.sealed(), &mut batch, &mut effects);
            }
        }
        let batch = self.sabotage.on_batch(batch);
        if self.sabotage.is(Mutant::EffectsBeforeSync) {
            // What it tells is early; what it reads for itself would not be there yet.
            let is_read =
                |it: &Effect| matches!(it, Effect::LoadPage { .. } | Effect::LoadEntries { .. });
            let (reads, told) = effects.into_iter().partition(is_read);
            self.disk.submit(batch, reads);
            self.release(env, told);
        } else if batch.is_empty() && self.disk.unsynced() == 0 {
            self.release(env, effects);
        } else {
            self.disk.submit(batch, effects);
        }
        self.start_write(env);
    }

    /// The write under way is synced.
    pub(crate) fn on_synced(&mut self, env: &mut Env) {
        self.sabotage.before_sync(&self.disk);
        let released = self.disk.synced();
        self.release(env, released);
        self.start_write(env);
    }

    pub(crate) fn on_page(&mut self, env: &mut Env, page: PageRead) {
        let rows = page.rows.unwrap_or_else(|| self.read(&page.request));
        env.counters.pages += 1;
        let command = match page.request {
            Effect::LoadPage {
                session, address, ..
            } => {
                let rows = rows.into_iter();
                let rows = rows.map(|(place, value)| (Position(place), value));
                Command::Page {
                    session,
                    address,
                    rows: rows.collect(),
                }
            }
            Effect::LoadEntries {
                session,
                address,
                group,
                from,
                ..
            } => Command::Group(GroupCommand::Entries {
                session,
                address,
                group,
                from,
                rows,
            }),
            _ => return,
        };
        self.tell(env, command);
    }

    fn start_write(&mut self, env: &mut Env) {
        if self.disk.start() {
            let slow = env.is_stormy && env.rng.one_in(60);
            let us = if slow { 1_500_000 } else { 8_000 };
            let us = env.rng.between(100, us);
            env.plan_in_us(us, Event::Synced { life: self.life });
        }
    }

    fn plan_turn(&mut self, env: &mut Env) {
        if !self.turn_planned && self.is_up() {
            self.turn_planned = true;
            let us = env.rng.between(1, 400);
            env.plan_in_us(us, Event::Turn { life: self.life });
        }
    }

    fn release(&mut self, env: &mut Env, mut effects: Vec<Effect>) {
        self.lie(env, &mut effects);
        for effect in effects {
            for effect in self.sabotage.on_effect(effect) {
                self.carry_out(env, effect);
            }
        }
        self.flush(env);
    }

    fn lie(&mut self, env: &Env, effects: &mut [Effect]) {
        let Some(liar) = &mut self.liar else {
            return;
        };
        let gates = self.gates.iter();
        let devices = gates.filter_map(|(conn, gate)| Some((*conn, gate.address()?)));
        let scene = Scene {
            env,
            topology: &self.topology,
            rows: self.disk.durable(),
            devices: devices.collect(),
        };
        liar.on_effects(&scene, effects);
    }

    /// What of a frame that comes out of this connection is not true.
    pub(crate) fn untruth(&self, conn: ConnId, frame: &Frame<'_>) -> Option<&Untruth> {
        self.liar.as_ref()?.untruth(conn, frame)
    }

    /// An account exists, and this is the seed of its key: only a liar wants to know.
    pub(crate) fn meet(&mut self, user: UserId, seed: &KeySeed) {
        if let Some(liar) = &mut self.liar {
            liar.meet(user, seed);
        }
    }

    fn carry_out(&mut self, env: &mut Env, effect: Effect) {
        match effect {
            Effect::Forward(command) => self.tell(env, command),
            Effect::LoadPage { .. } | Effect::LoadEntries { .. } => self.load(env, effect),
            Effect::Note(note) => env.note(format_args!("{note:?}")),
            Effect::Close { session, code } => {
                env.counters.replaced += u64::from(code == CloseCode::REPLACED);
                self.close(env, ConnId(session.0), code);
            }
            Effect::Frame { session, reply } => {
                if let Some(gate) = self.gates.get_mut(&ConnId(session.0)) {
                    gate.reply(env, reply);
                }
            }
            Effect::Event {
                session,
                position,
                kind,
                body_crc,
                body,
            } => {
                if let Some(gate) = self.gates.get_mut(&ConnId(session.0)) {
                    let mut head = bytes::BytesMut::new();
                    Writer::new(&mut head).position(position);
                    codec::encode_parts(kind, &head, &body, body_crc, &mut gate.out);
                }
            }
        }
    }

    /// A reader takes its time: the rows are those of the beginning of it, or of the end.
    fn load(&self, env: &mut Env, request: Effect) {
        let rows = env.rng.one_in(2).then(|| self.read(&request));
        let us = env.rng.between(50, 30_000);
        let page = PageRead { request, rows };
        let life = self.life;
        env.plan_in_us(us, Event::Page { life, page });
    }

    /// Rows of an inbox or of a group's log, by position or sequence.
    fn read(&self, request: &Effect) -> Vec<(u64, Bytes)> {
        let durable = self.disk.durable();
        match *request {
            Effect::LoadPage {
                address,
                from,
                rows_max,
                bytes_max,
                ..
            } => {
                let shard = self.topology.shard_of_user(address.user);
                let from = inbox::key(shard, address, from);
                let to = inbox::key(shard, address, Position(u64::MAX));
                let mut rows = durable.scan(&from, &to, rows_max, bytes_max);
                resolve(shard, durable, &mut rows, bytes_max);
                let place = |key: &Bytes| Some(inbox::position_of(key)?.0);
                let rows = rows.into_iter();
                rows.filter_map(|(key, value)| Some((place(&key)?, value)))
                    .collect()
            }
            Effect::LoadEntries {
                address,
                group,
                from,
                rows_max,
                bytes_max,
                ..
            } => {
                let shard = self.topology.shard_of_user(address.user);
                let from = group_log::key(shard, group, from);
                let to = group_log::key(shard, group, u64::MAX);
                let rows = durable.scan(&from, &to, rows_max, bytes_max).into_iter();
                rows.filter_map(|(key, value)| Some((group_log::place_of(&key)?.1, value)))
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    fn close(&mut self, env: &mut Env, conn: ConnId, code: CloseCode) {
        if let Some(gate) = self.gates.get_mut(&conn) {
            gate.say_goodbye(code);
            let out = gate.out.split();
            net::write(env, conn, Side::Server, &out);
        }
        self.on_end(env, conn);
    }

    fn flush(&mut self, env: &mut Env) {
        for gate in self.gates.values_mut() {
            let out = gate.out.split();
            net::write(env, gate.conn, Side::Server, &out);
        }
    }

    /// All devices of an account, as its shard has them.
    pub(crate) fn devices_of(&mut self, user: UserId) -> OwnDevices {
        // Beside a device that it does not have there are all that it has.
        let device = DeviceId(0);
        self.devices_beside(Address { user, device })
    }

    /// The devices of an account beside one of them.
    pub(crate) fn devices_beside(&mut self, address: Address) -> OwnDevices {
        let home = usize::from(self.topology.shard_of_user(address.user).0);
        let shard = self.shards.get_mut(home);
        shard.map_or(OwnDevices::NONE, |shard| {
            shard.own_devices(self.disk.sealed(), address)
        })
    }

    /// The connection a device has, if it is ready.
    pub(crate) fn is_ready(&self, address: Address) -> bool {
        let mut gates = self.gates.values();
        gates.any(|gate| gate.phase == Phase::Ready(address))
    }
}
