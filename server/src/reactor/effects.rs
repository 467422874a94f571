//! What the shards have decided happens here, once it is durable.

use std::rc::Rc;
use std::sync::Arc;

use martlet_protocol::frame::GroupMode;
use martlet_protocol::wire::Writer;
use martlet_protocol::{CloseCode, DeviceId, Kind, Position, codec};
use martlet_shard::{Command, Effect, GroupCommand, Note, SessionId};
use martlet_store::keys::{group_log, inbox};
use martlet_store::rocks::PageRequest;

use crate::gateway::codec::{CodecError, FrameCodec};
use crate::gateway::conn::{Phase, State};
use crate::gateway::session::Ending;
use crate::reactor::Reactor;
use crate::reactor::mail::Mail;

impl Reactor {
    /// Does what an effect says, here or on the reactor that can.
    pub(super) fn execute(&mut self, effect: Effect) {
        let session = match &effect {
            Effect::Forward(_)
            | Effect::LoadPage { .. }
            | Effect::LoadEntries { .. }
            | Effect::Note(_) => None,
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
            (None, Effect::Note(note)) => log_note(&note),
            (None, effect @ Effect::LoadEntries { .. }) => self.load_entries(effect),
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
            Effect::Frame { reply, .. } => self.reply(&conn, &mut state, &reply),
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
            Effect::Forward(_)
            | Effect::LoadPage { .. }
            | Effect::LoadEntries { .. }
            | Effect::Note(_) => return,
        };
        match written {
            // It was let wait for this.
            Ok(()) if self.is_draining() && state.is_stranger() => {
                self.close(&conn, &mut state, Ending::Refused(CloseCode::SHUTDOWN));
            }
            Ok(()) => self.mark_dirty(&conn, &mut state),
            Err(error) => self.close(&conn, &mut state, Ending::Refused(error.close_code())),
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

    /// Asks a reader thread for entries of a group's log; it answers with a command.
    fn load_entries(&mut self, effect: Effect) {
        let Effect::LoadEntries {
            session,
            address,
            group,
            from,
            rows_max,
            bytes_max,
        } = effect
        else {
            return;
        };
        let shard = self.shared.topology.shard_of_user(address.user);
        let request = PageRequest {
            from: group_log::key(shard, group, from).to_vec(),
            to: group_log::key(shard, group, u64::MAX).to_vec(),
            rows_max,
            bytes_max,
        };
        let mailbox = Arc::clone(&self.mailbox);
        let is_queued = self.shared.readers.load(request, move |rows| {
            let rows = rows
                .into_iter()
                .filter_map(|(key, value)| Some((group_log::place_of(&key)?.1, value)))
                .collect();
            let entries = GroupCommand::Entries {
                session,
                address,
                group,
                from,
                rows,
            };
            mailbox.post_one(Mail::Command(entries.into()));
        });
        if !is_queued {
            self.postponed.push(effect);
        }
    }
}

/// What an operator must be able to find out later: who could read an account's messages when.
fn log_note(note: &Note) {
    match note {
        Note::ListPublished {
            user,
            version,
            devices,
            added,
            removed,
        } => tracing::info!(
            event = "device_list_published",
            user = user.0,
            version,
            devices,
            added = added.map(|device| device.0),
            removed = removed_text(removed),
        ),
        Note::AccountReset(address) => tracing::info!(
            event = "account_reset",
            user = address.user.0,
            device = address.device.0,
        ),
        Note::GroupChanged {
            group,
            version,
            actor,
            members,
        } => tracing::info!(
            event = "group_changed",
            group = group.0,
            version,
            user = actor.user.0,
            device = actor.device.0,
            members,
        ),
        Note::GroupMode {
            group,
            mode,
            sequence,
            members,
        } => tracing::info!(
            event = "group_mode",
            group = group.0,
            by = mode_text(*mode),
            sequence,
            members,
        ),
    }
}

const fn mode_text(mode: GroupMode) -> &'static str {
    match mode {
        GroupMode::STREAM => "stream",
        _ => "inboxes",
    }
}

/// Ids with commas; nothing when no device was removed.
fn removed_text(removed: &[DeviceId]) -> Option<String> {
    let ids: Vec<_> = removed.iter().map(ToString::to_string).collect();
    (!ids.is_empty()).then(|| ids.join(","))
}
