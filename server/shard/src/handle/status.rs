//! Where does my message stand?

use martlet_protocol::frame::StateReply;
use martlet_protocol::{Address, Kind, MessageId, NackCode, State as MessageState, UserId};
use martlet_store::keys::message::{MessageRow, Origin, Told};
use martlet_store::keys::relation::Marks;

use crate::command::SessionId;
use crate::effect::Reply;
use crate::handle::expire::{message_row, reference};
use crate::handle::read::read_mark;
use crate::person::{hushes, is_reserved, relation_of};
use crate::state::State;
use crate::turn::Turn;

/// Answers from where the cursors stand; only the device that sent a message finds it.
pub(crate) fn status(
    state: &mut State,
    turn: &mut Turn<'_>,
    (session, request, is_told_reads): (SessionId, u64, bool),
    from: Address,
    to: UserId,
    message_id: MessageId,
) {
    let origin = Origin {
        message_id,
        sender: from,
    };
    let row = message_row(state, turn, origin).filter(|row| row.to == to);
    let Some(row) = row else {
        let code = NackCode::UNKNOWN_MESSAGE;
        return turn.refuse(session, Kind::STATUS, code, reference(message_id));
    };
    let reply = StateReply {
        request,
        message_id,
        state: state_of(state, turn, (from.user, is_told_reads), &row),
        timestamp: row.timestamp,
    };
    turn.reply(session, Reply::State(reply));
}

/// No more than receipts have told, or would.
fn state_of(
    state: &mut State,
    turn: &Turn<'_>,
    (sender, is_told_reads): (UserId, bool),
    row: &MessageRow,
) -> MessageState {
    let read_up_to = read_mark(state, turn, row.to, sender);
    let told = told_up_to(state, turn, row.to, sender);
    let Some(account) = state.account(turn.view, row.to) else {
        return MessageState::DEVICE_GONE;
    };
    let mut open = row
        .placements
        .iter()
        .filter(|placement| placement.fact.is_none());
    let is_taken = open.clone().any(|placement| account.has_taken(placement));
    let (is_delivered, is_read) = match row.told {
        Told::ReadByName => (true, true),
        told_so => (
            told.is_none_or(|marks| row.timestamp <= marks.delivered),
            told_so == Told::ByWatermark
                && row.timestamp <= read_up_to
                && told.is_none_or(|marks| row.timestamp <= marks.read),
        ),
    };
    let is_delivered = is_taken && is_delivered;
    let tells_reads = is_told_reads && account.person.settings.read_receipts;
    if is_delivered && is_read && tells_reads {
        MessageState::READ
    } else if is_delivered {
        MessageState::DELIVERED
    } else if open.next().is_some() {
        MessageState::SENT
    } else {
        let fact = row.placements.iter().find_map(|placement| placement.fact);
        fact.unwrap_or(MessageState::SENT)
    }
}

/// How far a sender has been told what became of its messages, if it is told no more.
fn told_up_to(state: &mut State, turn: &Turn<'_>, owner: UserId, sender: UserId) -> Option<Marks> {
    let person = state.account(turn.view, owner)?.person;
    if !is_reserved(&person) {
        return None;
    }
    let row = relation_of(&state.fresh, turn.view, state.id, (owner, sender));
    row.hushed.filter(|_| hushes(&person, row.relation))
}
