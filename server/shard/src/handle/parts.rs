//! A message has a part for each device that gets it: is it made for the devices there are?

use martlet_protocol::frame::SendScope;
use martlet_protocol::{Address, DeviceId, NackCode};

use crate::account::Account;
use crate::limits::INBOX_FULL_RETRY_MS;
use crate::message::{DevicePart, OwnDevices, SendRequest};

/// Why not, and when to try again in milliseconds.
pub(crate) type Refusal = (NackCode, u64);

/// Holds the versions against those of both accounts, then the parts against the devices.
///
/// A sender that does not know of a device would leave it out, one that does not know that a device
/// is gone would encrypt for whoever has it now: both are told to look at the list first.
pub(crate) fn check(
    account: &Account,
    own: &OwnDevices,
    from: Address,
    request: &SendRequest,
) -> Result<(), Refusal> {
    if request.scope == SendScope::ALL && request.own_version != own.version() {
        return Err((NackCode::STALE_OWN, 0));
    }
    if request.to_version != account.list_version {
        return Err((NackCode::STALE_RECIPIENT, 0));
    }
    if account.is_reset {
        // The list names devices that are gone; its successor is on its way.
        return Err((NackCode::INBOX_FULL, INBOX_FULL_RETRY_MS));
    }
    let fits = match request.scope {
        SendScope::ALL => is_for_all(account, own, request),
        SendScope::NAMED => is_for_some(account, from, request),
        _ => false,
    };
    fits.then_some(()).ok_or((NackCode::PARTS_MISMATCH, 0))
}

/// Exactly the recipient's devices, and exactly the sender's others. An account without a list has
/// one device, which gets the envelope alone.
fn is_for_all(account: &Account, own: &OwnDevices, request: &SendRequest) -> bool {
    let is_for_them = if account.list_version == 0 {
        request.to_parts.is_empty()
    } else {
        devices(&request.to_parts).eq(account.devices.keys().copied())
    };
    is_for_them && devices(&request.own_parts).eq(own.others().iter().copied())
}

/// At least one device of the recipient's list, and never the one that sends.
fn is_for_some(account: &Account, from: Address, request: &SendRequest) -> bool {
    let is_own = request.to == from.user;
    let is_device = |device: DeviceId| {
        account.devices.contains_key(&device) && !(is_own && device == from.device)
    };
    account.is_listed()
        && !request.to_parts.is_empty()
        && request.own_parts.is_empty()
        && devices(&request.to_parts).is_sorted_by(|a, b| a < b)
        && devices(&request.to_parts).all(is_device)
}

fn devices(parts: &[DevicePart]) -> impl Iterator<Item = DeviceId> {
    parts.iter().map(|part| part.device)
}
