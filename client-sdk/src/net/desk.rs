//! The desk where commands are served: at once from the database, or when the server has answered.

use martlet_protocol::{MessageId, Millis, UserId};

use super::mailbox::{Command, NewRegistration, Reply};
use crate::address::ServerAddress;
use crate::config::Config;
use crate::engine::{Answer, Engine, Outgoing, Registration};
use crate::error::{ClientError, RegisterError, SendError, StoreError};
use crate::event::{Direction, Identity, Message, MessageState, OfflineCause};
use crate::keys::KeySeed;

/// How long a question to the server may take before the local answer counts, in milliseconds.
const ANSWER_MS_MAX: u64 = 3_000;

/// Commands that wait. A reply whose receiver is gone is dropped: nobody asks any more.
#[derive(Default)]
pub(super) struct Desk {
    registering: Option<Asked<(), Result<Identity, RegisterError>>>,
    unasked: Vec<Asked<MessageId, Result<Option<Message>, ClientError>>>,
    statuses: Vec<Asked<MessageId, Result<Option<Message>, ClientError>>>,
    lookups: Vec<Asked<String, Result<Option<UserId>, ClientError>>>,
    waits: Vec<Wait>,
    flushes: Vec<Reply<()>>,
}

struct Asked<K, T> {
    what: K,
    deadline: Millis,
    reply: Reply<T>,
}

struct Wait {
    id: MessageId,
    state: MessageState,
    reply: Reply<Result<Message, ClientError>>,
}

impl Desk {
    /// Serves a command, or keeps it until its answer comes.
    pub(super) fn serve(
        &mut self,
        engine: &mut Engine,
        now: Millis,
        command: Command,
    ) -> Result<(), StoreError> {
        match command {
            Command::Identity(reply) => answer(reply, engine.identity()),
            Command::OfflineCause(reply) => answer(reply, engine.offline_cause().cloned()),
            Command::Send {
                to,
                text,
                options,
                reply,
            } => {
                let outgoing = Outgoing {
                    to: &to,
                    text: &text,
                    ttl_ms: options.ttl_ms,
                };
                answer(reply, send(engine, now, &outgoing));
            }
            Command::MarkRead { peer, id, reply } => {
                answer(reply, engine.mark_read(now, &peer, id));
            }
            Command::History { peer, page, reply } => {
                answer(
                    reply,
                    engine.history(&peer, &page).map_err(ClientError::from),
                );
            }
            Command::Status(id, reply) => self.status(engine, now, id, reply)?,
            Command::WaitFor { id, state, reply } => match engine.message(id)? {
                Some(_) => self.waits.push(Wait { id, state, reply }),
                None => answer(reply, Err(ClientError::UnknownMessage)),
            },
            Command::Flush(reply) => self.flushes.push(reply),
            Command::Lookup(handle, reply) => match engine.lookup(now, &handle) {
                Ok(()) => {
                    let deadline = now.plus(ANSWER_MS_MAX);
                    self.lookups.push(Asked {
                        what: handle,
                        deadline,
                        reply,
                    });
                }
                Err(error) => answer(reply, Err(error)),
            },
            // The settling that follows every command hands the event out.
            Command::WantEvent => {}
            // These two concern the connection, and the driver has it.
            Command::Register(..) | Command::Close(_) => {}
        }
        Ok(())
    }

    fn status(
        &mut self,
        engine: &mut Engine,
        now: Millis,
        id: MessageId,
        reply: Reply<Result<Option<Message>, ClientError>>,
    ) -> Result<(), StoreError> {
        let message = engine.message(id)?;
        let open = message.as_ref().is_some_and(|message| {
            message.direction == Direction::Outgoing
                && message.state != MessageState::Pending
                && !message.state.is_final()
        });
        if !open || !engine.seeks_server() {
            answer(reply, Ok(message));
            return Ok(());
        }
        let deadline = now.plus(ANSWER_MS_MAX);
        self.unasked.push(Asked {
            what: id,
            deadline,
            reply,
        });
        Ok(())
    }

    /// Asks the server what was put off until the backlog is over: receipts in it say more than
    /// the answer, which has no time.
    pub(super) fn ask(&mut self, engine: &mut Engine, now: Millis) {
        if !engine.is_caught_up() {
            return;
        }
        for asked in self.unasked.drain(..) {
            match engine.ask_status(now, asked.what) {
                Ok(()) => self.statuses.push(asked),
                Err(error) => answer(asked.reply, Err(error)),
            }
        }
    }

    pub(super) fn register(
        &mut self,
        engine: &mut Engine,
        now: Millis,
        (config, trust): (&Config, Option<&str>),
        asked: &NewRegistration,
        reply: Reply<Result<Identity, RegisterError>>,
    ) {
        let key_seed = || {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed)
                .map_err(|error| entropy_missing(&error))
                .map(|()| seed)
        };
        let begun = check_address(&asked.server, config).and_then(|()| {
            let registration = Registration {
                server: &asked.server,
                handle: &asked.handle,
                token: asked.token.as_deref(),
                trust,
                key_seed: KeySeed(key_seed()?),
            };
            engine.register(now, &registration)
        });
        match begun {
            Ok(()) => {
                let deadline = now.plus(config.register_timeout_ms);
                self.registering = Some(Asked {
                    what: (),
                    deadline,
                    reply,
                });
            }
            Err(error) => answer(reply, Err(error)),
        }
    }

    /// Hands out the answers that have come, and ends the waiting whose time is over.
    pub(super) fn settle(&mut self, engine: &mut Engine, now: Millis) -> Result<(), StoreError> {
        while let Some(answer) = engine.poll_answer() {
            self.on_answer(engine, now, answer)?;
        }
        if self
            .registering
            .as_ref()
            .is_some_and(|asked| asked.deadline <= now)
        {
            engine.cancel_registration(now)?;
            if let Some(asked) = self.registering.take() {
                answer(asked.reply, Err(RegisterError::TimedOut));
            }
        }
        let unasked = self.unasked.extract_if(.., |asked| asked.deadline <= now);
        let unanswered = self.statuses.extract_if(.., |asked| asked.deadline <= now);
        for asked in unasked.chain(unanswered) {
            answer(asked.reply, Ok(engine.message(asked.what)?));
        }
        for asked in self.lookups.extract_if(.., |asked| asked.deadline <= now) {
            answer(asked.reply, Err(ClientError::NoAnswer));
        }
        if engine.is_settled() {
            for reply in self.flushes.drain(..) {
                answer(reply, ());
            }
        }
        self.settle_waits(engine)
    }

    fn settle_waits(&mut self, engine: &mut Engine) -> Result<(), StoreError> {
        for wait in std::mem::take(&mut self.waits) {
            match engine.message(wait.id)? {
                Some(message) if message.state.reached(wait.state) || message.state.is_final() => {
                    answer(wait.reply, Ok(message));
                }
                _ if wait.reply.is_closed() => {}
                _ => self.waits.push(wait),
            }
        }
        Ok(())
    }

    fn on_answer(
        &mut self,
        engine: &mut Engine,
        now: Millis,
        given: Answer,
    ) -> Result<(), StoreError> {
        match given {
            Answer::Registered { .. } => {
                if let (Some(asked), Some(identity)) = (self.registering.take(), engine.identity())
                {
                    answer(asked.reply, Ok(identity));
                }
            }
            // A person who registers wants to know at once.
            Answer::RegistrationDelayed { cause } => {
                if let Some(asked) = self.registering.take() {
                    engine.cancel_registration(now)?;
                    answer(asked.reply, Err(undone(cause)));
                }
            }
            Answer::RegistrationRefused { code } => {
                if let Some(asked) = self.registering.take() {
                    answer(asked.reply, Err(RegisterError::Refused(code)));
                }
            }
            Answer::Found { handle, user } => {
                for asked in self.lookups.extract_if(.., |asked| asked.what == handle) {
                    answer(asked.reply, Ok(user));
                }
            }
            Answer::Status { id } => {
                for asked in self.statuses.extract_if(.., |asked| asked.what == id) {
                    answer(asked.reply, Ok(engine.message(id)?));
                }
            }
        }
        Ok(())
    }

    /// When the next waiting ends.
    pub(super) fn due(&self) -> Option<Millis> {
        let registering = self.registering.iter().map(|asked| asked.deadline);
        let statuses = self
            .unasked
            .iter()
            .chain(&self.statuses)
            .map(|asked| asked.deadline);
        let lookups = self.lookups.iter().map(|asked| asked.deadline);
        registering.chain(statuses).chain(lookups).min()
    }
}

fn send(engine: &mut Engine, now: Millis, outgoing: &Outgoing<'_>) -> Result<MessageId, SendError> {
    let mut entropy = [0; 10];
    getrandom::fill(&mut entropy).map_err(|error| entropy_missing(&error))?;
    engine.send(now, entropy, outgoing)
}

fn entropy_missing(error: &getrandom::Error) -> ClientError {
    ClientError::EntropyMissing {
        reason: error.to_string(),
    }
}

fn undone(cause: OfflineCause) -> RegisterError {
    match cause {
        OfflineCause::Unreachable { reason } => RegisterError::Unreachable { reason },
        cause => RegisterError::Ungreeted { cause },
    }
}

fn check_address(server: &str, config: &Config) -> Result<(), RegisterError> {
    let address = ServerAddress::parse(server).ok_or_else(|| RegisterError::AddressInvalid {
        address: server.to_owned(),
    })?;
    if address.tls || address.is_loopback() || config.allow_plaintext {
        return Ok(());
    }
    Err(RegisterError::PlaintextForbidden)
}

fn answer<T>(reply: Reply<T>, value: T) {
    // The asking future may have been dropped; then nobody misses the answer.
    let _nobody = reply.send(value);
}
