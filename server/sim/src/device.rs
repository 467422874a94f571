//! A client: the real engine on a database that survives it.

use std::collections::BTreeSet;

use bytes::BytesMut;
use martlet_client::engine::Engine;
use martlet_client::keys::KeySeed;
use martlet_client::local::Db;
use martlet_client::{Direction, Event as Shown, MessageId, Millis, StoreError, StoreKey};
use martlet_protocol::{Address, DeviceId};

use crate::env::Env;
use crate::net::{self, ConnId, Side};
use crate::schedule::{Event, Time};
use crate::sweep::{Doubt, Sweep};

/// A client. What its person does with it is in `person.rs`.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) index: usize,
    pub(crate) handle: String,
    pub(crate) key_seed: KeySeed,
    /// `None` while the process is down.
    pub(crate) engine: Option<Engine>,
    /// What the process left when it died.
    disk: Option<Db>,
    conn: Option<ConnId>,
    /// Attempts to connect of an earlier life mean nothing to this one, and those given up neither.
    life: u32,
    /// How many calls of the engine are left before the process dies.
    fuse: Option<u64>,
    /// It dies again and again, at each step in turn.
    pub(crate) sweep: Option<Sweep>,
    /// The newest call of the engine.
    newest: &'static str,
    /// What its person was doing when it died.
    pub(crate) doubt: Option<Doubt>,
    /// Its clock minus the true one.
    skew_ms: i64,
    timer: Option<Time>,
    absent_until: Time,
    /// A person looks at it, as this life of its process has said.
    pub(crate) is_active: bool,
    /// Whose presence this life wants to know.
    pub(crate) watched: BTreeSet<String>,
    /// Its process dies over the next bytes.
    pub(crate) dies_next: bool,
    pub(crate) unread: Vec<(String, MessageId)>,
    pub(crate) written: Vec<MessageId>,
}

/// The process has died, or was not there.
#[derive(Debug)]
pub(crate) struct Dead;

impl Device {
    pub(crate) fn new(env: &mut Env, index: usize, handle: &str) -> Self {
        Self {
            index,
            handle: handle.to_owned(),
            key_seed: KeySeed(env.rng.bytes()),
            engine: None,
            disk: Some(Db::memory(&StoreKey::random()).expect("a database in memory opens")),
            conn: None,
            life: 0,
            fuse: None,
            sweep: None,
            newest: "open",
            doubt: None,
            skew_ms: i64::try_from(env.rng.below(240_000)).expect("it is small") - 120_000,
            timer: None,
            absent_until: Time(0),
            is_active: false,
            watched: BTreeSet::new(),
            dies_next: false,
            unread: Vec::new(),
            written: Vec::new(),
        }
    }

    pub(crate) fn address(&self) -> Option<Address> {
        let identity = self.engine.as_ref()?.identity()?;
        let (user, device): (_, DeviceId) = (identity.user, identity.device);
        Some(Address { user, device })
    }

    /// Whether its person has it for writing: it is one of the account's devices.
    pub(crate) fn is_in_use(&self, env: &Env) -> bool {
        let address = self.address();
        address.is_some_and(|address| !env.ledger.is_removed(address))
    }

    pub(crate) const fn life(&self) -> u32 {
        self.life
    }

    /// Whether it has nothing left to do and the server knows it.
    pub(crate) fn is_settled(&self) -> bool {
        let engine = self.engine.as_ref();
        engine.is_some_and(|engine| engine.is_online() && engine.is_settled())
    }

    /// Whether the process will see what comes out of this connection now.
    pub(crate) fn hears(&self, conn: ConnId) -> bool {
        self.engine.is_some() && self.conn == Some(conn) && self.fuse != Some(0)
    }

    pub(crate) const fn is_up(&self) -> bool {
        self.engine.is_some()
    }

    /// Whether it is connected, or will be without a person's help. A dead process will be.
    pub(crate) fn seeks_server(&self) -> bool {
        self.engine.as_ref().is_none_or(Engine::seeks_server)
    }

    /// The process starts.
    pub(crate) fn start(&mut self, env: &mut Env) {
        let Some(db) = self.disk.take() else {
            return;
        };
        let (now, seed) = (self.clock(env.now), env.rng.next());
        match Engine::open(db, now, seed) {
            Ok(engine) => self.engine = Some(engine),
            Err(error) => env.ledger.violate(format!("a home does not open: {error}")),
        }
        self.newest = "open";
        self.resolve_doubt(env);
        if let Some(sweep) = &mut self.sweep {
            self.fuse = sweep.next_life();
        }
        self.pump(env);
    }

    /// The process will die soon: after so many calls of its engine.
    pub(crate) fn light(&mut self, calls: u64) {
        self.fuse = Some(calls);
    }

    /// The process dies now, and from now on at each step in turn.
    pub(crate) fn begin_sweep(&mut self, env: &mut Env) {
        self.crash(env);
        match self.disk.as_mut().map(Db::breaker) {
            Some(Ok(breaker)) => self.sweep = Some(Sweep::new(breaker, self.index)),
            other => env
                .ledger
                .violate(format!("a database cannot break: {other:?}")),
        }
    }

    /// No network for a while.
    pub(crate) fn leave(&mut self, env: &mut Env, ms: u64) {
        self.absent_until = env.now.plus_ms(ms);
        if let Some(conn) = self.conn {
            net::cut(env, conn);
        }
    }

    /// Everything that was broken on purpose is whole again.
    pub(crate) fn heal(&mut self) {
        self.fuse = None;
        if let Some(sweep) = &mut self.sweep {
            sweep.end();
        }
        self.absent_until = Time(0);
        self.dies_next = false;
    }

    pub(crate) fn is_reachable(&self, now: Time) -> bool {
        self.engine.is_some() && now >= self.absent_until
    }

    /// The attempt to connect succeeded.
    pub(crate) fn connected(&mut self, env: &mut Env, conn: ConnId) {
        self.conn = Some(conn);
        let _ = self.step(env, "connected", |engine, now| {
            engine.handle_connected(now, [0; 32])
        });
        self.pump(env);
    }

    /// The attempt to connect failed.
    pub(crate) fn unreachable(&mut self, env: &mut Env) {
        let reason = "no answer".to_owned();
        let _ = self.step(env, "connect_failed", |engine, now| {
            engine.handle_connect_failed(now, reason)
        });
        self.pump(env);
    }

    pub(crate) fn on_bytes(&mut self, env: &mut Env, conn: ConnId, bytes: &[u8]) {
        if self.conn == Some(conn) {
            if std::mem::take(&mut self.dies_next) {
                self.crash(env);
            }
            let _ = self.step(env, "bytes", |engine, now| engine.handle_bytes(now, bytes));
            self.pump(env);
        }
    }

    pub(crate) fn on_end(&mut self, env: &mut Env, conn: ConnId) {
        net::ended(env, conn, Side::Client);
        if self.conn == Some(conn) {
            self.conn = None;
            let _ = self.step(env, "disconnected", Engine::handle_disconnected);
            self.pump(env);
        }
    }

    pub(crate) fn on_timer(&mut self, env: &mut Env) {
        if self.timer.is_some_and(|at| at <= env.now) {
            self.timer = None;
            let _ = self.step(env, "timeout", Engine::handle_timeout);
            self.pump(env);
        }
    }

    pub(crate) fn clock(&self, now: Time) -> Millis {
        let shown = now.millis().0.checked_add_signed(self.skew_ms);
        Millis(shown.expect("the skew is small"))
    }

    /// One call of the engine, unless the process dies before it or inside it.
    pub(crate) fn call<T>(
        &mut self,
        env: &mut Env,
        name: &'static str,
        call: impl FnOnce(&mut Engine, Millis) -> T,
    ) -> Result<T, Dead> {
        if self.fuse == Some(0) && self.engine.is_some() {
            let sweep = self.sweep.as_mut();
            if sweep.is_none_or(|sweep| sweep.dies_between(&mut env.rng, self.newest, name)) {
                self.crash(env);
            } else {
                self.fuse = None;
            }
        }
        let now = self.clock(env.now);
        let engine = self.engine.as_mut().ok_or(Dead)?;
        if let Some(fuse) = &mut self.fuse {
            *fuse -= 1;
        }
        self.newest = name;
        let value = call(engine, now);
        let sweep = self.sweep.as_mut();
        if sweep.is_some_and(|sweep| sweep.died_inside(name)) {
            self.die_inside(env, name);
            return Err(Dead);
        }
        Ok(value)
    }

    /// The database has failed in the middle of a call: that is where the process dies.
    fn die_inside(&mut self, env: &mut Env, name: &str) {
        let has_failed = self.engine.as_ref().is_none_or(Engine::has_failed);
        // These ask before they do anything, and a question without an answer changes nothing.
        let is_question = matches!(name, "send" | "mark_read");
        if !has_failed && !is_question {
            let what = format!("{name} goes on although its database has failed");
            env.ledger.violate(what);
        }
        if name == "poll_event" {
            env.ledger.on_event_in_doubt(self.index);
        }
        self.crash(env);
    }

    fn step(
        &mut self,
        env: &mut Env,
        name: &'static str,
        step: impl FnOnce(&mut Engine, Millis) -> Result<(), StoreError>,
    ) -> Result<(), Dead> {
        if let Err(error) = self.call(env, name, step)? {
            env.ledger.violate(format!("a database failed: {error}"));
        }
        Ok(())
    }

    fn crash(&mut self, env: &mut Env) {
        self.fuse = None;
        let Some(mut engine) = self.engine.take() else {
            return;
        };
        let has_output = engine.poll_transmit(&mut BytesMut::new());
        env.note(format_args!("{} dies, output {has_output}", self.index));
        env.counters.client_crashes += 1;
        env.counters.client_crashes_with_output += u64::from(has_output);
        self.disk = Some(engine.into_db());
        self.life += 1;
        self.timer = None;
        // A new process begins without anybody.
        self.is_active = false;
        self.watched.clear();
        if let Some(conn) = self.conn.take() {
            let is_told = env.rng.one_in(2);
            net::abandon(env, conn, Side::Client, is_told);
        }
        let ms_max = if self.sweep.is_some() { 300 } else { 4_000 };
        let ms = env.rng.between(1, ms_max);
        let device = self.index;
        env.plan_in_us(ms * 1_000, Event::ClientUp { device });
    }

    /// Does what the engine asks for, until it asks for nothing more.
    pub(crate) fn pump(&mut self, env: &mut Env) {
        // A dead process asks for nothing.
        let _ = self.try_pump(env);
    }

    fn try_pump(&mut self, env: &mut Env) -> Result<(), Dead> {
        let mut out = BytesMut::new();
        let has_output = self.call(env, "poll_transmit", |engine, _| {
            engine.poll_transmit(&mut out)
        })?;
        if has_output && let Some(conn) = self.conn {
            if self.sweep.is_some() {
                // No call of the engine, but a step at which the process may die.
                self.call(env, "write", |_, _| ())?;
            }
            net::write(env, conn, Side::Client, &out);
        }
        if self.call(env, "poll_close", |engine, _| engine.poll_close())? {
            match self.conn.take() {
                Some(conn) => net::close(env, conn, Side::Client),
                // It gives up an attempt that is under way.
                None => self.life += 1,
            }
            self.step(env, "disconnected", Engine::handle_disconnected)?;
        }
        if self
            .call(env, "poll_connect", Engine::poll_connect)?
            .is_some()
        {
            let us = env.rng.between(1_000, 80_000);
            let (device, life) = (self.index, self.life);
            env.plan_in_us(us, Event::Dialed { device, life });
        }
        while let Some(answer) = self.call(env, "poll_answer", |engine, _| engine.poll_answer())? {
            env.answers.push_back((self.index, answer));
        }
        loop {
            match self.call(env, "poll_event", |engine, _| engine.poll_event())? {
                Ok(Some(event)) => self.on_event(env, &event),
                Ok(None) => break,
                Err(error) => {
                    env.ledger.violate(format!("a database failed: {error}"));
                    break;
                }
            }
        }
        self.plan_timer(env)
    }

    fn plan_timer(&mut self, env: &mut Env) -> Result<(), Dead> {
        let due = self.call(env, "poll_timeout", |engine, now| engine.poll_timeout(now))?;
        let Some(due) = due else {
            return Ok(());
        };
        let due = Millis(due.0.saturating_add_signed(-self.skew_ms));
        let at = Time::of(due).max(env.now.plus_us(1));
        if self.timer.is_none_or(|planned| at < planned) {
            self.timer = Some(at);
            let device = self.index;
            env.schedule.plan(at, Event::Timer { device });
        }
        Ok(())
    }

    fn on_event(&mut self, env: &mut Env, event: &Shown) {
        env.note(format_args!("{} is shown {event:?}", self.index));
        if let Shown::Message(message) = event
            && message.direction == Direction::Incoming
        {
            self.unread.push((message.peer.clone(), message.id));
        }
        env.ledger.on_event(&mut env.counters, self.index, event);
    }
}
