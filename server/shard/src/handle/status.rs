//! Where does my message stand?

use martlet_protocol::frame::StateReply;
use martlet_protocol::{Address, Kind, MessageId, NackCode, State as MessageState, UserId};
use martlet_store::keys::message::{MessageRow, Origin, Told};

use crate::command::SessionId;
use crate::effect::Reply;
use crate::handle::expire::{message_row, reference};
use crate::handle::read::read_mark;
use crate::state::State;
use crate::turn::Turn;

/// Answers from where the cursors stand; only the device that sent a message finds it.
pub(crate) fn status(
    state: &mut State,
    turn: &mut Turn<'_>,
    (session, request): (SessionId, u64),
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
        state: state_of(state, turn, from.user, &row),
        timestamp: row.timestamp,
    };
    turn.reply(session, Reply::State(reply));
}

fn state_of(state: &mut State, turn: &Turn<'_>, sender: UserId, row: &MessageRow) -> MessageState {
    let read_up_to = read_mark(state, turn, row.to, sender);
    let Some(account) = state.account(turn.view, row.to) else {
        return MessageState::DEVICE_GONE;
    };
    let mut open = row
        .placements
        .iter()
        .filter(|placement| placement.fact.is_none());
    let is_delivered = open.clone().any(|placement| account.has_taken(placement));
    let is_read = match row.told {
        Told::ByWatermark => row.timestamp <= read_up_to,
        Told::ByName => false,
        Told::ReadByName => true,
    };
    if is_delivered && is_read {
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
