//! The desk where commands are served: at once from the database, or when the server has answered.

use martlet_protocol::{MessageId, Millis, UserId};

use super::devices_desk::DevicesDesk;
use super::entrance::{Entrance, answer, entropy_missing};
use super::mailbox::{Command, Reply, WithKeys};
use crate::engine::{Answer, Engine, Outgoing};
use crate::error::{ClientError, GroupError, LinkError, SendError, StoreError};
use crate::event::{Direction, Group, GroupReceipts, Message, MessageState};

/// How long a question to the server may take before the local answer counts, in milliseconds.
const ANSWER_MS_MAX: u64 = 3_000;

/// Commands that wait. A reply whose receiver is gone is dropped: nobody asks any more.
#[derive(Default)]
pub(super) struct Desk {
    pub(super) entrance: Entrance,
    devices: DevicesDesk,
    /// What needs the keys of an account, until when it waits for them.
    keys: Vec<(UserId, Millis, WithKeys)>,
    unasked: Vec<Asked<MessageId, Result<Option<Message>, ClientError>>>,
    statuses: Vec<Asked<MessageId, Result<Option<Message>, ClientError>>>,
    lookups: Vec<Asked<String, Result<Option<UserId>, ClientError>>>,
    uncounted: Vec<Asked<MessageId, Result<Option<GroupReceipts>, ClientError>>>,
    counts: Vec<Asked<MessageId, Result<Option<GroupReceipts>, ClientError>>>,
    waits: Vec<Wait>,
    /// Groups whose changes are waited for.
    changes: Vec<(String, Reply<Result<Group, GroupError>>)>,
    flushes: Vec<Reply<Result<(), ClientError>>>,
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
                what,
                options,
                reply,
            } => {
                let outgoing = Outgoing {
                    to: &to,
                    what,
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
            Command::SettledGroup { peer, reply } => self.changes.push((peer, reply)),
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
            Command::WithEngine(run) => run(engine, now),
            Command::GroupReceipts(_, reply) if !engine.seeks_server() => {
                answer(reply, Err(ClientError::NoAnswer));
            }
            Command::GroupReceipts(id, reply) => {
                let deadline = now.plus(ANSWER_MS_MAX);
                self.uncounted.push(Asked {
                    what: id,
                    deadline,
                    reply,
                });
            }
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
        for asked in self.uncounted.drain(..) {
            match engine.ask_receipts(now, asked.what) {
                Ok(()) => self.counts.push(asked),
                Err(error) => answer(asked.reply, Err(error)),
            }
        }
    }

    /// Hands out the answers that have come, and ends the waiting whose time is over.
    pub(super) fn settle(&mut self, engine: &mut Engine, now: Millis) -> Result<(), StoreError> {
        while let Some(answer) = engine.poll_answer() {
            self.on_answer(engine, now, answer)?;
        }
        self.entrance.expire(engine, now)?;
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
        let uncounted = self.uncounted.extract_if(.., |asked| asked.deadline <= now);
        let unanswered = self.counts.extract_if(.., |asked| asked.deadline <= now);
        for asked in uncounted.chain(unanswered) {
            answer(asked.reply, Err(ClientError::NoAnswer));
        }
        if engine.is_settled() || engine.is_removed() {
            for reply in self.flushes.drain(..) {
                let settled = engine.is_settled().then_some(());
                answer(reply, settled.ok_or(ClientError::DeviceRemoved));
            }
        }
        self.settle_changes(engine);
        self.settle_waits(engine)
    }

    fn settle_changes(&mut self, engine: &mut Engine) {
        for (peer, reply) in std::mem::take(&mut self.changes) {
            match engine.changed_group(&peer) {
                Ok(None) if engine.is_removed() => {
                    answer(reply, Err(ClientError::DeviceRemoved.into()));
                }
                Ok(None) if reply.is_closed() => {}
                Ok(None) => self.changes.push((peer, reply)),
                Ok(Some(group)) => answer(reply, Ok(group)),
                Err(error) => answer(reply, Err(error)),
            }
        }
    }

    fn settle_waits(&mut self, engine: &mut Engine) -> Result<(), StoreError> {
        for wait in std::mem::take(&mut self.waits) {
            match engine.message(wait.id)? {
                Some(message) if message.state.reached(wait.state) || message.state.is_final() => {
                    answer(wait.reply, Ok(message));
                }
                _ if wait.reply.is_closed() => {}
                Some(_) if engine.is_removed() => {
                    answer(wait.reply, Err(ClientError::DeviceRemoved));
                }
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
            Answer::Registered { .. } => self.entrance.on_entered(engine),
            Answer::RegistrationDelayed { cause } => {
                self.entrance.on_delayed(engine, now, cause)?;
            }
            Answer::RegistrationRefused { code } => self.entrance.on_refused(code),
            Answer::LinkRefused { code } => self.entrance.on_link_ended(LinkError::Refused(code)),
            Answer::LinkEnded => self.entrance.on_link_ended(LinkError::Ended),
            Answer::LinkInvalid => self.entrance.on_link_ended(LinkError::AnswerInvalid),
            Answer::LinkOpened { code } => self.devices.on_opened(code),
            Answer::LinkOffered { device, name } => self.devices.on_offered(now, device, name),
            Answer::LinkLeft { .. } => self.devices.on_left(now),
            Answer::DeviceLinked { device } => self.devices.on_linked(device),
            Answer::DeviceRevoked { device } | Answer::DeviceRenamed { device } => {
                self.devices.on_changed(device);
            }
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
            Answer::GroupReceipts { id, receipts } => {
                for asked in self.counts.extract_if(.., |asked| asked.what == id) {
                    answer(asked.reply, Ok(receipts.clone()));
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
        let statuses = self
            .unasked
            .iter()
            .chain(&self.statuses)
            .map(|asked| asked.deadline);
        let lookups = self.lookups.iter().map(|asked| asked.deadline);
        let counts = self.uncounted.iter().chain(&self.counts);
        let counts = counts.map(|asked| asked.deadline);
        let keys = self.keys.iter().map(|(_, deadline, _)| *deadline);
        statuses
            .chain(lookups)
            .chain(counts)
            .chain(keys)
            .chain(self.entrance.due())
            .chain(self.devices.due())
            .min()
    }
}

fn send(engine: &mut Engine, now: Millis, outgoing: &Outgoing<'_>) -> Result<MessageId, SendError> {
    let mut entropy = [0; 10];
    getrandom::fill(&mut entropy).map_err(|error| entropy_missing(&error))?;
    engine.send(now, entropy, outgoing)
}
