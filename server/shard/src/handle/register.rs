//! Accounts and devices come and go.

use martlet_protocol::frame::Reference;
use martlet_protocol::{
    CloseCode, DeviceId, Kind, NackCode, Position, State as MessageState, UserId, handle,
};
use martlet_store::keys::account::{self, DEVICES_MAX};
use martlet_store::keys::cursor;
use martlet_store::keys::inbox as inbox_rows;

use crate::account::Account;
use crate::command::SessionId;
use crate::effect::Reply;
use crate::handle::expire;
use crate::inbox;
use crate::state::State;
use crate::turn::Turn;

/// Makes an account with one device; both rows are one batch. A repeated request with the same
/// key gets the account it made before.
pub(crate) fn register(
    state: &mut State,
    turn: &mut Turn<'_>,
    session: SessionId,
    handle: String,
    (key, user, epoch): ([u8; 32], UserId, u64),
) {
    assert!(
        handle::is_valid(&handle),
        "the driver checks the form of a handle"
    );
    assert!(
        state.topology.shard_of_user(user) == state.id,
        "the account belongs to its handle"
    );
    let handle_key = account::handle_key(state.id, &handle);
    if let Some(value) = state.fresh.get(turn, &handle_key) {
        let owner = account::handle_owner(&value).expect("a handle row is ours");
        let first = inbox::address(owner, DeviceId(1));
        let known = state
            .account(turn.view, owner)
            .and_then(|account| account.devices.get(&first.device).map(|device| device.key));
        if known == Some(key) {
            turn.reply(session, Reply::Registered(first));
        } else {
            turn.refuse(
                session,
                Kind::REGISTER,
                NackCode::HANDLE_TAKEN,
                Reference::default(),
            );
        }
        return;
    }
    if state.account(turn.view, user).is_some() {
        // Two equal random ids: the client asks again and another one is drawn.
        let code = NackCode::OVERLOADED;
        turn.refuse(session, Kind::REGISTER, code, Reference::default());
        return;
    }
    let mut account = Account::new(handle);
    let device = account.add_device(key, epoch);
    turn.put_with(&account::key(state.id, user), |out| {
        account.row().encode(out)
    });
    state.fresh.put(turn, &handle_key, |out| {
        out.extend_from_slice(&account::handle_value(user));
    });
    state.accounts.insert(user, account);
    state.dirty = true;
    turn.reply(session, Reply::Registered(inbox::address(user, device)));
}

/// Gives an account one more device, up to the limit.
pub(crate) fn add_device(
    state: &mut State,
    turn: &mut Turn<'_>,
    user: UserId,
    key: [u8; 32],
    epoch: u64,
) {
    let id = state.id;
    let Some(account) = state.account(turn.view, user) else {
        return;
    };
    if account.devices.len() < DEVICES_MAX {
        account.add_device(key, epoch);
        turn.put_with(&account::key(id, user), |out| account.row().encode(out));
    }
}

/// Takes a device away. What waited for it is told as DEVICE_GONE; its stream is removed. Its
/// cursor stays: what it took stays delivered.
pub(crate) fn remove_device(
    state: &mut State,
    turn: &mut Turn<'_>,
    user: UserId,
    device: DeviceId,
) {
    let id = state.id;
    let address = inbox::address(user, device);
    let Some(account) = state.account(turn.view, user) else {
        return;
    };
    let Some(gone) = account.devices.get_mut(&device) else {
        return;
    };
    if let Some(session) = gone.session.take() {
        turn.close(session.id, CloseCode::DEVICE_GONE);
    }
    let (from, to) = (gone.cursor.next(), gone.tail);
    expire::end_rows(state, turn, address, (from, to), MessageState::DEVICE_GONE);
    let account = state.accounts.get_mut(&user).expect("it was there above");
    let gone = account.devices.remove(&device).expect("it was there above");
    account.remember_gone(device, gone.cursor_row());
    turn.put_with(&account::key(id, user), |out| account.row().encode(out));
    turn.put_with(&cursor::key(id, address), |out| {
        gone.cursor_row().encode(out)
    });
    let (first, last) = (Position(0), Position(u64::MAX));
    let inbox_key = |position| inbox_rows::key(id, address, position);
    let held_key = |position| inbox::held_key(id, address, position);
    let refusal_key = |position| cursor::refusal_key(id, address, position);
    let batch = &mut turn.batch;
    batch.delete_range(&inbox_key(first), &inbox_key(last));
    batch.delete_range(&held_key(first), &held_key(last));
    batch.delete_range(&refusal_key(first), &refusal_key(last));
}
