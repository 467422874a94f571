//! What a shard answers, as a frame, and what the answer changes for its connection.

use martlet_protocol::frame::{
    Bundles, DeviceLists, Found, Frame, GroupCounted, GroupList, GroupState, LinkOffer, Linked,
    Nack, Pong, Ready, Registered, RelationList, Sent, SignedList, SignedRecord,
};
use martlet_protocol::wire::List;
use martlet_protocol::{Address, Kind};
use martlet_shard::{
    GroupCountAnswer, GroupListAnswer, GroupStateAnswer, RelationsAnswer, Reply, SessionId,
};
use tokio_util::codec::Encoder;

use crate::clock;
use crate::gateway::codec::CodecError;
use crate::gateway::conn::{Conn, State};
use crate::gateway::credit::Window;
use crate::gateway::session::{Session, log_link_refused, log_registration_refused};
use crate::reactor::Reactor;

impl Reactor {
    /// Writes a reply, and credit if it is time for some.
    pub(super) fn reply(
        &mut self,
        conn: &Conn,
        state: &mut State,
        reply: &Reply,
    ) -> Result<(), CodecError> {
        if self.is_left_out(state, reply) {
            return Ok(());
        }
        let Some(session) = &mut state.session else {
            return Ok(());
        };
        let was_linking = session.is_linking();
        let mut codec = self.codec();
        let signed = Signed::of(reply);
        codec.encode(&self.frame_of(reply, &signed), &mut state.out)?;
        let answers_send = note_reply(conn, session, reply);
        if let Some(ready) = session.ready_mut().filter(|_| answers_send) {
            if let Some(grant) = ready.answered() {
                codec.encode(&Frame::Credit(grant), &mut state.out)?;
            }
            let (user, further) = (ready.address().user, further_sends(reply));
            let now_us = self.shared.clock.micros();
            self.sends.charge(user, further, now_us);
        }
        if was_linking {
            if let Reply::Linked { .. } = reply {
                // The wait for a person at another screen was none of its time.
                state.opened = self.shared.clock.seconds();
            }
            self.look_sooner(conn, state);
        }
        Ok(())
    }

    /// Whether so much waits for a client that ephemeral frames are left out.
    pub(super) fn is_pressed(&self, state: &State) -> bool {
        let outbound_max = self.shared.config.limits.outbound_max.bytes();
        state.out.len() >= outbound_max / EPHEMERAL_SHARE
    }

    /// Whether a reply goes first because the client reads slowly. Of each account the newest
    /// presence is kept and follows when less waits; so nothing newer may be written before what is
    /// kept.
    fn is_left_out(&self, state: &mut State, reply: &Reply) -> bool {
        let is_pressed = self.is_pressed(state);
        match reply {
            Reply::Presence(presence) if is_pressed || !state.held.is_empty() => {
                state.held.keep(*presence);
                true
            }
            Reply::Typed(_) | Reply::GroupTyped(_) => is_pressed,
            _ => false,
        }
    }

    /// The frame of a reply, with what only the driver knows. `signed` is that of the reply.
    fn frame_of<'a>(&self, reply: &'a Reply, signed: &'a Signed<'a>) -> Frame<'a> {
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
                lists: List::Slice(&signed.lists),
            }),
            Reply::Published(answer) => Frame::Published(*answer),
            Reply::Stock(stock) => Frame::Stock(*stock),
            Reply::Bundles(answer) => Frame::Bundles(Bundles {
                request: answer.request,
                user: answer.user,
                bundles: List::Slice(&answer.bundles),
            }),
            Reply::GroupChanged(answer) => Frame::GroupChanged(*answer),
            Reply::GroupSent(answer) => Frame::GroupSent(*answer),
            Reply::GroupState(answer) => group_state(answer, &signed.records),
            Reply::GroupGap(gap) => Frame::GroupGap(*gap),
            Reply::GroupTyped(typed) => Frame::GroupTyped(*typed),
            Reply::GroupList(answer) => group_list(answer),
            Reply::GroupCounted(answer) => group_counted(answer),
            Reply::LinkOpened(answer) => Frame::LinkOpened(*answer),
            Reply::LinkClosed(answer) => Frame::LinkClosed(*answer),
            Reply::LinkOffer { device, offer } => Frame::LinkOffer(LinkOffer {
                device: *device,
                offer,
            }),
            Reply::Linked { answer } => Frame::Linked(Linked { answer }),
            Reply::Presence(presence) => Frame::Presence(*presence),
            Reply::Typed(typed) => Frame::Typed(*typed),
            Reply::Related(related) => Frame::Related(*related),
            Reply::RelationList(answer) => relation_list(answer),
            Reply::SettingsAre(are) => Frame::SettingsAre(*are),
        }
    }
}

fn group_state<'a>(answer: &'a GroupStateAnswer, records: &'a [SignedRecord<'a>]) -> Frame<'a> {
    Frame::GroupState(GroupState {
        request: answer.request,
        group: answer.group,
        version: answer.version,
        roster: answer.roster,
        sequence: answer.sequence,
        mode: answer.mode,
        records: List::Slice(records),
        members: List::Slice(&answer.members),
    })
}

fn group_list(answer: &GroupListAnswer) -> Frame<'_> {
    Frame::GroupList(GroupList {
        request: answer.request,
        more: answer.more,
        groups: List::Slice(&answer.groups),
    })
}

fn relation_list(answer: &RelationsAnswer) -> Frame<'_> {
    Frame::RelationList(RelationList {
        request: answer.request,
        more: answer.more,
        relations: List::Slice(&answer.relations),
    })
}

fn group_counted(answer: &GroupCountAnswer) -> Frame<'_> {
    Frame::GroupCounted(GroupCounted {
        request: answer.request,
        group: answer.group,
        sequence: answer.sequence,
        members: answer.members,
        delivered: answer.delivered,
        read: answer.read,
        details: List::Slice(&answer.details),
    })
}

/// Presence and typing are written while less waits than one part in so many of what may: they go
/// first when a client reads slowly.
const EPHEMERAL_SHARE: usize = 4;

/// What a reply holds that others have signed, as a frame lists it.
#[derive(Default)]
struct Signed<'a> {
    lists: Vec<SignedList<'a>>,
    records: Vec<SignedRecord<'a>>,
}

impl<'a> Signed<'a> {
    fn of(reply: &'a Reply) -> Self {
        let mut signed = Self::default();
        match reply {
            Reply::DeviceLists(answer) => {
                signed.lists = answer.lists.iter().map(|it| SignedList(it)).collect();
            }
            Reply::GroupState(answer) => {
                signed.records = answer.records.iter().map(|it| SignedRecord(it)).collect();
            }
            _ => {}
        }
        signed
    }
}

/// How many messages to one account cost their sender as much as what was accepted, beside the one
/// that it has paid for: a group's home alone knows its size, so the rest is due afterwards.
fn further_sends(reply: &Reply) -> u32 {
    match reply {
        Reply::GroupSent(sent) => {
            let sends = sent.members.div_ceil(MEMBERS_PER_SEND);
            u32::try_from(sends.saturating_sub(1)).unwrap_or(u32::MAX)
        }
        _ => 0,
    }
}

/// So many members of a group cost as much as one account: their share of a message is a reference.
const MEMBERS_PER_SEND: u64 = 32;

/// Tells session and log of a reply. Returns whether it answers a SEND.
fn note_reply(conn: &Conn, session: &mut Session, reply: &Reply) -> bool {
    match reply {
        Reply::Registered(address) => {
            session.answered();
            log_registered(conn.session, *address);
        }
        Reply::Linked { .. } => {
            session.answered();
            tracing::info!(event = "linked", conn = conn.session.0, peer = %conn.peer.ip());
        }
        Reply::Ready { .. } => {
            if let Some(ready) = session.ready_mut() {
                ready.greet();
            }
        }
        Reply::Bundles(answer) => tracing::debug!(
            event = "prekeys_claimed",
            conn = conn.session.0,
            user = answer.user.0,
            count = answer.bundles.len(),
        ),
        Reply::Nack(nack) => return note_refusal(conn, session, nack),
        Reply::Sent(_) | Reply::GroupSent(_) => return true,
        Reply::Found(_)
        | Reply::State(_)
        | Reply::Gap(_)
        | Reply::CaughtUp(_)
        | Reply::Pong { .. }
        | Reply::DeviceLists(_)
        | Reply::Published(_)
        | Reply::Stock(_)
        | Reply::GroupChanged(_)
        | Reply::GroupState(_)
        | Reply::GroupGap(_)
        | Reply::GroupTyped(_)
        | Reply::GroupList(_)
        | Reply::GroupCounted(_)
        | Reply::LinkOpened(_)
        | Reply::LinkClosed(_)
        | Reply::LinkOffer { .. }
        | Reply::Presence(_)
        | Reply::Typed(_)
        | Reply::Related(_)
        | Reply::RelationList(_)
        | Reply::SettingsAre(_) => {}
    }
    false
}

fn note_refusal(conn: &Conn, session: &mut Session, nack: &Nack) -> bool {
    match nack.of {
        Kind::REGISTER => {
            session.answered();
            log_registration_refused(conn.session, conn.peer.ip(), nack.code);
        }
        Kind::LINK_JOIN => {
            session.answered();
            log_link_refused(conn.session, conn.peer.ip(), nack.code);
        }
        _ => tracing::debug!(
            event = "request_refused",
            conn = conn.session.0,
            of = nack.of.name(),
            code = nack.code.name(),
        ),
    }
    matches!(nack.of, Kind::SEND | Kind::GROUP_SEND)
}

fn log_registered(session: SessionId, address: Address) {
    tracing::info!(
        event = "registered",
        conn = session.0,
        user = address.user.0,
        device = address.device.0,
    );
}
