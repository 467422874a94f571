//! A person types to another account right now: told at once to whoever may know, or to nobody.

use martlet_protocol::frame::{Typed, TypingKind};
use martlet_protocol::{Address, UserId};

use crate::command::{Command, SessionId};
use crate::effect::{Effect, Reply};
use crate::handle::attach::device_mut;
use crate::handle::presence;
use crate::person::{hushes, relation_of, shows};
use crate::state::State;
use crate::turn::Turn;

/// At the sender's shard: it shows itself to whom it writes, or nothing is told.
pub(crate) fn typing(
    state: &mut State,
    turn: &mut Turn<'_>,
    (session, from): (SessionId, Address),
    to: UserId,
    kind: TypingKind,
) {
    let device = device_mut(state, turn, from);
    let is_live = device.is_some_and(|device| device.session_mut(session).is_some());
    if is_live && to != from.user && presence::is_shown(state, turn, from.user, to) {
        let typed = Command::Typed { from, to, kind };
        turn.effects.push(Effect::Forward(typed));
    }
}

/// At the recipient's shard: its connections are told, if it shows itself to the sender, too, and
/// would tell it of receipts.
pub(crate) fn typed(
    state: &mut State,
    turn: &mut Turn<'_>,
    from: Address,
    to: UserId,
    kind: TypingKind,
) {
    let Some(account) = state.account(turn.view, to) else {
        return;
    };
    let person = account.person;
    let row = relation_of(&state.fresh, turn.view, state.id, (to, from.user));
    if !shows(&person, row.relation) || hushes(&person, row.relation) {
        return;
    }
    let account = state.accounts.get(&to).expect("it was there above");
    for session in account.devices.values().flat_map(|it| &it.session) {
        turn.reply(session.id, Reply::Typed(Typed { peer: from, kind }));
    }
}
