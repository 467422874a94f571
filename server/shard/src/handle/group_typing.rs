//! Somebody writes in a group: told to who is connected, and never stored.

use martlet_protocol::frame::{GroupMode, GroupTyped, TypingKind};
use martlet_protocol::{Address, GroupId};

use crate::command::GroupCommand;
use crate::effect::{Effect, Reply};
use crate::state::State;
use crate::turn::Turn;

/// At the home: hands it to the shards with members. Nobody is told of it in a large group, and a
/// stranger is not heard.
pub(crate) fn typing(
    state: &mut State,
    turn: &mut Turn<'_>,
    from: Address,
    group: GroupId,
    kind: TypingKind,
) {
    let topology = state.topology;
    let home = state.group(turn.view, group);
    let Some(home) = home.filter(|home| home.members.contains_key(&from.user)) else {
        return;
    };
    if home.row.mode != GroupMode::INBOX {
        return;
    }
    let typed = home.shards(&topology).into_iter().map(|target| {
        let typed = GroupCommand::Typed {
            target,
            group,
            peer: from,
            kind,
        };
        Effect::Forward(typed.into())
    });
    turn.effects.extend(typed);
}

/// At a shard with members: tells their connected devices, but not those of who writes.
pub(crate) fn typed(
    state: &mut State,
    turn: &mut Turn<'_>,
    group: GroupId,
    peer: Address,
    kind: TypingKind,
) {
    let Some(local) = state.local_group(turn.view, group) else {
        return;
    };
    let others = local.members.keys().copied();
    let others = others.filter(|user| *user != peer.user && local.is_member(*user));
    let others: Vec<_> = others.collect();
    for user in others {
        // Who is not in memory is not connected.
        let Some(account) = state.accounts.get(&user) else {
            continue;
        };
        let sessions = account
            .devices
            .values()
            .filter_map(|it| it.session.as_deref());
        for session in sessions {
            turn.reply(
                session.id,
                Reply::GroupTyped(GroupTyped { group, peer, kind }),
            );
        }
    }
}
