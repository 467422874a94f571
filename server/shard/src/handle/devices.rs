//! Device lists: handed out to whoever asks, and replaced by the account's own devices.

use bytes::Bytes;
use martlet_protocol::auth::KEY_BYTES;
use martlet_protocol::device_list::{DeviceList, PREVIOUS_NONE};
use martlet_protocol::frame::{Published, Reference};
use martlet_protocol::limits::DEVICE_LISTS_MAX;
use martlet_protocol::{Address, DeviceId, Kind, NackCode, UserId};
use martlet_store::View;
use martlet_store::keys::account::{self as account_rows, AccountRow, ListHead};
use martlet_store::keys::device_list;

use crate::command::{Publication, SessionId};
use crate::effect::{Effect, ListsAnswer, Note, Reply};
use crate::handle::parts::Refusal;
use crate::handle::{link, removal};
use crate::limits::LISTS;
use crate::state::State;
use crate::turn::Turn;

/// Hands out the newest list of an account, or those that follow the one the client has.
pub(crate) fn devices(
    state: &mut State,
    turn: &mut Turn<'_>,
    (session, request): (SessionId, u64),
    user: UserId,
    have: u64,
) {
    let Some(account) = state.account(turn.view, user) else {
        let reference = Reference::number(request);
        return turn.refuse(session, Kind::DEVICES, NackCode::UNKNOWN_HANDLE, reference);
    };
    let newest = account.list_version;
    let from = match have {
        0 => newest.max(1),
        have => have.saturating_add(1),
    };
    let lists = (from..=newest)
        .take(DEVICE_LISTS_MAX)
        .map(|version| list(state, turn.view, user, version))
        .collect();
    let answer = ListsAnswer {
        request,
        user,
        newest,
        lists,
    };
    turn.reply(session, Reply::DeviceLists(answer));
}

/// Shows the newest list to somebody who has made a message for another one, if the account is of
/// this shard.
pub(crate) fn tell_newest(
    state: &mut State,
    turn: &mut Turn<'_>,
    session: SessionId,
    user: UserId,
) {
    if state.topology.shard_of_user(user) == state.id {
        devices(state, turn, (session, 0), user, 0);
    }
}

/// A list that was published.
fn list(state: &State, view: &dyn View, user: UserId, version: u64) -> Bytes {
    let key = device_list::key(state.id, user, version);
    let list = state.fresh.get(view, &key);
    list.expect("every version up to the newest has its row")
}

/// The identity key of a device that is in its account's newest list.
pub(crate) fn identity_key(
    state: &mut State,
    view: &dyn View,
    address: Address,
) -> Option<[u8; KEY_BYTES]> {
    let account = state.account(view, address.user)?;
    if !account.is_listed() || !account.devices.contains_key(&address.device) {
        return None;
    }
    let version = account.list_version;
    let bytes = list(state, view, address.user, version);
    let listed = decode(&bytes).device(address.device);
    Some(listed.expect("the list names every device").identity_key)
}

fn decode(list: &[u8]) -> DeviceList<'_> {
    DeviceList::decode(list).expect("a list that was published decodes")
}

/// What a new list means.
enum Verdict {
    /// It is the newest one.
    Known,
    /// It follows the newest one.
    Next(Change),
}

/// What a list changes.
struct Change {
    head: ListHead,
    removed: Vec<DeviceId>,
    /// The signing key of a new device.
    added: Option<[u8; KEY_BYTES]>,
}

/// Replaces an account's device list by its successor. Rows of the list, of the account, and of all
/// that goes with a device are one batch.
pub(crate) fn publish(
    state: &mut State,
    turn: &mut Turn<'_>,
    (session, address, request): (SessionId, Address, u64),
    publication: Publication,
) {
    let user = address.user;
    let account = state.account(turn.view, user);
    if account.is_none_or(|account| !account.devices.contains_key(&address.device)) {
        // It was removed while this was on its way, and is told so.
        return;
    }
    let list = DeviceList::decode(&publication.list).map_err(|_| (NackCode::LIST_INVALID, 0));
    let verdict = list.and_then(|list| {
        let verdict = judge(state, turn, user, &list, &publication)?;
        Ok((list.version, verdict))
    });
    match verdict {
        Err((code, retry_after_ms)) => {
            let reference = Reference::number(request);
            turn.refuse_for(session, Kind::PUBLISH, code, reference, retry_after_ms);
        }
        Ok((version, verdict)) => {
            // Before the change: it may end this very connection.
            turn.reply(session, Reply::Published(Published { request, version }));
            if let Verdict::Next(change) = verdict {
                adopt(state, turn, user, change, publication);
            }
        }
    }
}

fn judge(
    state: &mut State,
    turn: &Turn<'_>,
    user: UserId,
    next: &DeviceList<'_>,
    publication: &Publication,
) -> Result<Verdict, Refusal> {
    const INVALID: Refusal = (NackCode::LIST_INVALID, 0);
    let account = state.account(turn.view, user).expect("the caller has it");
    let (newest, is_listed) = (account.list_version, account.is_listed());
    if next.user != user {
        return Err(INVALID);
    }
    let row = stored(state, turn.view, user);
    let before = row.list.as_ref();
    if before.is_some_and(|head| (head.version, head.hash) == (next.version, publication.hash)) {
        return Ok(Verdict::Known);
    }
    if next.version != newest + 1 {
        return Err((NackCode::LIST_CONFLICT, 0));
    }
    let keeps_key = before.is_none_or(|head| head.is_reset || head.account_key == next.account_key);
    if next.previous != before.map_or(PREVIOUS_NONE, |head| head.hash) || !keeps_key {
        return Err(INVALID);
    }
    let changes = if is_listed {
        let before = list(state, turn.view, user, newest);
        follow(&row, &decode(&before), next)
    } else {
        begin(&row, next)
    };
    let (removed, added) = changes.ok_or(INVALID)?;
    // Last of all: only a list that is kept costs anything.
    let has_quota = LISTS.take(&mut state.publishers, user, 1, turn.now);
    has_quota.map_err(|retry_after_ms| (NackCode::RATE_LIMITED, retry_after_ms))?;
    let head = ListHead {
        version: next.version,
        hash: publication.hash,
        account_key: next.account_key,
        is_reset: false,
    };
    Ok(Verdict::Next(Change {
        head,
        removed,
        added,
    }))
}

type Changes = (Vec<DeviceId>, Option<[u8; KEY_BYTES]>);

/// The first list, or the first after a reset: exactly the devices that there are, with the keys
/// that they registered.
fn begin(row: &AccountRow, next: &DeviceList<'_>) -> Option<Changes> {
    let listed = next.devices.iter().map(|it| (it.device, it.signing_key));
    let known = row.devices.iter().map(|it| (it.device, it.key));
    let is_right = next.next_device == row.next_device && listed.eq(known);
    is_right.then(|| (Vec::new(), None))
}

/// Any later list: devices that stay keep their keys, at most one is new, and one stays.
fn follow(row: &AccountRow, before: &DeviceList<'_>, next: &DeviceList<'_>) -> Option<Changes> {
    let mut added = None;
    for listed in &next.devices {
        match before.device(listed.device) {
            Some(known) => {
                let keys = (known.signing_key, known.identity_key);
                if keys != (listed.signing_key, listed.identity_key) {
                    return None;
                }
            }
            // Ids ascend, so a second new device would have another id than the server's next one.
            None if listed.device == row.next_device => added = Some(listed.signing_key),
            None => return None,
        }
    }
    let next_device = row.next_device.0.checked_add(u16::from(added.is_some()))?;
    let devices = row.devices.iter().map(|row| row.device);
    let removed: Vec<_> = devices
        .filter(|device| next.device(*device).is_none())
        .collect();
    let one_stays = removed.len() < row.devices.len();
    let is_right = next.next_device == DeviceId(next_device) && one_stays;
    is_right.then_some((removed, added))
}

fn adopt(
    state: &mut State,
    turn: &mut Turn<'_>,
    user: UserId,
    change: Change,
    publication: Publication,
) {
    let version = change.head.version;
    let key = device_list::key(state.id, user, version);
    state.fresh.put(turn, &key, |out| {
        out.extend_from_slice(&publication.list);
    });
    for device in &change.removed {
        removal::remove(state, turn, user, *device);
    }
    let account = state.accounts.get_mut(&user).expect("it was loaded before");
    account.list_version = version;
    account.is_reset = false;
    let added = account.next_device;
    if let Some(key) = change.added {
        removal::declare_open(state, turn, user, added);
        let account = state.accounts.get_mut(&user).expect("it was loaded before");
        account.add_device(key, publication.epoch);
    }
    let account = state.accounts.get(&user).expect("it was loaded before");
    turn.effects.push(Effect::Note(Note::ListPublished {
        user,
        version,
        devices: account.devices.len(),
        added: change.added.map(|_| added),
        removed: change.removed.clone(),
    }));
    store(state, turn, user, Some(change.head));
    if change.added.is_some() {
        link::added(state, turn, user, publication.answer);
    } else {
        link::removed(state, turn, user, &change.removed);
    }
}

/// The account's row, also when this turn has written it.
pub(crate) fn stored(state: &State, view: &dyn View, user: UserId) -> AccountRow {
    let row = state.fresh.get(view, &account_rows::key(state.id, user));
    let row = row.expect("an account in memory has its row");
    AccountRow::decode(&row).expect("an account row is ours")
}

/// Writes the account's row with what the next list must follow.
pub(crate) fn store(state: &mut State, turn: &mut Turn<'_>, user: UserId, list: Option<ListHead>) {
    let row = state
        .accounts
        .get(&user)
        .expect("the caller has it")
        .row(list);
    let key = account_rows::key(state.id, user);
    state.fresh.put(turn, &key, |out| row.encode(out));
    state.dirty = true;
}
