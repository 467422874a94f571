//! The client's thread: one loop over commands, the connection and the time.

use std::future::pending;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use martlet_protocol::Millis;
use martlet_protocol::auth::KEY_BYTES;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::clock::Clock;
use super::connection::{Connection, Progress, Security, connect};
use super::desk::Desk;
use super::mailbox::{Command, EventQueue, Reply};
use super::tls;
use crate::config::Config;
use crate::engine::Engine;
use crate::error::{ClientError, OpenError, StoreError};
use crate::local::Home;

type Dialed = Result<(Connection, [u8; KEY_BYTES]), String>;

/// Owns the engine, the database and the socket. Everything blocking happens on its thread, so
/// that no task of the application ever waits for the disk.
pub(crate) struct Driver {
    engine: Engine,
    clock: Clock,
    config: Config,
    /// The contents of [`Config::ca_file`].
    trust: Option<String>,
    commands: mpsc::Receiver<Command>,
    events: Arc<EventQueue>,
    line: Line,
    desk: Desk,
    /// Set once the client is to end.
    closing: bool,
    /// Who waits for that.
    goodbye: Option<Reply<()>>,
    /// Held for as long as the database is open, and so the last to be dropped.
    _home: Home,
}

/// The connection as the driver has it.
enum Line {
    Down,
    Dialing(JoinHandle<Dialed>),
    Up(Box<Connection>),
}

/// What the loop woke up for.
enum Wake {
    Command(Option<Command>),
    Dialed(Dialed),
    Line(Progress),
    Time,
}

impl Driver {
    /// Opens the home. Blocks on the disk: to be called on the client's own thread.
    pub(crate) fn open(
        dir: &Path,
        config: Config,
        commands: mpsc::Receiver<Command>,
        events: Arc<EventQueue>,
    ) -> Result<Self, OpenError> {
        let trust = config
            .ca_file
            .as_deref()
            .map(read_certificates)
            .transpose()?;
        let home = Home::open(dir)?;
        let mut clock = Clock::new();
        let seed = getrandom::u64()
            .map_err(|error| OpenError::System(io::Error::other(error.to_string())))?;
        let db = home.database(&config.store_key)?;
        let mut engine = Engine::open(db, clock.now(), seed)?;
        engine.set_agent(&config.agent);
        if config.offline {
            engine.stay_offline();
        }
        Ok(Self {
            engine,
            clock,
            config,
            trust,
            commands,
            events,
            line: Line::Down,
            desk: Desk::default(),
            closing: false,
            goodbye: None,
            _home: home,
        })
    }

    /// Runs until the client is closed or the database fails, and returns who is to be told when
    /// everything is dropped.
    pub(crate) async fn run(&mut self) -> Option<Reply<()>> {
        let reason = match self.turns().await {
            Ok(()) => ClientError::Closed,
            Err(error) => ClientError::from(error),
        };
        self.hang_up().await;
        self.commands.close();
        self.events.close(reason);
        self.goodbye.take()
    }

    async fn turns(&mut self) -> Result<(), StoreError> {
        self.settle().await?;
        while !(self.closing && matches!(self.line, Line::Down)) {
            let wake = self.sleep().await;
            let now = self.clock.now();
            match wake {
                Wake::Command(Some(command)) => self.on_command(now, command)?,
                Wake::Command(None) => self.shut_down(now)?,
                Wake::Dialed(Ok((connection, binding))) => {
                    self.line = Line::Up(Box::new(connection));
                    self.engine.handle_connected(now, binding)?;
                }
                Wake::Dialed(Err(reason)) => {
                    self.line = Line::Down;
                    self.engine.handle_connect_failed(now, reason)?;
                }
                Wake::Line(progress) => self.on_progress(now, progress)?,
                Wake::Time => self.engine.handle_timeout(now)?,
            }
            self.settle().await?;
        }
        Ok(())
    }

    async fn sleep(&mut self) -> Wake {
        let now = self.clock.now();
        let due = self
            .engine
            .poll_timeout(now)
            .into_iter()
            .chain(self.desk.due())
            .min();
        let time = async {
            match due {
                // One more: the engine's time must have come when it is called.
                Some(due) => sleep(Duration::from_millis(due.since(now).saturating_add(1))).await,
                None => pending().await,
            }
        };
        let line = async {
            match &mut self.line {
                Line::Down => pending().await,
                Line::Dialing(attempt) => Wake::Dialed(match attempt.await {
                    Ok(dialed) => dialed,
                    Err(error) => Err(error.to_string()),
                }),
                Line::Up(connection) => Wake::Line(connection.turn().await),
            }
        };
        tokio::select! {
            command = self.commands.recv(), if !self.closing => Wake::Command(command),
            wake = line => wake,
            () = time => Wake::Time,
        }
    }

    fn on_progress(&mut self, now: Millis, progress: Progress) -> Result<(), StoreError> {
        let Line::Up(connection) = &mut self.line else {
            return Ok(());
        };
        match progress {
            Progress::Received => {
                let bytes = connection.received();
                self.engine.handle_bytes(now, &bytes)
            }
            Progress::Sent => Ok(()),
            Progress::Ended => {
                self.line = Line::Down;
                self.engine.handle_disconnected(now)
            }
        }
    }

    fn on_command(&mut self, now: Millis, command: Command) -> Result<(), StoreError> {
        match command {
            Command::Close(reply) => {
                self.goodbye = Some(reply);
                self.shut_down(now)
            }
            Command::Register(registration, reply) => {
                let trust = self.trust.as_deref();
                self.desk.entrance.register(
                    &mut self.engine,
                    now,
                    (&self.config, trust),
                    &registration,
                    reply,
                );
                Ok(())
            }
            Command::Link { code, name, reply } => {
                let trust = self.trust.as_deref();
                let how = (&self.config, trust);
                self.desk
                    .entrance
                    .link(&mut self.engine, now, how, (&code, &name), reply);
                Ok(())
            }
            command => self.desk.serve(&mut self.engine, now, command),
        }
    }

    fn shut_down(&mut self, now: Millis) -> Result<(), StoreError> {
        self.closing = true;
        self.engine.shutdown(now)
    }

    /// Does everything that the engine asks for, until it asks for nothing more.
    async fn settle(&mut self) -> Result<(), StoreError> {
        self.desk.ask(&mut self.engine, self.clock.now());
        loop {
            let now = self.clock.now();
            if let Line::Up(connection) = &mut self.line {
                self.engine.poll_transmit(&mut connection.output);
            }
            if self.engine.has_failed() {
                return Err(StoreError::Stopped);
            }
            if self.engine.poll_close() {
                self.hang_up().await;
                self.engine.handle_disconnected(now)?;
                continue;
            }
            if let Some(target) = self.engine.poll_connect(now) {
                let trust = self
                    .trust
                    .as_deref()
                    .or_else(|| self.engine.trust())
                    .map(str::to_owned);
                let allow_plaintext = self.config.allow_plaintext;
                let security = Security {
                    trust,
                    allow_plaintext,
                };
                self.line = Line::Dialing(tokio::spawn(connect(target, security)));
            }
            break;
        }
        let now = self.clock.now();
        self.desk.settle(&mut self.engine, now)?;
        while self.events.is_hungry()
            && let Some(event) = self.engine.poll_event()?
        {
            self.events.push(event);
        }
        Ok(())
    }

    async fn hang_up(&mut self) {
        match std::mem::replace(&mut self.line, Line::Down) {
            Line::Up(connection) if self.closing => connection.close().await,
            // The last words leave while the next connection is made.
            Line::Up(connection) => drop(tokio::spawn(connection.close())),
            Line::Dialing(attempt) => attempt.abort(),
            Line::Down => {}
        }
    }
}

fn read_certificates(path: &Path) -> Result<String, OpenError> {
    let invalid = |reason| OpenError::CertificatesInvalid {
        path: path.to_owned(),
        reason,
    };
    let pem = std::fs::read_to_string(path).map_err(|error| invalid(error.to_string()))?;
    tls::client_config(Some(&pem)).map_err(|error| invalid(error.to_string()))?;
    Ok(pem)
}
