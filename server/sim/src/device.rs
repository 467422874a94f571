//! A client: the real engine on a database that survives it, and a person who uses it.

use bytes::BytesMut;
use martlet_client::engine::{Engine, Outgoing, Registration};
use martlet_client::keys::{DeviceKey, KeySeed};
use martlet_client::local::{Db, IdentityRow, StreamPlace};
use martlet_client::{Direction, Event as Shown, MessageId, Millis, StoreError, StoreKey};
use martlet_protocol::{Address, DeviceId};

use crate::env::Env;
use crate::net::{self, ConnId, Side};
use crate::schedule::{Event, Time};

const SERVER: &str = "sim:1";

/// A client and its person.
#[derive(Debug)]
pub(crate) struct Device {
    index: usize,
    handle: String,
    key_seed: KeySeed,
    /// `None` while the process is down.
    engine: Option<Engine>,
    /// What the process left when it died.
    disk: Option<Db>,
    conn: Option<ConnId>,
    /// Attempts to connect of an earlier life mean nothing to this one.
    life: u32,
    /// How many calls of the engine are left before the process dies.
    fuse: Option<u64>,
    /// Its clock minus the true one.
    skew_ms: i64,
    timer: Option<Time>,
    absent_until: Time,
    unread: Vec<(String, MessageId)>,
    written: Vec<MessageId>,
}

/// The process has died, or was not there.
struct Dead;

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
            skew_ms: i64::try_from(env.rng.below(240_000)).expect("it is small") - 120_000,
            timer: None,
            absent_until: Time(0),
            unread: Vec::new(),
            written: Vec::new(),
        }
    }

    /// Makes a home for a further device of an account, as if it had been linked.
    pub(crate) fn link(&mut self, address: Address) {
        let identity = IdentityRow {
            server: SERVER.to_owned(),
            trust: None,
            handle: self.handle.clone(),
            key_seed: self.key_seed,
            address: Some(address),
            place: StreamPlace::default(),
            clock_offset_ms: 0,
            revoked: false,
        };
        let db = self.disk.as_mut().expect("it was never started");
        let tx = db.begin().expect("memory takes a transaction");
        tx.put_identity(&identity).expect("memory takes a row");
        tx.commit().expect("memory takes a commit");
    }

    pub(crate) fn public_key(&self) -> [u8; 32] {
        DeviceKey::new(&self.key_seed).public()
    }

    pub(crate) fn address(&self) -> Option<Address> {
        let identity = self.engine.as_ref()?.identity()?;
        let (user, device): (_, DeviceId) = (identity.user, identity.device);
        Some(Address { user, device })
    }

    pub(crate) const fn life(&self) -> u32 {
        self.life
    }

    /// Whether it has nothing left to do and the server knows it.
    pub(crate) fn is_settled(&self) -> bool {
        let engine = self.engine.as_ref();
        engine.is_some_and(|engine| engine.is_online() && engine.is_settled())
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
        self.pump(env);
    }

    pub(crate) fn register(&mut self, env: &mut Env) {
        let (handle, key_seed) = (self.handle.clone(), self.key_seed);
        let _ = self.call(env, |engine, now| {
            let registration = Registration {
                server: SERVER,
                handle: &handle,
                token: None,
                trust: None,
                key_seed,
                account_seed: key_seed,
            };
            engine
                .register(now, &registration)
                .expect("it was not registered before");
        });
        self.pump(env);
    }

    /// The process will die soon: after so many calls of its engine.
    pub(crate) fn light(&mut self, calls: u64) {
        self.fuse = Some(calls);
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
        self.absent_until = Time(0);
    }

    pub(crate) fn is_reachable(&self, now: Time) -> bool {
        self.engine.is_some() && now >= self.absent_until
    }

    /// The attempt to connect succeeded.
    pub(crate) fn connected(&mut self, env: &mut Env, conn: ConnId) {
        self.conn = Some(conn);
        let _ = self.step(env, |engine, now| engine.handle_connected(now, [0; 32]));
        self.pump(env);
    }

    /// The attempt to connect failed.
    pub(crate) fn unreachable(&mut self, env: &mut Env) {
        let reason = "no answer".to_owned();
        let _ = self.step(env, |engine, now| engine.handle_connect_failed(now, reason));
        self.pump(env);
    }

    pub(crate) fn on_bytes(&mut self, env: &mut Env, conn: ConnId, bytes: &[u8]) {
        if self.conn == Some(conn) {
            let _ = self.step(env, |engine, now| engine.handle_bytes(now, bytes));
            self.pump(env);
        }
    }

    pub(crate) fn on_end(&mut self, env: &mut Env, conn: ConnId) {
        net::ended(env, conn, Side::Client);
        if self.conn == Some(conn) {
            self.conn = None;
            let _ = self.step(env, Engine::handle_disconnected);
            self.pump(env);
        }
    }

    pub(crate) fn on_timer(&mut self, env: &mut Env) {
        if self.timer.is_some_and(|at| at <= env.now) {
            self.timer = None;
            let _ = self.step(env, Engine::handle_timeout);
            self.pump(env);
        }
    }

    /// The person writes.
    pub(crate) fn write(&mut self, env: &mut Env, (to, account): (&str, Option<usize>)) {
        let number = env.ledger.next_number(self.index, account);
        let size = if env.rng.one_in(15) { 20_000 } else { 40 };
        let size = env.rng.index(size);
        let text = format!("{number} {} {to} {:size$}", env.ledger.name(self.index), "");
        let ttl_ms = env.rng.one_in(4).then(|| env.rng.between(1_000, 5_000));
        let entropy = env.rng.bytes();
        let outgoing = Outgoing {
            to,
            text: &text,
            ttl_ms,
        };
        let sent = self.call(env, |engine, now| engine.send(now, entropy, &outgoing));
        if let Ok(Ok(id)) = sent {
            env.counters.messages += 1;
            self.written.push(id);
            let has_ttl = ttl_ms.is_some();
            env.ledger
                .on_written(self.index, (id, account), (&text, number), has_ttl);
            env.note(format_args!("{} writes {id}", self.index));
        }
        self.pump(env);
    }

    /// The person reads something that was shown.
    pub(crate) fn read(&mut self, env: &mut Env) {
        if self.unread.is_empty() {
            return;
        }
        let index = env.rng.index(self.unread.len());
        let (peer, id) = self.unread.swap_remove(index);
        let done = self.call(env, |engine, now| engine.mark_read(now, &peer, id));
        if let Ok(Ok(())) = done {
            env.ledger.on_read(self.index, id);
        }
        self.pump(env);
    }

    /// The person asks what became of a message.
    pub(crate) fn ask(&mut self, env: &mut Env) {
        if self.written.is_empty() {
            return;
        }
        let id = self.written[env.rng.index(self.written.len())];
        let _ = self.call(env, |engine, now| engine.ask_status(now, id));
        self.pump(env);
    }

    fn clock(&self, now: Time) -> Millis {
        let shown = now.millis().0.checked_add_signed(self.skew_ms);
        Millis(shown.expect("the skew is small"))
    }

    /// One call of the engine, unless the process dies before it.
    fn call<T>(
        &mut self,
        env: &mut Env,
        call: impl FnOnce(&mut Engine, Millis) -> T,
    ) -> Result<T, Dead> {
        if self.fuse == Some(0) {
            self.crash(env);
        }
        let now = self.clock(env.now);
        let engine = self.engine.as_mut().ok_or(Dead)?;
        if let Some(fuse) = &mut self.fuse {
            *fuse -= 1;
        }
        Ok(call(engine, now))
    }

    fn step(
        &mut self,
        env: &mut Env,
        step: impl FnOnce(&mut Engine, Millis) -> Result<(), StoreError>,
    ) -> Result<(), Dead> {
        if let Err(error) = self.call(env, step)? {
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
        if let Some(conn) = self.conn.take() {
            let is_told = env.rng.one_in(2);
            net::abandon(env, conn, Side::Client, is_told);
        }
        let ms = env.rng.between(1, 4_000);
        let device = self.index;
        env.plan_in_us(ms * 1_000, Event::ClientUp { device });
    }

    /// Does what the engine asks for, until it asks for nothing more.
    fn pump(&mut self, env: &mut Env) {
        // A dead process asks for nothing.
        let _ = self.try_pump(env);
    }

    fn try_pump(&mut self, env: &mut Env) -> Result<(), Dead> {
        let mut out = BytesMut::new();
        if self.call(env, |engine, _| engine.poll_transmit(&mut out))?
            && let Some(conn) = self.conn
        {
            net::write(env, conn, Side::Client, &out);
        }
        if self.call(env, |engine, _| engine.poll_close())? {
            if let Some(conn) = self.conn.take() {
                net::close(env, conn, Side::Client);
            }
            self.step(env, Engine::handle_disconnected)?;
        }
        if self.call(env, Engine::poll_connect)?.is_some() {
            let us = env.rng.between(1_000, 80_000);
            let (device, life) = (self.index, self.life);
            env.plan_in_us(us, Event::Dialed { device, life });
        }
        while self.call(env, |engine, _| engine.poll_answer())?.is_some() {}
        loop {
            match self.call(env, |engine, _| engine.poll_event())? {
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
        let Some(due) = self.call(env, |engine, now| engine.poll_timeout(now))? else {
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
