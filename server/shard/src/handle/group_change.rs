//! A member changes a group: the record is checked, gets a place in the log, and is in force.

use martlet_protocol::frame::{GroupChanged, GroupEventKind, GroupMode, Reference};
use martlet_protocol::group_record::{GroupRecord, Role};
use martlet_protocol::group_rules::{Roster, check};
use martlet_protocol::limits::GROUP_MEMBERS_MAX;
use martlet_protocol::{Address, GroupId, Kind, Millis, NackCode, UserId};
use martlet_store::ShardId;
use martlet_store::keys::group::{self, GroupRow, MemberRow, RecordRow};
use sha2::{Digest as _, Sha256};

use crate::command::SessionId;
use crate::effect::{Effect, Note, Reply};
use crate::group::Group;
use crate::handle::group_ask::record;
use crate::handle::group_send::{Entry, allot, hand_on};
use crate::state::State;
use crate::turn::Turn;

/// Puts a record in force. The driver has verified that the connection's device has signed it.
///
/// The record again, as long as it is the newest one, gets the same answer and changes nothing.
pub(crate) fn change(
    state: &mut State,
    turn: &mut Turn<'_>,
    (session, address, request): (SessionId, Address, u64),
    group: GroupId,
    signed: &[u8],
) {
    match judge(state, turn, address, group, signed) {
        Err(code) => {
            let reference = Reference::number(request);
            turn.refuse(session, Kind::GROUP_CHANGE, code, reference);
        }
        Ok(Verdict::Known(version)) => {
            let (sequence, _) = record(state, turn, group, version);
            answer(turn, (session, request), group, (version, sequence));
        }
        Ok(Verdict::Next(next)) => {
            let home = state.groups.get(&group);
            let sequence = home.map_or(0, |home| home.newest) + 1;
            // In front of the record as its device gets it.
            answer(turn, (session, request), group, (next.version, sequence));
            adopt(state, turn, address, *next, (sequence, signed));
        }
    }
}

fn answer(
    turn: &mut Turn<'_>,
    (session, request): (SessionId, u64),
    group: GroupId,
    (version, sequence): (u64, u64),
) {
    let changed = GroupChanged {
        request,
        group,
        version,
        sequence,
    };
    turn.reply(session, Reply::GroupChanged(changed));
}

/// What a record means.
enum Verdict {
    /// It is the newest one.
    Known(u64),
    /// It follows the newest one; the group as it is then.
    Next(Box<Roster>),
}

fn judge(
    state: &mut State,
    turn: &Turn<'_>,
    address: Address,
    group: GroupId,
    signed: &[u8],
) -> Result<Verdict, NackCode> {
    let members_max = state.limits.group_members_max;
    let next = GroupRecord::decode(signed).map_err(|_| NackCode::RECORD_INVALID)?;
    if next.actor != address || next.group != group {
        return Err(NackCode::RECORD_INVALID);
    }
    let before = state
        .group(turn.view, group)
        .map(|home| roster(group, home));
    if let Some(before) = &before {
        let is_known = before.members.contains_key(&address.user);
        if is_known && before.hash == sha256(&next.hashed_bytes()) {
            return Ok(Verdict::Known(before.version));
        }
        if next.version == 1 {
            // Of another group under the same id, of which a stranger learns nothing else.
            return Err(NackCode::GROUP_TAKEN);
        }
    }
    let after = check(before.as_ref(), &next, sha256).map_err(|error| error.code())?;
    let grows = after.members.len() > before.map_or(0, |before| before.members.len());
    if grows && after.members.len() > members_max.min(GROUP_MEMBERS_MAX) {
        return Err(NackCode::GROUP_FULL);
    }
    Ok(Verdict::Next(Box::new(after)))
}

fn roster(group: GroupId, home: &Group) -> Roster {
    let members = home.members.iter();
    Roster {
        group,
        version: home.row.version,
        hash: home.row.record_hash,
        rights: home.row.rights,
        info_hash: home.row.info_hash,
        members: members.map(|(user, row)| (*user, row.role)).collect(),
    }
}

/// The hash of records and members.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Makes the group what its record says, and tells everybody who was or is in it.
fn adopt(
    state: &mut State,
    turn: &mut Turn<'_>,
    actor: Address,
    next: Roster,
    (joined, signed): (u64, &[u8]),
) {
    let (id, topology, group) = (state.id, state.topology, next.group);
    let record = GroupRecord::decode(signed).expect("it was checked before");
    let home = state.groups.entry(group).or_insert_with(|| {
        Group::new(GroupRow {
            version: 0,
            roster: 0,
            floor: 0,
            mode: GroupMode::INBOX,
            rights: next.rights,
            info_hash: next.info_hash,
            record_hash: next.hash,
        })
    });
    let roster = home.row.roster + 1;
    home.row = GroupRow {
        version: next.version,
        roster,
        rights: next.rights,
        info_hash: next.info_hash,
        record_hash: next.hash,
        ..home.row
    };
    let rows = assign(home, &record, joined);
    let removed = rows.iter().filter(|(_, row)| row.role == Role::NONE);
    let former: Vec<ShardId> = removed
        .map(|(user, _)| topology.shard_of_user(*user))
        .collect();
    let group_row = home.row;
    for (user, row) in rows {
        let key = group::member_key(id, group, user);
        state.fresh.put(turn, &key, |out| row.encode(out));
    }
    turn.put_with(&group::key(id, group), |out| group_row.encode(out));
    let key = group::record_key(id, group, next.version);
    let row = RecordRow {
        sequence: joined,
        record: signed,
    };
    state.fresh.put(turn, &key, |out| row.encode(out));
    let entry = Entry {
        kind: GroupEventKind::RECORD,
        author: Some(actor),
        message_id: None,
        expires_at: Millis(0),
        body: signed,
    };
    let placed = allot(state, turn, group, &entry);
    assert!(
        placed.sequence == joined,
        "the record stands where its members join"
    );
    hand_on(state, turn, placed, &former);
    turn.effects.push(Effect::Note(Note::GroupChanged {
        group,
        version: next.version,
        actor,
        members: next.members.len(),
    }));
    switch(state, turn, group);
}

/// Gives the members the roles of a record that stands at `joined`; what is to be stored of them.
fn assign(home: &mut Group, record: &GroupRecord<'_>, joined: u64) -> Vec<(UserId, MemberRow)> {
    let roster = home.row.roster;
    let assigned = record.changes.iter().map(|change| {
        let known = home.members.get(&change.user).copied();
        let row = MemberRow {
            role: change.role,
            changed: roster,
            ..known.unwrap_or(MemberRow {
                role: change.role,
                list_version: 0,
                changed: roster,
                joined,
                delivered: joined,
                read: joined,
            })
        };
        match row.role {
            Role::NONE => home.members.remove(&change.user),
            _ => home.members.insert(change.user, row),
        };
        (change.user, row)
    });
    assigned.collect()
}

/// A group that has become large gets a stream of its own, one that is small again has none. The
/// entry that says so is the last one that comes in the old way.
fn switch(state: &mut State, turn: &mut Turn<'_>, group: GroupId) {
    let most = state.limits.group_inbox_members_max;
    let home = state.groups.get(&group).expect("the caller has it");
    let members = home.members.len();
    let mode = match home.row.mode {
        GroupMode::INBOX if members > most => GroupMode::STREAM,
        GroupMode::STREAM if members <= most - most / 10 => GroupMode::INBOX,
        _ => return,
    };
    let entry = Entry {
        kind: GroupEventKind::MODE,
        author: None,
        message_id: None,
        expires_at: Millis(0),
        body: &[mode.0],
    };
    let placed = allot(state, turn, group, &entry);
    turn.effects.push(Effect::Note(Note::GroupMode {
        group,
        mode,
        sequence: placed.sequence,
        members,
    }));
    hand_on(state, turn, placed, &[]);
    let id = state.id;
    let home = state.groups.get_mut(&group).expect("it was there above");
    home.row.mode = mode;
    turn.put_with(&group::key(id, group), |out| home.row.encode(out));
}
