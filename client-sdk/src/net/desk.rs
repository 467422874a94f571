//! The desk where commands are served: at once from the database, or when the server has answered.

use martlet_protocol::{MessageId, Millis, UserId};

use super::devices_desk::DevicesDesk;
use super::mailbox::{Command, NewRegistration, Reply, WithKeys};
use crate::address::ServerAddress;
use crate::config::Config;
use crate::engine::{Answer, Engine, Linking, Outgoing, Registration};
use crate::error::{ClientError, LinkError, RegisterError, SendError, StoreError};
use crate::event::{Direction, Identity, Message, MessageState, OfflineCause};
use crate::keys::KeySeed;

/// How long a question to the server may take before the local answer counts, in milliseconds.
const ANSWER_MS_MAX: u64 = 3_000;
/// How long a home waits until somebody lets it join, in milliseconds: as long as the server does.
const JOIN_MS_MAX: u64 = 11 * 60 * 1_000;

/// Commands that wait. A reply whose receiver is gone is dropped: nobody asks any more.
#[derive(Default)]
pub(super) struct Desk {
    registering: Option<Asked<(), Result<Identity, RegisterError>>>,
    joining: Option<Asked<(), Result<Identity, LinkError>>>,
    devices: DevicesDesk,
    /// What needs the keys of an account, until when it waits for them.
    keys: Vec<(UserId, Millis, WithKeys)>,
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
            Command::DeviceList(reply) => {
                let own = engine.identity().map(|identity| identity.user);
                let run = |engine: &mut Engine, _| answer(reply, engine.devices());
                self.when_known(engine, now, own, Box::new(run));
            }
            Command::Devices(command) => self.devices.serve(engine, now, command)?,
            Command::WithKeys { peer, run } => self.with_keys(engine, now, &peer, run)?,
            // The settling that follows every command hands the event out.
            Command::WantEvent => {}
            // These concern the connection, and the driver has it.
            Command::Register(..) | Command::Link { .. } | Command::Close(_) => {}
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

    /// Runs what needs the keys of a contact, after asking the server for them if it can be asked.
    fn with_keys(
        &mut self,
        engine: &mut Engine,
        now: Millis,
        peer: &str,
        run: WithKeys,
    ) -> Result<(), StoreError> {
        let lacking = engine.lacks_keys_of(peer)?;
        self.when_known(engine, now, lacking, run);
        Ok(())
    }

    /// Asks for the devices of an account, if it is one and the server can be asked, and goes on
    /// when it has answered.
    fn when_known(
        &mut self,
        engine: &mut Engine,
        now: Millis,
        user: Option<UserId>,
        run: WithKeys,
    ) {
        match user {
            Some(user) if engine.seeks_server() && engine.ask_devices(now, user).is_ok() => {
                self.keys.push((user, now.plus(ANSWER_MS_MAX), run));
            }
            _ => run(engine, now),
        }
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
        let begun = check_address(&asked.server, config).and_then(|()| {
            let registration = Registration {
                server: &asked.server,
                handle: &asked.handle,
                token: asked.token.as_deref(),
                trust,
                key_seed: new_seed()?,
                account_seed: new_seed()?,
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

    pub(super) fn link(
        &mut self,
        engine: &mut Engine,
        now: Millis,
        (config, trust): (&Config, Option<&str>),
        (code, name): (&str, &str),
        reply: Reply<Result<Identity, LinkError>>,
    ) {
        let begun = check_code(code, config).and_then(|()| {
            let linking = Linking {
                code,
                name,
                trust,
                key_seed: new_seed()?,
            };
            engine.link(now, &linking)
        });
        match begun {
            Ok(()) => {
                let deadline = now.plus(JOIN_MS_MAX);
                self.joining = Some(Asked {
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
        if let Some(asked) = self.joining.take_if(|asked| asked.deadline <= now) {
            engine.cancel_link(now)?;
            answer(asked.reply, Err(LinkError::TimedOut));
        }
        self.devices.expire(engine, now)?;
        let late = self
            .keys
            .extract_if(.., |(_, deadline, _)| *deadline <= now);
        for (_, _, run) in late {
            run(engine, now);
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
                let Some(identity) = engine.identity() else {
                    return Ok(());
                };
                if let Some(asked) = self.registering.take() {
                    answer(asked.reply, Ok(identity));
                } else if let Some(asked) = self.joining.take() {
                    answer(asked.reply, Ok(identity));
                }
            }
            // A person who registers, or joins, wants to know at once.
            Answer::RegistrationDelayed { cause } => {
                if let Some(asked) = self.registering.take() {
                    engine.cancel_registration(now)?;
                    answer(asked.reply, Err(undone(cause)));
                } else if let Some(asked) = self.joining.take() {
                    engine.cancel_link(now)?;
                    let reason = cause.to_string();
                    answer(asked.reply, Err(LinkError::Unreachable { reason }));
                }
            }
            Answer::RegistrationRefused { code } => {
                if let Some(asked) = self.registering.take() {
                    answer(asked.reply, Err(RegisterError::Refused(code)));
                }
            }
            Answer::LinkRefused { code } => {
                if let Some(asked) = self.joining.take() {
                    answer(asked.reply, Err(LinkError::Refused(code)));
                }
            }
            Answer::LinkInvalid => {
                if let Some(asked) = self.joining.take() {
                    answer(asked.reply, Err(LinkError::AnswerInvalid));
                }
            }
            Answer::LinkOpened { code } => self.devices.on_opened(code),
            Answer::LinkOffered { device, name } => self.devices.on_offered(device, name),
            Answer::DeviceLinked { device } => self.devices.on_linked(device),
            Answer::DeviceRevoked { device } => self.devices.on_revoked(device),
            Answer::DevicesRefused { code } => self.devices.on_refused(code),
            Answer::Devices { user } => {
                for (_, _, run) in self.keys.extract_if(.., |(asked, _, _)| *asked == user) {
                    run(engine, now);
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
        let joining = self.joining.iter().map(|asked| asked.deadline);
        let keys = self.keys.iter().map(|(_, deadline, _)| *deadline);
        registering
            .chain(joining)
            .chain(statuses)
            .chain(lookups)
            .chain(keys)
            .chain(self.devices.due())
            .min()
    }
}

fn send(engine: &mut Engine, now: Millis, outgoing: &Outgoing<'_>) -> Result<MessageId, SendError> {
    let mut entropy = [0; 10];
    getrandom::fill(&mut entropy).map_err(|error| entropy_missing(&error))?;
    engine.send(now, entropy, outgoing)
}

fn new_seed() -> Result<KeySeed, ClientError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| entropy_missing(&error))?;
    Ok(KeySeed(seed))
}

/// A code leads to a server: it must be one that may be reached so.
fn check_code(code: &str, config: &Config) -> Result<(), LinkError> {
    match check_address(&Engine::server_of(code)?, config) {
        Ok(()) => Ok(()),
        Err(_) => Err(LinkError::PlaintextForbidden),
    }
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
