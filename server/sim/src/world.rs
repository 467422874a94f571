//! One run from a seed: a server, clients and everything between them, until all is calm.

use bytes::Bytes;
use martlet_protocol::codec::Decoder;
use martlet_protocol::limits::FRAME_BYTES_MAX;
use martlet_protocol::{Address, DeviceId, UserId};
use martlet_shard::verify::Verifier;
use martlet_shard::{Command, SessionId};

use crate::brief::Brief;
use crate::counters::Counters;
use crate::device::Device;
use crate::env::Env;
use crate::lists;
use crate::mutant::Mutant;
use crate::net::{self, ConnId, Net, Side};
use crate::oracle::{Ledger, Witness};
use crate::plan::{CALM_MS_MAX, HANDLES, POISONER, Plan, STORM_MS};
use crate::rng::Rng;
use crate::schedule::{Event, Schedule, Time};
use crate::server::Server;
use crate::trace::Trace;

/// A run under way.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) env: Env,
    pub(crate) server: Server,
    pub(crate) devices: Vec<Device>,
    /// Who is which account.
    pub(crate) users: Vec<UserId>,
    pub(crate) poisoner: UserId,
    /// After how many more events of the server its power goes.
    pub(crate) fuse: Option<u64>,
    /// Bytes towards each client that are no whole frame yet, for the ledger to read along.
    pub(crate) taps: std::collections::BTreeMap<ConnId, Vec<u8>>,
}

impl World {
    pub(crate) fn new(seed: u64, mutant: Option<Mutant>, keep_lines: usize) -> Self {
        let mut rng = Rng::new(seed);
        let plan = Plan::new(&mut rng);
        let mut env = Env {
            now: Time(0),
            rng,
            schedule: Schedule::default(),
            net: Net::default(),
            trace: Trace::new(keep_lines),
            counters: Counters::default(),
            ledger: Ledger::new(plan.rules),
            is_stormy: false,
        };
        env.note(format_args!("seed {seed}: {plan:?}"));
        Self {
            plan,
            env,
            server: Server::new(plan.topology, plan.limits, mutant),
            devices: Vec::new(),
            users: Vec::new(),
            poisoner: plan.topology.user_for_handle(POISONER, 1),
            fuse: None,
            taps: std::collections::BTreeMap::new(),
        }
    }

    /// The whole run.
    pub(crate) fn run(mut self) -> (Trace, Counters, Ledger) {
        self.server.start(&mut self.env);
        self.settle_in();
        self.storm();
        self.calm();
        (self.env.trace, self.env.counters, self.env.ledger)
    }

    /// Everybody registers, and second devices are linked, before anything breaks.
    fn settle_in(&mut self) {
        for handle in &HANDLES[..self.plan.accounts] {
            self.add_device(handle);
        }
        for device in 0..self.plan.accounts {
            self.devices[device].start(&mut self.env);
            self.devices[device].register(&mut self.env);
        }
        self.run_for(5_000);
        for (device, handle) in self.devices.iter().zip(HANDLES) {
            let address = device.address().expect("it is registered");
            let account = self.env.ledger.add_account(handle, address.user);
            self.env.ledger.add_device(handle, account, address);
            self.users.push(address.user);
        }
        let pairs = self.plan.pairs.min(self.plan.accounts);
        for (account, handle) in HANDLES.into_iter().take(pairs).enumerate() {
            let index = self.add_device(handle);
            let (user, device) = (self.users[account], DeviceId(2));
            let keys = [account, index].map(|index| self.devices[index].public_key());
            let epoch = self.env.rng.next() | 1;
            for command in lists::link(user, keys, epoch) {
                self.server.tell(&mut self.env, command);
            }
            let address = Address { user, device };
            self.devices[index].link(address);
            let name = format!("{handle}2");
            self.env.ledger.add_device(&name, account, address);
        }
        let register = Command::Register {
            session: SessionId(0),
            handle: POISONER.to_owned(),
            key: [0; 32],
            user: self.poisoner,
            epoch: 1,
            reset: false,
        };
        self.server.tell(&mut self.env, register);
        self.run_for(1_000);
        for index in self.plan.accounts..self.devices.len() {
            self.devices[index].start(&mut self.env);
        }
        self.run_for(1_000);
    }

    fn add_device(&mut self, handle: &str) -> usize {
        let index = self.devices.len();
        self.devices.push(Device::new(&mut self.env, index, handle));
        index
    }

    /// People write and read, and things break.
    fn storm(&mut self) {
        self.env.is_stormy = true;
        for device in 0..self.devices.len() {
            self.plan_user(device);
        }
        self.plan_fault();
        if self.plan.has_poison {
            self.env.plan_in_us(3_000_000, Event::Poison);
        }
        self.run_for(STORM_MS);
    }

    /// Everything heals; all that was promised must come now.
    fn calm(&mut self) {
        self.env.is_stormy = false;
        self.env.note(format_args!("all heals"));
        self.fuse = None;
        for device in &mut self.devices {
            device.heal();
        }
        for conn in self.env.net.living() {
            // A connection that is half open would heal by itself, only later.
            if self.env.rng.one_in(2) {
                net::cut(&mut self.env, conn);
            }
        }
        let deadline = self.env.now.plus_ms(CALM_MS_MAX);
        let mut calm_ms = 0;
        // Calm for a while: answers to questions may still be on their way.
        while calm_ms < 5_000 {
            if !self.env.ledger.violations().is_empty() {
                return;
            }
            if self.env.now >= deadline {
                let late = (0..self.devices.len()).find(|index| !self.is_done(*index));
                let name = late.map_or("the server", |index| self.env.ledger.name(index));
                let what = format!("{name} does not come to rest");
                return self.env.ledger.violate(what);
            }
            calm_ms = if self.is_calm() { calm_ms + 1_000 } else { 0 };
            self.run_for(1_000);
        }
        self.check_rows();
        let witness = Witness::of(self.server.durable());
        self.env
            .ledger
            .check_bounds(&witness, self.plan.limits.inbox_rows_max);
        self.env.ledger.close(&witness, self.plan.topology.shards);
    }

    fn is_calm(&self) -> bool {
        self.server.is_quiet() && (0..self.devices.len()).all(|index| self.is_done(index))
    }

    fn is_done(&self, index: usize) -> bool {
        let device = &self.devices[index];
        let Some(address) = device.address() else {
            return false;
        };
        device.is_settled()
            && self.server.is_ready(address)
            && Witness::of(self.server.durable()).is_drained(address)
    }

    fn check_rows(&mut self) {
        let mut verifier = Verifier::new(self.plan.topology);
        for (key, value) in self.server.durable().iter() {
            verifier.row(key, value);
        }
        for problem in verifier.finish().1 {
            self.env.ledger.violate(problem);
        }
    }

    fn run_for(&mut self, ms: u64) {
        let end = self.env.now.plus_ms(ms);
        while self.env.schedule.next_at().is_some_and(|at| at <= end) {
            let Some((at, event)) = self.env.schedule.next() else {
                break;
            };
            self.env.now = at;
            self.burn(&event);
            self.happen(event);
            if !self.env.ledger.violations().is_empty() {
                // Whatever comes after the first broken promise says nothing new.
                break;
            }
        }
        self.env.now = end;
    }

    fn happen(&mut self, event: Event) {
        let env = &mut self.env;
        match event {
            Event::User { device } => self.user(device),
            Event::Timer { device } => self.devices[device].on_timer(env),
            Event::Dialed { device, life } => self.dialed(device, life),
            Event::ClientUp { device } => self.devices[device].start(env),
            Event::Bytes { conn, at, bytes } => self.bytes(conn, at, &bytes),
            Event::End { conn, at } => self.end(conn, at),
            Event::Fault => self.fault(),
            Event::Poison => self.poison(),
            Event::ServerUp => self.server.start(env),
            Event::Turn { life } if life == self.server.life() => self.server.on_turn(env),
            Event::Synced { life } if life == self.server.life() => self.server.on_synced(env),
            Event::Page { life, page } if life == self.server.life() => {
                self.server.on_page(env, page);
            }
            Event::Clock { life } if life == self.server.life() => self.server.on_clock(env),
            // Of a life that has ended.
            Event::Turn { .. }
            | Event::Synced { .. }
            | Event::Page { .. }
            | Event::Clock { .. } => {}
        }
    }

    fn dialed(&mut self, device: usize, life: u32) {
        let env = &mut self.env;
        let client = &mut self.devices[device];
        if client.life() != life {
            return;
        }
        if !self.server.is_up() || !client.is_reachable(env.now) {
            return client.unreachable(env);
        }
        let delay_us = env.rng.between(200, 60_000);
        let conn = env.net.connect(device, delay_us);
        env.note(format_args!("{device} connects: {conn:?}"));
        self.server.accept(env, conn, device);
        client.connected(env, conn);
    }

    fn bytes(&mut self, conn: ConnId, at: Side, bytes: &Bytes) {
        let env = &mut self.env;
        if !env.net.carries(conn) || !env.net.is_open(conn, at) {
            return;
        }
        env.note(format_args!("{conn:?} {at:?} gets {} bytes", bytes.len()));
        let Some(device) = env.net.device(conn) else {
            return;
        };
        match at {
            Side::Server => self.server.on_bytes(env, conn, bytes),
            Side::Client => {
                self.tap(conn, device, bytes);
                self.devices[device].on_bytes(&mut self.env, conn, bytes);
            }
        }
    }

    /// The ledger reads along what a client gets.
    fn tap(&mut self, conn: ConnId, device: usize, bytes: &[u8]) {
        let Env {
            ledger,
            counters,
            trace,
            now,
            ..
        } = &mut self.env;
        let kept = self.taps.entry(conn).or_default();
        kept.extend_from_slice(bytes);
        let mut rest = &kept[..];
        let mut decoder = Decoder::new(FRAME_BYTES_MAX);
        while let Ok(Some(frame)) = decoder.next(&mut rest) {
            trace.note(*now, format_args!("{device} gets {}", Brief(&frame)));
            ledger.on_frame(counters, device, &frame);
        }
        *kept = rest.to_vec();
    }

    fn end(&mut self, conn: ConnId, at: Side) {
        let env = &mut self.env;
        if !env.net.is_open(conn, at) {
            return;
        }
        env.note(format_args!("{conn:?} {at:?} ends"));
        match (at, env.net.device(conn)) {
            (Side::Server, _) => self.server.on_end(env, conn),
            (Side::Client, Some(device)) => self.devices[device].on_end(env, conn),
            (Side::Client, None) => {}
        }
    }
}
