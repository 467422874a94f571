//! Accounts come to be, and begin anew when their keys are lost.

use martlet_protocol::frame::Reference;
use martlet_protocol::{Kind, NackCode, UserId, handle};
use martlet_store::keys::account::{self, ListHead};

use crate::account::Account;
use crate::command::SessionId;
use crate::effect::{Effect, Note, Reply};
use crate::handle::{devices, group_stream, link, removal};
use crate::inbox;
use crate::state::State;
use crate::turn::Turn;

/// Who wants an account under a handle, and what was drawn for it.
pub(crate) struct Registration {
    pub(crate) handle: String,
    pub(crate) key: [u8; 32],
    pub(crate) user: UserId,
    pub(crate) epoch: u64,
    pub(crate) reset: bool,
}

/// Makes an account with one device; both rows are one batch. A repeated request with the same
/// key gets the account it made before.
pub(crate) fn register(
    state: &mut State,
    turn: &mut Turn<'_>,
    session: SessionId,
    registration: Registration,
) {
    let Registration {
        handle,
        key,
        user,
        epoch,
        reset,
    } = registration;
    assert!(
        handle::is_valid(&handle),
        "the driver checks the form of a handle"
    );
    assert!(
        state.topology.shard_of_user(user) == state.id,
        "the account belongs to its handle"
    );
    let handle_key = account::handle_key(state.id, &handle);
    if let Some(value) = state.fresh.get(turn.view, &handle_key) {
        let owner = account::handle_owner(&value).expect("a handle row is ours");
        return claim(state, turn, session, owner, (key, epoch, reset));
    }
    if state.account(turn.view, user).is_some() {
        // Two equal random ids: the client asks again and another one is drawn.
        let code = NackCode::OVERLOADED;
        turn.refuse(session, Kind::REGISTER, code, Reference::default());
        return;
    }
    let mut account = Account::new(handle);
    let device = account.add_device(key, epoch);
    state.accounts.insert(user, account);
    devices::store(state, turn, user, None);
    state.fresh.put(turn, &handle_key, |out| {
        out.extend_from_slice(&account::handle_value(user));
    });
    turn.reply(session, Reply::Registered(inbox::address(user, device)));
}

/// The handle has an account: it is the asker's, is given to the asker, or is somebody else's.
fn claim(
    state: &mut State,
    turn: &mut Turn<'_>,
    session: SessionId,
    owner: UserId,
    (key, epoch, reset): ([u8; 32], u64, bool),
) {
    let account = state.account(turn.view, owner);
    let account = account.expect("a handle row names an account");
    let mut devices = account.devices.iter();
    let known = devices.find(|(_, device)| device.key == key);
    if let Some((device, _)) = known {
        let address = inbox::address(owner, *device);
        turn.reply(session, Reply::Registered(address));
    } else if reset && account.can_grow() {
        begin_anew(state, turn, session, owner, (key, epoch));
    } else {
        let (code, reference) = (NackCode::HANDLE_TAKEN, Reference::default());
        turn.refuse(session, Kind::REGISTER, code, reference);
    }
}

/// One new device takes the place of all others. The list stays until the new device publishes its
/// successor, which may have another account key: everybody can see where the chain was broken.
fn begin_anew(
    state: &mut State,
    turn: &mut Turn<'_>,
    session: SessionId,
    user: UserId,
    (key, epoch): ([u8; 32], u64),
) {
    let account = state.account(turn.view, user).expect("the caller has it");
    let old: Vec<_> = account.devices.keys().copied().collect();
    for device in old {
        removal::remove(state, turn, user, device);
    }
    let list = devices::stored(state, turn.view, user).list;
    let account = state.accounts.get_mut(&user).expect("it was loaded above");
    account.is_reset = list.is_some();
    let device = account.add_device(key, epoch);
    group_stream::begin(state, turn, inbox::address(user, device));
    let list = list.map(|head| ListHead {
        is_reset: true,
        ..head
    });
    devices::store(state, turn, user, list);
    link::forget(state, turn, user);
    let address = inbox::address(user, device);
    turn.effects.push(Effect::Note(Note::AccountReset(address)));
    turn.reply(session, Reply::Registered(address));
}
