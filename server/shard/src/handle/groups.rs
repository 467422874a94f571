//! Dispatch of what concerns groups.

use crate::command::GroupCommand;
use crate::handle::{
    group_ask, group_change, group_progress, group_send, group_stream, group_typing,
};
use crate::state::State;
use crate::turn::Turn;

/// Decides about one command.
#[expect(
    clippy::too_many_lines,
    reason = "one arm for each command, and nothing else"
)]
pub(crate) fn decide(state: &mut State, turn: &mut Turn<'_>, command: GroupCommand) {
    match command {
        GroupCommand::Change {
            session,
            address,
            request,
            group,
            record,
        } => {
            let request = (session, address, request);
            group_change::change(state, turn, request, group, &record);
        }
        GroupCommand::Ask {
            session,
            from,
            request,
            group,
            have,
            have_roster,
        } => {
            let request = (session, from, request);
            group_ask::ask(state, turn, request, group, (have, have_roster));
        }
        GroupCommand::Send {
            session,
            from,
            request,
        } => {
            group_send::send(state, turn, (session, from), &request);
        }
        GroupCommand::Decline {
            session,
            from,
            group,
            message_id,
            code,
            retry_after_ms,
        } => {
            let message = (from, group, message_id);
            let refusal = (code, retry_after_ms);
            group_send::decline(state, turn, session, message, refusal);
        }
        GroupCommand::Read {
            session,
            address,
            group,
            sequence,
        } => {
            let reader = (session, address);
            group_progress::read(state, turn, reader, (group, sequence));
        }
        GroupCommand::Count {
            session,
            from,
            request,
            group,
            sequence,
            has_detail,
            is_told_reads,
        } => {
            let asked = (group, sequence);
            let may_know = (has_detail, is_told_reads);
            group_ask::count(state, turn, (session, from, request), asked, may_know);
        }
        GroupCommand::List {
            session,
            user,
            request,
            after,
        } => {
            group_ask::list(state, turn, (session, user, request), after);
        }
        GroupCommand::Entries {
            session,
            address,
            group,
            from,
            rows,
        } => {
            let place = (group, from);
            group_stream::entries(state, turn, (session, address), place, &rows);
        }
        GroupCommand::Ack {
            session,
            address,
            group,
            sequence,
        } => {
            let place = (group, sequence);
            group_stream::ack(state, turn, (session, address), place);
        }
        GroupCommand::Typing { from, group, kind } => {
            group_typing::typing(state, turn, from, group, kind);
        }
        GroupCommand::Typed {
            target: _,
            group,
            peer,
            kind,
        } => {
            group_typing::typed(state, turn, group, peer, kind);
        }
    }
}
