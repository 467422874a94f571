//! Prekeys: a device hands them over, and each is given to one stranger.

use martlet_protocol::frame::{Bundle, Prekey, PrekeyKind, Reference, Stock};
use martlet_protocol::limits::PREKEYS_MAX;
use martlet_protocol::{Address, DeviceId, Kind, NackCode, UserId};
use martlet_store::View;
use martlet_store::keys::prekey::{self, LastResort, StockRow};

use crate::command::SessionId;
use crate::effect::{BundlesAnswer, Reply};
use crate::inbox;
use crate::limits::{CLAIMANTS_MAX, CLAIMS, STOCK_LOW};
use crate::state::State;
use crate::turn::Turn;

/// Stores a device's prekeys. A repetition changes nothing: ids say what is known or used.
pub(crate) fn upload(
    state: &mut State,
    turn: &mut Turn<'_>,
    (session, address, request): (SessionId, Address, u64),
    last_resort: Option<Prekey>,
    one_time: &[Prekey],
) {
    let account = state.account(turn.view, address.user);
    let account = account.filter(|account| account.devices.contains_key(&address.device));
    let Some(account) = account else {
        // It was removed while this was on its way, and is told so.
        return;
    };
    let ids = || one_time.iter().map(|prekey| prekey.id);
    // A device counts from 1: 0 says that there is no key.
    let mut all_ids = ids().chain(last_resort.map(|prekey| prekey.id));
    let has_ids = all_ids.all(|id| id != 0);
    if !account.is_listed() || !has_ids || !ids().is_sorted_by(|a, b| a < b) {
        let reference = Reference::number(request);
        return turn.refuse(session, Kind::UPLOAD, NackCode::KEYS_INVALID, reference);
    }
    let mut stock = stock_of(state, turn.view, address);
    let before = stock;
    for prekey in one_time {
        if prekey.id <= stock.taken_up_to {
            continue;
        }
        if stock.one_time >= PREKEYS_MAX as u64 {
            break;
        }
        let key = prekey::one_time_key(state.id, address, prekey.id);
        state.fresh.put(turn, &key, |out| {
            prekey::encode_one_time(prekey, out);
        });
        stock.taken_up_to = prekey.id;
        stock.one_time += 1;
    }
    let newest = stock.last_resort.map_or(0, |known| known.prekey.id);
    if let Some(prekey) = last_resort.filter(|prekey| prekey.id > newest) {
        stock.last_resort = Some(LastResort { prekey, uses: 0 });
    }
    if stock != before {
        store(state, turn, address, &stock);
    }
    turn.reply(session, Reply::Stock(say(&stock, request)));
}

/// Hands out one key of each device that has any: the oldest one-time key, which is gone with the
/// same batch, else the last-resort key.
pub(crate) fn claim(
    state: &mut State,
    turn: &mut Turn<'_>,
    (session, from, request): (SessionId, Address, u64),
    user: UserId,
    devices: &[DeviceId],
) {
    let reference = Reference::number(request);
    if state.account(turn.view, user).is_none() {
        return turn.refuse(session, Kind::CLAIM, NackCode::UNKNOWN_HANDLE, reference);
    }
    let asked = devices.iter().enumerate();
    let stocks: Vec<_> = asked
        .filter(|(index, device)| !devices[..*index].contains(device))
        .map(|(_, device)| inbox::address(user, *device))
        .filter_map(|address| Some((address, claimable(state, turn.view, address)?)))
        .collect();
    if !stocks.is_empty() {
        let spent = state.claims.entry(user).or_default();
        spent.make_room(from.user, CLAIMANTS_MAX, turn.now);
        let units = stocks.len() as u64;
        if let Err(retry_after_ms) = CLAIMS.take(spent, from.user, units, turn.now) {
            let code = NackCode::RATE_LIMITED;
            return turn.refuse_for(session, Kind::CLAIM, code, reference, retry_after_ms);
        }
    }
    let bundles = stocks
        .into_iter()
        .map(|(address, stock)| hand_out(state, turn, address, stock))
        .collect();
    let answer = BundlesAnswer {
        request,
        user,
        bundles,
    };
    turn.reply(session, Reply::Bundles(answer));
}

/// The stock of a device, if there is a key in it.
fn claimable(state: &State, view: &dyn View, address: Address) -> Option<StockRow> {
    let account = state.accounts.get(&address.user)?;
    if !account.devices.contains_key(&address.device) {
        return None;
    }
    let stock = stock_of(state, view, address);
    (stock.one_time > 0 || stock.last_resort.is_some()).then_some(stock)
}

/// Takes one key away, and warns the device when it runs out of them.
fn hand_out(
    state: &mut State,
    turn: &mut Turn<'_>,
    address: Address,
    mut stock: StockRow,
) -> Bundle {
    let (kind, prekey) = if stock.one_time > 0 {
        let prekey = oldest(state, turn.view, address, &stock);
        let key = prekey::one_time_key(state.id, address, prekey.id);
        turn.batch.delete(&key);
        stock.claimed_up_to = prekey.id;
        stock.one_time -= 1;
        (PrekeyKind::ONE_TIME, prekey)
    } else {
        let last_resort = stock.last_resort.as_mut();
        let last_resort = last_resort.expect("the caller has left out who has no key");
        last_resort.uses += 1;
        (PrekeyKind::LAST_RESORT, last_resort.prekey)
    };
    store(state, turn, address, &stock);
    let account = state.accounts.get_mut(&address.user);
    let device = account.and_then(|account| account.devices.get(&address.device));
    let session = device.and_then(|device| device.session.as_deref());
    if let Some(session) = session.filter(|_| is_low(&stock)) {
        turn.reply(session.id, Reply::Stock(say(&stock, 0)));
    }
    Bundle {
        device: address.device,
        kind,
        prekey,
    }
}

/// The one-time key that was uploaded first, of all that are left. Keys of this turn, which the
/// view does not show yet, are above all that it shows.
fn oldest(state: &State, view: &dyn View, address: Address, stock: &StockRow) -> Prekey {
    let from = prekey::one_time_key(state.id, address, stock.claimed_up_to + 1);
    let end = prekey::one_time_end(state.id, address);
    let stored = view.first(&from, &end);
    let fresh = || {
        let (key, value) = state.fresh.first(&from, &end)?;
        Some((key.to_vec().into(), value.clone()))
    };
    let (key, value) = stored.or_else(fresh).expect("the stock counts its keys");
    let (_, id) = prekey::one_time_of(&key).expect("a one-time key holds its id");
    prekey::decode_one_time(id, &value).expect("a one-time row is ours")
}

/// Warns a device that connects, if others may find no one-time key of it, or did not.
pub(crate) fn warn(state: &mut State, turn: &mut Turn<'_>, session: SessionId, address: Address) {
    let account = state.account(turn.view, address.user);
    if account.is_some_and(|account| account.is_listed()) {
        let stock = stock_of(state, turn.view, address);
        if is_low(&stock) {
            turn.reply(session, Reply::Stock(say(&stock, 0)));
        }
    }
}

fn is_low(stock: &StockRow) -> bool {
    stock.one_time < STOCK_LOW || stock.last_resort.is_some_and(|key| key.uses > 0)
}

fn say(stock: &StockRow, request: u64) -> Stock {
    Stock {
        request,
        one_time: stock.one_time,
        last_resort: stock.last_resort.map_or(0, |key| key.prekey.id),
        last_resort_uses: stock.last_resort.map_or(0, |key| key.uses),
    }
}

fn stock_of(state: &State, view: &dyn View, address: Address) -> StockRow {
    let row = state.fresh.get(view, &prekey::key(state.id, address));
    row.map_or_else(StockRow::default, |row| {
        StockRow::decode(&row).expect("a stock row is ours")
    })
}

fn store(state: &mut State, turn: &mut Turn<'_>, address: Address, stock: &StockRow) {
    let key = prekey::key(state.id, address);
    state.fresh.put(turn, &key, |out| stock.encode(out));
    state.dirty = true;
}
