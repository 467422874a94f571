//! The device is known: its requests go to the shards.

use martlet_protocol::frame::{Credit, Nack, Reference};
use martlet_protocol::id::Address;
use martlet_protocol::{CloseCode, Kind, NackCode};
use martlet_shard::{Addressing, Command, SendRequest};

use crate::gateway::credit::Window;
use crate::gateway::inbound::{GroupSend, Inbound, Query, Send};
use crate::gateway::session::{Desk, Ending, UNEXPECTED, directory, groups};
use crate::rate::Bucket;

/// A session of a device.
#[derive(Debug)]
pub struct Ready {
    address: Address,
    window: Window,
    sends: Bucket,
    lookups: Bucket,
    key_requests: Bucket,
    group_requests: Bucket,
    frames: Bucket,
    /// READY has been written: only then may the client speak.
    is_greeted: bool,
}

impl Ready {
    pub(super) fn new(address: Address) -> Self {
        Self {
            address,
            window: Window::new(),
            sends: Bucket::default(),
            lookups: Bucket::default(),
            key_requests: Bucket::default(),
            group_requests: Bucket::default(),
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
        let refusal = self.refusal(desk);
        let session = desk.session;
        let from = self.address;
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

    /// Why the server takes no message now, and when to try again in milliseconds.
    fn refusal(&mut self, desk: &Desk<'_>) -> Option<(NackCode, u64)> {
        match self.sends.take(desk.shared.rates.sends, desk.now_us) {
            Err(wait_us) => Some((NackCode::RATE_LIMITED, wait_us.div_ceil(1_000))),
            Ok(()) => desk
                .shared
                .pressure()
                .map(|pressure| (pressure.code, pressure.retry_after_ms)),
        }
    }

    /// As [`on_send`](Self::on_send): the group's home keeps the order.
    fn on_group_send(&mut self, send: GroupSend, desk: &mut Desk<'_>) -> Result<(), Ending> {
        self.spend(send.frame_bytes)?;
        let (session, from, request) = (desk.session, self.address, send.request);
        let command = match self.refusal(desk) {
            Some((code, retry_after_ms)) => Command::GroupDecline {
                session,
                from,
                group: request.group,
                message_id: request.message_id,
                code,
                retry_after_ms,
            },
            None => Command::GroupSend {
                session,
                from,
                request,
            },
        };
        desk.commands.push(command);
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
            },
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

    /// Lookups have a rate of their own: they are how accounts are enumerated.
    fn on_lookup(&mut self, request: u64, query: Query, desk: &mut Desk<'_>) -> Result<(), Ending> {
        if let Err(wait_us) = self.lookups.take(desk.shared.rates.lookups, desk.now_us) {
            return desk.refuse(
                Kind::LOOKUP,
                NackCode::RATE_LIMITED,
                wait_us.div_ceil(1_000),
                Reference::number(request),
            );
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
