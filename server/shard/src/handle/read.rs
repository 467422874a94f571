//! A person has read a conversation up to a message.

use martlet_protocol::{
    Address, CloseCode, Kind, MessageId, NackCode, State as MessageState, Timestamp, UserId,
};
use martlet_store::keys::cursor;
use martlet_store::keys::message::{self, MessageRow, Origin, Told};
use martlet_store::keys::relay::RelayItem;

use crate::command::SessionId;
use crate::effect::Reply;
use crate::handle::attach::device_mut;
use crate::handle::expire::{message_row, reference};
use crate::handle::relate;
use crate::inbox;
use crate::limits::PINGS_MAX;
use crate::person::{hushes, is_reserved, relation_of};
use crate::state::State;
use crate::turn::Turn;

/// Raises the reader's watermark and tells the author, once. Only a message that this device has
/// acknowledged can be read.
pub(crate) fn read(
    state: &mut State,
    turn: &mut Turn<'_>,
    session: SessionId,
    address: Address,
    author: Address,
    message_id: MessageId,
) {
    let refuse = |turn: &mut Turn<'_>, code| {
        turn.refuse(session, Kind::READ, code, reference(message_id));
    };
    let origin = Origin {
        message_id,
        sender: author,
    };
    let row = message_row(state, turn, origin).filter(|row| row.to == address.user);
    let Some(row) = row else {
        return refuse(turn, NackCode::UNKNOWN_MESSAGE);
    };
    let account = state.account(turn.view, address.user);
    let device = account.and_then(|account| account.devices.get_mut(&address.device));
    let placement = row
        .placements
        .iter()
        .find(|placement| placement.device == address.device && placement.fact.is_none());
    let (Some(device), Some(placement)) = (device, placement) else {
        return refuse(turn, NackCode::NOT_DELIVERED);
    };
    let position = placement.position;
    if position > device.cursor {
        // Acknowledged by the resume, in effect once its page is read. Until then it waits, or
        // STATUS would tell READ, and something less after a crash.
        let live = device.session_mut(session);
        let Some(live) = live.filter(|live| position <= live.stored) else {
            return refuse(turn, NackCode::NOT_DELIVERED);
        };
        let newest = live.reads.entry(author).or_insert((position, message_id));
        *newest = (*newest).max((position, message_id));
        return;
    }
    let is_told = is_told_of(state, turn, address.user, author.user);
    if row.told == Told::ByName && is_told {
        tell_by_name(state, turn, origin, address, row.clone());
    }
    if row.timestamp > read_mark(state, turn, address.user, author.user) {
        let key = cursor::read_key(state.id, address.user, author.user);
        state.fresh.put(turn, &key, |out| {
            out.extend_from_slice(&row.timestamp.0.to_le_bytes());
        });
        let receipt = |to, peer, state_told| RelayItem::Receipt {
            to,
            peer,
            state: state_told,
            up_to: row.timestamp,
            at: turn.now,
        };
        if is_told {
            state.owe(receipt(author.user, address, MessageState::READ));
        }
        if state.accounts[&address.user].devices.len() > 1 {
            let seen = inbox::address(author.user, address.device);
            state.owe(receipt(address.user, seen, MessageState::SEEN));
        }
    }
}

/// Whether an author is told what the account reads. A stranger who is not must be told later how
/// far it was, once it is a contact.
fn is_told_of(state: &mut State, turn: &mut Turn<'_>, reader: UserId, author: UserId) -> bool {
    let person = state.accounts[&reader].person;
    if is_reserved(&person) {
        let row = relation_of(&state.fresh, turn.view, state.id, (reader, author));
        if hushes(&person, row.relation) {
            let marks = relate::marks_now(state, turn, reader, author);
            relate::hush(state, turn, (reader, author), row, marks);
            return false;
        }
    }
    person.settings.read_receipts
}

/// A message outside the watermarks was read: its sender is told of this one, once.
fn tell_by_name(
    state: &mut State,
    turn: &mut Turn<'_>,
    origin: Origin,
    reader: Address,
    mut row: MessageRow,
) {
    row.told = Told::ReadByName;
    let key = message::key(state.id, origin.message_id, origin.sender);
    state.fresh.put(turn, &key, |out| row.encode(out));
    state.owe(RelayItem::Fact {
        to: origin.sender.user,
        peer: reader,
        state: MessageState::READ,
        message_id: origin.message_id,
        timestamp: row.timestamp,
        at: turn.now,
    });
}

/// Answers a PING behind everything that came before it, READs that wait for a page included.
pub(crate) fn ping(
    state: &mut State,
    turn: &mut Turn<'_>,
    session: SessionId,
    address: Address,
    token: u64,
) {
    let device = device_mut(state, turn, address);
    let live = device.and_then(|device| device.session_mut(session));
    match live.filter(|live| !live.reads.is_empty()) {
        None => turn.reply(session, Reply::Pong { token }),
        Some(live) if live.pings.len() < PINGS_MAX => live.pings.push(token),
        Some(_) => turn.close(session, CloseCode::RATE_LIMITED),
    }
}

/// How far `reader` has read what `peer` wrote.
pub(crate) fn read_mark(state: &State, turn: &Turn<'_>, reader: UserId, peer: UserId) -> Timestamp {
    let value = state
        .fresh
        .get(turn.view, &cursor::read_key(state.id, reader, peer));
    value.map_or(Timestamp(0), |value| {
        cursor::timestamp_of(&value).expect("a read row is ours")
    })
}
