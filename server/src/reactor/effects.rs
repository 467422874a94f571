//! What the shards have decided happens here, once it is durable.

use std::rc::Rc;
use std::sync::Arc;

use martlet_protocol::frame::{
    Bundles, DeviceLists, Found, Frame, LinkOffer, Linked, Pong, Ready, Registered, Sent,
    SignedList,
};
use martlet_protocol::wire::{List, Writer};
use martlet_protocol::{Address, Kind, Position, codec};
use martlet_shard::{Command, Effect, Reply, SessionId};
use martlet_store::keys::inbox;
use martlet_store::rocks::PageRequest;
use tokio_util::codec::Encoder;

use crate::clock;
use crate::gateway::codec::{CodecError, FrameCodec};
use crate::gateway::conn::{Conn, Phase, State};
use crate::gateway::credit::Window;
use crate::gateway::session::{Ending, log_registration_refused};
use crate::reactor::Reactor;
use crate::reactor::mail::Mail;

impl Reactor {
    /// Does what an effect says, here or on the reactor that can.
    pub(super) fn execute(&mut self, effect: Effect) {
        let session = match &effect {
            Effect::Forward(_) | Effect::LoadPage { .. } => None,
            Effect::Frame { session, .. }
            | Effect::Event { session, .. }
            | Effect::Close { session, .. } => Some(*session),
        };
        match (session, effect) {
            (Some(session), effect) => {
                let at = self.shared.reactor_of_session(session);
                if at == self.index {
                    self.deliver(session, effect);
                } else {
                    self.outgoing[at].push(Mail::Effect(effect));
                }
            }
            (None, Effect::Forward(command)) => self.commands.push(command),
            (None, effect) => self.load_page(effect),
        }
    }

    /// Does what an effect says to a connection of this reactor.
    fn deliver(&mut self, session: SessionId, effect: Effect) {
        let Some(conn) = self.table.get(session).map(Rc::clone) else {
            return;
        };
        let mut state = conn.state.borrow_mut();
        if state.phase != Phase::Open {
            return;
        }
        let written = match effect {
            Effect::Frame { reply, .. } => self.reply(&conn, &mut state, reply),
            Effect::Event {
                position,
                kind,
                body_crc,
                body,
                ..
            } => self.push_item(&mut state, (position, kind), &body, body_crc),
            Effect::Close { code, .. } => {
                return self.close(&conn, &mut state, Ending::Refused(code));
            }
            Effect::Forward(_) | Effect::LoadPage { .. } => return,
        };
        match written {
            Ok(()) => self.mark_dirty(&conn, &mut state),
            Err(error) => self.close(&conn, &mut state, Ending::Refused(error.close_code())),
        }
    }

    fn reply(&self, conn: &Conn, state: &mut State, reply: Reply) -> Result<(), CodecError> {
        let Some(session) = &mut state.session else {
            return Ok(());
        };
        let mut codec = self.codec();
        let lists = match &reply {
            Reply::DeviceLists(answer) => {
                answer.lists.iter().map(|list| SignedList(list)).collect()
            }
            _ => Vec::new(),
        };
        codec.encode(&self.frame_of(&reply, &lists), &mut state.out)?;
        let is_answer = match &reply {
            Reply::Registered(address) => {
                session.registered();
                log_registered(conn, *address);
                false
            }
            Reply::Nack(nack) if nack.of == Kind::REGISTER => {
                session.registered();
                log_registration_refused(conn.session, conn.peer.ip(), nack.code);
                false
            }
            Reply::Nack(nack) => {
                let (of, code) = (nack.of.name(), nack.code.name());
                tracing::debug!(event = "request_refused", conn = conn.session.0, of, code);
                nack.of == Kind::SEND
            }
            Reply::Ready { .. } => {
                if let Some(ready) = session.ready_mut() {
                    ready.greet();
                }
                false
            }
            Reply::Sent(_) => true,
            Reply::Found(_)
            | Reply::State(_)
            | Reply::Gap(_)
            | Reply::CaughtUp(_)
            | Reply::Pong { .. }
            | Reply::DeviceLists(_)
            | Reply::Published(_)
            | Reply::Stock(_)
            | Reply::Bundles(_)
            | Reply::LinkOpened(_)
            | Reply::LinkOffer { .. }
            | Reply::Linked { .. } => false,
        };
        if is_answer && let Some(grant) = session.ready_mut().and_then(|ready| ready.answered()) {
            codec.encode(&Frame::Credit(grant), &mut state.out)?;
        }
        Ok(())
    }

    /// The frame of a reply, with what only the driver knows. `lists` are those of the reply.
    fn frame_of<'a>(&self, reply: &'a Reply, lists: &'a [SignedList<'a>]) -> Frame<'a> {
        match reply {
            Reply::Registered(address) => Frame::Registered(Registered { address: *address }),
            Reply::Ready {
                epoch,
                cursor,
                tail,
            } => {
                let idle = self.shared.config.limits.idle_time.0;
                Frame::Ready(Ready {
                    epoch: *epoch,
                    cursor: *cursor,
                    tail: *tail,
                    credit: Window::GRANT,
                    idle_ms: u64::try_from(idle.as_millis()).unwrap_or(u64::MAX),
                    server_time: clock::wall(),
                })
            }
            Reply::Pong { token } => Frame::Pong(Pong { token: *token }),
            Reply::Found(answer) => Frame::Found(Found {
                request: answer.request,
                user: answer.user,
                handle: &answer.handle,
            }),
            Reply::Sent(answer) => Frame::Sent(Sent {
                message_id: answer.message_id,
                timestamp: answer.timestamp,
                devices: answer.devices,
            }),
            Reply::Nack(nack) => Frame::Nack(*nack),
            Reply::State(answer) => Frame::State(*answer),
            Reply::Gap(gap) => Frame::Gap(*gap),
            Reply::CaughtUp(mark) => Frame::CaughtUp(*mark),
            Reply::DeviceLists(answer) => Frame::DeviceLists(DeviceLists {
                request: answer.request,
                user: answer.user,
                newest: answer.newest,
                lists: List::Slice(lists),
            }),
            Reply::Published(answer) => Frame::Published(*answer),
            Reply::Stock(stock) => Frame::Stock(*stock),
            Reply::Bundles(answer) => Frame::Bundles(Bundles {
                request: answer.request,
                user: answer.user,
                bundles: List::Slice(&answer.bundles),
            }),
            Reply::LinkOpened(answer) => Frame::LinkOpened(*answer),
            Reply::LinkOffer { device, offer } => Frame::LinkOffer(LinkOffer {
                device: *device,
                offer,
            }),
            Reply::Linked { answer } => Frame::Linked(Linked { answer }),
        }
    }

    /// A stream item. Its body was encoded and summed once, when the message came in.
    fn push_item(
        &mut self,
        state: &mut State,
        (position, kind): (Position, Kind),
        body: &[u8],
        body_crc: u32,
    ) -> Result<(), CodecError> {
        if state.out.len() >= self.shared.config.limits.outbound_max.bytes() {
            return Err(CodecError::OutboundFull);
        }
        let head = &mut self.scratch.head;
        head.clear();
        Writer::new(head).position(position);
        codec::encode_parts(kind, head, body, body_crc, &mut state.out);
        Ok(())
    }

    pub(super) fn codec(&self) -> FrameCodec {
        FrameCodec {
            frame_bytes_max: 0,
            outbound_bytes_max: self.shared.config.limits.outbound_max.bytes(),
        }
    }

    /// Asks a reader thread for a page of a backlog; it answers with a command.
    fn load_page(&mut self, effect: Effect) {
        let Effect::LoadPage {
            session,
            address,
            from,
            rows_max,
            bytes_max,
        } = effect
        else {
            return;
        };
        let shard = self.shared.topology.shard_of_user(address.user);
        let request = PageRequest {
            from: inbox::key(shard, address, from).to_vec(),
            to: inbox::key(shard, address, Position(u64::MAX)).to_vec(),
            rows_max,
            bytes_max,
        };
        let mailbox = Arc::clone(&self.mailbox);
        let is_queued = self.shared.readers.load(request, move |rows| {
            let rows = rows
                .into_iter()
                .filter_map(|(key, value)| Some((inbox::position_of(&key)?, value)))
                .collect();
            mailbox.post_one(Mail::Command(Command::Page {
                session,
                address,
                rows,
            }));
        });
        if !is_queued {
            self.postponed.push(effect);
        }
    }
}

fn log_registered(conn: &Conn, address: Address) {
    tracing::info!(
        event = "registered",
        conn = conn.session.0,
        user = address.user.0,
        device = address.device.0,
    );
}
