//! One run from a seed: a server, clients and everything between them, until all is calm.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use martlet_protocol::codec::Decoder;
use martlet_protocol::limits::FRAME_BYTES_MAX;
use martlet_protocol::{Address, UserId};

use crate::brief::Brief;
use crate::counters::Counters;
use crate::device::Device;
use crate::env::Env;
use crate::linking::Account;
use crate::mutant::Wrong;
use crate::net::{ConnId, Net, Side};
use crate::oracle::Ledger;
use crate::plan::{HANDLES, POISONER, Plan};
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
    pub(crate) accounts: Vec<Account>,
    /// Sessions that no connection has, and accounts that do not exist, as far as they were used.
    pub(crate) nobodies: u64,
    pub(crate) strangers: u64,
    /// After how many more events of the server its power goes.
    pub(crate) fuse: Option<u64>,
    /// Bytes towards each client that are no whole frame yet, for the ledger to read along.
    pub(crate) taps: BTreeMap<ConnId, Vec<u8>>,
}

impl World {
    pub(crate) fn new(seed: u64, wrong: Wrong, keep_lines: usize) -> Self {
        Self::with_plan(seed, wrong, keep_lines, |rng| Plan::new(rng, wrong))
    }

    /// A run of this shape.
    pub(crate) fn with_plan(
        seed: u64,
        wrong: Wrong,
        keep_lines: usize,
        plan: impl FnOnce(&mut Rng) -> Plan,
    ) -> Self {
        let mut rng = Rng::new(seed);
        let plan = plan(&mut rng);
        let mut env = Env {
            now: Time(0),
            rng,
            schedule: Schedule::default(),
            net: Net::default(),
            trace: Trace::new(keep_lines),
            counters: Counters::default(),
            ledger: Ledger::new(plan.rules),
            answers: VecDeque::new(),
            is_stormy: false,
        };
        env.note(format_args!("seed {seed}: {plan:?}"));
        Self {
            plan,
            env,
            server: Server::new(plan.topology, plan.limits, wrong),
            devices: Vec::new(),
            accounts: Vec::new(),
            nobodies: 0,
            strangers: 0,
            fuse: None,
            taps: BTreeMap::new(),
        }
    }

    /// The whole run.
    pub(crate) fn run(mut self) -> Env {
        self.server.start(&mut self.env);
        self.settle_in();
        self.storm();
        self.calm();
        self.env
    }

    /// Everybody registers, and some link a second device, before anything breaks.
    pub(crate) fn settle_in(&mut self) {
        for handle in &HANDLES[..self.plan.accounts] {
            self.add_account(handle);
        }
        if self.plan.has_poison {
            self.add_account(POISONER);
        }
        self.run_for(5_000);
        for account in 0..self.accounts.len() {
            let first = self.accounts[account].first();
            let address = self.devices[first].address();
            let Some(Address { user, .. }) = address else {
                let handle = self.accounts[account].handle;
                return self.env.ledger.violate(format!("{handle} has no account"));
            };
            let handle = self.accounts[account].handle;
            self.accounts[account].user = user;
            self.env.ledger.add_account(handle, user);
            self.server.meet(user, &self.devices[first].key_seed);
        }
        let pairs = self.plan.pairs.min(self.plan.accounts);
        for account in 0..pairs {
            self.add_home(account);
            self.open_link(account);
        }
        self.run_for(15_000);
        for account in 0..pairs {
            let second = self.accounts[account].homes[1];
            if self.devices[second].address().is_none() {
                let name = self.env.ledger.name(second).to_owned();
                self.env.ledger.violate(format!("{name} has not joined"));
            }
        }
        for account in 0..self.plan.accounts {
            for _ in 0..self.plan.spares {
                self.add_home(account);
            }
        }
    }

    fn add_account(&mut self, handle: &'static str) {
        self.accounts.push(Account {
            handle,
            user: UserId(0),
            homes: Vec::new(),
        });
        let home = self.add_home(self.accounts.len() - 1);
        self.devices[home].register(&mut self.env);
    }

    /// A home with nothing in it, which may become a device of the account.
    pub(crate) fn add_home(&mut self, account: usize) -> usize {
        let index = self.devices.len();
        let Account { handle, homes, .. } = &mut self.accounts[account];
        homes.push(index);
        let name = format!("{handle}{}", homes.len());
        self.env.ledger.add_device(&name, account);
        self.devices.push(Device::new(&mut self.env, index, handle));
        self.devices[index].start(&mut self.env);
        index
    }

    /// People write and read, and things break.
    fn storm(&mut self) {
        self.env.is_stormy = true;
        for device in 0..self.devices.len() {
            self.plan_user(device);
        }
        for account in 0..self.plan.accounts {
            self.plan_change(account);
        }
        self.plan_fault();
        if self.plan.has_poison {
            self.plan_poison(4_000);
        }
        if self.plan.has_strangers {
            self.env.plan_in_us(2_000_000, Event::Strip);
        }
        self.run_for(self.plan.storm_ms);
    }

    pub(crate) fn run_for(&mut self, ms: u64) {
        let end = self.env.now.plus_ms(ms);
        while self.env.schedule.next_at().is_some_and(|at| at <= end) {
            let Some((at, event)) = self.env.schedule.next() else {
                break;
            };
            self.env.now = at;
            self.burn(&event);
            self.happen(event);
            self.hear_answers();
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
            Event::Strip => self.strip(),
            Event::Devices { account } => self.change_devices(account),
            Event::Scan { device, code } => self.scan(device, &code),
            Event::Approve { device } => self.devices[device].approve_link(env),
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
            match self.server.untruth(conn, &frame) {
                None => ledger.on_frame(counters, device, &frame),
                Some(untruth) => {
                    trace.note(*now, format_args!("that is a lie about {}", untruth.about));
                    let hears = self.devices[device].hears(conn);
                    ledger.on_untruth(counters, (device, hears), &frame, untruth);
                }
            }
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
