//! Handles to accounts, and back.

use martlet_protocol::frame::Reference;
use martlet_protocol::{Kind, NackCode, UserId};
use martlet_store::keys::account;

use crate::command::SessionId;
use crate::effect::{LookupAnswer, Reply};
use crate::state::State;
use crate::turn::Turn;

/// Whose handle is this?
pub(crate) fn by_handle(
    state: &State,
    turn: &mut Turn<'_>,
    session: SessionId,
    request: u64,
    handle: String,
) {
    let owner = state
        .fresh
        .get(turn.view, &account::handle_key(state.id, &handle))
        .map(|value| account::handle_owner(&value).expect("a handle row is ours"));
    answer(turn, session, request, owner.map(|user| (user, handle)));
}

/// Which handle has this account?
pub(crate) fn by_user(
    state: &mut State,
    turn: &mut Turn<'_>,
    session: SessionId,
    request: u64,
    user: UserId,
) {
    let handle = state
        .account(turn.view, user)
        .map(|account| account.handle.clone());
    answer(turn, session, request, handle.map(|handle| (user, handle)));
}

fn answer(turn: &mut Turn<'_>, session: SessionId, request: u64, found: Option<(UserId, String)>) {
    match found {
        Some((user, handle)) => {
            turn.reply(
                session,
                Reply::Found(LookupAnswer {
                    request,
                    user,
                    handle,
                }),
            );
        }
        None => {
            let reference = Reference::number(request);
            turn.refuse(session, Kind::LOOKUP, NackCode::UNKNOWN_HANDLE, reference);
        }
    }
}
