//! The device is known: its requests go to the shards.

use martlet_protocol::frame::{Active, Credit, GroupTyping, Nack, Reference, Typing};
use martlet_protocol::id::{Address, UserId};
use martlet_protocol::{CloseCode, Kind, NackCode};
use martlet_shard::{Addressing, Command, GroupCommand, SendRequest};

use crate::gateway::credit::Window;
use crate::gateway::inbound::{GroupSend, Inbound, Query, Send};
use crate::gateway::session::{Desk, Ending, UNEXPECTED, directory, groups, people};
use crate::rate::Bucket;

/// A session of a device.
#[derive(Debug)]
pub struct Ready {
    address: Address,
    window: Window,
    lookups: Bucket,
    key_requests: Bucket,
    group_requests: Bucket,
    people_requests: Bucket,
    typings: Bucket,
    frames: Bucket,
    /// READY has been written: only then may the client speak.
    is_greeted: bool,
}

impl Ready {
    pub(super) fn new(address: Address) -> Self {
        Self {
            address,
            window: Window::new(),
            lookups: Bucket::default(),
            key_requests: Bucket::default(),
            group_requests: Bucket::default(),
            people_requests: Bucket::default(),
            typings: Bucket::default(),
            frames: Bucket::default(),
            is_greeted: false,
        }
    }

    /// The device.
    pub fn address(&self) -> Address {
        self.address
    }

    /// Whether the client has READY.
    pub fn is_greeted(&self) -> bool {
        self.is_greeted
    }

    /// READY is written.
    pub fn greet(&mut self) {
        self.is_greeted = true;
    }

    /// A SEND was answered. What to grant now, if it is time.
    #[must_use]
    pub fn answered(&mut self) -> Option<Credit> {
        self.window.answered()
    }

    pub(super) fn on_frame(mut self, frame: Inbound, desk: &mut Desk<'_>) -> Result<Self, Ending> {
        if !self.is_greeted {
            return Err(UNEXPECTED);
        }
        match frame {
            Inbound::Send(send) => self.on_send(send, desk)?,
            Inbound::GroupSend(send) => self.on_group_send(send, desk)?,
            other => self.on_other(other, desk)?,
        }
        Ok(self)
    }

    /// Spends the credit of a SEND.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn spend(&mut self, frame_bytes: u32) -> Result<(), Ending> {
        if self.window.spend(frame_bytes) {
            Ok(())
        } else {
            Err(Ending::Refused(CloseCode::CREDIT_EXCEEDED))
        }
    }

    fn on_send(&mut self, send: Send, desk: &mut Desk<'_>) -> Result<(), Ending> {
        self.spend(send.frame_bytes)?;
        let session = desk.session;
        let from = self.address;
        let refusal = may_send(from.user, send.to, desk).err();
        // The recipient's shard refuses, not this session: it keeps the order of what was sent
        // behind the refused message, whoever refused it.
        desk.commands.push(match refusal {
            Some((code, retry_after_ms)) => Command::Decline {
                session,
                from,
                to: send.to,
                message_id: send.message_id,
                code,
                retry_after_ms,
            },
            None => Command::Send {
                session,
                from,
                request: SendRequest {
                    message_id: send.message_id,
                    to: send.to,
                    after: send.after,
                    ttl_ms: send.ttl_ms,
                    addressing: Addressing {
                        scope: send.scope,
                        to_version: send.to_version,
                        own_version: send.own_version,
                        to_parts: send.to_parts,
                        own_parts: send.own_parts,
                        own: desk.driver.own_devices(from),
                    }
                    .boxed(),
                    envelope: send.envelope,
                },
            },
        });
        Ok(())
    }

    /// As [`on_send`](Self::on_send): the group's home keeps the order.
    fn on_group_send(&mut self, send: GroupSend, desk: &mut Desk<'_>) -> Result<(), Ending> {
        self.spend(send.frame_bytes)?;
        let (session, from, request) = (desk.session, self.address, send.request);
        let command = match may_store(from.user, desk) {
            Err((code, retry_after_ms)) => GroupCommand::Decline {
                session,
                from,
                group: request.group,
                message_id: request.message_id,
                code,
                retry_after_ms,
            },
            Ok(()) => GroupCommand::Send {
                session,
                from,
                request,
            },
        };
        desk.commands.push(command.into());
        Ok(())
    }

    /// Every frame but SEND and GROUP_SEND, in both authenticated states.
    pub(super) fn on_other(&mut self, frame: Inbound, desk: &mut Desk<'_>) -> Result<(), Ending> {
        self.frames
            .take(desk.shared.rates.frames, desk.now_us)
            .map_err(|_| Ending::Refused(CloseCode::RATE_LIMITED))?;
        let session = desk.session;
        let address = self.address;
        let command = match frame {
            Inbound::Ping(ping) => Command::Ping {
                session,
                address,
                token: ping.token,
            },
            Inbound::Pong => return Ok(()),
            Inbound::Ack(ack) => Command::Ack {
                session,
                address,
                position: ack.position,
            },
            Inbound::Credit(credit) => Command::Credit {
                session,
                address,
                credit,
            },
            Inbound::Nack(Nack {
                of: Kind::EVENT,
                reference,
                ..
            }) => Command::Refuse {
                session,
                address,
                position: reference.as_position(),
            },
            Inbound::Read(read) => Command::Read {
                session,
                address,
                author: read.author,
                message_id: read.message_id,
            },
            Inbound::Status(status) => Command::Status {
                session,
                from: address,
                request: status.request,
                to: status.to,
                message_id: status.message_id,
                is_told_reads: desk.driver.is_told_reads(address.user),
            },
            Inbound::Active(_) | Inbound::Typing(_) | Inbound::GroupTyping(_) => {
                desk.commands.extend(self.presence(&frame, desk));
                return Ok(());
            }
            Inbound::PeopleRequest(request) => {
                return people::on_request(address, &mut self.people_requests, request, desk);
            }
            Inbound::Lookup { request, query } => return self.on_lookup(request, query, desk),
            Inbound::Group(request) => {
                return groups::on_request(address, &mut self.group_requests, request, desk);
            }
            Inbound::KeyRequest(request) => {
                return directory::on_request(address, &mut self.key_requests, request, desk);
            }
            _ => return Err(UNEXPECTED),
        };
        desk.commands.push(command);
        Ok(())
    }

    /// What a person does right now. Typing is dropped when there is too much of it.
    fn presence(&mut self, frame: &Inbound, desk: &Desk<'_>) -> Option<Command> {
        let (session, address) = (desk.session, self.address);
        let mut may_type = |kind| people::may_type(&mut self.typings, kind, desk.now_us);
        match *frame {
            Inbound::Active(Active { active }) => Some(Command::Active {
                session,
                address,
                active,
            }),
            Inbound::Typing(Typing { to, kind }) if may_type(kind) => Some(Command::Typing {
                session,
                from: address,
                to,
                kind,
            }),
            Inbound::GroupTyping(GroupTyping { group, kind }) if may_type(kind) => {
                let from = address;
                Some(GroupCommand::Typing { from, group, kind }.into())
            }
            _ => None,
        }
    }

    /// Lookups have a rate of their own, and each account a quota over all its devices: they are
    /// how accounts are enumerated. What is spent does not depend on what is found.
    fn on_lookup(&mut self, request: u64, query: Query, desk: &mut Desk<'_>) -> Result<(), Ending> {
        let in_rate = self.lookups.take(desk.shared.rates.lookups, desk.now_us);
        let may_look = in_rate
            .map_err(|wait_us| wait_us.div_ceil(1_000))
            .and_then(|()| desk.driver.look_up(desk.now, self.address.user));
        if let Err(wait_ms) = may_look {
            let (code, reference) = (NackCode::RATE_LIMITED, Reference::number(request));
            return desk.refuse(Kind::LOOKUP, code, wait_ms, reference);
        }
        let session = desk.session;
        desk.commands.push(match query {
            Query::Handle(handle) => Command::LookupHandle {
                session,
                request,
                handle,
            },
            Query::User(user) => Command::LookupUser {
                session,
                request,
                user,
            },
        });
        Ok(())
    }
}

/// Whether an account may send a message to another one now.
///
/// # Errors
/// Why not, and when to try again in milliseconds.
fn may_send(from: UserId, to: UserId, desk: &mut Desk<'_>) -> Result<(), (NackCode, u64)> {
    may_store(from, desk)?;
    let begun = desk.driver.begin_conversation(desk.now, from, to);
    begun.map_err(|wait_ms| (NackCode::RATE_LIMITED, wait_ms))
}

/// Whether the server takes one more message of an account now, whoever it is for.
///
/// # Errors
/// As [`may_send`].
fn may_store(from: UserId, desk: &mut Desk<'_>) -> Result<(), (NackCode, u64)> {
    let in_rate = desk.sends.take(from, 1, desk.now_us);
    in_rate.map_err(|wait_us| (NackCode::RATE_LIMITED, wait_us.div_ceil(1_000)))?;
    let pressure = desk.shared.pressure();
    pressure.map_or(Ok(()), |it| Err((it.code, it.retry_after_ms)))
}
