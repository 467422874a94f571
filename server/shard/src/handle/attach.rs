//! A device connects, leaves, and says how much it is ready to receive.

use martlet_protocol::frame::Credit;
use martlet_protocol::{Address, CloseCode, Position};
use martlet_store::ShardId;
use martlet_store::keys::{cursor, inbox};

use crate::account::{Device, Session};
use crate::command::SessionId;
use crate::effect::Reply;
use crate::handle::{group_stream, prekeys, presence};
use crate::state::State;
use crate::stream;
use crate::turn::Turn;

/// Connects a device: its stream goes on behind what it has.
///
/// ```text
///  the device says                      the stream goes on behind
///  another epoch than ours              our cursor: READY's epoch tells it to forget its own
///  our epoch (or none), cursor below    our cursor, after a RESTORED gap: those rows are gone
///  our epoch, cursor at or above        its cursor: an acknowledgement was lost on the way
///  our epoch, cursor beyond the tail    nothing: BAD_ACK, it claims what never was in this history
/// ```
pub(crate) fn attach(
    state: &mut State,
    turn: &mut Turn<'_>,
    (session, address, challenged_us): (SessionId, Address, u64),
    (epoch, cursor): (u64, Position),
    credit: Credit,
) {
    let Some(device) = device_mut(state, turn, address) else {
        return turn.close(session, CloseCode::DEVICE_GONE);
    };
    let is_known = epoch == 0 || epoch == device.epoch;
    if is_known && cursor > device.tail {
        return turn.close(session, CloseCode::BAD_ACK);
    }
    if let Some(other) = device.session.as_deref() {
        if other.challenged_us > challenged_us {
            // The AUTH of a connection that its device has given up long ago was late. Were it to
            // replace the one that lives, the device would take itself for replaced, and stop.
            return turn.close(session, CloseCode::REPLACED);
        }
        turn.close(other.id, CloseCode::REPLACED);
        let other = device.session.take().expect("it was there above");
        presence::left(state, turn, address.user, &other);
    }
    let device = device_mut(state, turn, address).expect("it was there above");
    let ours = device.cursor;
    let resumed = if is_known { cursor } else { ours };
    let ready = Reply::Ready {
        epoch: device.epoch,
        cursor: resumed,
        tail: device.tail,
    };
    turn.reply(session, ready);

    let mut live = Session::new(session, ours, resumed.max(ours), credit);
    live.challenged_us = challenged_us;
    live.missed_from = (resumed < ours).then(|| resumed.next());
    device.session = Some(Box::new(live));
    prekeys::warn(state, turn, session, address);
    let device = device_mut(state, turn, address).expect("it is connected");
    stream::advance(address, device, turn);
    group_stream::attach(state, turn, address);
}

/// Forgets a connection, unless the device has a newer one.
pub(crate) fn detach(state: &mut State, turn: &mut Turn<'_>, session: SessionId, address: Address) {
    let id = state.id;
    let Some(device) = device_mut(state, turn, address) else {
        return;
    };
    if device.session_mut(session).is_some() {
        let ended = device.session.take().expect("it was there above");
        trim(id, address, device, 1, turn);
        group_stream::detach(state, turn, address, &ended);
        presence::left(state, turn, address.user, &ended);
    }
}

/// Adds to what a device is ready to receive, and goes on pushing.
pub(crate) fn credit(
    state: &mut State,
    turn: &mut Turn<'_>,
    session: SessionId,
    address: Address,
    credit: Credit,
) {
    let Some(device) = device_mut(state, turn, address) else {
        return;
    };
    if let Some(session) = device.session_mut(session) {
        session.grant(credit);
        stream::advance(address, device, turn);
        group_stream::advance(state, turn, address);
    }
}

/// Removes acknowledged rows, and what was counted about them, once there are `rows_min`.
pub(crate) fn trim(
    shard: ShardId,
    address: Address,
    device: &mut Device,
    rows_min: u64,
    turn: &mut Turn<'_>,
) {
    if device.trimmed.until(device.cursor) >= rows_min {
        if device.has_refusals {
            let first = cursor::refusal_key(shard, address, Position(0));
            let behind = cursor::refusal_key(shard, address, device.cursor.next());
            turn.batch.delete_range(&first, &behind);
        }
        let from = inbox::key(shard, address, device.trimmed.next());
        turn.batch
            .delete_range(&from, &inbox::key(shard, address, device.cursor.next()));
        device.trimmed = device.cursor;
    }
}

pub(crate) fn device_mut<'s>(
    state: &'s mut State,
    turn: &Turn<'_>,
    address: Address,
) -> Option<&'s mut Device> {
    state
        .account(turn.view, address.user)?
        .devices
        .get_mut(&address.device)
}
