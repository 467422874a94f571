//! What other accounts are to one's own, and what it lets them know.

use martlet_protocol::frame::{
    AccountSettings, Reference, Related, Relation, RelationEntry, SettingsAre, Strangers,
};
use martlet_protocol::limits::{RELATION_LIST_MAX, RELATIONS_MAX};
use martlet_protocol::{Address, Kind, NackCode, State as MessageState, Timestamp, UserId};
use martlet_store::keys::message::{self, Told};
use martlet_store::keys::relation::{self, Marks, PersonRow, RelationRow};
use martlet_store::keys::relay::RelayItem;

use crate::command::SessionId;
use crate::effect::{RelationsAnswer, Reply};
use crate::handle::attach::device_mut;
use crate::handle::expire::message_row;
use crate::handle::parts::Refusal;
use crate::handle::presence;
use crate::handle::read::read_mark;
use crate::inbox;
use crate::person::{hushes, relation_of};
use crate::state::State;
use crate::turn::Turn;

/// Says what an account is to the device's own.
pub(crate) fn relate(
    state: &mut State,
    turn: &mut Turn<'_>,
    (session, address, request): (SessionId, Address, u64),
    peer: UserId,
    relation: Relation,
) {
    let owner = address.user;
    if device_mut(state, turn, address).is_none() {
        // It was removed while this was on its way, and is told so.
        return;
    }
    match judge(state, turn, owner, peer, relation) {
        Err((code, retry_after_ms)) => {
            let reference = Reference::number(request);
            turn.refuse_for(session, Kind::RELATE, code, reference, retry_after_ms);
        }
        Ok(before) => {
            if before.relation != relation {
                change(state, turn, (owner, peer), before, relation);
                let entry = RelationEntry {
                    user: peer,
                    relation,
                };
                let told = Reply::RelationList(RelationsAnswer::changed(entry));
                tell_others(state, turn, owner, session, &told);
            }
            turn.reply(session, Reply::Related(Related { request }));
        }
    }
}

/// Whether the relation may be so, and what it was.
fn judge(
    state: &mut State,
    turn: &Turn<'_>,
    owner: UserId,
    peer: UserId,
    relation: Relation,
) -> Result<RelationRow, Refusal> {
    if !relation.is_known() {
        return Err((NackCode::VALUE_UNKNOWN, 0));
    }
    if owner == peer {
        return Err((NackCode::SELF_ADDRESSED, 0));
    }
    let person = state.accounts[&owner].person;
    let before = relation_of(&state.fresh, turn.view, state.id, (owner, peer));
    let is_more = before.relation == Relation::NONE && relation != Relation::NONE;
    if is_more && person.contacts + person.blocked >= RELATIONS_MAX as u64 {
        return Err((NackCode::TOO_MANY_RELATIONS, 0));
    }
    if relation == Relation::CONTACT && before.relation != Relation::CONTACT {
        let spent = state.begin_conversation(turn.now, turn.view, owner, peer);
        spent.map_err(|wait_ms| (NackCode::RATE_LIMITED, wait_ms))?;
    }
    Ok(before)
}

fn change(
    state: &mut State,
    turn: &mut Turn<'_>,
    (owner, peer): (UserId, UserId),
    before: RelationRow,
    relation: Relation,
) {
    let account = state.accounts.get_mut(&owner).expect("it was judged");
    count(&mut account.person, before.relation, relation);
    let person = account.person;
    store_person(state, turn, owner);
    if before.relation == Relation::BLOCKED {
        declare_withheld(state, turn, owner, peer);
    }
    let hushed = if !hushes(&person, relation) {
        if let (Relation::CONTACT, Some(marks)) = (relation, before.hushed) {
            tell_marks(state, turn, (owner, peer), marks);
        }
        None
    } else if relation == Relation::BLOCKED || before.hushed.is_some() {
        let now = || marks_now(state, turn, owner, peer);
        Some(before.hushed.unwrap_or_else(now))
    } else {
        None
    };
    store_relation(state, turn, (owner, peer), RelationRow { relation, hushed });
    presence::reconsider(state, turn, owner, Some(peer));
}

fn count(person: &mut PersonRow, before: Relation, after: Relation) {
    for (relation, count) in [
        (Relation::CONTACT, &mut person.contacts),
        (Relation::BLOCKED, &mut person.blocked),
    ] {
        if before == relation {
            *count -= 1;
        } else if after == relation {
            *count += 1;
        }
    }
}

/// How far `peer` has been told of its messages, as long as it is told.
pub(crate) fn marks_now(state: &State, turn: &Turn<'_>, owner: UserId, peer: UserId) -> Marks {
    let account = state.accounts.get(&owner).expect("the caller has it");
    Marks {
        delivered: account.delivered,
        read: read_mark(state, turn, owner, peer),
    }
}

/// Tells somebody the watermarks as they are, if they have risen since it was told the last ones.
fn tell_marks(state: &mut State, turn: &Turn<'_>, (owner, peer): (UserId, UserId), before: Marks) {
    let now = marks_now(state, turn, owner, peer);
    let account = state.accounts.get(&owner).expect("the caller has it");
    let furthest = account.devices.iter().max_by_key(|(_, it)| it.delivered);
    let Some((device, _)) = furthest else { return };
    let address = inbox::address(owner, *device);
    let reads = account.person.settings.read_receipts;
    let mut tell = |state_told, up_to: Timestamp| {
        state.owe(RelayItem::Receipt {
            to: peer,
            peer: address,
            state: state_told,
            up_to,
            at: turn.now,
        });
    };
    if now.delivered > before.delivered {
        tell(MessageState::DELIVERED, now.delivered);
    }
    if reads && now.read > before.read {
        tell(MessageState::READ, now.read);
    }
}

/// A block ends: what was withheld during it is taken out of the watermarks, before one of them
/// could speak of it. What its sender knows by name already needs no word.
fn declare_withheld(state: &mut State, turn: &mut Turn<'_>, owner: UserId, peer: UserId) {
    let account = state.accounts.get(&owner).expect("the caller has it");
    let mut of_peer: Vec<_> = account.partial.values().copied().collect();
    of_peer.retain(|origin| origin.sender.user == peer);
    for origin in of_peer {
        let row = message_row(state, turn, origin);
        let Some(mut row) = row.filter(|row| row.told == Told::ByWatermark) else {
            continue;
        };
        row.told = Told::ByName;
        let key = message::key(state.id, origin.message_id, origin.sender);
        state.fresh.put(turn, &key, |out| row.encode(out));
        for placement in row.placements.iter().filter(|it| it.fact.is_none()) {
            state.owe(RelayItem::Fact {
                to: peer,
                peer: inbox::address(owner, placement.device),
                state: MessageState::SENT,
                message_id: origin.message_id,
                timestamp: row.timestamp,
                at: turn.now,
            });
        }
    }
}

/// The relations behind `after`.
pub(crate) fn relations(
    state: &State,
    turn: &mut Turn<'_>,
    (session, address, request): (SessionId, Address, u64),
    after: u64,
) {
    let owner = address.user;
    let mut entries = Vec::new();
    let mut behind = after;
    let more = loop {
        let Some((peer, row)) = next_relation(state, turn, owner, behind) else {
            break false;
        };
        if row.relation != Relation::NONE {
            if entries.len() == RELATION_LIST_MAX {
                break true;
            }
            entries.push(RelationEntry {
                user: peer,
                relation: row.relation,
            });
        }
        behind = peer.0;
    };
    turn.reply(
        session,
        Reply::RelationList(RelationsAnswer {
            request,
            more,
            relations: entries,
        }),
    );
}

/// The first relation row behind an account, also when this turn has written it.
fn next_relation(
    state: &State,
    turn: &Turn<'_>,
    owner: UserId,
    behind: u64,
) -> Option<(UserId, RelationRow)> {
    let from = relation::key(state.id, owner, UserId(behind.checked_add(1)?));
    let to = relation::key(state.id, owner, UserId(u64::MAX));
    let to = [&to[..], &[0]].concat();
    let stored = turn.view.first(&from, &to);
    let fresh = state.fresh.first(&from, &to);
    let key = match (&stored, fresh) {
        (None, None) => return None,
        (Some((key, _)), None) => &key[..],
        (None, Some((key, _))) => key,
        (Some((stored, _)), Some((fresh, _))) => fresh.min(&stored[..]),
    };
    let (_, peer) = relation::pair_of(key).expect("a relation key holds two accounts");
    let row = relation_of(&state.fresh, turn.view, state.id, (owner, peer));
    Some((peer, row))
}

/// Answers what the settings are, after it has set them.
pub(crate) fn settings(
    state: &mut State,
    turn: &mut Turn<'_>,
    (session, address, request): (SessionId, Address, u64),
    set: Option<AccountSettings>,
) {
    let owner = address.user;
    if device_mut(state, turn, address).is_none() {
        return;
    }
    let before = state.accounts[&owner].person.settings;
    let settings = set.unwrap_or(before);
    if !settings.is_known() {
        let reference = Reference::number(request);
        return turn.refuse(session, Kind::SETTINGS, NackCode::VALUE_UNKNOWN, reference);
    }
    if settings != before {
        let account = state.accounts.get_mut(&owner).expect("it was there above");
        account.person.settings = settings;
        store_person(state, turn, owner);
        if settings.strangers == Strangers::ANYONE {
            forget_hushed(state, turn, owner);
        }
        if settings.presence != before.presence {
            presence::reconsider(state, turn, owner, None);
        }
        let told = SettingsAre {
            request: 0,
            settings,
        };
        tell_others(state, turn, owner, session, &Reply::SettingsAre(told));
    }
    let answer = SettingsAre { request, settings };
    turn.reply(session, Reply::SettingsAre(answer));
}

/// Strangers are told receipts from now on: nobody need remember how far they had been told.
fn forget_hushed(state: &mut State, turn: &mut Turn<'_>, owner: UserId) {
    let mut behind = 0;
    while let Some((peer, row)) = next_relation(state, turn, owner, behind) {
        if row.relation == Relation::NONE && row.hushed.is_some() {
            store_relation(state, turn, (owner, peer), RelationRow::STRANGER);
        }
        behind = peer.0;
    }
}

/// Notes that a stranger was not told of a receipt, the first time.
pub(crate) fn hush(
    state: &mut State,
    turn: &mut Turn<'_>,
    (owner, peer): (UserId, UserId),
    row: RelationRow,
    marks: Marks,
) {
    if row.hushed.is_none() {
        let hushed = Some(marks);
        store_relation(state, turn, (owner, peer), RelationRow { hushed, ..row });
    }
}

fn store_person(state: &mut State, turn: &mut Turn<'_>, owner: UserId) {
    let person = state.accounts[&owner].person;
    turn.put_with(&relation::person_key(state.id, owner), |out| {
        person.encode(out);
    });
    state.dirty = true;
}

fn store_relation(
    state: &mut State,
    turn: &mut Turn<'_>,
    (owner, peer): (UserId, UserId),
    row: RelationRow,
) {
    let key = relation::key(state.id, owner, peer);
    state.fresh.put(turn, &key, |out| row.encode(out));
    state.dirty = true;
}

/// Tells the other connections of an account what one of them has changed.
fn tell_others(state: &State, turn: &mut Turn<'_>, owner: UserId, but: SessionId, reply: &Reply) {
    let account = state.accounts.get(&owner).expect("the caller has it");
    for session in account.devices.values().flat_map(|it| &it.session) {
        if session.id != but {
            turn.reply(session.id, reply.clone());
        }
    }
}
