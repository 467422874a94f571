//! A message to a group, at the group's home: one place in the log, and SENT once that is durable.

use bytes::{Bytes, BytesMut};
use martlet_protocol::frame::{GroupEvent, GroupEventKind, GroupSent, Reference};
use martlet_protocol::limits::{TTL_MS_MAX, TTL_MS_MIN};
use martlet_protocol::wire::Writer;
use martlet_protocol::{
    Address, GroupId, Kind, MessageId, Millis, NackCode, Position, Timestamp, crc,
};
use martlet_store::keys::group::{self, GroupMessageRow};
use martlet_store::keys::group_log::{self, LogRow};
use martlet_store::keys::message::Origin;
use martlet_store::keys::relay::RelayItem;
use martlet_store::{ShardId, hash128};

use crate::command::SessionId;
use crate::effect::Reply;
use crate::handle::parts::Refusal;
use crate::handle::{group_entry, send};
use crate::message::GroupSendRequest;
use crate::state::State;
use crate::turn::Turn;

/// Gives the message its place in the group. Log row, idempotency row and what other shards are
/// owed are one batch: a crash leaves all or nothing, and the fan-out goes on from there.
pub(crate) fn send(
    state: &mut State,
    turn: &mut Turn<'_>,
    (session, from): (SessionId, Address),
    request: &GroupSendRequest,
) {
    let origin = Origin {
        message_id: request.message_id,
        sender: from,
    };
    let accepted = send::check_id(turn, origin).and_then(|()| {
        let hash = payload_hash(request);
        match earlier(state, turn, origin) {
            Some(row) if row.hash == hash => Ok((row, None)),
            Some(_) => Err((NackCode::CONFLICT, 0)),
            None => {
                check(state, turn, (session, from), request)?;
                let (row, placed) = place(state, turn, origin, request, hash);
                Ok((row, Some(placed)))
            }
        }
    });
    match accepted {
        Ok((row, placed)) => {
            settled(state, from, request);
            turn.reply(
                session,
                Reply::GroupSent(GroupSent {
                    message_id: request.message_id,
                    group: row.group,
                    sequence: row.sequence,
                    timestamp: row.timestamp,
                    members: row.members,
                }),
            );
            // Behind the answer: the device that sent it may be among those that get it.
            if let Some(placed) = placed {
                hand_on(state, turn, placed, &[]);
            }
        }
        Err(refusal) => refused(state, turn, (session, from), request, refusal),
    }
}

fn earlier(state: &State, turn: &Turn<'_>, origin: Origin) -> Option<GroupMessageRow> {
    let key = group::message_key(state.id, origin.message_id, origin.sender);
    let value = state.fresh.get(turn.view, &key)?;
    Some(GroupMessageRow::decode(&value).expect("a group message row is ours"))
}

/// What a retry must repeat. Version and roster are not part of it: a message that was placed
/// stays placed when the members change.
fn payload_hash(request: &GroupSendRequest) -> u128 {
    let mut head = [0; 16];
    head[..8].copy_from_slice(&request.group.0.to_le_bytes());
    head[8..].copy_from_slice(&request.ttl_ms.to_le_bytes());
    hash128(&[&head, &request.envelope])
}

/// Says why a message was not placed. Unless it is over for good, it comes again, and what follows
/// it waits for it.
fn refused(
    state: &mut State,
    turn: &mut Turn<'_>,
    (session, from): (SessionId, Address),
    request: &GroupSendRequest,
    (code, retry_after_ms): Refusal,
) {
    if send::is_final(code) {
        settled(state, from, request);
    } else if code != NackCode::OUT_OF_ORDER {
        let pair = (from, request.group);
        send::note_refused(&mut state.group_refused, pair, session, request.message_id);
    }
    let of = Reference::message(request.message_id);
    turn.refuse_for(session, Kind::GROUP_SEND, code, of, retry_after_ms);
}

fn settled(state: &mut State, from: Address, request: &GroupSendRequest) {
    let pair = (from, request.group);
    let waits_for = state.group_refused.get(&pair).map(|(_, id)| *id);
    if waits_for == Some(request.message_id) {
        state.group_refused.remove(&pair);
    }
}

fn check(
    state: &mut State,
    turn: &Turn<'_>,
    (session, from): (SessionId, Address),
    request: &GroupSendRequest,
) -> Result<(), Refusal> {
    if request.ttl_ms != 0 && !(TTL_MS_MIN..=TTL_MS_MAX).contains(&request.ttl_ms) {
        return Err((NackCode::TTL_INVALID, 0));
    }
    if is_out_of_order(state, session, (from, request.group), request.message_id) {
        return Err((NackCode::OUT_OF_ORDER, 0));
    }
    let group = state.group(turn.view, request.group);
    let group = group.ok_or((NackCode::GROUP_UNKNOWN, 0))?;
    let member = group.members.get(&from.user);
    let role = member.map(|member| member.role);
    let role = role.ok_or((NackCode::GROUP_UNKNOWN, 0))?;
    if !group.row.rights.send.allows(role) {
        return Err((NackCode::GROUP_FORBIDDEN, 0));
    }
    if (request.version, request.roster) != (group.row.version, group.row.roster) {
        return Err((NackCode::GROUP_STALE, 0));
    }
    Ok(())
}

/// What follows a refused message is refused until that one comes again.
fn is_out_of_order(
    state: &State,
    session: SessionId,
    pair: (Address, GroupId),
    message_id: MessageId,
) -> bool {
    let waits_for = state.group_refused.get(&pair);
    waits_for.is_some_and(|(at, id)| *at == session && *id != message_id)
}

/// Refuses a message that the driver cannot take now. Nothing else is looked at: the same message
/// comes again, and is judged then.
pub(crate) fn decline(
    state: &mut State,
    turn: &mut Turn<'_>,
    session: SessionId,
    (from, group, message_id): (Address, GroupId, MessageId),
    (code, retry_after_ms): Refusal,
) {
    let (code, retry_after_ms) = if is_out_of_order(state, session, (from, group), message_id) {
        (NackCode::OUT_OF_ORDER, 0)
    } else {
        let pair = (from, group);
        send::note_refused(&mut state.group_refused, pair, session, message_id);
        (code, retry_after_ms)
    };
    let of = Reference::message(message_id);
    turn.refuse_for(session, Kind::GROUP_SEND, code, of, retry_after_ms);
}

fn place(
    state: &mut State,
    turn: &mut Turn<'_>,
    origin: Origin,
    request: &GroupSendRequest,
    hash: u128,
) -> (GroupMessageRow, Placed) {
    let expires_at = match request.ttl_ms {
        0 => Millis(0),
        ttl_ms => turn.now.plus(ttl_ms),
    };
    let entry = Entry {
        kind: GroupEventKind::MESSAGE,
        author: Some(origin.sender),
        message_id: Some(request.message_id),
        expires_at,
        body: &request.envelope,
    };
    let placed = allot(state, turn, request.group, &entry);
    let group = state.groups.get_mut(&request.group);
    let group = group.expect("it was checked before");
    group.note_author(placed.sequence, origin.sender.user);
    let members = group.members.len() as u64 - 1;
    let row = GroupMessageRow {
        group: request.group,
        sequence: placed.sequence,
        timestamp: placed.timestamp,
        members,
        hash,
    };
    let key = group::message_key(state.id, origin.message_id, origin.sender);
    state.fresh.put(turn, &key, |out| row.encode(out));
    (row, placed)
}

/// What is to be placed in a group's log.
pub(crate) struct Entry<'a> {
    pub(crate) kind: GroupEventKind,
    pub(crate) author: Option<Address>,
    pub(crate) message_id: Option<MessageId>,
    /// 0 for the retention.
    pub(crate) expires_at: Millis,
    pub(crate) body: &'a [u8],
}

/// An entry that has its place, and is not handed on yet.
pub(crate) struct Placed {
    group: GroupId,
    pub(crate) sequence: u64,
    timestamp: Timestamp,
    row: LogRow,
}

/// Gives an entry the next place in the log.
pub(crate) fn allot(
    state: &mut State,
    turn: &mut Turn<'_>,
    group: GroupId,
    entry: &Entry<'_>,
) -> Placed {
    let id = state.id;
    let timestamp = state.clock.next(id, turn, Timestamp(0));
    let home = state.groups.get_mut(&group).expect("the caller has it");
    home.newest += 1;
    let sequence = home.newest;
    let body = encode(&GroupEvent {
        position: Position(0),
        group,
        sequence,
        kind: entry.kind,
        author: entry.author,
        message_id: entry.message_id,
        timestamp,
        body: entry.body,
    });
    let row = LogRow {
        body_crc: crc::of_body(&body),
        expires_at: entry.expires_at,
        way: home.row.mode,
        body,
    };
    turn.put_with(&group_log::key(id, group, sequence), |out| row.encode(out));
    state.dirty = true;
    Placed {
        group,
        sequence,
        timestamp,
        row,
    }
}

/// Hands an entry on: to this shard's own members at once, to other shards through the outbox.
/// `former` are shards that have lost their last member by it.
pub(crate) fn hand_on(state: &mut State, turn: &mut Turn<'_>, placed: Placed, former: &[ShardId]) {
    let Placed {
        group,
        sequence,
        row,
        ..
    } = placed;
    let home = state.groups.get(&group).expect("the caller has it");
    let mut targets = home.shards(&state.topology);
    targets.extend(former);
    let is_here = targets.remove(&state.id);
    for target in targets {
        let entry = RelayItem::Entry {
            group,
            sequence,
            entry: Some(Box::new(row.clone())),
        };
        state.entries.push((target, entry));
    }
    if is_here {
        group_entry::take(state, turn, (group, sequence), &row);
    }
}

fn encode(event: &GroupEvent<'_>) -> Bytes {
    let mut body = BytesMut::with_capacity(64 + event.body.len());
    event.encode_body(&mut Writer::new(&mut body));
    body.freeze()
}
